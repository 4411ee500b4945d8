"""Array types used in signatures; shapes stand in the docstrings."""

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
