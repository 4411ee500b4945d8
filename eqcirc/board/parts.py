"""From the structure of a circuit to parts with a designator and a footprint of KiCad's libraries.

Resistors become the nearest value of E96 in thick film, 1 %, 0603; other passives 0603 and 0805. Diodes get a
footprint, but no part: their law is that of a model, which whoever builds the board has to match. Blocks (amplifiers,
tunnel diodes) are sites of pin headers, one pin for each port, that a realisation plugs into; nothing is invented for
them. All ports of the circuit are on connectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.devices.base import number
from eqcirc.export.bundle.parts import E96, preferred
from eqcirc.export.bundle.structure import Device, Structure

MOST_PINS = 40  # of a connector, which KiCad has footprints for
MOST_PARTS = 20_000  # of a board; KiCad takes a quarter of a millisecond for each

MOST_WATTS, MOST_VOLTS = 0.1, 75.0  # of a resistor RC0603, by its data sheet (RC_L)

_FOOTPRINTS = {
    "r": "Resistor_SMD:R_0603_1608Metric",
    "c": "Capacitor_SMD:C_0603_1608Metric",
    "l": "Inductor_SMD:L_0805_2012Metric",
    "d": "Diode_SMD:D_SOD-123",
}
_LETTERS = {"r": "R", "c": "C", "l": "L", "d": "D"}


@dataclass(frozen=True)
class Part:
    """A part of the board.

    Attributes:
        designator: such as R12.
        value: in words, as a schematic shows it.
        footprint: library and name.
        nets: that pads 1, 2, … are at.
        device: path in dut.sp, or the pins of the circuit.
        mpn: number of its manufacturer; "" if the choice is left open.
        manufacturer: of it.
        tolerance: in words.
        power: rating, in words.
    """

    designator: str
    value: str
    footprint: str
    nets: tuple[str, ...]
    device: str
    mpn: str = ""
    manufacturer: str = ""
    tolerance: str = ""
    power: str = ""


def parts(structure: Structure) -> list[Part]:
    """Return all parts of a circuit: those of its devices in their order, then connectors."""
    counts: dict[str, int] = {}

    def designator(letter: str) -> str:
        counts[letter] = counts.get(letter, 0) + 1
        return f"{letter}{counts[letter]}"

    found = []
    for path, nets, device in _placed(structure):
        if device.letter == "x":
            found += [
                Part(designator("J"), device.model, _header(len(some)), some, path) for some in _headers(nets)
            ]
        elif device.letter == "r":
            found.append(_resistor(designator("R"), nets, path, device.value or 0.0))
        elif device.letter == "d":
            pads = nets[::-1]  # pad 1 of KiCad's diodes is the cathode
            area = device.value or 1.0  # a diode of another area is another part
            value = device.model if area == 1.0 else f"{device.model} area={number(area)}"
            found.append(Part(designator("D"), value, _FOOTPRINTS["d"], pads, path))
        else:
            letter, unit = _LETTERS[device.letter], {"c": "F", "l": "H"}[device.letter]
            value = f"{_short(device.value or 0.0)}{unit}"
            found.append(Part(designator(letter), value, _FOOTPRINTS[device.letter], nets, path))
    for k, some in enumerate(_headers(tuple(pin.name for pin in structure.pins))):
        what = f"pins {k * MOST_PINS + 1} to {k * MOST_PINS + len(some)}"
        found.append(Part(designator("J"), what, _header(len(some)), some, "ports of the circuit"))
    return found


def _headers(nets: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return nets in groups that a header has pins for."""
    return [nets[k : k + MOST_PINS] for k in range(0, len(nets), MOST_PINS)]


def _placed(structure: Structure) -> Iterator[tuple[str, tuple[str, ...], Device]]:
    """Yield every device with its path and the nets of the circuit that it is at."""
    tiles = {tile.name: tile for tile in structure.tiles}
    for device in structure.top.devices:
        tile = tiles.get(device.model)
        if tile is None:
            yield device.called, device.nets, device
            continue
        outside = dict(zip(tile.ports, device.nets, strict=True))
        for part in tile.devices:
            yield f"{device.called}.{part.called}", tuple(outside[net] for net in part.nets), part


def _resistor(designator: str, nets: tuple[str, ...], path: str, ohms: float) -> Part:
    """Return a resistor of Yageo's series RC0603; its data sheet (RC_L) says how numbers are made, 1 ohm to 10 Mohm."""
    rounded = float(preferred(np.array([ohms]), E96)[0])
    mpn = f"RC0603FR-07{_code(rounded)}L" if 1 <= rounded <= 1e7 else ""
    return Part(
        designator,
        _short(rounded),
        _FOOTPRINTS["r"],
        nets,
        path,
        mpn,
        "Yageo" if mpn else "",
        "1 %",
        f"{MOST_WATTS:g} W",
    )


def bearable(found: list[Part], loads: Mapping[str, tuple[float, float, float]]) -> list[Part]:
    """Return parts, resistors that bear more than theirs without a number to order, and what they bear instead."""

    def borne(part: Part) -> Part:
        volts, _, watts = loads.get(part.device, (0.0, 0.0, 0.0))
        if not part.designator.startswith("R") or (volts <= MOST_VOLTS and watts <= MOST_WATTS):
            return part
        return replace(part, mpn="", manufacturer="", power=f"bears {watts:.3g} W and {volts:.3g} V")

    return [borne(part) for part in found]


def _header(pins: int) -> str:
    return f"Connector_PinHeader_2.54mm:PinHeader_1x{pins:02d}_P2.54mm_Vertical"


def _short(value: float) -> str:
    """Return a number with an SI prefix, such as 4.99k or 20u."""
    for factor, prefix in (
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
        (1e3, "k"),
        (1.0, ""),
        (1e-3, "m"),
        (1e-6, "u"),
        (1e-9, "n"),
        (1e-12, "p"),
    ):
        if abs(value) >= factor * (1 - 1e-9):
            return f"{value / factor:.6g}{prefix}"
    return f"{value:.6g}"


def _code(ohms: float) -> str:
    """Return a resistance as orders write it, the letter in place of the point: 4K99, 100R, 1M."""
    factor, letter = next((f, x) for f, x in ((1e6, "M"), (1e3, "K"), (1.0, "R")) if ohms >= f * (1 - 1e-9))
    whole, _, rest = f"{ohms / factor:.6g}".partition(".")
    return f"{whole}{letter}{rest}"
