"""Imperfect hardware: line resistance in both engines, what it costs, and learning through every kind of non-ideality.

    OPENBLAS_NUM_THREADS=1 python scripts/verify_reality.py [lines] [cost] [learning] [chips] [report]

lines     a 64 x 64 crossbar with diodes, every segment of every line a resistor, by ngspice and by the ideal solver;
          a 256 x 256 crossbar by the ideal solver
cost      the digits' test part with and without line resistance, elimination of the wires included; a step of training
learning  EqProp through each kind against differences of the imperfect circuit: what is asked for is moved by a little,
          and the whole chip is solved again
chips     200 chips on the digits' test part by the ideal solver, 20 through ngspice
report    a page about a run of the digits

Times are of the processor, all processes together, so that other work on the machine does not count; on two idle cores
the wall time is about half of it. Writes results/verify_reality.json, or with some of the words, only prints.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import ROOT, Report

import eqcirc as eq
from eqcirc.circuit.circuit import Circuit
from eqcirc.cli.overrides import changed
from eqcirc.experiment.build import build_data, build_ideal, build_rule
from eqcirc.experiment.chips import as_solved, chips_of, score_chips
from eqcirc.experiment.reality import Reality as Table
from eqcirc.reality import (
    AmplifierErrors,
    DiodeMismatch,
    Mismatch,
    ProgrammingNoise,
    Reality,
    StuckAt,
    Temperature,
    Window,
    Wires,
)
from eqcirc.typing import Array

S = 1e-6  # S
CHIPS = Table.model_validate(
    {
        "window": {"lowest": 1e-7, "highest": 1e-5, "bits": 6},
        "mismatch": {"sigma": 0.05},
        "diodes": {"sigma": 0.1},
    }
)
KINDS = {
    "temperature": Reality(temperature=Temperature(85.0)),
    "diodes": Reality(diodes=DiodeMismatch(0.3)),
    "amplifiers": Reality(amplifiers=AmplifierErrors(0.05)),
    "window": Reality(window=Window(0.05 * S, 3 * S)),
    "programming": Reality(programming=ProgrammingNoise(0.05, 0.01 * S)),
    "mismatch": Reality(mismatch=Mismatch(0.2)),
    "stuck": Reality(window=Window(0.05 * S, 3 * S), stuck=StuckAt(0.1, 0.1)),
    "wires": Reality(wires=Wires(1e3)),
}


def seconds() -> float:
    """Processor time of this process and of those that have ended."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def crossbar(side: int) -> Circuit:
    """A crossbar of side x side, 0.1 to 10 uS, with a pair of diodes at every column."""
    b = eq.CircuitBuilder(f"crossbar{side}")
    x, out = b.input("x", side), b.nodes("o", side)
    b.crossbar("w", x, out, np.random.default_rng(side).uniform(0.1 * S, 10 * S, (side, side)))
    b.device("up", out, eq.GROUND, eq.ShockleyDiode())
    b.device("down", eq.GROUND, out, eq.ShockleyDiode())
    b.conductance("load", out, eq.GROUND, S)
    return b.build(out)


def lines(report: Report) -> None:
    """Line resistance by both engines."""
    circuit = Reality(wires=Wires(1.0)).chip(crossbar(64)).circuit
    inputs = np.random.default_rng(0).uniform(-1, 1, (1, 64))
    ideal = eq.IdealSolver(circuit).solve(None, inputs).require().free
    began = seconds()
    with eq.NgspiceSolver(circuit, workers=1, netlist="full") as solver:
        spice = solver.solve(None, inputs).require().free
    report.content["64 x 64 through ngspice, processor seconds"] = seconds() - began
    apart = float(np.abs(ideal - spice).max())
    report.claim(
        f"64 x 64 crossbar with diodes and 1 ohm a segment, {circuit.n_nodes} nodes: ngspice against ideal (V)",
        apart,
        "<= 1e-9",
    )
    large = Reality(wires=Wires(1.0)).chip(crossbar(256)).circuit
    began = seconds()
    points = eq.IdealSolver(large).solve(None, np.random.default_rng(0).uniform(-1, 1, (4, 256)))
    report.content["256 x 256"] = {"nodes": large.n_nodes, "processor seconds": seconds() - began}
    left = residual(large, points.free)
    report.claim(
        f"256 x 256 crossbar, {large.n_nodes} nodes: samples that converged", points.converged.mean(), ">= 1"
    )
    report.claim("256 x 256: what is left of Kirchhoff's law, of the largest current", left, "<= 1e-9")


