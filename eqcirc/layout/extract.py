"""Reads a layout back: which resistors it holds, and which nets they join."""

from __future__ import annotations

from itertools import pairwise

from klayout import db

from eqcirc.devices.base import number
from eqcirc.errors import DataError
from eqcirc.layout.process import LAYERS, Process
from eqcirc.text import one_line

MODEL = "rpoly"


def read_gds(content: bytes) -> db.Layout:
    """Return a layout from a GDS file.

    Raises:
        DataError: it cannot be read.
    """
    layout = db.Layout()
    try:
        layout.read_bytes(content, db.LoadLayoutOptions())
    except RuntimeError as error:
        raise DataError(f"expected a GDS file; klayout says: {one_line(error)}") from error
    return layout


def extract(layout: db.Layout, cell: str, process: Process) -> db.Netlist:
    """Return the resistors and nets of a cell, with a pin for each named net.

    Raises:
        DataError: there is no such cell.
    """
    found = layout.cell(cell)
    if found is None:
        have = ", ".join(one_line(c.name, 40) for c in list(layout.each_cell())[:5])
        raise DataError(f"the layout has no cell {cell!r}; it has: {have or 'none'}")
    database = db.LayoutToNetlist(db.RecursiveShapeIterator(layout, found, []))
    shapes = {
        name: database.make_polygon_layer(layout.layer(*where), name)
        for name, where in LAYERS.items()
        if not name.endswith("label")
    }
    body, head = shapes["poly"] & shapes["resistor"], shapes["poly"] - shapes["resistor"]
    database.register(body, "body")
    database.register(head, "head")
    extractor = db.DeviceExtractorResistor(MODEL, process.sheet)
    database.extract_devices(extractor, {"R": body, "C": head, "tA": head, "tB": head})
    conducting = [head, *(shapes[name] for name in ("contact", "metal1", "via", "metal2"))]
    for layer in conducting:
        database.connect(layer)
    for below, above in pairwise(conducting):
        database.connect(below, above)
    for metal in ("metal1", "metal2"):
        label = f"{metal}_label"
        database.connect(shapes[metal], database.make_text_layer(layout.layer(*LAYERS[label]), label))
    database.extract_netlist()
    netlist = database.netlist().dup()  # the database takes its own along when it goes
    netlist.make_top_level_pins()
    return netlist


def as_spice(netlist: db.Netlist, cell: str, ports: tuple[str, ...]) -> str:
    """Return the extracted netlist as a subcircuit whose ports stand in a given order.

    A port that the layout lacks is joined to nothing; nets without a name are called n_1, n_2, …

    Raises:
        DataError: the layout does not hold that cell.
    """
    circuit = netlist.circuit_by_name(cell)
    if circuit is None:
        raise DataError(f"the layout has no resistors in a cell {cell!r}, or that cell is nowhere placed")
    names: dict[int, str] = {}
    for net in circuit.each_net():
        names[net.cluster_id] = net.name.lower() if net.name else f"n_{net.cluster_id}"
    lines = [f".subckt {cell} {' '.join(ports)}"]
    for k, device in enumerate(circuit.each_device()):
        ends = [names[net.cluster_id] if (net := device.net_for_terminal(t)) else f"open_{k}" for t in (0, 1)]
        lines.append(f"r{k + 1} {' '.join(ends)} {number(device.parameter('R'))}")
    return "\n".join([*lines, f".ends {cell}", ""])
