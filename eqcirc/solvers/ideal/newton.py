"""Newton's method for many rows at once, with SPICE's junction limiting and convergence by residual."""

from __future__ import annotations

import numpy as np

from eqcirc.solvers.equations import Equations, Linearised
from eqcirc.solvers.ideal.elimination import LinearSolver
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

MOST_ITERATIONS = 200
DAMP_AFTER = 40  # iterations; piecewise laws can make full steps cycle, half steps end that


def newton(
    equations: Equations, linear: LinearSolver, start: Array | None = None
) -> tuple[Array, np.ndarray, int]:
    """Solve F(u) = 0 for every row.

    Args:
        equations: the rows.
        linear: how to solve with the Jacobian.
        start: (row, n) first guess, near a solution; None starts cold, at 0 V.

    Returns:
        u (row, n), status (row,) and the number of iterations summed over rows. Rows that failed hold NaN.
    """
    rows = equations
    x = np.zeros_like(rows.injection) if start is None else start
    # from the cold, a device across a rail counts as coming from 0 V, so that its exponential is limited
    last = [np.zeros((1, 1))] * len(rows.plan.junctions) if start is None else None
    u = np.full_like(x, np.nan)
    status = np.full(len(x), Status.NOT_CONVERGED, np.int8)
    active, total = np.arange(len(x)), 0
    for iteration in range(MOST_ITERATIONS):
        at, points = rows.linearise(x, last)
        total += len(active)
        broken = ~np.isfinite(at.residual).all(axis=1)
        going = ~(at.solved | broken)
        u[active[at.solved]] = x[at.solved]
        status[active[at.solved]] = Status.CONVERGED
        status[active[broken]] = Status.NONFINITE
        if not going.any():
            break
        if not going.all():
            active, x, rows, at = active[going], x[going], rows.take(going), at.take(going)
            points = [p[going] for p in points]
        step = _solve(linear, rows, at)
        x = x - (step if iteration < DAMP_AFTER else 0.5 * step)
        last = points
    return u, status, total


def _solve(linear: LinearSolver, rows: Equations, at: Linearised) -> Array:
    """Solve for the step; a singular row becomes NaN, which the next residual reports."""
    try:
        return linear.solve(rows.system, at, at.residual)
    except (np.linalg.LinAlgError, RuntimeError):  # of numpy and of SuperLU
        n = len(at.residual)
        if n == 1:
            return np.full_like(at.residual, np.nan)
        return np.concatenate([_solve(linear, rows, at.take(slice(k, k + 1))) for k in range(n)])
