"""Relaxation: the operating point that the ideal circuit comes to when it is switched on.

TR-BDF2: a step of the trapezoidal rule to t + γ·h, then one of the second backward difference formula to t + h, with
γ = 2 − √2. Both are implicit steps of length d·h, d = γ/2 (`companion`), from

    x + d·h·f             and             x + w·h·(f + f_γ),   w = √2/4,

f the slopes of the states. The error of a step is the difference to the third order formula that uses the same slopes.
Every row has a time and a step of its own, so that no sample depends on the others. No step is longer than a node that
runs away needs to grow by e: a longer implicit step would hold it where it is.

Source: Bank et al. 1985 (IEEE Trans. Electron Devices 32); Hosea & Shampine 1996 (Appl. Numer. Math. 20), the error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from eqcirc.solvers.dynamics import PARASITIC, Dynamics
from eqcirc.solvers.free_phase import MOST_STEPS, NEAR, near
from eqcirc.solvers.ideal.companion import Companions, Step
from eqcirc.solvers.ideal.newton import MOST_ITERATIONS, Solved, newton
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.stability import growth
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

GAMMA = 2 - math.sqrt(2)
D, W = GAMMA / 2, math.sqrt(2) / 4
ERROR = ((4 * W - 1) / 3, -1 / 3, 2 * D / 3)  # weights of the slopes at t, t + γ·h and t + h
ACCURATE = 1e-4  # of a state: error of a step
SMALL = 1e-3  # of the largest voltage (current) of a row: states below it have an absolute error
PRECISE = 1e-9  # of the largest voltage: how precisely a step is solved
FEW = 12  # Newton iterations; a step that needs more is too long
FIRST_MOVE = 1e-3  # of the largest voltage: no state moves further in the first step
SHORTEST = 1e-3  # of the fastest time constant, in the first step: what a junction that is overdriven asks for is less
FIRST_GROWTH = 0.1  # of what runs away, by e, in the first step
SHRINK, GROW = 0.2, 4.0  # factors between steps
RUNAWAY = (
    1e6  # times the largest voltage of the sources, 1 V at least: what gets there has no operating point
)
STUCK = 1e-14  # of the time, or of it in slowest time constants: steps, or waits, that lead nowhere
LATER = 1.3  # factor of time between two looks whether a row has arrived
QUIET = 0.05  # of a state, over a step: what moves more has not arrived
CALM = 10  # steps between two questions whether a node that runs away by itself does so in the circuit
WINDOW, BACK = 300, 4
"""Steps, and how often a state turns back in them: over so many, swings of what comes to rest become smaller."""
STEADY = 0.95  # part that is left of a swing then; after `MOST_STEPS`, such a swing would still be there
FENCE = 16.0
"""E-foldings at an unstable operating point after which only rounding will push a row off it: what lets a row seem to
be there, `NEAR` of a small state, has then grown from a part of 1e-13 of the largest voltage."""


@dataclass(frozen=True, eq=False)
class State:
    """Where rows are, and where they go.

    Attributes:
        u: (row, n) unknowns.
        i: (row, branch) currents.
        du: (row, n) and
        di: (row, branch) their slopes.
    """

    u: Array
    i: Array
    du: Array
    di: Array

    @property
    def x(self) -> Array:
        """All states (row, size)."""
        return np.concatenate([self.u, self.i], axis=1)

    def take(self, rows: np.ndarray) -> State:
        """Return some rows."""
        return State(self.u[rows], self.i[rows], self.du[rows], self.di[rows])

    def where(self, chosen: np.ndarray, other: State) -> State:
        """Return the rows of this one that are chosen, and those of another one."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return State(*(np.where(chosen[:, None], a, b) for a, b in pairs))


