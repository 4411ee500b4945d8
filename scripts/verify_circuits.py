"""Hold both solvers, both netlists and the EqProp gradient against each other over random layered circuits.

    python scripts/verify_circuits.py [--circuits 24]

Writes results/verify_circuits.json and .png. About a minute on two cores.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from typing import Any

import numpy as np
from common import Report
from matplotlib.figure import Figure

from eqcirc import (
    Bounds,
    EqProp,
    IdealSolver,
    LayerDiodes,
    Layered,
    NgspiceSolver,
    SoftmaxCrossEntropy,
    SquaredError,
)
from eqcirc.learning.eqprop import flat
from eqcirc.verify.gradients import adjoint_gradient, finite_differences, random_entries, relative_error

BATCH, FEATURES = 4, 6
SMALL = 1e-8  # nudging strength of the gradient check: S or A, conductances are 1 to 100 uS
LARGE = 10.0 ** np.linspace(-7.0, -6.0, 4)  # nudging strengths of the slopes


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, default=24)
    count = parser.parse_args().circuits
    report = Report(__file__)
    rows = [measure(k) for k in range(count)]
    report.content["circuits"] = rows

    def worst(key: str) -> float:
        return max(row[key] for row in rows)

    where = f"over {count} random circuits"
    report.claim(f"ngspice (reduced) against ideal node voltages {where} (V)", worst("reduced_dv"), "<= 1e-9")
    report.claim(f"ngspice (full) against reduced netlist {where} (V)", worst("full_dv"), "<= 1e-9")
    report.claim(
        f"EqProp by the ideal solver against adjoint {where} (relative)", worst("eqprop_ideal"), "<= 1e-6"
    )
    report.claim(f"EqProp by ngspice against adjoint {where} (relative)", worst("eqprop_ngspice"), "<= 1e-6")
    report.claim(f"adjoint against finite differences {where} (relative)", worst("adjoint_fd"), "<= 1e-6")
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


def measure(k: int) -> dict[str, object]:
    """Build circuit number k and return its figures."""
    rng = np.random.default_rng([7, k])
    hidden = tuple(int(n) for n in rng.integers(3, 9, size=k % 3 + 1))
    plan = Layered(
        hidden=hidden,
        input_gain=2.0,
        diodes=LayerDiodes(rail=0.1),
        gain=float(rng.uniform(2, 5)) if k % 2 else None,
        differential=k % 4 < 2,
        bounds=Bounds(1e-6, 1e-4),
    )
    circuit = plan.build(f"random{k}", FEATURES, 3, rng)
    cost = SquaredError() if k % 8 < 4 else SoftmaxCrossEntropy()
    inputs = rng.uniform(-1, 1, (BATCH, FEATURES))
    targets = cost.targets(rng.integers(0, 3, BATCH), 3)
    parameters = circuit.parameters
    row: dict[str, object] = {"hidden": hidden, "gain": plan.gain, "differential": plan.differential}
    with ExitStack() as stack:
        solvers = {"ideal": IdealSolver(circuit), "ngspice": NgspiceSolver(circuit)}
        full = NgspiceSolver(circuit, netlist="full")
        for solver in (*solvers.values(), full):
            stack.enter_context(solver)
        nudge = EqProp(circuit, cost, SMALL).nudge(targets, parameters)
        points = {name: s.solve(parameters, inputs, nudge).require() for name, s in solvers.items()}
        whole = full.solve(parameters, inputs, nudge).require()
        row["reduced_dv"] = np.abs(points["ngspice"].voltages - points["ideal"].voltages).max()
        row["full_dv"] = np.abs(whole.voltages - points["ngspice"].voltages).max()
        adjoint = adjoint_gradient(circuit, parameters, inputs, targets, cost, points["ideal"].free)
        exact = flat(adjoint)
        for name, at in points.items():
            row[f"eqprop_{name}"] = relative_error(
                flat(EqProp(circuit, cost, SMALL).gradient(at, parameters)), exact
            )
        entries = random_entries(parameters, 16, rng)
        differences = finite_differences(solvers["ideal"], parameters, inputs, targets, cost, entries)
        row["adjoint_fd"] = relative_error(differences, np.array([adjoint[n][i] for n, i in entries]))
        row["slopes"], row["errors"] = {}, {}
        for name, solver in solvers.items():
            errors = {v: [] for v in ("positive", "negative", "centred")}
            for variant, found in errors.items():
                for beta in LARGE:
                    rule = EqProp(circuit, cost, float(beta), variant)  # type: ignore[arg-type]
                    at = solver.solve(parameters, inputs, rule.nudge(targets, parameters)).require()
                    found.append(relative_error(flat(rule.gradient(at, parameters)), exact))
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
        ("eqprop_ngspice", f"EqProp (ngspice, beta = {SMALL:g}) − adjoint", "^"),
        ("adjoint_fd", "adjoint − finite differences", "x"),
    ):
        right.semilogy([row[key] for row in rows], marker, ms=4, label=label)
    right.axhline(1e-6, color="0.4", lw=0.8, ls="--", label="bound of gradients: 1e-6")
    right.axhline(1e-9, color="0.4", lw=0.8, ls=":", label="bound of voltages: 1e-9 V")
    right.set_xlabel("random circuit")
    right.set_ylabel("difference: voltages in V, gradients relative")
    right.set_ylim(1e-17, 1)
    right.legend(frameon=False, fontsize=7, loc="upper right")
    right.grid(alpha=0.25)
    right.set_title("largest differences", fontsize=10)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
