"""Crossbar: a dense block of conductances, one between every row node and every column node.

Law, co-content, learning rule and range are those of `conductance`; the block form turns Norton folding and
the learning rule into matrix products.
SPICE     r<name>_<row>_<column> row column <1/g>
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eqcirc.devices.base import LinearElement, Triplets, number
from eqcirc.devices.conductance import check_conductances
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray, as_slice


@dataclass(frozen=True, eq=False, kw_only=True)
class Crossbar(LinearElement):
    """Conductances (rows, columns) in siemens between the nodes `rows` and the nodes `columns`."""

    rows: NodeArray
    columns: NodeArray

    unit = "S"

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if self.value.shape != (len(self.rows), len(self.columns)):
            raise CircuitError(
                f"crossbar {self.name!r}: expected conductances of shape (rows, columns) = "
                f"{(len(self.rows), len(self.columns))}, got {self.value.shape}"
            )
        if np.intersect1d(self.rows, self.columns).size:
            raise CircuitError(f"crossbar {self.name!r}: a node is both row and column; list it once")
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        check_conductances(self.name, value)

    @cached_property
    def _slices(self) -> tuple[NodeArray | slice, NodeArray | slice]:
        return as_slice(self.rows), as_slice(self.columns)

    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches."""
        return np.concatenate([self.rows, self.columns])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return every row-column pair."""
        return np.repeat(self.rows, len(self.columns)), np.tile(self.columns, len(self.rows))

    def triplets(self, value: Array) -> Triplets:
        """Return the four entries of every resistor."""
        a, b = self.connections()
        g = value.ravel()
        return Triplets(
            np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a]), np.concatenate([g, g, -g, -g])
        )

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of (lam_r − lam_c)(v_r − v_c), (rows, columns)."""
        r, c = self._slices
        lam_r, lam_c, v_r, v_c = lam[:, r], lam[:, c], v[:, r], v[:, c]
        result = np.einsum("bc,bc->c", lam_c, v_c)[None, :] - v_r.T @ lam_c
        if lam_r.any():  # rows held by sources have no adjoint voltage, and they are the big blocks
            result += np.einsum("br,br->r", lam_r, v_r)[:, None] - lam_r.T @ v_c
        return np.asarray(result)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one resistor line for each crosspoint."""
        columns = [(j, node[c]) for j, c in enumerate(self.columns.tolist())]
        return [
            f"r_{self.name}_{i}_{j} {node[r]} {c} {number(1 / g)}"
            for i, (r, line) in enumerate(zip(self.rows.tolist(), value.tolist(), strict=True))
            for (j, c), g in zip(columns, line, strict=True)
        ]
