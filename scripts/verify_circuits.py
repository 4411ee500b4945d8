"""Hold both solvers, both netlists and the EqProp gradient against an independent referee over random layered circuits.

    OPENBLAS_NUM_THREADS=1 python scripts/verify_circuits.py [--circuits 24]

The referee (`scripts/oracle`) shares no code with the package: its voltages solve Kirchhoff's law, written down part by
part, and its gradients are finite differences of such solutions in 50 decimals. `verify_any.py` asks circuits of any
shape; those here are layered ones as they are trained, and what falls with beta is measured, too.

Writes results/verify_circuits.json and .png. About three minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

import numpy as np
from common import Report
from describe import ask, some_places
from matplotlib.figure import Figure

from eqcirc import (
    Biases,
    Bounds,
    EqProp,
    IdealSolver,
    LayerDiodes,
    Layered,
    NgspiceSolver,
    SoftmaxCrossEntropy,
    SquaredError,
)
from eqcirc.verify.gradients import adjoint_gradient

BATCH, FEATURES = 4, 6
ENTRIES = 6  # values of every element whose derivatives are compared
SMALL = 1e-8  # nudging strength of the gradient check: S or A, conductances are 1 to 100 uS
LARGE = 10.0 ** np.linspace(-7.0, -6.0, 4)  # nudging strengths of the slopes


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, default=24)
    count = parser.parse_args().circuits
    report = Report(__file__)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(measure, range(count)))
    report.content["circuits"] = rows

    def worst(key: str) -> float:
        return max(row[key] for row in rows)

    where = f"over {count} random layered circuits"
    report.claim(f"ideal node voltages against the referee's {where} (V)", worst("ideal_dv"), "<= 1e-12")
    report.claim(f"ngspice (reduced) against ideal node voltages {where} (V)", worst("reduced_dv"), "<= 1e-9")
    report.claim(f"ngspice (full) against reduced netlist {where} (V)", worst("full_dv"), "<= 1e-9")
    of = f"the worst element {where} (relative)"
    for key, name in (
        ("eqprop_ideal", "EqProp by the ideal solver"),
        ("eqprop_ngspice", "EqProp by ngspice"),
    ):
        report.claim(f"{name} against the referee's gradient, {of}", worst(key), "<= 1e-6")
    report.claim(f"adjoint against the referee's gradient, {of}", worst("adjoint"), "<= 1e-10")
    for variant, order in (("positive", 1), ("negative", 1), ("centred", 2)):
        for engine in ("ideal", "ngspice"):
            off = max(abs(row["slopes"][engine][variant] - order) for row in rows)
            report.claim(
                f"slope of the {variant} error in beta ({engine}) is {order}: largest deviation",
                off,
                "<= 0.1",
            )
    draw(report, rows)
    report.write()


def measure(k: int) -> dict[str, Any]:
    """Build circuit number k and return its figures."""
    rng = np.random.default_rng([7, k])
    hidden = tuple(int(n) for n in rng.integers(3, 9, size=k % 3 + 1))
    plan = Layered(
        hidden=hidden,
        input_gain=2.0,
        biases=Biases(voltage=1.0),
        diodes=LayerDiodes(rail=0.1),
        gain=float(rng.uniform(2, 5)) if k % 2 else None,
        differential=k % 4 < 2,
        bounds=Bounds(1e-6, 1e-4),
    )
    circuit = plan.build(f"random{k}", FEATURES, 3, rng)
    cost = SquaredError() if k % 8 < 4 else SoftmaxCrossEntropy()
    inputs = rng.uniform(-1, 1, (BATCH, FEATURES))
    targets = cost.targets(rng.integers(0, 3, BATCH), 3)
    referee = ask(circuit, cost, inputs, targets, some_places(circuit.parameters, ENTRIES, rng))
    row: dict[str, Any] = {"hidden": hidden, "gain": plan.gain, "differential": plan.differential}
    with ExitStack() as stack:
        solvers = {"ideal": IdealSolver(circuit), "ngspice": NgspiceSolver(circuit)}
        full = NgspiceSolver(circuit, netlist="full")
        for solver in (*solvers.values(), full):
            stack.enter_context(solver)
        rule = EqProp(circuit, cost, SMALL)
        nudge = rule.nudge(targets, None)
        points = {name: s.solve(None, inputs, nudge).require() for name, s in solvers.items()}
        whole = full.solve(None, inputs, nudge).require()
        row["ideal_dv"] = np.abs(points["ideal"].free - referee.voltages).max()
        row["reduced_dv"] = np.abs(points["ngspice"].voltages - points["ideal"].voltages).max()
        row["full_dv"] = np.abs(whole.voltages - points["ngspice"].voltages).max()
        row |= {f"eqprop_{name}": max(referee.errors(rule.gradient(at, None))) for name, at in points.items()}
        adjoint = adjoint_gradient(circuit, circuit.parameters, inputs, targets, cost, points["ideal"].free)
        row["adjoint"] = max(referee.errors(adjoint))
        row["slopes"], row["errors"] = {}, {}
        for name, solver in solvers.items():
            errors: dict[str, list[float]] = {v: [] for v in ("positive", "negative", "centred")}
            for variant, off in errors.items():
                for beta in LARGE:
                    rule = EqProp(circuit, cost, float(beta), variant)  # type: ignore[arg-type]
                    at = solver.solve(None, inputs, rule.nudge(targets, None)).require()
                    off.append(referee.error(rule.gradient(at, None)))
            row["errors"][name] = errors
            row["slopes"][name] = {v: np.polyfit(np.log(LARGE), np.log(e), 1)[0] for v, e in errors.items()}
    print(f"circuit {k}: hidden {hidden}, ngspice against ideal {row['reduced_dv']:.1e} V", flush=True)
    return row


def draw(report: Report, rows: list[dict]) -> None:
    """Draw the errors over beta, and the agreement of the solvers."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    styles: dict[
        str, dict[str, Any]
    ] = {  # the one-sided ones are nearly equal, so one is drawn over the other
        "positive": {"color": "#1f6feb", "lw": 2.5, "alpha": 0.35},
        "negative": {"color": "#d1242f", "lw": 0.9, "ls": (0, (4, 4))},
        "centred": {"color": "#1a7f37", "lw": 0.8, "alpha": 0.6},
    }
    for variant, style in styles.items():
        for k, row in enumerate(rows):
            left.loglog(LARGE, row["errors"]["ngspice"][variant], **style, label=variant if k == 0 else None)
    left.set_xlabel("beta (S or A)")
    left.set_ylabel("relative error of the gradient (ngspice)")
    left.legend(frameon=False)
    left.grid(alpha=0.25)
    left.set_title("one-sided EqProp: slope 1; centred: slope 2", fontsize=10)
    for key, label, marker in (
        ("reduced_dv", "ngspice − ideal (V)", "o"),
        ("full_dv", "full − reduced netlist (V)", "s"),
        ("ideal_dv", "ideal − referee (V)", "+"),
        ("eqprop_ngspice", f"EqProp (ngspice, beta = {SMALL:g}) − referee", "^"),
        ("adjoint", "adjoint − referee", "x"),
    ):
        right.semilogy([row[key] for row in rows], marker, ms=4, label=label)
    right.axhline(1e-6, color="0.4", lw=0.8, ls="--", label="bound of gradients: 1e-6")
    right.axhline(1e-9, color="0.4", lw=0.8, ls=":", label="bound of voltages: 1e-9 V")
    right.set_xlabel("random layered circuit")
    right.set_ylabel("difference: V, or relative, worst element")
    right.set_ylim(1e-17, 1e3)
    right.legend(frameon=False, fontsize=7, loc="upper right")
    right.grid(alpha=0.25)
    right.set_title("largest differences", fontsize=10)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
