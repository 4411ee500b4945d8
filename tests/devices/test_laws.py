from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.constants import THERMAL_VOLTAGE
from eqcirc.devices import (
    ClampDiode,
    CubicDevice,
    EsakiDiode,
    Law,
    PolynomialDevice,
    ShockleyDiode,
    Sine,
    TableDevice,
)
from eqcirc.devices.two_terminal import work
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

LAWS: dict[str, Law] = {
    "silicon": ShockleyDiode(1e-15),
    "weak": ShockleyDiode(1e-9),
    "soft": ShockleyDiode(1e-9, 4.0),
    "clamp": ClampDiode(),
    "sharp clamp": ClampDiode(1.0, 1e-4),
    "diode behind an amplifier": ShockleyDiode().scaled(4.0, 0.25),
    "table": TableDevice(
        (-0.6, -0.15, -0.05, 0.0, 0.05, 0.12, 0.25, 0.45),
        (-3.1e-7, -1.3e-7, -1e-7, 0.0, 1 / 3e6, 2.1e-6, 3e-5, 1.7e-4),
    ),
    "table behind an amplifier": TableDevice((0.0, 0.1, 0.3), (0.0, 1e-5, 1e-4)).scaled(4.0, 0.25),
}
N_SHAPED: dict[str, Law] = {
    "cubic": CubicDevice(),
    "small cubic": CubicDevice(3e-3, 0.05),
    "tunnel diode": EsakiDiode(),
    "tunnel diode of little excess": EsakiDiode(excess_current=1e-6, excess_slope=20.0),
    "tunnel diode of steep fall": EsakiDiode(fall_exponent=1.6),
    "tunnel diode of steepest fall": EsakiDiode(excess_current=2e-3, fall_exponent=3.0),
    "tunnel diode behind an amplifier": EsakiDiode().scaled(4.0, 0.25),
    "table that falls": TableDevice(
        (-0.1, 0.0, 0.05, 0.1, 0.2, 0.35, 0.45), (-8e-3, 0.0, 4.1e-3, 4.4e-3, 2.2e-3, 1 / 3e3, 5e-3)
    ),
    "sine": Sine(),
    "second harmonic behind an amplifier": Sine(0.3, 2.0).scaled(4.0, 0.25),
    "polynomial": PolynomialDevice((0.007358, -0.08607, 0.2911, 0.03922, -1.693, 2.099), -0.06, 0.47),
}
AT_THEIR_LIMITS: dict[str, Law] = {
    "least diode": ShockleyDiode(1e-20, 1e4),
    "least clamp": ClampDiode(1e-6, 1.0),
    "least cubic": CubicDevice(1e-12, 1e3),
    "least excess current": EsakiDiode(excess_current=1e-15, excess_slope=1e-3),
    "high polynomial": PolynomialDevice((1.0, 1e-9), 0.0, 1e3),
}

laws = pytest.mark.parametrize("law", (LAWS | N_SHAPED).values(), ids=LAWS | N_SHAPED)
passive = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
n_shaped = pytest.mark.parametrize("law", N_SHAPED.values(), ids=N_SHAPED)
diodes = pytest.mark.parametrize("law", [x for x in LAWS.values() if isinstance(x, ShockleyDiode)])


def unit(law: Law) -> float:  # noqa: PLR0911  a line for each law
    """The voltage over which a law bends."""
    match law:
        case ShockleyDiode():
            return law.slope_voltage
        case ClampDiode():
            return law.knee
        case CubicDevice():
            return law.v0 / 6
        case EsakiDiode():
            return law.peak_voltage / 3
        case PolynomialDevice():
            return (law.high - law.low) / 20
        case Sine():
            return 1 / law.frequency
        case TableDevice():
            return (law.voltages[-1] - law.voltages[0]) / 21
    raise NotImplementedError(
        f"add the voltage over which {type(law).__name__} bends to `unit` in {__file__}"
    )


def grid(law: Law) -> Array:
    """Voltages over all branches of a law, close to the places where they meet (at -3, -1 and 1), not on them."""
    near = [edge + d for edge in (-3, -1, 0, 1) for d in (-5e-3, 5e-3)]
    return unit(law) * np.unique([*np.linspace(-60.2, 23.9, 60), *near])


def slope_of(function: Callable[[Array], Array], v: Array, h: float) -> Array:
    return (8 * (function(v + h) - function(v - h)) - (function(v + 2 * h) - function(v - 2 * h))) / (12 * h)


@laws
def test_slope_is_the_derivative_of_the_current(law: Law) -> None:
    v, h = grid(law), 1e-3 * unit(law)
    current, slope = law.evaluate(v)
    found = slope_of(lambda x: law.evaluate(x)[0], v, h)
    rounding = 1e-15 * (np.abs(current) + current[-1] * 1e-9) / h
    np.testing.assert_array_less(np.abs(found - slope), 1e-8 * np.abs(slope) + rounding)


