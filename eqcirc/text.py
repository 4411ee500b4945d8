"""Text from elsewhere (names, files, other programs), made safe for a line of a netlist, a file or a terminal."""

from __future__ import annotations

import shlex
from typing import Any

MOST = 200  # characters of somebody else's text in a line of ours


def one_line(text: object, most: int = MOST) -> str:
    """Return text as one printable line: white space becomes a blank, other control characters a question mark.

    A newline would begin a card of its own in a netlist, an escape sequence would command a terminal.
    """
    line = " ".join(str(text).split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= most else f"{line[: most - 1]}…"


def ascii_line(text: object, most: int = MOST) -> str:
    """Return `one_line` for netlists, which other tools read as ASCII."""
    return one_line(text, most).replace("…", "~").encode("ascii", "replace").decode()


def lines(text: object) -> str:
    """Return text for a terminal, with its line ends; other control characters become question marks."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in str(text))


def control_character(content: Any) -> str | None:
    """Return the first character that is not printable in the texts of plain values, however nested; None without."""
    if isinstance(content, str):
        return next((c for c in content if not c.isprintable()), None)
    if isinstance(content, dict):
        content = [*content, *content.values()]
    if isinstance(content, list):
        return next((found for part in content if (found := control_character(part)) is not None), None)
    return None


def counted(number: int, what: str) -> str:
    """Return a number of things in words: 1 step, 2 steps."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def quantity(number: str, unit: str) -> str:
    """Return a number with its unit; those without one have the unit "1", which is not said."""
    return f"{number} {unit}".removesuffix(" 1")


def shell(word: object) -> str:
    """Return a path, or another word, for a command that somebody copies into a shell."""
    return shlex.quote(str(word))
