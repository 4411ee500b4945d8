"""Fit tunnel diodes: noisy curves of known diodes, and the published curves of the presets.

    python scripts/fit_diodes.py [--curves 500]

Writes results/fit_diodes.{json,md,png}. About two minutes on one core.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from common import RESULTS, Report
from matplotlib.figure import Figure
from scipy.optimize import least_squares
from scipy.stats import t

from eqcirc.devices import EsakiDiode
from eqcirc.devices.fit import ROUGH, Fit, fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.presets import PRESETS
from eqcirc.report.fit import curves

KNOWN = EsakiDiode(fall_exponent=1.3)
NOISES = (0.01, 0.03)  # of the current, and of 2 % of the peak current
CONFIDENCE = 0.95
RANGES = {  # of the logarithms of first values of a search for the best fit there is; currents of the peak
    "peak_current": (0.5, 2.0),
    "peak_voltage": (0.02, 0.2),
    "excess_current": (1e-3, 1.0),
    "excess_slope": (0.3, 30.0),
    "saturation_current": (1e-12, 1e-3),
    "slope_voltage": (0.015, 0.1),
    "fall_exponent": (1.0, 2.9),
}
FITTED = tuple(RANGES)
STARTS = 100  # of that search


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=500)
    count = parser.parse_args().curves
    report = Report(__file__)
    for noise in NOISES:
        recovery(report, count, noise)
    with warned() as told:
        fits = {name: published(name) for name in PRESETS}
    rows = [figures(name, *pair) for name, pair in fits.items()]
    report.content["presets"] = rows
    polynomials = [row for row in rows if row["name"].startswith("mbd")]  # 1n3716 is an Esaki law itself
    worst = max(row["esaki_rms"] for row in polynomials)
    where = "of the five published polynomials"
    report.claim(f"Esaki fits {where}: rms error up to the valley / peak current", worst, "<= 0.07")
    beyond = max(
        esaki_cost(e.law, e) / best_esaki_cost(e) - 1 for name, (e, _) in fits.items() if name != "1n3716"
    )
    report.claim(
        f"Esaki fits {where}: squares above the least of {STARTS} random searches (relative)",
        beyond,
        "<= 0.01",  # of curves whose excess current is straight: the fit's slopes end at 0.1/V, the search's do not
    )
    beyond = max(cubic.rms / best_cubic_rms(cubic) - 1 for _, cubic in fits.values())
    report.claim(
        "cubic fits of all presets: rms error above that of the best polynomial (relative)", beyond, "<= 1e-6"
    )
    rough = [
        f"{name}: the {shape}"
        for name, pair in fits.items()
        for shape, f in zip(("esaki", "cubic"), pair, strict=True)
        if f.misfit > ROUGH
    ]
    silent = [name for name in rough if not any(name in line for line in told)]
    report.claim(
        f"fits of presets off by more than {ROUGH:.0%} of the peak current that no warning tells of, of {len(rough)}",
        len(silent),
        "<= 0",
    )
    report.write()
    write_table(rows, report.content["recovery"])
    draw(report, {name: esaki for name, (esaki, _) in fits.items()})


def recovery(report: Report, count: int, noise: float) -> None:
    """Fit noisy curves of a known diode, and count how often the truth lies within the stated errors."""
    v = np.linspace(0.0, 0.52, 105)
    current, _ = KNOWN.evaluate(v)
    off, stated = np.empty((2, count, len(FITTED)))
    for seed in range(count):
        error = noise * np.random.default_rng(seed).normal(size=len(v))
        found = fit(IVCurve(v, current + error * (current + 0.02 * KNOWN.peak_current)))
        true = vars(KNOWN) | {"excess_current": excess_at(found.law.valley_voltage)}
        off[seed] = [np.log(found.values[name] / true[name]) for name in FITTED]
        stated[seed] = [found.errors[name] / found.values[name] for name in FITTED]
    reach = t.ppf((1 + CONFIDENCE) / 2, len(v) - len(FITTED))
    covered = dict(zip(FITTED, (np.abs(off) <= reach * stated).mean(axis=0).tolist(), strict=True))
    report.content.setdefault("recovery", {})[f"{noise:.0%}"] = {
        name: {"covered": covered[name], "bias": b, "scatter": s, "stated": e, "not determined": n}
        for name, b, s, e, n in zip(
            FITTED,
            off.mean(axis=0),
            off.std(axis=0),
            np.median(stated, axis=0),
            np.isinf(stated).sum(axis=0),
            strict=True,
        )
    }
    curves_of = f"{count} curves of 105 points with {noise:.0%} noise"
    where = f"true values within the {CONFIDENCE:.0%} interval of fits to {curves_of}"
    for word, name, bound in (
        ("least", min(covered, key=covered.__getitem__), ">= 0.925"),
        ("most", max(covered, key=covered.__getitem__), "<= 0.975"),
    ):
        report.claim(f"{where}: {word} of {len(FITTED)} parameters (share)", covered[name], bound)
    tested = np.abs(off.mean(axis=0)) / off.std(axis=0)
    report.claim(f"bias of these fits / scatter, largest of {len(FITTED)} parameters", tested.max(), "<= 0.3")


def excess_at(valley_voltage: float) -> float:
    """Return the true excess current at the voltage that a fit names."""
    return KNOWN.excess_current * float(np.exp(KNOWN.excess_slope * (valley_voltage - KNOWN.valley_voltage)))


@contextmanager
def warned() -> Iterator[list[str]]:
    """Collect what the package warns of."""
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("eqcirc").addHandler(handler)
    try:
        yield told
    finally:
        logging.getLogger("eqcirc").removeHandler(handler)


def published(name: str) -> tuple[Fit, Fit]:
    """Fit the curve of a preset by both laws."""
    v = np.linspace(0.0, 0.53 if name == "1n3716" else 0.47, 107)
    curve = IVCurve(v, PRESETS[name].law.evaluate(v)[0], name)
    return fit(curve), fit(curve, "cubic")


def best_cubic_rms(found: Fit) -> float:
    """Return the least rms error of any polynomial of third degree, over the points of a fit: a linear problem."""
    v, i = found.measured.voltage, found.measured.current
    part = (v >= found.within[0]) & (v <= found.within[1])
    best = np.polynomial.Polynomial.fit(v[part], i[part], 3)
    return float(np.sqrt(np.mean((best(v[part]) - i[part]) ** 2)))


def esaki_residual(law: EsakiDiode, found: Fit) -> np.ndarray:
    """Return what an Esaki fit makes small in squares: differences in parts of current plus valley current."""
    v, i = found.measured.voltage, found.measured.current
    return (law.evaluate(v)[0] - i) / (np.abs(i) + found.measured.valley.current)


def esaki_cost(law: EsakiDiode, found: Fit) -> float:
    """Return the sum of those squares."""
    return float((esaki_residual(law, found) ** 2).sum())


def best_esaki_cost(found: Fit) -> float:
    """Return the least sum of squares that searches from random values find."""
    unit = np.array([found.measured.peak.current if name.endswith("current") else 1.0 for name in FITTED])
    low, high = np.log(list(RANGES.values())).T + np.log(unit)
    widest = np.array([5.0, 3.0, 10.0, 3.0, 20.0, 2.0, 0.0])

    def law(x: np.ndarray) -> EsakiDiode:
        values = dict(zip(FITTED, np.exp(x).tolist(), strict=True))
        return EsakiDiode(**values, valley_voltage=found.measured.valley.voltage)

    rng = np.random.default_rng(0)
    costs = [
        least_squares(
            lambda x: np.clip(esaki_residual(law(x), found), -1e6, 1e6),
            rng.uniform(low, high),
            bounds=(low - widest, high + widest),
        ).cost
        for _ in range(STARTS)
    ]
    return 2 * float(min(costs))


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


def write_table(rows: list[dict[str, Any]], recovered: dict[str, dict[str, dict[str, float]]]) -> None:
    """Write the figures as tables."""
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
    lines += [
        "",
        note,
        "",
        "| noise | fitted value | bias | scatter | stated error | within the 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for noise, parameters in recovered.items():
        for name, r in parameters.items():
            cells = " | ".join(f"{r[key]:.2%}" for key in ("bias", "scatter", "stated"))
            lines.append(f"| {noise} | {name.replace('_', ' ')} | {cells} | {r['covered']:.1%} |")
    (RESULTS / "fit_diodes.md").write_text("\n".join([*lines, ""]), encoding="utf-8")


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
