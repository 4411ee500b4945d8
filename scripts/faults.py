"""Faults for bundles: what somebody could get wrong in a netlist or a layout, with a manifest that agrees with it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from klayout import db

from eqcirc.layout.crossbar import gds
from eqcirc.layout.extract import read_gds
from eqcirc.layout.process import LAYERS, Process

Lines = list[str]


def copy_with(bundle: Path, folder: Path, changed: Mapping[str, bytes]) -> Path:
    """Copy a bundle with other contents of some files; sizes and hashes are those of what is there now."""
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns("verify"))
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    for listed in manifest["files"]:
        content = changed.get(listed["path"])
        if content is not None:
            (folder / listed["path"]).write_bytes(content)
            listed |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "MANIFEST.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def unfolded(text: str) -> Lines:
    """Return lines, those that go on with + put together."""
    return text.replace("\n+", "").split("\n")


def _first(lines: Lines, begin: str) -> int:
    return next(k for k, line in enumerate(lines) if line.startswith(begin))


def value(lines: Lines) -> None:
    """A resistor is off by 1 %."""
    k = _first(lines, "r_1_1 ")
    words = lines[k].split()
    words[3] = repr(float(words[3]) * 1.01)
    lines[k] = " ".join(words)


def swapped_values(lines: Lines) -> None:
    """Two resistors have one another's value."""
    a, b = _first(lines, "r_0_0 "), _first(lines, "r_1_1 ")
    one, other = lines[a].split(), lines[b].split()
    one[3], other[3] = other[3], one[3]
    lines[a], lines[b] = " ".join(one), " ".join(other)


def missing_diode(lines: Lines) -> None:
    """A diode is not there."""
    del lines[_first(lines, "d_")]


def flipped_diode(lines: Lines) -> None:
    """A diode is the wrong way round."""
    k = _first(lines, "d_")
    words = lines[k].split()
    words[1], words[2] = words[2], words[1]
    lines[k] = " ".join(words)


def rewired(lines: Lines) -> None:
    """A resistor goes to another column."""
    k = _first(lines, "r_0_0 ")
    lines[k] = lines[k].replace(" c0 ", " c1 ")


def swapped_inputs(lines: Lines) -> None:
    """The first two inputs are swapped within the circuit; as a graph it stays the same."""
    k = _first(lines, "x_w1_r0_c0 ")
    words = lines[k].split()
    words[1], words[2] = words[2], words[1]
    lines[k] = " ".join(words)


def port_order(lines: Lines) -> None:
    """The first two ports of a tile are listed the other way round."""
    k = _first(lines, ".subckt tile_w1_r0_c0 ")
    words = lines[k].split()
    words[2], words[3] = words[3], words[2]
    lines[k] = " ".join(words)


def model_name(lines: Lines) -> None:
    """A diode has another model."""
    k = _first(lines, "d_up1_0 ")
    lines[k] = lines[k].replace("m_up1", "m_down1")


NETLIST: tuple[Callable[[Lines], None], ...] = (
    value,
    swapped_values,
    missing_diode,
    flipped_diode,
    rewired,
    swapped_inputs,
    port_order,
    model_name,
)


def netlist(text: bytes, fault: Callable[[Lines], None]) -> bytes:
    """Return a netlist with a fault."""
    lines = unfolded(text.decode("ascii"))
    fault(lines)
    return "\n".join(lines).encode("ascii")


def one_square(layout: db.Layout) -> None:
    """A resistor is one square too short: its head has grown into the body."""
    shapes = _tile(layout, "resistor")
    width = Process().width
    body = next(iter(shapes.each()))
    start = body.polygon.bbox().bottom
    legs = (body.polygon.bbox().left, body.polygon.bbox().left + width)
    rest = db.Region(body.polygon) - db.Region(db.Box(legs[0], start, legs[1], start + width))
    shapes.erase(body)
    shapes.insert(rest)


def missing_via(layout: db.Layout) -> None:
    """A resistor does not reach its column."""
    shapes = _tile(layout, "via")
    shapes.erase(next(iter(shapes.each())))


def shorted_columns(layout: db.Layout) -> None:
    """Two columns touch."""
    shapes = _tile(layout, "metal2")
    first, second = sorted((shape.bbox() for shape in shapes.each()), key=lambda box: box.left)[:2]
    shapes.insert(db.Box(first.left, first.bottom, second.right, first.bottom + 1000))


LAYOUT: tuple[Callable[[db.Layout], None], ...] = (one_square, missing_via, shorted_columns)


def _tile(layout: db.Layout, layer: str) -> db.Shapes:
    """Return the shapes of the first tile in a layer."""
    return layout.cell("tile_w1_r0_c0").shapes(layout.layer(*LAYERS[layer]))


def layout(content: bytes, fault: Callable[[db.Layout], None]) -> bytes:
    """Return a GDS file with a fault."""
    drawn = read_gds(content)
    fault(drawn)
    return gds(drawn)
