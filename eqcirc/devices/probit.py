"""Probit law: the mean current of a comparator whose input is normal noise, which is a stochastic neuron's rate.

Law       one-sided  i(v) = I·Φ(v/σ), Φ the normal distribution: the comparator gives I where v + noise is above 0 V
          odd        i(v) = I·(2·Φ(v/σ) − 1): it gives I or −I
          σ, the noise in volts, is what makes the slope at 0 V g: I/g/√(2π) one-sided, 2·I/g/√(2π) odd
Range     1e-12 S <= g <= 1e3 S, 1e-15 A <= I <= 1e3 A
Left out  offset and hysteresis of the comparator; what single decisions do, see `solvers.spiking`
SPICE     ngspice has no error function: in a B source Φ(−x) = exp(−x²/2)·p(x)/q(x) for x >= 0, p and q polynomials
Source    Hart et al. 1968, "Computer Approximations", table 5666, as West 2005 (Wilmott Magazine, May, 70) prints it:
          within 1e-15 of Φ; ngspice keeps 11 digits of its numbers
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import ndtr

from eqcirc.devices.base import number
from eqcirc.devices.cell import SaturatingLaw
from eqcirc.typing import Array

_ABOVE = (
    220.206867912376,
    221.213596169931,
    112.079291497871,
    33.912866078383,
    6.37396220353165,
    0.700383064443688,
    0.0352624965998911,
)
_BELOW = (
    440.413735824752,
    793.826512519948,
    637.333633378831,
    296.564248779674,
    86.7807322029461,
    16.064177579207,
    1.75566716318264,
    0.0883883476483184,
)


@dataclass(frozen=True)
class Probit(SaturatingLaw):
    """Mean current of a comparator with normal noise, between ± `saturation`; one-sided, between 0 and `saturation`."""

    @classmethod
    def of_noise(cls, noise: float, saturation: float = 1e-6, *, one_sided: bool = True) -> Self:
        """Return the law of a comparator whose noise has a standard deviation of so many volts.

        Raises:
            CircuitError: a value is out of range.
        """
        steps = 1.0 if one_sided else 2.0
        return cls(steps * saturation / (noise * math.sqrt(2 * math.pi)), saturation, one_sided)

    @property
    def noise(self) -> float:
        """Standard deviation σ of the comparator's noise, in volts."""
        return self._steps * self.bend / math.sqrt(2 * math.pi)

    @property
    def lowest(self) -> float:
        """Current in amperes of a comparator that has not fired."""
        return 0.0 if self.one_sided else -self.saturation

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        x = v / self.noise
        current = self.saturation * (self._steps * ndtr(x) - (self._steps - 1))
        return np.asarray(current), np.asarray(self.siemens * np.exp(-0.5 * x * x))

    def curvature(self, v: Array) -> Array:
        """Return the slope of the slope (S/V)."""
        x = v / self.noise
        return np.asarray(-x / self.noise * self.siemens * np.exp(-0.5 * x * x))

    def expression(self, v: str) -> str:
        """Return the SPICE expression."""
        size = f"({number(1 / self.noise)}*abs({v}))"
        # halves of I, with the sign of v: less what a tail of the normal law has
        p, q = _polynomial(_ABOVE, size), _polynomial(_BELOW, size)
        odd = f"sgn({v})*(0.5-exp(-0.5*{size}*{size})*{p}/{q})"
        return (
            f"{number(self.saturation)}*(0.5+{odd})"
            if self.one_sided
            else f"{number(2 * self.saturation)}*{odd}"
        )

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        x = f"({number(1 / self.noise)}*{v})"
        return f"{number(self.siemens)}*exp(-0.5*{x}*{x})"

    @property
    def _steps(self) -> float:
        return 1.0 if self.one_sided else 2.0


def _polynomial(coefficients: tuple[float, ...], x: str) -> str:
    """Return a polynomial in x by Horner's scheme, in parts of what q begins with, so that p/q begins with 0.5."""
    *rest, text = (number(c / _BELOW[0]) for c in coefficients)
    for c in reversed(rest):
        text = f"({c}+{x}*{text})"
    return text
