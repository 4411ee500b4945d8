"""Time and peak memory of a sample against width and depth: the naive way, ngspice and the ideal solver.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_scaling.py [--tiny]

Networks 2·784-n-…-n-10 (diodes, amplifiers), hidden layers of equal width n, three phases a sample. The naive way: one
sample, a fresh netlist of the whole network and `op` for each phase; ngspice: one worker, one sweep of 16 samples;
ideal solver: batch 64, one core. Times are the fastest of up to REPEATS solves. Every point runs in processes of its
own, so that the peak memory is that of the point; it is counted from what the same processes hold before the network
is built. A point that takes longer than LIMIT ends its series and is recorded as not reached.
Writes results/bench_scaling.json, .md and .png. About ten minutes. --tiny does the same with small networks in a
minute and writes nothing; the claims are not about those.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: one core

import numpy as np
from bench_solvers import naively
from common import RESULTS, Report
from matplotlib.figure import Figure

from eqcirc import Biases, Bounds, EqProp, IdealSolver, LayerDiodes, Layered, NgspiceSolver, SquaredError
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.ngspice.workers import LocalWorkers

WIDTHS, DEPTHS, FEATURES = (64, 128, 256, 512, 1024), (1, 2, 3), 784
TINY = (4, 8), (1, 2), 16  # the same with --tiny
OUTPUTS, BETA = 10, 1e-7
SWEEP, BATCH = 16, 64
SAMPLES = {"naive": 1, "ngspice": SWEEP, "ideal": BATCH}  # of a solve
STYLES = {"naive": ":^", "ngspice": "-o", "ideal": "--s"}
LIMIT = 60.0  # seconds for a point, circuit and start of processes included
REPEATS = 5  # of a solve, as long as they fit into a fifth of the limit
REASONABLE = 100.0  # ms a sample: 60,000 samples take 100 minutes
COLOURS = {1: "#1f6feb", 2: "#1a7f37", 3: "#d1242f"}


def main() -> None:
    """Measure every series, or, with --point, one point in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--point", nargs=5, help=argparse.SUPPRESS)  # solver, width, depth, features, file
    arguments = parser.parse_args()
    if arguments.point:
        name, width, depth, features, file = arguments.point
        measure(name, int(width), int(depth), int(features), Path(file))
        return
    widths, depths, features = TINY if arguments.tiny else (WIDTHS, DEPTHS, FEATURES)
    report = Report(__file__)
    with tempfile.TemporaryDirectory() as folder:
        points = [
            point
            for solver in SAMPLES
            for depth in depths
            for point in series(solver, widths, depth, features, Path(folder))
        ]
        differences = compare(points, Path(folder))
        slopes = evaluate(report, points, differences)
        draw(Path(folder) / "picture.png" if arguments.tiny else report.picture(), points, slopes)
    text = table(points, slopes, report.content["ngspice_above_100_ms_a_sample"])
    print(text)
    if not arguments.tiny:
        report.write()
        (RESULTS / f"{report.name}.md").write_text(text, encoding="utf-8")


def series(solver: str, widths: tuple[int, ...], depth: int, features: int, folder: Path) -> list[dict]:
    """Return the points of a series, up to the first one that is not reached."""
    points = []
    for width in widths:
        file = folder / f"{solver}_{width}_{depth}"
        found = run([solver, str(width), str(depth), str(features), str(file)])
        points.append(
            {"solver": solver, "width": width, "depth": depth, "reached": found} | read(file, found)
        )
        print(points[-1], flush=True)
        if not found:
            break
    return points


