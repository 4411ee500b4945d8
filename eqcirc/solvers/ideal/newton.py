"""Newton's method for many rows at once, with SPICE's junction limiting and convergence by residual."""

from __future__ import annotations

import numpy as np

from eqcirc.solvers.base import Status
from eqcirc.solvers.equations import Equations, Linearised
from eqcirc.solvers.ideal.elimination import LinearSolver
from eqcirc.typing import Array

MOST_ITERATIONS = 200
DAMP_AFTER = 40  # iterations; piecewise laws can make full steps cycle, half steps end that


def newton(equations: Equations, linear: LinearSolver, start: Array) -> tuple[Array, np.ndarray, int]:
    """Solve F(u) = 0 for every row.

    Args:
        equations: the rows.
        linear: how to solve with the Jacobian.
        start: (row, n) first guess.

    Returns:
        u (row, n), status (row,) and the number of iterations summed over rows. Rows that failed hold NaN.
    """
    u = start.copy()
    status = np.full(len(u), Status.NOT_CONVERGED, np.int8)
    active = np.arange(len(u))
    rows, x, last, total = equations, u, None, 0
    for iteration in range(MOST_ITERATIONS):
        at, points = rows.linearise(x, linear.multiply(rows.system, x), last)
        total += len(active)
        solved, finite = at.solved, np.isfinite(at.residual).all(axis=1)
        status[active[solved]] = Status.CONVERGED
        status[active[~finite]] = Status.NONFINITE
        u[active] = x
        going = ~solved & finite
        if not going.any():
            break
        if not going.all():
            active, x, rows, at = active[going], x[going], rows.take(going), at.take(going)
            points = [p[going] for p in points]
        step = _solve(linear, rows, at)
        x = x - (step if iteration < DAMP_AFTER else 0.5 * step)
        last = points
    u[status != Status.CONVERGED] = np.nan
    return u, status, total


def _solve(linear: LinearSolver, rows: Equations, at: Linearised) -> Array:
    """Solve for the step; a singular row becomes NaN, which the next residual reports."""
    try:
        return linear.solve(rows.system, at, at.residual)
    except (np.linalg.LinAlgError, RuntimeError):
        return np.full_like(at.residual, np.nan)
