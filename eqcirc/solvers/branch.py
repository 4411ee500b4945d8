"""Do nudged states lie on the branch of their free one? They are followed there, in small steps of the nudge.

The linear response (`solvers.response`) finds states that are far from where they should be. With N-shaped devices and
a beta near the conductance of an output, a state on another branch may happen to lie not far off. So answers that are
noticeably nonlinear are followed: beta grows in steps, and Newton's method starts each where the last two point. On a
branch the correction is a small part of a step; where the branch ends it is not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqcirc.solvers.base import Nudge
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.precision import FreeState
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

NOTICEABLE = 0.1  # of the expected move of a phase: answers that are less off are not followed
STEPS = 16
SMOOTH = 0.5  # of a step: larger corrections are jumps
FEW = 15  # Newton iterations of a step
SAME = 0.01  # of the move of a phase: how far the followed state may be from the one that was found
CLEAR = 100.0  # times the solver noise


def judge_branches(
    state: FreeState,
    linear: LinearSolver,
    u: Array,
    status: np.ndarray,
    messages: dict[int, str],
    nudge: Nudge,
    noise: Array,
) -> None:
    """Mark, in place, samples with a nudged phase that the free state does not lead to.

    Args:
        state: the free states, with the answer that is expected of them.
        linear: solver of their equations.
        u: (phase, row, n), the free phase first.
        status: (row,).
        messages: for failed samples.
        nudge: the nudge.
        noise: (row,) volts that the solver may be off by.
    """
    assert state.expected is not None
    moves = u[1:] - u[0]
    expected = np.array(nudge.factors)[:, None, None] * state.expected
    off, size = (np.linalg.norm(x, axis=2) for x in (moves - expected, expected))
    asked = ((off > NOTICEABLE * size) & (off > CLEAR * noise)).any(axis=0) & (status == Status.CONVERGED)
    rows = np.flatnonzero(asked)
    if not rows.size:
        return
    there = followed(state.equations.take(rows), linear, u[0][rows], state.expected[rows], nudge.take(rows))
    apart = np.linalg.norm(there - u[1:, rows], axis=2)
    same = apart <= SAME * np.linalg.norm(moves[:, rows], axis=2) + CLEAR * noise[rows]
    for k in rows[~same.all(axis=0)].tolist():
        status[k] = Status.WRONG_BRANCH
        messages[k] = f"{Status.WRONG_BRANCH.words} (followed from the free state, they end elsewhere)"


def followed(equations: Equations, linear: LinearSolver, u: Array, expected: Array, nudge: Nudge) -> Array:
    """Return nudged states (phase, row, n) that free ones u (row, n) lead to as beta grows; NaN where a branch ends."""
    here = np.tile(u, (len(nudge.factors), 1))
    step = np.concatenate([factor * expected for factor in nudge.factors]) / STEPS
    lost = np.zeros(len(here), bool)
    for k in range(1, STEPS + 1):
        part = equations.nudged(replace(nudge, beta=nudge.beta * k / STEPS))
        guess = here + step
        found = newton(part, linear, guess, most=FEW).u
        lost |= ~(np.linalg.norm(found - guess, axis=1) <= SMOOTH * np.linalg.norm(step, axis=1))
        found = np.where(lost[:, None], guess, found)
        here, step = found, found - here
    here[lost] = np.nan
    return here.reshape(len(nudge.factors), *u.shape)
