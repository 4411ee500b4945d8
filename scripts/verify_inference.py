"""Hold inference and predictive coding against what does not know of circuits: Bayes, Kalman, quadrature, backprop.

    OPENBLAS_NUM_THREADS=1 python scripts/verify_inference.py [--networks 8]

The Gaussian posterior of random resistor networks is held against Kalman's update, of conductances written part by
part; that of a chain of predictions against the Kalman filter, smoothed by Rauch, Tung and Striebel's recursion.
Predictive coding is held against the forward pass and backpropagation of the same network in plain numpy. Digits are
trained as circuits/digits-predictive.toml says, through the ideal solver, and a part of them through ngspice.

Writes results/verify_inference.json and .png. About five minutes on two cores.
"""

from __future__ import annotations

import argparse
import cProfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import ROOT, Report, slowest
from matplotlib.figure import Figure

from eqcirc import (
    GROUND,
    Biases,
    Bounds,
    Circuit,
    CircuitBuilder,
    EqProp,
    IdealSolver,
    LayerCells,
    Layered,
    NgspiceSolver,
    Run,
    ShockleyDiode,
    SoftmaxCrossEntropy,
    Tanh,
    load_experiment,
    posterior,
)
from eqcirc.cli.overrides import changed
from eqcirc.solvers.base import Solver
from eqcirc.typing import Array

S = 1e-5  # a common conductance, in siemens
SIGMA = 0.05  # V
ENGINES: dict[str, Callable[[Circuit], Solver]] = {"ideal": IdealSolver, "ngspice": NgspiceSolver}
BETAS = (0.1, 1.0, 10.0)  # in parts of S
NUDGES = 10.0 ** np.arange(-9.0, -6.4, 0.5)  # A
LIMIT, EPOCHS = 600, 5  # of the run through ngspice


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=8)
    count = parser.parse_args().networks
    report = Report(__file__)
    bayes(report, count)
    smoothed = kalman(report)
    laplace(report)
    curves = backprop(report, count)
    history = digits(report)
    draw(report, smoothed, curves, history)
    report.write()


# ---- Gaussian posteriors ----


def random_network(seed: int) -> tuple[Circuit, Array, Array, Array]:
    """Return a random resistor network, and K, h₀ and h_x of its energy ½·vᵀ·K·v − (h₀ + h_x·x)·v over free nodes."""
    rng = np.random.default_rng([1, seed])
    n, m, b = int(rng.integers(4, 16)), 3, CircuitBuilder("random network")
    x, nodes = b.input("x", m), b.nodes("n", n)
    ends = np.array([(i, j) for i in range(n) for j in range(i) if rng.random() < 0.4 or j == i - 1])
    feed, load = rng.uniform(0.1, 1, (m, n)) * S, rng.uniform(0.2, 2, n) * S
    mesh, bias = rng.uniform(0.1, 2, len(ends)) * S, rng.normal(0, 3e-6, n)
    b.crossbar("feed", x, nodes, feed)
    b.conductance("mesh", nodes[ends[:, 0]], nodes[ends[:, 1]], mesh)
    b.conductance("load", nodes, GROUND, load)
    b.current_source("bias", nodes, bias)
    k = np.diag(feed.sum(axis=0) + load)
    for (i, j), g in zip(ends.tolist(), mesh.tolist(), strict=True):
        k[i, i] += g
        k[j, j] += g
        k[i, j] -= g
        k[j, i] -= g
    return b.build(nodes[:3]), k, bias, feed


def update(mean: Array, cov: Array, read: Array, y: Array) -> tuple[Array, Array]:
    """Return mean and covariance after a reading of variance SIGMA² (Kalman's update)."""
    gain = cov @ read.T @ np.linalg.inv(read @ cov @ read.T + SIGMA**2 * np.eye(len(read)))
    return mean + (y - mean @ read.T) @ gain.T, cov - gain @ read @ cov


