"""Where does ngspice's matrix solver KLU pay? Time it against Sparse, ngspice's other one, netlist by netlist.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_klu.py

Needs a libngspice with KLU: version 42 or newer, as in Debian 13; another one is told so, and nothing is written.
Each netlist is run by both solvers in turn, in one worker process, load and read-out included; the fastest of a few
runs counts, in processor time, so that other programs do not. Three phases a sample. Writes results/bench_klu.json,
.md and .png. About five minutes.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: one process means one core

import numpy as np
from common import RESULTS, Report
from matplotlib.figure import Figure

from eqcirc import (
    GROUND,
    Biases,
    Bounds,
    CircuitBuilder,
    EqProp,
    LayerDiodes,
    Layered,
    ShockleyDiode,
    SquaredError,
)
from eqcirc.circuit.circuit import Circuit
from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice.klu import LEAST, OPTION
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.solvers.ngspice.pool import Limits, Pool, in_session
from eqcirc.solvers.ngspice.session import Session
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.typing import Array

BETA = 1e-7
REPEATS, ENOUGH = 5, 1.0  # runs at least, and seconds of them
WORK, SAMPLES = 100_000, (2, 32)  # lines times samples of a batch, which has so many at least and at most
OWN_PIVREL = OPTION.partition(" pivrel")[0]
TARGET = "2·784-128-128-10"
SHAPES = [
    (2, (8,), 1),
    *((64, (n,), 10) for n in (16, 32, 64)),
    *((784, (n,), 10) for n in (100, 128, 256)),
    *((64, (n, n), 10) for n in (4, 8, 12, 16, 24, 32, 48, 64, 96)),  # a crossbar of n x n is most of it
    *((784, (n, n), 10) for n in (64, 128, 256)),
]
FULL = [(2, (8,), 1), *((64, n, 10) for n in ((16,), (32,), (24, 24), (64, 64))), (784, (100,), 10)]
GRIDS = (4, 8, 16, 32, 64)


def main() -> None:
    """Measure and write."""
    pool = Pool(LocalWorkers(1), Limits())
    version, there = pool.call(asked)
    if not there:
        pool.close()
        sys.exit(f"This library ({version}) has no KLU: nothing to measure. Version 42 or newer is needed.")
    report = Report(__file__)
    report.content |= {"ngspice": version, "system": platform.freedesktop_os_release()["PRETTY_NAME"]}
    rows = []
    for kind, name, netlist in netlists():
        rows.append({"netlist": name, "kind": kind} | pool.call(measured, netlist))
        print(f"{name}: KLU / Sparse {rows[-1]['klu_over_sparse']:.2f}", flush=True)
    pool.close()
    report.content["netlists"] = rows
    ratio = {row["netlist"]: row["klu_over_sparse"] for row in rows}
    large, small = ([r for r in rows if (r["lines"] >= LEAST) == is_large] for is_large in (True, False))
    report.claim(f"{TARGET}: KLU time / Sparse time", ratio[TARGET], "<= 0.3334")
    report.claim(
        "all netlists: KLU against Sparse voltages (V)", max(r["difference_volts"] for r in rows), "<= 1e-11"
    )
    report.claim(
        f"netlists of {LEAST} lines and more: largest KLU time / Sparse time",
        max(r["klu_over_sparse"] for r in large),
        "<= 1",
    )
    report.claim(
        "netlists of fewer lines: smallest KLU time / Sparse time",
        min(r["klu_over_sparse"] for r in small),
        ">= 0.9",
    )
    report.write()
    (RESULTS / "bench_klu.md").write_text(table(rows), encoding="utf-8")
    draw(report, rows)


def asked(limits: Limits) -> tuple[str, bool]:
    """Return the library's version and whether it has KLU, in a worker."""

    def ask(session: Session) -> tuple[str, bool]:
        session._spice.words.clear()
        session._spice.command("version -s")
        said = [words for words in session._spice.words if "ngspice" in words.lower()]
        return (said or ["ngspice"])[0].strip("* "), session.klu

    return in_session(ask, limits)


