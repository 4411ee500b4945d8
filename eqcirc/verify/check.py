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
from eqcirc.verify.gradients import adjoint_gradient, finite_differences, random_entries, relative_error

BIAS = {0: 1e-6, 1: 0.1, 2: 1e-3, 4: 1e-3}
"""Largest relative error of a gradient that should train as the exact one does, by the rule's order in beta."""

MEASURABLE = 10 * NOISE
"""Contrast, in parts of the largest voltage, that rounding leaves the first digits of."""

ELEMENT = 0.1
"""The same for every element by itself: saturated layers may bend at a beta that the outputs do not feel."""


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
    exact = np.array([adjoint[name][index] for name, index in chosen])
    apart = relative_error(differences, exact) / _excused(measured)
    findings = [
        Finding("adjoint against finite differences", apart, 1e-6),
        *gradient_findings("ideal", rule, measured, adjoint),
    ]
    for solver in solvers:
        measured = rule.measure(solver, parameters, inputs, targets)
        points = _at_rest(measured, solver, parameters, inputs)
        difference = float(np.abs(points.voltages - reference.voltages).max())
        findings.append(Finding(f"{solver.name} against ideal voltages", difference, 1e-9, "V"))
        findings += gradient_findings(solver.name, rule, measured, adjoint)
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


def _excused(measured: Measurement) -> float:
    """Return how much of an error is rounding: 1, or more where so little is left to learn that contrasts are noise."""
    return max(1.0, MEASURABLE / max(measured.strength, 1e-300))


def gradient_findings(name: str, rule: Rule, measured: Measurement, adjoint: Parameters) -> list[Finding]:
    """Compare a measured gradient with the adjoint one, as a whole and element by element."""
    whole = _gradient(name, rule, measured, adjoint)
    if rule.objective:
        return [whole]
    found = measured.gradient()
    excused = _excused(measured)
    errors = {
        e: relative_error(found[e], adjoint[e]) / excused for e in adjoint if np.linalg.norm(adjoint[e]) > 0
    }
    if len(errors) < 2:
        return [whole]
    worst = max(errors, key=lambda e: errors[e])
    return [whole, Finding(f"{rule.name} ({name}), worst element: {worst}", errors[worst], ELEMENT)]


def _gradient(name: str, rule: Rule, measured: Measurement, adjoint: Parameters) -> Finding:
    """Compare a measured gradient with the adjoint one; of an objective of its own the angle is of interest."""
    if rule.objective:
        measured_one, exact = flat(measured.gradient()), flat(adjoint)
        size = float(np.linalg.norm(measured_one) * np.linalg.norm(exact))
        cosine = float(measured_one @ exact) / max(size, 1e-300)
        return Finding(f"{rule.name} ({name}): 1 - cosine with the gradient of the cost", 1 - cosine, 2.0)
    error = relative_error(flat(measured.gradient()), flat(adjoint)) / _excused(measured)
    return Finding(f"{rule.name} ({name}) against adjoint", error, BIAS[rule.order])
