"""Transients of the ideal circuit, by scipy's implicit backward differentiation formulas, and relaxation to rest.

All rows are integrated together, as one system whose Jacobian has a block for each.
"""

from __future__ import annotations

import time

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import OptimizeResult
from scipy.sparse import block_diag, coo_array, csc_array, csr_array, diags_array

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.errors import SolverError
from eqcirc.solvers.dynamics import PARASITIC, Dynamics
from eqcirc.solvers.equations import Equations, Linearised
from eqcirc.solvers.free_phase import ATTEMPTS, FIRST_HORIZON, LONGER, close
from eqcirc.solvers.ideal.choice import SPARSE_FILL, SPARSE_KEPT
from eqcirc.solvers.ideal.elimination import LinearSolver
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.stability import stability
from eqcirc.solvers.status import Status
from eqcirc.solvers.waveforms import Course, Waveforms
from eqcirc.typing import Array

RTOL, ATOL = 1e-4, 1e-7  # of a relaxation; a few microvolts decide no basin of attraction
FAITHFUL = 1e-3  # of the smallest capacitance: stands at bare unknowns in a transient that is looked at
SMALL = 1e-3  # V; voltages below it have an absolute accuracy


class Motion:
    """dx/dt of some rows, ready for an integrator."""

    def __init__(self, dynamics: Dynamics, parasitic: float = PARASITIC) -> None:
        """Invert the storage; unknowns without any get this share of the smallest."""
        self.dynamics = dynamics
        q = dynamics.completed(parasitic)
        own = np.diag(q)
        separate = np.array_equal(q, np.diag(own))  # a large lattice has its inverse at once, and sparse
        self._inverse = csr_array(np.diag(1 / own) if separate else np.linalg.inv(q))
        m = csr_array(dynamics.system.matrix)
        lattice = dynamics.n > SPARSE_KEPT and m.nnz < SPARSE_FILL * dynamics.n**2 and not dynamics.n_branches
        self._matrix = m if lattice else None

    def rate(self, x: Array) -> Array:
        """Return dx/dt (row, size)."""
        d = self.dynamics
        u = x[:, : d.n]
        at, _ = d.equations.linearise(u, d.system.multiply(u))
        return -np.asarray(self._inverse @ d.flow(x, at).T).T

    def jacobian(self, x: Array) -> csc_array:
        """Return its derivative, one block for each row."""
        d = self.dynamics
        u = x[:, : d.n]
        at, _ = d.equations.linearise(u, d.system.multiply(u))
        nodal = d.jacobian(at) if self._matrix is None else self._sparse(self._matrix, at)
        blocks = [csr_array(self._inverse @ -k) for k in nodal]  # a dense block would keep its zeros
        return csc_array(block_diag(blocks, format="csc"))

    def _sparse(self, m: csr_array, at: Linearised) -> list[csr_array]:
        """Return K of every row of a large lattice, which has no branches."""
        pairs = self.dynamics.equations.pairs
        beside = [coo_array((entries, pairs), shape=m.shape) for entries in at.beside]
        return [m + diags_array(own) + rest for own, rest in zip(at.diagonal, beside, strict=True)]

    def run(
        self,
        x: Array,
        duration: float,
        *,
        rtol: float = RTOL,
        atol: float | Array = ATOL,
        longest_step: float = np.inf,
    ) -> tuple[Array, OptimizeResult]:
        """Return the state (row, size) after a while, and scipy's account of the way: instants t and states y.

        Args:
            x: (row, size) where to start.
            duration: seconds.
            rtol: relative error of a step.
            atol: absolute error, a number or one for each state.
            longest_step: seconds.
        """
        shape = x.shape
        course = solve_ivp(
            lambda _, y: self.rate(y.reshape(shape)).ravel(),
            (0.0, duration),
            x.ravel(),
            method="BDF",
            jac=lambda _, y: self.jacobian(y.reshape(shape)),
            rtol=rtol,
            atol=atol,
            max_step=longest_step,
        )
        return course.y[:, -1].reshape(shape), course


def follow(plan: Reduction, course: Course) -> Waveforms:
    """Integrate a course.

    Raises:
        SolverError: the integrator gave up.
    """
    began, circuit = time.perf_counter(), plan.circuit
    held = course.held(circuit)
    dynamics = Dynamics(Equations(ReducedSystem(plan, course.parameters), held))
    start = np.concatenate([plan.collect(course.voltages(circuit)), course.branch_currents(circuit)])
    volts = SMALL * course.accuracy
    atol = np.concatenate([np.full(dynamics.n, volts), volts / np.diag(dynamics.resistance)])
    _, way = Motion(dynamics, FAITHFUL).run(
        start[None],
        course.duration,
        rtol=course.accuracy,
        atol=atol,
        longest_step=course.duration / course.steps,
    )
    if not way.success:
        raise SolverError(
            f"the transient of {circuit.name!r} stopped at {way.t[-1]:.3g} of {course.duration:.3g} s: "
            f"{way.message}"
        )
    u, currents = np.split(way.y.T, [dynamics.n], axis=1)
    voltages = plan.expand(u[None], np.repeat(held, len(u), axis=0))[0]
    return Waveforms(circuit, way.t, voltages, currents, time.perf_counter() - began)


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
        status[active] = Status.NO_EQUILIBRIUM
        if arrived.any():
            k = np.flatnonzero(arrived)
            part = Dynamics(dynamics.equations.take(k))
            arrived[k] = stability(part, found[k]).stable
            u[active[k]] = found[k]
            status[active[k]] = np.where(arrived[k], Status.CONVERGED, Status.UNSTABLE)
        active, x = active[~arrived], x[~arrived]
        if not active.size:
            break
        dynamics = Dynamics(dynamics.equations.take(~arrived))
        duration *= LONGER
    return u, status, iterations
