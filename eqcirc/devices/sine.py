"""Sine: the law between two oscillators whose phases are node voltages, one volt for a radian.

Law       i = I·sin(k·v)
          k = 1: coupling of two phases, or a bias that pulls one; k = 2: injection at the second harmonic, which
          pulls a phase to 0 or π; I gets either sign as the area of a `SignedDevice`
Co-content (I/k)·(1 − cos(k·v))
SPICE     b<name> anode cathode i=<I>*sin(<k>*(v(anode)-v(cathode))) m=<area>
Range     1e-15 A <= I <= 1e3 A, 1e-3/V <= k <= 1e3/V
Left out  the amplitudes of the oscillators, which the averaged equation of the phases takes as constant
Source    Adler 1946 (Proc. IRE 34, 351); Gower 2025 (arXiv 2505.02103)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import in_range, number, unchecked
from eqcirc.devices.tunnel import source
from eqcirc.typing import Array


@dataclass(frozen=True)
class Sine:
    """A current that is a sine of the voltage.

    Attributes:
        amplitude: I in amperes.
        frequency: k in radians for a volt.
    """

    amplitude: float = 1.0
    frequency: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("sine", "amplitude", self.amplitude, 1e-15, 1e3, "A")
        in_range("sine", "frequency", self.frequency, 1e-3, 1e3, "rad/V")

    @property
    def steepest_fall(self) -> float:
        """I·k, at half a turn."""
        return self.amplitude * self.frequency

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
        angle = self.frequency * v
        return self.amplitude * np.sin(angle), self.steepest_fall * np.cos(angle)

    def cocontent(self, v: Array) -> Array:
        """Return the integral of the current from 0 to v, in watts; no digit is lost near 0 V."""
        return np.asarray(2 * self.amplitude / self.frequency * np.sin(0.5 * self.frequency * v) ** 2)

    def limit(self, new: Array, old: Array) -> Array:
        """Return Newton's proposal: where slopes are bounded, there is nothing to limit."""
        del old
        return new

    def scaled(self, voltage: float, current: float) -> Sine:
        """Return the device seen through an amplifier."""
        return unchecked(Sine, current * self.amplitude, self.frequency / voltage)

    def expression(self, v: str) -> str:
        """Return the current as a SPICE expression of the voltage `v`, itself an expression."""
        angle = v if self.frequency == 1 else f"{number(self.frequency)}*{v}"
        return f"sin({angle})" if self.amplitude == 1 else f"{number(self.amplitude)}*sin({angle})"

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        return f"{number(self.steepest_fall)}*cos({number(self.frequency)}*{v})"

    def model(self, name: str) -> list[str]:
        """Return no model: the law stands in every line."""
        return []

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return the B line."""
        return source(name, anode, cathode, self.expression("{v}"), area)
