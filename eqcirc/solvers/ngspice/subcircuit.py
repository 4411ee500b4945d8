"""Exported circuits as other tools want them: a subcircuit without the sources that a test needs, and plain cards.

What is built stands between .subckt and .ends, with a port for each held node and each output; the test bench around it
holds the ports. Inner nodes keep their names: seen from outside, node h of the instance X_net is x_net.h.

Letters of elements are upper case, as spicelib's editor wants them. Sources that are controlled by a current sense that
of a 0 V source; ngspice takes the current of an E source too, others do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from eqcirc.solvers.ngspice.cards import PHASE, SAMPLE
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.text import ascii_line

MOST_PORTS = 99  # of an instance that spicelib reads; ngspice 39 leaves its process at more than 1,000
WIDTH = 100  # characters of a line of ports
TEMPERATURE = ".temp 27"
"""What ngspice takes anyway; other tools take 25."""


def as_subcircuit(netlist: Netlist, name: str, printed: Sequence[str]) -> Netlist:
    """Return a netlist whose elements are in a subcircuit; where that has too many ports, they stand as they are.

    Args:
        netlist: without lines that begin it at a state, which name nodes as `saved` of the result does.
        name: of the circuit.
        printed: nodes that stay ports, because they are printed.
    """
    title, inside, outside, ports = _apart(netlist, printed)
    if len(ports) > MOST_PORTS:
        note = (
            f"* {len(ports)} ports are more than other tools take, so elements stand flat; see --form subckt"
        )
        lines = [title, *inside, *outside, TEMPERATURE]
        return replace(netlist, lines=lines, notes=(*netlist.notes, note))
    called = subcircuit_name(name)
    lines = [title, *subcircuit(called, ports, inside), *wrapped(f"X_{called}", *ports, called)]
    within = set(ports)
    saved = [node if node in within else f"x_{called}.{node}" for node in netlist.saved]
    return replace(netlist, lines=[*lines, *outside, TEMPERATURE], saved=saved)


def library(netlist: Netlist, name: str, printed: Sequence[str], notes: Sequence[str]) -> str:
    """Return the elements of a full netlist as a subcircuit alone, however many ports it has."""
    title, inside, _, ports = _apart(netlist, printed)
    called = subcircuit_name(name)
    body = subcircuit(called, ports, inside)
    return "\n".join([title.replace("full netlist", f"subcircuit {called}"), *notes, *body, ""])


def _apart(netlist: Netlist, printed: Sequence[str]) -> tuple[str, list[str], list[str], list[str]]:
    """Return the title, the cards of the circuit, those of its test bench, and the nodes that join the two."""
    lines, built = netlist.lines, netlist.built
    inside = plain_cards([line for k, line in enumerate(lines) if k in built])
    outside = [upper(line) for k, line in enumerate(lines) if k and k not in built]
    return lines[0], inside, outside, port_names(outside, inside, printed)


def subcircuit(name: str, ports: Sequence[str], inside: Sequence[str]) -> list[str]:
    """Return the lines of a subcircuit."""
    return [*wrapped(f".subckt {name}", *ports), *inside, f".ends {name}"]


def port_names(bench: Sequence[str], inside: Sequence[str], printed: Sequence[str]) -> list[str]:
    """Return the nodes that the cards of a test bench hold or feed, and those that are printed."""
    nodes = [node for card in bench if not card.startswith(".") for node in card.split(maxsplit=3)[1:3]]
    seen = [SAMPLE] if any(f"v({SAMPLE})" in card for card in inside) else []
    return [n for n in dict.fromkeys([*nodes, *printed]) if n not in ("0", SAMPLE, PHASE)] + seen


def subcircuit_name(name: str) -> str:
    """Return a name that is one word of letters, digits and _, for any circuit."""
    word = re.sub(r"[^a-z0-9_]", "_", ascii_line(name).lower())
    return word if word[:1].isalpha() else f"net_{word}"


def plain_cards(cards: Sequence[str]) -> list[str]:
    """Return cards with upper-case letters, in which F elements sense a 0 V source in series with the E element."""
    sensed = {card.split()[3] for card in cards if card.startswith("f_")}
    lines: list[str] = []
    for card in cards:
        first, *rest = card.split()
        name = first[2:]
        if first in sensed:
            out, *others = rest
            lines.append(" ".join([f"E_{name}", f"eq_{name}", *others]))
            lines.append(f"V_eq_{name} {out} eq_{name} 0")
        elif first.startswith("f_"):
            a, b, source, gain = rest
            lines.append(f"F_{name} {a} {b} V_eq_{source[2:]} {gain}")
        else:
            lines.append(upper(card))
    return lines


def upper(card: str) -> str:
    """Return a card with the letter of its element in upper case."""
    return card[0].upper() + card[1:]


def wrapped(*words: str) -> list[str]:
    """Return words as one line, continued by + where it grows long."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > WIDTH:
            lines.append("+")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
