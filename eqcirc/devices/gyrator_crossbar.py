"""Gyrator crossbar: a dense block of gyrators, one between every row node and every column node.

Law       the current W·v_row enters the column node, and the current W·v_column leaves the row node
Scaling   s_column = −s_row, as of single gyrators (`gyrator`), whatever the weights
Learning  dC/dW = lam_r·v_c − lam_c·v_r
SPICE     g<name>_<row>_<column>_f column 0 row 0 <-W>   and   g<name>_<row>_<column>_b row 0 column 0 <W>
Range     |W| <= 1e3 S

If the columns are errors, nodes that show what is predicted less what is there, this is how predictions go forth and
errors come back through the same weights (`systems/predictive-coding`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Branches, first, joined, number
from eqcirc.devices.block import Block
from eqcirc.devices.conductance import HIGHEST
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False, kw_only=True)
class GyratorCrossbar(Block):
    """Gyration conductances (rows, columns) in siemens, of either sign, between the nodes `rows` and `columns`."""

    reciprocal = False

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        bad = np.abs(value) > HIGHEST
        if bad.any():
            raise CircuitError(
                f"gyrator crossbar {self.name!r}: {first(bad, value)} S; expected weights of up to {HIGHEST:g} S "
                "in magnitude"
            )

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: gyrators are no two-terminal parts."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def coupling_back(self, value: Array) -> Array:
        """Return K (rows, columns) from columns to rows, the negative of the one forth."""
        return -value

    def row_loads(self, value: Array) -> Array:
        """Return 0 S for every row."""
        return np.zeros(len(self.rows))

    def column_loads(self, value: Array) -> Array:
        """Return 0 S for every column."""
        return np.zeros(len(self.columns))

    def branches(self, value: Array) -> Branches:
        """Return two controlled sources for each weight; their currents return through ground."""
        rows, columns = np.repeat(self.rows, len(self.columns)), np.tile(self.columns, len(self.rows))
        ground, w = np.zeros_like(rows), value.ravel()
        return joined(
            [Branches(ground, columns, rows, ground, w), Branches(rows, ground, columns, ground, w)]
        )

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of lam_r·v_c − lam_c·v_r, (rows, columns)."""
        r, c = self._slices
        back = (
            lam[:, r].T @ v[:, c] if lam[:, r].any() else 0.0
        )  # rows held by sources have no adjoint voltage
        return np.asarray(back - v[:, r].T @ lam[:, c])

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return two G elements for each weight that is not zero."""
        rows, columns = ([node[k] for k in side.tolist()] for side in (self.rows, self.columns))
        lines = []
        for (i, j), w in np.ndenumerate(value):
            if w != 0:
                lines.append(f"g_{self.name}_{i}_{j}_f {columns[j]} 0 {rows[i]} 0 {number(-w)}")
                lines.append(f"g_{self.name}_{i}_{j}_b {rows[i]} 0 {columns[j]} 0 {number(w)}")
        return lines
