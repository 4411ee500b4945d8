"""Checks of a whole circuit before anything is solved; every message names the node or element."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eqcirc.circuit.amplified import amplifier_trees
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import (
    Amplifier,
    Block,
    Conductance,
    Element,
    Gyrator,
    RLMesh,
    SignedCrossbar,
    TwoTerminal,
)
from eqcirc.devices.base import first
from eqcirc.errors import CircuitError
from eqcirc.typing import NodeArray


def validate(circuit: Circuit) -> None:
    """Raise `CircuitError` at the first fault that would make an operating point undefined or meaningless."""
    _no_shorts(circuit)
    _no_loose_amplifiers(circuit)
    amplifier_trees(circuit)  # refuses circles
    _no_floating_nodes(circuit)
    _readable(circuit)
    _within_bounds(circuit)


def components(circuit: Circuit, pairs: list[tuple[NodeArray, NodeArray]]) -> np.ndarray:
    """Return a component label (node,) of the graph that has the given edges."""
    a = np.concatenate([np.empty(0, np.intp), *(p[0] for p in pairs)])
    b = np.concatenate([np.empty(0, np.intp), *(p[1] for p in pairs)])
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(circuit.n_nodes, circuit.n_nodes))
    _, label = connected_components(graph, directed=False)
    return np.asarray(label)


def _no_shorts(circuit: Circuit) -> None:
    """No part may join two nodes that are both held, or a node with itself."""
    for element in circuit.elements:
        a, b = element.connections()
        if (a == b).any():
            name = circuit.node_names[a[a == b][0]]
            raise CircuitError(f"element {element.name!r} connects node {name!r} with itself; remove it")
        shorted = ~circuit.is_free[a] & ~circuit.is_free[b]
        if shorted.any():
            one, two = (circuit.node_names[x[shorted][0]] for x in (a, b))
            raise CircuitError(
                f"element {element.name!r} connects {one!r} and {two!r}, both held by ideal sources: a short "
                "between rails that changes no voltage; remove it or put a free node between"
            )


def _no_loose_amplifiers(circuit: Circuit) -> None:
    """An amplifier output is held by that amplifier alone, and its input is a free node."""
    held_by: dict[int, str] = {}
    for amplifier in (e for e in circuit.elements if isinstance(e, Amplifier)):
        this = f"amplifier {amplifier.name!r}"
        for a, b in zip(amplifier.source.tolist(), amplifier.output.tolist(), strict=True):
            name = circuit.node_names[b]
            if not circuit.is_free[b] or b in held_by:
                other = held_by.get(b, "a rail or an input")
                raise CircuitError(f"{this}: node {name!r} is already held by {other}: a short")
            if not circuit.is_free[a]:
                raise CircuitError(
                    f"{this}: its input {circuit.node_names[a]!r} is held by an ideal source; use a rail or "
                    "an input with the amplified voltage"
                )
            held_by[b] = this


def _no_floating_nodes(circuit: Circuit) -> None:
    """Every free node needs a path of conductances, amplifiers and gyrators to a held node."""
    linear = [e.connections() for e in circuit.elements if _conducts(e)]
    amplifiers = [(e.source, e.output) for e in circuit.elements if isinstance(e, Amplifier)]
    gyrators = [(e.a, e.b) for e in circuit.elements if isinstance(e, Gyrator)]
    fixed = circuit.fixed_nodes
    label = components(circuit, [*linear, *amplifiers, *gyrators, (np.zeros_like(fixed), fixed)])
    floating = np.flatnonzero(label != label[0])
    if floating.size:
        name = circuit.node_names[floating[0]]
        only = any(
            (floating[0] == e.terminals()).any() for e in circuit.elements if isinstance(e, TwoTerminal)
        )
        why = "only nonlinear devices reach it" if only else "nothing conducts to it"
        more = f" (and {len(floating) - 1} more)" if len(floating) > 1 else ""
        raise CircuitError(
            f"node {name!r}{more} is floating: {why}; give it a conductance to ground, a rail or an input"
        )


def _conducts(element: Element) -> bool:
    """Whether an element draws a current from a node that its neighbours leave at a voltage of its own."""
    if isinstance(element, SignedCrossbar):
        return element.loaded
    return isinstance(element, Conductance | Block | RLMesh)


def _readable(circuit: Circuit) -> None:
    """Outputs are free nodes, at least one, each once."""
    nodes = circuit.readout.nodes
    if not nodes.size:
        raise CircuitError("readout: expected at least one output node")
    held = ~circuit.is_free[nodes]
    if held.any():
        raise CircuitError(f"readout: node {circuit.node_names[nodes[held][0]]!r} is held by an ideal source")
    if np.unique(nodes).size < nodes.size:
        raise CircuitError("readout: a node is listed twice")


def _within_bounds(circuit: Circuit) -> None:
    """The first step of learning would cut values outside their bounds, and the circuit would be another one."""
    for element in circuit.trainable:
        lower, upper = element.bounds
        outside = (element.value < lower) | (element.value > upper)
        if outside.any():
            raise CircuitError(
                f"element {element.name!r}: trainable value {first(outside, element.value)} {element.unit} is outside "
                f"its bounds, {lower:g} to {upper:g}; widen the bounds or start inside them"
            )
