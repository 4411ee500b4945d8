"""The contract of learning rules: a rule says what to solve, and makes a gradient of the answers.

A rule owns its phases. Trainer, audits and checks hand it a solver and samples, and get a `Measurement` back; which
circuits were solved for it, and how often, they never learn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.typing import Array, Parameters


class Measurement(ABC):
    """What a rule measured on a batch.

    Attributes:
        points: operating points, the free phase first. A sample converged if all that the rule solved for it did.
    """

    points: OperatingPoints

    @property
    @abstractmethod
    def contrast(self) -> Array:
        """(batch, node) volts that the gradient is made of: how far its phases are apart."""

    @abstractmethod
    def take(self, samples: np.ndarray) -> Self:
        """Return what was measured on some samples (a mask or numbers)."""

    @abstractmethod
    def gradient(self) -> dict[str, Array]:
        """Return dC/dvalue of every trainable element, averaged over the samples that converged."""


class Rule(ABC):
    """A way to measure gradients on a circuit.

    Attributes:
        name: for people.
        circuit: that it trains.
        cost: that it minimises.
        beta: strength of its nudge, in the unit that the cost asks for.
    """

    name: str
    circuit: Circuit
    cost: Cost
    beta: float

    @property
    @abstractmethod
    def order(self) -> int:
        """Power of beta that the error of the gradient grows with."""

    @abstractmethod
    def with_beta(self, beta: float) -> Self:
        """Return the same rule with another nudging strength."""

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


def flat(gradient: Parameters) -> Array:
    """Return all entries of a gradient as one vector, elements in order of their names."""
    return np.concatenate([np.empty(0), *(gradient[name].ravel() for name in sorted(gradient))])
