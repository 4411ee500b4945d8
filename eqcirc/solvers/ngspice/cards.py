"""SPICE lines of what depends on samples and phases, and of reduced circuits.

Names that begin with eq_ are ours; the builder keeps users from taking them.
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.reduced_parts import GROUND, ReducedParts
from eqcirc.circuit.reduction import Junctions
from eqcirc.devices.base import number
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
    """Return scaled devices; one model for each scaling, one source for each held terminal voltage."""
    models: dict[tuple[float, float], str] = {}
    sources: dict[tuple[int, float], str] = {}
    lines: list[str] = []

    def terminal(device: int, end: int, factor: float) -> str:
        if junctions.factor[end][device] != 0:
            return names[int(junctions.unknown[end][device])]
        held = int(junctions.held[end][device])
        if held == 0:
            return "0"
        if (held, factor) not in sources:
            sources[held, factor] = f"eq_{junctions.name}_{len(sources)}"
            lines.append(voltage_source(sources[held, factor], fixed[:, held] / factor))
        return sources[held, factor]

    for d in range(len(area)):
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
        lines.append(law.card(f"{junctions.name}_{d}", anode, cathode, model, float(area[d])))
    return lines


def _scales(junctions: Junctions, device: int) -> tuple[float, float] | None:
    """Return voltage factor and current weight of a device, the same at both terminals; None if both are held."""
    for factor, weight in zip(junctions.factor, junctions.weight, strict=True):
        if factor[device] != 0:
            return float(factor[device]), float(weight[device])
    return None
