"""Does a worker grow? Solve 2,000 mini-batches in one ngspice process, each with new conductances, and watch.

    python scripts/soak.py [--batches 2000]

Writes results/soak.json and .png. About a minute.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from common import Report
from matplotlib.figure import Figure

from eqcirc import Biases, Bounds, EqProp, LayerDiodes, Layered, NgspiceSolver, SoftmaxCrossEntropy
from eqcirc.solvers.ngspice.processes import RENEW_AFTER
from eqcirc.solvers.ngspice.workers import LocalWorkers

BATCH, FEATURES, OUTPUTS = 16, 64, 10
EVERY = 20  # batches between two looks
SETTLED = 200  # batches after which nothing may grow any more


def main() -> None:
    """Solve, look and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=2000)
    batches = parser.parse_args().batches
    report = Report(__file__)
    rng = np.random.default_rng(0)
    diodes = LayerDiodes(rail=0.3)
    plan = Layered(
        (32,), input_gain=10.0, gain=4.0, biases=Biases(voltage=1.0), diodes=diodes, bounds=Bounds(1e-7, 1e-5)
    )
    circuit = plan.build("soak", FEATURES, OUTPUTS, rng)
    rule = EqProp(circuit, SoftmaxCrossEntropy(), 1e-7)
    workers = LocalWorkers(1)
    solver = NgspiceSolver(circuit, workers=workers)
    seen: list[tuple[int, float]] = []
    failed = 0
    for k in range(1, batches + 1):
        values = {name: rng.uniform(1e-7, 1e-5, value.shape) for name, value in circuit.parameters.items()}
        targets = rule.cost.targets(rng.integers(0, OUTPUTS, BATCH), OUTPUTS)
        points = solver.solve(values, rng.uniform(0, 1, (BATCH, FEATURES)), rule.nudge(targets, values))
        failed += int((~points.converged).sum())
        if k % EVERY == 0:
            seen.append((k, resident_megabytes(workers.pids[0])))
    solver.close()
    steps, megabytes = np.array(seen).T
    settled = megabytes[steps >= SETTLED]
    report.content |= {
        "batches": steps.tolist(),
        "resident_megabytes": megabytes.tolist(),
        "kilobytes_per_batch": 1e3 * float(settled[-1] - settled[0]) / (len(settled) - 1) / EVERY,
        "batches_before_a_worker_is_renewed": RENEW_AFTER,
    }
    growth = 100 * float(settled[-1] / settled[0] - 1)
    report.claim(f"resident memory of a worker: growth over {batches} batches (%)", growth, "<= 5")
    report.claim("samples without an operating point", failed, "<= 0")
    report.write()
    draw(report, steps, megabytes)


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def draw(report: Report, steps: np.ndarray, megabytes: np.ndarray) -> None:
    """Draw memory over batches."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axis = figure.subplots()
    axis.plot(steps, megabytes)
    axis.set_ylim(0, 1.3 * megabytes.max())
    axis.set_xlabel("mini-batches solved in one ngspice process")
    axis.set_ylabel("resident memory (MB)")
    axis.grid(alpha=0.25)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
