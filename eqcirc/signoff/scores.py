"""Scores of several tables: all are of the same samples, and those of one thing are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from eqcirc.export.bundle.bands import ALLOWANCE, WIDEST
from eqcirc.export.bundle.corners import Corner
from eqcirc.signoff.csvs import Row, near
from eqcirc.text import one_line

TABLES = ("scores.csv", "corners.csv", "mc_results.csv")


def problems(tables: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Yield where the tables of scores, by name, do not agree."""
    count = {row["samples"] for rows in tables.values() for row in rows}
    if len(count) > 1:
        yield f"{', '.join(tables)} are of {one_line(sorted(count), 60)} samples, expected the same"
    for name, rows in tables.items():
        for row in rows:
            samples, failed = int(row["samples"]), int(row["failed"])
            right = float(row["accuracy"] or 0) * samples
            if not 0 <= failed <= samples or not 0 <= right <= samples or abs(right - round(right)) > 1e-6:
                what = one_line(next(iter(row.values())), 60)
                yield f"{name}, {what}: {failed} failed and accuracy {row['accuracy']} cannot be of {samples} samples"
    scores = {row["case"]: row for row in tables.get("scores.csv", ())}
    nominal = scores.get("as exported")
    if nominal is None:
        return
    allowed = scores.get(f"allowed: loss + {ALLOWANCE:.0%}")
    if allowed is not None and not near(float(allowed["loss"]), (1 + ALLOWANCE) * float(nominal["loss"])):
        yield f"scores.csv: allowed is a loss of {allowed['loss']}, expected {ALLOWANCE:.0%} above {nominal['loss']}"
    for row in tables.get("corners.csv", ()):
        corner = Corner(*(float(row[key]) for key in ("celsius", "supply", "resistance", "diode_current")))
        if corner.name != row["corner"]:
            yield f"corners.csv: {one_line(row['corner'], 60)} is {corner.name}, by its columns"
        elif corner == Corner() and (row["loss"], row["accuracy"]) != (nominal["loss"], nominal["accuracy"]):
            yield f"corners.csv: nominal is a loss of {row['loss']}, {nominal['loss']} in scores.csv"


def bands(rows: Sequence[Row]) -> Iterator[str]:
    """Yield trained values whose band is not in the middle, too wide, or not as their sensitivity asks."""
    edges = [row for row in rows if row["allowed_low"]]
    value, low, high, slope = (
        np.array([float(row[key]) for row in edges])
        for key in ("value", "allowed_low", "allowed_high", "sensitivity")
    )
    half = (high - low) / 2
    widest = np.isclose(half, WIDEST * np.abs(value), rtol=1e-6)
    share = half * np.abs(slope)
    usual = float(np.median(share[~widest])) if not widest.all() else float("inf")
    wrong = np.abs((high + low) / 2 - value) > 1e-6 * np.abs(value)
    wrong |= np.where(widest, share > usual * (1 + 1e-6), np.abs(share - usual) > 1e-6 * usual)
    for k in np.flatnonzero(wrong)[:1].tolist():
        yield f"{edges[k]['edge']}: the band is not that of its value and sensitivity"
