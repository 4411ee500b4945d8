"""Fits of N-shaped laws to a measured curve, by weighted least squares.

    Esaki     all parameters but Vv, which only names where the excess current is Ix: it is held at the measured
              valley. Logarithms are fitted, so that every parameter stays positive. Points below 0 V are left out.
    cubic     i = ic + g1·(u³/(3·V0²) − u), u = v − vc, to the N: the points with currents from valley to peak. Its
              centre (vc, ic) is fitted too; where the device stands for the diode, biases have to supply it.

Weights   1/(|i| + valley current) for Esaki: peak and valley count alike, the diode current beyond does not drown them.
Errors    covariance (JᵀJ)⁻¹·Jᵀ·diag(r²/(1 − h)²)·J·(JᵀJ)⁻¹, right for noise of any strength along the curve
          (MacKinnon & White 1985, HC3); h is the part that a point has in its own fit, large for the few on the rise of
          the diode current, and r/(1 − h) its distance to the fit without it. Of a fitted logarithm ln x it is the
          error e/x: x lies between x·exp(−e/x) and x·exp(e/x). A parameter at a limit of its range, or one that could
          be zero, is not determined by the table.
Source    the Esaki law: see `tunnel`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy.optimize import OptimizeResult, least_squares

from eqcirc.constants import THERMAL_VOLTAGE
from eqcirc.devices.fall import Flaw, find_flaw
from eqcirc.devices.iv_curve import IVCurve, Point
from eqcirc.devices.tunnel import CubicDevice, EsakiDiode
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import CircuitError, DataError
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")

Shape = Literal["esaki", "cubic"]

EXCESS_SLOPES, SLOPE_VOLTAGES, FALL_EXPONENT = (
    (2.0, 10.0),
    (0.026, 0.05),
    1.3,
)  # 1/V and V: starts of the search
LEAST_FALLING = 5  # points on the fall that fix a cubic
LEAST_VALLEY = 0.02  # of the peak current: smaller valley currents weigh no more
NOT_DETERMINED = 1.0  # relative standard error from which a parameter could as well be zero
SEARCH = 2000  # evaluations of the law at most
POOR = 0.25  # of the peak current: a larger misfit is no fit
ROUGH = 0.1  # a larger one is told: Esaki laws meet all published curves better, most cubics do not
OFF_PEAK = (
    0.12  # of the measured peak: a law that misses it by more is told; those of published curves miss by 0.11
)
COLD = 0.95  # of kT/q: no diode current grows faster than in e-folds of kT/q
LEAST_OUTSIDE = 1e-9  # of 1 − h: a point that alone fixes a parameter has no fit without it
FOLD = 0.05  # of the voltage at the peak: noise folds a curve back by less
FAR_OFF = 1e6  # of the noise: exponentials on the way may be further off, but squares must stay finite


@dataclass(frozen=True, eq=False)
class Fit:
    """A law and how well it fits.

    Attributes:
        law: of the junction.
        centre: of a cubic law, in volts and amperes; (0, 0) of a tunnel diode.
        errors: standard error of each fitted value, by name, in its unit; infinite where the table does not tell. Of
            all but the centre of a cubic, error/value is that of the logarithm.
        measured: junction voltages and currents, those that were not fitted included.
        within: lowest and highest voltage of the fitted points.
        series_resistance: in ohms, that was taken off the measured voltages.
        flaw: what is wrong with the measured fall, if anything; in volts across the whole diode.
        left_out: junction voltages and currents (2, n) of the points that were left out.
    """

    law: EsakiDiode | CubicDevice
    centre: Point
    errors: dict[str, float]
    measured: IVCurve
    within: tuple[float, float]
    series_resistance: float = 0.0
    flaw: Flaw | None = None
    left_out: Array = field(default_factory=lambda: np.empty((2, 0)))

    def current(self, v: Array) -> Array:
        """Return the law's current in amperes at junction voltages v."""
        current, _ = self.law.evaluate(v - self.centre.voltage)
        return current + self.centre.current

    @property
    def turns(self) -> tuple[Point, Point]:
        """Peak and valley of the law; NaN of one that does not fall within the fitted voltages."""
        if isinstance(self.law, CubicDevice):
            ends = self.centre.voltage + self.law.v0 * np.array([-1.0, 1.0])
            peak, valley = zip(ends.tolist(), self.current(ends).tolist(), strict=True)
            return Point(*peak), Point(*valley)
        v = np.linspace(*self.within, 4001)
        fine = IVCurve(v, self.current(v), "fitted law")
        try:
            return fine.peak, fine.valley
        except DataError:
            return Point(np.nan, np.nan), Point(np.nan, np.nan)

    @property
    def fall(self) -> Point:
        """The point of the law where the current falls most steeply."""
        v = self.centre.voltage + self.law.fall_voltage
        return Point(v, float(self.current(np.array(v))))

    @property
    def values(self) -> dict[str, float]:
        """The fitted values, by name."""
        centre = {"centre_voltage": self.centre.voltage, "centre_current": self.centre.current}
        known = vars(self.law) | centre
        return {name: float(known[name]) for name in self.errors}

    @property
    def rms(self) -> float:
        """Root of the mean squared difference of the fitted points, in amperes."""
        return self._rms(self.within[1])

    @property
    def rms_to_valley(self) -> float:
        """The same for those up to the measured valley."""
        return self._rms(self.measured.valley.voltage)

    @property
    def misfit(self) -> float:
        """The latter in parts of the measured peak current: beyond `ROUGH` a poor fit, beyond `POOR` none."""
        return self.rms_to_valley / self.measured.peak.current

    def _rms(self, highest: float) -> float:
        v, i = self.measured.voltage, self.measured.current
        part = (v >= self.within[0]) & (v <= highest)
        return float(np.sqrt(np.mean((self.current(v[part]) - i[part]) ** 2)))

    @property
    def diode(self) -> TunnelDiode:
        """The diode, ready for a circuit or a file."""
        where = "" if isinstance(self.law, EsakiDiode) else f", around {self.centre.voltage:.4g} V"
        source = f"fit to {self.measured.name}{where}"
        return TunnelDiode(self.law, self.series_resistance, source=source)


