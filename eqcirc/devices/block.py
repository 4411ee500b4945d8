"""Dense block: every row node coupled to every column node, which the solvers handle as one matrix.

Law       the current  load_c·v_c − Σ_r K_rc·v_r  leaves column node c,
          and          load_r·v_r − Σ_c K_rc·v_c  leaves row node r: one coupling K both ways, so s is the same at both
          (of a one-way block only one of the two)

A load is the sum of a node's couplings and its leak to ground. Elements differ in how K and the leaks follow from their
values; resistors have no leaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eqcirc.devices.base import Branches, LinearElement, joined, number, two_terminal
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray, as_slice


@dataclass(frozen=True, eq=False, kw_only=True)
class Block(LinearElement):
    """Coupling between the nodes `rows` and the nodes `columns`."""

    rows: NodeArray
    columns: NodeArray

    unit = "S"

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if self.value.shape != self.shape:
            raise CircuitError(
                f"crossbar {self.name!r}: expected values of shape {self.shape} for {len(self.rows)} rows and "
                f"{len(self.columns)} columns, got {self.value.shape}"
            )
        if np.intersect1d(
            self.rows, self.columns
        ).any():  # ground may be both, in the image of a doubled circuit
            raise CircuitError(f"crossbar {self.name!r}: a node is both row and column; list it once")
        self.check(self.value)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the values."""
        return len(self.rows), len(self.columns)

    def coupling(self, value: Array) -> Array:
        """Return K (rows, columns) in siemens."""
        return value

    def coupling_back(self, value: Array) -> Array:
        """Return K (rows, columns) from columns to rows: the same one, but in one-way blocks."""
        return self.coupling(value)

    def row_leaks(self, value: Array) -> Array:
        """Return the conductance (rows,) from every row node to ground, in siemens; none for resistors."""
        return np.zeros(len(self.rows))

    def column_leaks(self, value: Array) -> Array:
        """Return the conductance (columns,) from every column node to ground, in siemens; none for resistors."""
        return np.zeros(len(self.columns))

    def row_loads(self, value: Array) -> Array:
        """Return the load (rows,) on every row node, in siemens: the sum of its couplings, and what leaks."""
        return np.asarray(self.coupling(value).sum(axis=1) + self.row_leaks(value))

    def column_loads(self, value: Array) -> Array:
        """Return the load (columns,) on every column node, in siemens."""
        return np.asarray(self.coupling(value).sum(axis=0) + self.column_leaks(value))

    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches, rows first."""
        return np.concatenate([self.rows, self.columns])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return every row-column pair."""
        return np.repeat(self.rows, len(self.columns)), np.tile(self.columns, len(self.rows))

    def branches(self, value: Array) -> Branches:
        """Return a conductance, perhaps negative, for each coupling, and the leaks."""
        nodes, leaks = self.terminals(), np.concatenate([self.row_leaks(value), self.column_leaks(value)])
        between = two_terminal(*self.connections(), self.coupling(value).ravel())
        return joined([between, two_terminal(nodes, np.zeros_like(nodes), leaks)])

    @cached_property
    def _slices(self) -> tuple[NodeArray | slice, NodeArray | slice]:
        return as_slice(self.rows), as_slice(self.columns)

    def _contrasts(self, lam: Array, v: Array) -> tuple[Array, Array]:
        """Return −lam·dF/dK and lam·dF/dload, summed over the batch; the second broadcasts to (rows, columns)."""
        r, c = self._slices
        lam_r, lam_c, v_r, v_c = lam[:, r], lam[:, c], v[:, r], v[:, c]
        coupled, loaded = v_r.T @ lam_c, np.einsum("bc,bc->c", lam_c, v_c)[None, :]
        if lam_r.any():  # rows held by sources have no adjoint voltage, and they are the big blocks
            coupled += lam_r.T @ v_c
            loaded = loaded + np.einsum("br,br->r", lam_r, v_r)[:, None]
        return coupled, loaded


def resistor_cards(block: Block, conductances: Array, node: Sequence[str]) -> list[str]:
    """Return a resistor line for each crosspoint of a block; conductances (rows, columns)."""
    columns = [(j, node[c]) for j, c in enumerate(block.columns.tolist())]
    return [
        f"r_{block.name}_{i}_{j} {node[r]} {c} {number(1 / g)}"
        for i, (r, line) in enumerate(zip(block.rows.tolist(), conductances.tolist(), strict=True))
        for (j, c), g in zip(columns, line, strict=True)
        if node[r] != c
    ]
