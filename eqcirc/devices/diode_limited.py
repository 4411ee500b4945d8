"""Current that diodes limit: it goes on rising, with the logarithm of the voltage or in one direction only.

Law       odd        i(v) = I·asinh(v/V),  V = I/g: two antiparallel diodes in the feedback of an amplifier
          one-sided  i(v) = I·ln(1 + exp(v/V)): a soft rectifier, of slope g far above 0 V
Range     1e-12 S <= g <= 1e3 S, 1e-15 A <= I <= 1e3 A
SPICE     asinh(…), or ln(…), in the expression of a B source
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from eqcirc.devices.base import number
from eqcirc.devices.cell import SaturatingLaw
from eqcirc.typing import Array


@dataclass(frozen=True)
class DiodeLimited(SaturatingLaw):
    """Current that bends around ± `saturation`; one-sided, a soft rectifier whose knee is as wide."""

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        x = v / self.bend
        if self.one_sided:
            return self.saturation * np.logaddexp(0.0, x), self.siemens * expit(x)
        return self.saturation * np.arcsinh(x), self.siemens / np.hypot(1.0, x)

    def curvature(self, v: Array) -> Array:
        """Return the slope of the slope (S/V)."""
        x, per_volt = v / self.bend, self.siemens / self.bend
        if self.one_sided:
            return np.asarray(per_volt * expit(x) * expit(-x))
        return np.asarray(-per_volt * x / np.hypot(1.0, x) ** 3)

    def expression(self, v: str) -> str:
        """Return the SPICE expression; that of the rectifier overflows nowhere."""
        x = f"{number(1 / self.bend)}*{v}"
        if self.one_sided:
            return f"{number(self.saturation)}*(uramp({x})+ln(1+exp(-abs({x}))))"
        return f"{number(self.saturation)}*asinh({x})"

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        x = f"{number(1 / self.bend)}*{v}"
        if self.one_sided:
            return f"{number(0.5 * self.siemens)}*(1+tanh(0.5*{x}))"
        return f"{number(self.siemens)}/sqrt(1+{x}*{x})"
