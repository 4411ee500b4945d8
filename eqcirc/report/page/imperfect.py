"""What was not ideal about the circuit of a run: kinds, draws, and what the values that were asked for became."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from eqcirc.errors import EqcircError
from eqcirc.experiment.build import build_ideal
from eqcirc.experiment.reality import Reality, build_reality
from eqcirc.reality import Chip
from eqcirc.report.page.evidence import Evidence
from eqcirc.report.page.section import Picture, Section, Table
from eqcirc.report.studies import in_short
from eqcirc.report.style import BLUE, CYCLE, GREY, grid, new_figure, plain, styled
from eqcirc.text import one_line

MOST = 6  # elements or draws in a figure
POINTS = 3000  # values of an element that are drawn


def imperfect(evidence: Evidence) -> Section:
    """Draw what the chip of a run makes of its values."""
    section, table = Section("reality", "What is not ideal"), evidence.opened.experiment.reality
    if table is None:
        section.text.append(
            "Nothing: the circuit was taken as ideal. 'eqcirc chips' and 'eqcirc study' say how much of it survives."
        )
        return section
    section.text.append(f"Trained through chip {table.chip} of series {table.seed}.")
    section.parts.append(Table(("kind", "figures"), kinds(table), "Kinds of non-ideality."))
    try:
        chip = _chip(evidence, table)
    except EqcircError as error:
        section.text.append(f"The chip cannot be made again: {one_line(error, 400)}")
        return section
    rows = chip.rows()
    if rows:
        columns = ("kind", "element", "parts", "least", "median", "most")
        shown = [tuple(_shown(row.get(name, "")) for name in columns) for row in rows]
        section.parts.append(Table(columns, shown, "What was drawn for this chip."))
        section.parts.append(_draws(chip))
    moved = {name: v for name, v in chip.values.items() if not np.array_equal(v, chip.parameters[name])}
    if moved:
        section.parts.append(_became(chip, moved))
    else:
        section.text.append("All values are those that were asked for.")
    return section


def kinds(table: Reality) -> list[tuple[str, str]]:
    """Return the kinds of a table [reality] and their figures, in words."""
    found = table.model_dump(mode="json", exclude_none=True)
    return [(name, in_short(keys) or "–") for name, keys in found.items() if isinstance(keys, dict)]


def _chip(evidence: Evidence, table: Reality) -> Chip:
    opened = evidence.opened
    ideal = build_ideal(opened.experiment, opened.known.n_features, opened.known.n_outputs)
    asked = {name: value for name, value in opened.parameters.items() if name in ideal.parameters}
    return build_reality(table).chip(ideal, asked, table.chip, table.seed)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else one_line(value)


def _draws(chip: Chip) -> Picture:
    drawn = [(kind, name, array) for kind, part in chip.draws.items() for name, array in part.items()]
    shown, rows = drawn[:MOST], []
    wide = min(3, len(shown))
    high = -(-len(shown) // wide)
    with styled():
        figure = new_figure(2.3 * wide + 0.3, 2.0 * high + 0.3)
        axes = figure.subplots(high, wide, squeeze=False).ravel()
        for axis, (kind, name, array) in zip(axes, shown, strict=False):
            there = array[np.isfinite(array)].ravel()
            counts, edges = np.histogram(there, 40) if there.size else (np.zeros(1), np.array([0.0, 1.0]))
            axis.stairs(counts, edges, fill=True, color=BLUE, alpha=0.8)
            axis.set_title(plain(f"{kind}: {name}", 34))
            axis.set_xlabel("drawn (factor, or S)")
            axis.set_ylabel("parts")
            grid(axis)
            bins = {"kind": kind, "element": name, "from": edges[:-1], "to": edges[1:], "parts": counts}
            rows.append(pd.DataFrame(bins))
        for axis in axes[len(shown) :]:
            axis.axis("off")
    less = f" The first {MOST} of {len(drawn)} are shown." if len(drawn) > MOST else ""
    return Picture(
        "draws",
        "What chance decided about this chip: factors around one, or conductances that are added or stuck. The wider, "
        f"the less alike two chips are.{less}",
        figure,
        pd.concat(rows, ignore_index=True),
        "histograms of what was drawn for the chip",
    )


def _became(chip: Chip, moved: dict[str, Any]) -> Picture:
    from matplotlib.ticker import EngFormatter

    names, rows = list(moved)[:MOST], []
    wide = min(3, len(names))
    high = -(-len(names) // wide)
    with styled():
        figure = new_figure(2.4 * wide + 0.3, 2.3 * high + 0.2)
        axes = figure.subplots(high, wide, squeeze=False).ravel()
        for k, (axis, name) in enumerate(zip(axes, names, strict=False)):
            asked, there = chip.parameters[name].ravel(), moved[name].ravel()
            some = np.random.default_rng(0).permutation(len(asked))[:POINTS]
            axis.axline((float(asked.mean()), float(asked.mean())), slope=1, color=GREY, lw=0.9)
            axis.plot(asked[some], there[some], ".", ms=2, color=CYCLE[k], alpha=0.5, rasterized=True)
            for axle in (axis.xaxis, axis.yaxis):
                axle.set_major_formatter(EngFormatter(sep=" "))
            axis.locator_params(nbins=4)
            off = np.sqrt(np.mean((there - asked) ** 2)) / max(float(np.abs(asked).mean()), 1e-300)
            axis.set_title(f"{plain(name)}: {off:.1%} apart")
            unit = chip.circuit.element(name).unit
            axis.set_xlabel(f"asked for ({unit})")
            axis.set_ylabel(f"there ({unit})")
            grid(axis)
            rows.append(pd.DataFrame({"element": name, "asked": asked[some], "there": there[some]}))
        for axis in axes[len(names) :]:
            axis.axis("off")
    return Picture(
        "programmed",
        "What became of the values that were asked for (at most 3,000 of each element): steps are levels, a cloud "
        "around the line is mismatch or noise, rows at the ends are stuck devices. In the titles, the rms distance in "
        "parts of the mean.",
        figure,
        pd.concat(rows, ignore_index=True),
        "values that are there over values that were asked for",
    )
