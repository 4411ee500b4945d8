"""Check a rule on a circuit: do the solvers agree, is the gradient that it measures right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import reciprocal_symmetry, symmetry_or_none
from eqcirc.errors import SymmetryError
from eqcirc.learning.rule import NOISE, Measurement, Rule, flat
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.solvers.free_phase import InitialState, Start
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array, NodeArray, Parameters
from eqcirc.verify.gradients import (
    adjoint_gradient,
    descended_gradient,
    finite_differences,
    random_entries,
    relative_error,
)

BIAS = {0: 1e-6, 1: 0.1, 2: 1e-3, 4: 1e-3}
"""Largest relative error of a gradient that should train as the exact one does, by the rule's order in beta."""

MEASURABLE = 10 * NOISE
"""Contrast, in parts of the largest voltage, that rounding leaves the first digits of."""

ELEMENT = 0.1
"""The same for every element by itself: saturated layers may bend at a beta that the outputs do not feel."""


@dataclass(frozen=True)
class Finding:
    """One measured figure and the bound that it should keep; None for one that may be any."""

    name: str
    measured: float
    bound: float | None
    unit: str = ""

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its bound (NaN does not)."""
        return self.bound is None or bool(self.measured <= self.bound)


def check(
    rule: Rule,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    *solvers: Solver,
    entries: int = 12,
    seed: int = 0,
    start: Start | InitialState = "auto",
) -> list[Finding]:
    """Measure agreement and gradients on a few samples.

    Errors are relative to the gradient, or, where a circuit has next to nothing left to learn, to the gradient of the
    least contrast that can be measured (`MEASURABLE`).

    Args:
        rule: the learning rule, with its circuit, cost and beta.
        parameters: values by element name.
        inputs: (batch, n_features).
        targets: (batch, n_outputs).
        *solvers: to hold against the ideal one.
        entries: number of conductances checked by finite differences.
        seed: of the choice of entries.
        start: how the ideal solver finds the free phase, as the others do.

    Raises:
        CircuitError: the circuit has nothing to train.
        SolverError: a sample did not converge.
    """
    circuit, cost, rule = rule.circuit, rule.cost, rule.with_reading(None, rule.seed)
    for solver in solvers:
        rule.fits(solver)
    ideal = IdealSolver(circuit, start=start)
    parameters, (inputs, targets) = circuit.given(parameters), rule.asked(ideal, inputs, targets)
    measured = rule.measure(ideal, parameters, inputs, targets)
    reference = _at_rest(measured, ideal, parameters, inputs)
    adjoint = adjoint_gradient(circuit, parameters, inputs, targets, cost, reference.free)
    chosen = random_entries(parameters, entries, np.random.default_rng(seed))
    differences = finite_differences(ideal, parameters, inputs, targets, cost, chosen)
    entry = np.array([adjoint[name][index] for name, index in chosen])
    apart = relative_error(differences, entry) / _excused(rule, measured, targets)
    findings = [
        Finding("adjoint against finite differences", apart, 1e-6),
    ]
    exact = descended_gradient(rule, ideal, parameters, inputs, targets, reference.free)

    def judge(name: str, measured: Measurement) -> None:
        if exact is not None:
            findings.extend(gradient_findings(name, rule, measured, exact, targets))
        if rule.objective:
            findings.append(_angle(name, rule, measured, adjoint))

    judge("ideal", measured)
    for solver in solvers:
        measured = rule.measure(solver, parameters, inputs, targets)
        points = _at_rest(measured, solver, parameters, inputs)
        difference = float(np.abs(points.voltages - reference.voltages).max())
        findings.append(Finding(f"{solver.name} against ideal voltages", difference, 1e-9, "V"))
        judge(solver.name, measured)
    return findings


def _at_rest(measured: Measurement, solver: Solver, parameters: Parameters, inputs: Array) -> OperatingPoints:
    """Return the operating points of a measurement, solved anew if it did without."""
    return (measured.points if measured.at_rest else solver.solve(parameters, inputs)).require()


def reciprocity(
    solver: Solver, parameters: Parameters, inputs: Array, free: Array, nodes: NodeArray
) -> tuple[float, float]:
    """Return how far transfers from a to b are from those from b to a, in parts of the larger, as a solver measures.

    Args:
        solver: of the circuit.
        parameters: values by element name.
        inputs: (n_features,), one sample.
        free: (node,) its free phase.
        nodes: (k,) between which transfers are compared.

    Returns:
        The largest difference as it is; and with the scaling s that the walk over the graph finds, or, where there is
        none, with that of the reciprocal parts: Z_ab/s_b against Z_ba/s_a.
    """
    circuit = solver.circuit
    z = solver.transfer(parameters, inputs, free, nodes)
    s = symmetry_or_none(circuit, parameters)
    try:
        s = reciprocal_symmetry(circuit) if s is None else s
    except SymmetryError:  # amplifiers without a scaling
        s = circuit.is_free.astype(float)
    return _apart(z), _apart(z / s[nodes][None, :])


def _apart(z: Array) -> float:
    largest = np.maximum(np.maximum(np.abs(z), np.abs(z.T)), 1e-12 * np.abs(z).max())
    return float((np.abs(z - z.T) / largest).max())


def some_nodes(circuit: Circuit, most: int, rng: np.random.Generator) -> NodeArray:
    """Return at most so many free nodes, outputs first, the others at random."""
    outputs = circuit.readout.nodes[circuit.is_free[circuit.readout.nodes]]
    others = rng.permutation(np.setdiff1d(circuit.free_nodes, outputs))
    few = outputs[: max(1, most // 2)]
    return np.concatenate([few, others[: most - len(few)]])


def _excused(rule: Rule, measured: Measurement, targets: Array) -> float:
    """Return how much of an error is rounding: 1, or more where so little is left to learn that contrasts are noise.

    Never more than the costs' errors are small: a beta that is too small makes little contrasts, too, and is no excuse.
    """
    good = measured.points.converged
    outputs, wanted = rule.circuit.readout.read(measured.points.free[good]), targets[good]
    pull = np.abs(rule.cost.gradient(outputs, wanted)).max(axis=1, initial=0.0)
    left = float((pull / np.maximum(rule.cost.typical(outputs, wanted), 1e-300)).max(initial=0.0))
    return max(1.0, min(MEASURABLE / max(measured.strength, 1e-300), 1 / max(left, 1e-300)))


def gradient_findings(
    name: str, rule: Rule, measured: Measurement, exact: Parameters, targets: Array
) -> list[Finding]:
    """Compare a measured gradient with that of what the rule descends, as a whole and element by element."""
    found, excused = measured.gradient(), _excused(rule, measured, targets)
    error = relative_error(flat(found), flat(exact)) / excused
    against = "the adjoint of its objective" if rule.objective else "adjoint"
    whole = Finding(f"{rule.name} ({name}) against {against}", error, BIAS[rule.order])
    errors = {e: relative_error(found[e], exact[e]) / excused for e in exact if np.linalg.norm(exact[e]) > 0}
    if len(errors) < 2:
        return [whole]
    worst = max(errors, key=lambda e: errors[e])
    return [whole, Finding(f"{rule.name} ({name}), worst element: {worst}", errors[worst], ELEMENT)]


def _angle(name: str, rule: Rule, measured: Measurement, adjoint: Parameters) -> Finding:
    """Say how far a rule with an objective of its own goes another way than the gradient of the cost: any is right."""
    measured_one, gradient = flat(measured.gradient()), flat(adjoint)
    size = float(np.linalg.norm(measured_one) * np.linalg.norm(gradient))
    cosine = float(measured_one @ gradient) / max(size, 1e-300)
    return Finding(f"{rule.name} ({name}): 1 - cosine with the gradient of the cost", 1 - cosine, None)
