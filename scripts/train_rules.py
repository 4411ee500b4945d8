"""Train the same networks by every rule, at growing asymmetry, and by backpropagation.

    OPENBLAS_NUM_THREADS=1 python scripts/train_rules.py --data digits --engine ideal --engine ngspice

Networks of one hidden layer: a resistive one with diodes and amplifiers, which is reciprocal; recurrent ones of
transconductors with diodes, whose weights forth and back begin alike (asymmetry 0), half or all apart (0.5 and 1, of 90
degrees); and a feedforward one with tanh cells. Rules: AsymEP, Dyadic EP, the vector field, and the exact gradient as
reference; Equilibrium Propagation for the reciprocal network only, since weights forth and back that are trained
apart do not stay alike. Rates are chosen for each rule and network by the loss of the validation part in the ideal
solver, on average over networks, three by default, that are not trained afterwards: one of them alone may prefer a
rate by chance, and three test samples more or less are half a point. Then all seeds are trained, through ngspice for
half as many epochs.

Writes results/train_rules_<data>_<engine>.json and .png. On two cores half an hour for digits (ideal), else an hour.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from common import Report
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from rich.progress import Progress

from eqcirc import (
    AsymEP,
    Biases,
    Bounds,
    Circuit,
    Dyadic,
    EqProp,
    Feedback,
    IdealSolver,
    LayerCells,
    LayerDiodes,
    Layered,
    NgspiceSolver,
    Plan,
    ShockleyDiode,
    SoftmaxCrossEntropy,
    Splits,
    Tanh,
    Trainer,
    VectorField,
    load_splits,
    scale,
)
from eqcirc.errors import SolverError
from eqcirc.learning.rule import Measurement, Rule
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.gradients import adjoint_gradient

S = 1e-5
LEAK = 10 * S  # outweighs what comes back, so that there is one operating point
NETWORKS = ("resistive", "asymmetry 0", "asymmetry 0.5", "asymmetry 1", "feedforward")
RULES = ("exact gradient", "EqProp", "AsymEP", "Dyadic EP", "vector field")
RATES = (1e-7, 3e-7, 1e-6, 3e-6)  # S, steps of Adam, where the data ask for no others
PAIRS = [(kind, rule) for kind in NETWORKS for rule in RULES if rule != "EqProp" or kind == "resistive"]
Job = tuple[str, str | None, str, str, float, int, str]
TRIALS = (100, 101, 102)  # seeds of runs that rates are chosen by
SHARPNESS, BETA = 10.0, 1e-7
SIZES: dict[str, dict[str, Any]] = {
    "digits": {"hidden": 32, "epochs": 10, "batch_size": 32, "limit": None, "gain": 4.0, "validation": 0.1},
    "mnist": {"hidden": 64, "epochs": 2, "batch_size": 64, "limit": 6_000, "gain": 4.0, "validation": 0.03},
}
SIZES["fashion-mnist"] = SIZES["mnist"] | {"rates": (3e-8, 1e-7, 3e-7, 1e-6)}
STYLES = {  # those that follow one another lie on one curve
    "exact gradient": {"color": "0.75", "lw": 5},
    "EqProp": {"color": "#8250df", "lw": 3},
    "AsymEP": {"color": "#1f6feb", "lw": 1.6},
    "Dyadic EP": {"color": "#1a7f37", "lw": 1.6, "ls": (0, (2, 2))},
    "vector field": {"color": "#d1242f", "lw": 1.6},
}


class Exact(Rule):
    """The exact gradient at the free state, by the adjoint equations: what backpropagation would give."""

    name, order = "exact gradient", 0

    def __init__(self, circuit: Circuit, cost: SoftmaxCrossEntropy) -> None:
        """Take circuit and cost."""
        self.circuit, self.cost, self.beta = circuit, cost, BETA

    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Measurement:
        """See `Rule.measure`."""
        points, values = solver.solve(parameters, inputs), dict(parameters or self.circuit.parameters)
        good = points.converged
        found = adjoint_gradient(
            self.circuit, values, inputs[good], targets[good], self.cost, points.free[good]
        )
        return _Found(points, found)


class _Found(Measurement):
    def __init__(self, points: OperatingPoints, found: dict[str, Array]) -> None:
        self.points, self._found = points, found

    @property
    def contrast(self) -> Array:
        return self.points.free

    def take(self, samples: np.ndarray) -> _Found:
        return _Found(self.points.take(samples), self._found)

    def gradient(self) -> dict[str, Array]:
        return self._found


def network(kind: str, data: Splits, size: dict[str, Any], seed: int) -> Circuit:
    """Return a network of one hidden layer."""
    rest: dict[str, Any] = {"hidden": (size["hidden"],), "input_gain": size["gain"]}
    if kind == "resistive":
        plan = Layered(
            **rest,
            gain=4.0,
            biases=Biases("rail", voltage=size["gain"]),
            diodes=LayerDiodes(ShockleyDiode(1e-9), rail=0.0),
            bounds=Bounds(1e-7, S),
            initial=(1e-7, 0.3 * S),
        )
        return plan.build(kind, data.train.n_features, data.train.n_outputs, seed)
    common = rest | {
        "weights": "one_way",
        "gain": None,
        "biases": Biases("current", current=1e-5),
        "leak": LEAK,
        "bounds": Bounds(-2 * S, 2 * S),
        "initial": (-0.2 * S, 0.2 * S),
    }
    if kind == "feedforward":
        plan = Layered(cells=LayerCells(Tanh(2 * LEAK, LEAK), LEAK), **common)
    else:
        feedback = Feedback("rotated", float(kind.split()[1]))
        plan = Layered(feedback=feedback, diodes=LayerDiodes(ShockleyDiode(1e-6, 8.0), rail=0.0), **common)
    return plan.build(kind, data.train.n_features, data.train.n_outputs, seed)


def rule_of(name: str, circuit: Circuit) -> Rule:
    """Return a rule by name."""
    cost = SoftmaxCrossEntropy(SHARPNESS)
    if name == "exact gradient":
        return Exact(circuit, cost)
    if name == "Dyadic EP":
        return Dyadic(circuit, cost, BETA)
    phased: dict[str, type[EqProp | AsymEP | VectorField]]
    phased = {"EqProp": EqProp, "AsymEP": AsymEP, "vector field": VectorField}
    return phased[name](circuit, cost, BETA)


@cache
def loaded(name: str, path: str | None) -> Splits:
    """Return the data, scaled; once for each process."""
    size = SIZES[name]
    splits = load_splits(
        name, path=path, validation=size["validation"], test=0.2, seed=0, limit=size["limit"]
    )
    return scale(splits, "unit")[0]


def trained(job: Job) -> dict[str, Any]:
    """Train one network by one rule; return its curve and scores."""
    name, path, kind, rule, rate, seed, engine = job
    size, data = SIZES[name], loaded(name, path)
    circuit = network(kind, data, size, seed)
    plan = Plan(
        epochs=size["epochs"] if engine == "ideal" else size["epochs"] // 2,
        batch_size=size["batch_size"],
        learning_rate={e.name: rate for e in circuit.trainable},
        seed=seed,
        failed_limit=0.5,
    )
    row: dict[str, Any] = {"network": kind, "rule": rule, "rate": rate, "seed": seed}
    with IdealSolver(circuit) if engine == "ideal" else NgspiceSolver(circuit, workers=1) as solver:
        trainer = Trainer(solver, rule_of(rule, circuit), data, plan=plan)
        try:
            trainer.run()
        except SolverError as error:
            return row | {
                "lost": str(error)[:200],
                "validation loss": math.inf,
                "test": math.nan,
                "curve": [],
            }
        row["curve"] = [m["validation_accuracy"] for m in trainer.state.metrics]
        row["validation loss"] = trainer.state.metrics[-1]["validation_loss"]
        if seed not in TRIALS:
            row["test"] = trainer.score("test").accuracy
    return row


def all_trained(jobs: list[Job], task: str) -> list[dict[str, Any]]:
    """Return `trained` of all jobs, in their order."""
    with ProcessPoolExecutor(os.cpu_count()) as pool, Progress() as bar:
        return list(bar.track(pool.map(trained, jobs), len(jobs), description=task))


def main() -> None:
    """Choose rates, train, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", choices=tuple(SIZES), default="digits")
    parser.add_argument("--engine", choices=("ideal", "ngspice"), action="append", help="or both, one by one")
    parser.add_argument(
        "--path", help="folder with the idx files of mnist or fashion-mnist; else they are found or fetched"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=len(TRIALS), help="networks that rates are chosen by")
    parser.add_argument("--rates", type=Path, help="take the rates tried from this result of an earlier run")
    options = parser.parse_args()
    if options.rates:
        found = json.loads(options.rates.read_text())["rates tried"]
    else:
        tries = [
            (options.data, options.path, k, r, rate, seed, "ideal")
            for k, r in PAIRS
            for rate in SIZES[options.data].get("rates", RATES)
            for seed in TRIALS[: options.trials]
        ]
        found = all_trained(tries, "choosing rates")
    best = {pair: best_rate([f for f in found if (f["network"], f["rule"]) == pair]) for pair in PAIRS}
    for engine in options.engine or ["ideal"]:
        jobs = [
            (options.data, options.path, k, r, best[k, r], s, engine)
            for k, r in PAIRS
            for s in range(options.seeds)
        ]
        judge(options.data, engine, found, all_trained(jobs, f"training ({engine})"))


