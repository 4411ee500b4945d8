"""What a circuit for tests is: the circuit, its samples, and what is known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.solvers.base import Nudge
from eqcirc.typing import Array

S = 1e-5  # a common conductance, in siemens


@dataclass(frozen=True)
class Case:
    """A circuit and samples for it.

    Attributes:
        circuit: the circuit.
        inputs: (batch, n_features).
        linear: whether it has no nonlinear device.
        symmetric: whether it has a scaling s.
    """

    circuit: Circuit
    inputs: Array
    linear: bool = False
    symmetric: bool = True

    def nudge(self, cost: Cost | None = None, beta: float = 1e-7) -> Nudge:
        """Return a centred nudge towards fixed targets; squared error if no cost is given."""
        readout = self.circuit.readout
        cost = cost or SquaredError()
        if isinstance(cost, SoftmaxCrossEntropy):
            targets = cost.targets(np.arange(len(self.inputs)) % readout.n_outputs, readout.n_outputs)
        else:
            targets = np.linspace(-0.1, 0.15, len(self.inputs) * readout.n_outputs)
            targets = targets.reshape(len(self.inputs), -1)
        weight = None
        if self.symmetric:
            s = symmetry(self.circuit)[readout.nodes]
            weight = np.divide(1, s, out=np.zeros_like(s), where=s != 0)  # no nudge of a held node
        return Nudge(cost, targets, beta, weight=weight)


ONE_INPUT = np.array([[-1.0], [-0.2], [0.0], [0.35], [1.0]])
TWO_INPUTS = np.array([[-1.0, 0.5], [0.3, 0.3], [0.0, 0.0], [0.9, -0.4], [1.0, 1.0]])
