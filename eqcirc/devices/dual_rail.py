"""Dual-rail crossbar: signed weights made of resistors, between neurons that have a + and a − node each.

Law       g+ joins v_r+ with v_c+ and v_r− with v_c−, g− joins v_r+ with v_c− and v_r− with v_c+: four resistors of two
          values for each weight; in terms of `block`, K = [[g+, g−], [g−, g+]] and the loads are its sums
Oddness   where v− = −v+ (odd devices, opposite inputs, differential outputs) either rail obeys the law of a circuit
          of single nodes with the signed weight g+ − g− and the load g+ + g−: the half circuit
Learning  dC/dg+ and dC/dg−: the sums over the two resistors of one value, so that training keeps the circuit odd
SPICE     r<name>_<row>_<column> row column <1/g>, rows and columns counted over the + nodes and then the − nodes
Range     that of `conductance`

The half circuit does not show what moves both rails alike: that sees the weight g+ + g−. It has the smallest curvature,
and with N-shaped devices it can grow where all that is odd dies out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Branches
from eqcirc.devices.block import Block, resistor_cards
from eqcirc.devices.conductance import check_conductances
from eqcirc.errors import CircuitError
from eqcirc.typing import Array


@dataclass(frozen=True, eq=False, kw_only=True)
class DualRailCrossbar(Block):
    """Conductances g+ and g− (2, m, n) in siemens; `rows` (2m,) and `columns` (2n,): + nodes first, then − nodes."""

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        for what, nodes in (("rows", self.rows), ("columns", self.columns)):
            if len(nodes) % 2:
                raise CircuitError(
                    f"dual-rail crossbar {self.name!r}: expected as many − nodes as + nodes among its {what}, "
                    f"got {len(nodes)} nodes"
                )
        super().__post_init__()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return 2, len(self.rows) // 2, len(self.columns) // 2

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        check_conductances(self.name, value)

    def coupling(self, value: Array) -> Array:
        """Return the conductances (rows, columns) between all nodes."""
        like, crossed = value
        return np.block([[like, crossed], [crossed, like]])

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch and over mirrored resistors of (lam_r − lam_c)(v_r − v_c), (2, m, n)."""
        coupled, loaded = self._contrasts(lam, v)
        _, m, n = self.shape
        each = loaded - coupled
        return np.stack([each[:m, :n] + each[m:, n:], each[:m, n:] + each[m:, :n]])

    def resistors(self, value: Array) -> Array:
        """Return four for each weight."""
        return self.coupling(value).ravel()

    def noisy(self, value: Array) -> Branches:
        """Return all of them."""
        return self.branches(value)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return four resistor lines for each weight."""
        return resistor_cards(self, self.coupling(value), node)
