"""Voltage, current and power of every part of a circuit at operating points.

Currents follow from node voltages by the laws of the parts. What an amplifier delivers follows from Kirchhoff's law at
its output, and what a source does from that at its node. So by Tellegen's theorem power is balanced as far as the law
holds at the other nodes: the balance is a check of the operating point, not of this file against itself.

Source: Tellegen 1952, "A general network theorem, with applications".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import (
    Amplifier,
    BidirectionalSource,
    Capacitor,
    Cell,
    CurrentSource,
    Element,
    LinearElement,
    RLMesh,
    Tangent,
    TwoTerminal,
)
from eqcirc.devices.phases import refuse_phases
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray, Parameters

_LAYER = re.compile(r"(?:eq_)?(?:skip\d+to|[a-z]+)(\d+)(?![a-z0-9])")


@dataclass(frozen=True, eq=False)
class Flow:
    """The parts (m,) of an element at some samples.

    Attributes:
        element: whose parts.
        volts: (batch, m) across a part; of an amplifier, those of its output.
        amperes: (batch, m) through it, in the direction of `volts`; of an amplifier, those that its output delivers.
        watts: (batch, m) that it takes; negative for what delivers power.
    """

    element: Element
    volts: Array
    amperes: Array
    watts: Array


@dataclass(frozen=True, eq=False)
class Flows:
    """All parts of a circuit at some samples.

    Attributes:
        parts: one entry for each element that carries a current.
        sources: (batch, fixed node) watts that the source of a held node delivers, in the order of `fixed_nodes`.
    """

    parts: list[Flow]
    sources: Array


def flows(circuit: Circuit, parameters: Parameters | None, v: Array) -> Flows:
    """Return voltage, current and power of all parts at node voltages v (batch, node).

    Raises:
        CircuitError: a coil without resistance, whose current no voltage tells; or node voltages that are phases.
    """
    refuse_phases(circuit.name, circuit.elements, "power")
    values = circuit.values(parameters)
    left, parts = np.zeros_like(v), []
    for element in circuit.elements:
        if isinstance(element, Amplifier | Capacitor):
            continue
        p, n, current = through(element, values[element.name], v)
        if isinstance(element, LinearElement) and not isinstance(element, RLMesh):
            there = element.branches(values[element.name]).value != 0  # a weight of zero is no device
            p, n, current = p[there], n[there], current[:, there]
        left += current @ _ends(p, n, circuit.n_nodes)
        across = v[:, p] - v[:, n]
        parts.append(Flow(element, across, current, across * current))
    parts += _amplifiers(circuit, v, left, np.zeros_like(v))
    held = circuit.fixed_nodes
    return Flows(parts, v[:, held] * left[:, held])


def leaving(circuit: Circuit, parameters: Parameters | None, v: Array, fed: Array | None = None) -> Array:
    """Return the current (batch, node) in amperes that leaves every node into the parts of a circuit.

    At a free node it is what is fed there from outside, 0 at rest; at a held one what its source delivers.

    Args:
        circuit: the circuit.
        parameters: values by element name.
        v: (batch, node) voltages at operating points.
        fed: (batch, node) current that is fed into nodes from outside; None for none.

    Raises:
        CircuitError: a coil without resistance.
    """
    values = circuit.values(parameters)
    left = np.zeros_like(v)
    for element in circuit.elements:
        if not isinstance(element, Amplifier | Capacitor):
            p, n, current = through(element, values[element.name], v)
            left += current @ _ends(p, n, circuit.n_nodes)
    for part in _amplifiers(circuit, v, left, np.zeros_like(v) if fed is None else fed):
        assert isinstance(part.element, Amplifier)
        left[:, part.element.output] -= part.amperes
    left[:, 0] = -left[:, 1:].sum(axis=1)  # whatever returns through ground, that of amplifiers, too
    return left


def through(  # noqa: PLR0911  one for each kind
    element: Element, value: Array, v: Array
) -> tuple[NodeArray, NodeArray, Array]:
    """Return nodes p and n (m,) of the parts, and the currents (batch, m) that flow through them from p to n.

    The one place that says so: powers, golden vectors and what devices bear follow from it. Amplifiers and capacitors
    are none of it: what the former deliver follows from all else, and the latter carry nothing at rest.

    Raises:
        CircuitError: a coil without resistance, whose current no voltage tells.
    """
    if isinstance(element, RLMesh):
        if element.lossless.any():
            raise CircuitError(
                f"R-L branches {element.name!r}: a coil without resistance carries a current that node voltages do not "
                "tell; give it a resistance to ask for its power"
            )
        return element.a, element.b, element.currents(value, v)
    if isinstance(element, LinearElement):
        out_p, out_n, cp, cn, siemens = element.branches(value)
        return out_p, out_n, siemens * (v[:, cp] - v[:, cn])
    if isinstance(element, TwoTerminal):
        across = v[:, element.anode] - v[:, element.cathode]
        current = value * element.law.evaluate(across)[0] + element.law.leak * across
        return element.anode, element.cathode, current
    if isinstance(element, Cell):
        current = value * element.law.evaluate(v[:, element.cp] - v[:, element.cn])[0]
        return element.out_p, element.out_n, current
    if isinstance(element, Tangent):
        slope = value * element.law.evaluate(v[:, element.at_p] - v[:, element.at_n])[1] + element.leak
        return element.out_p, element.out_n, slope * (v[:, element.cp] - v[:, element.cn])
    if isinstance(element, BidirectionalSource):
        ends = (element.source, element.driven)
        both = element.currents(value, *(v[:, nodes] for nodes in ends))
        p = np.concatenate(ends)
        return p, np.zeros_like(p), np.concatenate(both, axis=1)
    assert isinstance(element, CurrentSource)
    ground = np.zeros_like(element.node)
    return ground, element.node, np.broadcast_to(value, (len(v), len(value)))


def _ends(p: NodeArray, n: NodeArray, nodes: int) -> csr_array:
    """Return the matrix (m, node) that makes currents leaving nodes out of those through parts."""
    rows = np.arange(len(p))
    total = coo_array((np.ones(len(p)), (rows, p)), shape=(len(p), nodes)).tocsr()
    return csr_array(total - coo_array((np.ones(len(n)), (rows, n)), shape=(len(n), nodes)).tocsr())


def _amplifiers(circuit: Circuit, v: Array, left: Array, fed: Array) -> list[Flow]:
    """Return the amplifiers; what they draw is added in place to what is left of nodes, those last in a chain first."""
    groups = [e for e in circuit.elements if isinstance(e, Amplifier)]
    if not groups:
        return []
    source, output = (np.concatenate([getattr(e, end) for e in groups]) for end in ("source", "output"))
    kappa = np.concatenate([np.full(len(e.source), e.current_gain) for e in groups])
    delivered, open_ = np.zeros((len(v), len(source))), np.ones(len(source), bool)
    while open_.any():  # a valid circuit has no circle of them
        now = np.flatnonzero(open_ & ~np.isin(output, source[open_]))
        delivered[:, now] = left[:, output[now]] - fed[:, output[now]]
        np.add.at(left.T, source[now], (kappa[now] * delivered[:, now]).T)
        open_[now] = False
    watts = delivered * (kappa * v[:, source] - v[:, output])
    cuts = np.cumsum([len(e.source) for e in groups])[:-1]
    columns = (np.split(x, cuts, axis=1) for x in (v[:, output], delivered, watts))
    return [Flow(element, *each) for element, *each in zip(groups, *columns, strict=True)]


def device_class(element: Element) -> str:
    """Return the class of an element's devices, by which ratings are given.

    Resistors that are trained are "synapse", others "resistor"; devices with a law are named after it (shockley_diode,
    esaki_diode, …), all others after their kind (amplifier, transconductor, …).
    """
    if element.resistors(element.value).size:
        return "synapse" if element.trainable else "resistor"
    named = element.law if isinstance(element, TwoTerminal | Cell) else element
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(named).__name__).lower()


def layer_of(element: Element) -> str:
    """Return the layer that an element belongs to, by the number in its name that `Layered` gives, or its own name."""
    found = _LAYER.match(element.name)
    return found.group(1) if found else element.name
