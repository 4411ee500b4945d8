"""How long a step of learning takes in the newer systems, and on what.

    OPENBLAS_NUM_THREADS=1 python scripts/profile_steps.py [--mnist FOLDER] [--repeats 5]

A step is the measurement of the update for one batch of a ready experiment, all phases, at its first values, without
the write. Seconds are processor time of this process for the ideal solver, and of a clock for ngspice, which works in
processes of its own; the profile is that of this process. Writes results/profile_steps.json.
"""

from __future__ import annotations

import argparse
import cProfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import ROOT, Report, slowest

from eqcirc import posterior
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.experiment.build import build_circuit, build_data, build_rule, build_solver
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.opened import first
from eqcirc.learning.evaluate import targets_of
from eqcirc.solvers.ideal.solver import IdealSolver

STEPS = (
    ("mnist-oscillators", "ideal"),
    ("digits-oscillators", "ideal"),
    ("digits-oscillators", "ngspice"),
    ("fashion-warm", "ideal"),
    ("mnist-spiking", "ideal"),
    ("digits-spiking", "ideal"),
    ("digits-predictive", "ideal"),
    ("digits-predictive", "ngspice"),
)
CHAIN = 200  # nodes of the Gaussian circuit


def timed(step: Callable[[], object], engine: str, repeats: int) -> dict[str, object]:
    """Return the median of the seconds, and what took most of them."""
    clock = time.process_time if engine == "ideal" else time.perf_counter
    step()  # what is made once is made
    seconds = []
    for _ in range(repeats):
        began = clock()
        step()
        seconds.append(clock() - began)
    profile = cProfile.Profile()
    profile.runcall(step)
    return {"seconds": float(np.median(seconds)), "slowest": slowest(profile)}


def of_experiment(name: str, engine: str, mnist: Path | None, repeats: int) -> dict[str, object]:
    """Time a step of a ready experiment."""
    ready = load_experiment(ROOT / "circuits" / f"{name}.toml")
    if ready.data.name == "mnist" and mnist is not None:
        ready = ready.model_copy(update={"data": ready.data.model_copy(update={"path": mnist.absolute()})})
    data, _ = build_data(ready)
    circuit = build_circuit(ready, data.train.n_features, data.train.n_outputs)
    rule = build_rule(ready, circuit).rule
    part = first(data.train, ready.learning.batch_size)
    targets = targets_of(part, rule.cost)
    with build_solver(ready, circuit, engine) as solver:
        found = timed(
            lambda: rule.measure(solver, circuit.parameters, part.inputs, targets).gradient(), engine, repeats
        )
    return found | {"batch": part.n_samples, "nodes": circuit.n_nodes}


def gaussian() -> Circuit:
    """A chain of nodes with leaks, every second of which is read."""
    b = CircuitBuilder("chain")
    b.input("x", gain=1.0)
    nodes = b.nodes("n", CHAIN)
    b.conductance("join", nodes[1:], nodes[:-1], 1e-6)
    b.conductance("leak", nodes, GROUND, 1e-7)
    b.capacitor("c", nodes, GROUND, 1e-9)
    return b.build(nodes[::2])


def main() -> None:
    """Time all."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--mnist", type=Path, help="folder with the idx files")
    arguments.add_argument("--repeats", type=int, default=5)
    given = arguments.parse_args()
    report = Report(__file__)
    for name, engine in STEPS:
        found = of_experiment(name, engine, given.mnist, given.repeats)
        print(name, engine, found, flush=True)
        report.content[f"{name}, {engine}"] = found
    circuit = gaussian()
    readings = np.zeros((1, CHAIN // 2))
    with IdealSolver(circuit) as solver:
        found = timed(
            lambda: posterior(solver, None, np.zeros((1, 1)), readings, 0.1, 1e-9), "ideal", given.repeats
        )
    print("posterior", found, flush=True)
    report.content[f"posterior of {CHAIN} nodes, ideal"] = found
    report.write()


if __name__ == "__main__":
    main()
