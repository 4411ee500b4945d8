"""Wavelengths of synthetic patterns that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqcirc.analysis.wavelength import mode_power, modes, wavelength
from eqcirc.errors import DataError
from eqcirc.typing import Array

X = np.arange(96)


def mode(k: tuple[int, ...], shape: tuple[int, ...], periodic: bool, phase: float = 0.0) -> Array:
    """A mode of a lattice, written out; on a ring or torus, a wave in some direction of any phase."""
    sites = np.indices(shape)
    if periodic:
        along = sum(2 * np.pi * m * j / n for m, j, n in zip(k, sites, shape, strict=True))
        return np.asarray(np.cos(along + phase))
    parts = [np.cos(np.pi * m * (j + 0.5) / n) for m, j, n in zip(k, sites, shape, strict=True)]
    return np.asarray(np.prod(parts, axis=0))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans(), st.floats(0, 6.28), st.floats(-10, 10), st.floats(1e-3, 100))
def test_every_mode_of_any_lattice_has_exactly_its_wavelength(
    data: st.DataObject, periodic: bool, phase: float, offset: float, size: float
) -> None:
    shape = tuple(data.draw(st.lists(st.integers(5, 12), min_size=1, max_size=2)))
    longest = [(n - 1) // 2 if periodic else n - 1 for n in shape]
    k = tuple(data.draw(st.integers(0, most)) for most in longest)
    if not any(k):
        k = (1, *k[1:])
    q = [math.pi * (2 if periodic else 1) * m / n for m, n in zip(k, shape, strict=True)]
    pattern = offset + size * mode(k, shape, periodic, phase)
    assert wavelength(pattern, periodic) == pytest.approx(2 * math.pi / math.hypot(*q), rel=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(9, 11), (8, 8), (16, 8), (8, 40)])
def test_one_wave_across_a_small_grid(rows: int, columns: int) -> None:
    """What a window takes from a grid of a wave or so, no estimate gives back."""
    pattern = np.tile(np.cos(2 * np.pi * (np.arange(columns) + 0.5) / columns), (rows, 1))
    assert wavelength(pattern) == pytest.approx(columns)


def test_a_ring_does_not_care_where_its_wave_begins() -> None:
    wave = np.cos(2 * np.pi * 5 * X / 96) + 0.2 * np.cos(2 * np.pi * 6 * X / 96)
    turned = [wavelength(np.roll(wave, k), periodic=True) for k in range(0, 96, 7)]
    np.testing.assert_allclose(turned, turned[0], rtol=1e-12)
    assert turned[0] < 96 / 5


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("shape", [(12,), (13,), (6, 7), (5, 8), (1, 9), (2, 3)])
def test_all_the_power_is_in_the_modes(shape: tuple[int, ...], periodic: bool) -> None:
    profile = np.random.default_rng(1).normal(size=shape)
    power = mode_power(profile, periodic)
    assert power.shape == modes(shape, periodic)[0].shape[:1]
    assert power.sum() == pytest.approx((profile**2).sum())
    assert power[0] == pytest.approx(profile.sum() ** 2 / profile.size)


def test_the_wavelength_is_the_mean_of_the_peak_without_harmonics() -> None:
    two = mode((18,), (96,), False) + 0.5 * mode((20,), (96,), False)
    assert 2 * 96 / wavelength(two) == pytest.approx((18 + 0.25 * 20) / 1.25)
    for harmonic in (36, 54, 2):
        assert wavelength(two + 0.4 * mode((harmonic,), (96,), False)) == pytest.approx(wavelength(two))


def test_noise_hardly_matters() -> None:
    rng = np.random.default_rng(0)
    for k in range(6, 33):
        profile = mode((k,), (96,), False) + rng.normal(0, 0.2, 96)
        assert wavelength(profile) == pytest.approx(2 * 96 / k, rel=0.02)


def test_flat_profiles_have_no_wavelength() -> None:
    assert math.isnan(wavelength(np.full(96, 0.125)))
    assert math.isnan(wavelength(1e-9 * np.cos(X)))
    assert math.isnan(wavelength(np.zeros((12, 12))))


@pytest.mark.parametrize("waves", [1, 3, 20])
def test_grids_of_waves_in_all_directions(waves: int) -> None:
    """Of any phase, so that they are no modes of the grid: power leaks to their neighbours, on both sides."""
    rng = np.random.default_rng(waves)
    row, column = np.indices((44, 52))
    for _ in range(20):
        length, pattern = rng.uniform(5, 13), rng.normal(0, 0.2, (44, 52)) + 3
        for angle, phase in rng.uniform(0, 2 * np.pi, (waves, 2)):
            along = np.cos(angle) * row + np.sin(angle) * column
            pattern += np.cos(2 * np.pi * along / length + phase) / np.sqrt(waves)
        assert wavelength(pattern) == pytest.approx(length, rel=0.05)


@pytest.mark.parametrize("wrong", [np.ones((9, 9, 9)), np.full(96, np.nan), np.array(1.0), np.empty(0)])
def test_what_is_no_profile_is_refused(wrong: Array) -> None:
    with pytest.raises(DataError, match=r"expected finite voltages \(site,\) or \(row, column\)"):
        wavelength(wrong)
