"""Programming: how a value that is asked for becomes the one that a device has.

    value = sign(w)·max(factor·rounded(|w|) + offset, floor),   |w| kept between `lowest` and `highest` first
    value = sign(w)·stuck                                       where the device is stuck, whatever is asked for

Signs are wiring, which is exact: what is programmed is the magnitude. A weight of zero is no device and stays zero.
The magnitude is rounded to the nearest of `levels`; the offset and the factor are what is drawn for one chip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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

    def steps(self, asked: Array) -> bool:
        """Whether `rates` is no derivative here: values have levels, or stand at an end of their range."""
        size = np.abs(asked)
        return bool(self.levels.size or (size == self.lowest).any() or (size == self.highest).any())

    def smooth(self, asked: Array) -> tuple[Programming, Array]:
        """Return a programming without steps, and what to ask of it: the same values and `rates` as here."""
        held = np.where(self.rates(asked) == 0, np.abs(self.values(asked)), np.nan)
        free = replace(self, stuck=held, lowest=0.0, highest=np.inf, levels=np.empty(0))
        return free, np.asarray(np.sign(asked) * self._rounded(asked))

    def _rounded(self, asked: Array) -> Array:
        size = np.clip(np.abs(asked), self.lowest, self.highest)
        if not self.levels.size:
            return np.asarray(size)
        between = 0.5 * (self.levels[1:] + self.levels[:-1])
        return np.asarray(self.levels[np.searchsorted(between, size)])

    def _free(self, asked: Array) -> Array:
        return np.asarray(self.factor * self._rounded(asked) + self.offset)
