"""Ratings of parts, as people write them: ``r:W=0.1`` for resistors, ``d:V=75`` for diodes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

from eqcirc.errors import ConfigError
from eqcirc.text import one_line

Rating = tuple[float | None, float | None, float | None]
"""Greatest voltage, current and power in V, A and W; None for what is not known."""

UNITS = ("V", "A", "W")
CLASSES = {"r": "resistors", "c": "capacitors", "l": "coils", "d": "diodes", "x": "blocks"}
_WORD = re.compile(r"([rcldx]):([VAW])=(\S+)")


def ratings(words: Iterable[str]) -> dict[str, Rating]:
    """Return ratings by the SPICE letter of devices (r, c, l, d, x).

    Raises:
        ConfigError: a word is none.
    """
    found: dict[str, list[float | None]] = {}
    for text in words:
        match = _WORD.fullmatch(text.strip())
        value = _number(match[3]) if match else math.nan
        if match is None or not value > 0 or math.isinf(value):
            raise ConfigError(
                f"rating {one_line(text, 60)!r}: expected a letter of r, c, l, d, x, a unit of V, A, W and a positive "
                "number, such as r:W=0.1"
            )
        found.setdefault(match[1], [None, None, None])[UNITS.index(match[2])] = value
    return {letter: (v, a, w) for letter, (v, a, w) in found.items()}


def check_ratings(borne: Mapping[str, Rating], there: Iterable[str]) -> None:
    """Refuse a rating of devices that a circuit does not have.

    Args:
        borne: what `ratings` returns.
        there: SPICE letters of the devices that the circuit has.

    Raises:
        ConfigError: a rating rates nothing.
    """
    known = [letter for letter in CLASSES if letter in set(there)]
    for letter in borne:
        if letter not in known:
            have = ", ".join(f"{x} ({CLASSES[x]})" for x in known)
            raise ConfigError(
                f"rating of {letter}: limits.csv has no {CLASSES[letter]} that it would be of; it has {have or 'none'}"
            )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
