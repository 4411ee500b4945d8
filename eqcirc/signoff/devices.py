"""The devices of a circuit as dut.sp has them, by path, seen through their tiles."""

from __future__ import annotations

from typing import NamedTuple

from eqcirc.errors import DataError
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.layouts import subcircuits
from eqcirc.signoff.netlists import ports_of


class Device(NamedTuple):
    """A device.

    Attributes:
        nets: that its pins are at.
        value: in ohms, farads or henries; the area of a diode; None of blocks.
        model: of a diode; the cell of a block; "" of others.
    """

    nets: list[str]
    value: float | None
    model: str


Devices = dict[str, Device]


def device_at(path: str, there: Devices) -> Device | None:
    """Return a device, or the block that a path leads into; None if there is none."""
    return there.get(path) or there.get(path.partition(".")[0])


def devices(bundle: Bundle) -> Devices:
    """Return every device of dut.sp by its path; blocks are devices.

    Raises:
        DataError: a line is no device of a bundle.
    """
    try:
        return devices_of(bundle.deck("dut.sp"), bundle.manifest.top)
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(f"dut.sp: expected devices with nets and a value; {error}") from error


def devices_of(text: str, top: str) -> Devices:
    """Return every device of a circuit by its path, from the text of its netlist."""
    inside, ports = subcircuits(text), ports_of(text)
    found: Devices = {}
    for statement in inside.get(top, []):
        name, *words = statement.split()
        if name[0] == "x" and words[-1] in inside:
            outside = dict(zip(ports[words[-1]], words[:-1], strict=True))
            for inner in inside[words[-1]]:
                called, a, b, value, *_ = inner.split()
                found[f"{name}.{called}"] = Device([outside[a], outside[b]], float(value), "")
        elif name[0] == "x":
            found[name] = Device(words[:-1], None, words[-1])
        elif name[0] == "d":
            area = words[3].removeprefix("area=") if len(words) > 3 else "1"
            found[name] = Device(words[:2], float(area), words[2])
        else:
            found[name] = Device(words[:2], float(words[2]), "")
    return found
