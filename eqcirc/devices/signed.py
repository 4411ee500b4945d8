"""Signed crossbar: ideal reciprocal couplings of either sign, one between every row node and every column node.

Law       the current −W·v_row leaves the column node and −W·v_column the row node; if loaded, also |W|·v leaves each
Co-content −W·v_row·v_column, if loaded + ½|W|·(v_row² + v_column²)
Learning  dC/dW = −(lam_c·v_r + lam_r·v_c), if loaded + sign(W)·(lam_c·v_c + lam_r·v_r)
SPICE     g<name>_<row>_<column>_f column 0 row 0 <-W>   and   g<name>_<row>_<column>_b row 0 column 0 <-W>
          if loaded, a resistor <1/sum of |W|> from every node to ground
Range     |W| <= 1e3 S

Loaded, it is the half circuit of a dual-rail crossbar (`dual_rail`) whose smaller conductance of each pair is zero: it
is passive, and no voltage leaves the range of the sources. A pure coupling is neither: its nodes need other loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Bounds, Branches, first, number, two_terminal
from eqcirc.devices.block import Block
from eqcirc.devices.conductance import HIGHEST
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

DEFAULT_BOUNDS = Bounds(-1e-4, 1e-4)  # S


@dataclass(frozen=True, eq=False, kw_only=True)
class SignedCrossbar(Block):
    """Weights (rows, columns) in siemens, of either sign, between the nodes `rows` and the nodes `columns`.

    Attributes:
        loaded: whether every weight loads its two nodes with its magnitude.
    """

    loaded: bool = True

    @property
    def passive(self) -> bool:
        """Whether the weights load their nodes."""
        return self.loaded

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        bad = np.abs(value) > HIGHEST
        if bad.any():
            raise CircuitError(
                f"signed crossbar {self.name!r}: {first(bad, value)} S; expected weights of up to {HIGHEST:g} S "
                "in magnitude"
            )

    def row_leaks(self, value: Array) -> Array:
        """Return the conductance (rows,) from every row node to ground, in siemens."""
        return self._leaks(value, 1)

    def column_leaks(self, value: Array) -> Array:
        """Return the conductance (columns,) from every column node to ground, in siemens."""
        return self._leaks(value, 0)

    def _leaks(self, value: Array, axis: int) -> Array:
        """Return |W| − W, summed: what a load of |W| has beyond a resistor of W; without loads −W."""
        return np.asarray(2 * np.maximum(-value, 0).sum(axis=axis) if self.loaded else -value.sum(axis=axis))

    def row_loads(self, value: Array) -> Array:
        """Return the load (rows,) on every row node, in siemens; exactly 0 without loads."""
        return np.abs(value).sum(axis=1) if self.loaded else np.zeros(len(self.rows))

    def column_loads(self, value: Array) -> Array:
        """Return the load (columns,) on every column node, in siemens; exactly 0 without loads."""
        return np.abs(value).sum(axis=0) if self.loaded else np.zeros(len(self.columns))

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of lam·dF/dW, (rows, columns)."""
        coupled, loaded = self._contrasts(lam, v)
        return np.asarray(np.sign(value) * loaded - coupled if self.loaded else -coupled)

    def noisy(self, value: Array) -> Branches:
        """Return the loads; the couplings are ideal."""
        loads = np.concatenate([self.row_loads(value), self.column_loads(value)])
        nodes = self.terminals()
        return two_terminal(nodes, np.zeros_like(nodes), loads)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return two transconductors for each weight that is not zero, and the loads."""
        rows, columns = ([node[k] for k in side.tolist()] for side in (self.rows, self.columns))
        lines = []
        for (i, j), w in np.ndenumerate(value):
            if w != 0:
                lines.append(f"g_{self.name}_{i}_{j}_f {columns[j]} 0 {rows[i]} 0 {number(-w)}")
                lines.append(f"g_{self.name}_{i}_{j}_b {rows[i]} 0 {columns[j]} 0 {number(-w)}")
        loads = [*self.row_loads(value).tolist(), *self.column_loads(value).tolist()]
        for k, (name, load) in enumerate(zip([*rows, *columns], loads, strict=True)):
            if load != 0:
                lines.append(f"r_{self.name}_{k} {name} 0 {number(1 / load)}")
        return lines
