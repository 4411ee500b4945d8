"""Fits of laws that have no peak to find: ordinary diodes, and polynomials.

    diode        i = IS·(exp((v − Rs·i)/(N·Vt)) − 1): IS, N and the series resistance Rs, of the points in forward
                 direction. Errors count in parts of the current, so that every decade counts alike; what flows at
                 v <= 0 is taken for leakage and noise of the meter.
    polynomial   i = c1·v + c2·v² + … over the whole table. Outside, the current follows the tangents, and has to rise.

Errors       as in `fit`
Source       the diode behind its resistance by Wright's omega function: Corless & Jeffrey 2002
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import OptimizeResult, least_squares
from scipy.special import wrightomega

from eqcirc.constants import THERMAL_VOLTAGE
from eqcirc.devices.diode import LARGEST_EXPONENT, ShockleyDiode
from eqcirc.devices.fit import COLD, NOT_DETERMINED, SEARCH, apart, standard_errors
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.polynomial import PolynomialDevice
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import CircuitError, DataError
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")

EMISSIONS = (1.0, 2.0, 5.0)  # starts of the search
RANGE = {"saturation_current": (1e-20, 1.0), "emission": (0.05, 100.0)}
LEAST_FORWARD = 6  # points that fix a diode
UNSEEN = 1e-9  # of the largest current: less is noise of any meter
LIMITS = {"diode": (0.1, 0.25), "polynomial": (0.02, 0.1)}  # of misfits: a larger one is told, is no fit
LARGEST_DEGREE = 12
SHORTENED = 0.7  # of the voltages, that a polynomial which bends down at an end has to be left


@dataclass(frozen=True, eq=False)
class PlainFit:
    """A law and how well it fits.

    Attributes:
        law: of the junction.
        errors: standard error of each fitted value, by name, in its unit; infinite where the table does not tell.
        measured: voltages across the whole device, and currents.
        within: lowest and highest voltage of the fitted points.
        misfit: rms error, in parts of the currents (diode) or of the largest current (polynomial).
        series_resistance: in ohms.
        left_out: voltages and currents (2, n) of the points that were left out.
    """

    law: ShockleyDiode | PolynomialDevice
    errors: dict[str, float]
    measured: IVCurve
    within: tuple[float, float]
    misfit: float
    series_resistance: float = 0.0
    left_out: Array = field(default_factory=lambda: np.empty((2, 0)))

    def current(self, v: Array) -> Array:
        """Return the current in amperes at voltages v across the whole device."""
        if isinstance(self.law, ShockleyDiode):
            return _behind(self.law.saturation_current, self.law.emission, self.series_resistance, v)
        return self.law.evaluate(v)[0]

    @property
    def limits(self) -> tuple[float, float]:
        """Misfits beyond which a fit is rough, and none."""
        return LIMITS["diode" if isinstance(self.law, ShockleyDiode) else "polynomial"]

    @property
    def values(self) -> dict[str, float]:
        """The fitted values, by name."""
        if isinstance(self.law, PolynomialDevice):
            return dict(zip(self.errors, self.law.coefficients, strict=True))
        known = vars(self.law) | {"series_resistance": self.series_resistance}
        return {name: float(known[name]) for name in self.errors}

    @property
    def rms(self) -> float:
        """Root of the mean squared difference of the fitted points, in amperes."""
        v, i = self.measured.voltage, self.measured.current
        part = (v >= self.within[0]) & (v <= self.within[1])
        return float(np.sqrt(np.mean((self.current(v[part]) - i[part]) ** 2)))

    @property
    def diode(self) -> TunnelDiode:
        """The device, ready for a circuit or a file."""
        return TunnelDiode(self.law, self.series_resistance, source=f"fit to {self.measured.name}")


def fit_diode(
    curve: IVCurve, series_resistance: float | None = None, *, leave_out: tuple[float, float] | None = None
) -> PlainFit:
    """Fit an ordinary diode to a measured curve.

    Args:
        curve: voltages across the whole diode, and currents.
        series_resistance: in ohms, if it is known; None to fit it too.
        leave_out: points between these voltages are not fitted.

    Raises:
        DataError: too few points in forward direction, or the resistance is out of range.
    """
    if series_resistance is not None and not 0 <= series_resistance < np.inf:
        raise DataError(f"expected a series resistance of 0 ohm or more, got {series_resistance:g}")
    curve, aside = apart(curve, leave_out)
    forward = (curve.voltage > 0) & (curve.current > 0)
    v, i = curve.voltage[forward], curve.current[forward]
    if len(v) < LEAST_FORWARD:
        raise DataError(
            f"{curve.name}: expected at least {LEAST_FORWARD} points with voltage and current above 0, got "
            f"{len(v)}; is the current of reversed sign, or the diode connected the other way?"
        )
    noise = np.abs(i) + max(_leakage(curve), UNSEEN * float(i.max()))
    ohms = float(v.max() / i.max())  # more than all of the voltage cannot be taken by the resistance

    def law(x: Array) -> tuple[float, float, float]:
        given = series_resistance
        return float(np.exp(x[0])), float(np.exp(x[1])), float(x[2]) * ohms if given is None else given

    def residual(x: Array) -> Array:
        return np.asarray((_behind(*law(x), v) - i) / noise)

    low, high = (list(column) for column in np.log(list(RANGE.values())).T)
    if series_resistance is None:
        low, high = [*low, 0.0], [*high, 1.0]
    middle = len(v) // 2
    results = []
    for n in EMISSIONS:
        guess = [np.log(i[middle]) - v[middle] / (n * THERMAL_VOLTAGE), np.log(n), 0.05][: len(low)]
        inside = np.clip(guess, np.array(low) + 1e-6, np.array(high) - 1e-6)
        results.append(least_squares(residual, inside, bounds=(low, high), max_nfev=SEARCH, x_scale="jac"))
    best = min(results, key=lambda result: float(result.cost))
    i_s, emission, resistance = law(best.x)
    relative, scale = standard_errors(best), np.array([i_s, emission, ohms])[: len(low)]
    limits = np.array([NOT_DETERMINED, NOT_DETERMINED, resistance / ohms])[: len(low)]
    errors = np.where(relative < limits, relative * scale, np.inf)
    named = dict(zip([*RANGE, "series_resistance"], errors.tolist(), strict=False))
    if named.get("series_resistance") == np.inf:  # none is seen in this table
        without = fit_diode(curve, 0.0)
        return replace(without, errors=without.errors | {"series_resistance": np.inf}, left_out=aside)
    misfit = float(np.sqrt(np.mean(best.fun**2)))
    found = PlainFit(
        ShockleyDiode(i_s, emission), named, curve, (float(v[0]), float(v[-1])), misfit, resistance, aside
    )
    _tell(found)
    return found


def fit_polynomial(
    curve: IVCurve, degree: int = 6, *, leave_out: tuple[float, float] | None = None
) -> PlainFit:
    """Fit a polynomial without a constant term to a measured curve.

    Args:
        curve: voltages and currents.
        degree: 1 to 12.
        leave_out: points between these voltages are not fitted.

    Raises:
        DataError: too few points, the degree is out of range, or the current falls at an end of the table.
    """
    curve, aside = apart(curve, leave_out)
    v, i = curve.voltage, curve.current
    if not 1 <= degree <= LARGEST_DEGREE or len(v) < degree + 2:
        raise DataError(
            f"{curve.name}: expected a degree of 1 to {min(LARGEST_DEGREE, len(v) - 2)} for {len(v)} points, "
            f"got {degree}"
        )
    if not v[0] < v[-1]:
        raise DataError(f"{curve.name}: expected different voltages, got only {v[0]:g} V")
    size, most = float(np.abs(v).max()), float(np.abs(i).max()) or 1.0
    powers = np.arange(1, degree + 1)
    matrix = (v[:, None] / size) ** powers
    x = np.linalg.lstsq(matrix, i / most, rcond=None)[0]
    unit = most / size**powers
    rest = OptimizeResult(x=x, jac=matrix, fun=matrix @ x - i / most, active_mask=np.zeros(degree, int))
    errors = dict(zip((f"c{k}" for k in powers), (standard_errors(rest) * unit).tolist(), strict=True))
    misfit = float(np.sqrt(np.mean(rest.fun**2)))
    law = _rising(curve, tuple((x * unit).tolist()))
    found = PlainFit(law, errors, curve, (float(v[0]), float(v[-1])), misfit, 0.0, aside)
    _tell(found)
    return found


def _behind(i_s: float, emission: float, ohms: float, v: Array) -> Array:
    """Return the current of a diode behind a resistance at voltages v across both."""
    slope = emission * THERMAL_VOLTAGE
    if ohms == 0:
        return np.asarray(i_s * np.expm1(np.minimum(v / slope, LARGEST_EXPONENT)))
    drop = i_s * ohms / slope
    return np.asarray(slope / ohms * wrightomega(np.log(drop) + drop + v / slope) - i_s)


def _leakage(curve: IVCurve) -> float:
    """Return the largest current at voltages of 0 V and less, but no more than a percent of the largest."""
    back = np.abs(curve.current[curve.voltage <= 0])
    return min(float(back.max(initial=0.0)), 0.01 * float(np.abs(curve.current).max()))


def _rising(curve: IVCurve, coefficients: tuple[float, ...]) -> PolynomialDevice:
    """Return the polynomial over the table, or a little less of it, so that the current rises at both ends."""
    low, high = min(0.0, float(curve.voltage[0])), max(0.0, float(curve.voltage[-1]))
    problem = CircuitError("")
    for part in np.linspace(1.0, SHORTENED, 31).tolist():
        try:
            law = PolynomialDevice(coefficients, low * part, high * part)
        except CircuitError as error:
            problem = error
            continue
        if part < 1:
            log.warning(
                "%s: the polynomial falls at an end of the table, so it is used from %.4g V to %.4g V, with its "
                "tangents beyond",
                *(curve.name, law.low, law.high),
            )
        return law
    raise DataError(f"{curve.name}: {problem}; take another degree, or measure further") from problem


def _tell(found: PlainFit) -> None:
    """Warn of what speaks against a fit."""
    name, law = found.measured.name, found.law
    rough, poor = found.limits
    if rough < found.misfit <= poor:
        log.warning(
            "%s: the law misses the curve by %.0f %% of %s (rms)", name, 100 * found.misfit, of_what(found)
        )
    if isinstance(law, ShockleyDiode) and law.emission < COLD:
        log.warning(
            "%s: an emission of %.3g is less than 1, so the slope is less than kT/q, as that of no diode is: are "
            "voltages and units right?",
            *(name, law.emission),
        )


def of_what(found: PlainFit) -> str:
    """Return what a misfit is a part of."""
    return "the current" if isinstance(found.law, ShockleyDiode) else "the largest current"