def bayes(report: Report, count: int) -> None:
    """Claim what holds of random networks."""
    off: dict[str, list[tuple[float, float]]] = {engine: [] for engine in ENGINES}
    for seed in range(count):
        circuit, k, bias, feed = random_network(seed)
        rng = np.random.default_rng([2, seed])
        x, y = rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, (4, 3))
        read = np.eye(3, len(k))
        for engine, make in ENGINES.items():
            with make(circuit) as solver:
                for part in BETAS:
                    temperature = part * S * SIGMA**2
                    prior = np.linalg.inv(k)
                    mean, cov = update((bias + x @ feed) @ prior, temperature * prior, read, y)
                    found = posterior(solver, None, x, y, SIGMA, temperature)
                    apart = np.abs(found.mode[:, found.nodes] - mean).max()
                    other = np.abs(found.covariance[0] - cov).max() / np.abs(cov).max()
                    off[engine].append((float(apart), float(other)))
    where = f"{count} random networks, beta 0.1 to 10 conductances"
    for engine, pairs in off.items():
        means, covs = np.max(pairs, axis=0)
        report.claim(f"posterior mean by {engine}, {where} (V)", float(means), "<= 1e-9")
        report.claim(f"posterior covariance by {engine}, {where} (relative)", float(covs), "<= 1e-6")


def kalman(report: Report) -> dict[str, Array]:
    """Claim that a chain of predictions smooths as Rauch, Tung and Striebel do."""
    steps, variance = 24, 0.03**2  # V² of what happens between two steps
    a = 0.97 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    b = CircuitBuilder("Kalman smoother")
    before, firsts = b.input("x", 2), []
    for step in range(steps):
        label = f"{chr(97 + step)}"
        v, e = b.nodes(f"v{label}", 2), b.nodes(f"e{label}", 2)
        b.conductance(f"leak{label}", e, GROUND, S)
        b.gyrator(f"err{label}", e, v, S)
        b.gyrator_crossbar(f"w{label}", before, e, a.T * S)
        b.capacitor(f"store{label}", v, GROUND, 1e-12)
        firsts.append(int(v[0]))
        before = v
    circuit, rng = b.build(firsts), np.random.default_rng(0)
    x0, truth = np.array([0.5, 0.0]), []
    v = x0
    for _ in range(steps):
        v = a @ v + rng.normal(0, variance**0.5, 2)
        truth.append(v)
    y = np.array(truth)[:, 0] + rng.normal(0, SIGMA, steps)
    means, covs = rts(a, variance, x0, y)
    found = {}
    for engine, make in ENGINES.items():
        with make(circuit) as solver:
            found[engine] = posterior(solver, None, x0, y, SIGMA, variance * S)
        p = found[engine]
        apart = float(np.abs(p.mode[0, p.nodes] - means.ravel()).max())
        blocks = p.covariance[0].reshape(steps, 2, steps, 2)[np.arange(steps), :, np.arange(steps)]
        other = float(np.abs(blocks - covs).max() / np.abs(covs).max())
        report.claim(
            f"chain of {steps} predictions by {engine} against the Kalman smoother: mean (V)",
            apart,
            "<= 1e-9",
        )
        report.claim(f"the same by {engine}: covariance (relative)", other, "<= 1e-6")
    p = found["ideal"]
    return {
        "truth": np.array(truth)[:, 0],
        "y": y,
        "mean": p.mode[0, p.nodes].reshape(-1, 2)[:, 0],
        "deviation": p.deviation[0].reshape(-1, 2)[:, 0],
    }


def rts(a: Array, variance: float, start: Array, y: Array) -> tuple[Array, Array]:
    """Return means and covariances of Kalman's filter, smoothed by Rauch, Tung and Striebel's recursion."""
    read, noise = np.array([[1.0, 0.0]]), variance * np.eye(2)
    filtered, predicted, m, p = [], [], start, np.zeros((2, 2))
    for reading in y:
        m, p = a @ m, a @ p @ a.T + noise
        predicted.append((m, p))
        m, p = update(m[None], p, read, np.array([[reading]]))
        m = m[0]
        filtered.append((m, p))
    means, covs = [filtered[-1][0]], [filtered[-1][1]]
    for (m, p), (ahead, q) in zip(filtered[-2::-1], predicted[:0:-1], strict=True):
        gain = p @ a.T @ np.linalg.inv(q)
        means.append(m + gain @ (means[-1] - ahead))
        covs.append(p + gain @ (covs[-1] - q) @ gain.T)
    return np.array(means[::-1]), np.array(covs[::-1])


