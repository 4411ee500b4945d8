"""Array types used in signatures; shapes stand in the docstrings. And indices as slices where they can be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""float64 values in SI units."""

NodeArray = NDArray[np.intp]
"""Indices of nodes; node 0 is ground."""

Parameters = Mapping[str, Array]
"""Values of elements by element name, e.g. ``{"w1": (rows, columns) conductances in siemens}``."""


def as_slice(index: NodeArray) -> NodeArray | slice:
    """Return a slice when the indices are consecutive, so that numpy takes a view instead of a copy."""
    start, n = int(index[0]) if index.size else 0, len(index)
    return slice(start, start + n) if np.array_equal(index, np.arange(start, start + n)) else index
