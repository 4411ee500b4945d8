"""A device given by a polynomial, as some makers publish them; outside its range the current follows the tangents.

Law       i = p(x) + p'(x)·(v − x),   p(x) = c1·x + c2·x² + … ,   x = v kept between low and high
SPICE     b<name> anode cathode i=<law, Horner's scheme> m=<area>
Range     coefficients up to 1e9 A/V^k, voltages up to 1 kV, and the current must rise at both ends
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial import Polynomial

from eqcirc.devices.base import in_range, number, unchecked
from eqcirc.devices.tunnel import source
from eqcirc.errors import CircuitError
from eqcirc.typing import Array


@dataclass(frozen=True)
class PolynomialDevice:
    """A published curve.

    Attributes:
        coefficients: c1, c2, … in A/V, A/V², …
        low: the polynomial holds from this voltage, in volts; at most 0 V.
        high: the polynomial holds up to this voltage, in volts; at least 0 V.
    """

    coefficients: tuple[float, ...]
    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        what = "polynomial device"
        for k, c in enumerate(self.coefficients, start=1):
            in_range(what, f"coefficient c{k}", c, -1e9, 1e9, f"A/V^{k}")
        in_range(what, "low", self.low, -1e3, 0.0, "V")
        in_range(what, "high", self.high, 0.0, 1e3, "V")
        for end in (self.low, self.high):
            slope = float(self._slope(end))
            if not (self.low < self.high and slope > 0):
                raise CircuitError(
                    f"{what}: expected a current that rises at both ends of {self.low:g} V to {self.high:g} V, got "
                    f"{slope:g} S at {end:g} V; beyond, it would fall without end"
                )

    @cached_property
    def _current(self) -> Polynomial:
        return Polynomial([0.0, *self.coefficients])

    @cached_property
    def _slope(self) -> Polynomial:
        return self._current.deriv()

    @cached_property
    def _energy(self) -> Polynomial:
        return self._current.integ()

    @cached_property
    def fall_voltage(self) -> float:
        """Where the slope of the current is smallest, in volts."""
        turns = self._slope.deriv().roots()
        inside = turns.real[np.abs(turns.imag) < 1e-9 * (self.high - self.low)]
        places = np.array([self.low, *inside[(inside > self.low) & (inside < self.high)], self.high])
        return float(places[np.argmin(self._slope(places))])

    @cached_property
    def steepest_fall(self) -> float:
        """Largest −di/dv, in siemens; 0 if the current never falls."""
        return max(0.0, -float(self._slope(self.fall_voltage))) * (1 + 1e-12)  # rounding leaves it a bound

    def _parts(self, v: Array) -> tuple[Array, Array]:
        """Return the voltage within the range, and what is beyond."""
        x = np.clip(v, self.low, self.high)
        return x, v - x

    @property
    def blocks(self) -> bool:
        """False."""
        return False

    @property
    def leak(self) -> float:
        """0 S."""
        return 0.0

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        x, beyond = self._parts(v)
        slope = self._slope(x)
        return np.asarray(self._current(x) + slope * beyond), np.asarray(slope)

    def cocontent(self, v: Array) -> Array:
        """Return the integral of the current from 0 to v, in watts."""
        x, beyond = self._parts(v)
        return np.asarray(self._energy(x) + (self._current(x) + self._slope(x) * beyond / 2) * beyond)

    def limit(self, new: Array, old: Array) -> Array:
        """Let a step go no further than a quarter of the range within it, and any way outside, where lines go on."""
        step = (self.high - self.low) / 4
        here = np.clip(old, self.low, self.high)
        there = np.clip(new, here - step, here + step)
        outside = (there <= self.low) & (new < there) | (there >= self.high) & (new > there)
        return np.where(outside | (np.clip(new, self.low, self.high) == here), new, there)

    def scaled(self, voltage: float, current: float) -> PolynomialDevice:
        """Return the device seen through an amplifier."""
        scaled = (current * c / voltage**k for k, c in enumerate(self.coefficients, start=1))
        return unchecked(PolynomialDevice, tuple(scaled), self.low * voltage, self.high * voltage)

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        return _horner(self._slope.coef.tolist(), self._kept.replace("{v}", v))

    @property
    def _kept(self) -> str:
        """The voltage {v} within the range, as an expression."""
        return f"max({number(self.low)},min({number(self.high)},{{v}}))"

    def model(self, name: str) -> list[str]:
        """Return no model: the law stands in every line."""
        return []

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return the B line."""
        x = self._kept
        p = _horner([0.0, *self.coefficients], x)
        slope = _horner(self._slope.coef.tolist(), x)
        return source(name, anode, cathode, f"{p}+({{v}}-{x})*({slope})", area)


def _horner(coefficients: Sequence[float], x: str) -> str:
    """Return c0 + x·(c1 + x·(…)) as an expression."""
    text = number(coefficients[-1])
    for c in coefficients[-2::-1]:
        text = f"{number(c)}+{x}*({text})"
    return text
