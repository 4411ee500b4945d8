"""Netlists for Spectre, Xyce and LTspice. None of these is here, so nothing of this has been run; the manifest says so.

Xyce and LTspice are given dut.sp as it is, and models.sp where it has no B sources; theirs are written anew. Spectre
gets a netlist in its own language, which takes blocks with B sources from va/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from eqcirc.devices.base import number
from eqcirc.export.bundle.bench import tb_one
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.spice import models
from eqcirc.export.bundle.structure import Device, Structure, Tile
from eqcirc.text import ascii_line

NOT_RUN = "not run: there is no such simulator where this was written"
_SPECTRE = {"r": ("resistor", "r"), "c": ("capacitor", "c"), "l": ("inductor", "l")}


def flavour_files(design: Design) -> Iterator[File]:
    """Yield test benches of the first golden vector, and what they include."""
    structure = design.structure
    head = [*design.head, NOT_RUN, "the first golden vector"]
    for tool, left, right in (("xyce", "{", "}"), ("ltspice", "", "")):
        included = "models.sp"
        if any(card.startswith("b_") for block in structure.blocks for card in block.cards):
            included = f"models_{tool}.sp"
            written = b_sources(models(structure, [*design.head, NOT_RUN]), left, right)
            yield text(included, written, f"models.sp for {tool}", run=False)
        lines = tb_one(structure, design.circuit, design.golden, head, included, ".temp 27")
        shown = " ".join(f"v({pin.name})" for pin in structure.pins if pin.direction == "output")
        ends = [".op", *([f".print dc {shown}"] if tool == "xyce" else []), ".end", ""]
        yield text(
            f"tb_{tool}.cir", "\n".join([*lines, *ends]), f"test bench of vector 0 for {tool}", run=False
        )
    yield text("dut.scs", spectre(structure, head), "the circuit for Spectre", run=False)


def b_sources(netlist: str, left: str, right: str) -> str:
    """Return a netlist whose B sources have the area as a factor, and the expression in brackets."""
    lines = []
    for line in netlist.split("\n"):
        if line.startswith("b_"):
            first, a, b, rest = line.split(maxsplit=3)
            law, _, area = rest.removeprefix("i=").rpartition(" m=")
            lines.append(f"{first} {a} {b} i={left}{area}*({law}){right}")
        else:
            lines.append(line)
    return "\n".join(lines)


def spectre(structure: Structure, notes: Sequence[str]) -> str:
    """Return the circuit in Spectre's language, without sources."""
    lines = [f"// {ascii_line(note, most=1000)}" for note in notes] + ["simulator lang=spectre"]
    for line in structure.models:
        _, name, _, *values = line.split()
        lines.append(f"model {name} diode {' '.join(values)}")
    for block in structure.blocks:
        if any(card.startswith("b_") for card in block.cards):
            lines.append(f'ahdl_include "va/{block.name}.va"')
        else:
            body = [_source(card) for card in block.cards]
            lines += [f"subckt {block.name} ({' '.join(block.ports)})", *body, f"ends {block.name}"]
    for tile in (*structure.tiles, structure.top):
        lines += _subckt(tile)
    return "\n".join([*lines, ""])


def _subckt(tile: Tile) -> list[str]:
    ports = " ".join(tile.ports)
    return [f"subckt {tile.name} ({ports})", *map(_device, tile.devices), f"ends {tile.name}"]


def _device(device: Device) -> str:
    nets = f"{device.called} ({' '.join(device.nets)})"
    if device.letter == "x":
        return f"{nets} {device.model}"
    value = number(device.value or 0.0)
    if device.letter == "d":
        return f"{nets} {device.model} area={value}"
    kind, key = _SPECTRE[device.letter]
    return f"{nets} {kind} {key}={value}"


def _source(card: str) -> str:
    """Return a card of a block in Spectre's language."""
    first, *rest = card.split()
    kind = {
        "e": "vcvs gain=",
        "g": "vccs gm=",
        "r": "resistor r=",
        "l": "inductor l=",
        "i": "isource type=dc dc=",
    }
    kind |= {"v": "vsource type=dc dc=", "c": "capacitor c="}
    if first[0] in kind:
        return f"{first} ({' '.join(rest[:-1])}) {kind[first[0]]}{rest[-1]}"
    a, b, sensed, gain = rest  # f and h: by the current of a 0 V source
    what = f"cccs probe={sensed} gain=" if first[0] == "f" else f"ccvs probe={sensed} rm="
    return f"{first} ({a} {b}) {what}{gain}"