def laplace(report: Report) -> None:
    """Claim what holds of a diode: the mode, and how the fit around it nears the truth as noise gets less."""
    b, law = CircuitBuilder("diode"), ShockleyDiode()
    x, out = b.input("x", gain=2.0), b.nodes("out")
    b.conductance("series", x, out, S)
    b.device("diode", out, GROUND, law)
    circuit, grid = b.build(out), np.linspace(-0.5, 1.0, 400_001)
    rows = []
    for temperature in (1e-6, 1e-7, 1e-8):
        sigma = (temperature / S) ** 0.5
        with NgspiceSolver(circuit) as solver:
            found = posterior(solver, None, np.array([[1.0]]), np.array([[0.2]]), sigma, temperature)
        energy = 0.5 * S * (grid - 2) ** 2 + law.cocontent(grid) + 0.5 * S * (grid - 0.2) ** 2
        weight = np.exp(-(energy - energy.min()) / temperature)
        weight /= weight.sum()
        mean = weight @ grid
        deviation = (weight @ (grid - mean) ** 2) ** 0.5
        mode = float(found.mode[0, out[0]])
        rows.append(
            {
                "temperature": temperature,
                "mode": mode,
                "mode off": abs(mode - grid[energy.argmin()]),
                "mean off": abs(mode - mean),
                "deviation off": abs(float(found.deviation[0, 0]) / deviation - 1),
            }
        )
    report.content["diode"] = rows
    report.claim("diode: mode by ngspice against a grid (V)", max(r["mode off"] for r in rows), "<= 4e-6")
    report.claim(
        "diode, least noise: Laplace's deviation against quadrature (relative)",
        rows[-1]["deviation off"],
        "<= 0.05",
    )
    report.claim("diode, most noise: how far the mode is from the mean (V)", rows[0]["mean off"], ">= 1e-3")


# ---- predictive coding ----


def network(seed: int) -> Circuit:
    """Return a predictive network of one to three hidden layers."""
    rng = np.random.default_rng([3, seed])
    hidden = tuple(int(n) for n in rng.integers(4, 12, 1 + seed % 3))
    cells = LayerCells(Tanh(2 * S, 1e-5, one_sided=bool(seed % 2)), 2 * S)
    plan = Layered(
        hidden,
        "predictive",
        input_gain=1.0,
        biases=Biases("current"),
        cells=cells,
        leak=S,
        bounds=Bounds(-S, S),
    )
    return plan.build("predictive", 5, 3, seed)


def by_hand(
    circuit: Circuit, inputs: Array, targets: Array, sharpness: float
) -> tuple[Array, dict[str, Array]]:
    """Return outputs and gradient of the same network as a program: sums, sigmoids, cross-entropy; and back."""
    values = {e.name: e.value for e in circuit.trainable}
    layers = sum(name.startswith("w") for name in values)
    logistic = circuit.element("c1").law.one_sided  # type: ignore[attr-defined]
    z, u = [inputs], []
    for k in range(1, layers + 1):
        u.append((z[-1] @ values[f"w{k}"] + values[f"b{k}"]) / S)
        z.append(0.25 * (1 + np.tanh(4 * u[-1])) if logistic else 0.5 * np.tanh(2 * u[-1]))
    o = u[-1]
    p = np.exp(sharpness * (o - o.max(axis=1, keepdims=True)))
    d = (p / p.sum(axis=1, keepdims=True) - targets) / S / len(inputs)
    gradient = {}
    for k in range(layers, 0, -1):
        gradient |= {f"w{k}": z[k - 1].T @ d, f"b{k}": d.sum(axis=0)}
        if k > 1:
            t = np.tanh((4 if logistic else 2) * u[k - 2])
            d = (d @ values[f"w{k}"].T) * (1 - t**2) / S
    return o, gradient


def backprop(report: Report, count: int) -> dict[str, list[Array]]:
    """Claim that predictive coding is backpropagation where the nudge is small."""
    cost = SoftmaxCrossEntropy(10.0)
    curves: dict[str, list[Array]] = {engine: [] for engine in ENGINES}
    outputs, cosines = dict.fromkeys(ENGINES, 0.0), {engine: [] for engine in ENGINES}
    for seed in range(count):
        circuit, rng = network(seed), np.random.default_rng([4, seed])
        inputs, targets = rng.uniform(-1, 1, (6, 5)), cost.targets(rng.integers(0, 3, 6), 3)
        o, exact = by_hand(circuit, inputs, targets, cost.sharpness)
        wanted = np.concatenate([exact[name].ravel() for name in sorted(exact)])
        for engine, make in ENGINES.items():
            errors = []
            with make(circuit) as solver:
                for beta in NUDGES:
                    measured = EqProp(circuit, cost, float(beta)).measure(solver, None, inputs, targets)
                    found = measured.gradient()
                    g = np.concatenate([found[name].ravel() for name in sorted(exact)])
                    errors.append(np.linalg.norm(g - wanted) / np.linalg.norm(wanted))
                    if beta == NUDGES[0]:
                        free = measured.points.require().free[:, circuit.readout.nodes]
                        outputs[engine] = max(outputs[engine], float(np.abs(free - o).max()))
                        cosines[engine].append(float(g @ wanted / np.linalg.norm(g) / np.linalg.norm(wanted)))
            curves[engine].append(np.array(errors))
    for engine in ENGINES:
        what = f"predictive coding by {engine}, {count} networks of one to three hidden layers"
        report.claim(f"{what}: outputs against the forward pass (V)", outputs[engine], "<= 1e-9")
        report.claim(f"{what}: cosine with backpropagation, least", min(cosines[engine]), ">= 0.999")
        first = float(max(errors[0] for errors in curves[engine]))
        report.claim(f"{what}: error at beta = 1e-9 A, worst (relative)", first, "<= 1e-4")
    report.content["errors over beta (A)"] = {"beta": NUDGES.tolist()} | {
        engine: [errors.tolist() for errors in found] for engine, found in curves.items()
    }
    return curves