def measured(netlist: Netlist, limits: Limits) -> dict[str, Any]:
    """Return what Sparse and KLU took and how far they are apart, in a worker."""

    def measure(session: Session) -> dict[str, Any]:
        session.klu = False  # here the lines say it
        options = {"Sparse": [], "KLU": [OPTION], "KLU with ngspice's pivrel": [OWN_PIVREL]}
        ways = {way: replace(netlist, lines=[*netlist.lines, *option]) for way, option in options.items()}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        voltages: dict[str, Array] = {}
        while len(seconds["KLU"]) < REPEATS or sum(seconds["Sparse"]) < ENOUGH:
            for way, run in ways.items():  # in turn, so that a busy moment hits all of them
                began = time.process_time()
                found = session.run(run)
                seconds[way].append(time.process_time() - began)
                if found.messages or found.rungs:
                    raise EngineError(f"{netlist.lines[0]}, {way}: {found.messages or found.rungs}")
                voltages[way] = found.voltages
        fastest = {way: min(spent) / netlist.samples * 1e3 for way, spent in seconds.items()}
        return {
            "lines": len(netlist.lines),
            "samples": netlist.samples,
            "milliseconds_per_sample": fastest,
            "klu_over_sparse": fastest["KLU"] / fastest["Sparse"],
            "difference_volts": float(np.abs(voltages["KLU"] - voltages["Sparse"]).max()),
            "largest_volts": float(np.abs(voltages["Sparse"]).max()),
        }

    return in_session(measure, limits)


def netlists() -> Iterator[tuple[str, str, Netlist]]:
    """Yield kind, name and netlist of what is to be measured."""
    for kind, shapes in (("reduced", SHAPES), ("full", FULL)):
        for features, hidden, outputs in shapes:
            name = "-".join(str(n) for n in (f"2·{features}", *hidden, outputs))
            yield (
                kind,
                name if kind == "reduced" else f"{name}, full",
                batch(layered(features, hidden, outputs), kind),
            )
    for n in GRIDS:
        yield "grid", f"{n} x {n} grid", batch(grid(n), "reduced")


def layered(features: int, hidden: tuple[int, ...], outputs: int) -> Circuit:
    """Return a network with diodes and amplifiers."""
    plan = Layered(
        hidden=hidden,
        input_gain=20.0,
        gain=4.0,
        biases=Biases(voltage=1.0),
        diodes=LayerDiodes(rail=0.0),
        differential=False,
        bounds=Bounds(1e-7, 1e-5),
    )
    return plan.build("bench", features, outputs, np.random.default_rng(0))


def grid(n: int) -> Circuit:
    """Return a square grid of resistors with a diode to ground everywhere, driven at one corner: few neighbours."""
    b = CircuitBuilder(f"grid {n}")
    x, sites = b.input("x"), b.nodes("site", n * n).reshape(n, n)
    b.conductance("drive", x, sites[:1, 0], 1e-3)
    b.conductance("across", sites[:, :-1].ravel(), sites[:, 1:].ravel(), 1e-4)
    b.conductance("down", sites[:-1].ravel(), sites[1:].ravel(), 1e-4)
    b.device("diode", sites.ravel(), GROUND, ShockleyDiode())
    return b.build(sites[-1:, -1])


def batch(circuit: Circuit, kind: str) -> Netlist:
    """Return the netlist of a batch of random inputs, a fifth of them not zero, with three phases."""
    rng = np.random.default_rng(1)
    features, outputs = circuit.inputs.n_features, circuit.readout.n_outputs
    with NgspiceSolver(circuit, netlist="full" if kind == "full" else "reduced") as solver:
        (one,) = solver.netlists(None, np.zeros((1, features)))
        samples = int(np.clip(WORK // len(one.lines), *SAMPLES))
        inputs = rng.uniform(0, 1, (samples, features)) * (rng.random((samples, features)) < 0.2)
        cost = SquaredError()
        targets = cost.targets(rng.integers(0, max(outputs, 2), samples), outputs)
        (netlist,) = solver.netlists(None, inputs, EqProp(circuit, cost, BETA).nudge(targets, None))
    return netlist


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows for people."""
    lines = [
        "| netlist | lines | ms a sample, Sparse | KLU | KLU with ngspice's pivrel | KLU / Sparse | apart by (V) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ms = " | ".join(f"{value:.3g}" for value in row["milliseconds_per_sample"].values())
        lines.append(
            f"| {row['netlist']} | {row['lines']:,} | {ms} | {row['klu_over_sparse']:.2f} "
            f"| {row['difference_volts']:.0e} |"
        )
    return "\n".join(lines) + "\n"


def draw(report: Report, rows: list[dict[str, Any]]) -> None:
    """Draw the ratio over the number of lines."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for kind, mark in {"reduced": "o", "full": "s", "grid": "^"}.items():
        mine = [row for row in rows if row["kind"] == kind]
        label = {"reduced": "layered", "full": "layered, full netlist", "grid": "grid"}[kind]
        x, y = [row["lines"] for row in mine], [row["klu_over_sparse"] for row in mine]
        axes.semilogx(x, y, mark, ms=5, label=label)
    axes.axhline(1, color="0.5", lw=0.8)
    axes.axvline(LEAST, color="0.5", lw=0.8, ls=":", label=f"{LEAST} lines: KLU is taken from here on")
    axes.set(xlabel="lines of the netlist", ylabel="KLU's time / Sparse's time", ylim=(0, None))
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
