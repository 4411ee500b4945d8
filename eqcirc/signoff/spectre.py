"""Reads Spectre's language as far as a bundle speaks it, and holds it against SPICE: no tool here runs it.

Nothing of what wrote the files is used, so a mistake of the writer is seen as well as one of somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from eqcirc.errors import DataError
from eqcirc.signoff.gate import statements
from eqcirc.text import one_line

_PART = re.compile(r"(\w+) \(([\w ]*)\) (\w+)((?: \w+=\S+)*)")
_VALUES = {
    "resistor": "r",
    "capacitor": "c",
    "inductor": "l",
    "vcvs": "gain",
    "vccs": "gm",
    "cccs": "gain",
    "ccvs": "rm",
    "vsource": "dc",
    "isource": "dc",
}
_KINDS = {
    **{"r": "resistor", "c": "capacitor", "l": "inductor", "v": "vsource", "i": "isource"},
    **{"e": "vcvs", "g": "vccs", "f": "cccs", "h": "ccvs"},
}
_SENSED = ("cccs", "ccvs")


class Part(NamedTuple):
    """A device or an instance, whatever language says it.

    Attributes:
        name: of the part.
        nets: that its pins are at; then the source whose current it senses, if it senses one.
        kind: Spectre's word for it, or its model or cell.
        value: its number; the area of a diode, 1 of an instance.
    """

    name: str
    nets: tuple[str, ...]
    kind: str
    value: float


class Cell(NamedTuple):
    """What a netlist says under one name: ports and parts of a subcircuit, or numbers of a model."""

    ports: tuple[str, ...]
    parts: tuple[Part, ...]


Cells = dict[str, Cell]


def of_spectre(name: str, text: str) -> Cells:
    """Return models, subcircuits and included modules of a netlist for Spectre, by name in order.

    Raises:
        DataError: a line is none of a bundle.
    """
    found: Cells = {}
    ports: tuple[str, ...] = ()
    inside = ""
    parts: list[Part] = []
    for number, line in enumerate(text.split("\n"), start=1):
        first, _, rest = line.partition(" ")
        if not line or line.startswith("//") or line == "simulator lang=spectre":
            continue
        try:
            if first == "model" and not inside:
                called, kind, *values = rest.split()
                found[called] = Cell((kind,), tuple(_numbers(values)))
            elif first == "ahdl_include" and not inside:
                found[rest.removeprefix('"va/').removesuffix('.va"')] = Cell((), ())
            elif first == "subckt" and not inside:
                inside, _, words = rest.partition(" ")
                ports, parts = tuple(words.removeprefix("(").removesuffix(")").split()), []
            elif first == "ends" and rest == inside:
                found[inside] = Cell(ports, tuple(parts))
                inside = ""
            else:
                parts.append(_part(line, inside=inside))
        except ValueError as error:
            raise DataError(
                f"{name}, line {number}: this is nothing that a bundle holds: {one_line(line, 80)}"
            ) from (error)
    return found


def _part(line: str, *, inside: str) -> Part:
    """Return the part of a line of a subcircuit.

    Raises:
        ValueError: it is none.
    """
    match = _PART.fullmatch(line)
    if match is None or not inside:
        raise ValueError(line)
    called, nets, kind, said = match.groups()
    values = dict(word.split("=") for word in said.split())
    ends = nets.split()
    if kind in _SENSED:
        ends.append(values.pop("probe"))
    if values.pop("type", "dc") != "dc":
        raise ValueError(line)
    value = float(values.pop(_VALUES.get(kind, "area"), "1"))
    if values:
        raise ValueError(line)
    return Part(called, tuple(ends), kind, value)


def _numbers(words: Sequence[str]) -> Iterator[Part]:
    """Yield the numbers of a model."""
    for word in words:
        key, _, value = word.partition("=")
        yield Part(key, (), "", float(value))


def of_spice(text: str) -> Cells:
    """Return models and subcircuits of a netlist of a bundle as Spectre would say them.

    Cells with B sources are modules in Verilog-A there, so nothing is said of what they hold.

    Raises:
        ValueError: a line is none of a bundle.
    """
    found: Cells = {}
    ports: tuple[str, ...] = ()
    parts: list[Part] | None = []
    inside = ""
    for _, statement in statements(text):
        first, *words = statement.split()
        if first == ".model":
            found[words[0]] = Cell(("diode",), tuple(_numbers(words[2:])))
        elif first == ".subckt":
            inside, ports, parts = words[0], tuple(words[1:]), []
        elif first == ".ends":
            found[inside] = Cell((), ()) if parts is None else Cell(ports, tuple(parts))
        elif first[0] == "b":
            parts = None
        elif parts is not None:
            parts.append(_card(first, words))
    return found


def _card(name: str, words: list[str]) -> Part:
    """Return the part of a SPICE line."""
    if name[0] == "x":
        return Part(name, tuple(words[:-1]), words[-1], 1.0)
    if name[0] == "d":
        area = words[3].removeprefix("area=") if len(words) > 3 else "1"
        return Part(name, tuple(words[:2]), words[2], float(area))
    return Part(name, tuple(words[:-1]), _KINDS[name[0]], float(words[-1]))


def differences(name: str, there: Cells, expected: Cells, source: str) -> Iterator[str]:
    """Yield where two netlists differ: the first difference of every cell."""
    for cell in sorted(there.keys() ^ expected.keys()):
        how = "has" if cell in there else "lacks"
        yield f"{name} {how} {one_line(cell, 60)}, other than {source}"
    for cell in (c for c in there if c in expected and there[c] != expected[c]):
        ours, theirs = there[cell], expected[cell]
        pairs = [(ours.ports, theirs.ports), *zip(ours.parts, theirs.parts, strict=False)]
        counts = f"{len(ours.parts)} parts", f"{len(theirs.parts)}"
        a, b = next(((a, b) for a, b in pairs if a != b), counts)
        yield f"{name}, {one_line(cell, 60)}: {_said(a)}, expected {_said(b)} as in {source}"


def _said(what: object) -> str:
    """Return a part in words."""
    if isinstance(what, Part):
        return one_line(f"{what.name} ({' '.join(what.nets)}) {what.kind} {what.value!r}", 100)
    return one_line(" ".join(what) if isinstance(what, tuple) else what, 100)
