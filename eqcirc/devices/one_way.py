"""One-way crossbar: a dense block of transconductors, one from every row node to every column node.

Law       the current −W·v_row leaves the column node; nothing flows at the row node, and nothing loads the column
Scaling   none where both are free; two such blocks back to back have one if their weights are W and those of Wᵀ
Learning  dC/dW = −lam_column·v_row
SPICE     g<name>_<row>_<column> column 0 row 0 <-W>
Range     |W| <= 1e3 S
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Branches, first, number
from eqcirc.devices.block import Block
from eqcirc.devices.conductance import HIGHEST
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False, kw_only=True)
class OneWayCrossbar(Block):
    """Transconductances (rows, columns) in siemens, of either sign, from the nodes `rows` to the nodes `columns`.

    Attributes:
        backward: whether columns control currents into rows instead; values keep their shape.
    """

    backward: bool = False

    reciprocal = False

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        bad = np.abs(value) > HIGHEST
        if bad.any():
            raise CircuitError(
                f"one-way crossbar {self.name!r}: {first(bad, value)} S; expected weights of up to {HIGHEST:g} S "
                "in magnitude"
            )

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: transconductors are no two-terminal parts."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def coupling(self, value: Array) -> Array:
        """Return K (rows, columns) from rows to columns."""
        return np.zeros_like(value) if self.backward else value

    def coupling_back(self, value: Array) -> Array:
        """Return K (rows, columns) from columns to rows."""
        return value if self.backward else np.zeros_like(value)

    def row_loads(self, value: Array) -> Array:
        """Return 0 S for every row."""
        return np.zeros(len(self.rows))

    def column_loads(self, value: Array) -> Array:
        """Return 0 S for every column."""
        return np.zeros(len(self.columns))

    def _ends(self) -> tuple[NodeArray, NodeArray]:
        """Return the controlling node and the fed one of every weight."""
        rows, columns = np.repeat(self.rows, len(self.columns)), np.tile(self.columns, len(self.rows))
        return (columns, rows) if self.backward else (rows, columns)

    def branches(self, value: Array) -> Branches:
        """Return a controlled source for each weight."""
        control, fed = self._ends()
        ground = np.zeros_like(fed)
        return Branches(ground, fed, control, ground, value.ravel())

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return minus the sum over the batch of lam·v_control, (rows, columns)."""
        r, c = self._slices
        product = v[:, r].T @ lam[:, c] if not self.backward else lam[:, r].T @ v[:, c]
        return np.asarray(-product)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return a G element for each weight that is not zero."""
        control, fed = (ends.tolist() for ends in self._ends())
        places = [f"{i}_{j}" for i, j in np.ndindex(value.shape)]
        return [
            f"g_{self.name}_{place} {node[b]} 0 {node[a]} 0 {number(-w)}"
            for place, a, b, w in zip(places, control, fed, value.ravel().tolist(), strict=True)
            if w != 0
        ]
