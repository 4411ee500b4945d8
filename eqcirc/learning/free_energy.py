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
from typing import NamedTuple

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import Cost
from eqcirc.errors import expect
from eqcirc.learning.rule import Measurement, Rule, check_arguments
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.ensemble import Bath, Ensemble, standard_errors
from eqcirc.typing import Array, Parameters

MANY = 8  # chains, whose spread says how sure an average is
OBJECTIVE = "J = [A(beta) − A(0)]/beta, the difference of free energies"


class Path(NamedTuple):
    """Nudged phases.

    Attributes:
        factors: of beta, of each.
        weights: that they have in a sum over them.
    """

    factors: tuple[float, ...]
    weights: tuple[float, ...]


WHOLE = Path((1.0,), (1.0,))
"""Beta itself."""


class Thermal(Rule):
    """A rule that learns from ensembles.

    Attributes:
        bath: that the circuit is in.
    """

    objective = OBJECTIVE

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
        seed = int(self.draws(parameters, inputs).integers(2**31))
        bath = replace(self.bath, seed=self.bath.seed + seed)
        path = self.path(solver, parameters, inputs, targets, bath)
        nudge = Nudge(self.cost, targets, self.beta, path.factors, weight)
        return Averages(self, parameters, solver.ensemble(parameters, inputs, bath, nudge), targets, s, path)

    @abstractmethod
    def path(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array, bath: Bath
    ) -> Path:
        """Return the nudged phases of a batch."""

    @abstractmethod
    def rates(self, averages: Averages, among: Averages) -> dict[str, Array]:
        """Return the derivatives of the objective by the values that are there, averaged over the samples.

        Args:
            averages: states that count.
            among: all states, of which means are taken; the same, or more draws and chains.
        """


@dataclass(frozen=True, eq=False)
class Averages(Measurement):
    """States of a circuit in a bath, in all phases.

    Attributes:
        rule: that asked for them.
        parameters: values that the circuit had.
        states: the ensemble.
        targets: (batch, n_outputs).
        scaling: s (node,).
        path: the nudged phases.
    """

    rule: Thermal
    parameters: Parameters | None
    states: Ensemble
    targets: Array
    scaling: Array
    path: Path

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
        good = self.good()
        return self.rule.circuit.chained(self.rule.rates(good, good), self.parameters)

    def errors(self) -> dict[str, Array]:
        """Return standard errors of the gradient by the noise of the bath.

        Where there are `MANY` chains, from how far these are apart; else from the course of the gradient from state to
        state, its autocorrelation allowed for.
        """
        known = self.good()
        _, _, chains, draws, _ = known.states.voltages.shape
        if chains >= MANY:
            each = [known.chain(k).gradient() for k in range(chains)]
            return {
                name: np.std([one[name] for one in each], axis=0, ddof=1) / chains**0.5 for name in each[0]
            }
        course = [[known._at(k, draw) for draw in range(draws)] for k in range(chains)]
        return {
            name: standard_errors(np.array([[at[name] for at in chain] for chain in course]))
            for name in course[0][0]
        }

    def _at(self, chain: int, draw: int) -> dict[str, Array]:
        """Return the gradient by a single state of every sample; means are those of all states."""
        voltages = self.states.voltages[:, :, chain : chain + 1, draw : draw + 1]
        part = replace(self, states=replace(self.states, voltages=voltages))
        return self.rule.circuit.chained(self.rule.rates(part, self), self.parameters)

    def summed(self, phase: int, less: Array, weights: Array | float) -> dict[str, Array]:
        """Return the sum over states of weight·[dE/dvalue in a phase − dE/dvalue], by element name.

        Args:
            phase: of the states.
            less: voltages of the states that are taken away, of that shape or one for all draws or chains.
            weights: a number, or (batch, chain, draw).
        """
        plus, circuit = self.states.voltages[phase], self.rule.circuit
        minus = np.broadcast_to(less, plus.shape)
        scaling = self.scaling * np.reshape(weights, (-1, 1)) if np.ndim(weights) else self.scaling * weights
        rows = (-1, circuit.n_nodes)
        values = circuit.values(self.parameters)
        return circuit.summed(
            lambda e: e.contrast(values[e.name], scaling, plus.reshape(rows), minus.reshape(rows))
        )


class FreeEnergy(Thermal):
    """The contrast of averages with and without the nudge."""

    name = "finite nudge"

    def path(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array, bath: Bath
    ) -> Path:
        """See `Thermal.path`: the whole nudge."""
        del solver, parameters, inputs, targets, bath
        return WHOLE

    def rates(self, averages: Averages, among: Averages) -> dict[str, Array]:
        """See `Thermal.rates`; a contrast needs no mean."""
        del among
        voltages = averages.states.voltages
        count = voltages[0, ..., 0].size
        return averages.summed(1, voltages[0], 1 / (self.beta * max(1, count)))
