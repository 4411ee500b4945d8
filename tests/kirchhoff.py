"""Kirchhoff's laws of a whole circuit, part by part, written without the package's reduction.

Everything here works on one sample: v (node,) holds the voltages of all nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import (
    Amplifier,
    BidirectionalSource,
    Cell,
    Conductance,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    Element,
    Gyrator,
    GyratorCrossbar,
    InputCurrent,
    OneWayCrossbar,
    PhaseInput,
    RLMesh,
    SignedCrossbar,
    Transconductor,
    TwoTerminal,
)
from eqcirc.solvers.base import Nudge
from eqcirc.typing import Array, Parameters


def resistors(element: Element, value: Array) -> Iterator[tuple[int, int, float]]:
    """Every resistor of an element: nodes a and b, and the conductance between them."""
    if isinstance(element, Conductance):
        yield from zip(element.a, element.b, value, strict=True)
    elif isinstance(element, Crossbar):
        for (i, j), g in np.ndenumerate(value):
            yield element.rows[i], element.columns[j], g
    elif isinstance(element, DualRailCrossbar):
        (plus_r, minus_r), (plus_c, minus_c) = (np.split(x, 2) for x in (element.rows, element.columns))
        for (i, j), like in np.ndenumerate(value[0]):
            crossed = value[1, i, j]
            yield from ((plus_r[i], plus_c[j], like), (minus_r[i], minus_c[j], like))
            yield from ((plus_r[i], minus_c[j], crossed), (minus_r[i], plus_c[j], crossed))
    elif isinstance(element, SignedCrossbar) and element.loaded:
        for (i, j), w in np.ndenumerate(value):
            yield from ((element.rows[i], 0, abs(w)), (element.columns[j], 0, abs(w)))


def branches(
    circuit: Circuit, v: Array, parameters: Parameters | None = None
) -> Iterator[tuple[int, int, float]]:
    """Every two-terminal part: nodes a and b, and the current from a to b."""
    values = circuit.values(parameters)
    for element in circuit.elements:
        value = values[element.name]
        for a, b, g in resistors(element, value):
            yield a, b, g * (v[a] - v[b])
        if isinstance(element, TwoTerminal):
            areas = v[element.control] @ value if isinstance(element, PhaseInput) else value
            ends = (element.anode.ravel(), element.cathode.ravel())
            for a, b, area in zip(*ends, areas.ravel(), strict=True):
                current, _ = element.law.evaluate(np.array([v[a] - v[b]]))
                yield a, b, area * float(current[0]) + element.law.leak * (v[a] - v[b])
        elif isinstance(element, RLMesh):
            for a, b, current in zip(element.a, element.b, mesh_currents(element, value, v), strict=True):
                yield a, b, current


def mesh_currents(element: RLMesh, value: Array, v: Array) -> Array:
    """The currents of R-L branches at rest, from Kirchhoff's voltage law around every mesh."""
    n = len(element.a)
    drop = np.diag(value[:n])
    for (k, l), r in zip(element.shared, value[n:], strict=True):
        drop[k, k] += r
        drop[l, l] += r
        drop[k, l] -= r
        drop[l, k] -= r
    return np.linalg.solve(drop, v[element.a] - v[element.b])


def leaving(circuit: Circuit, v: Array, parameters: Parameters | None = None) -> Array:
    """The current (node,) that leaves every node through everything but amplifiers and ideal sources."""
    total = np.zeros(circuit.n_nodes)
    values = circuit.values(parameters)
    for a, b, current in branches(circuit, v, parameters):
        total[a] += current
        total[b] -= current
    for element in circuit.elements:
        for a, b, cp, cn, gm in controlled(element, values[element.name]):
            total[a] += gm * (v[cp] - v[cn])
            total[b] -= gm * (v[cp] - v[cn])
        if isinstance(element, Cell):
            ends = zip(
                element.out_p, element.out_n, element.cp, element.cn, values[element.name], strict=True
            )
            for a, b, cp, cn, area in ends:
                current = area * float(element.law.evaluate(np.array([v[cp] - v[cn]]))[0][0])
                total[a] += current
                total[b] -= current
        if isinstance(element, BidirectionalSource):
            for a, b, g in zip(element.source, element.driven, values[element.name], strict=True):
                current, slope = (float(x[0]) for x in element.law.evaluate(np.array([v[a]])))
                through = g * (v[b] - current / g)  # the resistor behind the source
                total[b] += through
                total[a] -= slope / g * through
        if isinstance(element, CurrentSource):
            for node, current in zip(element.node, values[element.name], strict=True):
                total[node] -= current
    return total


