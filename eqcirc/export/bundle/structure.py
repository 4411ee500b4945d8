"""A circuit as layout and boards see it: devices with nets, in cells, without a source.

What is built of resistors, capacitors, coils and junction diodes stands in the structure itself. Whatever else there is
(amplifiers, tunnel diodes, transconductors, current sources) is an instance of a `Block`, whose behaviour stands apart:
layout tools know no sources, and the builder of the hardware replaces it by a realisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

COMMON = "vss"
"""The net at 0 V; SPICE's own name for it, 0, is no name for layout tools."""


@dataclass(frozen=True)
class Device:
    """A part.

    Attributes:
        letter: of SPICE: r, c, l, d, or x for an instance of a tile or block.
        name: without the letter.
        nets: that its pins are at, in the order of SPICE.
        value: in ohms, farads or henries; the area of a diode; None for instances.
        model: name of the diode's model, or of what it is an instance of.
    """

    letter: str
    name: str
    nets: tuple[str, ...]
    value: float | None = None
    model: str = ""

    @property
    def called(self) -> str:
        """Its name in netlists."""
        return f"{self.letter}_{self.name}"


@dataclass(frozen=True)
class Tile:
    """A piece of a crossbar, or the whole circuit: devices between ports."""

    name: str
    ports: tuple[str, ...]
    devices: tuple[Device, ...]


@dataclass(frozen=True)
class Block:
    """A part that layout tools do not know, by its behaviour.

    Attributes:
        name: of its subcircuit.
        ports: names of its pins.
        cards: SPICE lines between the ports, without a node 0.
        poly: the same with POLY in place of B sources, for simulators without B; None if the law is no polynomial.
        element: which group of the circuit it belongs to.
        kind: of element.
        law: current-voltage law, if it has one.
        valid: for which voltages `poly` is the law; "" for all.
    """

    name: str
    ports: tuple[str, ...]
    cards: tuple[str, ...]
    poly: tuple[str, ...] | None
    element: str
    kind: str
    law: str = ""
    valid: str = ""


@dataclass(frozen=True)
class Pin:
    """A port of the whole circuit.

    Attributes:
        name: of the port, and of its net.
        direction: "input", "supply", "output" or "common".
        node: of the circuit.
        note: what is applied or read there, in words.
    """

    name: str
    direction: str
    node: int
    note: str


@dataclass(frozen=True, eq=False)
class Structure:
    """All of a circuit.

    Attributes:
        top: the circuit; its ports are in the order of `pins`.
        pins: its ports.
        tiles: pieces of crossbars, that it has instances of.
        blocks: what is given by behaviour.
        models: .model lines of diodes.
        nets: name of every node's net, by node.
        places: (element, index into its values) of every programmed value to the paths of the devices that have it.
    """

    top: Tile
    pins: tuple[Pin, ...]
    tiles: tuple[Tile, ...]
    blocks: tuple[Block, ...]
    models: tuple[str, ...]
    nets: tuple[str, ...]
    places: dict[tuple[str, tuple[int, ...]], tuple[str, ...]]

    def devices(self) -> Iterator[tuple[str, Device]]:
        """Return every device that is no tile with its path, such as ``x_w1_r0_c0.r_3_5``."""
        tiles = {tile.name: tile for tile in self.tiles}
        for device in self.top.devices:
            if device.model in tiles:
                for part in tiles[device.model].devices:
                    yield f"{device.called}.{part.called}", part
            else:
                yield device.called, device
