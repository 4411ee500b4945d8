"""Train spiking neurons on images by the contrast of their rates, and score the network as it spikes.

    OPENBLAS_NUM_THREADS=1 python scripts/train_spiking.py digits runs/digits-spiking [--epochs 20]
    OPENBLAS_NUM_THREADS=1 python scripts/train_spiking.py mnist runs/mnist-spiking [--path FOLDER]
    OPENBLAS_NUM_THREADS=1 python scripts/train_spiking.py ngspice runs/few-spiking

The runs are ordinary ones of circuits/digits-spiking.toml and circuits/mnist-spiking.toml (ideal sampler), and of the
former with 64 samples and 16 hidden neurons, through transients of ngspice (100 test images): stopped, they go on where
they were when the script is started again, or by `eqcirc resume`. Then test images are answered by spikes, over windows
of several lengths, and by the mean field where that is quick. Writes results/train_spiking_<what>.json.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from common import ROOT, Report

from eqcirc.data import Dataset
from eqcirc.experiment.build import build_solver
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.opened import first
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.stoch_ep import StochEP
from eqcirc.solvers.base import Solver
from eqcirc.solvers.spiking import Window

WANTED = {"digits": ">= 0.95", "mnist": ">= 0.97", "ngspice": ">= 0.7"}
LENGTHS = {"digits": (10, 100, 1000), "mnist": (10, 40, 160, 640), "ngspice": (40, 400)}
"""Decisions of every neuron for an answer."""
AT_ONCE = 250  # samples


def experiment(given: argparse.Namespace) -> Experiment:
    """Return the ready experiment, smaller for ngspice."""
    name = "mnist" if given.what == "mnist" else "digits"
    ready = load_experiment(ROOT / "circuits" / f"{name}-spiking.toml")
    change: dict[str, object] = {}
    if given.what == "mnist" and given.path is not None:
        change["data"] = ready.data.model_copy(update={"path": given.path.absolute()})
    learning = ready.learning
    if given.what == "ngspice":
        few = {"hidden": (16,), "input_gain": 1.0, "initial": (-2e-5, 2e-5)}
        change["network"] = ready.network.model_copy(update=few)
        change["data"] = ready.data.model_copy(update={"limit": 64, "validation": 0.0, "test": 0.375})
        change["solver"] = ready.solver.model_copy(update={"engine": "ngspice", "workers": 1})
        rates = {"w1": 1e-6, "w2": 5e-7, "b1": 3e-7, "b2": 3e-7}
        learning = learning.model_copy(update={"batch_size": 4, "epochs": 10, "learning_rate": rates})
    if given.epochs:
        learning = learning.model_copy(update={"epochs": given.epochs})
    change |= {"learning": learning, "name": f"{given.what}-spiking"}
    return ready.model_copy(update=change)


def answered(solver: Solver, run: Run, part: Dataset, window: Window) -> float:
    """Return the accuracy of the network that spikes."""
    assert part.labels is not None
    right = 0
    for start in range(0, len(part.inputs), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        rates = solver.spikes(run.trainer.parameters, part.inputs[some], window)
        outputs = run.circuit.readout.read(rates.mean[0])
        right += int((outputs.argmax(axis=1) == part.labels[some]).sum())
    return right / len(part.inputs)


def measure(report: Report, run: Run, what: str) -> None:
    """Score the network on the test part as it spikes."""
    rule, part = run.trainer.rule, run.data.test
    if what == "ngspice":
        part = first(part, 100)
    assert isinstance(rule, StochEP)
    accuracy, seconds = {}, {}
    with build_solver(run.experiment, run.circuit) as solver:
        for decisions in LENGTHS[what]:
            began = time.perf_counter()
            window = Window(
                decisions, rule.window.memory, rule.window.settle, "rest", period=rule.window.period, seed=1
            )
            accuracy[decisions] = answered(solver, run, part, window)
            seconds[decisions] = (time.perf_counter() - began) / len(part.inputs)
            print(f"{decisions} decisions: {accuracy[decisions]:.4f}", flush=True)
    longest = LENGTHS[what][-1]
    report.claim(f"{what}: test accuracy as it spikes, {longest} decisions", accuracy[longest], WANTED[what])
    with (run.folder.path / "timing.csv").open(encoding="utf-8") as file:
        times = [float(row["seconds"]) for row in csv.DictReader(file)]
    report.content |= {
        "accuracy_by_decisions": accuracy,
        "seconds_a_sample_by_decisions": seconds,
        "epochs": run.trainer.state.epoch,
        "training_samples": len(run.data.train.inputs),
        "test_samples": len(part.inputs),
        "seconds_an_epoch": times,
        "seconds_a_training_sample": float(np.median(times)) / len(run.data.train.inputs),
    }


def main() -> None:
    """Train or go on, then measure."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("what", choices=list(WANTED))
    arguments.add_argument("run", type=Path, help="run directory")
    arguments.add_argument("--path", type=Path, help="folder with the idx files of MNIST")
    arguments.add_argument("--epochs", type=int)
    given = arguments.parse_args()
    report = Report(__file__)
    report.name = f"{report.script}_{given.what}"
    begun = (given.run / "checkpoint.json").exists()
    with Run.resume(given.run) if begun else Run.start(experiment(given), given.run) as run:
        run.train(lambda row: print({k: row[k] for k in list(row)[:4]}, flush=True))
        measure(report, run, given.what)
    report.write()


if __name__ == "__main__":
    main()
