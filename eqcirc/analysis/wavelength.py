"""The modes of a lattice, and the wavelength of a measured pattern.

open ends  cos(π·k·(j + ½)/n), k = 0 … n − 1 half waves along a side of n sites: the discrete cosine transform
ring       cos(2π·k·j/n + phase), k = 0 … n/2 whole waves: the Fourier transform, both directions of travel together

On a grid every mode is a product of one along the rows and one along the columns.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.fft import dctn, fftn

from eqcirc.errors import DataError
from eqcirc.typing import Array

FLAT = 1e-6  # V; a pattern that varies less is none
REACH = 1.4
"""The peak of a spectrum goes from 1/REACH to REACH times the wave number of its strongest mode: short of harmonics,
which begin at √2 in patterns of squares, at √3 in hexagons, at 2 in stripes."""


def modes(shape: tuple[int, ...], periodic: bool = False) -> tuple[np.ndarray, Array]:
    """Return the modes of a lattice.

    Returns:
        (mode, dimension) half waves along every dimension, whole waves if the lattice is periodic; the uniform mode is
        the first. Their wave numbers (mode, dimension) in radians a site.
    """
    turn = 2 if periodic else 1
    counts = [n // 2 + 1 if periodic else n for n in shape]
    waves = np.stack([k.ravel() for k in np.indices(counts)], axis=1)
    return waves, np.pi * turn * waves / np.array(shape)


def mode_power(profile: Array, periodic: bool = False) -> Array:
    """Return the power (mode,) that a pattern has in every mode of `modes`, in V²; it adds up to the sum of squares."""
    if not periodic:
        return np.asarray(dctn(profile, type=2, norm="ortho") ** 2).ravel()
    power = np.abs(fftn(profile, norm="ortho")) ** 2
    folded = [np.minimum(k, n - k) for k, n in zip(np.indices(power.shape), power.shape, strict=True)]
    counts = [n // 2 + 1 for n in power.shape]
    mode = np.ravel_multi_index(tuple(folded), counts)
    return np.asarray(np.bincount(mode.ravel(), power.ravel(), math.prod(counts)), np.float64)


def wavelength(profile: Array, periodic: bool = False) -> float:
    """Return the wavelength of voltages (site,) or (row, column), in sites; NaN for a flat profile.

    It is that of the mean wave number of the spectrum's peak, weighted by the power P of the modes:

        2π·Σ P / Σ P·|q|     over the modes with |q₁|/REACH < |q| < |q₁|·REACH,  q₁ of the strongest

    A pattern of one mode has exactly the wavelength of that mode.

    Raises:
        DataError: not a chain or grid, or values that are not finite.
    """
    profile = np.asarray(profile, np.float64)
    if profile.ndim not in {1, 2} or not profile.size or not np.isfinite(profile).all():
        raise DataError(
            f"wavelength: expected finite voltages (site,) or (row, column), got an array of shape {profile.shape}"
        )
    if np.ptp(profile) < FLAT:
        return math.nan
    q = np.linalg.norm(modes(profile.shape, periodic)[1], axis=1)[1:]
    power = mode_power(profile - profile.mean(), periodic)[1:]
    strongest = q[power.argmax()]
    peak = (q > strongest / REACH) & (q < strongest * REACH)
    return 2 * math.pi * float(power[peak].sum() / (power * q)[peak].sum())
