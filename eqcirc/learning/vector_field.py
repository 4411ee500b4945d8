"""Vector-field learning: the rule of Equilibrium Propagation in a circuit that it does not apply to, for comparison.

    lam = (v₊ − v₋)/(2·beta) = −J⁻¹·dC/dv,        while the gradient needs −J⁻ᵀ·dC/dv

The more one-way the circuit, the further its answer is from the gradient; of a feedforward one it trains the last layer
only, for a nudge of the outputs moves no other node.

Source: Scellier et al. 2018, "Generalization of Equilibrium Propagation to vector field dynamics" (arXiv 1808.04873).
"""

from __future__ import annotations

import copy

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost
from eqcirc.learning.deviation import FACTORS, Deviation, Variant
from eqcirc.learning.rule import Rule
from eqcirc.solvers.base import Nudge, Solver
from eqcirc.typing import Array, Parameters


class VectorField(Rule):
    """The rule for one circuit and cost; what it measures is no gradient unless the circuit is reciprocal."""

    name = "vector field"

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, variant: Variant = "centred") -> None:
        """Take any circuit."""
        self.circuit, self.cost, self.beta, self.variant = circuit, cost, beta, variant

    @property
    def order(self) -> int:
        """Power of beta that the error would grow with if the circuit were reciprocal."""
        return 2 if self.variant == "centred" else 1

    def with_beta(self, beta: float) -> VectorField:
        """Return the same rule with another nudging strength."""
        other = copy.copy(self)
        other.beta = beta
        return other

    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Deviation:
        """See `Rule.measure`: the free phase and the nudged ones, in one solve."""
        factors = FACTORS[self.variant]
        points = solver.solve(parameters, inputs, Nudge(self.cost, targets, self.beta, factors))
        ones = self.circuit.is_free.astype(float)
        return Deviation(self.circuit, parameters, points, factors, self.beta, ones)
