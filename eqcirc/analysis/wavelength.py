"""The wavelength of a measured pattern.

chain   the largest cosine mode of the profile, its mean and slope taken out, says about where; then the wave number q
        for which  c₀ + c₁·x + c₂·cos(q·x) + c₃·sin(q·x)  leaves the least residual, whatever the phase at the ends
grid    the ring of the two-dimensional spectrum that holds the most power, and the mean wave number around it, weighted
        by power; a Hann window keeps the edges out, whatever the directions and phases of the waves
"""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import dct, fft2, fftfreq, fftshift
from scipy.optimize import minimize_scalar

from eqcirc.errors import DataError
from eqcirc.typing import Array

FLAT = 1e-6  # V; a pattern that varies less is none
FEWEST = 8  # sites along a dimension
REACH = 1.5  # modes to both sides of the largest one: what phases at the ends can displace it by, and windows widen it
FINER = 4  # finer than the modes of the grid: the spacing of its spectrum


def wavelength(profile: Array) -> float:
    """Return the wavelength of voltages (site,) or (row, column), in sites; NaN for a flat profile.

    Raises:
        DataError: too few sites, or values that are not finite.
    """
    profile = np.asarray(profile, np.float64)
    if profile.ndim not in {1, 2} or min(profile.shape) < FEWEST or not np.isfinite(profile).all():
        raise DataError(
            f"wavelength: expected finite voltages of a chain or grid of at least {FEWEST} sites a side, got an "
            f"array of shape {profile.shape}"
        )
    if np.ptp(profile) < FLAT:
        return math.nan
    return _of_chain(profile) if profile.ndim == 1 else _of_grid(profile)


def _of_chain(profile: Array) -> float:
    n = len(profile)
    x = np.arange(n) + 0.5
    straight = np.stack([np.ones(n), x], axis=1)
    detrended = profile - straight @ np.linalg.lstsq(straight, profile, rcond=None)[0]
    peak = 1 + int((dct(detrended, norm="ortho")[1:] ** 2).argmax())

    def residual(q: float) -> float:
        waves = np.concatenate([straight, np.stack([np.cos(q * x), np.sin(q * x)], axis=1)], axis=1)
        left = profile - waves @ np.linalg.lstsq(waves, profile, rcond=None)[0]
        return float(left @ left)

    step = math.pi / n
    around = (max(peak - REACH, 0.5) * step, min(peak + REACH, n - 0.5) * step)
    return 2 * math.pi / float(minimize_scalar(residual, bounds=around, method="bounded").x)


def spectrum(profile: Array) -> tuple[Array, Array]:
    """Return the spectrum of a pattern (row, column).

    Returns:
        wave numbers (m,) along both directions, ascending, in radians a site, and power (m, m) over them.
    """
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in profile.shape))
    centred = profile - (profile * window).sum() / window.sum()
    m = FINER * max(profile.shape)
    power = np.abs(fft2(centred * window, (m, m))) ** 2
    return fftshift(2 * math.pi * fftfreq(m)), np.asarray(fftshift(power))


def _of_grid(profile: Array) -> float:
    along, power = spectrum(profile)
    q = np.hypot(along[:, None], along)
    width = along[1] - along[0]
    ring = np.rint(q / width).astype(int)
    largest = float(np.bincount(ring.ravel(), power.ravel()).argmax()) * width
    near = np.abs(q - largest) <= REACH * 2 * math.pi / min(profile.shape)
    return 2 * math.pi * float(power[near].sum() / (q * power)[near].sum())
