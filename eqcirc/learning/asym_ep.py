"""Asymmetric Equilibrium Propagation: gradients of circuits that are not reciprocal.

The free phase ends at v⁰. Then the circuit is turned around (`circuit.turned`): its one-way parts are held at what they
carry, and carry deviations back. It stays where it is, and answers a nudge with the adjoint voltages,

    v₊ − v₋ = −2·beta·J⁻ᵀ·dC/dv,        lam = s·(v₊ − v₋)/(2·beta),        dC/dtheta = lam·dF/dtheta(v⁰)

with an error of order beta² (one-sided: beta). Of a reciprocal circuit it is Equilibrium Propagation.

Source: Scurria et al. 2026 (arXiv 2602.03670).
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.turned import turned
from eqcirc.costs import Cost
from eqcirc.learning.deviation import Deviation, continued
from eqcirc.learning.phases import PHASES, Variant
from eqcirc.learning.rule import Phase, PhasedRule
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.typing import Array, Parameters


class AsymEP(PhasedRule):
    """The rule for one circuit and cost."""

    name = "AsymEP"

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, variant: Variant = "centred") -> None:
        """Turn the circuit around.

        Args:
            circuit: the circuit.
            cost: what the nudge minimises.
            beta: nudging strength, in siemens for the squared error and in amperes for the cross-entropy.
            variant: which phases to contrast.

        Raises:
            SymmetryError: the reciprocal parts have no scaling.
            CircuitError: an element that cannot be turned around.
        """
        super().__init__(circuit, cost, beta, variant)
        self.turned = turned(circuit)

    def nudge(self, targets: Array) -> Nudge:
        """Return the nudge of the turned circuit towards targets (batch, n_outputs)."""
        s = self.turned.scaling[self.circuit.readout.nodes]
        weight = np.divide(1, s, out=np.zeros_like(s), where=s != 0)
        return Nudge(self.cost, targets, self.beta, PHASES[self.variant].factors, weight)

    def phase(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Phase:
        """See `Rule.phase`: the circuit turned around."""
        free = solver.solve(parameters, inputs).require().free
        return self._turned(free, inputs, self.nudge(targets))

    def _turned(self, free: Array, inputs: Array, nudge: Nudge) -> Phase:
        work = self.turned
        return Phase("turned", work.circuit, work.inputs(inputs, free), nudge, work.begin(free))

    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Deviation:
        """See `Rule.measure`: the free phase, then the nudged ones of the turned circuit, be it the same or not."""
        inputs, targets = self.asked(solver, inputs, targets)
        rule = self.drawn(parameters, inputs)
        nudge = rule.nudge(targets)
        nudge.check(len(inputs), self.circuit.readout.n_outputs)
        points = (
            solver.solve(parameters, inputs, nudge)
            if self.turned.same
            else rule._in_turn(solver, parameters, inputs, nudge)
        )
        return Deviation(rule, parameters, points, self.seen(points, parameters, inputs), self.turned.scaling)

    def _in_turn(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, nudge: Nudge
    ) -> OperatingPoints:
        """Return the free phase of the circuit, and the nudged ones of the turned circuit from there."""
        free = solver.solve(parameters, inputs)
        good, nudged = free.converged, None
        if good.any():
            turned = self._turned(free.free[good], inputs[good], nudge.take(good))
            there = solver.on(turned.circuit)
            nudged = there.solve(parameters, turned.inputs, turned.nudge, turned.begin)
        return continued(free, nudged, len(nudge.factors))