def fit(
    curve: IVCurve,
    shape: Shape = "esaki",
    series_resistance: float = 0.0,
    *,
    leave_out: tuple[float, float] | None = None,
) -> Fit:
    """Fit a law to a measured curve.

    Args:
        curve: voltages across the whole diode, and currents.
        shape: which law.
        series_resistance: known resistance of leads and bulk, in ohms; its voltage is taken off first.
        leave_out: points between these voltages are not fitted, such as those on an oscillation's shelf (`Fit.flaw`).

    Raises:
        DataError: the curve has no falling part or is out of the law's range, or the resistance is too large for it.
    """
    if not 0 <= series_resistance < np.inf:
        raise DataError(f"expected a series resistance of 0 ohm or more, got {series_resistance:g}")
    curve, aside = apart(curve, leave_out)
    _check_polarity(curve, shape)
    if series_resistance:
        curve = _junction(curve, series_resistance)
        aside[0] -= series_resistance * aside[1]
    try:
        result = _esaki(curve) if shape == "esaki" else _cubic(curve)
    except CircuitError as error:
        v, i = curve.peak
        raise DataError(
            f"{curve.name}: {error}; the peak is at {v:g} V and {i:g} A: are these volts and amperes?"
        ) from error
    flaw = find_flaw(curve)
    if flaw is not None and flaw.kind == "gap" and aside.size:
        flaw = None  # it was asked for
    if flaw is not None:
        ends = np.array([flaw.low, flaw.high])
        ends += series_resistance * np.interp(ends, curve.voltage, curve.current)
        flaw = replace(flaw, low=float(ends[0]), high=float(ends[1]))
    result = replace(result, series_resistance=series_resistance, flaw=flaw, left_out=aside)
    for doubt in doubts(result, shape):
        log.warning("%s: %s", curve.name, doubt)
    return result


