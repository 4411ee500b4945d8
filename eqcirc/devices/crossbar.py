"""Crossbar: a dense block of conductances, one between every row node and every column node.

Law, co-content, learning rule and range are those of `conductance`; the block form turns Norton folding and
the learning rule into matrix products. In terms of `block`: K = g, loads = the sums of g.
SPICE     r<name>_<row>_<column> row column <1/g>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Branches
from eqcirc.devices.block import Block, resistor_cards
from eqcirc.devices.conductance import check_conductances
from eqcirc.typing import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Crossbar(Block):
    """Conductances (rows, columns) in siemens between the nodes `rows` and the nodes `columns`."""

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        check_conductances(self.name, value)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of (lam_r − lam_c)(v_r − v_c), (rows, columns)."""
        coupled, loaded = self._contrasts(lam, v)
        return np.asarray(loaded - coupled)

    def resistors(self, value: Array) -> Array:
        """Return one for each crosspoint."""
        return value.ravel()

    def noisy(self, value: Array) -> Branches:
        """Return all of them."""
        return self.branches(value)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one resistor line for each crosspoint."""
        return resistor_cards(self, value, node)
