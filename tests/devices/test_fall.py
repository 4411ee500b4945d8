"""Shelves and jumps on the fall are found, wherever they are; devices, noise and few points are not taken for them."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.devices import EsakiDiode
from eqcirc.devices.fall import find_flaw
from eqcirc.devices.fit import fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.presets import PRESETS
from eqcirc.typing import Array

DIODE = EsakiDiode(2.5e-3, 65e-3, 0.25e-3)  # 72.8 ohm, peak at 65 mV, valley at 0.36 V
SHAPES = {
    "textbook": EsakiDiode(),
    "steep": EsakiDiode(fall_exponent=1.7, valley_voltage=0.25),
    "steepest": EsakiDiode(fall_exponent=3.0, valley_voltage=0.2),
    "small": EsakiDiode(1e-4, 0.05, 8e-6, 8.0, 0.25, 3e-11, 0.035, 1.3),
}


def noisy(current: Array, noise: float, seed: int) -> Array:
    size = np.abs(current) + 0.02 * current.max()
    return current + noise * size * np.random.default_rng(seed).normal(size=len(current))


def oscillating(
    points: int, level: float, start: float, end: float, tilt: float = 0.0
) -> tuple[Array, Array]:
    """A curve with a shelf of so many peak currents, that falls by `tilt` of them."""
    v = np.linspace(0, 0.52, points)
    shelf = DIODE.peak_current * (level - tilt * (v - start) / (end - start))
    return v, np.where((v > start) & (v < end), shelf, DIODE.evaluate(v)[0])


@pytest.mark.parametrize("name", PRESETS)
def test_published_curves_have_no_flaw(name: str) -> None:
    v = np.linspace(0, 0.53 if name == "1n3716" else 0.47, 107)
    assert find_flaw(IVCurve(v, PRESETS[name].law.evaluate(v)[0])) is None


@pytest.mark.parametrize("points", [31, 105, 801])
@pytest.mark.parametrize("name", SHAPES)
def test_noise_is_no_flaw(name: str, points: int) -> None:
    v = np.linspace(0, 0.52, points)
    current, _ = SHAPES[name].evaluate(v)
    curves = [IVCurve(v, noisy(current, noise, seed)) for noise in (0.01, 0.03) for seed in range(10)]
    assert [find_flaw(curve) for curve in curves] == [None] * 20


@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize("points", [53, 105, 401])
@pytest.mark.parametrize(
    ("level", "start", "end", "tilt"),
    [
        (0.7, 0.07, 0.2, 0.0),
        (0.28, 0.07, 0.3, 0.0),
        (0.5, 0.08, 0.28, 0.15),
        (0.35, 0.09, 0.25, 0.0),
        (0.6, 0.07, 0.34, 0.15),
        (0.4, 0.1, 0.3, 0.15),
    ],
)
def test_a_shelf_is_found_and_the_rest_is_the_diode(
    level: float, start: float, end: float, tilt: float, points: int, noise: float
) -> None:
    v, current = oscillating(points, level, start, end, tilt)
    curve = IVCurve(v, noisy(current, noise, 0))
    flaw = find_flaw(curve)
    assert flaw is not None
    assert flaw.kind in ("shelf", "jump")
    found = fit(curve, leave_out=(flaw.low, flaw.high))
    assert found.left_out.shape == (2, flaw.points)
    assert found.flaw is None
    assert found.diode.largest_load == pytest.approx(72.8, rel=1e-3 if noise == 0 else 0.1)


def test_a_jump_onto_a_slope_is_found() -> None:
    """The current jumps to 0.4 of the peak and goes from there to the valley as a straight line."""
    v = np.linspace(0, 0.52, 105)
    current = DIODE.evaluate(v)[0]
    low, high = 0.075, 0.35
    line = np.interp(
        v, [low, high], [0.4 * DIODE.peak_current, float(DIODE.evaluate(np.array([high]))[0][0])]
    )
    flaw = find_flaw(IVCurve(v, np.where((v > low) & (v < high), line, current)))
    assert flaw is not None
    assert flaw.low == pytest.approx(0.0775)
    assert "points between 0.07" in flaw.words


def test_a_fall_without_points_is_told(caplog: pytest.LogCaptureFixture) -> None:
    v = np.linspace(0, 0.52, 105)
    v = v[(v < 0.07) | (v > 0.25)]
    found = fit(IVCurve(v, DIODE.evaluate(v)[0], "gap.csv"))
    assert found.flaw is not None
    assert (found.flaw.kind, found.flaw.points) == ("gap", 0)
    assert "gap.csv: no points on most of the fall, between 0.065 V and 0.255 V" in caplog.text


def test_leads_are_taken_off_before_the_fall_is_judged() -> None:
    """Behind 60 of its 72.8 ohm the diode's fall is steep, nearly a jump; places are voltages of the table."""
    junction = np.linspace(0, 0.52, 209)
    current = DIODE.evaluate(junction)[0]
    curve = IVCurve(junction + 60 * current, current)
    found = fit(curve, series_resistance=60.0)
    assert found.flaw is None
    assert found.diode.largest_load == pytest.approx(12.8, rel=0.01)
    shelf = np.where((junction > 0.08) & (junction < 0.28), 1.2e-3, current)
    curve = IVCurve(junction + shelf, shelf)
    found = fit(curve, series_resistance=1.0)
    assert found.flaw is not None
    assert 0.08 + 1.2e-3 < found.flaw.low < 0.0825 + 2.5e-3, "a voltage across the whole diode"
    again = fit(curve, series_resistance=1.0, leave_out=(found.flaw.low, found.flaw.high))
    assert again.diode.largest_load == pytest.approx(71.8, rel=1e-3)
