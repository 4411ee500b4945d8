"""Stochastic Equilibrium Propagation: the contrast of firing rates of neurons that spike.

Neurons are comparators with noise (`solvers.spiking`). Their rates are averaged over a window in each phase, and
multiplied where a weight joins two of them:

    dC/dW_jk = −[r_j·r_k(+beta) − r_j·r_k(−beta)]/(2·beta)

in a network whose weights back are tied to those forth (`circuit.pairing`), whose mean field has an energy E: for long
windows and a long memory this is the contrast of dE/dW, and so the gradient of the cost at the rates of the mean field,
up to beta². With N decisions in the memory of a rate, averages are off by a part of the order 1/N. What single
decisions have in common is left out: rates are averaged before they are multiplied.

Source: Lin, Jiang & Sengupta 2025 (arXiv 2511.11320); Scellier & Bengio 2017 (arXiv 1602.05179).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.pairing import pairing
from eqcirc.costs import Cost
from eqcirc.devices import Element
from eqcirc.errors import expect
from eqcirc.learning.phases import PHASES, Variant
from eqcirc.learning.rule import Measurement, PhasedRule
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.comparators import Spiking
from eqcirc.solvers.spiking import Rates, Window
from eqcirc.typing import Array, Parameters

OBJECTIVE = (
    "the cost at the rates of the mean field, up to 1/N (N: decisions in the memory of a rate) and beta²"
)


class StochEP(PhasedRule):
    """The rule for one circuit and cost.

    Attributes:
        window: how comparators decide, and how long they are looked at.
        pairing: of sums and rates.
    """

    name = "StochEP"
    objective = OBJECTIVE

    def __init__(
        self, circuit: Circuit, cost: Cost, beta: float, window: Window, variant: Variant = "centred"
    ) -> None:
        """Pair sums and rates.

        Args:
            circuit: the circuit, with probit cells.
            cost: what the nudge minimises.
            beta: nudging strength, in siemens for the squared error and in amperes for the cross-entropy.
            window: how comparators decide, and how long they are looked at.
            variant: which phases to contrast.

        Raises:
            SymmetryError: weights back are not tied to those forth; names the nodes.
            CircuitError: the circuit has no probit cells, or parts that are neither these nor linear.
        """
        super().__init__(circuit, cost, beta, variant)
        expect("window", window, Window, "a Window, for example Window(decisions=500)")
        Spiking.of(circuit)
        self.window, self.pairing = window, pairing(circuit)

    @property
    def answers_in(self) -> Window | None:
        """See `Rule.answers_in`: spikes, where a mean field is never solved."""
        return self.window.answering

    def nudge(self, targets: Array) -> Nudge:
        """Return the nudge towards targets (batch, n_outputs)."""
        t = self.pairing.factor[self.circuit.readout.nodes]
        weight = np.divide(1, t, out=np.zeros_like(t), where=t != 0)
        return Nudge(self.cost, targets, self.beta, PHASES[self.variant].factors, weight)

    def output_errors(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array, free: Array
    ) -> None:
        """See `Rule.output_errors`: rates are random, and a bound would be one on their number."""
        return

    def measure(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Spikes:
        """See `Rule.measure`: all phases, spiking. Another batch, or other values, get other noise."""
        inputs, targets = self.asked(solver, inputs, targets)
        rule = self.drawn(parameters, inputs)
        nudge = rule.nudge(targets)
        nudge.check(len(inputs), self.circuit.readout.n_outputs)
        seed = int(self.draws(parameters, inputs).integers(2**31))
        window = replace(self.window, seed=self.window.seed + seed)
        return Spikes(rule, parameters, solver.spikes(parameters, inputs, window, nudge))

    def gradient(self, voltages: Array, parameters: Parameters | None) -> dict[str, Array]:
        """Return dC/dvalue of every trainable element from voltages (phase, batch, node), averaged over the batch."""
        circuit, values = self.circuit, self.circuit.values(parameters)

        def rate(e: Element) -> Array:
            total = np.zeros_like(e.value)
            for weight, plus, minus, span in PHASES[self.variant].pairs:
                moved = self.pairing.adjoint(voltages[plus] - voltages[minus])
                lam = moved * (weight / (span * self.beta * max(1, len(moved))))
                total = total + e.sensitivity(values[e.name], lam, 0.5 * (voltages[plus] + voltages[minus]))
            return total

        return circuit.chained(circuit.summed(rate), parameters)


@dataclass(frozen=True, eq=False)
class Spikes(Measurement):
    """Rates in all phases.

    Attributes:
        rule: that asked for them.
        parameters: values that the circuit had.
        rates: averages over the window.
    """

    rule: StochEP
    parameters: Parameters | None
    rates: Rates

    @property
    def points(self) -> OperatingPoints:  # type: ignore[override]
        """Operating points of the mean field's free phase, or averages, as `Rates.points`."""
        return self.rates.points

    @property
    def at_rest(self) -> bool:  # type: ignore[override]
        """See `Measurement.at_rest`."""
        return self.rule.window.begin == "mean_field"

    @property
    def contrast(self) -> Array:
        """See `Measurement.contrast`: of averages."""
        mean = self.rates.mean
        return np.asarray(mean[1] - mean[2 if len(mean) > 2 else 0])

    def take(self, samples: np.ndarray) -> Spikes:
        """See `Measurement.take`."""
        voltages, points = self.rates.voltages[:, samples], self.points.take(samples)
        return replace(self, rates=replace(self.rates, voltages=voltages, points=points))

    def gradient(self) -> dict[str, Array]:
        """See `Measurement.gradient`."""
        return self.rule.gradient(self.rates.mean[:, self.points.converged], self.parameters)

    def errors(self) -> dict[str, Array]:
        """Return standard errors of the gradient, from how far the independent chains are apart."""
        good, chains = self.points.converged, self.rates.voltages.shape[2]
        each = [self.rule.gradient(self.rates.voltages[:, good, k], self.parameters) for k in range(chains)]
        return {
            name: np.std([one[name] for one in each], axis=0, ddof=1) / np.sqrt(chains) for name in each[0]
        }
