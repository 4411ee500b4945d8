"""Checks of the layout: is it the circuit of the netlist (LVS), and does what it really holds work the same?"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from eqcirc.errors import DataError, EngineError
from eqcirc.signoff import engines
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome
from eqcirc.signoff.csvs import near, table
from eqcirc.signoff.gate import statements
from eqcirc.signoff.golden import at_vectors
from eqcirc.signoff.netlists import KLAYOUT, klayout_version, ports_of
from eqcirc.signoff.points import SECONDS, compared
from eqcirc.text import counted, one_line

if TYPE_CHECKING:
    from klayout import db

    from eqcirc.layout.process import Process

MOST_ERROR = 5e-3  # of a value, by rounding to the grid; the bundle says its own, which is smaller
SAME_VOLTS = 1e-9
_FILES = ("layout/crossbars.gds", "layout/crossbars.csv", "layout/crossbars.cdl", "layout/extracted.sp")
_INSTANCE = re.compile(r"x_(.+)_r\d+_c\d+")
Lines = dict[str, list[str]]


def lvs(bundle: Bundle) -> Outcome:
    """Extract every crossbar from the GDS and compare it with the tiles of dut.cdl, as the circuit joins them."""
    bundle.need("dut.cdl", *_FILES)
    try:
        from eqcirc.layout.crossbar import Bars  # noqa: F401
    except ImportError as error:
        raise EngineError(KLAYOUT) from error
    from eqcirc.layout.extract import as_spice, extract, read_gds
    from eqcirc.layout.process import Process
    from eqcirc.signoff.graphs import differences, read_netlist

    reference = crossbars_of(bundle.deck("dut.cdl"), bundle.manifest.top)
    problems = _other_text("layout/crossbars.cdl", bundle.text("layout/crossbars.cdl"), reference)
    steps = processes(bundle)
    problems += [
        f"the layout has no {cell}" for cell in reference if cell.startswith("xbar_") and cell not in steps
    ]
    layout = read_gds(bundle.content("layout/crossbars.gds"))
    extracted: Lines = {}
    resistors = 0
    for cell, (sheet, width, grid) in steps.items():
        process = Process(sheet, width, grid)
        wanted = _with_tiles(cell, reference)
        theirs = read_netlist("\n".join(["* reference", *wanted, ""]))
        smallest = min(
            (c.parameter("R") for each in theirs.each_circuit() for c in each.each_device()), default=0.0
        )
        if not 0 < process.ohms_a_step / 2 <= MOST_ERROR * smallest:
            problems.append(
                f"{cell}: a step of {process.ohms_a_step:g} ohm is too coarse for {smallest:g} ohm"
            )
        problems += _row(bundle, cell, process, wanted, layout.cell(cell).dbbox())
        found = extract(layout, cell, process)
        tolerance = process.ohms_a_step / 2 * (1 + 1e-9)
        problems += [f"{cell}: {text}" for text in differences(found, theirs, absolute=tolerance)]
        for tile, ports in ports_of("\n".join(wanted)).items():
            if tile != cell:
                text = as_spice(found, tile, ports)
                extracted |= subcircuits(text)
                resistors += len(extracted[tile])
    problems += _other_text("layout/extracted.sp", bundle.text("layout/extracted.sp"), extracted)
    what = f"{counted(len(steps), 'crossbar')}, {counted(resistors, 'resistor')} of crossbars.gds against dut.cdl"
    return Outcome(problems, f"{what}, values to half a step of the grid", klayout_version())


def _row(bundle: Bundle, cell: str, process: Process, wanted: list[str], box: db.DBox) -> Iterator[str]:
    """Yield where crossbars.csv says something else of a cell than its netlist, its process and its drawing."""
    row = next(row for row in table(bundle, "layout/crossbars.csv") if row["cell"] == cell)
    ohms = np.array([float(line.split()[3]) for line in wanted if line.startswith("r_")])
    tiles = [line.split()[0] for line in wanted if line.startswith("x_")]
    ports = {p for line in wanted if line.startswith(".subckt tile_") for p in line.split()[2:]}
    said = {
        "rows": sum(port[0] == "r" for port in ports),
        "columns": sum(port[0] == "c" for port in ports),
        "tiles": len(tiles),
        "step_ohm": process.ohms_a_step,
        "largest_error": float(np.abs(process.drawn(1 / ohms) / ohms - 1).max()) if ohms.size else 0.0,
        "width_um": box.width(),
        "height_um": box.height(),
    }
    for key, value in said.items():
        if not near(float(row[key]), value, 1e-6):
            yield f"layout/crossbars.csv, {one_line(cell, 60)}: {key} is {one_line(row[key], 40)}, expected {value:.9g}"


def simulated(bundle: Bundle) -> Outcome:
    """Run the test bench with the tiles as they were extracted, and with those of dut.sp rounded to the grid."""
    bundle.need("tb_op.sp", "golden.csv", *_FILES)
    tool = engines.ngspice_tool()
    if tool.path is None:
        raise EngineError(tool.missing)
    deck = bundle.deck("tb_op.sp")
    tiles = subcircuits(bundle.deck("layout/extracted.sp"))
    rounding = _steps(bundle, tiles)
    drawn = engines.ngspice(tool, exchanged(deck, tiles.get), SECONDS)
    rounded = engines.ngspice(
        tool, exchanged(deck, lambda tile, lines: _rounded(lines, rounding.get(tile))), SECONDS
    )
    manifest = bundle.manifest
    pair = [at_vectors(found, manifest.held, manifest.vectors) for found in (drawn, rounded)]
    names = [name for name in pair[1] if name.startswith("v(")]
    largest = max(float(np.abs(pair[0][name] - pair[1][name]).max()) for name in names)
    problems = []
    if not largest <= SAME_VOLTS:
        problems.append(
            f"voltages of the extracted layout are off by {largest:.2g} V; expected {SAME_VOLTS:g} V or less"
        )
    exact = compared(bundle, drawn)
    numbers = {"largest_difference_V": largest, "by_rounding_to_the_grid_V": exact.volts}
    words = f"{counted(len(tiles), 'extracted tile')} in tb_op.sp against those of dut.sp rounded to the grid"
    return Outcome(problems, f"{words}, {len(names)} voltages", tool.version, numbers)


def processes(bundle: Bundle) -> dict[str, tuple[float, int, int]]:
    """Return sheet resistance, width and grid of every cell that crossbars.csv lists.

    Raises:
        DataError: the table lacks one.
    """
    found = {}
    for row in csv.DictReader(io.StringIO(bundle.text("layout/crossbars.csv"))):
        try:
            numbers = float(row["sheet_ohm_per_square"]), int(row["width_nm"]), int(row["grid_nm"])
            if not (0 < numbers[0] < 1e9 and 0 < numbers[1] < 10**7 and 0 < numbers[2] <= numbers[1]):
                raise ValueError
            found[row["cell"]] = numbers
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"layout/crossbars.csv: expected cell, sheet, width and grid, got {one_line(row, 120)}"
            ) from error
    return found


def subcircuits(text: str) -> Lines:
    """Return the statements of every subcircuit of a netlist, without its first and last."""
    found: Lines = {}
    inside: list[str] | None = None
    for _, statement in statements(text):
        words = statement.split()
        if words[0] == ".subckt" and len(words) > 1:
            inside = found[words[1]] = []
        elif words[0] == ".ends":
            inside = None
        elif inside is not None:
            inside.append(" ".join(words))
    return found


def crossbars_of(cdl: str, top: str) -> dict[str, list[str]]:
    """Return the cells that a layout must have, line by line: tiles, and crossbars as the circuit joins them."""
    ports, inside = ports_of(cdl), subcircuits(cdl)
    cells: Lines = {}
    groups: dict[str, list[list[str]]] = {}
    for statement in inside.get(top, []):
        name, *outside, cell = statement.split()
        match = _INSTANCE.fullmatch(name)
        if match is not None and cell.startswith("tile_") and cell in ports:
            groups.setdefault(match[1], []).append([*outside, cell])
    for name, group in groups.items():
        sides: dict[str, dict[int, str]] = {"r": {}, "c": {}}
        instances = {}
        for *outside, cell in group:
            cells[cell] = [f".subckt {cell} {' '.join(ports[cell])}", *inside[cell], f".ends {cell}"]
            for port, net in zip(ports[cell], outside, strict=True):
                sides[port[0]][int(port[1:])] = net
            first = tuple(min(int(port[1:]) for port in ports[cell] if port[0] == side) for side in sides)
            instances[first] = f"x_{first[0]}_{first[1]} {' '.join(outside)} {cell}"
        whole, nets = f"xbar_{name}", [net for side in sides.values() for _, net in sorted(side.items())]
        lines = [line for _, line in sorted(instances.items())]
        cells[whole] = [f".subckt {whole} {' '.join(nets)}", *lines, f".ends {whole}"]
    return cells


def exchanged(deck: str, other: Callable[[str, list[str]], list[str] | None]) -> str:
    """Return a deck in which subcircuits have other statements."""
    inside = subcircuits(deck)
    lines = ["* exchanged"]
    current = None
    for _, statement in statements(deck):
        words = statement.split()
        if words[0] == ".subckt":
            current = words[1]
            lines += [statement, *(other(current, inside[current]) or [])]
        elif words[0] == ".ends":
            lines.append(statement)
            current = None
        elif current is None:
            lines.append(statement)
    return "\n".join([*lines, ""])


def _with_tiles(cell: str, reference: Lines) -> list[str]:
    """Return the lines of a crossbar and of its tiles."""
    tiles = [line.split()[-1] for line in reference.get(cell, [])[1:-1]]
    return [line for name in (*tiles, cell) for line in reference.get(name, [])]


def _other_text(name: str, text: str, wanted: Lines) -> list[str]:
    """Return what a netlist says otherwise than it should, device by device whatever their names and order."""
    found = subcircuits(text)
    problems = []
    for cell, lines in wanted.items():
        inner = [line for line in lines if not line.startswith(".")]
        if sorted(_unnamed(inner)) != sorted(_unnamed(found.get(cell, []))):
            problems.append(f"{name}: {one_line(cell, 60)} is not what it should be")
    return problems


def _unnamed(lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield line.partition(" ")[2]


def _steps(bundle: Bundle, tiles: Lines) -> dict[str, tuple[float, int, int]]:
    """Return the process of every tile."""
    steps = processes(bundle)
    reference = crossbars_of(bundle.deck("dut.cdl"), bundle.manifest.top)
    return {
        line.split()[-1]: step
        for cell, step in steps.items()
        for line in reference.get(cell, [])[1:-1]
        if line.split()[-1] in tiles
    }


def _rounded(lines: list[str], step: tuple[float, int, int] | None) -> list[str]:
    """Return the resistors of a tile with the nearest value on the grid."""
    if step is None:
        return lines
    ohms_a_step = step[0] * step[2] / step[1]
    found = []
    for line in lines:
        *words, value = line.split()
        found.append(" ".join([*words, repr(round(float(value) / ohms_a_step) * ohms_a_step)]))
    return found