def controlled(element: Element, value: Array) -> Iterator[tuple[int, int, int, int, float]]:
    """Every controlled source of an element: gm·(v_cp − v_cn) leaves node a and enters node b."""
    if isinstance(element, InputCurrent):
        for node, control, gm in zip(element.node, element.control, value, strict=True):
            yield 0, node, control, 0, gm
    elif isinstance(element, SignedCrossbar):
        for (i, j), w in np.ndenumerate(value):
            a, b = element.rows[i], element.columns[j]
            yield from ((0, a, b, 0, w), (0, b, a, 0, w))
    elif isinstance(element, OneWayCrossbar):
        for (i, j), w in np.ndenumerate(value):
            ends = (element.rows[i], element.columns[j])
            control, out = ends[::-1] if element.backward else ends
            yield 0, out, control, 0, w
    elif isinstance(element, Gyrator):
        for a, b, ref, gm in zip(element.a, element.b, element.reference, value, strict=True):
            yield from ((a, 0, b, 0, gm), (0, b, a, ref, gm))
    elif isinstance(element, GyratorCrossbar):
        for (i, j), w in np.ndenumerate(value):
            a, b = element.rows[i], element.columns[j]
            yield from ((0, b, a, 0, w), (a, 0, b, 0, w))
    elif isinstance(element, Transconductor):
        yield from zip(element.out_p, element.out_n, element.cp, element.cn, value, strict=True)


def amplifiers(circuit: Circuit) -> list[tuple[int, int, float, float]]:
    """Every amplifier: source, output, voltage gain, current gain."""
    return [
        (int(a), int(b), e.gain, e.current_gain)
        for e in circuit.elements
        if isinstance(e, Amplifier)
        for a, b in zip(e.source, e.output, strict=True)
    ]


def delivered(circuit: Circuit, flow: Array) -> Array:
    """The current (node,) that every amplifier output delivers, if `flow` leaves the nodes otherwise."""
    stages = amplifiers(circuit)

    def at(node: int) -> float:
        return flow[node] + sum(kappa * at(b) for a, b, _, kappa in stages if a == node)

    outputs = {b for _, b, _, _ in stages}
    return np.array([at(n) if n in outputs else 0.0 for n in range(circuit.n_nodes)])


def residual(
    circuit: Circuit, v: Array, parameters: Parameters | None = None, pull: Array | None = None
) -> Array:
    """What Kirchhoff's laws leave at every free node (node,): amperes, and volts at amplifier outputs.

    `pull` (node,) is a further current that leaves the nodes.
    """
    flow = leaving(circuit, v, parameters) + (0 if pull is None else pull)
    currents = delivered(circuit, flow)
    result = np.where(circuit.is_free, flow, 0.0)
    for a, b, _, kappa in amplifiers(circuit):
        result[a] += kappa * currents[b]
    for a, b, gain, _ in amplifiers(circuit):
        result[b] = v[b] - gain * v[a]
    return result


def nudge_current(circuit: Circuit, v: Array, nudge: Nudge, sample: int, factor: float) -> Array:
    """The current (node,) that a nudge draws out of the output nodes."""
    readout, pull = circuit.readout, np.zeros(circuit.n_nodes)
    outputs = readout.read(v[None])
    gradient = readout.spread(nudge.cost.gradient(outputs, nudge.targets[sample : sample + 1]))[0]
    pull[readout.nodes] = factor * nudge.beta * nudge.strengths(len(readout.nodes)) * gradient
    return pull


def derivative(function: Callable[[Array], Array], x: Array, h: float = 1e-4) -> Array:
    """The Jacobian (output, input) by central differences of fourth order."""
    columns = []
    for k in range(len(x)):
        step = np.zeros_like(x)
        step[k] = h
        d1, d2 = (function(x + m * step) - function(x - m * step) for m in (1, 2))
        columns.append((8 * d1 - d2) / (12 * h))
    return np.stack(columns, axis=1)