def digits(report: Report) -> dict[str, list[float]]:
    """Claim what training reaches, and say what it takes."""
    history = {}
    for engine, more in (("ideal", []), ("ngspice", [f"data.limit={LIMIT}", f"learning.epochs={EPOCHS}"])):
        experiment = changed(
            load_experiment(ROOT / "circuits" / "digits-predictive.toml"), [f"solver.engine={engine}", *more]
        )
        accuracies: list[float] = []
        with tempfile.TemporaryDirectory() as folder, Run.start(experiment, Path(folder) / "run") as run:
            began, profile = time.process_time(), cProfile.Profile()
            profile.enable()
            run.train(lambda metrics, seen=accuracies: seen.append(metrics["train_accuracy"]))
            profile.disable()
            seconds = time.process_time() - began
            score = run.finish()
            steps = run.trainer.step
        history[engine] = accuracies
        report.content[f"digits by {engine}"] = {
            "test accuracy": score["test_accuracy"],
            "steps": steps,
            "CPU seconds of this process for a step": seconds / steps,
            "train accuracy": accuracies,
            "slowest": slowest(profile),
        }
        bound = ">= 0.95" if engine == "ideal" else ">= 0.85"
        some = "" if engine == "ideal" else f", {LIMIT} samples, {EPOCHS} epochs"
        report.claim(f"digits by {engine}{some}: test accuracy", score["test_accuracy"], bound)
    return history


def draw(
    report: Report,
    smoothed: dict[str, Array],
    curves: dict[str, list[Array]],
    history: dict[str, list[float]],
) -> None:
    """Draw the smoother, the error over beta, and learning."""
    figure = Figure(figsize=(13, 3.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    t, mean, width = np.arange(1, len(smoothed["y"]) + 1), smoothed["mean"], 2 * smoothed["deviation"]
    left.fill_between(t, mean - width, mean + width, color="#1f6feb", alpha=0.2, lw=0, label="± 2 deviations")
    left.plot(t, mean, color="#1f6feb", label="voltages of the circuit")
    left.plot(t, smoothed["truth"], color="0.3", lw=0.9, ls="--", label="truth")
    left.plot(t, smoothed["y"], ".", color="#d1242f", label="readings")
    left.set_xlabel("step")
    left.set_ylabel("V")
    left.set_title("a chain of predictions smooths its readings", fontsize=10)
    for engine, colour, style in (("ideal", "#1a7f37", "-"), ("ngspice", "#1f6feb", "--")):
        middle.loglog(NUDGES, np.array(curves[engine]).T, style, color=colour, alpha=0.25, lw=0.7)
        middle.loglog(
            NUDGES, np.median(curves[engine], axis=0), style, color=colour, label=f"{engine}, median"
        )
    middle.set_xlabel("beta (A)")
    middle.set_ylabel("distance, relative")
    middle.set_title("update of predictive coding and backpropagation", fontsize=10)
    for engine, colour in (("ideal", "#1a7f37"), ("ngspice", "#1f6feb")):
        label = "ideal, all samples" if engine == "ideal" else f"ngspice, {LIMIT} samples"
        right.plot(
            np.arange(1, len(history[engine]) + 1),
            100 * np.array(history[engine]),
            "o-",
            ms=3,
            color=colour,
            label=label,
        )
    right.set_xlabel("epoch")
    right.set_ylabel("training accuracy (%)")
    right.set_title("digits on a predictive-coding network", fontsize=10)
    for axes in (left, middle, right):
        axes.grid(alpha=0.25)
        axes.legend(frameon=False, fontsize=7)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
