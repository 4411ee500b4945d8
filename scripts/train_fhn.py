"""Train FitzHugh-Nagumo networks: moons with cubic devices, tunnel diodes and none, digits with one and two layers.

    python scripts/train_fhn.py [--only moons-fhn]

Writes results/train_fhn.json, .md and .png. About twelve minutes on two cores. Hyperparameters, those of the linear
control too, were chosen by validation accuracy with seeds 11 to 16 (docs/decisions.md), so none of the seeds here.
All train through ngspice but the two comparisons on digits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import RESULTS, ROOT, Report
from matplotlib.figure import Figure

from eqcirc import Run, load_experiment
from eqcirc.cli.overrides import changed
from eqcirc.experiment.schema import Experiment
from eqcirc.verify.stability import stability_certificate


class Task(NamedTuple):
    """An experiment file, the seeds to report, and what differs from it."""

    file: str
    seeds: range
    changes: tuple[str, ...] = ()
    residual: bool = True


NO_DEVICE = "network.neurons.device=none"
NO_RESIDUAL = "learning.learning_rate={w1=2e-6, b1=2e-6, w2=2e-6, b2=2e-6, w3=1e-6, b3=1e-6}"
IDEAL = "solver.engine=ideal"
FRESH = range(3, 6)  # 0 to 2 were looked at once, with other values
TASKS = {
    "moons-fhn": Task("moons-fhn", range(5)),
    "moons-esaki": Task("moons-esaki", range(5)),
    "moons, no device": Task("moons-fhn", range(5), (NO_DEVICE, "learning.learning_rate=3e-4")),
    "digits-fhn": Task("digits-fhn", FRESH),
    "digits-fhn-deep": Task("digits-fhn-deep", FRESH),
    "digits, no device": Task("digits-fhn", FRESH, (NO_DEVICE, IDEAL)),
    "digits, deep without residual": Task("digits-fhn-deep", FRESH, (NO_RESIDUAL, IDEAL), residual=False),
}


def main() -> None:
    """Train everything and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(TASKS), action="append")
    names = parser.parse_args().only or list(TASKS)
    report = Report(__file__)
    runs = {name: [train(name, seed) for seed in TASKS[name].seeds] for name in names}
    report.content["runs"] = runs
    worst = {name: min(run["test_accuracy"] for run in rows) for name, rows in runs.items()}
    for name, words in (("moons-fhn", "cubic devices"), ("moons-esaki", "tunnel diodes")):
        if name in runs:
            report.claim(
                f"moons, {words}, ngspice: smallest test accuracy of 5 seeds", worst[name], ">= 0.97"
            )
    if "moons, no device" in runs:
        best = max(run["test_accuracy"] for run in runs["moons, no device"])
        report.claim("moons, devices removed, ngspice: largest test accuracy of 5 seeds", best, "<= 0.9")
    for name, words in (("digits-fhn", "one FHN layer"), ("digits-fhn-deep", "two FHN layers")):
        if name in runs:
            report.claim(
                f"digits, {words}, ngspice: smallest test accuracy of 3 seeds", worst[name], ">= 0.95"
            )
            slowest = max(run["seconds"] for run in runs[name])
            report.claim(f"digits, {words}: seconds of the slowest run", slowest, "<= 240")
    everything = [run for rows in runs.values() for run in rows]
    dv = max(run["audit_worst_dv"] for run in everything)
    report.claim("all runs: largest |ngspice − ideal| voltage of all audits (V)", dv, "<= 1e-9")
    unproven = sum(not run["unique"] for run in everything)
    report.claim("trained circuits without proof of one stable operating point", unproven, "<= 0")
    failed = sum(run["test_failed"] for run in everything)
    report.claim("all runs: test samples without an operating point", failed, "<= 0")
    report.write()
    table(runs)
    draw(report, runs)


def train(name: str, seed: int) -> dict:
    """Train one experiment in a temporary run directory."""
    experiment = prepared(TASKS[name], seed)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Run.start(experiment, Path(folder) / "run") as run:
        run.train()
        summary = run.finish()
        metrics = run.trainer.state.metrics
        proof = stability_certificate(run.circuit, run.trainer.parameters)
    seconds = time.perf_counter() - began
    print(f"{name}, seed {seed}: {summary['test_accuracy']:.4f} in {seconds:.0f} s", flush=True)
    return summary | {
        "seed": seed,
        "seconds": seconds,
        "unique": proof.attracting,
        "validation_accuracy": metrics[-1].get("validation_accuracy"),
        "train_error": [1 - row["train_accuracy"] for row in metrics],
    }


def prepared(task: Task, seed: int) -> Experiment:
    """Return the experiment of a task."""
    experiment = load_experiment(ROOT / "circuits" / f"{task.file}.toml")
    experiment = changed(experiment, [*task.changes, f"seed={seed}"])
    if task.residual:
        return experiment
    network = experiment.network.model_copy(update={"residual": None})
    return experiment.model_copy(update={"network": network})


def table(runs: dict[str, list[dict]]) -> None:
    """Write the table."""
    lines = [
        "| task | engine | seeds | test accuracy, mean | worst | seconds a run | audits: largest difference |"
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for name, rows in runs.items():
        accuracy = [r["test_accuracy"] for r in rows]
        seconds, dv = np.mean([r["seconds"] for r in rows]), max(r["audit_worst_dv"] for r in rows)
        cells = [name, rows[0]["engine"], len(rows), f"{np.mean(accuracy):.2%}", f"{min(accuracy):.2%}"]
        lines.append("| " + " | ".join(map(str, [*cells, f"{seconds:.0f}", f"{dv:.1e} V"])) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "train_fhn.md").write_text(text, encoding="utf-8")


def draw(report: Report, runs: dict[str, list[dict]]) -> None:
    """Draw the training error of every run: moons and digits, one colour for each task."""
    figure = Figure(figsize=(9.0, 3.4), layout="constrained")
    for axis, data in zip(figure.subplots(1, 2), ("moons", "digits"), strict=True):
        for k, (name, rows) in enumerate((n, r) for n, r in runs.items() if n.startswith(data)):
            mean = np.mean([r["test_accuracy"] for r in rows])
            for j, row in enumerate(rows):
                error = 100 * np.array(row["train_error"])
                label = f"{name}: test {mean:.1%}" if j == 0 else None
                axis.plot(np.arange(1, len(error) + 1), error, lw=1, alpha=0.8, color=f"C{k}", label=label)
        axis.set_xlabel("epoch")
        axis.set_yscale("symlog", linthresh=1)
        axis.set_ylim(0, 100)
        axis.grid(alpha=0.25)
        if axis.lines:
            axis.legend(fontsize=7)
        axis.set_title(data, fontsize=9)
    figure.axes[0].set_ylabel("training error (%)")
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
