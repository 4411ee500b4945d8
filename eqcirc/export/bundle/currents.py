"""Currents of every part of a circuit at given node voltages: what flows into its pins, and what each device bears."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import (
    Amplifier,
    BidirectionalSource,
    Block,
    Capacitor,
    Cell,
    Conductance,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    Element,
    LinearElement,
    RLMesh,
    Tangent,
    TwoTerminal,
)
from eqcirc.typing import Array, NodeArray, Parameters

PASSES = 1000  # amplifiers behind one another


class Stress(NamedTuple):
    """What parts of an element bear; arrays (batch, ...) of the shape of its parts.

    Attributes:
        volts: across the part.
        amperes: through it.
    """

    volts: Array
    amperes: Array


def leaving(circuit: Circuit, parameters: Parameters | None, v: Array, drawn: Array | None = None) -> Array:
    """Return the current (batch, node) in amperes that leaves every node into the parts of the circuit.

    At a free node it is what is fed there from outside, 0 at rest; at a held one what its source delivers.

    Args:
        circuit: the circuit.
        parameters: values by element name.
        v: (batch, node) voltages at operating points.
        drawn: (batch, node) current that is fed into nodes from outside; None for none.
    """
    values = circuit.values(parameters)
    f = np.zeros_like(v)
    amplifiers: list[Amplifier] = []
    for element in circuit.elements:
        if isinstance(element, Amplifier):
            amplifiers.append(element)
        else:
            _add(element, values[element.name], v, f)
    fed = np.zeros_like(v) if drawn is None else drawn
    for amplifier, delivered in _delivered(amplifiers, f, fed):
        f[:, amplifier.output] -= delivered
        _feed(f, amplifier.source, amplifier.current_gain * delivered)
    f[:, 0] = -f[:, 1:].sum(axis=1)  # whatever returns through ground, that of amplifiers, too
    return f


def _delivered(amplifiers: list[Amplifier], f: Array, fed: Array) -> list[tuple[Amplifier, Array]]:
    """Return what every amplifier delivers: what leaves its output into parts and amplifiers behind it."""
    found = [(a, np.zeros((len(f), len(a.output)))) for a in amplifiers]
    for _ in range(PASSES):
        reflected = np.zeros_like(f)
        for a, delivered in found:
            _feed(reflected, a.source, a.current_gain * delivered)
        again = [(a, np.asarray((f - fed + reflected)[:, a.output])) for a, _ in found]
        if all(np.array_equal(x, y) for (_, x), (_, y) in zip(found, again, strict=True)):
            break
        found = again
    return found


def _add(element: Element, value: Array, v: Array, f: Array) -> None:
    """Add the currents that leave every node into an element."""
    if isinstance(element, Block):
        r, c = element.rows, element.columns
        _feed(f, r, v[:, r] * element.row_loads(value))
        _feed(f, c, v[:, c] * element.column_loads(value))
        _feed(f, c, -(v[:, r] @ element.coupling(value)))
        _feed(f, r, -(v[:, c] @ element.coupling_back(value).T))
    elif isinstance(element, RLMesh):
        _between(f, element.a, element.b, stresses(element, value, v).amperes)
    elif isinstance(element, LinearElement):
        parts = element.branches(value)
        _between(f, parts.out_p, parts.out_n, parts.value * (v[:, parts.cp] - v[:, parts.cn]))
    elif isinstance(element, TwoTerminal):
        _between(f, element.anode, element.cathode, stresses(element, value, v).amperes)
    elif isinstance(element, Cell):
        _between(f, element.out_p, element.out_n, stresses(element, value, v).amperes)
    elif isinstance(element, Tangent):
        slope = value * element.law.evaluate(v[:, element.at_p] - v[:, element.at_n])[1] + element.leak
        across = v[:, element.cp] - v[:, element.cn]
        _between(f, element.out_p, element.out_n, slope * across)
    elif isinstance(element, BidirectionalSource):
        ends = (element.source, element.driven)
        for nodes, amperes in zip(ends, element.currents(value, *(v[:, n] for n in ends)), strict=True):
            _feed(f, nodes, amperes)
    elif isinstance(element, CurrentSource):
        _feed(f, element.node, -np.broadcast_to(value, (len(v), len(value))))


def _feed(f: Array, nodes: NodeArray, amperes: Array) -> None:
    """Add currents (batch, n) that leave nodes (n,), of which some may be the same."""
    np.add.at(f.T, nodes, amperes.T)


def _between(f: Array, a: NodeArray, b: NodeArray, amperes: Array) -> None:
    _feed(f, a, amperes)
    _feed(f, b, -amperes)


def stresses(element: Element, value: Array, v: Array) -> Stress:
    """Return voltage across and current through each part of an element that has two terminals.

    Crossbars give one for each crosspoint; sources of currents give what they feed, and the voltage there. Of others
    (amplifiers, transconductors, dense blocks of them) there is nothing, arrays (batch, 0).
    """
    if isinstance(element, Crossbar | DualRailCrossbar):
        across = v[:, element.rows][:, :, None] - v[:, element.columns][:, None, :]
        return Stress(across, across * element.coupling(value))
    ends = _ends(element)
    if ends is None:
        none = np.empty((len(v), 0))
        return Stress(none, none)
    across = v[:, ends[0]] - v[:, ends[1]]
    return Stress(across, _through(element, value, v, across))


def _through(element: Element, value: Array, v: Array, across: Array) -> Array:
    """Return the current through parts with voltages `across` (batch, n)."""
    if isinstance(element, Conductance):
        return np.asarray(across * value)
    if isinstance(element, RLMesh):
        return element.currents(value, v)
    if isinstance(element, Capacitor):
        return np.zeros_like(across)
    if isinstance(element, TwoTerminal):
        return np.asarray(value * element.law.evaluate(across)[0] + element.law.leak * across)
    if isinstance(element, Cell):
        return np.asarray(value * element.law.evaluate(v[:, element.cp] - v[:, element.cn])[0])
    return np.broadcast_to(value, across.shape)


def _ends(element: Element) -> tuple[NodeArray, NodeArray] | None:
    """Return the nodes between which the parts of an element are."""
    if isinstance(element, Capacitor | Conductance | RLMesh):
        return element.a, element.b
    if isinstance(element, TwoTerminal):
        return element.anode, element.cathode
    if isinstance(element, Cell):
        return element.out_p, element.out_n
    if isinstance(element, CurrentSource):
        return element.node, np.zeros_like(element.node)
    return None


def borne(circuit: Circuit, parameters: Parameters | None, v: Array) -> Iterator[tuple[Element, Stress]]:
    """Yield elements that `stresses` knows, with what their parts bear."""
    values = circuit.values(parameters)
    for element in circuit.elements:
        stress = stresses(element, values[element.name], v)
        if stress.volts.shape[1:] != (0,):
            yield element, stress