@laws
@pytest.mark.parametrize("apart", [1e-9, 1e-5, 1e-2, 1.0, 5.0])
def test_work_between_two_voltages_is_precise_however_close_they_are(law: Law, apart: float) -> None:
    """Against Gauss' rule of twenty points, of which parts in which the law is smooth get their own."""
    points, weights = np.polynomial.legendre.leggauss(20)
    start = grid(law)
    end = start + apart * unit(law)
    half = 0.5 * (end - start)
    v = (start + half)[:, None] + half[:, None] * points
    edges = np.array(
        [
            *(unit(law) * x for x in (-3, -1, 0, 1)),
            *(getattr(law, "low", 0), getattr(law, "high", 0)),
            *getattr(law, "voltages", ()),
        ]
    )
    smooth = ~((edges > start[:, None]) & (edges < end[:, None])).any(axis=1)
    expected = half * (law.evaluate(v)[0] @ weights)
    found = work(law, start, end)
    size = half * np.abs(law.evaluate(v)[0]).max(axis=1)
    np.testing.assert_array_less(np.abs(found - expected)[smooth], 1e-9 * size[smooth] + 1e-40)
    back = work(law, end, start)
    np.testing.assert_allclose(back[smooth], -found[smooth], rtol=1e-12)
    # Gauss' rule does not see a kink of the slope near an end
    np.testing.assert_array_less(np.abs(back + found), 1e-6 * size + 1e-40)


@laws
def test_current_is_the_derivative_of_the_cocontent(law: Law) -> None:
    v, h = grid(law), 1e-3 * unit(law)
    current, _ = law.evaluate(v)
    energy = law.cocontent(v)
    rounding = 1e-15 * (np.abs(energy) + energy[-1] * 1e-9) / h
    np.testing.assert_array_less(
        np.abs(slope_of(law.cocontent, v, h) - current), 1e-8 * np.abs(current) + rounding
    )


@laws
def test_a_law_starts_at_nothing(law: Law) -> None:
    assert law.evaluate(np.zeros(1))[0] == 0
    assert law.cocontent(np.zeros(1)) == pytest.approx(0, abs=1e-21)


@passive
def test_a_passive_law_rises(law: Law) -> None:
    assert (law.evaluate(grid(law))[1] >= 0).all()
    assert law.steepest_fall == 0


@n_shaped
def test_the_steepest_fall_is_a_bound_that_is_reached(law: Law) -> None:
    v = unit(law) * np.linspace(-60, 60, 400_001)
    fall = -law.evaluate(v)[1].min()
    assert fall <= law.steepest_fall <= fall * (1 + 1e-6)


def test_the_steepest_fall_is_found_where_the_other_currents_are_lost_in_rounding() -> None:
    """The curvature has no zero then: at the inflection of the tunnel current it is -1e-15 of its largest value."""
    alone = EsakiDiode(0.01, 0.05, 1e-15, 1.0, 2.0, 1e-20, 0.4, 3.0)
    assert alone.fall_voltage == pytest.approx(0.05 * 4 ** (1 / 3), rel=1e-9)
    v = np.linspace(0.05, 0.15, 100_001)
    assert alone.steepest_fall == pytest.approx(-alone.evaluate(v)[1].min(), rel=1e-8)


def test_the_guide_names_all_that_a_law_has() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "add-a-device.md").read_text(encoding="utf-8")
    members = {name for name in vars(Law) if not name.startswith("_")}
    assert set(re.findall(r"^\| `(\w+)", guide, re.MULTILINE)) == members


def test_a_law_that_lacks_something_is_refused_by_name() -> None:
    """And not by an AttributeError in the middle of a solve."""
    law = SimpleNamespace(**{name: None for name in vars(Law) if name not in ("steepest_fall", "limit")})
    b = CircuitBuilder("half a law")
    with pytest.raises(
        CircuitError, match=r"the law SimpleNamespace has no limit, steepest_fall; .*add-a-device"
    ):
        b.device("d1", b.nodes("out"), GROUND, law)  # type: ignore[arg-type]


def test_a_tunnel_current_below_the_excess_current_does_not_fall() -> None:
    buried = EsakiDiode(peak_current=1e-6, excess_current=1e-2)
    assert buried.steepest_fall == 0
    assert (buried.evaluate(grid(buried))[1] > 0).all()


def test_a_cubic_falls_between_its_turning_points() -> None:
    law = CubicDevice(2e-3, 0.5)
    current, slope = law.evaluate(np.array([-0.5, 0.0, 0.5]))
    np.testing.assert_allclose(current, [2e-3 / 3, 0, -2e-3 / 3], rtol=1e-15)
    np.testing.assert_allclose(slope, [0, -2e-3, 0], atol=1e-18)


def test_a_polynomial_goes_on_straight() -> None:
    law = N_SHAPED["polynomial"]
    v = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0])
    current, slope = law.evaluate(v)
    np.testing.assert_allclose(np.diff(current[:3]), slope[0], rtol=1e-12)
    np.testing.assert_allclose(np.diff(current[3:]), slope[-1], rtol=1e-12)
    assert slope.min() > 0


@n_shaped
def test_far_voltages_leave_the_numbers_finite(law: Law) -> None:
    v = np.array([-1e3, 1e3]) * unit(law)
    assert all(np.isfinite(x).all() for x in (*law.evaluate(v), law.cocontent(v)))


