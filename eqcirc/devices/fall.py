"""Whether the fall of a measured curve is that of a device, or of a circuit that jumped or oscillated meanwhile.

A device falls from its peak to its valley most steeply in between. A circuit that oscillates there shows a mean current
instead, a shelf that hardly falls; one with several operating points jumps. Points of either say nothing of the device.

Shelf   at least `WIDE` of the way from peak to valley, away from both, over which the current surely falls less than
        half as steeply as on average; it was 0.86 times the average at least, in all published and computed curves
Jump    `JUMP` of the fall or more from one point to the next, more than `STEEP` times as steep as on average
Gap     half of the fall or more from one point to the next, however far: nothing is wrong, but nothing is known
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eqcirc.devices.iv_curve import IVCurve
from eqcirc.typing import Array

WIDE, LEAST = 0.2, 4  # of the way from peak to valley, and points
FLAT, SURELY = 0.5, 3.0  # of the average slope, by so many standard errors
JUMP, STEEP, GAP = 0.2, 5.0, 0.5
MIDDLE = (0.12, 0.92)  # of the fall above the valley: what is beyond belongs to valley and peak
SUSPECT = (0.1, 0.9)  # the same, of the points that a shelf or a jump makes worthless


@dataclass(frozen=True)
class Flaw:
    """What is wrong with a fall.

    Attributes:
        kind: what was found.
        low: points above this voltage are suspect, in volts of the curve.
        high: and below this one.
        points: how many they are.
    """

    kind: Literal["shelf", "jump", "gap"]
    low: float
    high: float
    points: int

    @property
    def words(self) -> str:
        """What was found, where, and what it means."""
        where = f"between {self.low:.4g} V and {self.high:.4g} V"
        if self.kind == "gap":
            return (
                f"no points on most of the fall, {where}: the law alone says how steep it is, and so the load"
            )
        found = {
            "shelf": "the current hardly falls on part of its way from peak to valley, as it does where the circuit "
            "oscillates while it is measured",
            "jump": "the current jumps on its way from peak to valley, as it does where the circuit, or leads "
            "without their --series-ohms, leave several operating points",
        }[self.kind]
        return f"{found}: {self.points} points {where} say nothing of the diode"


def find_flaw(curve: IVCurve) -> Flaw | None:
    """Return what is wrong with the fall of a measured curve, if anything."""
    peak, valley = curve.peak, curve.valley
    v, i = curve.voltage, curve.current
    part = (v >= peak.voltage) & (v <= valley.voltage)
    v, level = v[part], (i[part] - valley.current) / (peak.current - valley.current)
    if len(v) < 2:
        return None
    x = (v - peak.voltage) / (valley.voltage - peak.voltage)
    drop, way = -np.diff(level), np.diff(x)
    jumps = np.flatnonzero((drop >= JUMP) & (drop > STEEP * way))
    first, last = _ends(level)
    points = last - first - 1
    low, high = ((v[k] + v[k + 1]) / 2 for k in (first, last - 1))
    if points and _has_shelf(x, level):
        return Flaw("shelf", float(low), float(high), points)
    if points and any(_lasts(level, k) for k in jumps.tolist()):
        return Flaw("jump", float(low), float(high), points)
    if drop.max() >= GAP:
        k = int(np.argmax(drop))
        return Flaw("gap", float(v[k]), float(v[k + 1]), 0)
    return None


def _ends(level: Array) -> tuple[int, int]:
    """Return the last point that is surely of the peak, and the first after it that is surely of the valley."""
    first = int(np.flatnonzero(level >= SUSPECT[1]).max(initial=0))
    first = min(first, len(level) - 2)
    below = np.flatnonzero(level <= SUSPECT[0])
    return first, int(below[below > first].min(initial=len(level) - 1))


def _has_shelf(x: Array, level: Array) -> bool:
    middle = (level > MIDDLE[0]) & (level < MIDDLE[1])
    for a in range(len(x) - LEAST + 1):
        b = max(a + LEAST, int(np.searchsorted(x, x[a] + WIDE)) + 1)
        if b > len(x) or not middle[a:b].all():
            continue
        slope, error = _slope(x[a:b], level[a:b])
        if -slope + SURELY * error < FLAT:
            return True
    return False


def _lasts(level: Array, k: int) -> bool:
    """Return whether a drop behind point k is no noise: it is there for three points on either side, too."""
    before, after = level[max(0, k - 2) : k + 1], level[k + 1 : k + 4]
    return float(before.mean() - after.mean()) >= JUMP


def _slope(x: Array, y: Array) -> tuple[float, float]:
    """Return the slope of a straight line through points, and its standard error."""
    dx = x - x.mean()
    square = float(dx @ dx)
    if square == 0:
        return 0.0, np.inf
    slope = float(dx @ y) / square
    rest = y - y.mean() - slope * dx
    return slope, float(np.sqrt(rest @ rest / (len(x) - 2) / square))
