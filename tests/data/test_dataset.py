from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqcirc.data import Dataset, Splits
from eqcirc.errors import DataError

INPUTS = np.arange(6.0).reshape(3, 2)


def classes(**changes: object) -> Dataset:
    arguments = {"name": "toy", "inputs": INPUTS, "labels": [0, 1, 1], "n_classes": 2} | changes
    return Dataset(**arguments)  # type: ignore[arg-type]


def test_classification_has_converted_arrays_and_sizes() -> None:
    data = Dataset("toy", INPUTS.astype(np.float32), labels=np.array([2, 0, 1], np.uint8), n_classes=3)
    assert data.inputs.dtype == np.float64
    assert data.labels is not None and data.labels.dtype == np.int64
    assert (data.n_samples, data.n_features, data.n_outputs) == (3, 2, 3)


def test_regression_has_one_output_for_each_target_column() -> None:
    data = Dataset("toy", INPUTS, targets=np.ones((3, 4)))
    assert (data.n_outputs, data.n_classes, data.labels) == (4, 0, None)


def test_arrays_are_read_only_and_the_callers_array_stays_writable() -> None:
    mine = INPUTS.copy()
    data = classes(inputs=mine)
    with pytest.raises(ValueError, match="read-only"):
        data.inputs[0, 0] = 1.0
    mine[0, 0] = 1.0


def test_labels_stored_as_whole_floats_are_accepted() -> None:
    data = classes(labels=np.array([0.0, 1.0, 1.0]))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": np.zeros(3)}, "toy: expected inputs of shape (samples, columns), got (3,); reshape it"),
        (
            {"inputs": np.zeros((0, 2))},
            "toy: expected at least 1 sample and 1 column in inputs, got shape (0, 2)",
        ),
        (
            {"inputs": np.zeros((3, 0))},
            "toy: expected at least 1 sample and 1 column in inputs, got shape (3, 0)",
        ),
        ({"inputs": [[1.0], [1.0, 2.0]]}, "toy: expected rows of equal length in inputs"),
        ({"classes": ("one",)}, "toy: expected a name for each of 2 classes, got 1"),
        ({"inputs": [["a", "b"]] * 3}, "toy: expected numbers in inputs, got an array of type <U1"),
        ({"inputs": INPUTS * 1j}, "toy: expected numbers in inputs, got an array of type complex128"),
        ({"labels": None}, "toy: expected exactly one of labels and targets, got neither"),
        ({"targets": INPUTS}, "toy: expected exactly one of labels and targets, got both"),
        ({"labels": [0, 1]}, "toy: expected one row of labels for each of 3 inputs, got 2"),
        ({"labels": [[0], [1], [1]]}, "toy: expected labels of shape (samples,), got (3, 1); reshape them"),
        (
            {"labels": [0, 2, -1]},
            "toy: expected integer labels in 0..1, got 2 at row 1 (counted from 0), 2 such",
        ),
        (
            {"labels": [0, 0.5, 1]},
            "toy: expected integer labels in 0..1, got 0.5 at row 1 (counted from 0), 1 such",
        ),
        ({"labels": [0, 1, np.nan]}, "toy: expected integer labels in 0..1, got nan at row 2"),
        ({"names": ("a",)}, "toy: expected a name for each of 2 features, got 1"),
        ({"labels": ["a", "b", "b"]}, "toy: expected numbers in labels, got an array of type <U1"),
        ({"labels": [0, 0, 0], "n_classes": 1}, "toy: expected at least 2 classes, got n_classes=1"),
        ({"labels": None, "targets": INPUTS}, "toy: targets mean regression: expected n_classes 0, got 2"),
        (
            {"labels": None, "targets": INPUTS[:2], "n_classes": 0},
            "toy: expected one row of targets for each of 3 inputs, got 2",
        ),
    ],
)
def test_unusable_arrays_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        classes(**changes)


@given(
    cells=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1),
    value=st.sampled_from([np.nan, np.inf, -np.inf]),
)
def test_the_first_value_that_is_not_finite_is_named_and_all_are_counted(
    cells: set[tuple[int, int]], value: float
) -> None:
    inputs = np.zeros((5, 4))
    for cell in cells:
        inputs[cell] = value
    row, column = min(cells)
    with pytest.raises(DataError) as caught:
        classes(inputs=inputs, labels=[0, 1, 0, 1, 0])
    assert f"got {value} at row {row}, column {column} (counted from 0), {len(cells)} such" in str(
        caught.value
    )


@given(st.lists(st.integers(0, 2), min_size=1))
def test_take_returns_the_rows_in_the_given_order(rows: list[int]) -> None:
    data = classes().take(rows)
    assert data.labels is not None
    np.testing.assert_array_equal(data.inputs, INPUTS[rows])
    assert data.labels.tolist() == [[0, 1, 1][row] for row in rows]
    assert (data.name, data.n_classes) == ("toy", 2)


def test_take_keeps_targets_with_their_inputs() -> None:
    data = Dataset("toy", INPUTS, targets=-INPUTS).take(np.array([2, 0]))
    np.testing.assert_array_equal(data.targets, -data.inputs)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "toy: expected a list of at least 1 row number, got []"),
        ([0.5], "toy: expected a list of at least 1 row number, got [0.5]"),
        ([[0]], "toy: expected a list of at least 1 row number, got [[0]]"),
        ([0, 3], "toy: expected row numbers in 0..2, got 3"),
        ([-1], "toy: expected row numbers in 0..2, got -1"),
    ],
)
def test_take_refuses_wrong_rows(rows: list[object], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        classes().take(rows)  # type: ignore[arg-type]


def test_parts_of_different_width_do_not_fit_together() -> None:
    narrow = classes(name="narrow", inputs=INPUTS[:, :1])
    with pytest.raises(
        DataError, match="narrow: expected 2 features and 2 outputs as in the training part, got 1"
    ):
        Splits(classes(), None, narrow)
    with pytest.raises(DataError, match="narrow"):
        Splits(classes(), narrow, classes())
