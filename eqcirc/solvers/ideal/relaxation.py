"""Relaxation: the operating point that the ideal circuit comes to when it is switched on."""

from __future__ import annotations

import numpy as np

from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.free_phase import ATTEMPTS, FIRST_HORIZON, LONGER, MOST_STEPS, close
from eqcirc.solvers.ideal.newton import Solved, newton
from eqcirc.solvers.ideal.transient import Motion
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.stability import stability
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

ALONE = MOST_STEPS // 3  # steps of a row that goes on alone, after all together have taken theirs


def relax(
    dynamics: Dynamics, linear: LinearSolver, x: Array | None = None, most_steps: int = MOST_STEPS
) -> Solved:
    """Let every row come to rest, from states x (row, size), by default with nothing charged.

    A row has arrived when Newton's method, from where it is, finds a stable operating point close by. One that
    oscillates never does. A row that ends at an unstable operating point counts as converged here: who asks for
    stability is told why.

    """
    rows = len(dynamics.equations.injection)
    u, status = np.full((rows, dynamics.n), np.nan), np.full(rows, Status.NO_EQUILIBRIUM, np.int8)
    error = np.full(rows, np.nan)
    active, iterations = np.arange(rows), 0
    x = np.zeros((rows, dynamics.size)) if x is None else x
    duration = FIRST_HORIZON * dynamics.slowest
    for _ in range(ATTEMPTS):
        x, finished = Motion(dynamics).settle(x, duration, most_steps)
        here = x[:, : dynamics.n]
        found = newton(dynamics.equations, linear, here)
        iterations += found.iterations
        near = (found.status == Status.CONVERGED) & close(found.u, here)
        u[active] = np.where(near[:, None], found.u, np.nan)
        error[active] = found.error
        status[active] = np.where(near, Status.CONVERGED, Status.NO_EQUILIBRIUM)
        stays = near.copy()
        if near.any():
            stays[near] = stability(Dynamics(dynamics.equations.take(near)), found.u[near]).stable
        active, x = active[~stays], x[~stays]
        if not active.size:
            break
        dynamics = Dynamics(dynamics.equations.take(~stays))
        if not finished:
            if rows > 1:  # one row that oscillates took the steps of all, and the others do not need many
                for k, row in enumerate(active):
                    alone = Dynamics(dynamics.equations.take(np.array([k])))
                    one = relax(alone, linear, x[k : k + 1], ALONE)
                    (u[row],), (status[row],), (error[row],) = one.u, one.status, one.error
                    iterations += one.iterations
            break
        duration *= LONGER
    return Solved(u, status, error, iterations)
