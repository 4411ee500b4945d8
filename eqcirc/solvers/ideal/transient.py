"""Transients of the ideal circuit, by scipy's implicit backward differentiation formulas.

All rows are integrated together, as one system whose Jacobian has a block for each.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.integrate import BDF
from scipy.sparse import block_diag, coo_array, csc_array, csr_array, diags_array

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.errors import SolverError
from eqcirc.solvers.dynamics import PARASITIC, Dynamics
from eqcirc.solvers.equations import Equations, Linearised
from eqcirc.solvers.linear.choice import SPARSE_FILL, SPARSE_KEPT
from eqcirc.solvers.stability import growth
from eqcirc.solvers.waveforms import Course, Waveforms
from eqcirc.typing import Array

RTOL, ATOL = 1e-4, 1e-7  # a few microvolts decide no basin of attraction
MOST_STEPS = 200_000
"""Of a transient; what needs more would take minutes. A step takes a millisecond or so."""
STEEPEST = (
    1e100  # S; trial steps think up volts across a junction, and what has no number cannot be factorised
)
FIRST_MOVE = 1e-3  # V (or A): no state moves further in the first step
FAITHFUL = 1e-3  # of the smallest capacitance: stands at bare unknowns in a transient that is looked at
SMALL = 1e-3  # V; voltages below it have an absolute accuracy
STALLED = 1e-5  # of the duration: a step that makes one ask whether anything moves still
RESTING = 10  # points of what is at rest until the end


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
        at, _ = d.bare.linearise(u)
        return -np.asarray(self._inverse @ d.flow(x, at).T).T

    def jacobian(self, x: Array) -> csc_array:
        """Return its derivative, one block for each row."""
        d = self.dynamics
        u = x[:, : d.n]
        at, _ = d.bare.linearise(u)
        at = replace(at, diagonal=_finite(at.diagonal), beside=_finite(at.beside))
        nodal = d.jacobian(at) if self._matrix is None else self._sparse(self._matrix, at)
        blocks = [csr_array(self._inverse @ -k) for k in nodal]  # a dense block would keep its zeros
        return csc_array(block_diag(blocks, format="csc"))

    def _sparse(self, m: csr_array, at: Linearised) -> list[csr_array]:
        """Return K of every row of a large lattice, which has no branches."""
        pairs = self.dynamics.plan.pairs
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
    ) -> tuple[Array, Array, Array]:
        """Return the state (row, size) after a while, and the way: instants (time,) and states (time, row·size).

        Args:
            x: (row, size) where to start.
            duration: seconds.
            rtol: relative error of a step.
            atol: absolute error, a number or one for each state.
            longest_step: seconds.

        Raises:
            SolverError: the integrator gave up, or it would take too many steps.
        """
        fun, options = self._problem(x, duration)
        times, states, said = [0.0], [x.ravel()], None
        with np.errstate(over="ignore", invalid="ignore"):  # of trial steps, which are taken back
            solver = BDF(
                fun, 0.0, x.ravel(), duration, rtol=rtol, atol=atol, max_step=longest_step, **options
            )
            while solver.status == "running" and len(times) <= MOST_STEPS:
                said = solver.step()
                times.append(solver.t)
                states.append(solver.y)
                if solver.h_abs < STALLED * duration and self._rests(
                    solver.y.reshape(x.shape), duration, atol
                ):
                    rest = np.linspace(solver.t, duration, RESTING + 1)[1:]
                    ways = np.concatenate([states, np.tile(solver.y, (RESTING, 1))])
                    return solver.y.reshape(x.shape), np.concatenate([times, rest]), ways
        if solver.status != "finished":
            raise SolverError(
                f"the transient of {self.dynamics.plan.circuit.name!r} stopped at {solver.t:.3g} of {duration:.3g} s "
                f"after {len(times) - 1} steps: {said or 'something in it is very much faster'}; follow it for a "
                "shorter time, or with less accuracy"
            )
        return solver.y.reshape(x.shape), np.array(times), np.array(states)

    def _rests(self, x: Array, duration: float, atol: float | Array) -> bool:
        """Return whether nothing moves at x (row, size), nor will.

        Newton's method of scipy's BDF takes what rounding leaves there for divergence, and steps become ever shorter.
        """
        still = bool((np.abs(self.rate(x)) * duration <= atol).all())
        return still and bool((growth(self.dynamics, x[:, : self.dynamics.n]) < 0).all())

    def _problem(self, x: Array, duration: float) -> tuple[Callable[[float, Array], Array], dict[str, Any]]:
        """Return the rate of one long state, as integrators want it, and its Jacobian and first step.

        The first step is ours: scipy's guess looks ahead, into voltages where exponentials overflow.
        """
        shape, fastest = x.shape, np.abs(self.rate(x)).max()
        return lambda _, y: self.rate(y.reshape(shape)).ravel(), {
            "jac": lambda _, y: self.jacobian(y.reshape(shape)),
            "first_step": min(duration, FIRST_MOVE / fastest) if fastest > 0 else duration,
        }


def _finite(slopes: Array) -> Array:
    return np.clip(np.nan_to_num(slopes), -STEEPEST, STEEPEST)


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
    atol = volts * dynamics.units
    _, times, states = Motion(dynamics, FAITHFUL).run(
        start[None],
        course.duration,
        rtol=course.accuracy,
        atol=atol,
        longest_step=course.duration / course.steps,
    )
    u, currents = np.split(states, [dynamics.n], axis=1)
    voltages = plan.expand(u[None], np.repeat(held, len(u), axis=0))[0]
    return Waveforms(circuit, times, voltages, currents, time.perf_counter() - began)
