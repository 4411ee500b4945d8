"""Fit tunnel diodes: noisy curves of known diodes, and the published curves of the presets.

    python scripts/fit_diodes.py [--curves 60]

Writes results/fit_diodes.{json,md,png}. About ten seconds on one core.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from common import RESULTS, Report
from matplotlib.figure import Figure

from eqcirc.devices import EsakiDiode
from eqcirc.devices.fit import Fit, fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.presets import PRESETS
from eqcirc.report.fit import curves

KNOWN = EsakiDiode(fall_exponent=1.3)
NOISE = 0.01  # of the current, and of 2 % of the peak current
FITTED = ("peak_current", "peak_voltage", "slope_voltage", "fall_exponent")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=60)
    count = parser.parse_args().curves
    report = Report(__file__)
    recovery(report, count)
    fits = {name: published(name) for name in PRESETS}
    rows = [figures(name, *pair) for name, pair in fits.items()]
    report.content["presets"] = rows
    polynomials = [row for row in rows if row["name"].startswith("mbd")]  # 1n3716 is an Esaki law itself
    worst = max(row["esaki_rms"] for row in polynomials)
    where = "of the five published polynomials"
    report.claim(f"Esaki fits {where}: rms error up to the valley / peak current", worst, "<= 0.1")
    worst = max(row["cubic_rms"] for row in rows)
    report.claim("cubic fits of all presets: rms error over the N / peak current", worst, "<= 0.2")
    report.write()
    write_table(rows)
    draw(report, {name: esaki for name, (esaki, _) in fits.items()})


def recovery(report: Report, count: int) -> None:
    """Fit noisy curves of a known diode."""
    v = np.linspace(0.0, 0.52, 105)
    current, _ = KNOWN.evaluate(v)
    fits = []
    for seed in range(count):
        noise = NOISE * np.random.default_rng(seed).normal(size=len(v))
        fits.append(fit(IVCurve(v, current + noise * (current + 0.02 * KNOWN.peak_current))))
    off = {name: [f.values[name] / getattr(KNOWN, name) - 1 for f in fits] for name in FITTED}
    stated = {name: [f.errors[name] / getattr(KNOWN, name) for f in fits] for name in FITTED}
    rows = {
        name: {"bias": np.mean(x), "scatter": np.std(x), "stated": np.median(stated[name])}
        for name, x in off.items()
    }
    report.content["recovery"] = rows
    where = f"of a known diode from {count} curves of 105 points with {NOISE:.0%} noise"
    report.claim(f"largest bias {where} (relative)", max(abs(r["bias"]) for r in rows.values()), "<= 0.01")
    ratios = [r["stated"] / r["scatter"] for r in rows.values()]
    report.claim(f"stated standard error / scatter {where}, least", min(ratios), ">= 0.7")
    report.claim(f"stated standard error / scatter {where}, largest", max(ratios), "<= 1.4")


def published(name: str) -> tuple[Fit, Fit]:
    """Fit the curve of a preset by both laws."""
    v = np.linspace(0.0, 0.53 if name == "1n3716" else 0.47, 107)
    curve = IVCurve(v, PRESETS[name].law.evaluate(v)[0], name)
    return fit(curve), fit(curve, "cubic")


def figures(name: str, esaki: Fit, cubic: Fit) -> dict[str, Any]:
    """Return what a preset is, and how well the laws fit."""
    diode = PRESETS[name]
    curve = diode.curve(0.6)
    peak = curve.peak.current
    return {
        "name": name,
        "peak": [*curve.peak],
        "valley": [*curve.valley],
        "forward_voltage": diode.forward_voltage(0.6),
        "steepest_fall": diode.law.steepest_fall,
        "capacitance": diode.capacitance,
        "esaki_rms": esaki.rms_to_valley / peak,
        "cubic_rms": cubic.rms / peak,
        "esaki": esaki.values,
        "cubic": cubic.values,
        "source": diode.source,
    }


def write_table(rows: list[dict[str, Any]]) -> None:
    """Write the figures as a table."""
    lines = [
        "| preset | peak | valley | forward voltage | steepest fall | capacitance | Esaki fit, rms | cubic fit, rms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        (vp, ip), (vv, iv) = row["peak"], row["valley"]
        lines.append(
            f"| {row['name']} | {1e3 * ip:.3g} mA, {1e3 * vp:.0f} mV | {1e3 * iv:.2g} mA, {1e3 * vv:.0f} mV "
            f"| {1e3 * row['forward_voltage']:.0f} mV | {1e3 * row['steepest_fall']:.3g} mS "
            f"| {1e12 * row['capacitance']:g} pF | {row['esaki_rms']:.1%} | {row['cubic_rms']:.1%} |"
        )
    note = "Errors in parts of the peak current: Esaki from 0 V to the valley, cubic over the whole N."
    (RESULTS / "fit_diodes.md").write_text("\n".join([*lines, "", note, ""]), encoding="utf-8")


def draw(report: Report, fits: dict[str, Fit]) -> None:
    """Draw all fits."""
    figure = Figure(figsize=(13, 7), layout="constrained")
    for axis, (name, found) in zip(figure.subplots(2, 3).flat, fits.items(), strict=True):
        curves(axis, found, 1e3)
        axis.set_title(f"{name} as published, Esaki law: rms {found.misfit:.1%} of the peak", fontsize=9)
        axis.set_xlabel("voltage (V)")
        axis.set_ylabel("current (mA)")
    marks = ("published", "Esaki law", "peak and valley as published", "of the law", "its steepest fall")
    figure.legend(figure.axes[0].lines, marks, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.savefig(report.picture(), dpi=110)


if __name__ == "__main__":
    main()
