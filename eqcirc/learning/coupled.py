"""Coupled learning: outputs are clamped nearer to their targets, or further away, instead of being nudged.

    clamped at  v₀ + eta·(y − v₀):    update ∝ [dE/dtheta(clamped) − dE/dtheta(free)]/eta

`positive` clamps towards the target, `negative` away from it, `centred` takes the difference of both; eta = 1 towards
the target is contrastive learning. For one output the update is the gradient of the squared error, times the output's
conductance. For several it descends a loss of its own, in which the circuit between the outputs weighs their errors:
½·eᵀ·Z⁻¹·e, Z the impedance matrix of the outputs; its angle with the gradient may be any.

Source: Stern et al. 2021 (Phys. Rev. X 11, 021045); Movellan 1991, contrastive learning; Scellier et al. 2023
(arXiv 2312.15103), the variants.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.clamped import clamped
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import Cost, SquaredError
from eqcirc.errors import ConfigError, SolverError
from eqcirc.learning.deviation import Deviation, continued
from eqcirc.learning.phases import PHASES, Variant
from eqcirc.learning.rule import PhasedRule
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.status import Evidence, Status
from eqcirc.typing import Array, Parameters


class Coupled(PhasedRule):
    """The rule for one circuit; `beta` is eta, a number without a unit."""

    name = "coupled learning"
    objective = "½·eᵀ·Z⁻¹·e, the power that clamps put in"
    most = 1.0
    unit = ""

    def __init__(self, circuit: Circuit, cost: Cost, eta: float, variant: Variant = "centred") -> None:
        """Clamp the circuit.

        Args:
            circuit: the circuit.
            cost: that is reported; the rule descends an objective of its own.
            eta: part of the way to the target, up to 1.
            variant: towards the target, away from it, or both.

        Raises:
            SymmetryError: the circuit has no scaling.
            CircuitError: outputs that cannot be clamped.
            ConfigError: eta above 1, or a variant or cost that coupled learning does not know.
        """
        super().__init__(circuit, cost, eta, variant)
        if not 0 < eta <= self.most or variant not in ("positive", "negative", "centred"):
            raise ConfigError(
                "coupled learning: expected beta, the part of the way to the target, above 0 and up to 1, and a "
                f"variant positive, negative or centred; got {eta:g} and {variant!r}"
            )
        if not isinstance(cost, SquaredError):
            raise ConfigError('coupled learning clamps voltages: it needs cost = "squared_error"')
        self._scaling = symmetry(circuit)
        self.clamped = clamped(circuit)

    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Energies:
        """See `Rule.measure`: the free phase, then one or two clamped ones.

        Raises:
            SolverError: nothing proves that there is one operating point.
        """
        inputs, targets = self.asked(solver, inputs, targets)
        Nudge(self.cost, targets, 1.0).check(len(inputs), self.circuit.readout.n_outputs)
        free = solver.solve(parameters, inputs)
        good, phases = free.converged, PHASES[self.variant]
        points = [continued(free, None, 0)]
        if good.any():
            outputs = self.circuit.readout.read(free.free[good])
            for factor in phases.factors:
                volts = outputs + factor * self.beta * (targets[good] - outputs)
                points.append(self._clamp(solver, parameters, self.clamped.inputs(inputs[good], volts)))
        if any(p.evidence != Evidence.PROVEN for p in (free, *points[1:])):
            raise SolverError(
                "coupled learning needs a circuit of which it is proven that there is one operating point, clamped or "
                "not: clamps are switched on, and might lead to another one; this circuit may have several "
                "(eqcirc stability), so train it with a nudge (eqprop, asym_ep, dyadic)"
            )
        whole = _stacked(free, points[1:], len(phases.factors))
        scaling = symmetry(self.circuit, parameters) if self.circuit.scaling_varies else self._scaling
        return Energies(self, parameters, whole, self.seen(whole, parameters, inputs), scaling)

    def output_errors(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array, free: Array
    ) -> Array | None:
        """See `Rule.output_errors`: s·Z⁻¹·e, what clamps have to put in, by the impedance at the free state.

        Contrastive learning holds outputs where the circuit has no say, so that what it finds is the gradient of the
        contrast itself, and not the limit of anything.
        """
        if self.variant == "positive" and self.beta == 1:
            return None
        nodes = self.circuit.readout.nodes
        errors = self.cost.gradient(free[:, nodes], targets)
        impedance = np.stack(
            [solver.transfer(parameters, x, v, nodes) for x, v in zip(inputs, free, strict=True)]
        )
        return np.asarray(
            symmetry(self.circuit, parameters)[nodes]
            * np.linalg.solve(impedance, errors[:, :, None])[:, :, 0]
        )

    def _clamp(self, solver: Solver, parameters: Parameters | None, inputs: Array) -> OperatingPoints:
        """Solve the clamped circuit; where clamps hold all nodes, nothing is left to solve."""
        circuit = self.clamped.circuit
        if circuit.free_nodes.size:
            return solver.on(circuit).solve(parameters, inputs)
        voltages = np.empty((1, len(inputs), circuit.n_nodes))
        voltages[:, :, circuit.fixed_nodes] = circuit.fixed_voltages(inputs)
        return OperatingPoints(voltages, np.full(len(inputs), Status.CONVERGED, np.int8))


def _stacked(free: OperatingPoints, clamped: list[OperatingPoints], count: int) -> OperatingPoints:
    """Return the free phase and the clamped ones of the samples that converged."""
    if not clamped:
        return continued(free, None, count)
    status = np.max([points.status for points in clamped], axis=0)
    voltages = np.stack([clamped[0].free, *(points.free for points in clamped)])
    messages = {k: text for points in clamped for k, text in points.messages.items()}
    return continued(free, replace(clamped[0], voltages=voltages, status=status, messages=messages), count)


class Energies(Deviation):
    """Free and clamped phases, whose energies are contrasted."""

    def gradient(self) -> dict[str, Array]:
        """Return the direction that the rule descends against, as `Measurement.gradient`."""
        rule, good = self.rule, self.points.converged
        phases, values = self.seen.voltages[:, good], rule.circuit.values(self.parameters)
        (weight, plus, minus, span), *_ = PHASES[rule.variant].pairs
        s = self.scaling * (weight / (span * rule.beta * max(1, int(good.sum()))))
        found = rule.circuit.summed(lambda e: e.contrast(values[e.name], s, phases[plus], phases[minus]))
        return rule.circuit.chained(found, self.parameters)
