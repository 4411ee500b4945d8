"""Draws a crossbar: at each crosspoint a folded poly resistor from the row, in metal 1, to the column, in metal 2.

                │ column (metal 2)
      ┌──┐ ┌──┐ ■ head with contact and via
      │  │ │  │ │
      │  └─┘  └─┘      legs of the body
    ──■───────────── row (metal 1), head with contact

A body's length is counted along its centre line, as klayout's extractor does (half of its edges that touch no head).
Current takes the inner side of a bend, which is worth 0.56 squares instead of 1 (P. M. Hall, Thin Solid Films 1 (1968)
277); a foundry's extraction that counts so finds less resistance, by the same 0.44 squares for each bend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from klayout import db

from eqcirc.errors import CircuitError
from eqcirc.layout.process import LAYERS, Process
from eqcirc.typing import Array

NANOMETRE = 0.001  # database unit, in micrometres


@dataclass(frozen=True, eq=False)
class Bars:
    """A crossbar, or a tile of one, to draw.

    Attributes:
        name: of its cell.
        rows: net names.
        columns: net names.
        conductances: (rows, columns) in siemens; 0 where there is no resistor.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    conductances: Array


@dataclass(frozen=True)
class Room:
    """Room for one crosspoint: lengths in nanometres, the row at the bottom, the column at `column`."""

    width: int
    height: int
    column: int
    bottom: int
    leg: int


def new_layout() -> db.Layout:
    """Return an empty layout in nanometres."""
    layout = db.Layout()
    layout.dbu = NANOMETRE
    return layout


def room_for(conductances: Array, process: Process) -> Room:
    """Return room, about square, for the longest body of conductances in siemens; those of 0 S are left out.

    Raises:
        CircuitError: a body is shorter than the process allows.
    """
    lengths = process.lengths(conductances[conductances > 0])
    if lengths.min() < process.shortest:
        raise CircuitError(
            f"a conductance of {conductances.max():g} S is a body of {lengths.min()} nm; expected "
            f"{process.shortest} nm or more. Take a wider body or a lower sheet resistance"
        )
    longest, pitch, grid = int(lengths.max()), process.pitch, process.grid
    leg = max(ceil(sqrt(longest * pitch) / grid) * grid, 3 * pitch)
    bottom = process.wire + 2 * process.space + process.head + process.width // 2 // grid * grid
    # the last leg may be longer than the others by a step for each
    bottom += _legs(process, bottom, leg, longest) * grid
    legs = _legs(process, bottom, leg, longest)
    side = max(process.wire, process.width) // 2 // grid * grid + process.space
    width = 2 * side + (legs - 1) * pitch
    height = bottom + leg + legs * grid + process.head + process.space + process.width
    return Room(width, height, width - side, bottom, leg)


def draw(layout: db.Layout, bars: Bars, process: Process, room: Room) -> db.Cell:
    """Draw a crossbar as a cell of its own, and return that."""
    cell = layout.create_cell(bars.name)
    on = {name: cell.shapes(layout.layer(*where)) for name, where in LAYERS.items()}
    for i, j in np.argwhere(bars.conductances > 0).tolist():
        (length,) = process.lengths(bars.conductances[i, j : j + 1]).tolist()
        _resistor(on, process, room, j * room.width, i * room.height, length)
    _wires(on, bars, process, room)
    return cell


def place(
    layout: db.Layout,
    name: str,
    tiles: Mapping[tuple[int, int], db.Cell],
    rows: Sequence[str],
    columns: Sequence[str],
    process: Process,
    room: Room,
) -> db.Cell:
    """Place tiles side by side, so that their rows and columns join, and name these in the whole.

    Args:
        layout: what holds the tiles.
        name: of the new cell.
        tiles: by the row and column that they begin at.
        rows: net names.
        columns: net names.
        process: of the tiles.
        room: of one crosspoint.
    """
    cell = layout.create_cell(name)
    for (i, j), tile in tiles.items():
        at = db.Vector(j * room.width, i * room.height)
        cell.insert(db.CellInstArray(tile.cell_index(), db.Trans(at)))
    metals = [cell.shapes(layout.layer(*LAYERS[metal])) for metal in ("metal1", "metal2")]
    texts = [cell.shapes(layout.layer(*LAYERS[f"{metal}_label"])) for metal in ("metal1", "metal2")]
    height, half = room.height * len(rows), process.wire // 2
    for i, row in enumerate(rows):  # a stub at the begin of each wire is its pin
        y = i * room.height + half
        metals[0].insert(db.Box(-process.wire, y - half, half, y + half))
        texts[0].insert(db.Text(row, -process.wire, y))
    for j, column in enumerate(columns):
        x = j * room.width + room.column
        metals[1].insert(db.Box(x - half, height - half, x + half, height + process.wire))
        texts[1].insert(db.Text(column, x, height + process.wire))
    return cell


