"""Names that every tool takes: lower-case words of letters, digits and _, each once."""

from __future__ import annotations

import re

from eqcirc.circuit.arguments import RESERVED_PREFIX, SPICE_WORDS
from eqcirc.text import ascii_line

MOST = 60  # characters


def word(text: str) -> str:
    """Return one word that starts with a letter; what `CircuitBuilder` takes as a name comes back as it is."""
    plain = re.sub(r"[^a-z0-9_]", "_", ascii_line(text, most=MOST).lower())
    bad = not plain[:1].isalpha() or plain.startswith(RESERVED_PREFIX) or plain in SPICE_WORDS
    return f"n_{plain}" if bad else plain


class Names:
    """Gives words, each only once."""

    def __init__(self, *taken: str) -> None:
        """Begin with words that are taken."""
        self._taken = set(taken)

    def claim(self, text: str) -> str:
        """Return a word for a text: another one than all before."""
        first = name = word(text)
        count = 1
        while name in self._taken:
            count += 1
            name = f"{first}_no{count}"  # "_2" is a counted name, "_2x" would read as twice as much
        self._taken.add(name)
        return name
