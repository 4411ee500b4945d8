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
from typing import Literal

import numpy as np
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components

from eqcirc.circuit.amplified import amplifier_trees
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.incidence import Incidence
from eqcirc.circuit.junctions import (
    ROUNDING,
    Cells,
    DrivenTwoTerminals,
    Ends,
    Junctions,
    Tangents,
    TwoTerminals,
)
from eqcirc.circuit.scaling import amplifier_scaling, symmetry_or_none
from eqcirc.circuit.two_ports import TwoPorts
from eqcirc.devices import (
    BidirectionalSource,
    Block,
    Capacitor,
    Cell,
    CurrentSource,
    LinearElement,
    PhaseInput,
    RLMesh,
    Tangent,
    TwoTerminal,
)
from eqcirc.sparse import light
from eqcirc.typing import Array, NodeArray, Parameters

LARGEST_DENSE = 4096  # unknowns; beyond, matrices are kept sparse


@dataclass(frozen=True, eq=False)
class Outputs:
    """How the outputs depend on unknowns, differential readout included.

    Attributes:
        unknowns: (m,) the unknowns that are read, each once.
        read: (n_outputs, m), and
        held: (n_outputs, fixed node): outputs = read·u[unknowns] + held·fixed.
        flow: (n_outputs, output node): signed factor of a current that leaves an output node for an output.
        place: (output node, m) one where the output node belongs to the unknown.
    """

    unknowns: NodeArray
    read: Array | csr_array
    held: csr_array
    flow: csr_array
    place: csr_array

    def draw(self, weight: Array) -> Array | csr_array:
        """Return (n_outputs, m): what 1 A times weight (output node,), leaving for each output, adds to F."""
        key = weight.tobytes()
        if key not in self._drawn:
            self._drawn.clear()  # one is asked for again and again
            self._drawn[key] = light(csr_array(self.flow.multiply(weight[None, :]) @ self.place))
        return self._drawn[key]

    @cached_property
    def _drawn(self) -> dict[bytes, Array | csr_array]:
        return {}


def _alike(factors: Array, of_region: Array) -> Array:
    """Return factors, equal to the last bit in a region: rounded apart, a resistor within it would leak to ground."""
    return np.where(np.abs(factors - of_region) <= ROUNDING * np.abs(of_region), of_region, factors)