def doubts(found: Fit, shape: Shape) -> list[str]:
    """Return what speaks against a fit, one sentence each."""
    told = []
    if found.flaw is not None:
        told.append(found.flaw.words)
    if ROUGH < found.misfit <= POOR:
        told.append(
            f"the {shape} law misses the curve by {100 * found.misfit:.0f} % of the peak current up to the valley (rms)"
            + ("; an esaki law is closer to a tunnel diode" if shape == "cubic" else "")
        )
    (v, i), (law_v, law_i) = found.measured.peak, found.turns[0]
    if shape == "esaki" and not (abs(law_v / v - 1) <= OFF_PEAK and abs(law_i / i - 1) <= OFF_PEAK):
        where = "nowhere" if np.isnan(law_v) else f"at {law_v:.3g} V and {law_i:.3g} A"
        told.append(f"the peak of the law is {where}, that of the table at {v:.3g} V and {i:.3g} A")
    slope, error = (known.get("slope_voltage", np.inf) for known in (found.values, found.errors))
    least = COLD * THERMAL_VOLTAGE
    if slope < least and not least <= slope + 2 * error < np.inf:
        told.append(
            f"slope_voltage = {slope:.3g} V is less than kT/q, {THERMAL_VOLTAGE:.3g} V at 27 degrees, as that of no "
            "diode is: do not trust the law beyond the table; measure further into the diode current"
        )
    return told


def apart(curve: IVCurve, leave_out: tuple[float, float] | None) -> tuple[IVCurve, Array]:
    """Return the curve without the points between two voltages, and these (2, n)."""
    if leave_out is None:
        return curve, np.empty((2, 0))
    low, high = leave_out
    if not low < high:
        raise DataError(
            f"expected to leave out points between two voltages, the lower one first, got {low:g}, {high:g}"
        )
    inside = (curve.voltage > low) & (curve.voltage < high)
    kept = IVCurve(curve.voltage[~inside], curve.current[~inside], curve.name)
    return kept, np.stack([curve.voltage[inside], curve.current[inside]])


def _check_polarity(curve: IVCurve, shape: Shape) -> None:
    """Currents of a diode are positive, and an Esaki law has no others."""
    points = {"peak": curve.peak} | ({"valley": curve.valley} if shape == "esaki" else {})
    for name, (v, i) in points.items():
        if not (v > 0 and i > 0):
            raise DataError(
                f"{curve.name}: the {name} is at {v:.4g} V and {i:.4g} A; expected both above 0: is the current of "
                "reversed sign, or has its measurement an offset?"
            )


def _junction(curve: IVCurve, ohms: float) -> IVCurve:
    most = curve.peak.voltage / curve.peak.current
    if ohms >= most:
        raise DataError(
            f"{curve.name}: {ohms:g} ohm of series resistance take more than the voltage at the peak; "
            f"expected less than {most:.3g} ohm"
        )
    v = curve.voltage - ohms * curve.current
    back = np.maximum.accumulate(v) - v
    if back.max() > FOLD * curve.peak.voltage:
        at = int(np.argmax(back))
        raise DataError(
            f"{curve.name}: {ohms:g} ohm of series resistance fold the curve back by {back[at]:.3g} V at "
            f"{curve.voltage[at]:g} V, {curve.current[at]:g} A, where its current rises faster than through "
            f"{ohms:g} ohm alone; expected a smaller resistance"
        )
    return IVCurve(v, curve.current, curve.name)


_ESAKI = {  # ranges of the search
    "peak_current": (1e-15, 1e3),
    "peak_voltage": (1e-3, 1e3),
    "excess_current": (1e-15, 1e3),
    "excess_slope": (0.1, 100.0),
    "saturation_current": (1e-30, 1.0),
    "slope_voltage": (0.01, 0.3),
    "fall_exponent": (1.0, 3.0),
}


def _esaki(curve: IVCurve) -> Fit:
    peak, valley = curve.peak, curve.valley
    forward = curve.voltage >= 0
    v, i = curve.voltage[forward], curve.current[forward]
    lowest, highest = np.log(list(_ESAKI.values())).T

    def law(x: Array) -> EsakiDiode:
        return EsakiDiode(**dict(zip(_ESAKI, np.exp(x).tolist(), strict=True)), valley_voltage=valley.voltage)

    def start(excess_slope: float, slope_voltage: float) -> Array:
        diode = max(i[-1] - valley.current, 0.1 * valley.current)
        saturation = diode * np.exp(-v[-1] / slope_voltage)
        excess = 0.5 * valley.current
        guess = [peak.current, peak.voltage, excess, excess_slope, saturation, slope_voltage, FALL_EXPONENT]
        return np.asarray(np.clip(np.log(guess), lowest + 1e-3, highest - 1e-3))

    noise = np.abs(i) + max(valley.current, LEAST_VALLEY * peak.current)
    starts = [start(a, s) for a in EXCESS_SLOPES for s in SLOPE_VOLTAGES]
    best = _search(lambda x: (law(x).evaluate(v)[0] - i) / noise, starts, lowest, highest)
    values, relative = np.exp(best.x), standard_errors(best)
    errors = np.where(relative < NOT_DETERMINED, relative * values, np.inf)
    named = dict(zip(_ESAKI, errors.tolist(), strict=True))
    return Fit(law(best.x), Point(0.0, 0.0), named, curve, (float(v[0]), float(v[-1])))


