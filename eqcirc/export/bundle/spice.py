"""The structure as SPICE: `dut.sp`, what it leaves out (`models.sp`), and empty cells for tools that know no sources.

Everything that is written reads in ngspice, gnucap, klayout and netgen alike: lower case, plain numbers, one statement
a line, no expressions. Numbers have all their digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from eqcirc.devices.base import number
from eqcirc.export.bundle.structure import Block, Device, Structure
from eqcirc.solvers.ngspice.subcircuit import subcircuit, wrapped
from eqcirc.text import ascii_line

MOST_NOTE = 1000


def comments(notes: Iterable[str]) -> list[str]:
    """Return comment lines; "*#" would be a command of ngspice, and a back-quote one of its shell."""
    return [f"* {ascii_line(note, most=MOST_NOTE).replace('`', chr(39)).lstrip('#')}" for note in notes]


def dut(structure: Structure, notes: Sequence[str]) -> str:
    """Return the circuit without sources: tiles first, then the circuit itself."""
    lines = comments([*notes, "blocks (cell_...) and diode models are in models.sp"])
    for tile in (*structure.tiles, structure.top):
        lines += ["*", *subcircuit(tile.name, tile.ports, [_line(d) for d in tile.devices])]
    return _text(lines)


def flat(structure: Structure, instance: str) -> list[str]:
    """Return the devices of the circuit as they stand in an instance: inner nets are called instance.net."""
    ports = set(structure.top.ports)
    lines = []
    for d in structure.top.devices:
        nets = tuple(net if net in ports else f"{instance}.{net}" for net in d.nets)
        lines += _line(Device(d.letter, d.name, nets, d.value, d.model)).split("\n")
    return lines


def models(structure: Structure, notes: Sequence[str], *, poly: bool = False) -> str:
    """Return models and blocks; `poly` writes POLY in place of B sources where the law is a polynomial."""
    lines = comments(notes)
    lines += ["*", *structure.models]
    for block in structure.blocks:
        lines += ["*", *comments(_about(block, poly=poly))]
        cards = block.poly if poly and block.poly is not None else block.cards
        lines += subcircuit(block.name, block.ports, cards)
    return _text(lines)


def stubs(structure: Structure, notes: Sequence[str]) -> list[str]:
    """Return empty subcircuits for the blocks: their pins, for tools that know devices of a layout only."""
    lines = comments(notes)
    for block in structure.blocks:
        lines += subcircuit(block.name, block.ports, [])
    return lines


def _about(block: Block, *, poly: bool) -> Iterator[str]:
    """Yield what a block is."""
    yield f"{block.element}: {block.kind}{f', {block.law}' if block.law else ''}"
    if poly and block.valid:
        yield f"the polynomial holds from {block.valid}; beyond, the law in models.sp goes on along its tangents"


def _line(device: Device) -> str:
    """Return the line of a device, continued where it grows long."""
    words = [device.called, *device.nets]
    if device.letter == "d":
        area = [] if device.value == 1 else [f"area={number(device.value or 0.0)}"]
        return "\n".join(wrapped(*words, device.model, *area))
    return "\n".join(wrapped(*words, device.model if device.value is None else number(device.value)))


def _text(lines: Sequence[str]) -> str:
    return "\n".join([*lines, ""])
