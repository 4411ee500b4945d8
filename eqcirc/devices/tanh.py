"""Hyperbolic tangent: the law of a differential pair, and of idealised neurons.

Law       odd        i(v) = I·tanh(v/V),  V = I/g
          one-sided  i(v) = ½·I·(1 + tanh(2·v/V)), the logistic function, from 0 to I
Range     1e-12 S <= g <= 1e3 S, 1e-15 A <= I <= 1e3 A
Left out  mismatch, finite output resistance
SPICE     tanh(…) in the expression of a B source
Source    Mead 1989, "Analog VLSI and Neural Systems", chapter 5 (the transconductance amplifier below threshold)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import number
from eqcirc.devices.cell import SaturatingLaw
from eqcirc.typing import Array


@dataclass(frozen=True)
class Tanh(SaturatingLaw):
    """Current that saturates at ± `saturation`; one-sided, between 0 and `saturation`."""

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        t = np.tanh(self._steps * v / self.bend)
        slope = self.siemens * (1 - t) * (1 + t)
        if self.one_sided:
            return 0.5 * self.saturation * (1 + t), slope
        return self.saturation * t, slope

    def curvature(self, v: Array) -> Array:
        """Return the slope of the slope (S/V)."""
        t = np.tanh(self._steps * v / self.bend)
        return np.asarray(-2 * self._steps / self.bend * self.siemens * t * (1 - t) * (1 + t))

    def expression(self, v: str) -> str:
        """Return the SPICE expression."""
        t = f"tanh({number(self._steps / self.bend)}*{v})"
        return (
            f"{number(0.5 * self.saturation)}*(1+{t})" if self.one_sided else f"{number(self.saturation)}*{t}"
        )

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        t = f"tanh({number(self._steps / self.bend)}*{v})"
        return f"{number(self.siemens)}*(1-{t})*(1+{t})"

    @property
    def _steps(self) -> float:
        return 2.0 if self.one_sided else 1.0