def residual(circuit: Circuit, voltages: Array) -> float:
    """Largest sum of currents at a free node, of the largest current; element by element, without any solver."""
    values, currents = circuit.values(), np.zeros_like(voltages)
    largest = 0.0
    for e in circuit.elements:
        if hasattr(e, "law"):
            a, b = e.anode, e.cathode
            flow = values[e.name] * e.law.evaluate(voltages[:, a] - voltages[:, b])[0]
        else:
            a, b, g = (np.ravel(part) for part in (e.a, e.b, values[e.name]))
            flow = g * (voltages[:, a] - voltages[:, b])
        largest = max(largest, float(np.abs(flow).max()))
        for sample in range(len(voltages)):
            np.add.at(currents[sample], a, flow[sample])
            np.add.at(currents[sample], b, -flow[sample])
    return float(np.abs(currents[:, circuit.free_nodes]).max()) / largest


def cost(report: Report) -> None:
    """What line resistance costs the ideal solver."""
    experiment = eq.load_experiment(ROOT / "circuits/digits.toml")
    data, _ = build_data(experiment)
    circuit = build_ideal(experiment, data.train.n_features, data.train.n_outputs)
    chip = Reality(wires=Wires(1.0)).chip(circuit)

    def plain() -> None:
        eq.IdealSolver(circuit).solve(circuit.parameters, data.test.inputs).require()

    def wired() -> None:
        small, asked = as_solved(chip.circuit, chip.parameters)
        eq.IdealSolver(small).solve(asked, data.test.inputs).require()

    without, with_wires = fastest(plain, 5), fastest(wired, 3)
    report.content["digits' test part, processor seconds"] = {
        "without wires": without,
        "with wires": with_wires,
    }
    report.claim("digits' test part: time with wires in parts of that without", with_wires / without, "<= 10")
    step = {}
    for name, c in (("without wires", circuit), ("with wires", chip.circuit)):
        rule, solver = build_rule(experiment, c).rule, eq.IdealSolver(c)
        some = data.train.inputs[:32]
        targets = eq.targets_of(data.train, rule.cost)[:32]
        step[name] = fastest(
            lambda r=rule, s=solver, x=some, t=targets: r.measure(s, circuit.parameters, x, t).gradient(), 3
        )
    report.content["a step of training, 32 samples, three phases, processor seconds"] = step


def fastest(job: Callable[[], object], times: int) -> float:
    """Least processor time of several runs, the first of which is not counted."""
    job()
    found = []
    for _ in range(times):
        began = seconds()
        job()
        found.append(seconds() - began)
    return min(found)


