"""Dyadic Equilibrium Propagation: exact gradients of any circuit from one operating point of its doubled circuit.

Beside the circuit stands its linear image, turned around (`circuit.doubled`), which a nudge moves to d:

    lam = s·d/beta,        dC/dtheta = lam·dF/dtheta(v)

The image is linear, so beta is of no influence; the circuit itself is not moved, and nothing has to be stored. The
price is that second circuit, whose conductances are as large as the slopes of the devices in the first one.

Source: Scurria et al. 2026 (arXiv 2602.03670).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.doubled import doubled
from eqcirc.costs import Cost
from eqcirc.learning.deviation import continued
from eqcirc.learning.rule import Measurement, Phase, Rule, check_arguments
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.typing import Array, Parameters


class Dyadic(Rule):
    """The rule for one circuit and cost."""

    name = "Dyadic EP"
    order = 0

    def __init__(self, circuit: Circuit, cost: Cost, beta: float) -> None:
        """Double the circuit.

        Args:
            circuit: the circuit.
            cost: what the nudge minimises.
            beta: nudging strength, in siemens for the squared error and in amperes for the cross-entropy.

        Raises:
            SymmetryError: the reciprocal parts have no scaling.
            CircuitError: an element, or the law of a device, that has no image.
        """
        check_arguments(circuit, cost, beta)
        self.circuit, self.cost, self.beta = circuit, cost, beta
        self.doubled = doubled(circuit)

    def nudge(self, targets: Array) -> Nudge:
        """Return the nudge of the doubled circuit towards targets (batch, n_outputs)."""
        read, twice = self.circuit.readout.nodes, self.doubled.circuit.readout.nodes
        s = self.doubled.scaling[read]
        s = np.concatenate([np.zeros(len(read)), s[s != 0]])
        weight = np.divide(1, s, out=np.zeros(len(twice)), where=s != 0)
        return Nudge(self.cost, targets, self.beta, (1.0,), weight)

    def phase(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Phase:
        """See `Rule.phase`: the circuit doubled."""
        free = solver.solve(parameters, inputs).require().free
        return self._doubled(free, inputs, self.nudge(targets))

    def _doubled(self, free: Array, inputs: Array, nudge: Nudge) -> Phase:
        return Phase("doubled", self.doubled.circuit, inputs, nudge, self.doubled.begin(free))

    def measure(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Image:
        """See `Rule.measure`: the free phase of the circuit, then that of the doubled one with its nudge."""
        inputs, targets = self.asked(solver, inputs, targets)
        nudge = self.nudge(targets)
        nudge.check(len(inputs), self.circuit.readout.n_outputs)
        free = solver.solve(parameters, inputs)
        good, nudged, image = free.converged, None, np.full_like(free.free, np.nan)
        if good.any():
            double = self._doubled(free.free[good], inputs[good], nudge.take(good))
            nudged = solver.on(double.circuit).solve(parameters, double.inputs, double.nudge, double.begin)
            image[good] = nudged.voltages[1][:, self.doubled.image]
        points = continued(free, nudged, 1)
        both = replace(points, voltages=np.stack([points.voltages[-1], image]))
        seen = self.seen(both, parameters, inputs)
        return Image(self, parameters, points, seen)


@dataclass(frozen=True, eq=False)
class Image(Measurement):
    """What was measured in the doubled circuit.

    Attributes:
        rule: that asked for it.
        parameters: values that the points were solved at.
        points: the free phase, and the circuit beside its nudged image.
        seen: voltages (2, batch, node) of circuit and image, as they were read.
    """

    rule: Dyadic
    parameters: Parameters | None
    points: OperatingPoints
    seen: OperatingPoints

    @property
    def contrast(self) -> Array:
        """Voltages (batch, node) of the image."""
        return np.asarray(self.seen.voltages[1])

    def take(self, samples: np.ndarray) -> Image:
        """See `Measurement.take`."""
        return replace(self, points=self.points.take(samples), seen=self.seen.take(samples))

    def gradient(self) -> dict[str, Array]:
        """See `Measurement.gradient`."""
        good, rule = self.points.converged, self.rule
        v, image = self.seen.voltages[:, good]
        lam = rule.doubled.scaling * image / (rule.beta * max(1, int(good.sum())))
        values = rule.circuit.values(self.parameters)
        found = rule.circuit.summed(lambda e: e.sensitivity(values[e.name], lam, v))
        return rule.circuit.chained(found, self.parameters)
