"""Exact reduction of a circuit: driven nodes and amplifiers disappear.

1. Norton. A conductance g from a held node at V to a free one is a conductance g to ground and a current g·V.
2. Amplifiers. Nodes of an amplifier tree share one unknown, and with the factors a, c of `scaling` the rest
   of the circuit, seen in the scaled voltages u = a·v, is a plain resistor-diode network: a resistor keeps
   its value, a diode its form.

What remains are n unknowns u with   M·u + sum of device currents − injection(sample) = 0.
Nothing is approximated; node voltages follow from u and the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from eqcirc.circuit.amplified import amplifier_trees
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import amplifier_scaling
from eqcirc.devices import Crossbar, CurrentSource, Law, LinearElement, TwoTerminal
from eqcirc.typing import Array, NodeArray

LARGEST_DENSE = 4096  # unknowns; beyond, matrices are kept sparse


class FreeEnd(NamedTuple):
    """Terminals of some devices at unknowns: what a device current and a device slope add there."""

    devices: NodeArray | slice
    unknowns: NodeArray | slice
    flow: Array
    slope: Array
    distinct: bool

    def add(self, target: Array, values: Array, weight: Array) -> None:
        """Add weight·values (row, device) to target (row, unknown) in place."""
        if self.distinct:
            target[:, self.unknowns] += values[:, self.devices] * weight
        else:
            np.add.at(target, (slice(None), self.unknowns), values[:, self.devices] * weight)


@dataclass(frozen=True, eq=False)
class Junctions:
    """Nonlinear devices of one element between unknowns and held nodes.

    The device voltage is factor[0]·u[unknown[0]] − factor[1]·u[unknown[1]] + held voltages; a held terminal
    has factor and weight 0 and stands in `held` (index into the fixed nodes; 0 is ground).
    """

    name: str
    law: Law
    unknown: tuple[NodeArray, NodeArray]
    factor: tuple[Array, Array]
    weight: tuple[Array, Array]
    held: tuple[NodeArray, NodeArray]

    @cached_property
    def free_ends(self) -> tuple[FreeEnd, ...]:
        """The terminals that reach an unknown, anodes first."""
        ends = []
        for sign, unknown, factor, weight in zip(
            (1, -1), self.unknown, self.factor, self.weight, strict=True
        ):
            devices = np.flatnonzero(factor)
            if devices.size:
                k = unknown[devices]
                flow = sign * weight[devices]
                distinct = np.unique(k).size == k.size
                ends.append(
                    FreeEnd(as_slice(devices), as_slice(k), flow, sign * flow * factor[devices], distinct)
                )
        return tuple(ends)

    @cached_property
    def floating(self) -> NodeArray:
        """Devices between two unknowns: the only ones with entries beside the diagonal."""
        return np.flatnonzero((self.factor[0] != 0) & (self.factor[1] != 0))


class Reduction:
    """The plan: which unknown and which factors every node has. Made once for a circuit."""

    def __init__(self, circuit: Circuit) -> None:
        """Eliminate amplifiers; raises `CircuitError` for circles of amplifiers."""
        self.circuit = circuit
        trees = amplifier_trees(circuit)
        scale = amplifier_scaling(circuit)
        root = trees.root
        self.n = trees.count
        self.unknown = trees.unknown
        free = circuit.is_free
        self.voltage = np.zeros(circuit.n_nodes)  # v[node] = voltage[node]·u[unknown[node]]
        self.voltage[free] = trees.gain[free] / scale.voltage[root[free]]
        self.current = trees.back * scale.current[root] * free  # weight of the node's current in its equation
        self.fixed_index = np.zeros(circuit.n_nodes, np.intp)
        self.fixed_index[circuit.fixed_nodes] = np.arange(len(circuit.fixed_nodes))
        self.dense = self.n <= LARGEST_DENSE
        linear = [e for e in circuit.elements if isinstance(e, LinearElement)]
        self.blocks = [e for e in linear if isinstance(e, Crossbar) and self._is_block(e)]
        self.scattered = [e for e in linear if e not in self.blocks]
        self.sources = [e for e in circuit.elements if isinstance(e, CurrentSource)]
        self.junctions = [self._junctions(e) for e in circuit.elements if isinstance(e, TwoTerminal)]

    def _is_block(self, crossbar: Crossbar) -> bool:
        """Whether a crossbar is one dense block: distinct unknowns, except that all rows may be held."""
        rows, columns = self.unknown[crossbar.rows], self.unknown[crossbar.columns]
        both = np.concatenate([rows[rows >= 0], columns])
        pure = (rows < 0).all() or ((rows >= 0).all() and self.dense)
        return bool(pure and (columns >= 0).all() and np.unique(both).size == both.size)

    def _junctions(self, element: TwoTerminal) -> Junctions:
        ends = (element.anode, element.cathode)
        return Junctions(
            name=element.name,
            law=element.law,
            unknown=(np.maximum(self.unknown[ends[0]], 0), np.maximum(self.unknown[ends[1]], 0)),
            factor=(self.voltage[ends[0]], self.voltage[ends[1]]),
            weight=(self.current[ends[0]], self.current[ends[1]]),
            held=(self.fixed_index[ends[0]], self.fixed_index[ends[1]]),
        )

    def name(self, unknown: int) -> str:
        """Return the name of the node that stands for an unknown."""
        return self.circuit.node_names[int(np.flatnonzero(self.unknown == unknown)[-1])]

    def expand(self, u: Array, fixed: Array) -> Array:
        """Return node voltages (phase, batch, node).

        Args:
            u: (phase, batch, n) unknowns.
            fixed: (batch, fixed) held voltages.
        """
        circuit = self.circuit
        v = np.empty((*u.shape[:2], circuit.n_nodes))
        v[:, :, circuit.fixed_nodes] = fixed
        free = circuit.free_nodes
        v[:, :, free] = u[:, :, self.unknown[free]] * self.voltage[free]
        return v


def as_slice(index: NodeArray) -> NodeArray | slice:
    """Return a slice when the indices are consecutive, so that numpy takes a view instead of a copy."""
    start, n = int(index[0]), len(index)
    return slice(start, start + n) if np.array_equal(index, np.arange(start, start + n)) else index