@dataclass(frozen=True, eq=False)
class UnderWay:
    """Rows that have not arrived.

    Attributes:
        number: (row,) which.
        t: (row,) their times in seconds.
        h: (row,) their next steps.
        look: (row,) when to look next whether they have arrived.
        fence: (row,) since when they are at an unstable operating point; NaN if they are not.
        most: (row,) longest step in seconds there: what grows by e; infinite elsewhere.
        calm: (row,) whether nothing runs away, though some node by itself would.
        state: where they are.
    """

    number: np.ndarray
    t: Array
    h: Array
    look: Array
    fence: Array
    most: Array
    calm: np.ndarray
    state: State

    def take(self, rows: np.ndarray) -> UnderWay:
        """Return some rows."""
        return UnderWay(
            self.number[rows],
            self.t[rows],
            self.h[rows],
            self.look[rows],
            self.fence[rows],
            self.most[rows],
            self.calm[rows],
            self.state.take(rows),
        )


class _Swings:
    """How far states of all rows swing over a window of steps, to tell oscillations from what comes to rest."""

    def __init__(self, x: Array) -> None:
        self._low, self._high = x.copy(), x.copy()
        self._low_before, self._high_before = np.full_like(x, -np.inf), np.full_like(x, np.inf)
        self._up, self._turns, self._steps = np.zeros(x.shape, bool), np.zeros(x.shape, int), 0

    def steady(self, rows: np.ndarray, x: Array, slopes: Array, least: Array) -> np.ndarray:
        """Note states and slopes (row, size) of some rows; return which of them swing on, at the end of a window.

        Swings below `least` (row, size) are none; and where some state still drifts, they may end.
        """
        self._low[rows], self._high[rows] = np.minimum(self._low[rows], x), np.maximum(self._high[rows], x)
        self._turns[rows] += self._up[rows] != (slopes > 0)
        self._up[rows] = slopes > 0
        self._steps += 1
        if self._steps % WINDOW:
            return np.zeros(len(rows), bool)
        low, high, low_before, high_before = (
            a[rows] for a in (self._low, self._high, self._low_before, self._high_before)
        )
        swing, down, up = high - low, low - low_before, high - high_before
        goes_on = (
            (swing > STEADY * (high_before - low_before)) & (swing > least) & (self._turns[rows] >= BACK)
        )
        drifts = (down * up > 0) & (np.minimum(np.abs(down), np.abs(up)) > least)
        self._low_before[rows], self._high_before[rows], self._turns[rows] = low, high, 0
        self._low[rows] = self._high[rows] = x
        return np.asarray(goes_on.any(axis=1) & ~drifts.any(axis=1))


@dataclass(frozen=True, eq=False)
class Relaxed(Solved):
    """Where transients ended, and when.

    Attributes:
        times: (row,) seconds until a row had arrived, or was given up.
        arrived: (row,) whether it came to rest at a stable operating point.
    """

    times: Array
    arrived: np.ndarray

    @property
    def stable(self) -> np.ndarray:
        """(row,) whether the point is known to be stable."""
        return self.arrived


def relax(dynamics: Dynamics, linear: LinearSolver, start: Array | None = None) -> Relaxed:
    """Let every row come to rest, from states `start` (row, size), by default with nothing charged.

    A row has arrived when a stable operating point is next to it, in all states; one that oscillates never does. A row
    that ends at an unstable one counts as converged here: who asks for stability is told why.
    """
    return _Relaxation(dynamics, linear).run(start)


