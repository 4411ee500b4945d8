"""Equilibrium Propagation: gradients from the contrast between nudged and free operating points.

With E the signed co-content (dE/dv_i = s_i·F_i) and phases nudged by +beta and −beta,

    dC/dtheta = [dE/dtheta(v₊) − dE/dtheta(v₋)] / (2·beta)

For a conductance g between a and b this is s·[½·v_ab(+)² − ½·v_ab(−)²]/(2·beta): local to the resistor. The difference
of squares is (v₊ − v₋)_ab times the mean v_ab, so it is lam·dF/dtheta with lam = s·(v₊ − v₋)/(2·beta): EqProp
*measures* the adjoint voltages that other methods solve for. Elements know their contrast (`Element.contrast`).

Variants: see `learning.phases`.

Source: Scellier & Bengio 2017 (arXiv 1602.05179); Kendall et al. 2020 (arXiv 2006.01981). The factor s for amplifiers:
`circuit.scaling`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import Cost
from eqcirc.devices import Element
from eqcirc.learning.phases import PHASES, Variant
from eqcirc.learning.rule import Measurement, Phase, PhasedRule
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.typing import Array, Parameters


class EqProp(PhasedRule):
    """The rule for one circuit and cost."""

    name = "EqProp"

    def __init__(
        self,
        circuit: Circuit,
        cost: Cost,
        beta: float,
        variant: Variant = "centred",
    ) -> None:
        """Check that there is a scaling s.

        Args:
            circuit: the circuit.
            cost: what the nudge minimises.
            beta: nudging strength, in siemens for the squared error and in amperes for the cross-entropy.
            variant: which phases to contrast.

        Raises:
            SymmetryError: the circuit has no scaling, so the contrast is not a gradient.
        """
        super().__init__(circuit, cost, beta, variant)
        self._scaling = symmetry(circuit)

    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Contrast:
        """See `Rule.measure`: the free phase and the nudged ones, in one solve."""
        inputs, targets = self.asked(solver, inputs, targets)
        rule = self.drawn(parameters, inputs)
        points = solver.solve(parameters, inputs, rule.nudge(targets, parameters))
        return Contrast(rule, parameters, points, self.seen(points, parameters, inputs))

    def phase(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Phase:
        """See `Rule.phase`: the same circuit, nudged."""
        free = solver.solve(parameters, inputs).require().free
        return Phase("nudged", self.circuit, inputs, self.nudge(targets, parameters), free)

    def scaling(self, parameters: Parameters | None) -> Array:
        """Return s (node,) at `parameters`; None for the circuit's own values.

        Raises:
            SymmetryError: there is no scaling any more.
        """
        return symmetry(self.circuit, parameters) if self.circuit.scaling_varies else self._scaling

    def nudge(self, targets: Array, parameters: Parameters | None) -> Nudge:
        """Return the nudge for a solve.

        Args:
            targets: (batch, n_outputs).
            parameters: values that are to be solved with it, as `Solver.solve` takes them.
        """
        s = self.scaling(parameters)[self.circuit.readout.nodes]
        weight = np.divide(
            1, s, out=np.zeros_like(s), where=s != 0
        )  # a held node that is read takes no nudge
        return Nudge(self.cost, targets, self.beta, PHASES[self.variant].factors, weight)

    def gradient(self, points: OperatingPoints, parameters: Parameters | None) -> dict[str, Array]:
        """Return dC/dvalue of every trainable element, averaged over the samples that converged.

        Args:
            points: solution of the free phase and of the phases of `nudge`.
            parameters: values that the points were solved at, as `Solver.solve` takes them.
        """
        good = points.converged
        phases = points.voltages if good.all() else points.voltages[:, good]
        scaling, values = self.scaling(parameters) / max(1, phases.shape[1]), self.circuit.values(parameters)

        def rate(e: Element) -> Array:
            total = np.zeros_like(e.value)
            for weight, plus, minus, span in PHASES[self.variant].pairs:
                s = scaling * (weight / (span * self.beta))
                total = total + e.contrast(values[e.name], s, phases[plus], phases[minus])
            return total

        return self.circuit.chained(self.circuit.summed(rate), parameters)


@dataclass(frozen=True, eq=False)
class Contrast(Measurement):
    """Free and nudged phases of one circuit.

    Attributes:
        rule: that asked for them.
        parameters: values that they were solved at.
        points: the phases of `EqProp.nudge`.
        seen: the same, as they were read.
    """

    rule: EqProp
    parameters: Parameters | None
    points: OperatingPoints
    seen: OperatingPoints

    @property
    def contrast(self) -> Array:
        """How far (batch, node) the nudged phases are apart, or the nudged one from the free one."""
        phases = self.seen.voltages
        return np.asarray(phases[1] - phases[2 if len(phases) > 2 else 0])

    def take(self, samples: np.ndarray) -> Contrast:
        """See `Measurement.take`."""
        return replace(self, points=self.points.take(samples), seen=self.seen.take(samples))

    def gradient(self) -> dict[str, Array]:
        """See `EqProp.gradient`."""
        return self.rule.gradient(self.seen, self.parameters)