def learning(report: Report) -> None:
    """EqProp through each kind against differences of the imperfect circuit."""
    worst = {}
    layered = eq.Layered(
        hidden=(5,),
        input_gain=1.0,
        biases=eq.Biases(voltage=1.0),
        gain=4.0,
        bounds=eq.Bounds(0.05 * S, 5 * S),
        initial=(0.2 * S, 2 * S),
    )
    circuit = layered.build("small", 3, 2, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    inputs, targets = rng.uniform(-1, 1, (4, 3)), rng.uniform(-0.1, 0.1, (4, 2))
    everything = Reality(**{k: getattr(r, k) for k, r in KINDS.items()})
    for name, reality in (KINDS | {"all": everything}).items():
        chip = reality.chip(circuit, number=3)
        solver, function = eq.IdealSolver(chip.circuit), eq.SquaredError()
        rule = eq.EqProp(chip.circuit, function, 1e-9)  # its error is of the order of beta²
        found = rule.measure(solver, chip.parameters, inputs, targets).gradient()

        def loss(asked: dict[str, Array], s: eq.IdealSolver = solver, f: eq.SquaredError = function) -> float:
            outputs = s.circuit.readout.read(s.solve(asked, inputs).require().free)
            return float(f.value(outputs, targets).mean())

        errors = []
        for element, value in chip.parameters.items():
            expected = np.zeros_like(value)
            for index in np.ndindex(value.shape):
                h = 3e-3 * value[index]
                four = [moved(chip.parameters, element, index, k * h) for k in (-2, -1, 1, 2)]
                a, b, c, d = (loss(asked) for asked in four)
                expected[index] = (a - 8 * b + 8 * c - d) / (12 * h)  # fourth order
            errors.append(
                float(np.abs(found[element] - expected).max() / max(np.abs(expected).max(), 1e-300))
            )
        worst[name] = max(errors)
    report.content["EqProp against differences of the chip, worst element, relative"] = worst
    report.claim(
        "EqProp through each kind against differences of the imperfect circuit",
        max(worst.values()),
        "<= 1e-6",
    )


def moved(asked: dict[str, Array], element: str, index: tuple[int, ...], by: float) -> dict[str, Array]:
    """What is asked for, with one value changed."""
    value = asked[element].copy()
    value[index] += by
    return asked | {element: value}


def trained(folder: Path) -> eq.Opened:
    """The digits, trained by the ideal solver."""
    experiment = changed(eq.load_experiment(ROOT / "circuits/digits.toml"), ["solver.engine=ideal"])
    with eq.Run.start(experiment, folder / "run") as run:
        run.train()
        run.finish()
    return eq.open_run(folder / "run")


def chips(report: Report, opened: eq.Opened) -> None:
    """Many chips by both engines."""
    found = {}
    for engine, count, most in (("ideal", 200, 300), ("ngspice", 20, 600)):
        began, wall = seconds(), time.perf_counter()
        scores = list(
            score_chips(
                opened, opened.experiment, chips_of(opened, CHIPS, range(count)), opened.part("test"), engine
            )
        )
        found[engine] = {
            "chips": count,
            "mean accuracy": float(np.mean([s.accuracy for _, s in scores])),
            "processor seconds": seconds() - began,
            "wall seconds": time.perf_counter() - wall,
        }
        report.claim(
            f"{count} chips on the digits' test part, {engine}: processor seconds on both cores",
            found[engine]["processor seconds"],
            f"<= {2 * most}",
        )
        report.claim(
            "the same: wall seconds, on a machine that may be busy",
            found[engine]["wall seconds"],
            f"<= {most}",
        )
    report.content["chips"] = found


def page(report: Report, opened: eq.Opened, folder: Path) -> None:
    """A page about a run of the digits."""
    began, wall = seconds(), time.perf_counter()
    made = eq.write_report(opened.path, folder=folder / "report", pdf=False)
    report.content["report, processor seconds"] = seconds() - began
    report.content["report, wall seconds"] = time.perf_counter() - wall
    report.claim("a page about a run of the digits: processor seconds", seconds() - began, "<= 20")
    report.claim("its size (MB)", made.page.stat().st_size / 1e6, "<= 5")


def main() -> None:
    """Measure all of it, or what is named."""
    report, words = Report(__file__), set(sys.argv[1:])
    parts = {"lines": lines, "cost": cost, "learning": learning}
    for name, measure in parts.items():
        if not words or name in words:
            measure(report)
    if not words or words & {"chips", "report"}:
        with tempfile.TemporaryDirectory() as folder:
            opened = trained(Path(folder))
            if not words or "chips" in words:
                chips(report, opened)
            if not words or "report" in words:
                page(report, opened, Path(folder))
    if not words:
        report.write()


if __name__ == "__main__":
    main()
