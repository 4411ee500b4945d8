"""Train 784-256-10 FitzHugh-Nagumo neurons with signed weights on MNIST, beside an ordinary energy-based model.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_mnist_fhn.py [--data FOLDER] [--epochs 10] [--spice-epochs 5] \
        [--go-on] [--ideal-only]

FOLDER holds the four idx files; without it they are downloaded. Four runs on all 60,000 images, with the
hyperparameters of circuits/mnist-fhn.toml and circuits/mnist-signed.toml, chosen on 6,000 images of the training part:
neurons and the energy-based model of the same size by the ideal solver, then neurons by the ideal solver and through
ngspice only, both with the shorter schedule. Writes results/bench_mnist_fhn.json, .md and .png.
About an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: the workers take the cores

import numpy as np
from bench_mnist import Printer
from common import RESULTS, ROOT, Report
from matplotlib.figure import Figure

from eqcirc import Run, load_experiment, stability_certificate, stability_report
from eqcirc.cli.overrides import changed

BEYOND = 20  # test images whose operating points are judged by eigenvalues


def main() -> None:
    """Train, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--spice-epochs", type=int, default=5)
    parser.add_argument("--go-on", action="store_true", help="keep the runs that the results hold already")
    parser.add_argument("--ideal-only", action="store_true")
    arguments = parser.parse_args()
    epochs, few = arguments.epochs, arguments.spice_epochs
    report = Report(__file__)
    runs: dict[str, dict] = {}
    plan = [
        (f"neurons, ideal, {epochs} epochs", "mnist-fhn", "ideal", epochs),
        (f"energy-based model, ideal, {epochs} epochs", "mnist-signed", "ideal", epochs),
        (f"neurons, ideal, {few} epochs", "mnist-fhn", "ideal", few),
        (f"neurons, ngspice, {few} epochs", "mnist-fhn", "ngspice", 0 if arguments.ideal_only else few),
    ]
    before = RESULTS / f"{report.name}.json"
    if arguments.go_on and before.exists():
        runs |= json.loads(before.read_text(encoding="utf-8"))["runs"]
    for name, file, engine, length in plan:
        if name not in runs and length:
            runs[name] = train(name, file, engine, length, arguments.data)
            report.content["runs"] = runs
            report.write()
    runs = {name: runs[name] for name, *_ in plan if name in runs}
    report.content["runs"] = runs
    claims(report, [name for name, *_ in plan], runs)
    report.write()
    table(report, runs)
    draw(report, runs)


def claims(report: Report, names: list[str], runs: dict[str, dict]) -> None:
    """Hold what was measured against what is claimed."""
    neurons, plain, short = (runs[name] for name in names[:3])
    report.claim(f"{names[0]}: test accuracy (%)", neurons["accuracy"], ">= 97.3")
    report.claim(f"{names[0]}: processor seconds in all, one core", neurons["processor_s"], "<= 300")
    difference = abs(neurons["accuracy"] - plain["accuracy"])
    report.claim("neurons against energy-based model: difference (points)", difference, "<= 1.0")
    trained = [run for name, run in runs.items() if name.startswith("neurons")]
    stable = min(run["stable"] for run in trained)
    report.claim(
        "trained neurons: certified to have one stable operating point for any image", stable, ">= 1"
    )
    if names[3] in runs:
        spice = runs[names[3]]
        below = neurons["accuracy"] - spice["accuracy"]
        report.claim(f"{names[3]}: points below the ideal solver at its best", below, "<= 0.5")
        off = abs(short["accuracy"] - spice["accuracy"])
        report.claim(f"{names[3]}: difference to the ideal solver, same schedule (points)", off, "<= 0.5")
        worst = spice["audit_worst_dv"]
        report.claim("ngspice: largest |ngspice − ideal| voltage of all audits (V)", worst, "<= 1e-6")


def train(name: str, file: str, engine: str, epochs: int, data: Path | None) -> dict:
    """Train once in a temporary run directory and return its figures."""
    changes = ["data.validation=0.0", f"learning.epochs={epochs}", f"solver.engine={engine}"]
    changes += [f"data.path={data}"] if data else []
    changes += ["audit.every=0"] if engine == "ideal" else []
    experiment = changed(load_experiment(ROOT / "circuits" / f"{file}.toml"), changes)
    errors: list[float] = []
    seconds: list[float] = []
    print(name, flush=True)
    with tempfile.TemporaryDirectory() as folder, Run.start(experiment, Path(folder) / "run") as run:
        began, processor = time.perf_counter(), time.process_time()
        run.train(Printer(engine, errors, seconds))
        whole, processor = time.perf_counter() - began, time.process_time() - processor
        summary = run.finish()
        result = {
            "accuracy": 100 * summary["test_accuracy"],
            "failed": summary["test_failed"],
            "seconds": whole,
            "processor_s": processor,  # of this process, so without ngspice's
            "epoch_s": float(np.median(seconds)),
            "train_error": errors,
            "audit_worst_dv": summary.get("audit_worst_dv"),
        }
        known = stability_certificate(run.circuit, run.trainer.parameters)
        inputs = run.data.test.inputs[:BEYOND]
        points = run.solver.solve(run.trainer.parameters, inputs).require()
        found = stability_report(run.circuit, run.trainer.parameters, inputs, points.free)
        result |= {
            "stable": float(known.attracting),
            "growth": float(found.growth.max()),
            "curvature": float(found.curvature.min()),
        }
    print(f"{name}: {result['accuracy']:.2f} %, {whole:.0f} s", flush=True)
    return result


def table(report: Report, runs: dict[str, dict]) -> None:
    """Write the table."""
    lines = [
        "| 784-256-10, signed weights | test accuracy (%) | s an epoch | s in all | processor s of Python "
        "| least curvature (S) |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {r['accuracy']:.2f} | {r['epoch_s']:.0f} | {r['seconds']:.0f} | {r['processor_s']:.0f} "
        f"| {r['curvature']:.2g} |"
        for name, r in runs.items()
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / f"{report.name}.md").write_text(text, encoding="utf-8")


def draw(report: Report, runs: dict[str, dict]) -> None:
    """Draw the learning curves."""
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    axis = figure.subplots()
    for name, run in runs.items():
        epochs = np.arange(1, len(run["train_error"]) + 1)
        style = {"lw": 5, "alpha": 0.4, "zorder": 1} if "ngspice" in name else {"lw": 1.2}
        axis.semilogy(
            epochs, run["train_error"], marker="o", ms=3, label=f"{name}: {run['accuracy']:.2f} %", **style
        )
    axis.set_xlabel("epoch")
    axis.set_ylabel("training error (%)")
    axis.grid(alpha=0.25, which="both")
    axis.legend(frameon=False, fontsize=8)
    axis.set_title("MNIST on 784-256-10, signed weights; test accuracy in the legend", fontsize=10)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
