"""How good a circuit is with the values that hardware gives it: loss and accuracy, by the ideal solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.lumped import lumped
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import Cost
from eqcirc.data import Dataset
from eqcirc.export.bundle.design import Design
from eqcirc.learning.evaluate import Score, evaluate, targets_of
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient

MOST_SAMPLES = 100  # that hundreds of variants of a circuit are scored on
MOST_BYTES = 1 << 27  # of the Jacobians of a batch


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores variants of a design on the same samples.

    Attributes:
        circuit: with the values that it has as its own, nothing programmed.
        values: those of its trained elements.
        cost: that counts.
        data: the samples.
        solver: that is shared by all variants.
    """

    circuit: Circuit
    values: Mapping[str, Array]
    cost: Cost
    data: Dataset
    solver: IdealSolver

    @classmethod
    def of(cls, design: Design) -> Scorer | None:
        """Return the scorer of a design; None if nobody knows its data or its cost."""
        if design.data is None or design.cost is None:
            return None
        circuit = settled(design)
        values = {e.name: e.value for e in circuit.trainable}
        data = design.data.take(range(min(MOST_SAMPLES, design.data.n_samples)))
        return cls(circuit, values, design.cost, data, IdealSolver(circuit, start=design.start))

    def score(self, values: Mapping[str, Array] | None = None, circuit: Circuit | None = None) -> Score:
        """Return the score with other values, or of another circuit; of what spikes, by its mean field."""
        asked = dict(self.values) | dict(values or {})
        if circuit is None:
            return evaluate(self.solver, asked, self.data, self.cost, None)
        asked = {e.name: asked[e.name] for e in circuit.trainable if e.name in asked}
        small = lumped(circuit, asked)
        asked = {e.name: asked[e.name] for e in small.trainable if e.name in asked}
        return evaluate(self.solver.on(small), asked, self.data, self.cost, None)

    def gradient(self) -> dict[str, Array]:
        """Return d(loss)/d(value) of every trained value, by the adjoint."""
        n = Reduction(self.circuit).n
        chunk = max(1, MOST_BYTES // (8 * n * n))
        targets = targets_of(self.data, self.cost)
        total = {name: np.zeros_like(value) for name, value in self.values.items()}
        for k in range(0, self.data.n_samples, chunk):
            x, y = self.data.inputs[k : k + chunk], targets[k : k + chunk]
            points = self.solver.solve(dict(self.values), x)
            x, y, free = x[points.converged], y[points.converged], points.free[points.converged]
            if len(x):
                part = adjoint_gradient(self.circuit, dict(self.values), x, y, self.cost, free)
                for name, g in part.items():
                    total[name] += g * (len(x) / self.data.n_samples)
        return total


def settled(design: Design) -> Circuit:
    """Return the circuit of a design with the values that its devices have, as if they had been asked for."""
    values = design.circuit.values(design.parameters)
    elements = tuple(
        e if e.share is not None else replace(e, value=values[e.name], programming=None)
        for e in design.circuit.elements
    )
    return replace(design.circuit, elements=elements)