class _Relaxation:
    def __init__(self, dynamics: Dynamics, linear: LinearSolver) -> None:
        self.dynamics, self.linear, self.iterations = dynamics, linear, 0
        self.companions = Companions(dynamics, PARASITIC)
        self.storage = np.abs(np.diag(dynamics.completed(PARASITIC)))
        self.volts = np.maximum(dynamics.supplied, SMALL)
        self.slow = float(dynamics.times().max())
        rows = len(dynamics.equations.injection)
        self.u, self.error = np.full((rows, dynamics.n), np.nan), np.full(rows, np.nan)
        self.status, self.times = np.full(rows, Status.NO_EQUILIBRIUM, np.int8), np.zeros(rows)
        self.arrived = np.zeros(rows, bool)

    def run(self, start: Array | None) -> Relaxed:
        way = self._begin(start)
        swings = _Swings(way.state.x)
        for step in range(MOST_STEPS):
            if not way.number.size:
                break
            if step % CALM == 0:
                way = replace(way, calm=self._calm(way))
            way = self._step(way)
            self.times[way.number] = way.t
            way = self._look(way)
            s, least = way.state, NEAR * self._scale(way.number, way.state.x)
            way = way.take(~swings.steady(way.number, s.x, np.concatenate([s.du, s.di], axis=1), least))
        return Relaxed(self.u, self.status, self.error, self.iterations, self.times, self.arrived)

    def _begin(self, start: Array | None) -> UnderWay:
        """Take the first step, one that moves hardly anything."""
        d = self.dynamics
        rows = np.arange(len(self.status))
        x = np.zeros((len(rows), d.size)) if start is None else start
        u, i = x[:, : d.n], x[:, d.n :]
        at, _ = d.bare.linearise(u)
        speed = (np.abs(d.flow(x, at)) / self.storage / self._scale(rows, x)).max(axis=1)
        fastest = d.fastest()
        h = np.where(
            speed > 0, np.maximum(FIRST_MOVE / np.maximum(speed, 1e-300), SHORTEST * fastest), fastest
        )
        h = np.minimum(np.minimum(h, self.slow), FIRST_GROWTH * self._longest(rows, u))
        state, _ = self._implicit(rows, h, u, i, None if start is None else u, MOST_ITERATIONS)
        failed = np.asarray(~np.isfinite(state.u).all(axis=1))
        state = State(u, i, np.zeros_like(u), np.zeros_like(i)).where(failed, state)
        never, any_step = np.full(len(rows), np.nan), np.full(len(rows), np.inf)
        t, look, calm = np.where(failed, 0.0, h), np.zeros(len(rows)), np.zeros(len(rows), bool)
        return UnderWay(rows, t, h, look, never, any_step, calm, state)

    def _scale(self, rows: np.ndarray, x: Array) -> Array:
        """Return what counts as large for every state (row, size) at x: the largest voltage, or its current."""
        d = self.dynamics
        volts = np.maximum(self.volts[rows], np.abs(x[:, : d.n]).max(axis=1))
        return np.asarray(volts[:, None] * d.units)

    def _implicit(
        self, rows: np.ndarray, tau: Array, u: Array, i: Array, guess: Array | None, most: int = FEW
    ) -> tuple[State, Step]:
        """Return the states after an implicit step tau (row,) from (u, i), NaN where none is found, and the step."""
        d = self.dynamics
        step = Step(self.companions, d.bare.take(rows), d.held[rows], tau, u, i)
        found = newton(step, self.companions.linear, guess, wanted=PRECISE, most=most)
        self.iterations += found.iterations
        currents = step.currents(found.u)
        slopes = (found.u - u) / tau[:, None], (currents - i) / tau[:, None]
        return State(found.u, currents, *slopes), step

    def _step(self, way: UnderWay) -> UnderWay:
        """Try a step of every row; take those that are precise enough."""
        s, rows = way.state, way.number
        h = np.where(way.calm, way.h, np.minimum(np.minimum(way.h, way.most), self._longest(rows, s.u)))
        k = h[:, None]
        middle, _ = self._implicit(
            rows, D * h, s.u + D * k * s.du, s.i + D * k * s.di, s.u + GAMMA * k * s.du
        )
        base = s.u + W * k * (s.du + middle.du), s.i + W * k * (s.di + middle.di)
        guess = middle.u + (1 - GAMMA) * k * middle.du
        found = np.asarray(np.isfinite(middle.u).all(axis=1))
        end, step = self._implicit(rows, D * h, *base, np.where(found[:, None], guess, s.u))
        found &= np.isfinite(end.u).all(axis=1)
        norm = np.full(len(rows), np.inf)
        if found.any():
            a, b, c = (weight * k for weight in ERROR)
            error_u, error_i = a * s.du + b * middle.du + c * end.du, a * s.di + b * middle.di + c * end.di
            left = step.take(found).damped(end.u[found], error_u[found], error_i[found])
            norm[found] = self._norm(
                rows[found], s.take(found).x, end.take(found).x, np.concatenate(left, axis=1)
            )
        taken = norm <= 1
        factor = np.clip(0.9 * np.maximum(norm, 1e-6) ** (-1 / 3), SHRINK, GROW)
        moved = near(end.x, s.x, self._scale(rows, s.x), QUIET)
        t = np.where(taken, way.t + h, way.t)
        look = np.where(taken & ~moved, np.maximum(way.look, t), way.look)
        return replace(way, t=t, h=h * factor, look=look, state=end.where(taken, s))

    def _norm(self, rows: np.ndarray, before: Array, after: Array, error: Array) -> Array:
        """Return the largest error (row,) of a state, in parts of what it may be."""
        size = np.maximum(np.abs(before), np.abs(after))
        allowed = ACCURATE * np.maximum(size, SMALL * self._scale(rows, after))
        return np.asarray((np.abs(error) / allowed).max(axis=1))

    def _longest(self, rows: np.ndarray, u: Array) -> Array:
        """Return the longest step (row,): nodes that lack conductance run away, by e in their C over what they lack."""
        d = self.dynamics
        at, _ = d.bare.take(rows).linearise(u)
        rate = np.maximum(-(d.system.diagonal + at.diagonal) / self.storage[: d.n], 0).max(axis=1)
        return np.asarray(np.divide(1, rate, out=np.full_like(rate, np.inf), where=rate > 0))

    def _calm(self, way: UnderWay) -> np.ndarray:
        """Return which rows take short steps for a node that runs away by itself, while the circuit holds it."""
        short = np.flatnonzero(way.h > self._longest(way.number, way.state.u))
        calm = np.zeros(len(way.number), bool)
        if short.size:
            calm[short] = growth(self.dynamics.take(way.number[short]), way.state.u[short]) < 0
        return calm

    def _look(self, way: UnderWay) -> UnderWay:
        """Look whether rows have arrived; return those that have not."""
        d, here = self.dynamics, way.state.x
        lost = np.abs(here[:, : d.n]).max(axis=1) > RUNAWAY * np.maximum(self.volts[way.number], 1.0)
        lost |= (way.h <= STUCK * way.t) | (way.t * STUCK > self.slow)
        due = np.flatnonzero((way.t > way.look) & ~lost)
        gone = lost.copy()
        if due.size:
            gone[due] = self._arrived(way, due)
        return way.take(~gone)

    def _arrived(self, way: UnderWay, due: np.ndarray) -> np.ndarray:
        """Return which of the rows `due` are done, after looking for an operating point next to them."""
        rows, x = way.number[due], way.state.x[due]
        d = self.dynamics.take(rows)
        found = newton(d.equations, self.linear, x[:, : d.n], most=2 * FEW)
        self.iterations += found.iterations
        there, scale = d.state(found.u), self._scale(rows, x)
        solved = np.isin(found.status, (Status.CONVERGED, Status.UNRESOLVED))
        close = solved & near(there, x, scale)
        judged = np.zeros(len(due))
        if close.any():
            judged[close] = growth(d.take(close), found.u[close])
        self.u[rows] = np.where(close[:, None], found.u, np.nan)
        self.status[rows] = np.where(close, found.status, Status.NO_EQUILIBRIUM)
        self.error[rows] = found.error
        unstable = np.flatnonzero(close & ~(judged < 0))
        if unstable.size:  # as fast as with the capacitors that nodes have here
            judged[unstable] = growth(d.take(unstable), found.u[unstable], PARASITIC)
        fence = np.where(close & ~(judged < 0), np.fmin(way.fence[due], way.t[due]), np.nan)
        way.look[due] = LATER * way.t[due]
        way.fence[due] = fence
        way.most[due] = np.where(close & (judged > 0), 1 / np.where(judged > 0, judged, 1.0), np.inf)
        self.arrived[rows] = close & (judged < 0)
        return np.asarray(self.arrived[rows] | ((way.t[due] - fence) * judged > FENCE))
