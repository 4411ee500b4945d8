"""Blocks as Verilog-A, for simulators that have no B sources (Spectre, and others by a compiler).

A B source is an expression of voltages; Verilog-A says nearly the same. Only blocks with such sources are written:
amplifiers, transconductors and current sources are in every SPICE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from eqcirc.export.bundle.files import File, text
from eqcirc.export.bundle.structure import Block, Structure
from eqcirc.text import ascii_line

_VOLTAGE = re.compile(r"\bv\(([a-z0-9_]+)(?:,([a-z0-9_]+))?\)")
_SIGN = re.compile(r"sgn\(((?:[^()]|\([^()]*\))*)\)")
_POWER = re.compile(r"(max\((?:[^()]|\([^()]*\))*\))\*\*([0-9.e+-]+)")


def verilog_files(structure: Structure, notes: Sequence[str]) -> list[File]:
    """Return a file for each block that has a B source."""
    blocks = [block for block in structure.blocks if any(card.startswith("b_") for card in block.cards)]
    role = "Verilog-A of a block; a compiler checks it, no simulator here runs it"
    return [text(f"va/{block.name}.va", module(block, notes), role, run=False) for block in blocks]


def module(block: Block, notes: Sequence[str]) -> str:
    """Return the module of a block whose cards are B sources, G elements of a leak, and resistors."""
    body = [contribution(card) for card in block.cards]
    about = f"{block.element}: {block.kind}{f', {block.law}' if block.law else ''}"
    ports = ", ".join(block.ports)
    lines = [f"// {ascii_line(note, most=1000)}" for note in (*notes, about)]
    lines += ['`include "disciplines.vams"', f"module {block.name}({ports});", f"  inout {ports};"]
    lines += [f"  electrical {ports};"]
    return "\n".join([*lines, "  analog begin", *body, "  end", "endmodule", ""])


def contribution(card: str) -> str:
    """Return the line of a B, G or R card."""
    first, a, b, rest = card.split(maxsplit=3)
    if first.startswith("g_"):
        cp, cn, siemens = rest.split()
        return f"    I({a}, {b}) <+ {_real(siemens)} * V({cp}, {cn});"
    if first.startswith("r_"):
        return f"    I({a}, {b}) <+ V({a}, {b}) / {_real(rest)};"
    law, _, area = rest.removeprefix("i=").rpartition(" m=")
    if not law:
        law, area = area.removeprefix("i="), "1.0"
    law = _POWER.sub(r"pow(\1,\2)", law).replace("uramp(", "max(0.0,")
    law = _SIGN.sub(r"(\1>=0 ? 1.0 : -1.0)", law)
    said = _VOLTAGE.sub(lambda m: f"V({m[1]}, {m[2]})" if m[2] else f"V({m[1]})", law)
    return f"    I({a}, {b}) <+ {_real(area)} * ({said});"


def _real(number: str) -> str:
    return f"({number})" if number.startswith("-") else number
