"""Finite nudges at finite temperature: the contrast of averages in a noisy circuit.

A circuit in a bath (`solvers.ensemble`) has the law exp(−(E + beta·C)/T)/Z(beta) in the phase that is nudged by beta,
and the free energy A(beta) = −T·log Z(beta). Whatever beta,

    dJ/dtheta = [⟨dE/dtheta⟩_beta − ⟨dE/dtheta⟩_0]/beta,      J = [A(beta) − A(0)]/beta

exactly: no limit of small beta is taken. What is descended is J, and not the cost at the operating point: J lies
between ⟨C⟩_beta and ⟨C⟩_0, is ⟨C⟩_0 for beta → 0, and the cost of the operating point for T → 0 after that.

Assumes a scaling s > 0, and independent white noise at every node as `solvers.ensemble` says.

Source: Litman 2025 (arXiv 2511.22024); Scellier & Bengio 2017 (arXiv 1602.05179), appendix, for small beta.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import Cost
from eqcirc.errors import expect
from eqcirc.learning.rule import Measurement, Rule, check_arguments
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.ensemble import Bath, Ensemble
from eqcirc.typing import Array, Parameters

OBJECTIVE = "J = [A(beta) − A(0)]/beta, the difference of free energies"


class Thermal(Rule):
    """A rule that learns from ensembles.

    Attributes:
        bath: that the circuit is in.
        factors: of beta, of the nudged phases.
    """

    objective = OBJECTIVE
    factors: tuple[float, ...]

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, bath: Bath) -> None:
        """Check that there is a scaling s.

        Args:
            circuit: the circuit.
            cost: what the nudge minimises.
            beta: nudging strength of any size, in siemens for the squared error and in amperes for the cross-entropy.
            bath: temperature of the circuit, and how much of it is looked at.

        Raises:
            SymmetryError: the circuit has no scaling.
        """
        check_arguments(circuit, cost, beta)
        expect("bath", bath, Bath, "a Bath, for example Bath(temperature=1e-9)")
        symmetry(circuit)
        self.circuit, self.cost, self.beta, self.bath = circuit, cost, beta, bath

    @property
    def order(self) -> int:
        """See `Rule.order`: it is exact for its objective."""
        return 0

    def output_errors(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array, free: Array
    ) -> None:
        """See `Rule.output_errors`: free energies are those of a law, and not of one state."""
        return

    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Averages:
        """See `Rule.measure`: all phases, in the bath. Another batch, or other values, get other noise."""
        inputs, targets = self.asked(solver, inputs, targets)
        s = symmetry(self.circuit, parameters)
        at = s[self.circuit.readout.nodes]
        weight = np.divide(1, at, out=np.zeros_like(at), where=at != 0)
        nudge = Nudge(self.cost, targets, self.beta, self.factors, weight)
        seed = int(self.draws(parameters, inputs).integers(2**31))
        states = solver.ensemble(parameters, inputs, replace(self.bath, seed=self.bath.seed + seed), nudge)
        return Averages(self, parameters, states, targets, s)

    @abstractmethod
    def rates(self, averages: Averages) -> dict[str, Array]:
        """Return the derivatives of the objective by the values that are there, averaged over the samples."""


@dataclass(frozen=True, eq=False)
class Averages(Measurement):
    """States of a circuit in a bath, in all phases.

    Attributes:
        rule: that asked for them.
        parameters: values that the circuit had.
        states: the ensemble.
        targets: (batch, n_outputs).
        scaling: s (node,).
    """

    rule: Thermal
    parameters: Parameters | None
    states: Ensemble
    targets: Array
    scaling: Array

    @property
    def points(self) -> OperatingPoints:  # type: ignore[override]
        """Operating points of the free phase."""
        return self.states.points

    @property
    def contrast(self) -> Array:
        """See `Measurement.contrast`: average voltages with the strongest nudge, less those without."""
        mean = self.states.mean
        return np.asarray(mean[-1] - mean[0])

    def take(self, samples: np.ndarray) -> Averages:
        """See `Measurement.take`."""
        states = replace(
            self.states, voltages=self.states.voltages[:, samples], points=self.points.take(samples)
        )
        return replace(self, states=states, targets=self.targets[samples])

    def good(self) -> Averages:
        """Return what was measured on the samples that converged."""
        return self if self.points.converged.all() else self.take(self.points.converged)

    def chain(self, number: int | slice) -> Averages:
        """Return what one chain of every sample measured, or some."""
        part = slice(number, number + 1) if isinstance(number, int) else number
        return replace(self, states=replace(self.states, voltages=self.states.voltages[:, :, part]))

    def costs(self) -> Array:
        """Return C (phase, batch, chain, draw) of every state."""
        outputs = self.rule.circuit.readout.read(self.states.voltages)
        return self.rule.cost.value(outputs, self.targets[None, :, None, None])

    def gradient(self) -> dict[str, Array]:
        """See `Measurement.gradient`."""
        return self.rule.circuit.chained(self.rule.rates(self.good()), self.parameters)

    def errors(self) -> dict[str, Array]:
        """Return standard errors of the gradient, from how far the independent chains are apart."""
        chains = self.states.voltages.shape[2]
        each = [self.chain(k).gradient() for k in range(chains)]
        return {
            name: np.std([one[name] for one in each], axis=0, ddof=1) / np.sqrt(chains) for name in each[0]
        }

    def summed(self, phase: int, other: int | None, weights: Array | float) -> dict[str, Array]:
        """Return the sum over states of weight·[dE/dvalue in a phase − dE/dvalue], by element name.

        Args:
            phase: of the states.
            other: phase whose states are taken away; None takes away the mean state of the phase.
            weights: a number, or (batch, chain, draw).
        """
        v, circuit = self.states.voltages, self.rule.circuit
        plus = v[phase]
        minus = (
            np.broadcast_to(plus.mean(axis=(1, 2), keepdims=True), plus.shape) if other is None else v[other]
        )
        scaling = self.scaling * np.reshape(weights, (-1, 1)) if np.ndim(weights) else self.scaling * weights
        rows = (-1, circuit.n_nodes)
        values = circuit.values(self.parameters)
        return circuit.summed(
            lambda e: e.contrast(values[e.name], scaling, plus.reshape(rows), minus.reshape(rows))
        )


class FreeEnergy(Thermal):
    """The contrast of averages with and without the nudge."""

    name = "finite nudge"
    factors = (1.0,)

    def rates(self, averages: Averages) -> dict[str, Array]:
        """See `Thermal.rates`."""
        count = averages.states.voltages[0, ..., 0].size
        return averages.summed(1, 0, 1 / (self.beta * max(1, count)))
