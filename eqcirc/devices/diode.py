"""Shockley diode, exactly as ngspice 39 evaluates it (DC, temp = tnom, no breakdown).

Law       v >= −3·N·Vt:  i = IS·(exp(v/(N·Vt)) − 1) + gmin·v
          v <  −3·N·Vt:  i = −IS·(1 + (3·N·Vt/(e·v))³) + gmin·v
          where the area multiplies all but gmin
Source    ngspice 39, src/spicelib/devices/dio/dioload.c; Vt = kT/q with ngspice's `eqcirc.constants`
Range     1e-25 A <= IS <= 1 A, 1e-3 <= N <= 1e4; silicon at −55 °C has less than 1e-21 A
Left out  series resistance, high-level injection, breakdown, capacitances, temperature
SPICE     d<name> anode cathode <model> area=<area>   and   .model <model> d is=… n=…
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eqcirc.constants import JUNCTION_GMIN, THERMAL_VOLTAGE
from eqcirc.devices.base import in_range, number, unchecked
from eqcirc.typing import Array

LARGEST_EXPONENT = 600.0  # exp of more is not a current that any circuit here carries; keeps doubles finite
AT_EDGE = math.exp(-3)


@dataclass(frozen=True)
class ShockleyDiode:
    """Diode law.

    Attributes:
        saturation_current: IS in amperes.
        emission: ideality factor N.
    """

    saturation_current: float = 1e-9
    emission: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("diode", "saturation current IS", self.saturation_current, 1e-25, 1.0, "A")
        in_range("diode", "emission coefficient N", self.emission, 1e-3, 1e4, "")

    @property
    def slope_voltage(self) -> float:
        """N·Vt in volts."""
        return self.emission * THERMAL_VOLTAGE

    @property
    def steepest_fall(self) -> float:
        """0: the current never falls."""
        return 0.0

    @property
    def blocks(self) -> bool:
        """False: in reverse it carries its saturation current and a little more."""
        return False

    @property
    def leak(self) -> float:
        """The simulator's gmin."""
        return JUNCTION_GMIN

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S).

        The two ranges meet in i/IS + 1 = e⁻³ with equal slopes. So each is evaluated at v clipped to it, and their
        sum less e⁻³ is the law: no branch, which at random signs costs more than the arithmetic.
        """
        i_s, vte = self.saturation_current, self.slope_voltage
        edge = -3 * vte
        growth = np.exp(np.clip(v, edge, LARGEST_EXPONENT * vte) / vte)
        growth -= AT_EDGE
        y = edge / np.minimum(v, edge)
        tail = AT_EDGE * y * y * y
        current = i_s * (growth + tail - 1)
        slope = i_s / vte * (growth + tail * y)
        return current, slope

    def cocontent(self, v: Array) -> Array:
        """Return the integral of the current from 0 to v, in watts."""
        i_s, vte = self.saturation_current, self.slope_voltage

        def forward(x: Array) -> Array:
            return np.asarray(i_s * (vte * np.expm1(np.minimum(x / vte, LARGEST_EXPONENT)) - x))

        edge = -3 * vte
        x = np.minimum(v, edge)
        tail = (3 * vte / math.e) ** 3 / 2
        reverse = forward(np.asarray(edge)) - i_s * ((x - edge) - tail * (x**-2.0 - edge**-2.0))
        return np.where(v < edge, reverse, forward(v))

    def limit(self, new: Array, old: Array) -> Array:
        """Keep Newton from overshooting the exponential: large forward steps are taken logarithmically.

        The rule is SPICE's junction limiting (Nagel 1975, "SPICE2", appendix): above the critical voltage a
        step of more than 2·N·Vt becomes one that raises the current, not the voltage, in proportion.
        """
        vte = self.slope_voltage
        critical = max(0.0, vte * math.log(vte / (math.sqrt(2) * self.saturation_current)))
        far = (new > critical) & (np.abs(new - old) > 2 * vte)
        if not far.any():
            return new
        limited = new.copy()
        new, old = new[far], np.broadcast_to(old, new.shape)[far]
        step = vte * np.log1p(np.abs(new - old) / vte)
        from_cold = vte * np.log(np.maximum(new, vte) / vte)
        limited[far] = np.where(old > 0, old + np.copysign(step, new - old), from_cold)
        return limited

    def scaled(self, voltage: float, current: float) -> ShockleyDiode:
        """Return the diode seen through an amplifier: N grows with the voltage, IS with the current."""
        return unchecked(ShockleyDiode, self.saturation_current * current, self.emission * voltage)

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        vte = self.slope_voltage
        edge, at_zero = -3 * vte, self.saturation_current / vte
        tail = f"{number(at_zero * AT_EDGE * edge**4)}/({v}*{v}*{v}*{v})"
        return f"({v}>{number(edge)}?{number(at_zero)}*exp({v}/{number(vte)}):{tail})"

    def model(self, name: str) -> list[str]:
        """Return the .model line."""
        return [f".model {name} d is={number(self.saturation_current)} n={number(self.emission)}"]

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return the D line."""
        size = "" if area == 1 else f" area={number(area)}"  # a bare number may be taken for a model's name
        return f"d_{name} {anode} {cathode} {model}{size}"
