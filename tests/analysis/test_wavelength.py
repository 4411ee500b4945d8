"""Wavelengths of synthetic patterns that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqcirc.analysis.wavelength import spectrum, wavelength
from eqcirc.errors import DataError
from eqcirc.typing import Array

X = np.arange(96)


def wave(length: float, phase: float = 0.0) -> Array:
    return np.cos(2 * np.pi * X / length + phase)


@settings(max_examples=60, deadline=None)
@given(st.floats(4, 33), st.floats(0, 6.28), st.floats(-10, 10), st.floats(-0.1, 0.1), st.floats(1e-3, 100))
def test_a_sinusoid_of_any_length_and_phase_on_any_slope(
    length: float, phase: float, offset: float, slope: float, size: float
) -> None:
    assert wavelength(size * (wave(length, phase) + offset + slope * X)) == pytest.approx(length, rel=1e-3)


@pytest.mark.parametrize("k", [3, 10, 19, 40])
def test_whole_half_waves_between_open_ends(k: int) -> None:
    profile = np.cos(np.pi * k * (X + 0.5) / 96)
    assert wavelength(profile) == pytest.approx(2 * 96 / k, rel=1e-4)


def test_noise_and_harmonics_hardly_matter() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        length, phase = rng.uniform(6, 30), rng.uniform(0, 6.28)
        profile = wave(length, phase) + 0.25 * wave(length / 3, 3 * phase) + rng.normal(0, 0.2, 96)
        assert wavelength(profile) == pytest.approx(length, rel=0.02)


def test_half_a_wave_more_or_less_is_seen() -> None:
    lengths = [wavelength(wave(2 * 96 / k, 1.0)) for k in (18.0, 18.5, 19.0)]
    np.testing.assert_allclose(2 * 96 / np.array(lengths), [18, 18.5, 19], atol=0.05)


def test_flat_profiles_have_no_wavelength() -> None:
    assert math.isnan(wavelength(np.full(96, 0.125)))
    assert math.isnan(wavelength(1e-9 * wave(10)))
    assert math.isnan(wavelength(np.zeros((12, 12))))


@pytest.mark.parametrize("waves", [1, 3, 20])
def test_grids_of_waves_in_all_directions(waves: int) -> None:
    rng = np.random.default_rng(waves)
    row, column = np.indices((44, 52))
    for _ in range(20):
        length, pattern = rng.uniform(5, 13), rng.normal(0, 0.2, (44, 52)) + 3
        for angle, phase in rng.uniform(0, 2 * np.pi, (waves, 2)):
            along = np.cos(angle) * row + np.sin(angle) * column
            pattern += np.cos(2 * np.pi * along / length + phase) / np.sqrt(waves)
        assert wavelength(pattern) == pytest.approx(length, rel=0.05)


def test_the_spectrum_of_a_grid_stands_at_its_wave_number() -> None:
    row, _ = np.indices((32, 32))
    along, power = spectrum(np.cos(2 * np.pi * row / 8) + 5)
    peak = np.unravel_index(power.argmax(), power.shape)
    assert abs(along[peak[0]]) == pytest.approx(2 * np.pi / 8, abs=0.03)
    assert along[peak[1]] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "wrong", [np.ones(7), np.ones((7, 30)), np.ones((9, 9, 9)), np.full(96, np.nan), np.array(1.0)]
)
def test_what_is_no_profile_is_refused(wrong: Array) -> None:
    with pytest.raises(DataError, match="at least 8 sites a side"):
        wavelength(wrong)
