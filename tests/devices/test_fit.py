from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

from eqcirc.devices import CubicDevice, EsakiDiode
from eqcirc.devices.fit import POOR, Shape, fit, standard_errors
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.presets import PRESETS
from eqcirc.errors import DataError

V = np.linspace(-0.05, 0.53, 117)
DIODES = {
    "germanium": EsakiDiode(),
    "steep": EsakiDiode(fall_exponent=1.7, valley_voltage=0.25),
    "small": EsakiDiode(1e-4, 0.05, 8e-6, 8.0, 0.25, 3e-11, 0.035, 1.3),
}
diodes = pytest.mark.parametrize("diode", DIODES.values(), ids=DIODES)


def measured(diode: EsakiDiode, noise: float = 0.0, seed: int = 0, ohms: float = 0.0) -> IVCurve:
    current, _ = diode.evaluate(V)
    noise = (
        noise
        * np.random.default_rng(seed).normal(size=len(V))
        * (np.abs(current) + 0.02 * diode.peak_current)
    )
    return IVCurve(V + ohms * current, current + noise)


@diodes
def test_a_fit_finds_the_law_that_made_the_curve(diode: EsakiDiode) -> None:
    """Vv is held at the measured valley, so that Ix is the excess current there."""
    found = fit(measured(diode))
    v = V[V >= 0]
    np.testing.assert_allclose(
        found.current(v), diode.evaluate(v)[0], rtol=1e-4, atol=1e-5 * diode.peak_current
    )
    assert found.values["peak_current"] == pytest.approx(diode.peak_current, rel=1e-3)
    assert found.values["fall_exponent"] == pytest.approx(diode.fall_exponent, rel=1e-3)
    there = np.exp(diode.excess_slope * (found.law.valley_voltage - diode.valley_voltage))  # type: ignore[union-attr]
    assert found.values["excess_current"] == pytest.approx(diode.excess_current * there, rel=1e-2)


def teststandard_errors_are_those_of_many_measurements() -> None:
    """Distances of 60 fits of noisy curves from the truth, in the errors that each states: all seven parameters."""
    diode = EsakiDiode(fall_exponent=1.4)
    distances = []
    for seed in range(60):
        found = fit(measured(diode, 0.01, seed))
        there = diode.excess_slope * (found.law.valley_voltage - diode.valley_voltage)  # type: ignore[union-attr]
        true = vars(diode) | {"excess_current": diode.excess_current * np.exp(there)}
        distances.append(
            [np.log(x / true[name]) * x / found.errors[name] for name, x in found.values.items()]
        )
    spread = np.sqrt(np.mean(np.square(distances), axis=0))
    assert spread.shape == (7,)
    np.testing.assert_array_less(0.8, spread)
    np.testing.assert_array_less(spread, 1.25)


def teststandard_errors_of_points_that_almost_fix_a_parameter() -> None:
    """A mean of forty values and one of three: HC3 states the error of a mean of one value fewer."""
    rng = np.random.default_rng(0)
    jacobian = np.zeros((43, 2))
    jacobian[:40, 0], jacobian[40:, 1] = 1.0, 1.0
    inside = np.zeros(2)
    for _ in range(2000):
        noise = rng.normal(size=43)
        result = OptimizeResult(
            x=np.zeros(2),
            jac=jacobian,
            fun=noise - jacobian @ (np.linalg.pinv(jacobian) @ noise),
            active_mask=np.zeros(2, int),
        )
        inside += np.square(standard_errors(result))
    np.testing.assert_allclose(inside / 2000, [1 / 39, 1 / 2], rtol=0.05)


@diodes
def test_peak_and_valley_of_the_fit_are_those_of_the_data(diode: EsakiDiode) -> None:
    found = fit(measured(diode, 0.01))
    np.testing.assert_allclose(found.turns[0], found.measured.peak, rtol=0.05)
    np.testing.assert_allclose(found.turns[1], found.measured.valley, rtol=0.05)


def test_a_table_that_ends_early_does_not_determine_the_diode_current() -> None:
    whole = measured(EsakiDiode(), 0.005)
    part = whole.voltage < 0.41
    found = fit(IVCurve(whole.voltage[part], whole.current[part]))
    assert np.isinf(found.errors["saturation_current"])
    assert np.isfinite(found.errors["peak_current"])


def test_known_series_resistance_is_taken_off() -> None:
    diode = EsakiDiode()
    curve = measured(diode, ohms=3.0)
    with_it = fit(curve, series_resistance=3.0)
    assert with_it.values["peak_voltage"] == pytest.approx(diode.peak_voltage, rel=1e-3)
    assert fit(curve).values["peak_voltage"] > 1.1 * diode.peak_voltage
    assert with_it.diode.series_resistance == 3.0
    with pytest.raises(DataError, match="expected less than"):
        fit(curve, series_resistance=100.0)
    with pytest.raises(DataError, match="got -1"):
        fit(curve, series_resistance=-1.0)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_too_much_series_resistance_folds_the_curve_back(noise: float) -> None:
    """2 ohm of a real 3 and of no resistance at all: the curve stays in order; 5 of none: it does not."""
    fit(measured(EsakiDiode(), noise, ohms=3.0), series_resistance=2.0)
    bare = measured(EsakiDiode(), noise)
    fit(bare, series_resistance=1.0)
    with pytest.raises(
        DataError, match=r"5 ohm of series resistance fold the curve back by .* V at .* V, .* A"
    ):
        fit(bare, series_resistance=5.0)


