"""Couplings: resistors that stand for a network of them, see `circuit.lumped`.

Law, co-content and SPICE lines are those of `conductance`, and no conductance is too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Element, number
from eqcirc.devices.conductance import Conductance
from eqcirc.devices.crossbar import Crossbar
from eqcirc.typing import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Coupling(Conductance):
    """Conductances that stand for a network, however small they are; none where two nodes are not coupled."""

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or values that are not finite."""
        Element.check(self, value)

    def resistors(self, value: Array) -> Array:
        """Return none: nobody programs them."""
        return np.empty(0)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one resistor line for each that is not zero."""
        parts = zip(self.a.tolist(), self.b.tolist(), value.tolist(), strict=True)
        return [
            f"r_{self.name}_{k} {node[a]} {node[b]} {number(1 / g)}"
            for k, (a, b, g) in enumerate(parts)
            if g > 0
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class CouplingBlock(Crossbar):
    """Couplings between every row node and every column node, as one matrix; zero where two are not coupled."""

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or values that are not finite."""
        Element.check(self, value)

    def resistors(self, value: Array) -> Array:
        """Return none: nobody programs them."""
        return np.empty(0)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one resistor line for each that is not zero."""
        return [
            f"r_{self.name}_{i}_{j} {node[r]} {node[c]} {number(1 / value[i, j])}"
            for i, r in enumerate(self.rows.tolist())
            for j, c in enumerate(self.columns.tolist())
            if value[i, j] > 0
        ]
