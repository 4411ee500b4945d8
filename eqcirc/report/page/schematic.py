"""A drawing of a circuit: its nodes in columns from inputs to outputs, between them crossbars, cells and amplifiers.

Of every group of nodes the first two and the last one are shown, with all parts that hang from them. What does not go
from one column to a later one, such as weights back, is named instead of drawn.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import (
    Amplifier,
    BidirectionalSource,
    Block,
    Capacitor,
    Cell,
    Conductance,
    CurrentSource,
    Element,
    RLMesh,
    TwoTerminal,
)
from eqcirc.report.page import symbols
from eqcirc.report.style import new_figure, plain, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW, FAN, STEP, AMPLIFIER = 1.45, 2.6, 0.5, 1.1  # of the drawing, in units of about half an inch
MOST_COLUMNS = 9


@dataclass
class _Group:
    """Nodes with a common name, and where they are drawn."""

    name: str
    nodes: list[int]
    column: int | None = None
    x: float = 0.0
    shown: dict[int, float] = field(default_factory=dict)  # height by node

    @property
    def some(self) -> list[int]:
        """The nodes that are drawn."""
        return self.nodes if len(self.nodes) <= 3 else [*self.nodes[:2], self.nodes[-1]]


@dataclass
class Schematic:
    """Where everything goes.

    Attributes:
        circuit: that is drawn.
        groups: of nodes that are drawn, by name.
        left_out: elements that are not drawn.
    """

    circuit: Circuit
    groups: dict[str, _Group]
    left_out: list[str]


def schematic_figure(circuit: Circuit) -> tuple[Figure | None, list[str]]:
    """Return the drawing, None for circuits that have no columns or too many, and the elements that it leaves out."""
    plan = _plan(circuit)
    columns = {group.column for group in plan.groups.values()}
    if not 2 <= len(columns) <= MOST_COLUMNS:
        return None, [e.name for e in circuit.elements]
    with styled():
        figure = new_figure()
        axis = figure.subplots()
        width, height = _draw(axis, plan)
        figure.set_size_inches(max(4.0, 0.62 * width), 0.62 * height + 0.2)
        axis.set_aspect("equal")
        axis.axis("off")
    return figure, plan.left_out


def _plan(circuit: Circuit) -> Schematic:
    """Put groups of nodes into columns: inputs first, then what each element leads to."""
    groups: dict[str, _Group] = {}
    of: dict[int, _Group] = {}
    rails = {0, *(r.node for r in circuit.rails)}
    for number, name in enumerate(circuit.node_names):
        if number not in rails:
            stem = re.sub(r"_\d+$", "", name)
            of[number] = groups.setdefault(stem, _Group(stem, []))
            of[number].nodes.append(number)
    for number in circuit.inputs.node.tolist():
        of[number].column = 0
    left_out = []
    for element in circuit.elements:
        ends = _leads(element)
        if ends is None:
            if not _hangs(circuit, element):
                left_out.append(element.name)
            continue
        sources = [of[n] for n in ends[0] if n in of]
        targets = [of[n] for n in ends[1] if n in of]
        if not sources:
            continue
        known = [g.column for g in sources if g.column is not None]
        for group in targets:
            if group.column is None and known:
                group.column = max(known) + 1
        if not known or any(g.column is None or g.column <= max(known) for g in targets):
            left_out.append(element.name)
    return Schematic(circuit, {k: g for k, g in groups.items() if g.column is not None}, left_out)


def _leads(element: Element) -> tuple[list[int], list[int]] | None:
    """Return the nodes that an element leads from and to; None for one that only hangs from nodes."""
    if isinstance(element, Block):
        return element.rows.tolist(), element.columns.tolist()
    if isinstance(element, Amplifier):
        return element.source.tolist(), element.output.tolist()
    if isinstance(element, BidirectionalSource):
        return element.source.tolist(), element.driven.tolist()
    if isinstance(element, Cell):
        return element.cp.tolist(), [n for n in (*element.out_n.tolist(), *element.out_p.tolist()) if n]
    return None


def _ends(element: Element) -> list[tuple[int, int]]:
    """Return the ends of two-terminal parts."""
    if isinstance(element, TwoTerminal):
        a, b = element.connections()
        return list(zip(a.tolist(), b.tolist(), strict=True))
    if isinstance(element, Conductance | Capacitor | RLMesh):
        return list(zip(element.a.tolist(), element.b.tolist(), strict=True))
    if isinstance(element, CurrentSource):
        return [(n, 0) for n in element.node.tolist()]
    return []


def _hangs(circuit: Circuit, element: Element) -> bool:
    """Whether the parts of an element hang from one node each."""
    held = set(circuit.fixed_nodes.tolist())
    ends = _ends(element)
    return bool(ends) and all(a in held or b in held for a, b in ends)


def _kinds(element: Element) -> list[str]:
    """Return the symbols of a part, one after the other."""
    if isinstance(element, TwoTerminal):
        return ["tunnel diode" if element.law.steepest_fall > 0 else "diode"]
    if isinstance(element, RLMesh):
        return ["resistor", "coil"]
    names: dict[type[Element], str] = {Conductance: "resistor", Capacitor: "capacitor"}
    return [names.get(type(element), "current source" if isinstance(element, CurrentSource) else "part")]


def _hanging(plan: Schematic, number: int) -> list[tuple[list[str], bool, int]]:
    """Return what hangs from a node: its symbols, whether it points away from the node, and the held node below."""
    circuit, held = plan.circuit, set(plan.circuit.fixed_nodes.tolist())
    found: list[tuple[list[str], bool, int]] = []
    for element in circuit.elements:
        if isinstance(element, Block) and element.reciprocal:
            if number in element.columns.tolist():
                supplies = {0, *(r.node for r in circuit.rails)}
                found += [(["resistor"], True, r) for r in element.rows.tolist() if r in supplies]
            continue
        for a, b in _ends(element):
            if a == number and b in held:
                found.append((_kinds(element), True, b))
            elif b == number and a in held:
                found.append((_kinds(element), False, a))
    return found


def _draw(axis: Axes, plan: Schematic) -> tuple[float, float]:
    """Draw everything, and return the size."""
    columns: dict[int, list[_Group]] = {}
    for group in plan.groups.values():
        columns.setdefault(group.column or 0, []).append(group)
    tallest = max(sum(_height(g) for g in some) for some in columns.values())
    amplified = _pairs(plan)
    x, below = 0.0, 0.0
    for column in sorted(columns):
        hanging = {n: _hanging(plan, n) for g in columns[column] for n in g.some}
        reach = 0.3 + STEP * max(map(len, hanging.values()))
        y = -(tallest - sum(_height(g) for g in columns[column])) / 2
        for group in columns[column]:
            group.x = x
            before = amplified.get(group.name)
            y = _place(axis, plan.circuit, group, y, None if before is None else plan.groups[before])
            for number, height in group.shown.items():
                _attach(axis, plan.circuit, (x, height), hanging[number], reach)
        below = min(below, y)
        follows = any(amplified.get(g.name) for g in columns.get(column + 1, []))
        x += reach + (AMPLIFIER if follows else FAN)
    for element in plan.circuit.elements:
        if element.name not in plan.left_out:
            _between(axis, plan, element, columns)
    return x - FAN + 1.0, tallest


def _height(group: _Group) -> float:
    return ROW * len(group.some)


def _pairs(plan: Schematic) -> dict[str, str]:
    """Return which group each output of amplifiers or cells belongs to, so that both are drawn at one height."""
    names = {n: g.name for g in plan.groups.values() for n in g.nodes}
    pairs = {}
    for element in plan.circuit.elements:
        if isinstance(element, Amplifier | Cell) and (ends := _leads(element)) and ends[1]:
            source, target = ends[0][0], ends[1][0]
            if source in names and target in names:
                pairs[names[target]] = names[source]
    return pairs


def _place(axis: Axes, circuit: Circuit, group: _Group, y: float, before: _Group | None) -> float:
    """Draw the nodes of a group from a height downwards, or at the heights of the group before; return the next one."""
    some = group.some
    for k, number in enumerate(some):
        height = y - ROW * k
        if before is not None and k < len(before.some):
            height = before.shown[before.some[k]]
        group.shown[number] = height
        held = not circuit.is_free[number]
        label = plain(circuit.node_names[number], 14)
        symbols.node(axis, group.x, height, label, held=held, follows=before is not None)
    if len(group.nodes) > len(some):
        gap = (group.shown[some[-2]] + group.shown[some[-1]]) / 2
        axis.text(group.x - 0.12, gap + 0.1, "⋮", ha="center", va="center", fontsize=11)
        axis.text(group.x - 0.22, gap + 0.1, f"{len(group.nodes)}", ha="right", va="center", fontsize=6)
    return y - ROW * len(some)


def _attach(
    axis: Axes,
    circuit: Circuit,
    at: tuple[float, float],
    parts: list[tuple[list[str], bool, int]],
    reach: float,
) -> None:
    """Draw the wire to the right of a node, and what hangs from it."""
    x, y = at
    if parts:
        symbols.wire(axis, at, (x + reach, y))
    names = {r.node: f"{r.voltage:+g} V".replace("-", "−") for r in circuit.rails}
    for k, (kinds, away, held) in enumerate(parts):
        here = x + 0.3 + STEP * k
        ends = np.linspace(y, y - 0.75, len(kinds) + 1)
        for kind, top, bottom in zip(kinds, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            up, down = (here, top), (here, bottom)
            symbols.part(
                axis, kind, up if away else down, down if away else up, size=0.9 if len(kinds) > 1 else 1
            )
        if held == 0:
            symbols.ground(axis, here, y - 0.75)
        else:
            symbols.rail(axis, here, y - 0.75, names.get(held, plain(circuit.node_names[held], 10)))


def _between(axis: Axes, plan: Schematic, element: Element, columns: dict[int, list[_Group]]) -> None:
    """Draw what leads from one column to another."""
    ends = _leads(element)
    if ends is None:
        return
    groups = {n: g for g in plan.groups.values() for n in g.shown}
    hung = {n: 0.3 + STEP * len(parts) for n in groups if (parts := _hanging(plan, n))}
    start = {n: (groups[n].x + hung.get(n, 0.0), groups[n].shown[n]) for n in groups}
    end = {n: (groups[n].x, groups[n].shown[n]) for n in groups}
    if isinstance(element, Block):
        kind = "resistor" if element.reciprocal else "transconductor"
        senders, receivers = ([n for n in some if n in groups] for some in ends)
        for a in senders:
            edge = max(start[n][0] for n in senders)
            symbols.wire(axis, start[a], (edge, start[a][1]))
            for k, b in enumerate(receivers):
                share = 0.28 + 0.3 * (k % 2)
                symbols.part(axis, kind, (edge, start[a][1]), end[b], at=share, size=0.75, lw=0.6)
        if senders and receivers:
            top = max(start[n][1] for n in (*senders, *receivers))
            middle = (max(start[n][0] for n in senders) + min(end[n][0] for n in receivers)) / 2
            size = " × ".join(map(str, element.value.shape[-2:]))
            axis.text(middle, top + 0.42, f"{plain(element.name)}: {size}", ha="center", fontsize=7)
        return
    for a, b in zip(*ends, strict=False):
        if a in groups and b in groups:
            label = f"{element.gain:g}" if isinstance(element, Amplifier) else "f"
            symbols.amplifier(axis, start[a], end[b], label)
