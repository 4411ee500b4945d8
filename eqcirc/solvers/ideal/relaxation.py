"""Relaxation: the operating point that the ideal circuit comes to when it is switched on."""

from __future__ import annotations

import numpy as np

from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.free_phase import ATTEMPTS, FIRST_HORIZON, LONGER, MOST_STEPS, close
from eqcirc.solvers.ideal.elimination import LinearSolver
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.ideal.transient import Motion
from eqcirc.solvers.stability import stability
from eqcirc.solvers.status import Status
from eqcirc.typing import Array


def relax(dynamics: Dynamics, linear: LinearSolver) -> tuple[Array, np.ndarray, int]:
    """Let every row come to rest, starting with nothing charged.

    A row has arrived when Newton's method, from where it is, finds a stable operating point close by. One that
    oscillates never does.

    Returns:
        operating points u (row, n), status (row,), Newton iterations.
    """
    rows = len(dynamics.equations.injection)
    u, status = np.full((rows, dynamics.n), np.nan), np.full(rows, Status.NO_EQUILIBRIUM, np.int8)
    active, x, iterations = np.arange(rows), np.zeros((rows, dynamics.size)), 0
    duration = FIRST_HORIZON * dynamics.slowest
    for _ in range(ATTEMPTS):
        x, finished = Motion(dynamics).settle(x, duration, MOST_STEPS)
        found, state, more = _at_rest(dynamics, linear, x[:, : dynamics.n])
        u[active], status[active] = found, state
        iterations += more
        moving = state != Status.CONVERGED
        if not finished and len(active) > 1:  # one row that oscillates took the steps of all
            for k in np.flatnonzero(moving):
                alone = Dynamics(dynamics.equations.take(np.array([k])))
                (u[active[k]],), (status[active[k]],), more = relax(alone, linear)
                iterations += more
        if not finished or not moving.any():
            break
        active, x = active[moving], x[moving]
        dynamics = Dynamics(dynamics.equations.take(moving))
        duration *= LONGER
    return u, status, iterations


def _at_rest(dynamics: Dynamics, linear: LinearSolver, here: Array) -> tuple[Array, np.ndarray, int]:
    """Return operating points close to voltages here (row, n), NaN where there is none, status, and iterations."""
    found, state, iterations = newton(dynamics.equations, linear, here)
    near = (state == Status.CONVERGED) & close(found, here)
    status = np.where(near, Status.CONVERGED, Status.NO_EQUILIBRIUM).astype(np.int8)
    k = np.flatnonzero(near)
    if k.size:
        stays = stability(Dynamics(dynamics.equations.take(k)), found[k]).stable
        status[k[~stays]] = Status.UNSTABLE
    return np.where(near[:, None], found, np.nan), status, iterations
