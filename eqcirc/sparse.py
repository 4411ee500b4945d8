"""Products with matrices that may be small or very sparse."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from eqcirc.typing import Array

SMALL = 10_000  # entries of a matrix that is multiplied as an array


def light(matrix: csr_array) -> Array | csr_array:
    """Return a small matrix as an array: scipy's sparse products take longer to think than these to work."""
    small = matrix.shape[0] * matrix.shape[1] <= SMALL
    return np.asarray(matrix.toarray()) if small else csr_array(matrix)


def dense(matrix: Array | csr_array) -> Array:
    """Return a matrix as an array."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())


def times(rows: Array, matrix: Array | csr_array) -> Array:
    """Return rows (..., n) times a matrix (n, m)."""
    flat = rows.reshape(-1, rows.shape[-1]) @ matrix
    return np.asarray(flat).reshape(*rows.shape[:-1], matrix.shape[1])
