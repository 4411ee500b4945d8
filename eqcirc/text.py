"""Text from elsewhere (names, files, other programs), made safe for a line of a netlist, a file or a terminal."""

from __future__ import annotations

import shlex

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


def shell(word: object) -> str:
    """Return a path, or another word, for a command that somebody copies into a shell."""
    return shlex.quote(str(word))
