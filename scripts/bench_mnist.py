"""Train 2·784-100-10 on all 60,000 MNIST images, once through ngspice only and once by the ideal solver.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_mnist.py [--data FOLDER] [--epochs 10] [--seeds 1]

FOLDER holds the four idx files; without it they are downloaded. Hyperparameters are those of
circuits/mnist-xs.toml, chosen on 6,000 images of the training part. The naive way (a fresh netlist and `op` for
each sample and phase) is timed on one sample in the same run. Writes results/bench_mnist.json, .md and .png.
A quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: the workers take the cores

import numpy as np
from bench_solvers import naively
from common import RESULTS, ROOT, Report
from matplotlib.figure import Figure

from eqcirc import EqProp, Run, load_experiment
from eqcirc.cli.overrides import changed
from eqcirc.experiment.build import build_solver
from eqcirc.experiment.load import to_toml
from eqcirc.learning.rule import flat
from eqcirc.learning.trainer import Trainer
from eqcirc.verify.gradients import adjoint_gradient, relative_error

PUBLISHED = {
    "idealised simulator, ideal diodes, 10 epochs (Scellier 2024)": 3.46,
    "SPICE-validated double Shockley diodes, 20 differential outputs, 100 epochs (public benchmark)": 2.98,
}


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1, help="of the ideal solver, for the spread")
    arguments = parser.parse_args()
    changes = ["data.validation=0.0", f"learning.epochs={arguments.epochs}"]
    changes += [f"data.path={arguments.data}"] if arguments.data else []
    report = Report(__file__)
    runs = {"ngspice": train([*changes, "solver.engine=ngspice"], report)}
    for seed in range(arguments.seeds):
        quiet = ["solver.engine=ideal", "audit.every=0", f"seed={seed}"]
        runs[f"ideal, seed {seed}"] = train([*changes, *quiet], report)
    spice, ideal = runs["ngspice"], [run for name, run in runs.items() if name != "ngspice"]
    epochs = arguments.epochs
    report.content |= {"runs": runs, "published_error_percent": PUBLISHED}
    report.claim(
        "ngspice, 2 cores: seconds an epoch, median (60,000 images, 3 phases each)", spice["epoch_s"], "<= 75"
    )
    report.claim(f"ngspice: test error after {epochs} epochs (%)", spice["test_error"], "<= 3.0")
    report.claim(f"ngspice: best test error reached, {epochs} epochs (%)", spice["test_error"], "<= 2.6")
    report.claim(
        "ngspice: largest |ngspice − ideal| voltage of all audits (V)", spice["audit_worst_dv"], "<= 1e-6"
    )
    report.claim(
        "ngspice: smallest cosine of the updates of all audits", spice["audit_worst_cosine"], ">= 0.9999"
    )
    report.claim(
        "ngspice: error of the gradient at this beta and tolerance, relative", spice["gradient"], "<= 1e-3"
    )
    report.claim(
        "ideal, 1 core: seconds an epoch, median", float(np.median([r["epoch_s"] for r in ideal])), "<= 8"
    )
    spread = max(abs(r["test_error"] - spice["test_error"]) for r in ideal)
    report.claim("ideal against ngspice: largest difference in test error (points)", spread, "<= 0.3")
    report.content["times_faster_than_naive"] = spice["naive_ms"] * 60_000 / 1e3 / spice["epoch_s"]
    report.write()
    table(report, runs)
    draw(report, runs)


def train(changes: list[str], report: Report) -> dict:
    """Train once in a temporary run directory and return its figures."""
    experiment = changed(load_experiment(ROOT / "circuits" / "mnist-xs.toml"), changes)
    errors: list[float] = []
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Run.start(experiment, Path(folder) / "run") as run:
        run.train(Printer(experiment.solver.engine, errors, seconds))
        summary = run.finish()
        engine = experiment.solver.engine
        anywhere = experiment.model_copy(update={"data": experiment.data.model_copy(update={"path": None})})
        (RESULTS / f"bench_mnist_{engine}.toml").write_text(to_toml(anywhere), encoding="utf-8")
        result = {
            "test_error": 100 * (1 - summary["test_accuracy"]),
            "test_failed": summary["test_failed"],
            "epoch_s": float(np.median(seconds)),
            "train_error": errors,
            "epoch_seconds": seconds,
        }
        if engine == "ngspice":
            result |= {key: summary[key] for key in ("audit_worst_dv", "audit_worst_cosine", "max_dv")}
            result |= {"gradient": gradient_error(run), "naive_ms": naive_milliseconds(run)}
    print(
        f"{engine}: {result['test_error']:.2f} % test error, {result['epoch_s']:.1f} s an epoch", flush=True
    )
    return result


class Printer:
    """Prints and collects a line for each epoch."""

    def __init__(self, engine: str, errors: list[float], seconds: list[float]) -> None:
        """Collect into the given lists."""
        self.engine, self.errors, self.seconds = engine, errors, seconds
        self.began = time.perf_counter()

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """Nothing to do."""

    def on_epoch(self, trainer: Trainer, row: dict) -> None:
        """Take the epoch's training error and wall time, audits and checkpoint included."""
        now = time.perf_counter()
        self.seconds.append(now - self.began)
        self.errors.append(100 * (1 - row["train_accuracy"]))
        self.began = now
        print(
            f"{self.engine} epoch {row['epoch']}: {self.errors[-1]:.2f} % in {self.seconds[-1]:.1f} s",
            flush=True,
        )


