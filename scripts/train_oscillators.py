"""Train an oscillator Ising machine of the ideal solver on images, and see what coarse values and phases cost.

    OPENBLAS_NUM_THREADS=1 python scripts/train_oscillators.py mnist runs/mnist-phases [--path FOLDER] [--epochs 20]

    OPENBLAS_NUM_THREADS=1 python scripts/train_oscillators.py ngspice runs/few-phases

    mnist, fashion-mnist  circuits/mnist-oscillators.toml
    digits                circuits/digits-oscillators.toml, by the ideal solver
    digits-far-targets    the same with target cosines of ±1
    digits-in-noise       the same in white noise of 0.1 W, by contrasts of averages
    ngspice               240 digits, 16 hidden phases, every phase of learning followed in time through ngspice

The run is an ordinary one: stopped, it goes on where it was when the script is started again, or by `eqcirc resume`.
Then it answers the test part with

- all trained values rounded to so many bits over their bounds,
- phases read with so many bits over a turn, or over half of it without their sign, as an XOR of two oscillators is,
- phases read with noise of a standard deviation in radians, and
- phases that drift in white noise, d(phi) = -dE/dphi·dt + sqrt(2·T)·dW (single looks).

These are of an answer, not of training. Writes results/train_oscillators_<task>.json.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path

import numpy as np
from common import ROOT, Report

from eqcirc import IdealSolver
from eqcirc.cli.overrides import changed
from eqcirc.costs import PhaseError
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import evaluate, outputs_of
from eqcirc.solvers.ensemble import glance
from eqcirc.typing import Array

BITS = (3, 4, 5, 6, 8, 10, 12)
NOISE = (0.03, 0.1, 0.2, 0.3, 0.5, 0.8)  # rad
BATHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)  # W
LOOKED_AT = 1000  # test samples in white noise, at most
ENOUGH = 1000  # test samples, of which 0.3 % can be told from chance
HOURS = 4  # a tenth of what the published study took
IDEAL = "solver.engine=ideal"
IN_NOISE = ("learning.rule=free_energy", "learning.beta=0.05", "learning.epochs=12")
BATH = ("temperature=0.1", "chains=1", "length=6.0", "draws=2")
TASKS: dict[str, tuple[str, float, tuple[str, ...]]] = {
    "digits": ("digits", 0.9, (IDEAL,)),
    "digits-far-targets": ("digits", 0.9, (IDEAL, "learning.target_cosine=1.0")),
    "digits-in-noise": ("digits", 0.9, (IDEAL, *IN_NOISE, *(f"learning.bath.{x}" for x in BATH))),
    "ngspice": ("digits", 0.7, ("data.limit=240", "network.hidden=[16]", "learning.epochs=12")),
    "mnist": ("mnist", 0.972, ()),
    "fashion-mnist": ("mnist", 0.88, ("data.name=fashion-mnist",)),
}
"""File in circuits/, test accuracy that is wanted, and what is changed."""


def experiment(given: argparse.Namespace) -> Experiment:
    """Return the ready experiment, changed as the task says."""
    file, _, changes = TASKS[given.task]
    epochs = [] if given.epochs is None else [f"learning.epochs={given.epochs}"]
    path = [] if given.path is None else [f'data.path="{given.path.absolute()}"']
    ready = load_experiment(ROOT / "circuits" / f"{file}-oscillators.toml")
    return changed(ready, ["audit.every=0", f"name={given.task}-oscillators", *changes, *path, *epochs])


def rounded(run: Run, bits: int) -> dict[str, np.ndarray]:
    """Return the trained values as so many bits over their bounds can say them."""
    found = {}
    for element in run.circuit.trainable:
        low, high = element.bounds
        step = (high - low) / (2**bits - 1)
        value = run.trainer.parameters[element.name]
        found[element.name] = low + step * np.round((value - low) / step)
    return found


def drifting(run: Run) -> dict[float, float]:
    """Return the share of right answers of single looks at phases in white noise, by its temperature in watts."""
    some, found = run.data.test.take(np.arange(min(LOOKED_AT, run.data.test.n_samples))), {}
    with IdealSolver(run.circuit, start=run.experiment.solver.begins) as solver:
        for watts in BATHS:
            found[watts] = evaluate(
                solver, run.trainer.parameters, some, PhaseError(), glance(watts)
            ).accuracy
            print(f"in noise of {watts} W: {found[watts]:.4f}", flush=True)
    return found


def measure(report: Report, run: Run, task: str) -> None:
    """Score the machine on the test part, as it is, and coarser."""
    labels, rng = run.data.test.labels, np.random.default_rng(0)
    assert labels is not None

    def score(phases: Array) -> float:
        return float((np.cos(np.nan_to_num(phases, nan=math.pi)).argmax(axis=1) == labels).mean())

    with IdealSolver(run.circuit, start=run.experiment.solver.begins) as solver:
        phases, converged = outputs_of(solver, run.trainer.parameters, run.data.test.inputs, None)
        full = score(phases)
        coarse = {
            bits: outputs_of(solver, rounded(run, bits), run.data.test.inputs, None)[0] for bits in BITS
        }

    def sectors(phases: Array, bits: int) -> Array:
        step = 2 * math.pi / 2**bits
        return np.asarray(step * np.round(phases / step))

    values = {bits: score(found) for bits, found in coarse.items()}
    read = {bits: score(sectors(phases, bits)) for bits in BITS}
    noisy = {sigma: score(phases + rng.normal(0, sigma, phases.shape)) for sigma in NOISE}
    report.claim(f"{task}: test accuracy", full, f">= {TASKS[task][1]}")
    if len(labels) > ENOUGH:
        report.claim(f"{task}: points lost with values of 10 bits", 100 * (full - values[10]), "<= 0.3")
        report.claim(f"{task}: points lost with phases of 4 bits", 100 * (full - read[4]), "<= 0.3")
        half = score(
            np.round(np.abs(np.angle(np.exp(1j * phases))) * 15 / math.pi) * math.pi / 15
        )  # 16 codes
        report.claim(f"{task}: points lost with 4 bits of phases without sign", 100 * (full - half), "<= 0.3")
    with (run.folder.path / "timing.csv").open(encoding="utf-8") as file:
        seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
    report.claim(f"{task}: hours of training", sum(seconds) / 3600, f"<= {HOURS}")
    report.content |= {
        "test_failed": int((~converged).sum()),
        "epochs": run.trainer.state.epoch,
        "seconds_an_epoch": seconds,
        "accuracy_by_bits_of_values": values,
        "accuracy_by_bits_of_phases": read,
        "accuracy_with_values_of_10_bits_and_phases_of_4": score(sectors(coarse[10], 4)),
        "accuracy_by_noise_of_phases_rad": noisy,
        "accuracy_in_white_noise_by_watts": drifting(run),
    }


def main() -> None:
    """Train or go on, then measure."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("task", choices=list(TASKS))
    arguments.add_argument("run", type=Path, help="run directory")
    arguments.add_argument("--path", type=Path, help="folder with the idx files")
    arguments.add_argument("--epochs", type=int)
    given = arguments.parse_args()
    report = Report(__file__)
    report.name = f"{report.script}_{given.task.replace('-', '_')}"
    begun = (given.run / "checkpoint.json").exists()
    with Run.resume(given.run) if begun else Run.start(experiment(given), given.run) as run:
        run.train(lambda row: print({k: row[k] for k in list(row)[:4]}, flush=True))
        measure(report, run, given.task)
    report.write()


if __name__ == "__main__":
    main()
