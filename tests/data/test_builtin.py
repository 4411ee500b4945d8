from __future__ import annotations

import re

import numpy as np
import pytest

from eqcirc.data.builtin import digits, iris, moons, xor
from eqcirc.errors import ConfigError


def test_xor_is_its_truth_table() -> None:
    data = xor()
    assert data.labels is not None
    assert data.labels.tolist() == [int(a) ^ int(b) for a, b in data.inputs.tolist()]
    assert len({tuple(point) for point in data.inputs.tolist()}) == 4


def test_moons_without_noise_lie_on_two_unit_circles() -> None:
    data = moons(101, noise=0, seed=0)
    assert data.labels is not None
    upper, lower = data.inputs[data.labels == 0], data.inputs[data.labels == 1]
    np.testing.assert_allclose(np.hypot(*upper.T), 1)
    np.testing.assert_allclose(np.hypot(*(lower - [1, 0.5]).T), 1)
    assert (len(upper), len(lower)) == (50, 51)


def test_moons_agree_with_scikit_learn() -> None:
    from sklearn.datasets import make_moons

    inputs, labels = make_moons(100, shuffle=False)
    data = moons(100, noise=0, seed=0)
    np.testing.assert_allclose(data.inputs, inputs)
    np.testing.assert_array_equal(data.labels, labels)  # type: ignore[arg-type]


def test_moons_noise_has_the_asked_deviation_and_follows_the_seed() -> None:
    noise = moons(10_000, noise=0.2, seed=1).inputs - moons(10_000, noise=0, seed=1).inputs
    assert abs(noise.std() - 0.2) < 0.005
    np.testing.assert_array_equal(moons(10, 0.1, seed=1).inputs, moons(10, 0.1, seed=1).inputs)
    assert (moons(10, 0.1, seed=1).inputs != moons(10, 0.1, seed=2).inputs).all()


@pytest.mark.parametrize(
    ("samples", "noise", "message"),
    [
        (1, 0.1, "samples: expected at least 2 for two moons, got 1"),
        (10, -0.1, "noise: expected a finite standard deviation of at least 0, got -0.1"),
        (10, float("nan"), "noise: expected a finite standard deviation of at least 0, got nan"),
        (10, float("inf"), "noise: expected a finite standard deviation of at least 0, got inf"),
    ],
)
def test_moons_refuse_bad_arguments(samples: int, noise: float, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        moons(samples, noise, seed=0)


def test_iris_has_fifty_flowers_of_each_species() -> None:
    data = iris()
    assert data.labels is not None
    assert data.inputs.shape == (150, 4)
    assert np.bincount(data.labels).tolist() == [50, 50, 50]


def test_digits_are_pixels_from_zero_to_one() -> None:
    data = digits()
    assert data.inputs.shape == (1797, 64)
    assert (data.inputs.min(), data.inputs.max(), data.n_classes) == (0, 1, 10)
