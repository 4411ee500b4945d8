"""Gaussian elimination for long doubles and decimals, which LAPACK does not know."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SingularError(ArithmeticError):
    """A pivot is zero."""


class Factors(NamedTuple):
    """The rows `order` of a matrix are L U, kept in one array."""

    lu: np.ndarray
    order: np.ndarray


def factor(matrix: np.ndarray) -> Factors:
    """Factors of a square matrix, with partial pivoting.

    Pivots are compared as if rows and columns had been scaled to a largest entry of 1. The entries themselves stay
    unscaled, since a scale would round them.
    """
    lu, n = matrix.copy(), len(matrix)
    order = np.arange(n)
    size = abs(lu).astype(np.longdouble)
    column = _or_one(size.max(axis=0, initial=0))
    row = _or_one((size / column).max(axis=1, initial=0))
    for k in range(n):
        pivot = k + int(np.argmax(abs(lu[k:, k]).astype(np.longdouble) / row[k:]))
        if lu[pivot, k] == 0:
            raise SingularError(f"column {k}")
        for array in (lu, order, row):
            array[[k, pivot]] = array[[pivot, k]]
        below = k + 1 + np.flatnonzero(lu[k + 1 :, k])
        right = k + 1 + np.flatnonzero(lu[k, k + 1 :])
        lu[below, k] = lu[below, k] / lu[k, k]
        lu[np.ix_(below, right)] -= np.multiply.outer(lu[below, k], lu[k, right])
    return Factors(lu, order)


def solve(factors: Factors, right: np.ndarray) -> np.ndarray:
    """The solution x of A x = right, where right is a vector or a matrix."""
    lu, n = factors.lu, len(factors.lu)
    x = right[factors.order].copy()
    for k in range(1, n):
        below = np.flatnonzero(lu[k, :k])
        x[k] = x[k] - _dot(lu[k, below], x[below])
    for k in reversed(range(n)):
        right_of = k + 1 + np.flatnonzero(lu[k, k + 1 :])
        x[k] = (x[k] - _dot(lu[k, right_of], x[right_of])) / lu[k, k]
    return x


def inverse(matrix: np.ndarray) -> np.ndarray:
    """The inverse of a square matrix."""
    unit = matrix * 0
    np.fill_diagonal(unit, 1 + 0 * matrix[0, 0])
    return solve(factor(matrix), unit)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b if b.ndim == 1 else a[:, None] * b).sum(axis=0)


def _or_one(size: np.ndarray) -> np.ndarray:
    return np.where(size == 0, np.longdouble(1), size)
