"""The contract of learning rules: a rule says what to solve, and makes a gradient of the answers.

A rule owns its phases. Trainer, audits and checks hand it a solver and samples, and get a `Measurement` back; which
circuits were solved for it, and how often, they never learn.
"""

from __future__ import annotations

import copy
import math
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost, SquaredError
from eqcirc.errors import CircuitError, ConfigError, DataError, SolverError, expect, nearest
from eqcirc.learning.phases import PHASES, Variant
from eqcirc.learning.reading import Reading
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver, check_beta
from eqcirc.solvers.spiking import Window
from eqcirc.typing import Array, Parameters

NOISE = 1e-10
"""Of the largest voltage: contrasts that differ by less differ by what solvers round, whatever the angle between two
updates of that size."""


class Measurement(ABC):
    """What a rule measured on a batch.

    Attributes:
        points: operating points, the free phase first. A sample converged if all that the rule solved for it did.
        at_rest: whether these are operating points, and not averages over what does not rest.
    """

    points: OperatingPoints
    at_rest: bool = True

    @property
    @abstractmethod
    def contrast(self) -> Array:
        """(batch, node) volts that the gradient is made of: how far its phases are apart."""

    @property
    def strength(self) -> float:
        """Largest contrast of the samples that converged, in parts of their largest voltage; `NOISE` is little."""
        good = self.points.converged
        largest = float(np.abs(self.points.voltages[:, good]).max(initial=0.0))
        return float(np.abs(self.contrast[good]).max(initial=0.0)) / max(largest, 1e-300)

    @abstractmethod
    def take(self, samples: np.ndarray) -> Self:
        """Return what was measured on some samples (a mask or numbers)."""

    @abstractmethod
    def gradient(self) -> dict[str, Array]:
        """Return dC/dvalue of every trainable element, averaged over the samples that converged.

        Values are those that are asked for: what there is on a chip goes through `Circuit.chained`.
        """


@dataclass(frozen=True, eq=False)
class Phase:
    """A learning phase: a circuit, where it is, and how it is nudged.

    Attributes:
        name: "nudged", "turned" or "doubled".
        circuit: that is solved.
        inputs: samples (batch, n_features) of that circuit.
        nudge: of it.
        begin: voltages (batch, node) that it is at before the nudge.
    """

    name: str
    circuit: Circuit
    inputs: Array
    nudge: Nudge
    begin: Array


