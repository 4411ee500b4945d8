"""N-shaped devices: between two voltages their current falls as the voltage grows.

Laws      cubic   i = g1·(v³/(3·V0²) − v)                                              falls for |v| < V0
          Esaki   i = Ip·x·exp((1 − x^m)/m) + Ix·(e^(A2·(v − Vv)) − e^(−A2·Vv)) + Is·(e^(v/Vs) − 1),   x = v/Vp
                      tunnel current          excess current                       diode current
                  for v < 0 the tunnel current is Ip·x·exp(1/m − x)
Source    cubic: FitzHugh 1961, Nagumo et al. 1962. Esaki: Sze, "Physics of Semiconductor Devices", tunnel diodes,
          where m = 1; Demassa & Knott 1970 (Solid-State Electronics 13) give m from 1 to 3 for measured diodes
Range     currents 1e-15 A to 1e3 A (Is 1e-30 A), conductances 1e-12 S to 1e3 S, voltages 1 mV to 1 kV, A2 to 1e3/V
SPICE     b<name> anode cathode i=<law> m=<area>
          An expression keeps 11 digits of a number, `m` keeps all: so areas can be trained, constants cannot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.special import gamma, gammainc

from eqcirc.devices.base import in_range, number, unchecked
from eqcirc.typing import Array

LARGEST_EXPONENT = 600.0  # keeps doubles finite


def source(name: str, anode: str, cathode: str, current: str, area: float) -> str:
    """Return the line of a device whose `current` is an expression of its voltage, written {v}."""
    ends = [end for end in (anode, cathode) if end != "0"]
    v = f"v({','.join(ends)})" if anode != "0" else f"(-v({cathode}))"
    return f"b_{name} {anode} {cathode} i={current.replace('{v}', v)} m={number(area)}"


@dataclass(frozen=True)
class CubicDevice:
    """The FitzHugh-Nagumo nonlinearity.

    Attributes:
        g1: conductance at 0 V is −g1, in siemens.
        v0: the current falls between −v0 and v0, in volts.
    """

    g1: float = 1e-3
    v0: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("cubic device", "g1", self.g1, 1e-12, 1e3, "S")
        in_range("cubic device", "v0", self.v0, 1e-3, 1e3, "V")

    @property
    def fall_voltage(self) -> float:
        """Where the current falls most steeply, in volts."""
        return 0.0

    @property
    def steepest_fall(self) -> float:
        """Largest −di/dv, in siemens: at 0 V."""
        return self.g1

    @property
    def blocks(self) -> bool:
        """False: the current is constant nowhere."""
        return False

    @property
    def leak(self) -> float:
        """0 S."""
        return 0.0

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        square = (v / self.v0) ** 2
        return self.g1 * v * (square / 3 - 1), self.g1 * (square - 1)

    def cocontent(self, v: Array) -> Array:
        """Return the integral of the current from 0 to v, in watts."""
        square = v**2
        return np.asarray(self.g1 * square * (square / (12 * self.v0**2) - 0.5))

    def limit(self, new: Array, old: Array) -> Array:
        """Let a step go no further than the width of the fall, or, far from it, half of the way to it."""
        step = np.maximum(2 * self.v0, np.abs(old) / 2)
        return np.clip(new, old - step, old + step)

    def scaled(self, voltage: float, current: float) -> CubicDevice:
        """Return the device seen through an amplifier."""
        return unchecked(CubicDevice, self.g1 * current / voltage, self.v0 * voltage)

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        x = f"{v}/{number(self.v0)}"
        return f"{number(self.g1)}*({x}*{x}-1)"

    def model(self, name: str) -> list[str]:
        """Return no model: the law stands in every line."""
        return []

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return the B line; ^ and ** would take the absolute value of the voltage."""
        g1, v0, divisor = number(self.g1), number(self.v0), 3 * self.v0 * self.v0
        # ngspice does not fold constants: one number is a third faster, if its 11 digits say it all
        folded = number(divisor) if float(f"{divisor:.10e}") == divisor else f"(3*{v0}*{v0})"
        return source(name, anode, cathode, f"{g1}*({{v}}*{{v}}*{{v}}/{folded}-{{v}})", area)


