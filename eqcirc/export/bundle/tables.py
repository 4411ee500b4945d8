"""Tables as CSV that spreadsheets take for what it is: numbers with all digits, texts that are no formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from eqcirc.text import ascii_line

MOST = 32_000  # characters of a cell; spreadsheets take little more
_PLAIN = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.,:\[\]]{0,100}")


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a CSV file; None and NaN are empty cells."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file by column."""
    return list(csv.DictReader(io.StringIO(text)))


def _cell(value: Any) -> str | int:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else repr(float(value))
    if isinstance(value, int | np.integer):
        return int(value)
    return safe(value)


def safe(text: object) -> str:
    """Return a text cell; a leading apostrophe keeps spreadsheets from taking it for a formula."""
    if isinstance(text, str) and _PLAIN.fullmatch(text):  # nearly all, and there are many
        return text
    line = ascii_line(text, most=MOST)
    return f"'{line}" if line[:1] in ("=", "+", "-", "@") else line


def unquoted(cell: str) -> str:
    """Return a text cell as it was before `safe`."""
    return cell[1:] if cell[:2] in ("'=", "'+", "'-", "'@") else cell
