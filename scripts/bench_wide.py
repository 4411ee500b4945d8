"""Train wide networks on all 60,000 MNIST images by the ideal solver on one core, and check its fast ways.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_wide.py [--data FOLDER] [--hidden 1024] [--epochs 20] [--seed 0]
    OPENBLAS_NUM_THREADS=1 python scripts/bench_wide.py [--data FOLDER] --hidden 1024 1024 --epochs 3

FOLDER holds the four idx files; without it they are downloaded. --run FOLDER keeps the run directory; one that is
there is taken up, and a finished one only measured. Everything that --hidden and CHANGES do not name is as in
circuits/mnist-xs.toml. All times are processor time of the one core, so that other work on the machine counts little.
The naive way, timed in the same run on the trained network, is Newton's method on one sample after another with the
whole Jacobian J, solved densely:

    J·x = F(u),   u ← u − x .

Where the solver iterates (conjugate gradients), the operating points of 100 test images are compared with those of
Newton's method with the direct solver. Writes results/bench_wide_<hidden>.json (after every epoch), .md, .png and
.toml. About 25 minutes for each of the two networks.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: one core

import numpy as np
from bench_mnist import Printer
from common import RESULTS, ROOT, Report
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from eqcirc import IdealSolver, Run, load_experiment
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.cli.overrides import changed
from eqcirc.experiment.load import to_toml
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import evaluate, targets_of
from eqcirc.learning.trainer import Trainer
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.equations import Linearised
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.choice import choose
from eqcirc.solvers.linear.conjugate import ConjugateGradients
from eqcirc.typing import Array

CHANGES: dict[int, list[str]] = {  # by number of hidden layers, what differs from mnist-xs.toml
    1: [],
    2: [  # chosen on 1,000 validation images after 80 steps, see docs/decisions.md
        "network.amplifiers.gain=16.0",
        "learning.beta=1e-5",
        "learning.learning_rate={ w1 = 3e-8, b1 = 3e-8, w2 = 3e-8, b2 = 3e-8, w3 = 4e-7, b3 = 4e-7 }",
    ],
}
PUBLISHED = {"1024": 1.57, "1024-1024": 1.48}  # % test error, ideal diodes, 50 epochs (Scellier 2024)
CURVES = ("train_error", "test_error_by_epoch", "epoch_seconds", "epoch_wall_seconds")  # a number an epoch
COMPARED = 100  # test images solved both ways
NAIVE_SAMPLES = 5
BATCH, REPEATS = 128, 3  # of the timed solve


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--hidden", type=int, nargs="+", default=[1024])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--run", type=Path)
    arguments = parser.parse_args()
    hidden, epochs = arguments.hidden, arguments.epochs
    name = "-".join(map(str, hidden))
    report = Report(f"bench_wide_{name}")
    data = "--data FOLDER " if arguments.data else ""
    options = f"{data}--hidden {' '.join(map(str, hidden))} --epochs {epochs} --seed {arguments.seed}"
    report.content |= {
        "command": f"python scripts/bench_wide.py {options}",
        "network": f"2·784-{name}-10, diodes, amplifiers, 3 phases a sample, ideal solver on one core",
    }
    changes = ["data.validation=0.0", "solver.engine=ideal", "audit.every=0", f"network.hidden={hidden}"]
    changes += [f"learning.epochs={epochs}", f"seed={arguments.seed}", *CHANGES[len(hidden)]]
    changes += [f"data.path={arguments.data}"] if arguments.data else []
    experiment = changed(load_experiment(ROOT / "circuits" / "mnist-xs.toml"), changes)
    anywhere = experiment.model_copy(update={"data": experiment.data.model_copy(update={"path": None})})
    (RESULTS / f"{report.name}.toml").write_text(to_toml(anywhere), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        train_and_measure(experiment, arguments.run or Path(folder) / "run", report)
    claims(report, hidden, epochs)
    report.write()
    table(report, name)
    draw(report)


def train_and_measure(experiment: Experiment, folder: Path, report: Report) -> None:
    """Train in a run directory, taking up what is there, and fill the report."""
    begun = (folder / "run.json").exists()
    if begun:
        earlier = json.loads((RESULTS / f"{report.name}.json").read_text(encoding="utf-8"))
        report.content |= {key: earlier[key] for key in CURVES}
    with Run.resume(folder, experiment) if begun else Run.start(experiment, folder) as run:
        run.train(Curve(report, run.trainer.state.epoch))
        final = run.trainer.score("test")
        report.content |= {"test_error": 100 * (1 - final.accuracy), "test_failed": final.failed}
        report.write()  # before anything else can go wrong
        report.content |= times(run) | agreement(run)


class Curve(Printer):
    """Writes errors and times of each epoch; the test part is only looked at, nothing is chosen by it."""

    def __init__(self, report: Report, epochs: int) -> None:
        """Collect into the report, behind the curves of so many epochs that are there already."""
        self.curves: dict[str, list[float]] = {key: report.content.get(key, [])[:epochs] for key in CURVES}
        super().__init__(report.name, self.curves["train_error"], self.curves["epoch_wall_seconds"])
        self.report, self.cpu_began = report, time.process_time()

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Take the epoch's errors and times; scoring the test part does not count."""
        self.curves["epoch_seconds"].append(time.process_time() - self.cpu_began)
        super().on_epoch(trainer, row)
        score = evaluate(trainer.solver, trainer.state.parameters, trainer.data.test, trainer.rule.cost, None)
        self.curves["test_error_by_epoch"].append(100 * (1 - score.accuracy))
        print(f"test {self.curves['test_error_by_epoch'][-1]:.2f} %", flush=True)
        self.report.content |= self.curves
        self.report.write()
        self.began, self.cpu_began = time.perf_counter(), time.process_time()


