"""Compares two netlists as graphs, by klayout: the same devices between the same nets, with the same values.

A comparison of graphs alone calls two netlists equal in which inputs are swapped, since the graph stays the same; so
nets of ports with one name are told to be one (`same_nets`). The order of ports is beyond it: see `headers`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from klayout import db

from eqcirc.errors import DataError
from eqcirc.text import one_line

MOST = 5  # problems that are told of one netlist


SAME = (("res", "rpoly"), ("cap", "cpoly"), ("ind", "lcoil"))
"""What klayout calls devices without a model word, and their names in CDL."""


def read_netlist(text: str) -> db.Netlist:
    """Read a netlist of R, C, L, D, Q, M and X elements.

    Raises:
        DataError: klayout cannot read it.
    """
    netlist = db.Netlist()
    with tempfile.TemporaryDirectory(prefix="eqcirc-") as folder:  # klayout reads files only
        path = Path(folder) / "netlist"
        path.write_text(text, encoding="ascii")
        try:
            netlist.read(str(path), db.NetlistSpiceReader())
        except RuntimeError as error:
            said = str(error).replace(str(path), "it").replace(" in Netlist.read", "")
            raise DataError(f"klayout cannot read the netlist: {one_line(said)}") from error
    return netlist


def differences(
    ours: db.Netlist, theirs: db.Netlist, *, absolute: float = 0.0, relative: float = 0.0
) -> list[str]:
    """Return what differs between two netlists, in sentences; nothing if they are the same.

    Args:
        ours: the netlist that is checked.
        theirs: what it is held against; each of its circuits must be among ours, with the same ports.
        absolute: by how much values of resistors may differ, in ohm.
        relative: the same, as a part of the value.
    """
    found = _Differences()
    tolerance = db.EqualDeviceParameters(db.DeviceClassResistor.PARAM_R, absolute, relative)
    for netlist in (ours, theirs):
        for kind in netlist.each_device_class():
            if isinstance(kind, db.DeviceClassResistor):
                kind.equal_parameters = tolerance
    comparer = db.NetlistComparer(found)
    kinds = [{kind.name.lower(): kind for kind in netlist.each_device_class()} for netlist in (ours, theirs)]
    for plain, word in SAME:
        if plain in kinds[0] and word in kinds[1]:
            comparer.same_device_classes(kinds[0][plain], kinds[1][word])
    circuits = {circuit.name.lower(): circuit for circuit in ours.each_circuit()}
    for circuit in theirs.each_circuit():
        mine = circuits.pop(circuit.name.lower(), None)
        if mine is None:
            found.add(f"there is no subcircuit {circuit.name.lower()}")
            continue
        _name_ports(comparer, mine, circuit, found)
    found.problems += [f"subcircuit {name} is too many" for name in circuits]
    problems = found.problems
    found.problems = []
    if not comparer.compare(
        ours, theirs
    ):  # of two that are the same it may tell of nets that it took for others first
        problems += sorted(found.problems, key=lambda text: text.startswith("net ")) or ["the graphs differ"]
    if len(problems) > MOST:
        return [*problems[:MOST], f"and {len(problems) - MOST} more differences"]
    return problems


def _name_ports(
    comparer: db.NetlistComparer, mine: db.Circuit, other: db.Circuit, found: _Differences
) -> None:
    """Tell the comparer that ports of one name are the same net."""
    nets = {net.name.lower(): net for net in mine.each_net()}
    ports = {mine.net_for_pin(pin.id()).name.lower() for pin in mine.each_pin()}
    wanted = [other.net_for_pin(pin.id()) for pin in other.each_pin()]
    for net in wanted:
        name = net.name.lower()
        if name in ports:
            comparer.same_nets(mine, other, nets[name], net, True)
        else:
            found.add(f"{mine.name.lower()} has no port {name}")
    for name in sorted(ports - {net.name.lower() for net in wanted}):
        found.add(f"{mine.name.lower()} has a port {name} too many")


@dataclass
class _Told:
    """Sentences about differences."""

    problems: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        self.problems.append(one_line(sentence))


class _Differences(_Told, db.GenericNetlistCompareLogger):
    """Listens to klayout's comparer."""

    def __init__(self) -> None:
        db.GenericNetlistCompareLogger.__init__(self)
        _Told.__init__(self)

    def device_mismatch(self, a: db.Device | None, b: db.Device | None, msg: str) -> None:
        """Hear of a device that only one netlist has."""
        del msg
        self.add(f"too many: {_words(a)}" if b is None else f"missing: {_words(b)}")

    def match_devices_with_different_parameters(self, a: db.Device, b: db.Device) -> None:
        """Hear of a device with another value."""
        self.add(f"another value: {_words(a)}, expected {_words(b)}")

    def match_devices_with_different_device_classes(self, a: db.Device, b: db.Device) -> None:
        """Hear of a device of another kind."""
        self.add(f"another model: {_words(a)}, expected {_words(b)}")

    def net_mismatch(self, a: db.Net | None, b: db.Net | None, msg: str) -> None:
        """Hear of a net that has other devices at it."""
        del msg
        name = (b or a).name if b or a else ""  # type: ignore[union-attr]
        self.add(f"net {name.lower()} joins other devices")

    def circuit_mismatch(self, a: db.Circuit | None, b: db.Circuit | None, msg: str) -> None:
        """Hear of a circuit that cannot be compared."""
        self.add(f"subcircuit {(b or a).name.lower() if b or a else ''} differs: {msg}")  # type: ignore[union-attr]

    def subcircuit_mismatch(self, a: db.SubCircuit | None, b: db.SubCircuit | None, msg: str) -> None:
        """Hear of an instance that only one netlist has."""
        del msg
        one = b or a
        name = one.circuit_ref().name.lower() if one is not None else ""
        self.add(f"an instance of {name} is {'too many' if b is None else 'missing'}")


def _words(device: db.Device | None) -> str:
    """Return a device in words."""
    if device is None:
        return "a device"
    kind = device.device_class()
    nets = [device.net_for_terminal(t.id()) for t in kind.terminal_definitions()]
    between = ", ".join(net.name.lower() if net and net.name else "?" for net in nets)
    resistance = f" of {device.parameter('R'):.10g} ohm" if isinstance(kind, db.DeviceClassResistor) else ""
    return f"{kind.name.lower()}{resistance} between {between}"
