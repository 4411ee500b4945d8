"""From the structure of a circuit to its crossbars, as they are drawn: tiles of resistors, side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from klayout import db

from eqcirc.errors import CircuitError
from eqcirc.export.bundle.structure import Structure, Tile
from eqcirc.layout.crossbar import Bars, Room, draw, place, room_for
from eqcirc.layout.process import Process, process_for
from eqcirc.typing import Array

_TILE = re.compile(r"(.+)_r\d+_c\d+")


@dataclass(frozen=True, eq=False)
class Crossbar:
    """A crossbar of a circuit.

    Attributes:
        name: of its element, and of its cell.
        tiles: with the row and column that each begins at.
        rows: nets of the circuit.
        columns: nets of the circuit.
        process: that it is drawn in.
        room: of one crosspoint.
    """

    name: str
    tiles: dict[tuple[int, int], Bars]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    process: Process
    room: Room

    @property
    def cell(self) -> str:
        """Name of its cell."""
        return f"xbar_{self.name}"

    def draw(self, layout: db.Layout) -> None:
        """Draw it, tiles first."""
        cells = {at: draw(layout, tile, self.process, self.room) for at, tile in sorted(self.tiles.items())}
        place(layout, self.cell, cells, self.rows, self.columns, self.process, self.room)

    def reference(self) -> str:
        """Return the netlist of its cell: the tiles, as the circuit joins them."""
        lines = [f".subckt {self.cell} {' '.join([*self.rows, *self.columns])}"]
        for (i, j), tile in sorted(self.tiles.items()):
            nets = (*self.rows[i : i + len(tile.rows)], *self.columns[j : j + len(tile.columns)])
            lines.append(f"x_{i}_{j} {' '.join(nets)} {tile.name}")
        return "\n".join([*lines, f".ends {self.cell}", ""])


def crossbars(structure: Structure) -> list[Crossbar]:
    """Return the crossbars of resistors that a circuit has; what it has beside them is not drawn.

    Raises:
        CircuitError: a value cannot be drawn.
    """
    tiles = {tile.name: tile for tile in structure.tiles}
    groups: dict[str, list[tuple[Tile, tuple[str, ...]]]] = {}
    for device in structure.top.devices:
        match = _TILE.fullmatch(device.name)
        if device.model in tiles and match is not None:
            groups.setdefault(match[1], []).append((tiles[device.model], device.nets))
    return [_crossbar(name, group) for name, group in groups.items()]


def _crossbar(name: str, group: list[tuple[Tile, tuple[str, ...]]]) -> Crossbar:
    drawn: dict[tuple[int, int], Bars] = {}
    nets: dict[str, dict[int, str]] = {"r": {}, "c": {}}
    for tile, outside in group:
        bars = _bars(tile)
        for port, net in zip(tile.ports, outside, strict=True):
            nets[port[0]][int(port[1:])] = net
        drawn[int(bars.rows[0][1:]), int(bars.columns[0][1:])] = bars
    everything = np.concatenate([bars.conductances.ravel() for bars in drawn.values()])
    present = everything[everything > 0]
    if not present.size:
        raise CircuitError(f"crossbar {name!r} has no resistor to draw")
    process = process_for(present)
    rows, columns = (tuple(net for _, net in sorted(side.items())) for side in nets.values())
    return Crossbar(name, drawn, rows, columns, process, room_for(present, process))


def _bars(tile: Tile) -> Bars:
    """Return a tile with its conductances as a matrix."""
    rows = tuple(port for port in tile.ports if port.startswith("r"))
    columns = tuple(port for port in tile.ports if port.startswith("c"))
    at = {port: k for side in (rows, columns) for k, port in enumerate(side)}
    conductances: Array = np.zeros((len(rows), len(columns)))
    for device in tile.devices:
        assert device.value is not None
        conductances[at[device.nets[0]], at[device.nets[1]]] = 1 / device.value
    return Bars(tile.name, rows, columns, conductances)