class By(IdealSolver):
    """The ideal solver with a linear solver of one's own choice."""

    def __init__(self, circuit: Circuit, linear: LinearSolver) -> None:
        """Take the linear solver."""
        super().__init__(circuit)
        self._formulation.linear = linear


class Dense:
    """The naive way: the whole Jacobian of one row after another."""

    def __init__(self, plan: Reduction) -> None:
        """Remember where entries go."""
        self.diagonal, self.pairs, self.outputs = np.arange(plan.n), plan.pairs, plan.outputs.unknowns

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        """Return x (row, n) with J·x = rhs."""
        x = np.empty_like(rhs)
        for row in range(len(rhs)):
            jacobian = np.array(system.matrix)
            jacobian[self.diagonal, self.diagonal] += at.diagonal[row]
            np.add.at(jacobian, self.pairs, at.beside[row])
            if at.outputs is not None:
                jacobian[np.ix_(self.outputs, self.outputs)] += at.outputs[row]
            x[row] = np.linalg.solve(jacobian, rhs[row])
        return x


def images(run: Run, samples: int) -> tuple[Array, Nudge]:
    """Return the first test images and their nudge."""
    trainer, test = run.trainer, run.data.test
    targets = targets_of(test, trainer.rule.cost)[:samples]
    return test.inputs[:samples], trainer.rule.nudge(targets, trainer.parameters)


def timed(solver: IdealSolver, run: Run, samples: int, at_once: int) -> tuple[float, Array]:
    """Return milliseconds a sample (three phases) and voltages of test images, solved so many at once."""
    inputs, nudge = images(run, samples)
    parts = [slice(first, first + at_once) for first in range(0, samples, at_once)]
    began = time.process_time()
    points = [
        solver.solve(run.trainer.parameters, inputs[part], nudge.take(part)).require() for part in parts
    ]
    milliseconds = (time.process_time() - began) / samples * 1e3
    return milliseconds, np.concatenate([p.voltages for p in points], axis=1)


def times(run: Run) -> dict[str, Any]:
    """Return the times of a sample in a batch and by the naive way, and how far apart their voltages are."""
    tries = [timed(run.solver, run, BATCH, BATCH) for _ in range(REPEATS)]
    solve_ms, fast = min(ms for ms, _ in tries), tries[0][1]
    naive_ms, naive = timed(By(run.circuit, Dense(Reduction(run.circuit))), run, NAIVE_SAMPLES, 1)
    return {
        "solve_ms": solve_ms,
        "naive_ms": naive_ms,
        "times_faster_than_naive": naive_ms / solve_ms,
        "naive_difference": float(np.abs(naive - fast[:, :NAIVE_SAMPLES]).max()),
    }


