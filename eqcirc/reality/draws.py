"""What chance decides about one chip.

Every draw has a generator of its own, seeded by (seed, number of the chip, kind, element). So draws depend neither on
the solver nor on the order in which they are asked for, and adding a kind or an element changes no other draw.
"""

from __future__ import annotations

import zlib

import numpy as np

from eqcirc.errors import ConfigError
from eqcirc.typing import Array


class Draws:
    """Draws chip `number` of a series, and keeps a record of what was drawn."""

    def __init__(self, seed: int, number: int) -> None:
        """Take the seed of the series and the number of the chip.

        Raises:
            ConfigError: one of them is no whole number from 0 on.
        """
        for what, value in (("seed", seed), ("number", number)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
                raise ConfigError(f"chip: expected {what} to be a whole number from 0 on, got {value!r}")
        self.seed, self.number = int(seed), int(number)
        self.record: dict[str, dict[str, Array]] = {}

    def generator(self, kind: str, element: str) -> np.random.Generator:
        """Return the generator of one kind and element."""
        names = [zlib.crc32(name.encode()) for name in (kind, element)]
        return np.random.default_rng([self.seed, self.number, *names])

    def lognormal(self, kind: str, element: str, shape: tuple[int, ...], sigma: float) -> Array:
        """Draw factors exp(sigma·z), z standard normal: never negative, their median is one."""
        return self.note(kind, element, np.exp(sigma * self.generator(kind, element).standard_normal(shape)))

    def normal(self, kind: str, element: str, shape: tuple[int, ...], sigma: float) -> Array:
        """Draw numbers of mean 0 and standard deviation sigma."""
        return self.note(kind, element, sigma * self.generator(kind, element).standard_normal(shape))

    def note(self, kind: str, element: str, drawn: Array) -> Array:
        """Keep a record of what was drawn, and return it."""
        self.record.setdefault(kind, {})[element] = drawn
        return drawn