def gradient_error(run: Run) -> float:
    """Return the error of EqProp through ngspice, against the adjoint, on 64 training images at the trained values."""
    trainer, rule = run.trainer, run.trainer.rule
    inputs, labels = run.data.train.inputs[:64], run.data.train.labels[:64]
    targets = rule.cost.targets(labels, 10)
    points = run.solver.solve(trainer.parameters, inputs, rule.nudge(targets, trainer.parameters)).require()
    with build_solver(run.experiment, run.circuit, "ideal") as ideal:
        free = ideal.solve(trainer.parameters, inputs).require().free
    exact = adjoint_gradient(run.circuit, trainer.parameters, inputs, targets, rule.cost, free)
    return relative_error(flat(rule.gradient(points, trainer.parameters)), flat(exact))


def naive_milliseconds(run: Run) -> float:
    """Return the time of one sample by the naive way."""
    logging.disable(logging.ERROR)  # PySpice logs ngspice's notes as errors
    rule = EqProp(run.circuit, run.trainer.rule.cost, 1e-7)
    targets = rule.cost.targets(run.data.train.labels[:1], 10)
    milliseconds, _ = naively(run.circuit, run.data.train.inputs[:1], rule.nudge(targets, None))
    logging.disable(logging.NOTSET)
    return milliseconds


def table(report: Report, runs: dict[str, dict]) -> None:
    """Write the table."""
    lines = ["| run | test error (%) | seconds an epoch |", "|---|---|---|"]
    lines += [f"| {name} | {run['test_error']:.2f} | {run['epoch_s']:.1f} |" for name, run in runs.items()]
    naive = runs["ngspice"]["naive_ms"]
    lines.append(f"| naive way (one sample timed: {naive / 1e3:.0f} s) | | {naive * 60:,.0f} |")
    lines += [f"| {name} | {error:.2f} | |" for name, error in PUBLISHED.items()]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / f"{report.name}.md").write_text(text, encoding="utf-8")


def draw(report: Report, runs: dict[str, dict]) -> None:
    """Draw the learning curves."""
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axis = figure.subplots()
    for name, run in runs.items():
        epochs = np.arange(1, len(run["train_error"]) + 1)
        label = f"{name}: test error {run['test_error']:.2f} %, {run['epoch_s']:.0f} s an epoch"
        style = {"lw": 2.5, "alpha": 0.8} if name == "ngspice" else {"lw": 1, "ls": "--"}
        axis.semilogy(epochs, run["train_error"], label=label, **style)
    axis.set_xlabel("epoch")
    axis.set_ylabel("training error (%)")
    axis.grid(alpha=0.25, which="both")
    axis.legend(frameon=False)
    axis.set_title("MNIST on 2·784-100-10, real diodes, 60,000 images", fontsize=10)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
