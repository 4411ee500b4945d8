"""Vector-field learning: the rule of Equilibrium Propagation in a circuit that it does not apply to, for comparison.

    lam = (v₊ − v₋)/(2·beta) = −J⁻¹·dC/dv,        while the gradient needs −J⁻ᵀ·dC/dv

The more one-way the circuit, the further its answer is from the gradient; of a feedforward one it trains the last layer
only, for a nudge of the outputs moves no other node.

Source: Scellier et al. 2018, "Generalization of Equilibrium Propagation to vector field dynamics" (arXiv 1808.04873).
"""

from __future__ import annotations

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost
from eqcirc.learning.deviation import Deviation
from eqcirc.learning.phases import PHASES, Variant
from eqcirc.learning.rule import Phase, PhasedRule
from eqcirc.solvers.base import Nudge, Solver
from eqcirc.typing import Array, Parameters


class VectorField(PhasedRule):
    """The rule for one circuit and cost; what it measures is no gradient unless the circuit is reciprocal."""

    name = "vector field"

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, variant: Variant = "centred") -> None:
        """Take any circuit."""
        super().__init__(circuit, cost, beta, variant)

    def phase(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Phase:
        """See `Rule.phase`: the same circuit, nudged."""
        free = solver.solve(parameters, inputs).require().free
        nudge = Nudge(self.cost, targets, self.beta, PHASES[self.variant].factors)
        return Phase("nudged", self.circuit, inputs, nudge, free)

    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Deviation:
        """See `Rule.measure`: the free phase and the nudged ones, in one solve."""
        inputs, targets = self.asked(solver, inputs, targets)
        rule = self.drawn(parameters, inputs)
        nudge = Nudge(self.cost, targets, self.beta, PHASES[rule.variant].factors)
        points = solver.solve(parameters, inputs, nudge)
        ones = self.circuit.is_free.astype(float)
        return Deviation(rule, parameters, points, self.seen(points, parameters, inputs), ones)
