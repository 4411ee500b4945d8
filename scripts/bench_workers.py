"""How does training scale with workers? Measure one mini-batch's parts, predict, and check at 1 and 2 workers.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_workers.py

The model: a batch is cut into sweeps; n workers take ceil(sweeps/n) rounds, the parent's own work is not shared:

    T(n) = parent + ceil(sweeps/n)·sweep + bytes/bandwidth

Measured on the 2·784-100-10 network, batch 512 in sweeps of 32 (large batches are what many nodes are for). Writes
results/bench_workers.json and .md. Under a minute.
"""

from __future__ import annotations

import math
import os
import pickle
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: the workers take the cores

import numpy as np
from common import RESULTS, Report

from eqcirc import Biases, Bounds, EqProp, LayerDiodes, Layered, NgspiceSolver, SoftmaxCrossEntropy
from eqcirc.solvers.ngspice.session import SweepResult

BATCH, SWEEP, FEATURES, OUTPUTS = 512, 32, 784, 10
REPEATS = 5
BANDWIDTH = 1e9 / 8  # bytes a second of a 1 Gbit/s network


def main() -> None:
    """Measure and write."""
    report = Report(__file__)
    rng = np.random.default_rng(0)
    plan = Layered(
        hidden=(100,),
        input_gain=20.0,
        biases=Biases(voltage=1.0),
        diodes=LayerDiodes(rail=0.0),
        differential=False,
        gain=64.0,
        bounds=Bounds(1e-7, 1e-5),
        initial=(1e-7, 3e-6),
    )
    circuit = plan.build("workers", FEATURES, OUTPUTS, rng)
    inputs = rng.uniform(0, 1, (BATCH, FEATURES)) * (rng.random((BATCH, FEATURES)) < 0.2)
    rule = EqProp(circuit, SoftmaxCrossEntropy(5.0), 1e-7)
    nudge = rule.nudge(rule.cost.targets(rng.integers(0, OUTPUTS, BATCH), OUTPUTS), None)
    sweeps = math.ceil(BATCH / SWEEP)
    measured = {}
    for workers in (1, 2):
        with NgspiceSolver(circuit, workers=workers, sweep=SWEEP) as solver:
            solver.solve(None, inputs, nudge)  # starts the processes
            measured[workers] = fastest(
                lambda solver=solver: rule.gradient(solver.solve(None, inputs, nudge), None)
            )
            if workers == 1:
                netlists = solver.netlists(None, inputs, nudge)
                one = fastest(lambda solver=solver, netlists=netlists: solver._pool.run(netlists[:1]))
    sent = sum(len(pickle.dumps(netlist)) for netlist in netlists)
    saved = SweepResult(np.zeros((netlists[0].phases, SWEEP, len(netlists[0].saved))))
    received = sweeps * len(pickle.dumps(saved))
    # what one worker leaves to the parent, part of which overlaps with the sweeps of others
    parent = max(measured[1] - sweeps * one, 0.0)

    def predicted(n: int, bandwidth: float = math.inf) -> float:
        return parent + math.ceil(sweeps / n) * one + (sent + received) / bandwidth

    error = abs(predicted(2) / measured[2] - 1)
    report.content |= {
        "batch": BATCH,
        "sweeps": sweeps,
        "seconds": {"parent": parent, "sweep": one, "measured": measured},
        "bytes_per_batch": {"to_workers": sent, "from_workers": received},
        "predicted_seconds": {n: predicted(n, BANDWIDTH) for n in (1, 2, 4, 8, 16)},
    }
    report.claim("time of a batch on 2 workers: prediction against measurement (%)", 100 * error, "<= 20")
    report.write()
    lines = [
        "| workers | seconds a batch, predicted (1 Gbit/s) | measured here | speed-up |",
        "|---|---|---|---|",
    ]
    for n in (1, 2, 4, 8, 16):
        seen = f"{measured[n]:.3f}" if n in measured else ""
        lines.append(
            f"| {n} | {predicted(n, BANDWIDTH):.3f} | {seen} | {predicted(1) / predicted(n, BANDWIDTH):.1f} |"
        )
    lines.append("")
    lines.append(
        f"A batch of {BATCH} moves {sent / 1e6:.2f} MB to the workers and {received / 1e6:.2f} MB back."
    )
    text = "\n".join(lines) + "\n"
    print(text)
    (RESULTS / "bench_workers.md").write_text(text, encoding="utf-8")


def fastest(call: object) -> float:
    """Return the shortest of a few wall times."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        call()  # type: ignore[operator]
        seconds.append(time.perf_counter() - began)
    return min(seconds)


if __name__ == "__main__":
    main()
