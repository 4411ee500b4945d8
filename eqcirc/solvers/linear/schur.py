"""The Schur complement of a Jacobian as an operator: multiplied by, never formed.

Unknowns E that are not coupled to one another leave the system. With D_E the diagonal of E, and K the rest,

    S = J_KK − J_KE·D_E⁻¹·J_EK,     S·p = J_KK·p − J_KE·(D_E⁻¹·(J_EK·p)),

which is a product with every crossbar and its transpose, for all rows together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.equations import Linearised
from eqcirc.typing import Array, NodeArray, as_slice

FULL = 0.1  # density of a part from which on it is kept as a full matrix


class Part(NamedTuple):
    """A block of M: what voltages at the places `source` add to the equations at the places `target`."""

    source: NodeArray | slice
    target: NodeArray | slice
    matrix: Array | csr_array


class Order:
    """Which unknowns leave (E) and which stay (K), fixed for a circuit."""

    def __init__(self, plan: Reduction, pairs: tuple[NodeArray, NodeArray], eliminated: NodeArray) -> None:
        """Take the unknowns E, less those whose crossbar is in E only in part."""
        leaves = np.zeros(plan.n, bool)
        leaves[eliminated] = True
        sides = [plan.unknown[side] for e in plan.couplings for side in (e.rows, e.columns)]
        while mixed := [side for side in sides if leaves[side].any() and not leaves[side].all()]:
            for side in mixed:
                leaves[side] = False
        self.leaves = leaves
        self.e, self.k = as_slice(np.flatnonzero(leaves)), as_slice(np.flatnonzero(~leaves))
        self.place = np.where(leaves, np.cumsum(leaves), np.cumsum(~leaves)) - 1  # within E or K
        self.outputs = self.place[plan.outputs.unknowns]
        self.pairs = self.place[pairs[0]], self.place[pairs[1]]

    def parts(self, system: ReducedSystem) -> dict[tuple[bool, bool], list[Part]]:
        """Return the parts of M beside its diagonal, by whether source and target are in E."""
        unknowns = np.arange(len(self.place))
        parts: dict[tuple[bool, bool], list[Part]] = {
            (a, b): [] for a in (True, False) for b in (True, False)
        }
        for rows, columns, forward, backward in system.couplings:
            r, c = unknowns[rows], unknowns[columns]
            in_r, in_c = bool(self.leaves[r[0]]), bool(self.leaves[c[0]])
            at_r, at_c = as_slice(self.place[r]), as_slice(self.place[c])
            parts[in_r, in_c].append(Part(at_r, at_c, forward))
            parts[in_c, in_r].append(Part(at_c, at_r, backward))
        for (source, target), found in parts.items():
            columns, rows = (np.flatnonzero(self.leaves == x) for x in (source, target))
            rest = system.scattered[rows][:, columns]
            if rest.nnz:
                full = rest.nnz > FULL * rest.shape[0] * rest.shape[1]
                found.append(Part(slice(None), slice(None), rest.T.toarray() if full else csr_array(rest.T)))
        return parts


@dataclass(frozen=True, eq=False)
class Schur:
    """S of every row.

    Attributes:
        order: which unknowns are E and K.
        parts: of M, see `Order.parts`.
        inverse: (row, E) 1/D_E.
        diagonal: (row, K) diagonal of J_KK.
        beside: (row, pair) and
        outputs: (row, m, m) further entries of J_KK, see `Linearised`.
    """

    order: Order
    parts: dict[tuple[bool, bool], list[Part]]
    inverse: Array
    diagonal: Array
    beside: Array
    outputs: Array | None

    @classmethod
    def of(
        cls, order: Order, parts: dict[tuple[bool, bool], list[Part]], system: ReducedSystem, at: Linearised
    ) -> Schur:
        """Return the operator of J = M + what `at` adds."""
        diagonal = system.diagonal + at.diagonal
        return cls(order, parts, 1 / diagonal[:, order.e], diagonal[:, order.k], at.beside, at.outputs)

    def take(self, rows: np.ndarray) -> Schur:
        """Return some rows."""
        return replace(
            self,
            inverse=self.inverse[rows],
            diagonal=self.diagonal[rows],
            beside=self.beside[rows],
            outputs=None if self.outputs is None else self.outputs[rows],
        )

    @property
    def preconditioner(self) -> Array:
        """Diagonal (row, K) of J_KK, all entries that the nudge adds to it included."""
        if self.outputs is None:
            return self.diagonal
        diagonal = self.diagonal.copy()
        diagonal[:, self.order.outputs] += np.einsum("rmm->rm", self.outputs)
        return diagonal

    def apply(self, p: Array) -> Array:
        """Return S·p for p (row, K)."""
        total = self.diagonal * p - self.through(self._product(p, False, True))
        self._add(total, p, False, False)
        k, (i, j) = self.order.outputs, self.order.pairs
        if self.outputs is not None:
            total[:, k] += np.einsum("rab,rb->ra", self.outputs, p[:, k])
        if i.size:
            np.add.at(total.T, i, (self.beside * p[:, j]).T)
        return total

    def through(self, x: Array) -> Array:
        """Return J_KE·D_E⁻¹·x (row, K) for x (row, E)."""
        return self._product(x * self.inverse, True, False)

    def expand(self, x: Array, rhs: Array) -> Array:
        """Return x (row, n) from x (row, K): x_E = D_E⁻¹·(b_E − J_EK·x_K)."""
        whole = np.empty_like(rhs)
        whole[:, self.order.k] = x
        whole[:, self.order.e] = (rhs[:, self.order.e] - self._product(x, False, True)) * self.inverse
        return whole

    def _product(self, x: Array, source: bool, target: bool) -> Array:
        shape = (self.inverse if target else self.diagonal).shape
        total = np.zeros(shape)
        self._add(total, x, source, target)
        return total

    def _add(self, total: Array, x: Array, source: bool, target: bool) -> None:
        for part in self.parts[source, target]:
            total[:, part.target] += x[:, part.source] @ part.matrix
