"""Programming: how a value that is asked for becomes the one that a device has.

    value = sign(w)·max(factor·rounded(|w|) + offset, floor),   |w| kept between `lowest` and `highest` first
    value = sign(w)·stuck                                       where the device is stuck, whatever is asked for

Signs are wiring, which is exact: what is programmed is the magnitude. A weight of zero is no device and stays zero.
The magnitude is rounded to the nearest of `levels`; the offset and the factor are what is drawn for one chip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.typing import Array

FLOOR = 1e-12
"""Least magnitude that a device has, in the unit of its values: a conductance of nothing cannot be programmed."""


@dataclass(frozen=True, eq=False)
class Programming:
    """Of a group of parts; arrays have the shape of its values.

    Attributes:
        factor: of every magnitude; 1 for an exact device.
        offset: added to every magnitude, in the unit of the values.
        stuck: magnitude of devices that take no other, NaN for those that do.
        lowest: least magnitude that can be asked for.
        highest: greatest one.
        levels: (n,) magnitudes that can be asked for, in ascending order; empty for all.
    """

    factor: Array
    offset: Array
    stuck: Array
    lowest: float
    highest: float
    levels: Array

    @classmethod
    def exact(cls, value: Array) -> Programming:
        """Return the programming that gives what is asked for, for values of that shape."""
        nothing = np.full(value.shape, np.nan)
        return cls(np.ones(value.shape), np.zeros(value.shape), nothing, 0.0, np.inf, np.empty(0))

    @property
    def key(self) -> tuple[bytes, ...]:
        """What is equal for equal programmings."""
        return tuple(np.asarray(x).tobytes() for x in vars(self).values())

    def values(self, asked: Array) -> Array:
        """Return the values that there are."""
        free = np.maximum(self._free(asked), FLOOR)
        return np.asarray(np.sign(asked) * np.where(np.isnan(self.stuck), free, self.stuck))

    def rates(self, asked: Array) -> Array:
        """Return d(values)/d(asked); levels count as if they were dense, so that learning can go on between them."""
        size = np.abs(asked)
        inside = (size >= self.lowest) & (size <= self.highest)
        moves = np.isnan(self.stuck) & inside & (self._free(asked) >= FLOOR)
        return np.where(moves, self.factor, 0.0)

    def _free(self, asked: Array) -> Array:
        size = np.clip(np.abs(asked), self.lowest, self.highest)
        if self.levels.size:
            between = 0.5 * (self.levels[1:] + self.levels[:-1])
            size = self.levels[np.searchsorted(between, size)]
        return np.asarray(self.factor * size + self.offset)