@pytest.mark.parametrize(
    "law", (LAWS | N_SHAPED | AT_THEIR_LIMITS).values(), ids=LAWS | N_SHAPED | AT_THEIR_LIMITS
)
@settings(max_examples=30, deadline=None)
@given(voltage=st.floats(0.1, 10), current=st.floats(0.1, 10))
def test_a_scaled_law_is_what_an_amplifier_shows(law: Law, voltage: float, current: float) -> None:
    v = grid(law) * voltage
    seen, slope = law.scaled(voltage, current).evaluate(v)
    own, own_slope = law.evaluate(v / voltage)
    floor = (
        1e-15 * current * getattr(law, "saturation_current", 0.0) + 1e-300
    )  # exp(v) less 1 is rounded against 1
    floor = 1e-15 * getattr(law, "saturation_current", 0.0)  # exponentials are rounded against 1, or e⁻³
    steep = floor / getattr(law, "slope_voltage", 1.0)
    np.testing.assert_array_less(
        np.abs(seen - current * own), 1e-12 * np.abs(seen) + current * floor + 1e-300
    )
    np.testing.assert_array_less(
        np.abs(slope - current / voltage * own_slope),
        1e-12 * np.abs(slope) + current / voltage * steep + 1e-300,
    )


@laws
@settings(max_examples=50, deadline=None)
@given(new=st.floats(-10, 10), old=st.floats(-10, 10))
def test_limiting_ends_where_newton_ends(law: Law, new: float, old: float) -> None:
    a, b = np.array([new]), np.array([old])
    limited = law.limit(a, b)
    assert law.limit(b, b) == b, "a step of nothing is no step"
    assert np.isfinite(limited).all()
    assert limited[0] <= max(new, old), "never beyond the proposal"


@diodes
def test_limiting_keeps_the_exponential_of_a_large_step_finite(law: ShockleyDiode) -> None:
    """From 0 V, a proposal of 1000 V must not become a current that no next step can mend."""
    limited = law.limit(np.array([1000.0]), np.zeros(1))
    assert 0 < limited[0] < 15 * law.slope_voltage


@diodes
def test_diode_branches_meet(law: ShockleyDiode) -> None:
    edge = -3 * law.slope_voltage
    below, above = (law.evaluate(np.array([edge * (1 + d)])) for d in (1e-12, -1e-12))
    np.testing.assert_allclose(below[0], above[0], rtol=1e-10)
    np.testing.assert_allclose(below[1], above[1], rtol=1e-10)
    energy = [law.cocontent(np.array([edge * (1 + d)]))[0] for d in (1e-12, -1e-12)]
    np.testing.assert_allclose(energy[0], energy[1], rtol=1e-10)


@diodes
def test_diode_has_the_textbook_limits(law: ShockleyDiode) -> None:
    vt = law.slope_voltage
    current, slope = law.evaluate(np.array([0.0, -200 * vt, 20 * vt]))
    assert current[0] == 0
    np.testing.assert_allclose(slope[0], law.saturation_current / vt, rtol=1e-2)
    np.testing.assert_allclose(current[1], -law.saturation_current, rtol=1e-2)
    np.testing.assert_allclose(slope[2] * vt, current[2] + law.saturation_current, rtol=1e-6)
    assert law.evaluate(np.array([1e6]))[0] < np.inf


def test_thermal_voltage_is_that_of_27_degrees() -> None:
    assert pytest.approx(0.025865, abs=1e-6) == THERMAL_VOLTAGE


def test_clamp_has_the_limits_of_an_ideal_diode() -> None:
    law = ClampDiode(1e-3, 0.01)
    current, slope = law.evaluate(np.array([-5.0, 0.0, 0.01, 5.0]))
    np.testing.assert_allclose(current, [0, 0, 5e-6, 4.995e-3], atol=1e-18)
    np.testing.assert_allclose(slope, [0, 0, 1e-3, 1e-3], atol=1e-15)


def iv_deck(law: Law, area: float, high: float, step: float) -> str:
    """A source across one device, swept from far reverse to `high`."""
    cards = [*law.model("m_x"), law.card("x", "a", "0", "m_x", area)]
    options = ".options gmin=1e-18 reltol=1e-12 abstol=1e-18 vntol=1e-15"
    return "\n".join(
        ["* i-v", "v1 a 0 0", *cards, options, f".dc v1 {-40 * step:g} {high:g} {step:g}", ".end", ""]
    )


@laws
@pytest.mark.parametrize("area", [1.0, 2.5])
def test_ngspice_measures_the_same_law(
    law: Law, area: float, batch: Callable[[str], tuple[str, dict[str, Array]]]
) -> None:
    high = (20 if isinstance(law, ShockleyDiode) else 50) * unit(law)
    _, found = batch(iv_deck(law, area, high, high / 40))
    v = found["v(a)"]
    current, _ = law.evaluate(v)
    # ngspice does not multiply the junction conductance by an area
    np.testing.assert_allclose(-found["i(v1)"], area * current + law.leak * v, rtol=1e-12, atol=1e-20)
