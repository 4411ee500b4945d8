"""Check a circuit: is it symmetrizable, do the solvers agree, is the EqProp gradient right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.learning.costs import Cost
from eqcirc.learning.eqprop import EqProp, flat
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.gradients import adjoint_gradient, finite_differences, random_entries, relative_error


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
    circuit: Circuit,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    cost: Cost,
    beta: float,
    spice: dict[str, Solver],
    *,
    entries: int = 12,
    seed: int = 0,
) -> list[Finding]:
    """Measure agreement and gradients on a few samples.

    Args:
        circuit: the circuit.
        parameters: values by element name.
        inputs: (batch, n_features).
        targets: (batch, n_outputs).
        cost: the cost.
        beta: nudging strength; the EqProp error grows with its square.
        spice: solvers to hold against the ideal one, by name; may be empty.
        entries: number of conductances checked by finite differences.
        seed: of the choice of entries.

    Raises:
        SymmetryError: Equilibrium Propagation does not apply; names the element.
        SolverError: a sample did not converge.
    """
    symmetry(circuit, parameters)
    rule = EqProp(circuit, cost, beta, "centred", parameters)
    nudge = rule.nudge(targets)
    ideal = IdealSolver(circuit)
    reference = ideal.solve(parameters, inputs, nudge).require()
    adjoint = adjoint_gradient(circuit, parameters, inputs, targets, cost, reference.free)
    chosen = random_entries(parameters, entries, np.random.default_rng(seed))
    differences = finite_differences(ideal, parameters, inputs, targets, cost, chosen)
    exact = np.array([adjoint[name][index] for name, index in chosen])
    findings = [
        Finding("adjoint against finite differences", relative_error(differences, exact), 1e-6),
        Finding(
            "EqProp (ideal) against adjoint",
            relative_error(flat(rule.gradient(reference)), flat(adjoint)),
            1e-3,
        ),
    ]
    for name, solver in spice.items():
        points = solver.solve(parameters, inputs, nudge).require()
        difference = float(np.abs(points.voltages - reference.voltages).max())
        error = relative_error(flat(rule.gradient(points)), flat(adjoint))
        findings.append(Finding(f"{name} against ideal voltages", difference, 1e-9, "V"))
        findings.append(Finding(f"EqProp ({name}) against adjoint", error, 1e-3))
    return findings
