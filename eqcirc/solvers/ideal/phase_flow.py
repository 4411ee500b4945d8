"""Where an oscillator network comes to rest: its flow C·dφ/dt = −F(φ) in large steps, then Newton's method.

ROS2, a linearly implicit rule of second order, with the Jacobian of `phases` and γ = 1 − 1/√2 (L-stable):

    (C/(γ·h) + J)·k1 = −F(φ)/γ,     (C/(γ·h) + J)·k2 = −F(φ + k1)/γ − 2·C·k1/(γ·h),     φ + (3·k1 + k2)/2

The error of a step is the difference to the first order result φ + k1. Every row has a time and a step of its own. The
way only has to lead into the right basin, so it is followed in single precision; where it ends, Newton's method decides
in double precision, and a row counts as settled only if the state is a minimum of the energy and next to the end of the
way. Other rows get a second, precise way.

Source: Verwer et al. 1999 (SIAM J. Sci. Comput. 20, 1456), ROS2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from eqcirc.solvers.free_phase import wrapped
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.ideal.phases import Coupled, Factors, PhaseElimination, PhaseEquations, PhasePlan, Point
from eqcirc.solvers.ideal.relaxation import Relaxed
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

GAMMA = 1 - 1 / math.sqrt(2)
FIRST_MOVE = 0.1  # rad
SHRINK, GROW = 0.2, 6.0  # factors between steps
LONGEST = 1e6  # of the time constant of all that pulls at a phase; in single precision more is no number
TURN = 2 * math.pi  # rad
FAR = 0.1
"""rad; between the end of a way and the state that Newton's method finds there: more is another basin."""


class Care(NamedTuple):
    """How carefully a way is followed.

    Attributes:
        error: of a step, in radians.
        still: a row that moves less in a step, in radians,
        wait: which is longer than this part of its time, has arrived.
        steps: at most.
        precision: of the numbers.
    """

    error: float
    still: float
    wait: float
    steps: int
    precision: type[np.floating]


WAYS = (Care(0.1, 1e-2, 0.5, 200, np.float32), Care(2e-2, 1e-3, 0.5, 400, np.float64))


def settle(equations: PhaseEquations, linear: PhaseElimination, start: Array) -> Relaxed:
    """Let every row come to rest, from phases `start` (row, n)."""
    rows = len(start)
    u, error = np.full_like(start, np.nan), np.full(rows, np.nan)
    status, settled = np.full(rows, Status.NO_EQUILIBRIUM, np.int8), np.zeros(rows, bool)
    times = np.zeros(rows)
    left, total = np.arange(rows), 0
    for care in WAYS:
        part = equations.take(left)
        end, times[left], arrived, steps = _way(part, start[left], care)
        end = wrapped(end, TURN)
        found = newton(part, linear, end)
        total += steps + found.iterations
        near = arrived & (found.status == Status.CONVERGED) & (np.abs(found.u - end).max(axis=1) <= FAR)
        stays = near.copy()
        if near.any():
            at, _ = part.take(near).linearise(found.u[near])
            stays[near] = linear.definite(part.system, at)
        u[left], error[left] = np.where(near[:, None], found.u, np.nan), found.error
        status[left] = np.where(
            stays, Status.CONVERGED, np.where(near, Status.UNSTABLE, Status.NO_EQUILIBRIUM)
        )
        settled[left] = stays
        left = left[~stays]
        if not left.size:
            break
    return Relaxed(u, status, error, total, times, settled)


def _way(equations: PhaseEquations, start: Array, care: Care) -> tuple[Array, Array, np.ndarray, int]:
    """Follow the flow; return where rows are (row, n), when, whether they have arrived (row,), and all steps.

    Where nothing moves, but the energy is no minimum, a row stands at a saddle that it will leave: an implicit step
    much longer than that takes would hold it there, so its steps are short enough for C/(γ·h) + J to be definite.
    """
    phases, kind = equations.phases, care.precision
    values = Coupled(*(np.asarray(x, kind) for x in equations.values))
    u, field = (np.array(x, kind) for x in (start, equations.field))
    end, times, arrived = start.copy(), np.zeros(len(u)), np.zeros(len(u), bool)
    active, leaving, total = np.arange(len(u)), np.zeros(len(u), bool), 0
    at = phases.at(values, u, field)
    fastest = np.abs(at.residual / values.storage).max(axis=1)
    h = (FIRST_MOVE / np.maximum(fastest, kind(1e-3))).astype(kind)
    t = np.zeros_like(h)
    pulls = (np.abs(equations.field) + equations.linked).max(axis=1)
    longest = (LONGEST * values.storage.max() / np.where(pulls > 0, pulls, 1)).astype(kind)
    for _ in range(care.steps):
        total += len(active)
        move, error = _step(phases, values, u, field, at, h, leaving)
        good = error <= care.error
        u = np.where(good[:, None], u + move, u)
        t = np.where(good, t + h, t)
        done = good & (np.abs(move).max(axis=1) < care.still) & (h > care.wait * t)
        factor = np.clip(0.9 * np.sqrt(care.error / np.maximum(error, 1e-12)), SHRINK, GROW)
        h = np.minimum((h * factor).astype(kind), longest)
        at = phases.at(values, u, field)
        if done.any():
            definite = phases.definite(*phases.factorise(values, Point(*(x[done] for x in at))))
            leaving[done] = ~definite
            done[done] = definite
            end[active[done]], times[active[done]], arrived[active[done]] = u[done], t[done], True
            on = ~done
            active, leaving, u, field, h, t, longest = (
                x[on] for x in (active, leaving, u, field, h, t, longest)
            )
            at = Point(*(x[on] for x in at))
        if not active.size:
            break
    end[active], times[active] = u, t
    return end, times, arrived, total


def _step(
    phases: PhasePlan, values: Coupled, u: Array, field: Array, at: Point, h: Array, leaving: np.ndarray
) -> tuple[Array, Array]:
    """Return the move (row, n) of a step h (row,), and its error (row,) in radians; infinite for steps too long."""
    more = values.storage / (GAMMA * h[:, None])
    pivots, factors = phases.factorise(values, at, more)
    first = phases.solve(values, at, factors, at.residual * (-1 / GAMMA))
    there = phases.at(values, u + first, field).residual
    second = phases.solve(values, at, factors, there * (-1 / GAMMA) - 2 * more * first)
    error = 0.5 * np.abs(first + second).max(axis=1)
    fine = (pivots > 0).all(axis=1) & np.isfinite(error)
    if leaving.any():
        some = Factors(*(x[leaving] for x in factors))
        fine[leaving] &= phases.definite(pivots[leaving], some)
    return 1.5 * first + 0.5 * second, np.where(fine, error, np.inf)
