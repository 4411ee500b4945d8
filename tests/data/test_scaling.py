from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eqcirc.data import Dataset, Scaler, Scaling, Splits, scale
from eqcirc.errors import ConfigError, DataError
from eqcirc.typing import Array

matrices = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-1e100, 1e100)
)


def scaled(kind: Scaling, inputs: Array) -> Array:
    return Scaler.fit(kind, inputs).apply(inputs)


@given(matrices)
def test_none_changes_nothing(inputs: Array) -> None:
    np.testing.assert_array_equal(scaled("none", inputs), inputs)


@given(matrices)
def test_unit_fills_zero_to_one_or_is_zero_where_nothing_varies(inputs: Array) -> None:
    result = scaled("unit", inputs)
    assert result.min() == 0
    assert np.isclose(result.max(), 1) or not result.any()


@given(matrices)
def test_standard_is_finite_and_never_wider_than_one(inputs: Array) -> None:
    result = scaled("standard", inputs)
    assert np.isfinite(result).all()
    assert (result.std(axis=0) <= 1 + 1e-6).all()


def test_unit_uses_one_map_for_the_whole_array() -> None:
    np.testing.assert_array_equal(scaled("unit", np.array([[0.0, 1.0], [2.0, 4.0]])), [[0, 0.25], [0.5, 1]])


def test_standard_gives_mean_zero_and_deviation_one() -> None:
    result = scaled("standard", np.random.default_rng(0).normal([5, -3], [2, 1e-3], (100, 2)))
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(result.std(axis=0), 1)


@given(st.floats(-1e6, 1e6), st.integers(1, 50))
def test_a_constant_feature_becomes_zero(value: float, n: int) -> None:
    np.testing.assert_array_equal(scaled("standard", np.full((n, 1), value)), 0)


def test_scale_fits_to_the_training_part_only() -> None:
    def part(*values: float) -> Dataset:
        inputs, labels = np.array(values)[:, None], np.zeros(len(values))
        return Dataset("toy", inputs, labels=labels, n_classes=2, names=("size",))

    splits, scaler = scale(Splits(part(0, 2), part(4), part(-2)), "unit")
    assert (scaler.offset.tolist(), scaler.factor.tolist(), scaler.names) == ([0], [0.5], ("size",))
    assert splits.validation is not None
    assert splits.train.inputs.ravel().tolist() == [0, 1]
    assert splits.validation.inputs.ravel().tolist() == [2]
    assert splits.test.inputs.ravel().tolist() == [-1]
    assert scale(Splits(part(0, 2), None, part(-2)), "unit")[0].validation is None


def test_an_unknown_kind_is_refused_with_a_hint() -> None:
    message = "scaling: unknown kind 'standart'; did you mean 'standard'? Valid: none, standard, unit."
    with pytest.raises(ConfigError, match=re.escape(message)):
        Scaler.fit("standart", np.ones((1, 1)))  # type: ignore[arg-type]


def test_another_number_of_features_is_refused() -> None:
    with pytest.raises(
        DataError, match=re.escape("scaling: expected inputs of shape (samples, 3), got (1, 2)")
    ):
        Scaler.fit("none", np.ones((1, 3))).apply(np.ones((1, 2)))