def test_a_table_out_of_the_range_of_the_law_is_named() -> None:
    kilo = IVCurve(V / 1000, EsakiDiode().evaluate(V)[0] / 1000, "ka.csv")
    message = (
        r"^ka\.csv: tunnel diode: valley voltage must be .*; the peak is at 6\..*e-05 V and 4\..*e-06 A: are"
    )
    with pytest.raises(DataError, match=message):
        fit(kilo)
    with pytest.raises(DataError, match=r"^ka\.csv: cubic device: v0 must be"):
        fit(kilo, "cubic")


def test_reversed_currents_and_offsets_are_named() -> None:
    v = np.linspace(0, 0.4, 201)
    current = EsakiDiode().evaluate(v)[0]
    for shape in ("esaki", "cubic"):
        with pytest.raises(
            DataError, match=r"the peak is at .* expected both above 0: is the current of reversed"
        ):
            fit(IVCurve(v, -current), shape)
    offset = IVCurve(V, EsakiDiode().evaluate(V)[0] - 1e-3)
    with pytest.raises(DataError, match=r"the valley is at 0\.37.* V and -0\.00036.* A; .* an offset\?"):
        fit(offset)


@pytest.mark.parametrize("shape", ["esaki", "cubic"])
def test_the_steepest_fall_of_a_fit_is_on_its_curve(shape: Shape) -> None:
    found = fit(measured(EsakiDiode(), ohms=1.0), shape, series_resistance=1.0)
    v = np.linspace(0, 0.45, 100_001)
    slope = np.gradient(found.current(v), v)
    assert found.fall.voltage == pytest.approx(v[np.argmin(slope)], abs=5e-5)
    assert found.fall.current == pytest.approx(found.current(np.array(found.fall.voltage)))
    assert found.diode.largest_load == pytest.approx(-1 / slope.min() - 1.0, rel=1e-4)


def test_a_law_that_does_not_fit_says_so() -> None:
    """Swapped columns, against the makers' curves, which every law meets."""
    current = EsakiDiode().evaluate(V)[0]
    assert fit(IVCurve(current, V)).misfit > POOR
    for name, diode in PRESETS.items():
        v = np.linspace(0, 0.53 if name == "1n3716" else 0.47, 107)
        curve = IVCurve(v, diode.law.evaluate(v)[0])
        assert fit(curve, "cubic").misfit < POOR


def test_a_rough_fit_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The makers' curves are far from cubics; a cubic is not, nor is an Esaki law."""
    v = np.linspace(0, 0.47, 107)
    curve = IVCurve(v, PRESETS["mbd1057"].law.evaluate(v)[0], "maker")
    fit(curve)
    fit(IVCurve(v, CubicDevice(2e-3, 0.1).evaluate(v - 0.2)[0] + 1e-3), "cubic")
    assert "misses the curve" not in caplog.text
    fit(curve, "cubic")
    assert "maker: the cubic law misses the curve by 22 % of the peak current" in caplog.text


def test_a_cubic_is_found_with_its_centre() -> None:
    true = CubicDevice(2e-3, 0.1)
    v = np.linspace(0.0, 0.5, 101)
    noise = 2e-7 * np.random.default_rng(0).normal(size=len(v))
    found = fit(IVCurve(v, true.evaluate(v - 0.2)[0] + 1e-3 + noise), "cubic")
    expected = {"g1": 2e-3, "v0": 0.1, "centre_voltage": 0.2, "centre_current": 1e-3}
    for name, value in found.values.items():
        assert abs(value - expected[name]) < 5 * found.errors[name] < 0.05 * value, name
    np.testing.assert_allclose(found.turns[0].voltage, 0.1, rtol=1e-2)


def test_a_cubic_around_the_fall_of_a_diode() -> None:
    found = fit(measured(EsakiDiode()), "cubic")
    assert found.rms < 0.12 * 4.7e-3
    assert found.measured.peak.voltage < found.centre.voltage < found.measured.valley.voltage


def test_a_cubic_needs_points_on_the_fall() -> None:
    sparse = np.concatenate([np.linspace(0, 0.06, 10), [0.13, 0.2], np.linspace(0.37, 0.5, 10)])
    with pytest.raises(DataError, match="at least 5 points from peak to valley, got 4"):
        fit(IVCurve(sparse, EsakiDiode().evaluate(sparse)[0]), "cubic")


@pytest.mark.parametrize(("name", "bound"), [("mbd1057", 0.08), ("mbd2057", 0.04), ("mbd3057", 0.09)])
def test_a_published_curve_is_met_roughly(name: str, bound: float) -> None:
    """The makers' polynomials are no Esaki laws: the fit comes near them, not to them."""
    v = np.linspace(-0.06, 0.47, 107)
    curve = IVCurve(v, PRESETS[name].law.evaluate(v)[0])
    found = fit(curve)
    assert found.rms_to_valley < bound * curve.peak.current
    assert found.values["fall_exponent"] > 1.3, "they fall more steeply than the textbook's law"
