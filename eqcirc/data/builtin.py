"""Small data sets that need no file: XOR, two moons, Fisher's iris, 8 x 8 digits."""

from __future__ import annotations

import numpy as np

from eqcirc.data.dataset import Dataset
from eqcirc.errors import ConfigError


def xor() -> Dataset:
    """Return the four points of {0, 1}², labelled with the exclusive or of their coordinates."""
    inputs = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return Dataset("xor", inputs, labels=np.array([0, 1, 1, 0]), n_classes=2)


def moons(samples: int, noise: float, seed: int) -> Dataset:
    """Return two interleaved half circles of radius 1, one for each class, with Gaussian noise.

    The upper one is (cos t, sin t), the lower one (1 - cos t, 1/2 - sin t), t evenly spaced in [0, pi], as in
    scikit-learn's make_moons; written out so that no release of it changes an experiment.

    Args:
        samples: Number of points, at least 2; the lower moon gets the odd one.
        noise: Standard deviation added to each coordinate, in units of the radius.
        seed: Non-negative; the same seed gives the same points.

    Raises:
        ConfigError: `samples` or `noise` is out of range.
    """
    if samples < 2:
        raise ConfigError(f"samples: expected at least 2 for two moons, got {samples}")
    if not 0 <= noise < np.inf:
        raise ConfigError(f"noise: expected a finite standard deviation of at least 0, got {noise}")
    upper, lower = np.linspace(0, np.pi, samples // 2), np.linspace(0, np.pi, samples - samples // 2)
    x = np.concatenate([np.cos(upper), 1 - np.cos(lower)])
    y = np.concatenate([np.sin(upper), 0.5 - np.sin(lower)])
    inputs = np.column_stack([x, y]) + noise * np.random.default_rng(seed).standard_normal((samples, 2))
    labels = np.repeat([0, 1], [len(upper), len(lower)])
    return Dataset("moons", inputs, labels=labels, n_classes=2)


def iris() -> Dataset:
    """Return Fisher's iris data: 150 flowers, 4 lengths in centimetres, 3 species (source: scikit-learn)."""
    from sklearn.datasets import load_iris

    inputs, labels = load_iris(return_X_y=True)
    return Dataset("iris", inputs, labels=labels, n_classes=3, classes=("setosa", "versicolor", "virginica"))


def digits() -> Dataset:
    """Return 1797 handwritten digits of 8 x 8 pixels in [0, 1] (grey levels / 16; source: scikit-learn)."""
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    return Dataset("digits", inputs / 16.0, labels=labels, n_classes=10)