class Reduction:
    """The plan: which unknown and which factors every node has. Made once for a circuit."""

    def __init__(self, circuit: Circuit) -> None:
        """Eliminate amplifiers; raises `CircuitError` for circles of amplifiers."""
        self.circuit = circuit
        trees = amplifier_trees(circuit)
        scale = amplifier_scaling(circuit)
        root = trees.root
        self.n = trees.count
        self.root = np.unique(
            root[circuit.is_free]
        )  # (n,) the node that stands for an unknown, no amplifier's output
        self.unknown = trees.unknown
        free = circuit.is_free
        self.voltage = np.zeros(circuit.n_nodes)  # v[node] = voltage[node]·u[unknown[node]]
        self.voltage[free] = _alike(trees.gain[free] / scale.voltage[root[free]], 1 / scale.voltage[free])
        self.current = np.zeros(circuit.n_nodes)  # weight of the node's current in its equation
        self.current[free] = _alike(trees.back[free] * scale.current[root[free]], scale.current[free])
        self.fixed_index = np.zeros(circuit.n_nodes, np.intp)
        self.fixed_index[circuit.fixed_nodes] = np.arange(len(circuit.fixed_nodes))
        self.dense = self.n <= LARGEST_DENSE
        linear = [e for e in circuit.elements if isinstance(e, LinearElement)]
        self.blocks = [e for e in linear if isinstance(e, Block) and self._is_block(e)]
        self.scattered = Incidence.of(self, tuple(e for e in linear if e not in self.blocks))
        self.sources = [e for e in circuit.elements if isinstance(e, CurrentSource)]
        self.meshes = [e for e in circuit.elements if isinstance(e, RLMesh)]
        self.outputs = self._outputs()
        kinds = TwoTerminal | Cell | Tangent | BidirectionalSource
        self.junctions = [self._junctions(e) for e in circuit.elements if isinstance(e, kinds)]

    def _is_block(self, block: Block) -> bool:
        """Whether a block stays one in the unknowns: all are distinct, except that one side may be held as a whole."""
        sides = self.unknown[block.rows], self.unknown[block.columns]
        pure = all((side < 0).all() or (side >= 0).all() for side in sides)
        free = np.concatenate([side[side >= 0] for side in sides])
        return bool(pure and free.size and np.unique(free).size == free.size)

    def _outputs(self) -> Outputs:
        weights, nodes = self.circuit.readout.weights, self.circuit.readout.nodes
        free = np.flatnonzero(self.circuit.is_free[nodes])
        tied = np.flatnonzero(~self.circuit.is_free[nodes])
        unknowns, which = np.unique(self.unknown[nodes[free]], return_inverse=True)
        place = csr_array((np.ones(len(free)), (free, which)), shape=(len(nodes), len(unknowns)))
        at_held = (np.ones(len(tied)), (tied, self.fixed_index[nodes[tied]]))
        held = csr_array(at_held, shape=(len(nodes), len(self.circuit.fixed_nodes)))
        read = csr_array(weights.multiply(self.voltage[nodes][None, :]) @ place)
        flow = csr_array(self.circuit.readout.pulls.multiply(self.current[nodes][None, :]))
        return Outputs(unknowns, light(read), csr_array(weights @ held), flow, place)

    @property
    def lossless(self) -> bool:
        """Whether there are coils without resistance, which no conductance stands for."""
        return any(mesh.lossless.any() for mesh in self.meshes)

    @property
    def drawable(self) -> bool:
        """Whether a netlist of plain elements can be the reduced circuit; if not, only the full one can be built."""
        return not self.lossless and all(j.plain for j in self.junctions)

    @cached_property
    def couplings(self) -> list[Block]:
        """The blocks between unknowns."""
        return [e for e in self.blocks if self._held_side(e) is None]

    @cached_property
    def fed(self) -> list[tuple[Block, bool]]:
        """The blocks that lead from held nodes to unknowns, and whether it is their rows that are held."""
        sides = ((e, self._held_side(e)) for e in self.blocks)
        return [(e, side == "rows") for e, side in sides if side is not None]

    def _held_side(self, block: Block) -> Literal["rows", "columns"] | None:
        if self.unknown[block.rows[0]] < 0:
            return "rows"
        return "columns" if self.unknown[block.columns[0]] < 0 else None

    @cached_property
    def bare(self) -> Incidence:
        """The controlled sources of `scattered` without R-L branches."""
        return Incidence.of(self, tuple(e for e in self.scattered.elements if not isinstance(e, RLMesh)))

    @cached_property
    def apart(self) -> Incidence:
        """The controlled sources of all linear elements but blocks with a held side, crossbars taken apart."""
        return Incidence.of(self, (*self.scattered.elements, *self.couplings))

    @cached_property
    def reciprocal(self) -> bool:
        """Whether M and the device slopes are symmetric.

        Between nodes p and q they are current_p·g·voltage_q and current_q·g·voltage_p, so current/voltage has to
        be the same at both ends of every part. Amplifiers in a loop can break that; transconductors do.
        """
        if not all(e.reciprocal for e in self.circuit.elements):
            return False
        free = self.circuit.is_free
        ratio = np.divide(self.current, self.voltage, out=np.zeros_like(self.voltage), where=free)
        for element in self.circuit.elements:
            for a, b in (element.connections(), element.mutual()):
                differ = np.abs(ratio[a] - ratio[b]) > ROUNDING * np.abs(ratio[a])
                if (differ & free[a] & free[b]).any():
                    return False
        return True

    @cached_property
    def passive(self) -> bool:
        """Whether, whatever values and inputs, there is one operating point, where the circuit comes to rest.

        In scaled quantities all parts are passive then: conductances, devices whose current never falls, coils and
        capacitors. The difference of two courses of such a circuit only loses energy.
        """
        if not self.reciprocal or not all(e.passive for e in self.circuit.elements):
            return False
        product = (self.current * self.voltage)[self.circuit.is_free]
        flat = np.ones(self.n)
        return bool((product > 0).all() and all(j.dissipative(flat) for j in self.junctions) and self._stores)

    @property
    def _stores(self) -> bool:
        """Whether no capacitor joins nodes of different scalings: it could give power through an amplifier."""
        free = self.circuit.is_free
        for c in (e for e in self.circuit.elements if isinstance(e, Capacitor)):
            between = free[c.a] & free[c.b]
            a, b = c.a[between], c.b[between]
            if (self.voltage[a] != self.voltage[b]).any() or (self.current[a] != self.current[b]).any():
                return False
        return True

    @cached_property
    def pairs(self) -> tuple[NodeArray, NodeArray]:
        """Row and column unknowns of the entries that devices add beside the diagonal."""
        none = np.empty(0, np.intp)
        rows, columns = zip((none, none), *(j.pairs for j in self.junctions), strict=True)
        return np.concatenate(rows), np.concatenate(columns)

    @cached_property
    def bends(self) -> np.ndarray:
        """(n,) true where the voltage of an unknown decides the slope of a device."""
        found = np.zeros(self.n, bool)
        for junctions in self.junctions:
            for unknown, factor in zip(*junctions.bending[:2], strict=True):
                found[unknown[factor != 0]] = True
        return found

    @cached_property
    def carries(self) -> np.ndarray:
        """(node,) true where a part conducts between the node and another one; false for nodes that only control."""
        found = np.zeros(self.circuit.n_nodes, bool)
        for element in self.circuit.elements:
            for nodes in element.connections():
                found[nodes] = True
        return found

    @cached_property
    def part(self) -> NodeArray:
        """Label (n,) of the connected part of the circuit that every unknown belongs to."""
        rows, columns = self.pairs
        floating = coo_array((np.ones(len(rows), np.int64), (rows, columns)), shape=(self.n, self.n))
        return np.asarray(connected_components(self.pattern() + floating, directed=False)[1], np.intp)

    def symmetry(self, parameters: Parameters | None) -> Array | None:
        """Return `scaling.symmetry`, or None where there is none."""
        if self.circuit.scaling_varies:
            return symmetry_or_none(self.circuit, parameters)
        return self._symmetry

    @cached_property
    def _symmetry(self) -> Array | None:
        return symmetry_or_none(self.circuit)

    def pattern(self) -> csr_array:
        """Return a matrix (n, n) that is not zero wherever M can be, for any values of the elements."""
        pattern = eye_array(self.n).tocsr() + self.scattered.pattern  # a block with held rows adds no more
        return csr_array(pattern + self.apart.pattern if self.couplings else pattern)

    def _junctions(self, element: TwoTerminal | Cell | Tangent | BidirectionalSource) -> Junctions:
        if isinstance(element, TwoTerminal):
            ends = (element.anode.ravel(), element.cathode.ravel())
            control, sink = self._ends(ends, self.voltage), self._ends(ends, self.current)
            if isinstance(element, PhaseInput):
                drive = self.fixed_index[element.control]
                return DrivenTwoTerminals(element.name, element.law, control, sink, element.law.leak, drive)
            return TwoTerminals(element.name, element.law, control, sink, element.law.leak)
        if isinstance(element, BidirectionalSource):
            ends = (element.source, element.driven)
            control, sink = self._ends(ends, self.voltage), self._ends(ends, self.current)
            return TwoPorts(element.name, element.law, control, sink, 0.0)
        control = self._ends((element.cp, element.cn), self.voltage)
        sink = self._ends((element.out_p, element.out_n), self.current)
        if isinstance(element, Cell):
            return Cells(element.name, element.law, control, sink, 0.0)
        at = self._ends((element.at_p, element.at_n), self.voltage)
        return Tangents(element.name, element.law, control, sink, element.leak, at)

    def _ends(self, nodes: tuple[NodeArray, NodeArray], factor: Array) -> Ends:
        a, b = nodes
        return Ends(
            (np.maximum(self.unknown[a], 0), np.maximum(self.unknown[b], 0)),
            (factor[a], factor[b]),
            (self.fixed_index[a], self.fixed_index[b]),
        )

    def name(self, unknown: int) -> str:
        """Return the name of the node that stands for an unknown."""
        return self.circuit.node_names[int(np.flatnonzero(self.unknown == unknown)[-1])]

    def collect(self, v: Array) -> Array:
        """Return unknowns (..., n) of node voltages (..., node): the inverse of `expand`."""
        free = self.circuit.free_nodes
        u = np.empty((*v.shape[:-1], self.n))
        u[..., self.unknown[free]] = v[..., free] / self.voltage[free]
        return u

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