_CUBIC = ("g1", "v0", "centre_voltage", "centre_current")


def _cubic(curve: IVCurve) -> Fit:
    peak, valley = curve.peak, curve.valley
    part = _n_shape(curve)
    v, i = curve.voltage[part], curve.current[part]
    falling = int(((v >= peak.voltage) & (v <= valley.voltage)).sum())
    if falling < LEAST_FALLING:
        raise DataError(
            f"{curve.name}: expected at least {LEAST_FALLING} points from peak to valley, got {falling}; measure more"
        )
    width, fall = valley.voltage - peak.voltage, peak.current - valley.current
    unit = np.array([1.0, 1.0, width, fall])  # logarithms of g1 and V0, then the centre in units of the fall

    def law(x: Array) -> CubicDevice:
        return CubicDevice(*np.exp(x[:2]).tolist())

    def residual(x: Array) -> Array:
        current, _ = law(x).evaluate(v - x[2] * width)
        return np.asarray((current + x[3] * fall - i) / fall)

    start = np.array(
        [
            np.log(1.5 * fall / width),
            np.log(width / 2),
            (peak.voltage + valley.voltage) / 2 / width,
            (peak.current + valley.current) / 2 / fall,
        ]
    )
    reach = np.array([3.0, 3.0, 5.0, 5.0])
    best = _search(residual, [start], start - reach, start + reach)
    scale = unit * np.append(np.exp(best.x[:2]), [1.0, 1.0])
    errors = dict(zip(_CUBIC, (standard_errors(best) * scale).tolist(), strict=True))
    centre = Point(float(best.x[2] * width), float(best.x[3] * fall))
    return Fit(law(best.x), centre, errors, curve, (float(v[0]), float(v[-1])))


def _n_shape(curve: IVCurve) -> slice:
    """Return the points from where the current reaches that of the valley to where it is again that of the peak."""
    before = np.flatnonzero((curve.voltage < curve.peak.voltage) & (curve.current < curve.valley.current))
    after = np.flatnonzero((curve.voltage > curve.valley.voltage) & (curve.current > curve.peak.current))
    return slice(int(before.max(initial=-1)) + 1, int(after.min(initial=len(curve.voltage))))


def _search(
    residual: Callable[[Array], Array], starts: Sequence[Array], lowest: Array, highest: Array
) -> OptimizeResult:
    """Return the best of all searches."""

    def limited(x: Array) -> Array:
        return np.clip(residual(x), -FAR_OFF, FAR_OFF)

    results = [least_squares(limited, x, bounds=(lowest, highest), max_nfev=SEARCH) for x in starts]
    return min(results, key=lambda result: float(result.cost))


def standard_errors(result: OptimizeResult) -> Array:
    """Return the standard error of every unknown; infinite at a limit of its range or without influence."""
    free = np.flatnonzero(result.active_mask == 0)
    j, r = result.jac[:, free], result.fun
    size = np.linalg.norm(j, axis=0)
    free, j, size = free[size > 0], j[:, size > 0], size[size > 0]
    j = j / size
    inverse = np.linalg.pinv(j)  # columns of equal length: what is weak is not taken for zero
    own = np.einsum("ij,ji->i", j, inverse)
    outside = r / np.maximum(1 - own, LEAST_OUTSIDE)
    errors = np.full(len(result.x), np.inf)
    errors[free] = np.sqrt(((inverse * outside) ** 2).sum(axis=1)) / size
    return errors
