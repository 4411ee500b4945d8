"""Direct linear solves of (M + sample-dependent part)·x = b for a whole batch.

Two ways (`choice` says which is taken when):

- *Block elimination.* A set E of unknowns that are not coupled to one another (a layer of hidden nodes, every
  second layer of a deep network) has a diagonal block; eliminating it leaves a small dense system for the rest
  K: S = M_KK − M_KE·D_E⁻¹·M_EK. All samples at once, in matrix products.
- *Sparse LU* (SuperLU), sample by sample, for large sparse graphs such as grids.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import splu

from eqcirc.solvers.equations import Linearised
from eqcirc.solvers.linear.base import Matrix
from eqcirc.typing import Array, NodeArray, as_slice

WEAK = 1e-6
"""Of the conductance that reaches an unknown: less is left on the diagonal where an N-shaped device cancels it, and
nothing is there behind a gyrator without a leak; then the rows are solved as a whole."""
CHUNK = 4_000_000  # doubles in the largest temporary of one block
SMALL = 40  # unknowns in K below which products of blocks are worth keeping


class _Blocks(NamedTuple):
    """Parts of M; for small K also (E, K·K) products of M_KE and M_EK, which save a large temporary."""

    d: Array
    ek: Array
    ke: Array
    kk: Array
    products: Array | None


class BlockElimination:
    """Eliminate E (diagonal block), solve the dense rest K, substitute back."""

    def __init__(
        self, n: int, eliminated: NodeArray, outputs: NodeArray, pairs: tuple[NodeArray, NodeArray]
    ) -> None:
        """Fix the order of unknowns."""
        kept = np.setdiff1d(np.arange(n), eliminated)
        place = np.full(n, -1)
        place[kept] = np.arange(len(kept))
        self._e, self._k = as_slice(eliminated), as_slice(kept)
        self._outputs = place[outputs]
        self._pairs = place[pairs[0]], place[pairs[1]]
        self._cut: tuple[Matrix, _Blocks] | None = None

    def _blocks(self, system: Matrix) -> _Blocks:
        """Cut M, once for each system."""
        if self._cut is None or self._cut[0] is not system:
            m, e, k = system.matrix, self._e, self._k
            ek, ke, kk = (np.ascontiguousarray(x) for x in (m[e][:, k], m[k][:, e], m[k][:, k]))
            products = (
                (ke.T[:, :, None] * ek[:, None, :]).reshape(len(ek), len(kk) ** 2)
                if len(kk) <= SMALL
                else None
            )
            self._cut = system, _Blocks(system.diagonal[e], ek, ke, kk, products)
        return self._cut[1]

    def solve(self, system: Matrix, at: Linearised, rhs: Array) -> Array:
        """See `LinearSolver.solve`."""
        m = self._blocks(system)
        rows = max(1, CHUNK // max(1, len(m.kk) * max(len(m.d), len(m.kk))))
        parts = [slice(start, start + rows) for start in range(0, rhs.shape[-2], rows)]
        return np.concatenate(
            [self._solve(system, at.take(part), rhs[..., part, :]) for part in parts], axis=-2
        )

    def _solve(self, system: Matrix, at: Linearised, rhs: Array) -> Array:
        m = self._blocks(system)
        pivot = m.d + _columns(at.diagonal, self._e)
        if (np.abs(pivot) <= WEAK * system.strength[self._e]).any():
            return _dense(at.jacobian(system.matrix), rhs)
        inverse = 1 / pivot
        b_e, b_k = _columns(rhs, self._e), _columns(rhs, self._k)
        rest = b_k - (b_e * inverse) @ m.ke.T
        x_k = _dense(self._schur(m, at, inverse), rest)
        x = np.empty_like(rhs)
        x[..., self._k] = x_k
        x[..., self._e] = (b_e - x_k @ m.ek.T) * inverse
        return x

    def _schur(self, m: _Blocks, at: Linearised, inverse: Array) -> Array:
        """Return S (row, K, K)."""
        n = len(m.kk)
        if m.products is None:
            taken = (m.ke * inverse[:, None, :]).reshape(len(inverse) * n, len(m.d)) @ m.ek
        else:
            taken = inverse @ m.products
        schur = m.kk - taken.reshape(len(inverse), n, n)
        diagonal = np.arange(n)
        schur[:, diagonal, diagonal] += _columns(at.diagonal, self._k)
        if at.beside.shape[1]:
            np.add.at(schur.transpose(1, 2, 0), self._pairs, at.beside.T)
        if at.outputs is not None:
            schur[:, self._outputs[:, None], self._outputs] += at.outputs
        return np.asarray(schur)


def _columns(x: Array, index: NodeArray | slice) -> Array:
    """Return x[..., index] laid out row by row."""
    return x[..., index] if isinstance(index, slice) else x.take(index, axis=-1)


def _dense(matrix: Array, rhs: Array) -> Array:
    """Return x with matrix (row, n, n)·x = rhs (row, n) or (k, row, n)."""
    if rhs.ndim == matrix.ndim - 1:
        return np.asarray(np.linalg.solve(matrix, rhs[..., None])[..., 0])
    return np.asarray(np.moveaxis(np.linalg.solve(matrix, np.moveaxis(rhs, 0, -1)), -1, 0))


class SparseLU:
    """Factorise every sample's Jacobian."""

    def __init__(self, outputs: NodeArray, pairs: tuple[NodeArray, NodeArray]) -> None:
        """Remember where the sample-dependent entries go."""
        self._rows = np.concatenate([np.repeat(outputs, len(outputs)), pairs[0]])
        self._columns = np.concatenate([np.tile(outputs, len(outputs)), pairs[1]])
        self._n_outputs = len(outputs)

    def solve(self, system: Matrix, at: Linearised, rhs: Array) -> Array:
        """See `LinearSolver.solve`."""
        matrix = csc_array(system.matrix)
        nothing = np.zeros((len(at.residual), self._n_outputs**2))
        outputs = nothing if at.outputs is None else at.outputs.reshape(len(nothing), -1)
        x = np.empty_like(rhs)
        for row in range(len(nothing)):
            extra = np.concatenate([outputs[row], at.beside[row]])
            beside = csc_array((extra, (self._rows, self._columns)), shape=matrix.shape)
            factors = splu(csc_array(matrix + diags_array(at.diagonal[row]) + beside))
            x[..., row, :] = factors.solve(rhs[..., row, :].T).T
        return x