class Rule(ABC):
    """A way to measure gradients on a circuit.

    Attributes:
        name: for people.
        circuit: that it trains.
        cost: that it minimises.
        beta: strength of its nudge, in the unit that the cost asks for.
        reading: how it reads voltages; None for perfectly.
        seed: of what it draws.
        objective: what it descends, if that is not the cost.
        most: largest beta that it takes.
    """

    objective: str | None = None
    most: float = math.inf
    name: str
    circuit: Circuit
    cost: Cost
    beta: float
    reading: Reading | None = None
    seed: int = 0

    @property
    @abstractmethod
    def order(self) -> int:
        """Power of beta that the error of the gradient grows with; 0 if it does not."""

    @property
    def unit(self) -> str:
        """Of beta."""
        return "S" if isinstance(self.cost, SquaredError) else "A"

    @property
    def answers_in(self) -> Window | None:
        """The window whose average spikes are the circuit's answer; None: its operating points are."""
        return None

    def phase(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Phase:
        """Return what is solved after the free phase, for netlists; arguments as those of `measure`.

        Raises:
            SolverError: a sample has no free phase.
        """
        raise SolverError(f"{self.name} has no learning phase to write down")

    def output_errors(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array, free: Array
    ) -> Array | None:
        """Return the derivative (batch, n_outputs) by the outputs of what the rule descends, all else held.

        What the circuit sends back of it is the gradient that `measure` should find: checks hold it against that. None
        where no formula is known. `free` is (batch, node), voltages of the free phase, the rest as for `measure`.
        """
        return self.cost.gradient(self.circuit.readout.read(free), targets)

    def with_beta(self, beta: float) -> Self:
        """Return the same rule with another nudging strength."""
        return self._with(beta=beta)

    def with_reading(self, reading: Reading | None, seed: int = 0) -> Self:
        """Return the same rule that reads voltages so."""
        return self._with(reading=reading, seed=seed)

    def _with(self, **attributes: Any) -> Self:
        other = copy.copy(self)
        vars(other).update(attributes)
        return other

    def __repr__(self) -> str:
        """Name the rule, what it trains and how strongly it nudges."""
        more = "".join(
            f", {key} = {value!r}" for key in ("variant", "reading") if (value := getattr(self, key, None))
        )
        return f"{type(self).__name__}({self.circuit!r}, {self.cost!r}, beta = {self.beta:g}{more})"

    def fits(self, solver: Solver) -> None:
        """Raise `CircuitError` for a solver of another circuit."""
        if not self.circuit.like(solver.circuit):
            raise CircuitError(
                f"the rule is for {self.circuit!r}, and the solver for {solver.circuit!r}: expected one circuit"
            )

    def asked(self, solver: Solver, inputs: Array, targets: Array) -> tuple[Array, Array]:
        """Return samples and targets as arrays with a row for each sample, whatever they were given as.

        Raises:
            CircuitError: the solver is one of another circuit.
            DataError: they are no numbers.
        """
        if self.circuit.node_names != solver.circuit.node_names:
            self.fits(solver)
        try:
            return np.atleast_2d(np.asarray(inputs, np.float64)), np.atleast_2d(
                np.asarray(targets, np.float64)
            )
        except (TypeError, ValueError) as error:
            raise DataError(
                f"{self.name}: expected inputs and targets to be rows of numbers: {error}"
            ) from error

    def draws(self, parameters: Parameters | None, inputs: Array) -> np.random.Generator:
        """Return a generator for one measurement: another one for other samples or values, and the same if repeated."""
        values = self.circuit.parameters if parameters is None else parameters
        parts = [
            np.ascontiguousarray(x).tobytes() for x in (inputs, *(values[name] for name in sorted(values)))
        ]
        return np.random.default_rng([self.seed, *(zlib.crc32(part) for part in parts)])

    def seen(self, points: OperatingPoints, parameters: Parameters | None, inputs: Array) -> OperatingPoints:
        """Return the points as the rule reads them. Sources are known, and not read."""
        if self.reading is None:
            return points
        free = self.circuit.is_free
        voltages = points.voltages.copy()
        self.reading.warn(voltages[..., free])
        voltages[..., free] = self.reading.read(voltages[..., free], self.draws(parameters, inputs))
        return replace(points, voltages=voltages)

    @abstractmethod
    def measure(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array
    ) -> Measurement:
        """Solve what the rule needs.

        Args:
            solver: of the circuit.
            parameters: values by element name, as `Solver.solve` takes them.
            inputs: (batch, n_features).
            targets: (batch, n_outputs).

        Raises:
            CircuitError: the rule does not apply at these values.
            DataError: unusable inputs or targets.
            EngineError: the simulator is missing or refuses the netlist.
        """


class PhasedRule(Rule):
    """A rule that contrasts phases of different beta.

    Attributes:
        variant: which ones.
    """

    variant: Variant

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, variant: Variant) -> None:
        """Take circuit, cost, nudging strength and variant; `ConfigError` for a variant that does not exist."""
        if variant not in PHASES:
            raise ConfigError(f"unknown variant {variant!r}: {nearest(str(variant), tuple(PHASES))}")
        check_arguments(circuit, cost, beta)
        self.circuit, self.cost, self.beta, self.variant = circuit, cost, beta, variant

    @property
    def order(self) -> int:
        """See `Rule.order`."""
        return PHASES[self.variant].order

    def drawn(self, parameters: Parameters | None, inputs: Array) -> Self:
        """Return the rule for one batch: with a sign that was drawn, if that is left to chance."""
        if self.variant != "random":
            return self
        positive = self.draws(parameters, inputs).random() < 0.5
        return self._with(variant="positive" if positive else "negative")


def check_arguments(circuit: Circuit, cost: Cost, beta: float) -> None:
    """Raise `ConfigError` unless a rule can be made of these."""
    expect("circuit", circuit, Circuit, "a Circuit, as Layered(...).build and CircuitBuilder.build make it")
    expect("cost", cost, Cost, "a cost, SquaredError() or SoftmaxCrossEntropy()")
    check_beta(beta)


def flat(gradient: Parameters) -> Array:
    """Return all entries of a gradient as one vector, elements in order of their names."""
    return np.concatenate([np.empty(0), *(gradient[name].ravel() for name in sorted(gradient))])
