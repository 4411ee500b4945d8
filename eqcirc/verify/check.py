"""Check a rule on a circuit: do the solvers agree, is the EqProp gradient right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.learning.eqprop import EqProp, Variant, flat
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.gradients import adjoint_gradient, finite_differences, random_entries, relative_error

BIAS: dict[Variant, float] = {"centred": 1e-3, "positive": 0.1, "negative": 0.1}
"""Largest relative error of a gradient that should train as the exact one does."""


@dataclass(frozen=True)
class Finding:
    """One measured figure and the bound that it should keep."""

    name: str
    measured: float
    bound: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its bound (NaN does not)."""
        return bool(self.measured <= self.bound)


def check(
    rule: EqProp,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    *solvers: Solver,
    entries: int = 12,
    seed: int = 0,
) -> list[Finding]:
    """Measure agreement and gradients on a few samples.

    Args:
        rule: the learning rule, with its circuit, cost and beta; its error grows with beta² (centred) or beta.
        parameters: values by element name.
        inputs: (batch, n_features).
        targets: (batch, n_outputs).
        *solvers: to hold against the ideal one.
        entries: number of conductances checked by finite differences.
        seed: of the choice of entries.

    Raises:
        CircuitError: the circuit has nothing to train.
        SolverError: a sample did not converge.
    """
    circuit, cost, nudge = rule.circuit, rule.cost, rule.nudge(targets, parameters)
    ideal = IdealSolver(circuit)
    reference = ideal.solve(parameters, inputs, nudge).require()
    adjoint = adjoint_gradient(circuit, parameters, inputs, targets, cost, reference.free)
    chosen = random_entries(parameters, entries, np.random.default_rng(seed))
    differences = finite_differences(ideal, parameters, inputs, targets, cost, chosen)
    exact = np.array([adjoint[name][index] for name, index in chosen])
    findings = [
        Finding("adjoint against finite differences", relative_error(differences, exact), 1e-6),
        _gradient("ideal", rule, reference, parameters, adjoint),
    ]
    for solver in solvers:
        points = solver.solve(parameters, inputs, nudge).require()
        difference = float(np.abs(points.voltages - reference.voltages).max())
        findings.append(Finding(f"{solver.name} against ideal voltages", difference, 1e-9, "V"))
        findings.append(_gradient(solver.name, rule, points, parameters, adjoint))
    return findings


def _gradient(
    name: str, rule: EqProp, points: OperatingPoints, parameters: Parameters, adjoint: Parameters
) -> Finding:
    """Compare an EqProp gradient with the adjoint one."""
    error = relative_error(flat(rule.gradient(points, parameters)), flat(adjoint))
    return Finding(f"EqProp ({name}) against adjoint", error, BIAS[rule.variant])
