"""Currents and slopes of the parts with two terminals, in any arithmetic, and where their exponentials begin."""

from __future__ import annotations

import math
from typing import Any

from oracle.arithmetic import Arithmetic
from oracle.description import Clamp, Cubic, Diode, Esaki, Poly

K_BOLTZMANN, CHARGE, KELVIN = 1.38064852e-23, 1.6021766208e-19, 300.15
VT = K_BOLTZMANN * KELVIN / CHARGE  # V


def law(part: Any, v: Any, arithmetic: Arithmetic) -> tuple[Any, Any]:
    """Current that leaves the first terminal (A) and its slope (S) at the voltage v across the part.

    The part's numbers are already of the arithmetic's kind.
    """
    if isinstance(part, Diode):
        return _diode(part, v, arithmetic)
    if isinstance(part, Clamp):
        return _clamp(part, v)
    if isinstance(part, Cubic):
        x = v / part.v0
        return part.area * part.g1 * v * (x * x / 3 - 1), part.area * part.g1 * (x * x - 1)
    if isinstance(part, Esaki):
        return _esaki(part, v, arithmetic)
    if isinstance(part, Poly):
        return _poly(part, v)
    raise TypeError(type(part).__name__)


def _diode(part: Any, v: Any, arithmetic: Arithmetic) -> tuple[Any, Any]:
    scale = part.n * arithmetic.number(K_BOLTZMANN) * arithmetic.number(KELVIN) / arithmetic.number(CHARGE)
    if v >= -3 * scale:
        current, slope = arithmetic.exp(v / scale) - 1, arithmetic.exp_slope(v / scale) / scale
    else:
        cube = (3 * scale / (arithmetic.number(math.e) * v)) ** 3
        current, slope = -(1 + cube), 3 * cube / v
    gmin = part.gmin * part.area if part.gmin_times_area else part.gmin
    return part.area * part.i_s * current + gmin * v, part.area * part.i_s * slope + gmin


def _clamp(part: Any, v: Any) -> tuple[Any, Any]:
    """Written piece by piece: the difference of two squares loses digits far above w."""
    if v <= 0:
        return 0 * v, 0 * v
    strength = part.area * part.G
    if v <= part.w:
        return strength * v * v / (2 * part.w), strength * v / part.w
    return strength * (v - part.w / 2), strength


def _esaki(part: Any, v: Any, arithmetic: Arithmetic) -> tuple[Any, Any]:
    exp, slope_of, x = arithmetic.exp, arithmetic.exp_slope, v / part.vp
    if v >= 0:
        power = arithmetic.power(x, part.m)
        bell = exp((1 - power) / part.m)
        tunnel, tunnel_slope = x * bell, (1 - power) * bell / part.vp
    else:
        bell, bell_slope = exp(1 / part.m - x), slope_of(1 / part.m - x)
        tunnel, tunnel_slope = x * bell, (bell - x * bell_slope) / part.vp
    excess, excess_slope = exp(part.a2 * (v - part.vv)), slope_of(part.a2 * (v - part.vv))
    thermal, thermal_slope = exp(v / part.vs), slope_of(v / part.vs)
    current = part.ip * tunnel + part.ix * (excess - exp(-part.a2 * part.vv)) + part.i_s * (thermal - 1)
    slope = part.ip * tunnel_slope + part.ix * part.a2 * excess_slope + part.i_s * thermal_slope / part.vs
    return part.area * current, part.area * slope


def _poly(part: Any, v: Any) -> tuple[Any, Any]:
    x = min(max(v, part.low), part.high)
    p, slope = 0 * v, 0 * v
    for power, coefficient in reversed(list(enumerate(part.coefficients, start=1))):
        p = (p + coefficient) * x
        slope = slope * x + power * coefficient
    return part.area * (p + slope * (v - x)), part.area * slope


def begun(part: Any, v: Any) -> Any:
    """The voltage at which the first Newton step sees a part that is said to stand at v: no diode with megaamperes."""
    if isinstance(part, Diode):
        scale, knee = _knee(part)
        return v if v < knee + 20 * scale else type(v)(knee)
    return v


def limited(part: Any, new: Any, old: Any) -> Any:
    """The voltage to which one Newton step may take a part that stood at `old` and is asked to go to `new`.

    An exponential is followed in its current, not in its voltage: the step in v becomes the logarithm of the step
    that Newton wanted in units of the exponential's scale. N-shaped parts may not leap over their own bends.
    """
    if isinstance(part, Diode):
        return _log_limited(new, old, *_knee(part))
    if isinstance(part, Esaki):
        if new < 0 and old <= 0:  # the tunnel current grows exponentially backwards, too
            return -_log_limited(-new, -old, float(part.vp), float(part.vp))
        scale = min(float(part.vs), 1 / float(part.a2))
        return _leap_limited(_log_limited(new, old, scale, float(part.vv)), old, part.vp)
    if isinstance(part, Cubic):
        return _leap_limited(new, old, part.v0)
    return new


def _knee(part: Diode) -> tuple[float, float]:
    """n Vt, and the voltage from which on SPICE limits the steps."""
    scale, saturation = float(part.n) * VT, max(float(part.area * part.i_s), 1e-300)
    return scale, scale * math.log(scale / (1.5 * saturation))


def _log_limited(new: Any, old: Any, scale: float, critical: float) -> Any:
    if new <= critical or new <= old + 2 * scale:
        return new
    if old > critical - 2 * scale:
        return old + scale * math.log1p(float(new - old) / scale)
    return type(new)(critical)


def _leap_limited(new: Any, old: Any, scale: Any) -> Any:
    leap = max(scale, abs(old) / 2)
    return min(max(new, old - leap), old + leap)
