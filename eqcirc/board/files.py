"""The board of a circuit as files of a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from eqcirc.board.parts import MOST_PARTS, Part, bearable, parts
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.limits import loads
from eqcirc.export.bundle.tables import table

BOM = (
    *(
        "Comment",
        "Designator",
        "Footprint",
        "LCSC Part #",
        "MPN",
        "Manufacturer",
        "Value",
        "Tolerance",
        "Power",
    ),
    *("Qty", "DNP"),
)
PARTS = ("designator", "device", "value", "footprint", "nets")
MOST_DESIGNATORS = 200  # in one line of a bill of materials that assemblers take


def board_files(design: Design) -> Iterator[File]:
    """Yield netlist, bill of materials and list of parts; none for circuits larger than any board."""
    found = bearable(parts(design.structure), loads(design))
    if len(found) > MOST_PARTS:
        return
    yield text("board/board.net", netlist(found, design.head[0]), "netlist for KiCad")
    yield File("board/bom.csv", table(BOM, _bom(found)), "bill of materials")
    rows = [(p.designator, p.device, p.value, p.footprint, " ".join(p.nets)) for p in found]
    yield File(
        "board/parts.csv", table(PARTS, rows), "parts of the board, and which devices of dut.sp they are"
    )


def netlist(found: Sequence[Part], title: str) -> str:
    """Return KiCad's netlist, an s-expression."""
    lines = ['(export (version "E")', f" (design (tool {_quoted(title)}))", " (components"]
    for part in found:
        lines.append(f"  (comp (ref {_quoted(part.designator)})")
        lines.append(f"   (value {_quoted(part.value)})")
        lines.append(f"   (footprint {_quoted(part.footprint)})")
        lines.append(f"   (fields (field (name {_quoted('device')}) {_quoted(part.device)})))")
    lines += [" )", " (nets"]
    nodes: dict[str, list[tuple[str, int]]] = {}
    for part in found:
        for pad, net in enumerate(part.nets, start=1):
            nodes.setdefault(net, []).append((part.designator, pad))
    for code, (net, pads) in enumerate(nodes.items(), start=1):
        lines.append(f"  (net (code {_quoted(str(code))}) (name {_quoted(net)})")
        lines += [f"   (node (ref {_quoted(ref)}) (pin {_quoted(str(pad))}))" for ref, pad in pads]
        lines[-1] += ")"
    return "\n".join([*lines, " )", ")", ""])


def _quoted(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _bom(found: Sequence[Part]) -> Iterator[tuple[object, ...]]:
    """Yield lines of parts that are alike, not too many in one."""

    def alike(part: Part) -> tuple[str, ...]:
        return part.footprint, part.value, part.mpn, part.manufacturer, part.tolerance, part.power

    for (footprint, value, mpn, manufacturer, tolerance, power), group in groupby(
        sorted(found, key=alike), alike
    ):
        designators = [part.designator for part in group]
        for k in range(0, len(designators), MOST_DESIGNATORS):
            some = designators[k : k + MOST_DESIGNATORS]
            name = footprint.partition(":")[2]
            yield (
                *(value, ",".join(some), name, "", mpn, manufacturer, value, tolerance, power),
                *(len(some), ""),
            )
