"""Turn what a user or a file gave into arrays that can be trusted, or say what is wrong with it.

Rows and columns in messages are counted from 0, as in numpy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eqcirc.errors import DataError
from eqcirc.typing import Array

Labels = NDArray[np.int64]
"""Class numbers, counted from 0."""


def matrix(name: str, field: str, values: ArrayLike) -> Array:
    """Return `values` as a read-only (samples, columns) float64 array; nothing is copied unless it must be.

    Raises:
        DataError: The values are not numeric, not two-dimensional, empty, or not finite.
    """
    array = _numeric(name, field, values).astype(np.float64, copy=False)
    if array.ndim != 2:
        raise DataError(
            f"{name}: expected {field} of shape (samples, columns), got {array.shape}; reshape it"
        )
    if array.size == 0:
        raise DataError(
            f"{name}: expected at least 1 sample and 1 column in {field}, got shape {array.shape}"
        )
    finite = np.isfinite(array)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise DataError(
            f"{name}: expected finite {field}, got {array[row, column]} "
            f"at row {row}, column {column} (counted from 0), "
            f"{np.count_nonzero(~finite)} such value(s) in all; repair or drop these samples"
        )
    return _read_only(array)


def class_numbers(name: str, values: ArrayLike, n_classes: int) -> Labels:
    """Return `values` as a read-only (samples,) int64 array of class numbers.

    Raises:
        DataError: The values are not one-dimensional or not integers in 0..n_classes-1, or `n_classes` is
            below 2.
    """
    array = _numeric(name, "labels", values)
    if array.ndim != 1:
        raise DataError(f"{name}: expected labels of shape (samples,), got {array.shape}; reshape them")
    if n_classes < 2:
        raise DataError(f"{name}: expected at least 2 classes, got n_classes={n_classes}")
    numbers = array.astype(np.float64)
    # NaN differs from its own floor, so it is found too.
    wrong = np.flatnonzero((numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= n_classes))
    if len(wrong):
        raise DataError(
            f"{name}: expected integer labels in 0..{n_classes - 1}, got {array[wrong[0]]} at row {wrong[0]} "
            f"(counted from 0), {len(wrong)} such label(s) in all; number the classes 0, 1, 2, … without gaps"
        )
    return _read_only(array.astype(np.int64, copy=False))


def equal_length(name: str, inputs: Array, field: str, values: Array | Labels) -> None:
    """Raise DataError unless there is one row of `values` for each row of `inputs`."""
    if len(inputs) != len(values):
        raise DataError(
            f"{name}: expected one row of {field} for each of {len(inputs)} inputs, got {len(values)}"
        )


def _numeric(name: str, field: str, values: ArrayLike) -> NDArray[np.generic]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{name}: expected rows of equal length in {field}: {error}") from error
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name}: expected numbers in {field}, got an array of type {array.dtype}")
    return array


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view