def _legs(process: Process, bottom: int, leg: int, length: int) -> int:
    """Return how many legs a body has, if none is longer than `leg`."""
    first = bottom - _start(process)
    if length <= first + leg:
        return 1
    return ceil((length - first + process.pitch) / (leg + process.pitch))


def _start(process: Process) -> int:
    """Return the height at which bodies begin, above the head in the row."""
    return (process.wire + process.head) // 2


def _resistor(on: dict[str, db.Shapes], process: Process, room: Room, x: int, y: int, length: int) -> None:
    """Draw a body of some length with its two heads, in the room at (x, y)."""
    points = [(px + x, py + y) for px, py in _centre_line(process, room, length)]
    body = db.Path([db.Point(*point) for point in points], process.width).polygon()
    on["poly"].insert(body)
    on["resistor"].insert(body)
    (begin_x, begin_y), (end_x, end_y), (_, before_y) = points[0], points[-1], points[-2]
    half = process.head // 2
    above = half if end_y > before_y else -half
    wide = max(process.head, process.width) // 2
    for centre_x, centre_y in ((begin_x, begin_y - half), (end_x, end_y + above)):
        on["poly"].insert(_box(centre_x, centre_y, wide, half))
        on["contact"].insert(_square(centre_x, centre_y, process.cut))
        on["metal1"].insert(_square(centre_x, centre_y, process.head))
    on["via"].insert(_square(end_x, end_y + above, process.cut))


def _centre_line(process: Process, room: Room, length: int) -> list[tuple[int, int]]:
    """Return the corners of a body's centre line: up from the row and down, to the last leg below the column."""
    start, pitch = _start(process), process.pitch
    n = _legs(process, room.bottom, room.leg, length)
    if n == 1:
        return [(room.column, start), (room.column, start + length)]
    rest = length - (room.bottom - start) - (n - 1) * pitch
    leg = rest // n // process.grid * process.grid
    levels = (room.bottom, room.bottom + leg)
    x = room.column - (n - 1) * pitch
    points = [(x, start)]
    for k in range(1, n):
        points += [(x, levels[k % 2]), (x + pitch, levels[k % 2])]
        x += pitch
    more = rest - n * leg
    return [*points, (x, levels[1] + more if n % 2 else levels[0] - more)]


def _wires(on: dict[str, db.Shapes], bars: Bars, process: Process, room: Room) -> None:
    """Draw rows and columns over the whole crossbar, and name them."""
    width, height = room.width * len(bars.columns), room.height * len(bars.rows)
    half = process.wire // 2
    for i, name in enumerate(bars.rows):
        y = i * room.height + half
        on["metal1"].insert(db.Box(0, y - half, width, y + half))
        on["metal1_label"].insert(db.Text(name, 0, y))
    for j, name in enumerate(bars.columns):
        x = j * room.width + room.column
        on["metal2"].insert(db.Box(x - half, 0, x + half, height))
        on["metal2_label"].insert(db.Text(name, x, height))


def _square(x: int, y: int, side: int) -> db.Box:
    return _box(x, y, side // 2, side // 2)


def _box(x: int, y: int, half_width: int, half_height: int) -> db.Box:
    return db.Box(x - half_width, y - half_height, x + half_width, y + half_height)


def gds(layout: db.Layout) -> bytes:
    """Return a layout as a GDS file, the same bytes for the same shapes."""
    options = db.SaveLayoutOptions()
    options.format = "GDS2"
    options.gds2_write_timestamps = False
    return bytes(layout.write_bytes(options))
