"""Newton's method for many rows at once, with SPICE's junction limiting; the size of its steps tells when to stop.

A step is J⁻¹·F in volts, the distance from the solution up to its square: where it was e after e' before, about e²/e'
is left. That Kirchhoff's law holds to rounding is asked for, too, and is not enough (`equations.PRECISION`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.solvers.equations import PRECISION, Linearised, Rows
from eqcirc.solvers.linear.base import LinearSolver, solve_rows
from eqcirc.solvers.precision import UNCERTAIN
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

MOST_ITERATIONS = 120
SEARCH_AFTER = (
    30  # iterations; piecewise laws can make full steps cycle, shorter ones that lead downhill end that
)
SHORTEST = 1e-2  # of a full step; where none leads downhill, rounding decides, and the whole one is taken
DOWNHILL = 1e-2  # of what a short step promises: what is left of Kirchhoff's law has to shrink by as much
EXACT = 1e-10  # of the largest voltage of a row: how much of an error is left at most
STALLED = 0.5  # of the step before: steps that shrink no faster are rounding, or do not converge
ROUNDING = 1e-3  # of the largest voltage: no rounding of a solvable system is larger


@dataclass(frozen=True, eq=False)
class Solved:
    """What Newton's method found.

    Attributes:
        u: (row, n) unknowns; NaN where it failed.
        status: (row,) of `Status`.
        error: (row,) largest error of a voltage that is left, in volts, as the last steps tell.
        iterations: of all rows together.
    """

    u: Array
    status: np.ndarray
    error: Array
    iterations: int

    @property
    def stable(self) -> np.ndarray:
        """(row,) whether the point is known to be stable; Kirchhoff's law alone says nothing."""
        return np.zeros(len(self.status), bool)


def newton(
    equations: Rows,
    linear: LinearSolver,
    start: Array | None = None,
    *,
    off: Array | None = None,
    moved: Array | None = None,
    wanted: Array | float = EXACT,
    most: int = MOST_ITERATIONS,
) -> Solved:
    """Solve F(u) = 0 for every row.

    Args:
        equations: the rows.
        linear: how to solve with the Jacobian.
        start: (row, n) first guess, near a solution; None starts cold, at 0 V.
        off: (row,) volts that `start` may be off, if it was found before: where Kirchhoff's law holds, that is it.
        moved: (row,) size in volts of the step that led to `start`, if it was one of Newton's method.
        wanted: error that may be left, as a part of the largest voltage; a number, or one for each row.
        most: iterations.
    """
    rows, n_rows = equations, len(equations.injection)
    x = np.zeros_like(rows.injection) if start is None else start
    # from the cold, a device across a rail counts as coming from 0 V, so that its exponential is limited
    last = [np.zeros((1, 1))] * len(rows.plan.junctions) if start is None else None
    step = np.full(n_rows, np.inf) if off is None else off
    before = np.full(n_rows, np.inf) if moved is None else moved
    part = np.broadcast_to(np.asarray(wanted, np.float64), n_rows)
    u, error = np.full_like(x, np.nan), np.full(n_rows, np.nan)
    status = np.full(n_rows, Status.NOT_CONVERGED, np.int8)
    active, total = np.arange(n_rows), 0
    for iteration in range(most):
        at, points = rows.linearise(x, last)
        total += len(active)
        broken = ~np.isfinite(at.residual).all(axis=1)
        known = np.isfinite(before) & (before > 0)
        left = step * np.minimum(1.0, np.divide(step, before, out=np.ones_like(step), where=known))
        stalled = (step >= STALLED * before) & (step <= ROUNDING * at.largest)
        ended = at.solved & ((left <= part * at.largest) | stalled)
        u[active[ended]], error[active[ended]] = x[ended], left[ended]
        sure = left[ended] <= UNCERTAIN * at.largest[ended]
        status[active[ended]] = np.where(sure, Status.CONVERGED, Status.UNRESOLVED)
        status[active[broken]] = Status.NONFINITE
        going = ~(ended | broken)
        if not going.any():
            break
        if not going.all():
            active, x, step, part = active[going], x[going], step[going], part[going]
            rows, at, points = rows.take(going), at.take(going), [p[going] for p in points]
        dx = solve_rows(linear, rows.system, at, at.residual)
        x = x - (dx if iteration < SEARCH_AFTER else _shortened(rows, x, dx, at))
        before, step = step if iteration or moved is None else moved[active], np.abs(dx).max(axis=1)
        last = points
    return Solved(u, status, error, total)


def _shortened(rows: Rows, x: Array, dx: Array, at: Linearised) -> Array:
    """Return steps (row, n) along dx that lead downhill; where devices are limited, these are shortened already.

    Newton's direction leads downhill in every norm of F, so F counts in volts over the conductance around.
    """
    size = PRECISION * at.largest[:, None] / at.tolerance
    height, part = np.linalg.norm(at.residual * size, axis=1), np.ones(len(x))
    trying = np.flatnonzero(~at.limited)
    while trying.size:
        with np.errstate(over="ignore", invalid="ignore"):
            there, _ = rows.take(trying).linearise(x[trying] - part[trying, None] * dx[trying])
            reached = np.linalg.norm(there.residual * size[trying], axis=1)
        high = ~(reached <= (1 - DOWNHILL * part[trying]) * height[trying])
        part[trying] = np.where(high, part[trying] / 2, part[trying])
        lost = part[trying] < SHORTEST
        part[trying[lost]] = 1.0
        trying = trying[high & ~lost]
    return np.asarray(part[:, None] * dx)
