"""Do nudged states belong to the branch of the free one? To first order they answer oddly to ±beta."""

from __future__ import annotations

import numpy as np

from eqcirc.solvers.base import Nudge
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

BRANCH_LIMIT = 0.5
"""Largest |v₊ + v₋ − 2·v₀| / |v₊ − v₋| (over free nodes) of nudged states that still belong to their free state.

For an output of conductance g nudged by a conductance beta the ratio is beta/g; at beta = g the negative phase
has no bounded state at all.
"""
BRANCH_NOISE = 1e-9  # V; differences below it are rounding and say nothing about branches


def off_branch(u: Array) -> np.ndarray:
    """Return (batch,) true where the response to ±beta is not near odd. u: (3, batch, unknown), free, +, −."""
    free, plus, minus = u
    even = np.linalg.norm(plus + minus - 2 * free, axis=1)
    odd = np.linalg.norm(plus - minus, axis=1)
    return np.asarray(even > BRANCH_LIMIT * odd + BRANCH_NOISE)


def mark_branches(u: Array, status: np.ndarray, nudge: Nudge) -> None:
    """Set WRONG_BRANCH, in place, where u (phase, batch, n) does not answer oddly to ±beta; one-sided skips it."""
    if nudge.factors == (1.0, -1.0):
        good = np.flatnonzero(status == Status.CONVERGED)
        status[good[off_branch(u[:, good])]] = Status.WRONG_BRANCH
