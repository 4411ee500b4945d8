"""Time a sample on the 2·784-100-10 network: the naive way, ngspice as eqcirc drives it, and the ideal solver.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_solvers.py

Three phases for each sample, batch 64, one process, netlist text, load and read-out included. The naive way makes
a fresh netlist with PySpice and runs `op` for every sample and phase. Writes results/bench_solvers.json and .md.
About a minute.
"""

from __future__ import annotations

import logging
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: one process means one core

import numpy as np
from common import RESULTS, Report

from eqcirc import Biases, Bounds, EqProp, IdealSolver, LayerDiodes, Layered, Nudge, SquaredError
from eqcirc.circuit.circuit import Circuit
from eqcirc.export.pyspice import to_pyspice
from eqcirc.solvers.ngspice.solver import NgspiceSolver

BATCH, FEATURES, HIDDEN, OUTPUTS = 64, 784, 100, 10
REPEATS = 7
NAIVE_SAMPLES = 2
BETA = 1e-7


def main() -> None:
    """Measure and write."""
    logging.disable(logging.ERROR)  # PySpice logs ngspice's notes as errors
    report = Report(__file__)
    rng = np.random.default_rng(0)
    plan = Layered(
        hidden=(HIDDEN,),
        input_gain=20.0,
        gain=4.0,
        biases=Biases(voltage=1.0),
        diodes=LayerDiodes(rail=0.0),
        differential=False,
        bounds=Bounds(1e-7, 1e-5),
    )
    circuit = plan.build("bench", FEATURES, OUTPUTS, rng)
    # like MNIST: about a fifth of the pixels are not black
    inputs = rng.uniform(0, 1, (BATCH, FEATURES)) * (rng.random((BATCH, FEATURES)) < 0.2)
    cost = SquaredError()
    nudge = EqProp(circuit, cost, BETA).nudge(cost.targets(rng.integers(0, OUTPUTS, BATCH), OUTPUTS), None)
    ideal, ideal_points = timed(IdealSolver(circuit), inputs, nudge)
    with NgspiceSolver(circuit, workers=1, sweep=BATCH) as solver:
        spice, spice_points = timed(solver, inputs, nudge)
    naive, naive_voltages = naively(circuit, inputs[:NAIVE_SAMPLES], nudge)
    reference = ideal_points[:, :NAIVE_SAMPLES]
    report.content |= {
        "milliseconds_per_sample": {"naive": naive, "ngspice": spice, "ideal": ideal},
        "network": f"2·{FEATURES}-{HIDDEN}-{OUTPUTS}, diodes, amplifiers, batch {BATCH}, 3 phases a sample",
        "speed_up": {"ngspice over naive": naive / spice, "ideal over ngspice": spice / ideal},
    }
    report.claim("ngspice: milliseconds a sample (three phases, load and read-out included)", spice, "<= 1.5")
    report.claim("ideal solver: milliseconds a sample", ideal, "<= 0.1")
    report.claim("ngspice against ideal voltages (V)", np.abs(spice_points - ideal_points).max(), "<= 1e-9")
    free = circuit.free_nodes
    report.claim(
        "naive way against ideal voltages (V)",
        np.abs(naive_voltages - reference[:, :, free]).max(),
        "<= 1e-9",
    )
    lines = [
        "| way | ms a sample (3 phases) | times faster than naive |",
        "|---|---|---|",
        f"| fresh PySpice netlist and `op` for each sample and phase | {naive:.0f} | 1 |",
        f"| eqcirc, ngspice | {spice:.2f} | {naive / spice:,.0f} |",
        f"| eqcirc, ideal solver | {ideal:.3f} | {naive / ideal:,.0f} |",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    report.write()
    (RESULTS / "bench_solvers.md").write_text(text, encoding="utf-8")


def timed(solver: NgspiceSolver | IdealSolver, inputs: np.ndarray, nudge: Nudge) -> tuple[float, np.ndarray]:
    """Return the median milliseconds a sample, and the voltages."""
    solver.solve(None, inputs, nudge)  # starts the worker process
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        points = solver.solve(None, inputs, nudge).require()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds)) / len(inputs) * 1e3, points.voltages


def naively(circuit: Circuit, inputs: np.ndarray, nudge: Nudge) -> tuple[float, np.ndarray]:
    """Solve samples the naive way; return milliseconds a sample and voltages (phase, sample, free node)."""
    names = [circuit.node_names[n] for n in circuit.free_nodes.tolist()]
    began = time.perf_counter()
    voltages = np.empty((3, len(inputs), len(names)))
    for k in range(len(inputs)):
        for phase, factor in enumerate((0.0, 1.0, -1.0)):
            netlist = to_pyspice(circuit, None, inputs[k])
            if factor:
                add_nudge(netlist, circuit, nudge, k, factor)
            analysis = netlist.simulator(simulator="ngspice-shared").operating_point()
            voltages[phase, k] = [float(analysis[name][0]) for name in names]
    return (time.perf_counter() - began) / len(inputs) * 1e3, voltages


def add_nudge(netlist: object, circuit: Circuit, nudge: Nudge, sample: int, factor: float) -> None:
    """Add a conductance factor·beta from every output to a source at its target."""
    for j, node in enumerate(circuit.readout.nodes.tolist()):
        name, target = circuit.node_names[node], f"target_{j}"
        netlist.V(target, target, netlist.gnd, float(nudge.targets[sample, j]))  # type: ignore[attr-defined]
        gm = factor * nudge.beta * float(nudge.strengths(OUTPUTS)[j])
        netlist.VCCS(f"n{j}", name, netlist.gnd, name, target, transconductance=gm)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