@dataclass(frozen=True)
class EsakiDiode:
    """Tunnel diode. The defaults are round figures of a germanium diode of 4.7 mA; `presets` has some with a source.

    Attributes:
        peak_current: Ip in amperes.
        peak_voltage: Vp in volts.
        excess_current: Ix in amperes, at the valley.
        excess_slope: A2 in 1/V.
        valley_voltage: Vv in volts.
        saturation_current: Is in amperes.
        slope_voltage: Vs = N·kT/q in volts.
        fall_exponent: m, 1 to 3: the larger, the steeper the tunnel current falls.
    """

    peak_current: float = 4.7e-3
    peak_voltage: float = 65e-3
    excess_current: float = 0.45e-3
    excess_slope: float = 4.0
    valley_voltage: float = 0.35
    saturation_current: float = 9.7e-12
    slope_voltage: float = 25.85e-3
    fall_exponent: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("tunnel diode", "saturation current", self.saturation_current, 1e-30, 1e3, "A")
        for what in ("peak_current", "excess_current"):
            in_range("tunnel diode", what.replace("_", " "), getattr(self, what), 1e-15, 1e3, "A")
        for what in ("peak_voltage", "valley_voltage", "slope_voltage"):
            in_range("tunnel diode", what.replace("_", " "), getattr(self, what), 1e-3, 1e3, "V")
        in_range("tunnel diode", "excess slope", self.excess_slope, 1e-3, 1e3, "1/V")
        in_range("tunnel diode", "fall exponent", self.fall_exponent, 1.0, 3.0, "")

    @cached_property
    def fall_voltage(self) -> float:
        """Where the current falls most steeply, in volts; Vp if it never falls.

        Beyond Vp the tunnel current falls, steepest where x^m = 1 + m, and up to there its slope is convex (m ≤ 3); the
        slopes of the other currents grow and are convex. So the smallest di/dv lies between, where d²i/dv² is zero.
        """
        m = self.fall_exponent
        peak = self.peak_voltage
        inflection: float = peak * (1 + m) ** (1 / m)
        if self._curvature(peak) >= 0:
            return peak  # where di/dv is smallest then, and not negative
        if self._curvature(inflection) <= 0:
            return inflection  # what the other currents add to its zero is lost in rounding
        return float(brentq(self._curvature, peak, inflection, xtol=1e-9 * peak))

    @cached_property
    def steepest_fall(self) -> float:
        """Largest −di/dv, in siemens; 0 if excess and diode current outweigh the fall everywhere."""
        _, slope = self.evaluate(np.array([self.fall_voltage]))
        return max(0.0, -float(slope[0])) * (1 + 1e-12)  # rounding leaves it a bound

    def _curvature(self, v: float) -> float:
        """Return d²i/dv² above 0 V, in A/V²."""
        m, x = self.fall_exponent, v / self.peak_voltage
        tunnel = x ** (m - 1) * (x**m - 1 - m) * math.exp((1 - x**m) / m)
        excess = self.excess_current * _exp(self.excess_slope * (v - self.valley_voltage))
        diode = self.saturation_current * _exp(v / self.slope_voltage)
        return float(
            self.peak_current / self.peak_voltage**2 * tunnel
            + self.excess_slope**2 * excess
            + diode / self.slope_voltage**2
        )

    @property
    def blocks(self) -> bool:
        """False: the current is constant nowhere."""
        return False

    @property
    def leak(self) -> float:
        """0 S."""
        return 0.0

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        x = v / self.peak_voltage
        m = self.fall_exponent
        if m == 1:
            power, rest = x, 1 - x
        else:
            forward, back = np.maximum(x, 0) ** m, np.minimum(x, 0)
            power, rest = forward + back, (1 - forward) / m - back
        tunnel = self.peak_current * _exp(rest)
        excess = self.excess_current * _exp(self.excess_slope * (v - self.valley_voltage))
        diode = self.saturation_current * _exp(v / self.slope_voltage)
        current = tunnel * x + (excess - self._excess_at_zero) + (diode - self.saturation_current)
        slope = (
            tunnel * (1 - power) / self.peak_voltage + self.excess_slope * excess + diode / self.slope_voltage
        )
        return current, slope

    def cocontent(self, v: Array) -> Array:
        """Return the integral of the current from 0 to v, in watts."""
        m, x = self.fall_exponent, v / self.peak_voltage
        forward = m ** (2 / m - 1) * gamma(2 / m) * gammainc(2 / m, np.maximum(x, 0) ** m / m)
        back = np.minimum(x, 0)
        tunnel = math.exp(1 / m) * (forward + 1 - (1 + back) * _exp(-back))
        excess = self._excess_at_zero * (_expm1(self.excess_slope * v) / self.excess_slope - v)
        diode = self.saturation_current * (self.slope_voltage * _expm1(v / self.slope_voltage) - v)
        return np.asarray(self.peak_current * self.peak_voltage * tunnel + excess + diode)

    @property
    def _excess_at_zero(self) -> float:
        return self.excess_current * math.exp(-self.excess_slope * self.valley_voltage)

    def limit(self, new: Array, old: Array) -> Array:
        """Let a step go no further than twice the peak voltage."""
        return np.clip(new, old - 2 * self.peak_voltage, old + 2 * self.peak_voltage)

    def scaled(self, voltage: float, current: float) -> EsakiDiode:
        """Return the diode seen through an amplifier."""
        return unchecked(
            EsakiDiode,
            self.peak_current * current,
            self.peak_voltage * voltage,
            self.excess_current * current,
            self.excess_slope / voltage,
            self.valley_voltage * voltage,
            self.saturation_current * current,
            self.slope_voltage * voltage,
            self.fall_exponent,
        )

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""
        x, rest = self._tunnelling(v)
        m = self.fall_exponent
        power = x if m == 1 else f"(max({x},0)**{number(m)}+min({x},0))"
        excess = f"exp({number(self.excess_slope)}*({v}-{number(self.valley_voltage)}))"
        parts = (
            f"{number(self.peak_current / self.peak_voltage)}*exp({rest})*(1-{power})",
            f"{number(self.excess_slope * self.excess_current)}*{excess}",
            f"{number(self.saturation_current / self.slope_voltage)}*exp({v}/{number(self.slope_voltage)})",
        )
        return "+".join(parts)

    def _tunnelling(self, v: str) -> tuple[str, str]:
        """Return x and the exponent of the tunnel current as expressions."""
        x, m = f"{v}/{number(self.peak_voltage)}", number(self.fall_exponent)
        return x, f"1-{x}" if self.fall_exponent == 1 else f"(1-max({x},0)**{m})/{m}-min({x},0)"

    def model(self, name: str) -> list[str]:
        """Return no model: the law stands in every line."""
        return []

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return the B line."""
        ip, ix, a2, vv, i_s, vs = (
            number(x)
            for x in (
                self.peak_current,
                self.excess_current,
                self.excess_slope,
                self.valley_voltage,
                self.saturation_current,
                self.slope_voltage,
            )
        )
        x, rest = self._tunnelling("{v}")
        law = f"{ip}*{x}*exp({rest})+{ix}*(exp({a2}*({{v}}-{vv}))-exp(-{a2}*{vv}))+{i_s}*(exp({{v}}/{vs})-1)"
        return source(name, anode, cathode, law, area)


def _exp(x: Array | float) -> Array:
    return np.asarray(np.exp(np.minimum(x, LARGEST_EXPONENT)))


def _expm1(x: Array) -> Array:
    return np.asarray(np.expm1(np.minimum(x, LARGEST_EXPONENT)))
