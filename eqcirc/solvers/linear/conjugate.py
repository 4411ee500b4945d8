"""Preconditioned conjugate gradients for a whole batch, for wide networks with dense crossbars.

In scaled voltages the Jacobian J of a reciprocal circuit is symmetric, and positive definite where the co-content is
convex; so is its Schur complement S (`schur`), on which the method runs, with the diagonal of J_KK as preconditioner:

    z = r/d,   p ← z + (r·z)/(r·z)_before·p,   α = (r·z)/(p·S·p),   x ← x + α·p,   r ← r − α·S·p .

A row leaves the batch when its residual r is as small as Newton's method can use. r is the residual of J·x = b whatever
J is: one that is not symmetric or not definite costs time and no accuracy. Rows where p·S·p is not positive, or that
take too long, are solved directly.
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.equations import PRECISION, Linearised
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.schur import Order, Part, Schur
from eqcirc.typing import Array, NodeArray

MOST_ITERATIONS = 50  # about the price of a direct solve
LEAST_GAIN = 0.1  # part of the residual that a solve may leave
CURVATURE = 0.3  # Newton's method turns a relative error e into about e²; a part of that is precise enough
ENOUGH = 0.2  # of the tolerance; more precision than that is of no use


class ConjugateGradients:
    """Iterates all rows together; solves those that fail directly."""

    def __init__(
        self,
        plan: Reduction,
        pairs: tuple[NodeArray, NodeArray],
        eliminated: NodeArray,
        direct: LinearSolver,
    ) -> None:
        """Fix the order of unknowns and who solves what conjugate gradients cannot."""
        self.direct = direct
        self._order = Order(plan, pairs, eliminated)
        self._cut: tuple[ReducedSystem, dict[tuple[bool, bool], list[Part]]] | None = None

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        """Return x with J·x = rhs, to the precision that a Newton step needs; see `LinearSolver.solve`."""
        if rhs.ndim > at.residual.ndim:
            return np.stack([self.solve(system, at, one) for one in rhs])
        if self._cut is None or self._cut[0] is not system:
            self._cut = system, self._order.parts(system)
        schur = Schur.of(self._order, self._cut[1], system, at)
        reduced = rhs[:, self._order.k] - schur.through(rhs[:, self._order.e])
        x_k, done = conjugate_gradients(schur, reduced, accuracy(at, rhs)[:, self._order.k])
        x = schur.expand(x_k, rhs)
        if not done.all():
            x[~done] = self.direct.solve(system, at.take(~done), rhs[~done])
        return x


def accuracy(at: Linearised, rhs: Array) -> Array:
    """Return how large (row, n) a residual of the linear system may be.

    Newton's step leaves CURVATURE·e² of a relative error e even if the linear system is solved exactly.
    """
    error = PRECISION * (np.abs(rhs) / at.tolerance).max(axis=1)
    wanted = np.minimum(LEAST_GAIN * error, CURVATURE * error**2)
    return np.asarray(at.tolerance * np.maximum(ENOUGH, wanted / PRECISION)[:, None])


def conjugate_gradients(schur: Schur, b: Array, limit: Array) -> tuple[Array, np.ndarray]:
    """Return x (row, K) with |S·x − b| <= limit, and for every row whether that was reached."""
    found, done = np.zeros_like(b), np.zeros(len(b), bool)
    rows, x, r, p = np.arange(len(b)), np.zeros_like(b), b, np.zeros_like(b)
    d, rz = schur.preconditioner, np.ones((len(b), 1))
    for _ in range(MOST_ITERATIONS):
        z = r / d
        rz, before = _dot(r, z), rz
        p = z + rz / before * p
        s_p = schur.apply(p)
        curvature = _dot(p, s_p)
        step = np.divide(
            rz, curvature, out=np.zeros_like(rz), where=curvature != 0
        )  # nothing is left of b = 0
        x, r = x + step * p, r - step * s_p
        small = (np.abs(r) <= limit).all(axis=1)
        going = ~small & (curvature > 0)[:, 0] & (rz > 0)[:, 0]
        if not going.all():
            found[rows[small]], done[rows[small]] = x[small], True
            rows, schur = rows[going], schur.take(going)
            x, r, p, rz, d, limit = (a[going] for a in (x, r, p, rz, d, limit))
        if not rows.size:
            break
    return found, done


def _dot(a: Array, b: Array) -> Array:
    """Return a·b of every row, as a column."""
    return np.asarray(np.einsum("ri,ri->r", a, b)[:, None])
