"""SPICE lines of what depends on samples and phases, and of reduced circuits.

Names that begin with eq_ are ours; the builder keeps users from taking them.
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.junctions import SIGNS, Cells, Ends, Junctions, Tangents, TwoTerminals
from eqcirc.circuit.reduced_parts import GROUND, ReducedParts
from eqcirc.circuit.two_ports import TwoPorts
from eqcirc.devices.base import number
from eqcirc.devices.cell import difference
from eqcirc.devices.sine import Sine
from eqcirc.solvers.base import Nudge
from eqcirc.typing import Array

SAMPLE, PHASE = "eq_s", "eq_p"


def table(values: Array, over: str = SAMPLE) -> str:
    """Return an expression that takes values[k] at v(over) = k; a plain number if they are all equal."""
    if (values == values[0]).all():
        return number(values[0])
    return f"pwl(v({over})," + ",".join(f"{k},{x!r}" for k, x in enumerate(values.tolist())) + ")"


def voltage_source(node: str, volts: Array) -> str:
    """Return a voltage source, a table over the samples if it changes."""
    if (volts == volts[0]).all():
        return f"v_{node} {node} 0 {number(volts[0])}"
    return f"b_eq_v_{node} {node} 0 v={table(volts)}"


def holds(card: str) -> bool:
    """Return whether a card of a reduced circuit is the `voltage_source` of an end of devices that is held."""
    return card.startswith(("v_eq_", "b_eq_v_eq_"))


def weighted_sum(weights: Array, ports: list[str]) -> str:
    """Return the expression of sum weights·v(port), in brackets if it has several terms."""
    terms = []
    for weight, port in zip(weights.tolist(), ports, strict=True):
        if weight != 0:
            sign, size = "-" if weight < 0 else "+", abs(weight)
            terms.append(f"{sign}v({port})" if size == 1 else f"{sign}{number(size)}*v({port})")
    text = "".join(terms).removeprefix("+") or "0"
    return text if len(terms) == 1 and text[0] != "-" else f"({text})"


def nudge_cards(
    nudge: Nudge, ports: list[str], read: Array, draw: Array, held: Array | None = None
) -> list[str]:
    """Return sources that draw the nudge out of the ports.

    Args:
        nudge: cost, targets and strength.
        ports: names of the nodes (m,) that outputs depend on.
        read: (n_outputs, m) outputs = read·v(ports).
        draw: (n_outputs, m) the current beta·dC/doutput·draw leaves the ports.
        held: (batch, n_outputs) what held nodes add to the outputs, if any are read.
    """
    outputs = [weighted_sum(row, ports) for row in read]
    if held is not None:
        pairs = zip(outputs, held.T, strict=True)
        outputs = [f"({text}+{table(volts)})" if volts.any() else text for text, volts in pairs]
    targets = [table(column) for column in nudge.targets.T]
    lines, gradients = nudge.cost.spice(outputs, targets)
    factor = table(np.array([0.0, *nudge.factors]), PHASE)
    for k, gradient in enumerate(gradients):
        flows = [(ports[m], float(draw[k, m])) for m in np.flatnonzero(draw[k]).tolist()]
        if len(flows) == 2 and flows[0][1] == -flows[1][1]:  # out of one port and into the other
            ends = [(f"{flows[0][0]} {flows[1][0]}", flows[0][1])]
        else:
            ends = [(f"{port} 0", flow) for port, flow in flows]
        for j, (nodes, flow) in enumerate(ends):
            lines.append(f"b_eq_n{k}_{j} {nodes} i={number(nudge.beta * flow)}*{factor}*{gradient}")
    return lines


def part_cards(parts: ReducedParts, names: list[str]) -> list[str]:
    """Return the linear parts of a reduced circuit: resistors, transconductors where a conductance is one-way."""
    lines = []
    columns = (parts.a.tolist(), parts.b.tolist(), parts.siemens.tolist())
    for a, b, g in zip(*columns, strict=True):
        if b != GROUND:
            lines.append(f"r_{b}_{a} {names[b]} {names[a]} {number(1 / g)}")
        elif g > 0:
            lines.append(f"r_{a} {names[a]} 0 {number(1 / g)}")
        else:  # of couplings without loads, or of a transformer loop
            lines.append(f"g_{a} {names[a]} 0 {names[a]} 0 {number(g)}")
    one_way = parts.one_way.tocoo()
    entries = zip(one_way.row.tolist(), one_way.col.tolist(), one_way.data.tolist(), strict=True)
    lines += [f"g_{i}_{j} {names[i]} 0 {names[j]} 0 {number(g)}" for i, j, g in entries]
    return lines


def injection_cards(injection: Array, names: list[str]) -> list[str]:
    """Return current sources of injection (batch, n) into the unknowns."""
    lines = []
    for k, name in enumerate(names):
        column = injection[:, k]
        if (column != column[0]).any():
            lines.append(f"b_eq_i{k} 0 {name} i={table(column)}")
        elif column[0] != 0:
            lines.append(f"i_{k} 0 {name} {number(column[0])}")
    return lines


def junction_cards(junctions: Junctions, area: Array, fixed: Array, names: list[str]) -> list[str]:
    """Return the devices of an element."""
    if isinstance(junctions, TwoTerminals):
        return _device_cards(junctions, area, fixed, names)
    if isinstance(junctions, TwoPorts):
        return _two_port_cards(junctions, area, fixed, names)
    lines = []
    for d in range(len(area)):
        across = _voltage(junctions.control, d, fixed, names)
        if isinstance(junctions, Cells):
            current = junctions.law.expression(across)
        else:
            assert isinstance(junctions, Tangents)
            current = f"({junctions.law.slope_expression(_voltage(junctions.at, d, fixed, names))})*{across}"
            if junctions.leak:  # one that is scaled as the rest is
                current += f"+{number(junctions.leak / area[d])}*{across}"
        sink = junctions.sink
        for end, (sign, unknown, weight) in enumerate(zip(SIGNS, sink.unknown, sink.factor, strict=True)):
            if weight[d] != 0:
                node = names[unknown[d]]
                ends = f"{node} 0" if sign * weight[d] > 0 else f"0 {node}"
                size = number(abs(weight[d]) * area[d])
                lines.append(f"b_{junctions.name}_{d}_{end} {ends} i={current} m={size}")
    return lines


def _voltage(ends: Ends, device: int, fixed: Array, names: list[str]) -> str:
    """Return the voltage between the ends of a device as an expression."""
    terms = []
    for sign, unknown, factor, held in zip(SIGNS, *ends, strict=True):
        if factor[device] != 0:
            terms.append(f"({number(sign * factor[device])})*v({names[unknown[device]]})")
        elif held[device] != 0:
            terms.append(f"({number(sign)})*({table(fixed[:, held[device]])})")
    return f"({'+'.join(terms) or '0'})"


def _two_port_cards(ports: TwoPorts, area: Array, fixed: Array, names: list[str]) -> list[str]:
    """Return the two currents of every bidirectional source."""
    lines = []
    for d, g in enumerate(area.tolist()):
        source, output = (_at(ports.control, end, d, fixed, names) for end in (0, 1))
        out = f"({number(g)}*{output}-({ports.law.expression(source)}))"
        back = f"-({ports.law.slope_expression(source)})*{number(1 / g)}*{out}"
        for label, unknown, weight, current in zip(
            ("in", "out"), ports.sink.unknown, ports.sink.factor, (back, out), strict=True
        ):
            if weight[d] != 0:
                scaled = current if weight[d] == 1 else f"{number(weight[d])}*({current})"
                lines.append(f"b_{ports.name}_{d}_{label} {names[unknown[d]]} 0 i={scaled}")
    return lines


def _at(ends: Ends, end: int, device: int, fixed: Array, names: list[str]) -> str:
    """Return the voltage at an end of a device as an expression."""
    factor = ends.factor[end][device]
    if factor != 0:
        voltage = f"v({names[ends.unknown[end][device]]})"
        return voltage if factor == 1 else f"({number(factor)}*{voltage})"
    return f"({table(fixed[:, ends.held[end][device]])})"


def _device_cards(junctions: TwoTerminals, area: Array, fixed: Array, names: list[str]) -> list[str]:
    """Return scaled devices; one model for each scaling, one source for each held terminal voltage."""
    models: dict[tuple[float, float], str] = {}
    sources: dict[tuple[int, float], str] = {}
    lines: list[str] = []

    def terminal(device: int, end: int, factor: float) -> str:
        control = junctions.control
        if control.factor[end][device] != 0:
            return names[int(control.unknown[end][device])]
        held = int(control.held[end][device])
        if held == 0:
            return "0"
        if (held, factor) not in sources:
            sources[held, factor] = f"eq_{junctions.name}_{len(sources)}"
            lines.append(voltage_source(sources[held, factor], fixed[:, held] / factor))
        return sources[held, factor]

    for d in range(area.shape[-1]):
        scales = _scales(junctions, d)
        if scales is None:
            continue  # between two held nodes: it changes no voltage
        factor, weight = scales
        law = junctions.law.scaled(1 / abs(factor), abs(weight))
        if (abs(factor), abs(weight)) not in models:
            models[abs(factor), abs(weight)] = f"m_{junctions.name}_{len(models)}"
            lines += law.model(models[abs(factor), abs(weight)])
        model = models[abs(factor), abs(weight)]
        anode, cathode = terminal(d, 0, factor), terminal(d, 1, factor)
        if factor < 0:  # behind an inverting amplifier it is seen the other way round
            anode, cathode = cathode, anode
        name = f"{junctions.name}_{d}"
        if isinstance(law, Sine) and area.ndim > 1:  # as strong as inputs make it
            across, strength = difference(anode, cathode), table(area[:, d])
            lines.append(f"b_{name} {anode} {cathode} i=({strength})*{law.expression(across)}")
        else:
            lines.append(law.card(name, anode, cathode, model, float(area[d])))
    return lines


def _scales(junctions: TwoTerminals, device: int) -> tuple[float, float] | None:
    """Return voltage factor and current weight of a device, the same at both terminals; None if both are held."""
    for factor, weight in zip(junctions.control.factor, junctions.sink.factor, strict=True):
        if factor[device] != 0:
            return float(factor[device]), float(weight[device])
    return None