def agreement(run: Run) -> dict[str, Any]:
    """Return the largest difference to Newton's method with the direct solver; nothing if the solver is direct."""
    chosen = choose(Reduction(run.circuit))
    if not isinstance(chosen, ConjugateGradients):
        return {}
    _, fast = timed(run.solver, run, COMPARED, COMPARED)
    direct_ms, direct = timed(By(run.circuit, chosen.direct), run, COMPARED, COMPARED)
    return {
        "direct_ms": direct_ms,
        "direct_difference": float(np.abs(fast - direct).max()),
        "largest_voltage": float(np.abs(direct[:, :, run.circuit.free_nodes]).max()),
    }


def claims(report: Report, hidden: list[int], epochs: int) -> None:
    """Make the claims that belong to the network."""
    content, name = report.content, "-".join(map(str, hidden))
    if hidden == [1024]:
        text = f"ideal solver, {name} hidden: test error after {epochs} epochs (%)"
        report.claim(text, content["test_error"], "<= 1.9")
    if "direct_difference" in content:
        report.claim(
            f"{name} hidden: conjugate gradients against Newton with the direct solver, all voltages of three "
            f"phases of {COMPARED} test images (V)",
            content["direct_difference"],
            "<= 1e-9",
        )
    text = f"{name} hidden: fast against naive voltages, {NAIVE_SAMPLES} test images (V)"
    report.claim(text, content["naive_difference"], "<= 1e-9")
    text = f"{name} hidden: times faster than Newton's method with a dense solve, sample by sample"
    report.claim(text, content["times_faster_than_naive"], ">= 50")


def table(report: Report, name: str) -> None:
    """Write the table."""
    content, seconds = report.content, np.median(report.content["epoch_seconds"])
    lines = [f"{content['network']}, {len(content['train_error'])} epochs of 60,000 images", ""]
    lines += ["| figure | measured |", "|---|---|"]
    lines += [
        f"| test error | {content['test_error']:.2f} % |",
        f"| an epoch, median | {seconds:.0f} s of one core |",
        f"| a training sample, update included | {seconds / 60:.3g} ms |",
        f"| operating points of a sample, batch {BATCH} | {content['solve_ms']:.3g} ms |",
        f"| the same, naive way | {content['naive_ms']:,.0f} ms |",
        f"| times faster than naive | {content['times_faster_than_naive']:,.0f} |",
    ]
    if "direct_ms" in content:
        lines += [
            f"| the same, Newton with block elimination | {content['direct_ms']:,.0f} ms |",
            f"| largest difference to it, {COMPARED} test images | {content['direct_difference']:.1e} V |",
        ]
    if name in PUBLISHED:
        lines += [f"| published test error, ideal diodes, 50 epochs (Scellier 2024) | {PUBLISHED[name]} % |"]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / f"{report.name}.md").write_text(text, encoding="utf-8")


def draw(report: Report) -> None:
    """Draw the learning curve."""
    content, seconds = report.content, np.median(report.content["epoch_seconds"])
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axis = figure.subplots()
    epochs = np.arange(1, len(content["train_error"]) + 1)
    axis.semilogy(epochs, content["train_error"], "-o", ms=3, label="training, while learning")
    label = f"test: {content['test_error']:.2f} % at the end, {seconds:.0f} s an epoch"
    axis.semilogy(epochs, content["test_error_by_epoch"], "-s", ms=3, label=label)
    axis.set_xlabel("epoch")
    axis.set_xticks(epochs)
    axis.set_ylabel("error (%)")
    low, high = axis.get_ylim()
    axis.yaxis.set_major_locator(LogLocator(subs=range(1, 10) if high < 10 * low else (1, 2, 5), numticks=20))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.grid(alpha=0.25, which="both")
    axis.legend(frameon=False)
    axis.set_title(
        "MNIST, " + content["network"].partition(",")[0] + ", real diodes, ideal solver", fontsize=10
    )
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
