"""Near-ideal clamp diode: open below 0 V, a conductance above, with a smooth knee.

Law       i(v) = G·(k²/(2·w) + ramp(v − w)), k = ramp(v) − ramp(v − w), ramp(x) = max(x, 0)
          that is 0 for v <= 0, G·(v − w/2) for v >= w, a parabola between: current and slope are continuous,
          and the device is passive
Range     1e-12 S <= G <= 1e3 S, 1e-6 V <= w <= 1e3 V
Left out  everything physical: it stands for the ideal diode of idealised networks (Scellier 2024, "A fast
          algorithm to simulate nonlinear resistive networks"), which a simulator cannot take as it is.
SPICE     b<name> anode cathode i=…   (x*x instead of x^2: ngspice's ^ takes the absolute value of the base; a
          difference of squares would lose the digits of a narrow knee)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import in_range, number, unchecked
from eqcirc.typing import Array


@dataclass(frozen=True)
class ClampDiode:
    """Clamp law.

    Attributes:
        conductance: slope G in siemens when on.
        knee: width w of the knee in volts.
    """

    conductance: float = 1e-2
    knee: float = 1e-2

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("clamp diode", "conductance", self.conductance, 1e-12, 1e3, "S")
        in_range("clamp diode", "knee", self.knee, 1e-6, 1e3, "V")

    @property
    def steepest_fall(self) -> float:
        """0: the current never falls."""
        return 0.0

    @property
    def blocks(self) -> bool:
        """True: below 0 V it is open."""
        return True

    @property
    def leak(self) -> float:
        """0 S."""
        return 0.0

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        g, w = self.conductance, self.knee
        knee, full = np.clip(v, 0, w), np.maximum(v - w, 0)
        return g * (knee**2 / (2 * w) + full), g / w * knee

    def cocontent(self, v: Array) -> Array:
        """Return the integral of the current from 0 to v, in watts."""
        g, w = self.conductance, self.knee
        knee, full = np.clip(v, 0, w), np.maximum(v - w, 0)
        return np.asarray(g * (knee**3 / (6 * w) + full * (full + w) / 2))

    def limit(self, new: Array, old: Array) -> Array:
        """Return Newton's proposal: the law is piecewise quadratic and needs no limiting."""
        del old
        return new

    def scaled(self, voltage: float, current: float) -> ClampDiode:
        """Return the clamp seen through an amplifier."""
        return unchecked(ClampDiode, self.conductance * current / voltage, self.knee * voltage)

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        return f"{number(self.conductance / self.knee)}*(uramp({v})-uramp({v}-{number(self.knee)}))"

    def model(self, name: str) -> list[str]:
        """Return nothing: the law stands in each line."""
        del name
        return []

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return the B line."""
        del model
        v, w = f"v({anode},{cathode})", number(self.knee)
        full = f"uramp({v}-{w})"
        knee = f"(uramp({v})-{full})"
        g, half = number(area * self.conductance), number(0.5 / self.knee)
        return f"b_{name} {anode} {cathode} i={g}*({half}*{knee}*{knee}+{full})"
