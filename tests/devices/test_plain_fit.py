from __future__ import annotations

import numpy as np
import pytest

from eqcirc.devices import ShockleyDiode
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.plain_fit import fit_diode, fit_polynomial
from eqcirc.devices.presets import PRESETS
from eqcirc.errors import DataError
from eqcirc.typing import Array

JUNCTION = np.linspace(-0.5, 0.8, 131)
LAWS = {
    "silicon": (ShockleyDiode(1e-14, 1.0), 0.0),
    "rectifier": (ShockleyDiode(3e-9, 1.8), 0.6),
    "bulky": (ShockleyDiode(1e-12, 1.2), 30.0),
}


def behind(law: ShockleyDiode, ohms: float, noise: float = 0.0, seed: int = 0) -> IVCurve:
    """Voltages across junction and resistance, found from the junction's; noise is of the current."""
    current = law.evaluate(JUNCTION)[0]
    off = 1 + noise * np.random.default_rng(seed).normal(size=len(current))
    return IVCurve(JUNCTION + ohms * current, current * off, "d.csv")


@pytest.mark.parametrize("name", LAWS)
def test_a_fit_finds_the_diode_that_made_the_curve(name: str) -> None:
    law, ohms = LAWS[name]
    found = fit_diode(behind(law, ohms))
    assert found.values["saturation_current"] == pytest.approx(law.saturation_current, rel=1e-4)
    assert found.values["emission"] == pytest.approx(law.emission, rel=1e-6)
    assert found.series_resistance == pytest.approx(ohms, rel=1e-4)
    np.testing.assert_allclose(
        found.current(found.measured.voltage[60:]), found.measured.current[60:], rtol=1e-4
    )
    assert found.diode.law == found.law


def test_standard_errors_are_those_of_many_measurements() -> None:
    law, ohms = LAWS["rectifier"]
    true = {"saturation_current": law.saturation_current, "emission": law.emission, "series_resistance": ohms}
    off = []
    for seed in range(60):
        found = fit_diode(behind(law, ohms, 0.02, seed))
        off.append([(found.values[name] - x) / found.errors[name] for name, x in true.items()])
    spread = np.sqrt(np.mean(np.square(off), axis=0))
    np.testing.assert_array_less(0.75, spread)
    np.testing.assert_array_less(spread, 1.3)


def test_a_resistance_that_is_not_seen_is_none() -> None:
    found = fit_diode(behind(*LAWS["silicon"]))
    assert (found.series_resistance, found.errors["series_resistance"]) == (0.0, np.inf)
    known = fit_diode(behind(*LAWS["rectifier"]), series_resistance=0.6)
    assert (known.series_resistance, "series_resistance" in known.errors) == (0.6, False)


def test_what_is_no_diode_is_refused_or_told(caplog: pytest.LogCaptureFixture) -> None:
    curve = behind(*LAWS["silicon"])
    with pytest.raises(
        DataError, match=r"at least 6 points with voltage and current above 0, got 0; is the current"
    ):
        fit_diode(IVCurve(curve.voltage, -curve.current))
    with pytest.raises(DataError, match="got -1"):
        fit_diode(curve, series_resistance=-1.0)
    assert not caplog.records
    fit_diode(IVCurve(curve.voltage / 2, curve.current, "half.csv"))
    assert "half.csv: an emission of 0.5 is less than 1" in caplog.text
    found = fit_diode(IVCurve(JUNCTION, np.abs(np.sin(9 * JUNCTION))))
    assert found.misfit > found.limits[1]


def test_points_are_left_out() -> None:
    curve = behind(*LAWS["rectifier"])
    spoilt = np.where((curve.voltage > 0.3) & (curve.voltage < 0.4), 2.0, 1.0) * curve.current
    found = fit_diode(IVCurve(curve.voltage, spoilt), leave_out=(0.3, 0.4))
    assert found.values["emission"] == pytest.approx(1.8, rel=1e-6)
    assert found.left_out.shape[1] == 10


@pytest.mark.parametrize("name", [name for name in PRESETS if name.startswith("mbd")])
def test_a_makers_polynomial_is_found(name: str) -> None:
    v = np.linspace(-0.06, 0.47, 107)
    law = PRESETS[name].law
    found = fit_polynomial(IVCurve(v, law.evaluate(v)[0]))
    np.testing.assert_allclose(list(found.values.values()), law.coefficients, rtol=1e-8)  # type: ignore[union-attr]
    assert found.diode.largest_load == pytest.approx(PRESETS[name].largest_load)


def cubic(v: Array) -> Array:
    return np.asarray(1e-3 * v + 2e-4 * v**3)


def test_standard_errors_of_a_polynomial_are_those_of_many_measurements() -> None:
    v, off = np.linspace(-1, 1, 61), []
    for seed in range(100):
        noise = 1e-5 * np.random.default_rng(seed).normal(size=len(v))
        found = fit_polynomial(IVCurve(v, cubic(v) + noise), 3)
        true = {"c1": 1e-3, "c2": 0.0, "c3": 2e-4}
        off.append([(found.values[name] - x) / found.errors[name] for name, x in true.items()])
    spread = np.sqrt(np.mean(np.square(off), axis=0))
    np.testing.assert_array_less(0.8, spread)
    np.testing.assert_array_less(spread, 1.25)


def test_a_polynomial_has_to_rise_at_both_ends(caplog: pytest.LogCaptureFixture) -> None:
    v = np.linspace(0, 1, 50)
    found = fit_polynomial(IVCurve(v, v - 0.55 * v**2, "bent.csv"), 2)
    assert 0.7 < found.law.high < 1 / 1.1  # type: ignore[union-attr]
    assert "bent.csv: the polynomial falls at an end of the table" in caplog.text
    with pytest.raises(DataError, match=r"a current that rises at both ends .* take another degree"):
        fit_polynomial(IVCurve(v, v - v**2), 2)
    with pytest.raises(DataError, match="expected a degree of 1 to 12 for 50 points, got 13"):
        fit_polynomial(IVCurve(v, v), 13)
