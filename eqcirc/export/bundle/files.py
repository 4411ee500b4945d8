"""Files of a bundle before they are written."""

from __future__ import annotations

from typing import NamedTuple


class File(NamedTuple):
    """A file.

    Attributes:
        path: relative to the bundle, with / between folders.
        content: bytes.
        role: what it is for, in words.
        run: whether a tool that is here has read or run files of this kind; False is said in the manifest and README.
    """

    path: str
    content: bytes
    role: str
    run: bool = True


def text(path: str, content: str, role: str, *, run: bool = True) -> File:
    """Return a file of text."""
    return File(path, content.encode("ascii"), role, run)
