"""Measured current-voltage tables, as instruments and spreadsheets write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from eqcirc.devices.iv_curve import IVCurve
from eqcirc.errors import DataError
from eqcirc.typing import Array

# at the peak, where the header does not name both units
PLAUSIBLE_VOLTS, PLAUSIBLE_AMPERES = (5e-3, 5.0), (1e-12, 1.0)

_VOLTS = {"v": 1.0, "mv": 1e-3}
_AMPERES = {"a": 1.0, "ma": 1e-3, "ua": 1e-6, "µa": 1e-6, "μa": 1e-6, "na": 1e-9}
_NUMERIC = tuple("+-.0123456789")
_NAMES = {"v": "v", "u": "v", "i": "a", "c": "a"}  # voltage, U, I, current
_UNIT = re.compile(r"(?<![a-zµμ])(m?v|[mµμun]?a)(?![a-z])")


def read_curve(path: Path) -> IVCurve:
    """Read a table of voltages and currents.

    Cells are separated by commas, semicolons, tabs or spaces; there are two columns. Comments begin with #. A
    header such as "V (mV), I (uA)" or "current_mA; voltage_V" says units and order; without one, volts, then amperes.

    Raises:
        DataError: no such file, no numbers, a bad cell, or values that look like another unit or swapped columns.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected a file here, found none; check the path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a text file of voltages and currents: {error}") from error
    head: list[str] = []
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        row = _row(text)
        if row is not None:
            rows.append(row)
        elif not rows and text[:1] not in _NUMERIC:
            head.append(line.strip("# \t"))
        elif text:
            raise DataError(
                f"{path}, line {number}: expected two numbers, a voltage and a current, got {text!r}; "
                "repair or remove this line"
            )
    if not rows:
        raise DataError(f"{path}: expected lines of two numbers, a voltage and a current, found none")
    columns = next((c for line in reversed(head) if (c := _columns(line))), _Columns(1.0, 1.0, False, False))
    v, i = np.array(rows).T[:: -1 if columns.swapped else 1]
    curve = IVCurve(v * columns.volts, i * columns.amperes, str(path))
    if not columns.named:
        _plausible(curve)
    return curve


def _row(text: str) -> tuple[float, float] | None:
    """Return the two numbers of a line, or None; where no comma separates cells, it is the decimal sign."""
    separator = next((s for s in ";\t," if s in text), None)
    if separator in (";", "\t"):
        text = text.replace(",", ".")
    cells = [cell.strip() for cell in text.split(separator)]
    while cells and not cells[-1]:  # a separator at the end of the line
        cells.pop()
    try:
        voltage, current = map(float, cells)
    except ValueError:
        return None
    return voltage, current


class _Columns(NamedTuple):
    """What a header says: units, whether the current comes first, and whether both units are written out."""

    volts: float
    amperes: float
    swapped: bool
    named: bool


def _columns(line: str) -> _Columns | None:
    """Return what a line says if it is a header; units are the last word of a cell, or stand in brackets."""
    line = line.lower()
    cells = re.split("[,;\t]", line) if re.search("[,;\t]", line) else re.split(r"\s+(?![\[(/])", line)
    if len(cells) < 2:
        return None
    kinds, units = zip(*(_column(cell.strip().replace("_", " ")) for cell in cells[:2]), strict=True)
    if sorted(kinds) != ["a", "v"]:
        return None
    unit = dict(zip(kinds, units, strict=True))
    return _Columns(_VOLTS[unit["v"] or "v"], _AMPERES[unit["a"] or "a"], kinds[0] == "a", all(units))


def _column(cell: str) -> tuple[str, str]:
    """Return v or a for a column of voltages or currents ("" for neither), and its unit if it names one."""
    units = _UNIT.findall(cell)
    kind = _NAMES.get(cell[:1]) or (units[-1][-1] if units else "")
    own = [unit for unit in units[cell == "v" :] if unit[-1] == kind]  # a column called V is just that
    return kind, own[-1] if own else ""


def _plausible(curve: IVCurve) -> None:
    """Refuse tables that likely have other units, or the current first, without saying so."""
    voltage, current = curve.voltage, curve.current
    if _wandering(current, voltage) < _wandering(voltage, current) / 2:
        raise DataError(
            f"{curve.name}: are the columns swapped? The second jumps up and down as the first grows, but not the "
            'other way round; if the current comes first, write the header "I (A), V (V)", if not, "V (V), I (A)"'
        )
    v, i = curve.peak
    if not (_within(v, PLAUSIBLE_VOLTS) and _within(i, PLAUSIBLE_AMPERES)):
        raise DataError(
            f"{curve.name}: a peak at {v:g} V and {i:g} A is that of no tunnel diode; if the table is in other units, "
            'say so in its header, as in "V (mV), I (mA)", or convert it; if not, write "V (V), I (A)"'
        )


def _wandering(x: Array, y: Array) -> float:
    """Return how far y moves up and down while x grows, in ranges of y: little where it is a function of x."""
    moved = float(np.abs(np.diff(y[np.argsort(x, kind="stable")])).sum())
    return moved / (float(np.ptp(y)) or 1.0)


def _within(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
