"""Ratings: what devices may see, held against what they do see."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from eqcirc.analysis.power import QUANTITIES, Largest
from eqcirc.errors import ConfigError, nearest


@dataclass(frozen=True)
class Rating:
    """What the devices of a class may see, None for no limit.

    Attributes:
        kind: the class, see `flows.device_class`.
        volts: largest magnitude across a device; of an amplifier, of its output.
        amperes: largest magnitude through it.
        watts: largest power.
    """

    kind: str
    volts: float | None = None
    amperes: float | None = None
    watts: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for quantity in QUANTITIES:
            limit = getattr(self, quantity)
            if limit is not None and not 0 < limit < math.inf:
                raise ConfigError(f"ratings: {self.kind}: expected {quantity} above 0, got {limit!r}")


@dataclass(frozen=True)
class Seen:
    """The largest value of a quantity that a class of devices sees.

    Attributes:
        kind: the class.
        quantity: "volts", "amperes" or "watts".
        largest: how much, where and at which sample.
        rating: what they may see; None for not said.
    """

    kind: str
    quantity: str
    largest: Largest
    rating: float | None

    @property
    def used(self) -> float:
        """Part of the rating that is used; NaN without one."""
        return float("nan") if self.rating is None else self.largest.value / self.rating

    @property
    def exceeded(self) -> bool:
        """Whether a device sees more than it may."""
        return self.rating is not None and self.largest.value > self.rating


def held_against(largest: dict[str, dict[str, Largest]], ratings: Iterable[Rating]) -> tuple[Seen, ...]:
    """Return what every class of devices sees, with its rating.

    Raises:
        ConfigError: a rating of a class that there is none of, or two of one class.
    """
    given: dict[str, Rating] = {}
    for rating in ratings:
        if rating.kind not in largest:
            raise ConfigError(
                f"ratings: no device of the class {rating.kind!r}: {nearest(rating.kind, list(largest))}"
            )
        if rating.kind in given:
            raise ConfigError(f"ratings: the class {rating.kind!r} is rated twice; keep one")
        given[rating.kind] = rating
    return tuple(
        Seen(kind, quantity, most[quantity], getattr(given[kind], quantity) if kind in given else None)
        for kind, most in largest.items()
        for quantity in QUANTITIES
    )
