"""What a nudge should do: the linear response of the free state, which measured contrasts are held against.

To first order in beta the nudge −f·beta·dC/dv of a phase with factor f moves the unknowns by

    f·delta,   J(u₀)·delta = −beta·dC/dv ,

whatever the circuit. The slope of the nudged states over f, which is what Equilibrium Propagation contrasts, is delta
up to beta² (or beta, where only one sign is nudged). A slope that is far from delta is no derivative: the states lie on
different branches, beta is too large for the curves of the devices, or too small for the precision of the solver. This
holds any solver against Kirchhoff's law alone, and each sample by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.solvers.base import Nudge
from eqcirc.solvers.precision import FreeState
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

NONLINEAR = 0.5
"""Of the linear response: how far the measured one may be from it, and how uneven the answers to ±beta.

For an output of conductance g nudged by a conductance beta it is of the order of beta/g; at beta = g the negative phase
has no bounded state at all.
"""
EVEN_NOISE = 1e-9  # V; unevenness below it is rounding and says nothing about branches
NOISY = 0.1  # of the linear response: solver noise above it drowns the contrast
CLEAR = 100.0  # times the solver noise: what is larger is none
NEGLIGIBLE = 1e-3  # of the cost's typical gradient: noise that looks like less of an error spoils no training


@dataclass(frozen=True, eq=False)
class Response:
    """Of every free state.

    Attributes:
        expected: (row, n) delta, for a factor of 1.
        pull: (row,) largest |dC/doutput|.
        typical: (row,) what that is for an ordinary error, see `Cost.typical`.
    """

    expected: Array
    pull: Array
    typical: Array

    @classmethod
    def of(cls, state: FreeState, nudge: Nudge) -> Response:
        """Return the linear response of free states that were looked at with this nudge."""
        assert state.expected is not None
        _, gradient, outputs = state.equations.pull(state.u, nudge)
        return cls(state.expected, np.abs(gradient).max(axis=1), nudge.cost.typical(outputs, nudge.targets))

    @property
    def size(self) -> Array:
        """(row,) largest expected move of an unknown, in volts."""
        return np.asarray(np.abs(self.expected).max(axis=1))

    def start(self, u: Array, nudge: Nudge) -> Array:
        """Return where the nudged phases should be (phase·row, n), phase by phase; NaN becomes the free state."""
        moves = np.nan_to_num(self.expected)
        return np.concatenate([u + factor * moves for factor in nudge.factors])

    def judge(
        self, u: Array, status: np.ndarray, messages: dict[int, str], nudge: Nudge, noise: Array
    ) -> Array:
        """Mark, in place, samples whose contrast is no derivative.

        Args:
            u: (phase, row, n), the free phase first.
            status: (row,).
            messages: for failed samples.
            nudge: the nudge.
            noise: (row,) volts that the solver may be off by.

        Returns:
            (row,) distance of the measured response from the linear one, as a part of it; NaN where noise hides it.
        """
        factors = np.array(nudge.factors)
        slope = np.tensordot(factors, u[1:] - u[0], axes=1) / (factors @ factors)
        size, distance = (np.linalg.norm(x, axis=1) for x in (self.expected, slope - self.expected))
        clear = (noise <= NOISY * size) | (distance > CLEAR * noise)
        wrong = (distance > NONLINEAR * size) & clear | _uneven(u, factors, CLEAR * noise)
        good, drowned = status == Status.CONVERGED, self._drowned(noise, size)
        with np.errstate(divide="ignore", invalid="ignore"):
            off = np.where(good & (noise <= NOISY * size), distance / size, np.nan)
        for k in np.flatnonzero(good & (wrong | drowned)).tolist():
            if wrong[k]:
                status[k] = Status.WRONG_BRANCH
                messages[k] = (
                    f"{Status.WRONG_BRANCH.words} (off the linear response by {distance[k] / size[k]:.0%})"
                )
            else:
                status[k] = Status.UNRESOLVED
                messages[k] = (
                    f"beta = {nudge.beta:g} is too small: it moves the voltages by {size[k]:.1e} V, and they are known "
                    f"to {noise[k]:.1e} V"
                )
        return off

    def share(self, noise: Array) -> Array:
        """Return (row,) what part of the response noise (row,) in volts is; infinite where there is no response."""
        size = np.linalg.norm(self.expected, axis=1)
        return np.asarray(np.divide(noise, size, out=np.full_like(noise, np.inf), where=size > 0))

    def _drowned(self, noise: Array, size: Array) -> np.ndarray:
        """(row,) whether noise hides what matters; that there is next to nothing to learn is no fault."""
        matters = NEGLIGIBLE * self.typical
        return np.asarray(
            (noise > NOISY * size) & (self.pull > matters) & (noise * self.pull > matters * size)
        )


def _uneven(u: Array, factors: Array, noise: Array) -> np.ndarray:
    """Return (row,) whether |v₊ + v₋ − 2·v₀| is above noise and beyond a part of |v₊ − v₋|, where ±beta is nudged."""
    if factors.tolist() != [1.0, -1.0]:
        return np.zeros(u.shape[1], bool)
    free, plus, minus = u
    even = np.linalg.norm(plus + minus - 2 * free, axis=1)
    odd = np.linalg.norm(plus - minus, axis=1)
    return np.asarray(even > NONLINEAR * odd + np.maximum(EVEN_NOISE, noise))