def run(arguments: list[str]) -> bool:
    """Measure a point in a group of processes of its own; return whether it kept within the limit."""
    command = [sys.executable, __file__, "--point", *arguments]
    words = Path(arguments[-1]).with_suffix(".txt")
    with words.open("w") as errors:
        process = subprocess.Popen(command, start_new_session=True, stderr=errors)
    try:
        code = process.wait(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False
    if code != 0:
        raise SystemExit(f"point {arguments[:3]} failed:\n{words.read_text()}")
    return True


def read(file: Path, found: bool) -> dict:
    """Return what a point wrote."""
    return json.loads(file.with_suffix(".json").read_text(encoding="utf-8")) if found else {}


def measure(name: str, width: int, depth: int, features: int, file: Path) -> None:
    """Time one point and write it to `file`.json, and the voltages of the first samples to `file`.npy."""
    logging.disable(logging.ERROR)  # PySpice logs ngspice's notes as errors
    workers = LocalWorkers(1) if name == "ngspice" else None
    small, one, pull = problem((4,), 4)
    way(name, small, workers)(one[:1], pull.take(slice(1)))  # starts the process and loads the library
    before = peak()
    circuit, inputs, nudge = problem((width,) * depth, features)
    samples = SAMPLES[name]
    inputs, nudge = inputs[:samples], nudge.take(slice(samples))
    solve = way(name, circuit, workers)
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < LIMIT / 5:
        began = time.perf_counter()
        voltages = solve(inputs, nudge)
        seconds.append(time.perf_counter() - began)
    figures = {
        "unknowns": Reduction(circuit).n,
        "milliseconds_per_sample": min(seconds) / samples * 1e3,
        "peak_mib": peak() - before,
        "resting_mib": before,
    }
    if workers:
        workers.close()
    np.save(file.with_suffix(".npy"), voltages[:, :SWEEP])
    file.with_suffix(".json").write_text(json.dumps(figures), encoding="utf-8")


def way(
    name: str, circuit: Circuit, workers: LocalWorkers | None
) -> Callable[[np.ndarray, Nudge], np.ndarray]:
    """Return what finds the voltages (phase, sample, free node) for inputs and a nudge."""
    if name == "naive":
        return lambda inputs, nudge: naively(circuit, inputs, nudge)[1]
    solver = NgspiceSolver(circuit, workers=workers, sweep=SWEEP) if workers else IdealSolver(circuit)
    free = circuit.free_nodes
    return lambda inputs, nudge: solver.solve(None, inputs, nudge).require().voltages[:, :, free]


def problem(hidden: tuple[int, ...], features: int) -> tuple[Circuit, np.ndarray, Nudge]:
    """Return circuit, inputs and nudge, the same in every process."""
    rng = np.random.default_rng(0)
    plan = Layered(
        hidden=hidden,
        input_gain=20.0,
        biases=Biases(voltage=1.0),
        bounds=Bounds(1e-7, 1e-5),
        diodes=LayerDiodes(rail=0.0),
        gain=4.0,
        differential=False,
    )
    circuit = plan.build("scaling", features, OUTPUTS, rng)
    # like MNIST: about a fifth of the pixels are not black
    inputs = rng.uniform(0, 1, (BATCH, features)) * (rng.random((BATCH, features)) < 0.2)
    cost = SquaredError()
    targets = cost.targets(rng.integers(0, OUTPUTS, BATCH), OUTPUTS)
    return circuit, inputs, EqProp(circuit, cost, BETA).nudge(targets, None)


def peak() -> float:
    """Return the peak memory of this process and of its workers together, in MiB."""
    total = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        for line in Path(f"/proc/{child}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1]) / 1024
    return total


def compare(points: list[dict], folder: Path) -> dict[str, float]:
    """Return the largest difference of voltages to the ideal solver's, by way and size."""
    largest = {}
    for p in points:
        size = f"{p['width']}_{p['depth']}"
        other = folder / f"ideal_{size}.npy"
        if p["solver"] != "ideal" and p["reached"] and other.exists():
            mine = np.load(folder / f"{p['solver']}_{size}.npy")
            difference = np.abs(mine - np.load(other)[:, : mine.shape[1]]).max()
            largest[f"{p['solver']}, {p['depth']} x {p['width']}"] = float(difference)
    return largest


def slope(points: list[dict], key: str) -> float:
    """Return the exponent of the width, by least squares on logarithms; NaN for fewer than two points."""
    if len(points) < 2:
        return float("nan")
    return float(np.polyfit(np.log([p["width"] for p in points]), np.log([p[key] for p in points]), 1)[0])


def evaluate(report: Report, points: list[dict], differences: dict[str, float]) -> dict:
    """Make the claims; return the exponents of the width."""
    reached = [p for p in points if p["reached"]]
    slopes = {}
    for solver, depth in dict.fromkeys((p["solver"], p["depth"]) for p in reached):
        found = [p for p in reached if (p["solver"], p["depth"]) == (solver, depth)]
        exponents = {"time": slope(found, "milliseconds_per_sample"), "memory": slope(found, "peak_mib")}
        slopes[f"{solver}, {depth} hidden"] = exponents
    at = {(p["solver"], p["depth"], p["width"]): p["milliseconds_per_sample"] for p in reached}
    for p in reached:
        naive = at.get(("naive", p["depth"], p["width"]))
        p["times_faster_than_naive"] = None if naive is None else naive / p["milliseconds_per_sample"]
    depths = dict.fromkeys(p["depth"] for p in points)
    report.content |= {
        "network": f"2·{FEATURES}-n-…-n-{OUTPUTS}, diodes, amplifiers, 3 phases a sample",
        "limit_seconds": LIMIT,
        "points": points,
        "slopes_against_width": slopes,
        "ngspice_above_100_ms_a_sample": {f"{depth} hidden": end(depth, points) for depth in depths},
        "voltage_differences": differences,
    }
    for solver, name in (("ngspice", "ngspice"), ("naive", "naive way")):
        of = [value for key, value in differences.items() if key.startswith(solver)]
        report.claim(
            f"{name} against ideal voltages at all {len(of)} sizes that both reached (V)", max(of), "<= 1e-9"
        )
    for solver, bound in (("ngspice", ">= 10"), ("ideal", ">= 10000")):
        gains = [p["times_faster_than_naive"] for p in reached if p["solver"] == solver]
        gains = [gain for gain in gains if gain is not None]
        text = (
            f"{solver}, times faster than the naive way, least over the {len(gains)} sizes that both reached"
        )
        report.claim(text, min(gains), bound)
    gains = [
        at[key] / at["ideal", *key[1:]] for key in at if key[0] == "ngspice" and ("ideal", *key[1:]) in at
    ]
    report.claim("ideal solver, times faster than ngspice, least over all sizes", min(gains), ">= 5")
    report.claim(
        "ideal solver, sizes that took too long",
        sum(not p["reached"] for p in points if p["solver"] == "ideal"),
        "<= 0",
    )
    return slopes


def end(depth: int, points: list[dict]) -> str:
    """Say from which measured width on ngspice takes more than 100 ms a sample."""
    found = [p for p in points if (p["solver"], p["depth"]) == ("ngspice", depth)]
    for p in found:
        if not p["reached"]:
            return f"width {p['width']}: not reached within {LIMIT:.0f} s"
        if p["milliseconds_per_sample"] > REASONABLE:
            return f"width {p['width']}: {p['milliseconds_per_sample']:.0f} ms a sample, {p['unknowns']:,} unknowns"
    return f"not up to width {found[-1]['width']}"


def table(points: list[dict], slopes: dict, ends: dict[str, str]) -> str:
    """Return all figures as Markdown."""
    lines = [
        "| way | hidden layers | width | unknowns | ms a sample (3 phases) | times faster than naive | memory (MiB) |",
        "|---|---|---|---|---|---|---|",
    ]
    for p in points:
        row = f"| {p['solver']} | {p['depth']} | {p['width']} "
        if p["reached"]:
            gain = p["times_faster_than_naive"]
            ratio = "" if gain is None else f"{gain:,.0f}"
            row += (
                f"| {p['unknowns']:,} | {p['milliseconds_per_sample']:.3g} | {ratio} | {p['peak_mib']:.0f} |"
            )
        else:
            row += f"| | not reached within {LIMIT:.0f} s a point | | |"
        lines.append(row)
    lines += ["", "Exponents of the width, fitted to all widths reached:", ""]
    lines += [
        f"- {name}: time {s['time']:.2f}, memory {s['memory']:.2f}"
        for name, s in slopes.items()
        if np.isfinite(s["time"])
    ]
    lines += ["", f"ngspice first takes more than {REASONABLE:.0f} ms a sample at:", ""]
    lines += [f"- {name}: {where}" for name, where in ends.items()]
    return "\n".join(lines) + "\n"


def draw(path: Path, points: list[dict], slopes: dict) -> None:
    """Draw time and memory over the width."""
    figure = Figure(figsize=(11, 5.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    widths = sorted({p["width"] for p in points})
    for axes, key, exponent in ((left, "milliseconds_per_sample", "time"), (right, "peak_mib", "memory")):
        for name, exponents in slopes.items():
            solver, _, depth = name.removesuffix(" hidden").partition(", ")
            mine = [p for p in points if (p["solver"], p["depth"]) == (solver, int(depth)) and p["reached"]]
            steepness = exponents[exponent]
            label = f"{name}: slope {steepness:.2f}" if np.isfinite(steepness) else name
            x, y = [p["width"] for p in mine], [p[key] for p in mine]
            axes.loglog(x, y, STYLES[solver], ms=5, color=COLOURS[int(depth)], label=label)
        axes.minorticks_off()
        axes.set_xticks(widths, [str(n) for n in widths])
        axes.set_xlabel("hidden width n")
        axes.grid(alpha=0.25)
    for p in points:
        if not p["reached"]:
            left.plot(
                p["width"], LIMIT / SAMPLES[p["solver"]] * 1e3, "x", ms=8, mew=2, color=COLOURS[p["depth"]]
            )
    left.plot([], [], "x", color="0.4", mew=2, label=f"not reached within {LIMIT:.0f} s")
    left.axhline(REASONABLE, color="0.5", lw=0.8, ls=":", label=f"{REASONABLE:.0f} ms a sample")
    left.set_ylabel("ms a sample (three phases)")
    right.set_ylabel("peak memory for the network (MiB)")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    figure.suptitle(f"2·{FEATURES}-n-…-n-{OUTPUTS} with diodes and amplifiers", fontsize=11)
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
