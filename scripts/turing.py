"""Turing patterns on chains and grids of FitzHugh-Nagumo neurons, out of noise, through ngspice.

    OPENBLAS_NUM_THREADS=1 python scripts/turing.py

Writes results/turing.json, .md and .png, and results/turing_grid.png. A few minutes on two cores.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from common import RESULTS, Report
from describe import PRECISE, Trial, ask, some_places, trials
from matplotlib.figure import Figure

from eqcirc import Course, EqProp, IdealSolver, NgspiceSolver, SquaredError
from eqcirc.analysis.pattern import Pattern, grow, uniform_start
from eqcirc.analysis.turing import LATTICES, dispersion, with_inductors
from eqcirc.analysis.wavelength import wavelength
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.lattice import Lattice
from eqcirc.circuit.neuron import GyratorRecovery, Neuron
from eqcirc.circuit.readout import Readout
from eqcirc.devices import Capacitor, CubicDevice, CurrentSource
from eqcirc.errors import SolverError
from eqcirc.report.patterns import draw_chain, draw_grid, snapshot
from eqcirc.solvers.ngspice.netlist import full_netlist
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.session import SweepResult
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.verify.stability import stability_report

SEEDS = range(6)
BETAS = {  # S; at the largest the nudge outweighs the lattice
    "cubic": (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7),
    "esaki": (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
}
OFFSET = 5e-6  # A, of the membranes of chains that are switched on; the devices carry a milliampere
PATTERN = 0.01  # V between the highest and the lowest membrane
PLACES = 6  # values of every element whose derivatives are compared
FAR, NEAR = 0.5, 0.01  # relative errors of a gradient that is useless, and of one that is good
COUPLINGS = ((0.6e-3, 2.6e-3), (1.2e-3, 1.7e-3), (3e-3, 1.4e-3), (8e-3, 1.08e-3))  # activator, gyration (S)
RESTS = (0.105, 0.115, 0.125, 0.14, 0.15)  # V, resting voltages of the grids of tunnel diodes
SIDE, SPICE_SIDE = 48, 24
HEALING = 10_000  # e-foldings of the fastest mode: how long large grids are followed, until their defects stand still
NOTHING = np.zeros((1, 0))

CHAINS = {
    "cubic, gyrator": LATTICES["cubic"],
    "cubic, R-L": with_inductors(LATTICES["cubic"]),
    "esaki, gyrator": LATTICES["esaki"],
    "esaki, R-L": with_inductors(LATTICES["esaki"]),
}


def main() -> None:
    """Measure, draw and write."""
    report = Report(__file__)
    grown = {name: chains(report, name, lattice) for name, lattice in CHAINS.items()}
    control(report)
    couplings(report)
    cold(report)
    any_beta(report, [row for name, lattice in CHAINS.items() for row in learning(report, name, lattice)])
    hopf(report)
    command(report)
    figure = Figure(figsize=(12, 11.2), layout="constrained")
    for part, name in zip(
        figure.subfigures(2, 1, hspace=0.04), ("cubic, gyrator", "esaki, gyrator"), strict=True
    ):
        draw_chain(part, grown[name][0])
        part.suptitle(f"{name} recovery, 96 neurons, from 10 mV of noise, ngspice", fontsize=12)
    figure.savefig(report.picture(), dpi=110)
    grids(report)
    report.write()
    table(report)


def chains(report: Report, name: str, lattice: Lattice) -> list[Pattern]:
    """Grow a pattern from every seed."""
    circuit = lattice.build("chain")
    with NgspiceSolver(circuit) as solver:
        solver.transient(Course(1e-9))  # starts the worker process
        found = [grow(lattice, solver, seed) for seed in SEEDS]
    ideal = [grow(lattice, IdealSolver(circuit), seed, judge=False) for seed in SEEDS]
    rows = [p.facts() for p in found]
    report.content.setdefault("chains", {})[name] = rows
    theory = found[0].theory
    off = max(abs(p.wavelength / theory.wavelength - 1) for p in found)
    where = f"{name}, 96 neurons, 6 seeds, ngspice"
    report.claim(f"{where}: wavelength against linear theory, largest deviation (%)", 100 * off, "<= 10")
    report.claim(
        f"{where}: largest movement over the last tenth (V)", max(r["movement"] for r in rows), "<= 1e-5"
    )
    real = max(r["largest_real_part"] for r in rows)
    report.claim(f"{where}: largest real part at the end states (1/s)", real, "<= 0")
    report.claim(
        f"{where}: transient's end against Newton's method (V)", max(p.distance for p in found), "<= 1e-5"
    )
    apart = max(np.abs(a.membranes - b.membranes).max() for a, b in zip(found, ideal, strict=True))
    report.claim(f"{where}: end states by ngspice against the ideal solver's (V)", apart, "<= 1e-4")
    report.claim(f"{where}: seconds of the slowest transient", max(r["wall_seconds"] for r in rows), "<= 10")
    report.content.setdefault("ideal_seconds", {})[name] = max(p.waveforms.wall_seconds for p in ideal)
    return found


def control(report: Report) -> None:
    """The same chains without inhibitor diffusion, for as long."""
    largest = 0.0
    for lattice in CHAINS.values():
        lone = replace(lattice, inhibitor=None)
        seconds = 500 / dispersion(lattice).rate
        with NgspiceSolver(lone.build("control")) as solver:
            largest = max(largest, *(grow(lone, solver, seed, duration=seconds).amplitude for seed in SEEDS))
    report.claim(
        "without inhibitor diffusion: largest amplitude of all chains and seeds (V)", largest, "<= 1e-6"
    )


def couplings(report: Report) -> None:
    """Other couplings, other wavelengths."""
    rows = []
    for g, gm in COUPLINGS:
        base = LATTICES["cubic"]
        neuron = replace(base.neuron, recovery=GyratorRecovery(gm, 1e-3, 1e-10))
        lattice = replace(base, neuron=neuron, activator=g)
        with NgspiceSolver(lattice.build("chain")) as solver:
            found = [grow(lattice, solver, seed) for seed in SEEDS]
        rows.append(
            {
                "activator": g,
                "gyration": gm,
                "theory": found[0].theory.wavelength,
                "measured": [p.wavelength for p in found],
                "at_rest": all(p.at_rest for p in found),
                "stable": all(p.stable for p in found),
            }
        )
    report.content["couplings"] = rows
    off = max(abs(float(np.mean(r["measured"])) / r["theory"] - 1) for r in rows)
    what = (
        "cubic, four other couplings (7 to 32 neurons a wave): mean wavelength of 6 seeds against theory (%)"
    )
    report.claim(what, 100 * off, "<= 10")


def cold(report: Report) -> None:
    """The operating point of the same netlists without any start is the uniform state, and flagged.

    Switched on they stay there, which is refused, too, or rounding lets a pattern grow, which is good.
    """
    flagged, rows = 0, {}
    for name, lattice in CHAINS.items():
        circuit = lattice.build("cold")
        found = points(full_netlist(circuit, None, circuit.fixed_voltages(NOTHING)), circuit)
        uniform = uniform_start(lattice, circuit)[0]
        apart = float(np.abs(found - uniform)[circuit.free_nodes].max())
        judged = stability_report(circuit, None, NOTHING, found[None])
        refused = ""
        with NgspiceSolver(circuit, start="cold") as solver:
            try:
                solver.solve(None, NOTHING)
            except SolverError as error:
                refused = str(error)
        with NgspiceSolver(circuit) as solver:
            relaxed = solver.solve(None, NOTHING)
        grown = relaxed.converged[0] and np.ptp(relaxed.free[0, circuit.readout.nodes]) > PATTERN
        rows[name] = {
            "from_uniform_state": apart,
            "growth": float(judged.growth[0]),
            "report": judged.explain(0),
            "cold_start": refused,
            "relaxed_from_rest": relaxed.explain() or "converged",
        }
        flagged += (
            apart < 1e-6 and not judged.stable[0] and bool(refused) and (grown or not relaxed.converged[0])
        )
    report.content["cold"] = rows
    report.claim(
        "operating point without a start: chains of 4 where it is the uniform state, flagged as unstable and refused",
        flagged,
        ">= 4",
    )


def learning(report: Report, name: str, lattice: Lattice) -> list[tuple[str, Trial]]:
    """EqProp at the pattern that a chain comes to when it is switched on, all parts trained, at any beta.

    A perfect chain stays at its uniform state, so every membrane has a small current of its own.
    """
    circuit, membranes = imperfect(lattice.build("learning"), outputs=(20, 48, 75))
    cost, found, rows = SquaredError(), {}, []
    with IdealSolver(circuit) as ideal, NgspiceSolver(circuit) as ngspice:
        for solver in (ideal, ngspice):
            found[solver.name] = solver.solve(None, NOTHING).require().free
        free = found["ideal"]
        wave = free[0, membranes]
        targets = circuit.readout.read(free) + np.ptp(wave) / 2 * np.array([[0.2, -0.2, 0.1]])
        places = some_places(circuit.parameters, PLACES, np.random.default_rng(0))
        referee = ask(circuit, cost, NOTHING, targets, places, near=free)
        for solver, beta in itertools.product((ideal, ngspice), BETAS[name.partition(",")[0]]):
            (one,) = trials(solver, EqProp(circuit, cost, beta), NOTHING, targets, [referee])
            rows.append((solver.name, one))
            print(
                f"{name}, {solver.name}, beta = {beta:.0e} S: {one.status}, {one.error:.1e} off", flush=True
            )
    report.content.setdefault("eqprop", {})[name] = [{"engine": engine, **one.facts} for engine, one in rows]
    where = f"{name}, switched on with {1e6 * OFFSET:g} uA of offsets"
    off = abs(wavelength(wave, lattice.periodic) / dispersion(lattice).wavelength - 1)
    report.claim(f"{where}: wavelength against linear theory, deviation (%)", 100 * off, "<= 10")
    for what, other in (("ngspice", found["ngspice"]), ("the referee", referee.voltages)):
        apart = float(np.abs(other - free).max())
        report.claim(f"{where}: state by {what} against the ideal solver's (V)", apart, "<= 1e-9")
    for engine in found:
        best = min(one.error for name, one in rows if name == engine and one.accepted)
        report.claim(
            f"{where}: EqProp by {engine} at its best beta against the referee's gradient",
            best,
            f"<= {PRECISE:g}",
        )
    return rows


def any_beta(report: Report, rows: list[tuple[str, Trial]]) -> None:
    """Whatever beta is asked for, the gradient is right or refused, and none is refused that is right."""
    accepted, refused = ([t for _, t in rows if t.accepted == wanted] for wanted in (True, False))
    where = "EqProp at Turing patterns, beta over five decades"
    text = (
        "accepted beyond 3 times the bias that halving beta shows and 10 times the noise that the solver says"
    )
    wrong = sum(not t.error <= t.allowed for t in accepted)
    report.claim(f"{where}: {text}, of {len(accepted)} accepted", wrong, "<= 0")
    far = [t for _, t in rows if t.error > FAR]
    report.claim(f"{where}: gradients that are off by more than {FAR:.0%}, of {len(rows)}", len(far), ">= 8")
    report.claim(f"{where}: accepted of those", sum(t.accepted for t in far), "<= 0")
    near = sum(t.error <= NEAR for t in refused)
    report.claim(f"{where}: refused though off by {NEAR:.0%} at most", near, "<= 0")


def imperfect(circuit: Circuit, outputs: tuple[int, ...]) -> tuple[Circuit, np.ndarray]:
    """Return a chain with random currents into its membranes, some as outputs, and all parts but capacitors trained.

    The other value are the membranes.
    """
    membranes = circuit.readout.nodes
    amps = np.random.default_rng(0).normal(0, OFFSET, len(membranes))
    parts = (*circuit.elements, CurrentSource(name="offset", value=amps, node=membranes))
    elements = tuple(e if isinstance(e, Capacitor) else replace(e, trainable=True) for e in parts)
    return replace(circuit, elements=elements, readout=Readout.of(membranes[list(outputs)])), membranes


def points(netlist: object, circuit: Circuit) -> np.ndarray:
    """Return the operating point (node,) that ngspice finds without any start and judgement."""
    pool = Pool(LocalWorkers(1), Limits())
    try:
        ((_, result),) = pool.run([netlist])  # type: ignore[list-item]
    finally:
        pool.close()
    assert isinstance(result, SweepResult), result
    voltages = np.empty(circuit.n_nodes)
    voltages[circuit.fixed_nodes] = circuit.fixed_voltages(NOTHING)
    voltages[circuit.free_nodes] = result.voltages[0, 0]
    return voltages


def hopf(report: Report) -> None:
    """One operating point, two capacitors at the recovery node: with one the circuit rests, with the other not."""
    moved = {}
    for ratio in (1, 2):
        b = CircuitBuilder("hopf")
        v = b.nodes("v")
        Neuron(CubicDevice(), GyratorRecovery(0.987e-3, 0.872e-3, ratio * 1e-9)).add(b, "n", v)
        b.conductance("load", v, GROUND, 0.282e-3)
        circuit = b.build(v)
        start = np.zeros(circuit.n_nodes)
        start[v] = 0.01
        with NgspiceSolver(circuit) as solver:
            moved[ratio] = float(solver.transient(Course(300e-6, start=start)).movement.max())
    report.content["hopf"] = moved
    report.claim("one neuron, Cw/C = 1: movement over the last tenth of 300 us (V)", moved[1], "<= 1e-4")
    report.claim("one neuron, Cw/C = 2: movement over the last tenth of 300 us (V)", moved[2], ">= 1")


def command(report: Report) -> None:
    """The whole command, as a user runs it."""
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for device in ("cubic", "esaki"):
            began = time.perf_counter()
            words = [
                sys.executable,
                "-m",
                "eqcirc",
                "turing",
                "--device",
                device,
                "--out",
                str(Path(folder) / "p.png"),
            ]
            subprocess.run(words, check=True, capture_output=True)
            seconds[device] = time.perf_counter() - began
    report.content["command_seconds"] = seconds
    report.claim(
        "eqcirc turing, 96 neurons through ngspice, start to picture (s)", max(seconds.values()), "<= 10"
    )


def grids(report: Report) -> None:
    """Grids: one through both solvers, large ones by the ideal solver, and their picture."""
    lattice = replace(LATTICES["esaki"], shape=(SPICE_SIDE, SPICE_SIDE))
    circuit = lattice.build("grid")
    with NgspiceSolver(circuit) as solver:
        spice = grow(lattice, solver, accuracy=1e-4)
    ideal = grow(lattice, IdealSolver(circuit), accuracy=1e-4, judge=False)
    where = f"esaki, grid of {SPICE_SIDE}x{SPICE_SIDE}"
    apart = float(np.abs(spice.membranes - ideal.membranes).max())
    report.claim(f"{where}: end state by ngspice against the ideal solver's (V)", apart, "<= 1e-4")
    real = spice.facts()["largest_real_part"]
    report.claim(f"{where}, ngspice: largest real part at the end state (1/s)", real, "<= 0")
    rows = {f"{where}, ngspice": spice.facts(), f"{where}, ideal": ideal.facts()}

    large = {"cubic": replace(LATTICES["cubic"], shape=(SIDE, SIDE))}
    large |= {f"esaki, rest {1e3 * rest:g} mV": resting(rest) for rest in RESTS}
    found = {}
    for name, each in large.items():
        seconds = HEALING / dispersion(each).rate
        solver = IdealSolver(each.build("grid"))
        found[name] = grow(each, solver, duration=seconds, accuracy=1e-4, judge=False)
        rows[f"{name}, grid of {SIDE}x{SIDE}, ideal"] = found[name].facts()
        print(f"{name}: {found[name].waveforms.wall_seconds:.0f} s", flush=True)
    off = max(abs(p.wavelength / p.theory.wavelength - 1) for p in found.values())
    claim = (
        f"six grids of {SIDE}x{SIDE} (ideal solver): wavelength against linear theory, largest deviation (%)"
    )
    report.claim(claim, 100 * off, "<= 15")
    moved = max(float(p.waveforms.movement.max()) for p in found.values())
    report.claim(
        f"six grids of {SIDE}x{SIDE} (ideal solver): largest movement over the last tenth (V)",
        moved,
        "<= 1e-4",
    )
    report.content["grids"] = rows
    draw_grids(found)


def resting(volts: float) -> Lattice:
    """Return the grid of tunnel diodes with another uniform state."""
    base = LATTICES["esaki"]
    assert base.neuron.law is not None
    bias = float(base.neuron.law.evaluate(np.array(volts))[0])
    return replace(base, shape=(SIDE, SIDE), neuron=replace(base.neuron, rest=volts, bias=bias))


def draw_grids(found: dict[str, Pattern]) -> None:
    """Draw how one pattern grows, and what the resting voltage decides."""
    figure = Figure(figsize=(15, 7.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, hspace=0.03)
    draw_grid(upper, found["cubic"])
    upper.suptitle(f"cubic devices: {SIDE} x {SIDE} neurons from 10 mV of noise (ideal solver)", fontsize=12)
    axes = lower.subplots(1, len(RESTS))
    for axis, rest in zip(axes, RESTS, strict=True):
        pattern = found[f"esaki, rest {1e3 * rest:g} mV"]
        snapshot(axis, pattern, pattern.waveforms.times[-1])
        axis.label_outer()
        axis.set_title(f"{1e3 * rest:.0f} mV", fontsize=10)
    lower.suptitle(
        "tunnel diodes, at rest: the uniform state (white) decides between spots, stripes and holes",
        fontsize=12,
    )
    figure.savefig(RESULTS / "turing_grid.png", dpi=110)


def table(report: Report) -> None:
    """Write the table."""
    lines = [
        "| chain of 96, ngspice | wavelengths, 6 seeds (theory 10.11) | amplitude (mV) | largest real part (1/s) | "
        "seconds a transient (ideal solver) |",
        "|---|---|---|---|---|",
    ]
    for name, rows in report.content["chains"].items():
        lengths = ", ".join(f"{r['wavelength']:.2f}" for r in rows)
        low, high = (1e3 * f(r["amplitude"] for r in rows) for f in (min, max))
        real, seconds = (max(r[key] for r in rows) for key in ("largest_real_part", "wall_seconds"))
        ideal = report.content["ideal_seconds"][name]
        lines.append(
            f"| {name} | {lengths} | {low:.3g} to {high:.3g} | {real:.3g} | {seconds:.2f} ({ideal:.2f}) |"
        )
    for device, betas in BETAS.items():
        titles = " | ".join(f"beta = {1e3 * b:.0e} mS" for b in betas)
        lines += [
            "",
            f"| EqProp at a pattern, error of the gradient | {titles} |",
            "|---" * (1 + len(betas)) + "|",
        ]
        for name, rows in report.content["eqprop"].items():
            for engine in ("ideal", "ngspice") if name.startswith(device) else ():
                cells = (_cell(row) for row in rows if row["engine"] == engine)
                lines.append(f"| {name}, {engine} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "| activator (mS) | gyration (mS) | theory | mean of 6 seeds | range |",
        "|---|---|---|---|---|",
    ]
    for row in report.content["couplings"]:
        m = row["measured"]
        lines.append(
            f"| {1e3 * row['activator']:g} | {1e3 * row['gyration']:g} | {row['theory']:.2f} | {np.mean(m):.2f} | "
            f"{min(m):.2f} to {max(m):.2f} |"
        )
    lines += ["", "| grid | wavelength | theory | at rest | seconds |", "|---|---|---|---|---|"]
    for name, row in report.content["grids"].items():
        rest = "yes" if row["at_rest"] else f"no: {1e3 * row['movement']:.2g} mV in the last tenth"
        lines.append(
            f"| {name} | {row['wavelength']:.2f} | {row['theory_wavelength']:.2f} | {rest} | "
            f"{row['wall_seconds']:.1f} |"
        )
    (RESULTS / "turing.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(row: dict[str, Any]) -> str:
    """Return the error of a gradient, and whether it was refused."""
    if row["error"] is None:
        return "no state, refused"
    return f"{row['error']:.1e}{'' if row['status'] == 'CONVERGED' else ', refused'}"


if __name__ == "__main__":
    main()