def best_rate(found: list[dict[str, Any]]) -> float:
    """Return the rate whose trials have the least validation loss on average."""
    rates = sorted({f["rate"] for f in found})
    loss = {rate: np.mean([f["validation loss"] for f in found if f["rate"] == rate]) for rate in rates}
    return min(rates, key=loss.__getitem__)


def judge(data: str, engine: str, found: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    """Print, claim, draw and write what the runs `rows` of one engine came to."""
    report = Report(__file__)
    report.name = f"train_rules_{data}_{engine}"
    report.content |= {"rates tried": found, "runs": rows}
    table = {pair: [r for r in rows if (r["network"], r["rule"]) == pair] for pair in PAIRS}
    test = {pair: float(np.mean([r["test"] for r in runs])) for pair, runs in table.items()}
    for kind in NETWORKS:
        scores = {r: f"{100 * test[k, r]:.2f} % at {table[k, r][0]['rate']:g}" for k, r in PAIRS if k == kind}
        print(engine, kind, scores)
        reference = test[kind, "exact gradient"]
        for rule in ("EqProp", "AsymEP", "Dyadic EP"):
            if (kind, rule) in table:
                report.claim(
                    f"{data}, {engine}, {kind}: {rule} from the exact gradient (points of test accuracy)",
                    100 * abs(test[kind, rule] - reference),
                    "<= 0.5",
                )
        lost = [reference - r["test"] for r in table[kind, "vector field"] if r["curve"]]
        report.content.setdefault("points that the vector field loses", {})[kind] = (
            100 * float(np.mean(lost)) if lost else None
        )
    draw(report, rows, data)
    report.write()


def draw(report: Report, rows: list[dict[str, Any]], data: str) -> None:
    """Draw the learning curves, a panel for each network."""
    figure = Figure(figsize=(14, 3.4), layout="constrained")
    panels = figure.subplots(1, len(NETWORKS), sharey=True)
    for axes, kind in zip(panels, NETWORKS, strict=True):
        for rule in RULES:
            curves = [r["curve"] for r in rows if (r["network"], r["rule"]) == (kind, rule) and r["curve"]]
            if curves:
                epochs, error = np.arange(1, len(curves[0]) + 1), 100 * (1 - np.array(curves))
                style = STYLES[rule]
                axes.plot(epochs, error.mean(axis=0), label=rule, **style)
                low, high = error.min(axis=0), error.max(axis=0)
                axes.fill_between(epochs, low, high, color=style["color"], alpha=0.12, lw=0)
        axes.set_title(kind, fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.25)
    panels[0].set_ylabel(f"{data}: validation error (%)")
    panels[0].legend(frameon=False, fontsize=8)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
