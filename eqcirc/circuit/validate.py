"""Checks of a whole circuit before anything is solved; every message names the node or element."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eqcirc.circuit.amplified import amplifier_trees
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import (
    Amplifier,
    BidirectionalSource,
    Block,
    Conductance,
    Element,
    Gyrator,
    GyratorCrossbar,
    OneWayCrossbar,
    PhaseInput,
    RLMesh,
    SignedCrossbar,
    TwoTerminal,
)
from eqcirc.devices.base import first
from eqcirc.errors import CircuitError
from eqcirc.typing import NodeArray


def validate(circuit: Circuit) -> None:
    """Raise `CircuitError` at the first fault that would make an operating point undefined or meaningless."""
    _no_loops(circuit)
    _no_loose_amplifiers(circuit)
    amplifier_trees(circuit)  # refuses circles
    _no_floating_nodes(circuit)
    _controls_are_held(circuit)
    _readable(circuit)
    _within_bounds(circuit)


def components(circuit: Circuit, pairs: list[tuple[NodeArray, NodeArray]]) -> np.ndarray:
    """Return a component label (node,) of the graph that has the given edges."""
    a = np.concatenate([np.empty(0, np.intp), *(p[0] for p in pairs)])
    b = np.concatenate([np.empty(0, np.intp), *(p[1] for p in pairs)])
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(circuit.n_nodes, circuit.n_nodes))
    _, label = connected_components(graph, directed=False)
    return np.asarray(label)


def _no_loops(circuit: Circuit) -> None:
    """No part may join a node with itself, and no coils without resistance two nodes that others hold together."""
    for element in circuit.elements:
        a, b = element.connections()
        if (a == b).any():
            name = circuit.node_names[a[a == b][0]]
            raise CircuitError(f"element {element.name!r} connects node {name!r} with itself; remove it")
    together = np.where(circuit.is_free, np.arange(circuit.n_nodes), 0)  # all held nodes count as one
    for mesh in (e for e in circuit.elements if isinstance(e, RLMesh)):
        for a, b in zip(mesh.a[mesh.lossless].tolist(), mesh.b[mesh.lossless].tolist(), strict=True):
            if together[a] == together[b]:
                one, two = circuit.node_names[a], circuit.node_names[b]
                raise CircuitError(
                    f"R-L branches {mesh.name!r}: coils without resistance, or one of them and sources, close a loop "
                    f"at {one!r} and {two!r}: the current in it has no limit, or depends on its history; give one a "
                    "resistance"
                )
            together[together == together[b]] = together[a]


def _no_loose_amplifiers(circuit: Circuit) -> None:
    """An amplifier output is held by that amplifier alone."""
    held_by: dict[int, str] = {}
    for amplifier in (e for e in circuit.elements if isinstance(e, Amplifier)):
        this = f"amplifier {amplifier.name!r}"
        for b in amplifier.output.tolist():
            name = circuit.node_names[b]
            if not circuit.is_free[b] or b in held_by:
                other = held_by.get(b, "a rail or an input")
                raise CircuitError(f"{this}: node {name!r} is already held by {other}: a short")
            held_by[b] = this


def _no_floating_nodes(circuit: Circuit) -> None:
    """Every free node needs a path of parts that conduct to a held node."""
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
        why = "only devices reach it that block at some voltages" if only else "nothing conducts to it"
        more = f" (and {len(floating) - 1} more)" if len(floating) > 1 else ""
        raise CircuitError(
            f"node {name!r}{more} is floating: {why}; give it a conductance to ground, a rail or an input"
        )


def _conducts(element: Element) -> bool:
    """Whether an element draws a current from a node that its neighbours leave at a voltage of its own."""
    if isinstance(element, SignedCrossbar):
        return element.loaded
    if isinstance(element, OneWayCrossbar | GyratorCrossbar):
        return False
    if isinstance(element, TwoTerminal):
        return not element.law.blocks
    return isinstance(element, Conductance | Block | RLMesh | BidirectionalSource)


def _controls_are_held(circuit: Circuit) -> None:
    """What a phase input multiplies is no voltage that others decide: its current would depend on two of them."""
    for element in (e for e in circuit.elements if isinstance(e, PhaseInput)):
        free = element.control[circuit.is_free[element.control]]
        if free.size:
            raise CircuitError(
                f"phase input {element.name!r}: expected inputs or rails as controls, got node "
                f"{circuit.node_names[free[0]]!r}, which no source holds"
            )


def _readable(circuit: Circuit) -> None:
    """There are outputs, and something of them for the circuit to decide."""
    if not circuit.readout.n_outputs:
        raise CircuitError("readout: expected at least one output node")
    if not circuit.is_free[circuit.readout.nodes].any():
        raise CircuitError(
            "readout: all nodes that are read are held by ideal sources, so nothing decides the outputs"
        )


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
