"""Measured or simulated current-voltage tables, as instruments, spreadsheets and ngspice write them.

Cells       numbers, with engineering suffixes and units if they like: 1.5m, 20u, 3k, 20uA (M is milli, as in SPICE)
Header      "V (mV), I (uA)" or "current_mA; voltage_V" says units and which column is which; without one, volts, then
            amperes. Of more than two columns, those are taken that the header calls a voltage and a current.
ngspice     tables of `print`, with their rules, index and repeated headers, and of `wrdata`. Currents of sources,
            i(v1) and v1#branch, count into the source: their sign is turned where the source supplies the power
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eqcirc.data.text_table import TextTable, read_table
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.errors import DataError, nearest
from eqcirc.text import one_line
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")

# at the peak, or at the end of a curve without one, where the header does not name both units
PLAUSIBLE_VOLTS, PLAUSIBLE_AMPERES = (5e-3, 5.0), (1e-12, 1.0)
REACHED_VOLTS, REACHED_AMPERES = (0.05, 100.0), (1e-12, 100.0)

_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
_QUANTITY = re.compile(r"(.*?[\d.])\s*(meg|[kmuµμnpf]?)([va]?)", re.IGNORECASE)
_NUMERIC = tuple("+-.0123456789")
_NAMES = {"v": "v", "u": "v", "i": "a", "c": "a"}  # voltage, U, I, current
_UNIT = re.compile(r"(?<![a-zµμ])([mµμu]?v|[mµμunp]?a)(?![a-z])")
_SOURCE = re.compile(r"i\(v\S*\)|v\S*#branch")
_RULE = re.compile(r"[-=]{3,}")


class Quantity(NamedTuple):
    """A number, whether the cell names a prefix or unit of its own, and v or a for its unit ("" for none)."""

    value: float
    scaled: bool
    unit: str


class Column(NamedTuple):
    """What a header says of a column: its name, v or a ("" for neither), and its unit, 0 if it names none."""

    name: str
    kind: str
    factor: float


@dataclass
class _Lines:
    """What stands in a file: lines above the numbers, then rows of equal length, each with its line."""

    head: list[tuple[int, str]] = field(default_factory=list)
    rows: list[tuple[int, list[Quantity | None]]] = field(default_factory=list)
    ruled: bool = False  # as ngspice prints


def read_curve(
    path: Path, voltage: str | None = None, current: str | None = None, *, falls: bool = True
) -> IVCurve:
    """Read a table of voltages and currents; see the head of this module, and `text_table` for separators.

    Args:
        path: the file.
        voltage: column with the voltages, by name or counted from 1; −name or −number turns the sign.
        current: column with the currents.
        falls: whether it is the curve of an N-shaped device: values are held against what such devices have.

    Raises:
        DataError: no such file, no numbers, a bad cell, columns that are not clear, or values that look like another
            unit or swapped columns.
    """
    table = read_table(path)
    lines = _lines(table)
    header = _header(table, lines)
    signs, chosen = zip(
        *(_choose(path, lines, header, *pair) for pair in (("v", voltage), ("a", current))), strict=True
    )
    if chosen[0] == chosen[1]:
        raise DataError(f"{path}: expected different columns of voltage and current, got one for both")
    columns = [header[k] if header else Column("", "", 0.0) for k in chosen]
    v, i = (s * _values(path, lines, k, c) for s, k, c in zip(signs, chosen, columns, strict=True))
    if _SOURCE.fullmatch(columns[1].name.lower()) and current is None and float(v @ i) < 0:
        log.warning("%s: %s counts into the source; its sign is turned", path, columns[1].name)
        i = -i
    curve = IVCurve(v, i, str(path))
    if not (lines.ruled or all(c.factor for c in columns) or lines.rows[0][1][chosen[1]].unit):
        _plausible(curve, falls=falls)
    return curve


def _lines(table: TextTable) -> _Lines:
    found = _Lines(list(table.comments))
    width = 0
    for number, line in enumerate(table.text.split("\n"), start=1):
        text = line.partition("#")[0].strip()
        cells = _cells(table, text)
        row = [_quantity(table, cell) for cell in cells]
        if not line.strip():
            continue
        if _RULE.fullmatch(text):
            found.ruled = True
        elif max(2, len(row) / 2) <= sum(x is not None for x in row) and len(row) == (width or len(row)):
            width = len(row)
            found.rows.append((number, row))
        elif text.strip('"')[:1] in _NUMERIC:
            what = "two numbers, a voltage and a current" if width in (0, 2) else f"{width} cells as before"
            raise DataError(
                f"{table.path}, line {number}: expected {what}, got {one_line(text)!r}; repair or remove this line"
            )
        elif found.ruled or not found.rows:  # ngspice repeats its header, and has more to say at the end
            found.head.append((number, line.strip()))
        else:
            raise DataError(
                f"{table.path}, line {number}: expected numbers, got {one_line(text)!r}; repair or remove this line"
            )
    if not found.rows:
        raise DataError(f"{table.path}: expected lines of two numbers, a voltage and a current, found none")
    return found


def _cells(table: TextTable, line: str) -> list[str]:
    cells = line.split() if table.separator == " " else [cell.strip() for cell in line.split(table.separator)]
    while cells and not cells[-1]:  # a separator at the end of the line
        cells.pop()
    return [cell.strip('" ') for cell in cells]


def _quantity(table: TextTable, cell: str) -> Quantity | None:
    number = table.number(cell)
    if number is not None:
        return Quantity(number, False, "")
    found = _QUANTITY.fullmatch(cell)
    number = table.number(found[1]) if found else None
    if found is None or number is None:
        return None
    prefix, unit = found[2].lower(), found[3].lower()
    return Quantity(number * (1e6 if prefix == "meg" else _PREFIXES[prefix]), True, unit)


def _header(table: TextTable, lines: _Lines) -> list[Column]:
    """Return what the last header above the numbers says of each column, or nothing.

    Raises:
        DataError: there are tables with different headers.
    """
    first, width = lines.rows[0][0], len(lines.rows[0][1])
    found: dict[bool, list[list[Column]]] = {True: [], False: []}
    for number, text in sorted(lines.head):
        cells = table.cells(text)
        while cells and not cells[-1]:
            cells.pop()
        columns = [_column(cell) for cell in cells]
        if len(columns) == width and {"a", "v"} <= {column.kind for column in columns}:
            found[number < first].append(columns)
    header = found[True][-1] if found[True] else []
    if any(other != header for other in found[False]):
        raise DataError(
            f"{table.path}: expected one table, got several with different headers; keep one of them"
        )
    return header


def _column(cell: str) -> Column:
    """Return what a cell of a header says; its unit is the last word, or stands in brackets."""
    name = one_line(cell)
    text = name.lower().lstrip("-").replace("_", " ")
    if _SOURCE.fullmatch(text):
        return Column(name, "a", 0.0)
    units = _UNIT.findall(text)
    kind = "" if text == "index" else _NAMES.get(text[:1]) or (units[-1][-1] if units else "")
    own = [unit for unit in units[text == "v" :] if unit[-1] == kind]  # a column called V is just that
    return Column(name, kind, _PREFIXES[own[-1][:-1]] if own else 0.0)


def _choose(
    path: Path, lines: _Lines, header: Sequence[Column], kind: str, asked: str | None
) -> tuple[float, int]:
    """Return the sign and the number of the column of voltages (v) or currents (a)."""
    width = len(lines.rows[0][1])
    if asked is not None:
        return _named(path, width, [column.name for column in header], asked)
    kinds = [column.kind for column in header] or [x.unit if x else "" for x in lines.rows[0][1]]
    fitting = [k for k, other in enumerate(kinds) if other == kind]
    if width == 2 and not any(kinds):
        return 1.0, "va".index(kind)
    if len(fitting) > 1:  # a sweep and the voltage that it sets are printed beside each other
        first = [x[fitting[0]] for _, x in lines.rows]
        fitting = [k for k in fitting if k == fitting[0] or [x[k] for _, x in lines.rows] != first]
    if len(fitting) != 1:
        names = ", ".join(column.name for column in header) or "1 … " + str(width)
        raise DataError(
            f"{path}: expected one column of voltages and one of currents, got the columns {names}; choose them by "
            "name or number (--voltage and --current)"
        )
    return 1.0, fitting[0]


def _named(path: Path, width: int, names: Sequence[str], asked: str) -> tuple[float, int]:
    asked, lower = one_line(asked), [name.lower() for name in names]
    for sign, name in ((1.0, asked.lower()), (-1.0, asked.lower().removeprefix("-"))):
        if name in lower:
            return sign, lower.index(name)
        if name.isdecimal() and 1 <= int(name) <= width:
            return sign, int(name) - 1
    raise DataError(
        f"{path}: expected a column {asked!r}; {nearest(asked, names) if names else f'Valid: 1 … {width}.'}"
    )


def _values(path: Path, lines: _Lines, k: int, column: Column) -> Array:
    """Return the numbers of a column in volts or amperes."""
    values = []
    for number, row in lines.rows:
        x = row[k]
        if x is None or (x.scaled and not x.unit and column.factor not in (0.0, 1.0)):
            what = "a plain number, as its header names a unit" if x else "a number"
            raise DataError(
                f"{path}, line {number}: expected {what}, in column {column.name or k + 1}, got another; repair it"
            )
        values.append(x.value if x.scaled else x.value * (column.factor or 1.0))
    return np.array(values)


def _plausible(curve: IVCurve, *, falls: bool) -> None:
    """Refuse tables that likely have other units, or the current first, without saying so."""
    voltage, current = curve.voltage, curve.current
    if float(voltage @ current) < 0:
        raise DataError(
            f"{curve.name}: currents are mostly of the other sign than the voltages, as those of a source are; turn "
            'them with a minus before the column (--current=-2), or write the header "V (V), I (A)" to keep them'
        )
    if falls and _wandering(current, voltage) < _wandering(voltage, current) / 2:
        raise DataError(
            f"{curve.name}: are the columns swapped? The second jumps up and down as the first grows, but not the "
            'other way round; if the current comes first, write the header "I (A), V (V)", if not, "V (V), I (A)"'
        )
    if falls:
        v, i = curve.peak
        likely = _within(v, PLAUSIBLE_VOLTS) and _within(i, PLAUSIBLE_AMPERES)
    else:
        v, i = float(np.abs(voltage).max()), float(np.abs(current).max())
        likely = _within(v, REACHED_VOLTS) and _within(i, REACHED_AMPERES)
    if not likely:
        raise DataError(
            f"{curve.name}: {'a peak' if falls else 'an end'} at {v:g} V and {i:g} A is that of no "
            f"{'tunnel ' if falls else ''}diode; if the table is in other units, say so in its header, as in "
            '"V (mV), I (mA)", or convert it; if not, write "V (V), I (A)"'
        )


def _wandering(x: Array, y: Array) -> float:
    """Return how far y moves up and down while x grows, in ranges of y: little where it is a function of x."""
    moved = float(np.abs(np.diff(y[np.argsort(x, kind="stable")])).sum())
    return moved / (float(np.ptp(y)) or 1.0)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
