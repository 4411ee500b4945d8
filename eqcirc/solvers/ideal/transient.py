"""Transients of the ideal circuit, by scipy's implicit backward differentiation formulas, and relaxation to rest.

All rows are integrated together, as one system whose Jacobian has a block for each.
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import OdeSolution, solve_ivp
from scipy.sparse import block_diag, csc_array

from eqcirc.solvers.base import Status
from eqcirc.solvers.dynamics import EQUAL, PARASITIC, Dynamics
from eqcirc.solvers.free_phase import ATTEMPTS, FIRST_HORIZON, LONGER, close
from eqcirc.solvers.ideal.elimination import LinearSolver
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.stability import stability
from eqcirc.typing import Array

RTOL, ATOL = 1e-4, 1e-7  # of a transient; a few microvolts decide no basin of attraction


class Motion:
    """dx/dt of some rows, ready for an integrator."""

    def __init__(self, dynamics: Dynamics) -> None:
        """Invert the storage; unknowns without any get a little."""
        self.dynamics = dynamics
        q = dynamics.storage.copy()
        own = np.diag(q)[: dynamics.n]
        missing = np.flatnonzero(own == 0)
        q[missing, missing] = PARASITIC * own[own > 0].min() if own.any() else EQUAL
        self._inverse = np.linalg.inv(q)

    def rate(self, x: Array) -> Array:
        """Return dx/dt (row, size)."""
        d = self.dynamics
        u = x[:, : d.n]
        at, _ = d.equations.linearise(u, d.system.multiply(u))
        return -d.flow(x, at) @ self._inverse.T

    def jacobian(self, x: Array) -> csc_array:
        """Return its derivative, one block for each row."""
        d = self.dynamics
        u = x[:, : d.n]
        at, _ = d.equations.linearise(u, d.system.multiply(u))
        return csc_array(block_diag(list(-self._inverse @ d.jacobian(at)), format="csc"))

    def run(self, x: Array, duration: float, *, dense: bool = False) -> tuple[Array, OdeSolution | None]:
        """Return the state (row, size) after a while, and the whole course if wanted."""
        shape = x.shape
        course = solve_ivp(
            lambda _, y: self.rate(y.reshape(shape)).ravel(),
            (0.0, duration),
            x.ravel(),
            method="BDF",
            jac=lambda _, y: self.jacobian(y.reshape(shape)),
            rtol=RTOL,
            atol=ATOL,
            dense_output=dense,
        )
        return course.y[:, -1].reshape(shape), course.sol


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
        x, _ = Motion(dynamics).run(x, duration)
        here = x[:, : dynamics.n]
        found, each, more = newton(dynamics.equations, linear, here)
        iterations += more
        arrived = (each == Status.CONVERGED) & close(found, here)
        if arrived.any():
            k = np.flatnonzero(arrived)
            part = Dynamics(dynamics.equations.take(k))
            arrived[k] = stability(part, found[k]).stable
        u[active[arrived]], status[active[arrived]] = found[arrived], Status.CONVERGED
        active, x = active[~arrived], x[~arrived]
        if not active.size:
            break
        dynamics = Dynamics(dynamics.equations.take(~arrived))
        duration *= LONGER
    return u, status, iterations
