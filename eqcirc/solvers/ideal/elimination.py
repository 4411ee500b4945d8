"""Linear solves of (M + sample-dependent part)·x = b for a whole batch.

Two ways, chosen once for a circuit:

- *Block elimination.* A set E of unknowns that are not coupled to one another (a layer of hidden nodes, every second
  layer of a deep network) has a diagonal block; eliminating it leaves a small dense system for the rest K:
  S = M_KK − M_KE·D_E⁻¹·M_EK. All samples at once, in matrix products.
- *Sparse LU* (SuperLU), sample by sample, for large sparse graphs such as grids.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy.sparse import csc_array, csr_array, diags_array
from scipy.sparse.linalg import splu

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.solvers.equations import Linearised
from eqcirc.typing import Array, NodeArray

SPARSE_FILL = 0.02  # density of M below which sparse LU wins, if many unknowns are left
SPARSE_KEPT = 200
CHUNK = 4_000_000  # doubles in the largest temporary of one block


class LinearSolver(Protocol):
    """Solves with the Jacobian of `Linearised` equations."""

    def multiply(self, system: ReducedSystem, u: Array) -> Array:
        """Return M·u for rows u (row, n)."""
        ...

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        """Return x (row, n) with J·x = rhs (row, n)."""
        ...


def choose(system: ReducedSystem, keep: NodeArray, pairs: tuple[NodeArray, NodeArray]) -> LinearSolver:
    """Return the better way for this circuit.

    Args:
        system: numbers, of which only the pattern matters.
        keep: unknowns with sample-dependent coupling among each other: the outputs.
        pairs: sample-dependent entries of floating devices.
    """
    n = system.plan.n
    pattern = csr_array(system.matrix)
    forced = np.zeros(n, bool)
    forced[keep] = True
    forced[pairs[0]] = True
    eliminated = independent_set(pattern, forced)
    many = n - len(eliminated) > SPARSE_KEPT and pattern.nnz < SPARSE_FILL * n * n
    if many or not system.plan.dense:
        return SparseLU(keep, pairs)
    return BlockElimination(n, eliminated, keep, pairs)


def independent_set(pattern: csr_array, forbidden: np.ndarray) -> NodeArray:
    """Return unknowns that are not coupled to one another, chosen greedily by fewest neighbours."""
    degree = np.diff(pattern.indptr)
    blocked = forbidden.copy()
    chosen = np.zeros(len(blocked), bool)
    for k in np.argsort(degree, kind="stable").tolist():
        if not blocked[k]:
            chosen[k] = True
            blocked[pattern.indices[pattern.indptr[k] : pattern.indptr[k + 1]]] = True
    return np.flatnonzero(chosen)


class BlockElimination:
    """Eliminate E (diagonal block), solve the dense rest K, substitute back."""

    def __init__(self, n: int, eliminated: NodeArray, outputs: NodeArray, pairs: tuple[NodeArray, NodeArray]) -> None:
        """Fix the order of unknowns."""
        self._e = eliminated
        self._k = np.setdiff1d(np.arange(n), eliminated)
        place = np.full(n, -1)
        place[self._k] = np.arange(len(self._k))
        self._outputs = place[outputs]
        self._pairs = place[pairs[0]], place[pairs[1]]
        self._blocks: tuple[ReducedSystem | None, tuple[Array, ...]] = (None, ())

    def _parts(self, system: ReducedSystem) -> tuple[Array, ...]:
        """Return D_E, M_EK, M_KE, M_KK, cut once for each system."""
        if self._blocks[0] is not system:
            m, e, k = system.matrix, self._e, self._k
            parts = (system.diagonal[e], m[np.ix_(e, k)], m[np.ix_(k, e)], m[np.ix_(k, k)])
            self._blocks = (system, parts)
        return self._blocks[1]

    def multiply(self, system: ReducedSystem, u: Array) -> Array:
        """Return M·u, leaving out the zero block."""
        d, m_ek, m_ke, m_kk = self._parts(system)
        result = np.empty_like(u)
        u_e, u_k = u[:, self._e], u[:, self._k]
        result[:, self._e] = d * u_e + u_k @ m_ek.T
        result[:, self._k] = u_e @ m_ke.T + u_k @ m_kk.T
        return result

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        """Return x with J·x = rhs."""
        x = np.empty_like(rhs)
        rows = max(1, CHUNK // max(1, len(self._k) * max(len(self._e), len(self._k))))
        for start in range(0, len(rhs), rows):
            part = slice(start, start + rows)
            x[part] = self._solve(system, at, rhs, part)
        return x

    def _solve(self, system: ReducedSystem, at: Linearised, rhs: Array, part: slice) -> Array:
        d, m_ek, m_ke, m_kk = self._parts(system)
        e, k = self._e, self._k
        diagonal, b = at.diagonal[part], rhs[part]
        inverse = 1 / (d + diagonal[:, e])
        weighted = (m_ke * -inverse[:, None, :]).reshape(-1, len(e))
        schur = (weighted @ m_ek).reshape(len(b), len(k), len(k)) + m_kk
        step = np.arange(len(k))
        schur[:, step, step] += diagonal[:, k]
        if at.beside.shape[1]:
            np.add.at(schur, (slice(None), *self._pairs), at.beside[part])
        if at.outputs is not None:
            schur[:, self._outputs[:, None], self._outputs] += at.outputs[part]
        x = np.empty_like(b)
        rest = b[:, k] - (b[:, e] * inverse) @ m_ke.T
        x[:, k] = np.linalg.solve(schur, rest[:, :, None])[:, :, 0]
        x[:, e] = (b[:, e] - x[:, k] @ m_ek.T) * inverse
        return x


class SparseLU:
    """Factorise every sample's Jacobian."""

    def __init__(self, outputs: NodeArray, pairs: tuple[NodeArray, NodeArray]) -> None:
        """Remember where the sample-dependent entries go."""
        self._rows = np.concatenate([np.repeat(outputs, len(outputs)), pairs[0]])
        self._columns = np.concatenate([np.tile(outputs, len(outputs)), pairs[1]])
        self._n_outputs = len(outputs)

    def multiply(self, system: ReducedSystem, u: Array) -> Array:
        """Return M·u."""
        return np.asarray(u @ system.matrix.T)

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        """Return x with J·x = rhs."""
        matrix = csc_array(system.matrix)
        nothing = np.zeros((len(rhs), self._n_outputs**2))
        outputs = nothing if at.outputs is None else at.outputs.reshape(len(rhs), -1)
        x = np.empty_like(rhs)
        for row in range(len(rhs)):
            extra = np.concatenate([outputs[row], at.beside[row]])
            beside = csc_array((extra, (self._rows, self._columns)), shape=matrix.shape)
            x[row] = splu(csc_array(matrix + diags_array(at.diagonal[row]) + beside)).solve(rhs[row])
        return x
