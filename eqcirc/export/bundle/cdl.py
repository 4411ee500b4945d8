"""The structure as CDL, for comparing a layout with it (LVS).

Two flavours, because no two tools agree: the plain one has a model word after each value and nothing else; that of
Cadence writes it as `$[model]`, and ` / ` before the name of a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from eqcirc.devices.base import number
from eqcirc.export.bundle.spice import comments, stubs
from eqcirc.export.bundle.structure import Device, Structure
from eqcirc.solvers.ngspice.subcircuit import subcircuit, wrapped

WORDS = {"r": "rpoly", "c": "cpoly", "l": "lcoil"}
"""Names of the device classes of a layout."""
_SIDES = {"input": "I", "output": "O", "supply": "B", "common": "B"}

Flavour = Literal["plain", "cadence"]


def cdl(structure: Structure, notes: Sequence[str], flavour: Flavour = "plain") -> str:
    """Return the netlist of the layout; blocks are empty cells with pins."""
    lines = [*comments(notes), *stubs(structure, ["blocks, whose content is not drawn"])]
    for tile in structure.tiles:
        lines += ["*", *subcircuit(tile.name, tile.ports, _lines(tile.devices, flavour))]
    pins = [f"{pin.name}:{_SIDES[pin.direction]}" for pin in structure.pins]
    top = subcircuit(structure.top.name, structure.top.ports, _lines(structure.top.devices, flavour))
    head = next(k for k, line in enumerate(top) if k and not line.startswith("+"))
    info = [line.replace("+", "*.PININFO", 1) for line in wrapped("+", *pins)]
    lines += ["*", *top[:head], *info, *top[head:]]
    return "\n".join([*lines, ""])


def _lines(devices: Sequence[Device], flavour: Flavour) -> list[str]:
    return [line for device in devices for line in _line(device, flavour)]


def _line(device: Device, flavour: Flavour) -> list[str]:
    words = [device.called, *device.nets]
    cadence = flavour == "cadence"
    if device.letter == "x":
        return wrapped(*words, *(["/"] if cadence else []), device.model)
    value = number(device.value or 0.0)
    if device.letter == "d":
        area = [] if device.value == 1 else [f"area={value}"]
        return wrapped(*words, device.model, *area)
    word = WORDS[device.letter]
    return wrapped(*words, value, f"$[{word}]" if cadence else word)
