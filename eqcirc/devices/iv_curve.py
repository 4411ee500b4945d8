"""Current-voltage curves of N-shaped devices, measured or computed, and where they turn.

The peak and the valley are the ends of the largest fall of the current, each refined by a parabola through the
points around it, so that noise moves them little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from eqcirc.errors import DataError
from eqcirc.typing import Array

LEAST_POINTS = 12
LEAST_FALL = 0.1  # of the peak current: noise falls less, tunnel diodes more
AROUND = 0.05  # of the fall: so near an extremum in current are the points that refine it


class Point(NamedTuple):
    """A point of a curve, in volts and amperes."""

    voltage: float
    current: float


@dataclass(frozen=True, eq=False)
class IVCurve:
    """A curve; construction sorts it by voltage.

    Attributes:
        voltage: (n,) in volts.
        current: (n,) in amperes.
        name: for messages.
    """

    voltage: Array
    current: Array
    name: str = "I-V curve"

    def __post_init__(self) -> None:
        """Check and sort."""
        v, i = (np.asarray(x, np.float64) for x in (self.voltage, self.current))
        if v.ndim != 1 or v.shape != i.shape:
            raise DataError(
                f"{self.name}: expected as many voltages as currents, got shapes {v.shape} and {i.shape}"
            )
        bad = np.flatnonzero(~(np.isfinite(v) & np.isfinite(i)))
        if bad.size:
            k = int(bad[0])
            raise DataError(
                f"{self.name}: expected finite numbers, got {v[k]:g} V, {i[k]:g} A at point {k} (counted from 0), "
                f"{bad.size} such point(s) in all; repair or drop them"
            )
        if len(v) < LEAST_POINTS:
            raise DataError(
                f"{self.name}: expected at least {LEAST_POINTS} points, got {len(v)}; measure more"
            )
        order = np.argsort(v, kind="stable")
        object.__setattr__(self, "voltage", v[order])
        object.__setattr__(self, "current", i[order])

    @property
    def peak(self) -> Point:
        """Where the current begins to fall."""
        return self._turns[0]

    @property
    def valley(self) -> Point:
        """Where it rises again."""
        return self._turns[1]

    @cached_property
    def _turns(self) -> tuple[Point, Point]:
        v, i = self.voltage[self.voltage >= 0], self.current[self.voltage >= 0]
        if not len(v):
            raise DataError(
                f"{self.name}: expected forward voltages (above 0 V), got none; is it connected the other way?"
            )
        smooth = _running_mean(i, 2 * (len(i) // 100) + 1)
        fall = np.maximum.accumulate(smooth) - smooth
        last = int(np.argmax(fall))
        first = int(np.argmax(smooth[: last + 1]))
        if fall[last] <= LEAST_FALL * smooth[first]:
            raise DataError(
                f"{self.name}: expected a falling part, but above 0 V the current never falls by more than "
                f"{LEAST_FALL:.0%}; this is no N-shaped device, or its circuit oscillated while it was measured"
            )
        if last == len(v) - 1:
            raise DataError(
                f"{self.name}: the current still falls at the last voltage, {v[-1]:g} V; measure beyond the valley"
            )
        near = AROUND * fall[last]
        return _extremum(v, i, smooth >= smooth[first] - near, first), _extremum(
            v, i, smooth <= smooth[last] + near, last
        )


def _running_mean(x: Array, width: int) -> Array:
    """Return the mean over `width` (odd) points around each; fewer at the ends."""
    ones = np.ones(width)
    return np.asarray(np.convolve(x, ones, "same") / np.convolve(np.ones(len(x)), ones, "same"))


def _extremum(v: Array, i: Array, near: np.ndarray, at: int) -> Point:
    """Return the vertex of a parabola through the unbroken run of `near` points that holds `at`."""
    breaks = np.flatnonzero(~near)
    start = int(breaks[breaks < at].max(initial=-1)) + 1
    stop = int(breaks[breaks > at].min(initial=len(v)))
    here, there = v[start:stop], i[start:stop]
    if len(np.unique(here)) >= 4:
        parabola = np.polynomial.Polynomial.fit(here, there, 2)
        vertex = float(parabola.deriv().roots().real[0])
        if here[0] <= vertex <= here[-1]:
            return Point(vertex, float(parabola(vertex)))
    return Point(float(v[at]), float(i[at]))
