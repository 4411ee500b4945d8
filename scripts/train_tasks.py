"""Train XOR, iris, moons and digits through ngspice only, several seeds each, and record test accuracy and time.

    python scripts/train_tasks.py [--only digits]

Writes results/train_tasks.json, .md and .png. About seven minutes on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from common import RESULTS, ROOT, Report
from matplotlib.figure import Figure

from eqcirc import Run, load_experiment
from eqcirc.cli.overrides import changed

SEEDS = {"xor": 5, "iris": 10, "moons": 5, "digits": 3}


def main() -> None:
    """Train everything and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=list(SEEDS), action="append")
    names = parser.parse_args().only or list(SEEDS)
    report = Report(__file__)
    RESULTS.mkdir(exist_ok=True)
    runs = {name: [train(name, seed) for seed in range(SEEDS[name])] for name in names}
    report.content["runs"] = runs
    accuracy = {name: [run["test_accuracy"] for run in rows] for name, rows in runs.items()}
    if "xor" in runs:
        report.claim("XOR: seeds of 5 with 4 of 4 points right", sum(a == 1 for a in accuracy["xor"]), ">= 5")
    if "iris" in runs:
        report.claim("iris: mean test accuracy over 10 seeds", float(np.mean(accuracy["iris"])), ">= 0.95")
    if "moons" in runs:
        report.claim("moons: smallest test accuracy of 5 seeds", min(accuracy["moons"]), ">= 0.97")
    if "digits" in runs:
        report.claim("digits: mean test accuracy over 3 seeds", float(np.mean(accuracy["digits"])), ">= 0.97")
        slowest = max(run["seconds"] for run in runs["digits"])
        report.claim("digits: seconds of the slowest run, start to picture", slowest, "<= 120")
    worst = max(run["audit_worst_dv"] for rows in runs.values() for run in rows)
    report.claim("all runs: largest |ngspice − ideal| voltage of all audits (V)", worst, "<= 1e-9")
    failed = sum(run["test_failed"] for rows in runs.values() for run in rows)
    report.claim("all runs: test samples without an operating point", failed, "<= 0")
    report.write()
    table(runs)
    draw(report, runs)


def train(name: str, seed: int) -> dict:
    """Train one experiment through ngspice in a temporary run directory."""
    experiment = changed(load_experiment(ROOT / "circuits" / f"{name}.toml"), [f"seed={seed}"])
    assert experiment.solver.engine == "ngspice"
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, Run.start(experiment, Path(folder) / "run") as run:
        run.train()
        summary = run.finish()
        if (name, seed) == ("digits", 0):
            shutil.copy(Path(folder) / "run" / "run.png", RESULTS / "digits.png")
        curve = [1 - row["train_accuracy"] for row in run.trainer.state.metrics]
    seconds = time.perf_counter() - began
    print(f"{name} seed {seed}: test accuracy {summary['test_accuracy']:.4f} in {seconds:.0f} s", flush=True)
    return summary | {"seed": seed, "seconds": seconds, "train_error": curve}


def table(runs: dict[str, list[dict]]) -> None:
    """Write the table."""
    lines = [
        "| task | seeds | test accuracy, mean | worst | seconds a run | audits: largest voltage difference |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, rows in runs.items():
        accuracy = [r["test_accuracy"] for r in rows]
        seconds, dv = np.mean([r["seconds"] for r in rows]), max(r["audit_worst_dv"] for r in rows)
        cells = [
            name,
            len(rows),
            f"{np.mean(accuracy):.2%}",
            f"{min(accuracy):.2%}",
            f"{seconds:.0f}",
            f"{dv:.1e} V",
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "train_tasks.md").write_text(text, encoding="utf-8")


def draw(report: Report, runs: dict[str, list[dict]]) -> None:
    """Draw the training error of every run."""
    figure = Figure(figsize=(3.2 * len(runs), 3.0), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(runs)))
    for axis, (name, rows) in zip(axes, runs.items(), strict=True):
        for row in rows:
            error = 100 * np.array(row["train_error"])
            axis.plot(np.arange(1, len(error) + 1), error, lw=1, alpha=0.8)
        mean = np.mean([r["test_accuracy"] for r in rows])
        axis.set_title(f"{name}: test accuracy {mean:.1%}", fontsize=9)
        axis.set_xlabel("epoch")
        axis.grid(alpha=0.25)
    axes[0].set_ylabel("training error (%), through ngspice")
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
