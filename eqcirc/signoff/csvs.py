"""Tables of a bundle as rows, and numbers of them that are the same."""

from __future__ import annotations

import csv
import io

from eqcirc.errors import DataError
from eqcirc.signoff.bundle import Bundle

SAME = 1e-9  # relative: tables and netlist have all digits

Row = dict[str, str]


def table(bundle: Bundle, path: str) -> list[Row]:
    """Return the rows of a table.

    Raises:
        DataError: a row has other cells than the header.
    """
    rows = list(csv.DictReader(io.StringIO(bundle.text(path))))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataError(f"{path}, line {number}: expected as many cells as in the header")
    return rows


def near(a: float, b: float, relative: float = SAME) -> bool:
    """Whether two numbers are the same but for rounding."""
    return bool(abs(a - b) <= relative * max(abs(a), abs(b)))
