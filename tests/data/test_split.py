from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqcirc.data import Dataset
from eqcirc.data.split import hold_out, split, stratified_order
from eqcirc.errors import ConfigError, DataError


def labelled(counts: list[int]) -> Dataset:
    """Sample i has the input i, so that samples can be followed."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return Dataset("toy", np.arange(float(len(labels)))[:, None], labels=labels, n_classes=len(counts))


def numbers(part: Dataset | None) -> list[int]:
    return [] if part is None else part.inputs[:, 0].astype(int).tolist()


counts = st.lists(st.integers(20, 60), min_size=2, max_size=5)
shares = st.floats(0.1, 0.4)


@given(counts, shares, shares, st.integers(0, 2**32))
def test_parts_are_disjoint_complete_and_of_the_asked_size(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    parts = split(labelled(counts), validation, test, seed)
    rows = [numbers(part) for part in (parts.train, parts.validation, parts.test)]
    assert sorted(itertools.chain(*rows)) == list(range(sum(counts)))
    assert len(rows[1]) == round(validation * sum(counts))
    assert len(rows[2]) == round(test * sum(counts))


@given(counts, shares, shares, st.integers(0, 2**32))
def test_each_part_has_the_class_shares_of_the_whole(
    counts: list[int], validation: float, test: float, seed: int
) -> None:
    parts = split(labelled(counts), validation, test, seed)
    for part in (parts.train, parts.validation, parts.test):
        assert part is not None and part.labels is not None
        found = np.bincount(part.labels, minlength=len(counts))
        expected = np.array(counts) * part.n_samples / sum(counts)
        assert np.abs(found - expected).max() <= 3


def test_a_seed_fixes_the_parts_and_another_seed_changes_them() -> None:
    data = labelled([30, 30])
    first, again, other = (split(data, 0.2, 0.2, seed) for seed in (1, 1, 2))
    assert numbers(first.train) == numbers(again.train)
    assert numbers(first.test) == numbers(again.test)
    assert set(numbers(first.test)) != set(numbers(other.test))


def test_no_validation_share_gives_no_validation_part() -> None:
    parts = split(labelled([5, 5]), 0, 0.2, seed=0)
    assert parts.validation is None
    assert (parts.train.n_samples, parts.test.n_samples) == (8, 2)


def test_regression_is_shuffled_and_keeps_pairs() -> None:
    inputs = np.arange(50.0)[:, None]
    parts = split(Dataset("line", inputs, targets=2 * inputs), 0.2, 0.2, seed=3)
    assert parts.test.targets is not None
    np.testing.assert_array_equal(parts.test.targets, 2 * parts.test.inputs)
    assert numbers(parts.test) != sorted(numbers(parts.test))


@pytest.mark.parametrize(
    ("validation", "test", "message"),
    [
        (0.1, 0.0, "test: expected a share above 0, got 0"),
        (0.1, -0.1, "test: expected a share of the whole in [0, 1), got -0.1"),
        (1.0, 0.1, "validation: expected a share of the whole in [0, 1), got 1.0"),
        (float("nan"), 0.1, "validation: expected a share of the whole in [0, 1), got nan"),
        (0.5, 0.5, "validation + test: expected shares below 1 in sum, got 1.0"),
    ],
)
def test_bad_shares_are_refused(validation: float, test: float, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        split(labelled([10, 10]), validation, test, seed=0)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DataError, match=re.escape("toy: test = 0.01 of 20 samples is none; raise the share")):
        split(labelled([10, 10]), 0.2, 0.01, seed=0)
    with pytest.raises(DataError, match="toy: 3 samples leave none for training; lower the shares"):
        split(labelled([2, 1]), 0.5, 0.49, seed=0)
    with pytest.raises(DataError, match=r"toy: class 1 has 1 sample\(s\), none of them left for training"):
        split(labelled([19, 1]), 0.3, 0.4, seed=0)


def test_one_part_can_be_held_out() -> None:
    rest, (part,) = hold_out(labelled([6, 6]), {"validation": 0.5}, seed=0)
    assert part is not None and part.labels is not None
    assert np.bincount(part.labels).tolist() == [3, 3]
    assert rest.n_samples == 6


def test_each_beginning_of_the_order_holds_every_class() -> None:
    data = labelled([100, 100, 100])
    assert data.labels is not None
    assert np.bincount(data.labels[stratified_order(data, seed=5)[:9]]).tolist() == [3, 3, 3]
