"""Clipped linear law: an ideal transconductor that is cut off at its limits, with smooth knees.

Law       odd        i(v) = g·(R(v + V) − R(v − V) − V),  V = I/g: from −I to I
          one-sided  i(v) = g·(R(v) − R(v − V)): 0 below 0 V, then linear, at most I
          R(x) is max(x, 0) with a parabola of width w around 0: current and slope are continuous
Range     1e-12 S <= g <= 1e3 S, 1e-15 A <= I <= 1e3 A, knee w between 1e-6 and 1 of V
SPICE     uramp(…) in the expression of a B source
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import in_range, number
from eqcirc.devices.cell import SaturatingLaw
from eqcirc.typing import Array


@dataclass(frozen=True)
class Clipped(SaturatingLaw):
    """Linear current between its limits.

    Attributes:
        knee: width of a knee, as a part of the voltage between 0 V and the limit.
    """

    knee: float = 0.1

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        in_range("clipped cell", "knee", self.knee, 1e-6, 1.0, "of the voltage at the limit")

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        low, high = (0.0, self.bend) if self.one_sided else (-self.bend, self.bend)
        (on, rise), (off, fall) = self._ramp(v - low), self._ramp(v - high)
        return self.siemens * (on - off + min(low, 0.0)), self.siemens * (rise - fall)

    def curvature(self, v: Array) -> Array:
        """Return the slope of the slope (S/V): constant within a knee, 0 elsewhere."""
        w = self.knee * self.bend
        low = 0.0 if self.one_sided else -self.bend
        within = [np.abs(v - at) < w / 2 for at in (low, self.bend)]
        return np.asarray(self.siemens / w * np.subtract(*within, dtype=np.float64))

    def _ramp(self, x: Array) -> tuple[Array, Array]:
        """Return R and its slope."""
        w = self.knee * self.bend
        knee, full = np.clip(x + w / 2, 0, w), np.maximum(x - w / 2, 0)
        return knee**2 / (2 * w) + full, knee / w

    def expression(self, v: str) -> str:
        """Return the SPICE expression."""
        if self.one_sided:
            return f"{number(self.siemens)}*({self._ramped(v, 0.0)}-{self._ramped(v, self.bend)})"
        both = f"{self._ramped(v, -self.bend)}-{self._ramped(v, self.bend)}-{number(self.bend)}"
        return f"{number(self.siemens)}*({both})"

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        low = 0.0 if self.one_sided else -self.bend
        rise, fall = (self._knee(v, start)[0] for start in (low, self.bend))
        return f"{number(1 / (self.knee * self.bend) * self.siemens)}*({rise}-{fall})"

    def _knee(self, v: str, start: float) -> tuple[str, str]:
        """Return how far v is in the knee around `start`, and how far beyond."""
        w = self.knee * self.bend
        full = f"uramp({v}-({number(start + w / 2)}))"
        return f"(uramp({v}-({number(start - w / 2)}))-{full})", full

    def _ramped(self, v: str, start: float) -> str:
        """Return R(v − start)."""
        knee, full = self._knee(v, start)
        return f"({number(0.5 / (self.knee * self.bend))}*{knee}*{knee}+{full})"
