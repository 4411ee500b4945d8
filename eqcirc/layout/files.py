"""The layout of a circuit as files of a bundle."""

from __future__ import annotations

from collections.abc import Iterator

from klayout import db

from eqcirc.export.bundle.cdl import WORDS
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.spice import comments
from eqcirc.export.bundle.tables import table
from eqcirc.layout.crossbar import NANOMETRE, gds, new_layout
from eqcirc.layout.crossbars import Crossbar, crossbars
from eqcirc.layout.extract import as_spice, extract
from eqcirc.layout.picture import picture
from eqcirc.layout.process import LAYERS, MEANING

CROSSBARS = (
    *("cell", "rows", "columns", "tiles", "sheet_ohm_per_square", "width_nm", "grid_nm", "step_ohm"),
    *("largest_error", "width_um", "height_um"),
)
_SHOWN = (3.2, 2.3)  # crosspoints across and up that the picture shows


def layout_files(design: Design) -> Iterator[File]:
    """Yield the files of the layout; none if the circuit has no crossbar of resistors.

    Raises:
        CircuitError: a value cannot be drawn.
    """
    found = crossbars(design.structure)
    if not found:
        return
    layout = new_layout()
    for crossbar in found:
        crossbar.draw(layout)
    yield File("layout/crossbars.gds", gds(layout), "layout of the crossbars, a cell each")
    layers = [(name, *where, MEANING[name]) for name, where in LAYERS.items()]
    yield File(
        "layout/layers.csv", table(("layer", "gds_layer", "gds_datatype", "meaning"), layers), "layer map"
    )
    rows = [_row(crossbar, layout) for crossbar in found]
    yield File(
        "layout/crossbars.csv", table(CROSSBARS, rows), "cells of the layout, their process and tolerance"
    )
    lines = comments(
        [*design.head, "the drawn part of dut.cdl: what the cells of crossbars.gds are compared with"]
    )
    reference = "\n".join([*lines, *(_tiles(crossbar) for crossbar in found)])
    reference += "".join(crossbar.reference() for crossbar in found)
    yield text("layout/crossbars.cdl", reference, "netlist of the cells of the layout, for LVS")
    yield text("layout/extracted.sp", _extracted(design, found, layout), "tiles as extracted from the layout")
    largest = max(found, key=lambda crossbar: len(crossbar.rows) * len(crossbar.columns))
    yield File(
        "layout/layout.png", _picture(largest, layout), "a corner of the largest crossbar, drawn by klayout"
    )


def _row(crossbar: Crossbar, layout: db.Layout) -> tuple[object, ...]:
    process = crossbar.process
    values = [tile.conductances[tile.conductances > 0] for tile in crossbar.tiles.values()]
    error = max(float(abs(process.drawn(g) * g - 1).max()) for g in values if g.size)
    box = layout.cell(crossbar.cell).dbbox()
    return (
        *(crossbar.cell, len(crossbar.rows), len(crossbar.columns), len(crossbar.tiles), process.sheet),
        *(process.width, process.grid, process.ohms_a_step, error, float(box.width()), float(box.height())),
    )


def _tiles(crossbar: Crossbar) -> str:
    """Return the tiles of a crossbar as they stand in dut.cdl."""
    lines = []
    for _, tile in sorted(crossbar.tiles.items()):
        lines.append(f".subckt {tile.name} {' '.join([*tile.rows, *tile.columns])}")
        for i, row in enumerate(tile.rows):
            for j, column in enumerate(tile.columns):
                g = float(tile.conductances[i, j])
                if g:
                    lines.append(f"r_{row[1:]}_{column[1:]} {row} {column} {1 / g!r} {WORDS['r']}")
        lines.append(f".ends {tile.name}")
    return "\n".join([*lines, ""])


def _extracted(design: Design, found: list[Crossbar], layout: db.Layout) -> str:
    """Return all tiles as they are extracted from the drawn shapes."""
    parts = ["\n".join([*comments([*design.head, "tiles of dut.sp, as extracted from the layout"]), ""])]
    for crossbar in found:
        netlist = extract(layout, crossbar.cell, crossbar.process)
        parts += [
            as_spice(netlist, tile.name, (*tile.rows, *tile.columns))
            for _, tile in sorted(crossbar.tiles.items())
        ]
    return "".join(parts)


def _picture(crossbar: Crossbar, layout: db.Layout) -> bytes:
    across, up = (
        min(part, whole) * side * NANOMETRE
        for part, whole, side in (
            (_SHOWN[0], len(crossbar.columns), crossbar.room.width),
            (_SHOWN[1], len(crossbar.rows), crossbar.room.height),
        )
    )
    margin = 0.02 * max(across, up)
    return picture(layout, crossbar.cell, db.DBox(-margin, -margin, across + margin, up + margin))
