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
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.sparse.csgraph import connected_components

from eqcirc.circuit.amplified import amplifier_trees
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.incidence import Incidence
from eqcirc.circuit.scaling import amplifier_scaling, symmetry_or_none
from eqcirc.devices import Block, Capacitor, CurrentSource, Law, LinearElement, RLMesh, TwoTerminal
from eqcirc.sparse import light
from eqcirc.typing import Array, NodeArray, Parameters, as_slice

LARGEST_DENSE = 4096  # unknowns; beyond, matrices are kept sparse
ROUNDING = 1e-9  # relative; two ways around a loop of amplifiers round differently


class FreeEnd(NamedTuple):
    """Terminals of some devices at unknowns.

    Attributes:
        devices: which devices of the group.
        unknowns: unknown of each of them.
        distinct: the unknowns once more, as a slice if possible; None if an unknown occurs twice.
        factor: signed, what the unknown adds to the device voltage.
        flow: signed, what the device current adds to the equation of the unknown.
    """

    devices: NodeArray | slice
    unknowns: NodeArray
    distinct: NodeArray | slice | None
    factor: Array
    flow: Array

    def at(self, u: Array) -> Array:
        """Return the part (row, device) of the device voltages that the unknowns u (row, n) decide."""
        return np.asarray(u[:, self.unknowns if self.distinct is None else self.distinct] * self.factor)

    def add_current(self, residual: Array, current: Array) -> None:
        """Add device currents (row, device) to the equations (row, n) in place."""
        self._add(residual, current[:, self.devices] * self.flow)

    def add_slope(self, diagonal: Array, slope: Array) -> None:
        """Add device slopes (row, device) to the diagonal (row, n) of the Jacobian in place."""
        self._add(diagonal, slope[:, self.devices] * (self.flow * self.factor))

    def _add(self, target: Array, values: Array) -> None:
        if self.distinct is None:
            np.add.at(target.T, self.unknowns, values.T)
        else:
            target[:, self.distinct] += values


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
        return tuple(self._end(k, sign) for k, sign in ((0, 1), (1, -1)) if self.factor[k].any())

    def _end(self, which: int, sign: int) -> FreeEnd:
        devices = np.flatnonzero(self.factor[which])
        k = self.unknown[which][devices]
        distinct = as_slice(k) if np.unique(k).size == k.size else None
        factor, flow = (sign * x[which][devices] for x in (self.factor, self.weight))
        return FreeEnd(as_slice(devices), k, distinct, factor, flow)

    @cached_property
    def floating(self) -> NodeArray:
        """Devices between two unknowns: the only ones with entries beside the diagonal."""
        return np.flatnonzero((self.factor[0] != 0) & (self.factor[1] != 0))

    @cached_property
    def plain(self) -> bool:
        """Whether devices look like devices from the unknowns: scaled alike at both ends, voltage and current too."""
        (fa, fb), (wa, wb) = self.factor, self.weight
        a, b = fa != 0, fb != 0
        alike = ~(a & b) | ((fa == fb) & (wa == wb))
        power = np.where(a, fa * wa, fb * wb)
        return bool((alike & ((power > 0) | ~(a | b))).all())

    def dissipative(self, weights: Array) -> bool:
        """Whether more slope of any device adds a positive semidefinite part to the Jacobian, weighted and symmetrised.

        It adds w·fᵀ, w the weights of currents (times those of the equations) and f the factors at the unknowns:
        semidefinite if w is f times a number ≥ 0. A device across an amplifier, or between regions of different
        scalings, can act against the others. What has no weight counts as held.
        """
        (ka, kb), (fa, fb) = self.unknown, self.factor
        fa, fb = np.where(weights[ka] != 0, fa, 0.0), np.where(weights[kb] != 0, fb, 0.0)
        wa, wb = self.weight[0] * weights[ka], self.weight[1] * weights[kb]
        across = (ka == kb) & (fa != 0) & (fb != 0)
        alike = np.abs(wa * fb - wb * fa) <= ROUNDING * np.abs(wa * fb)
        return bool(
            np.where(across, (wa - wb) * (fa - fb) >= 0, alike & (wa * fa >= 0) & (wb * fb >= 0)).all()
        )

    def cross_slopes(self, slope: Array) -> list[Array]:
        """Return the entries (row, floating) at (anode, cathode) and at (cathode, anode) of the Jacobian."""
        d = self.floating
        (wa, wb), (fa, fb) = self.weight, self.factor
        return [-slope[:, d] * (wa * fb)[d], -slope[:, d] * (wb * fa)[d]]


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
        return light(csr_array(self.flow.multiply(weight[None, :]) @ self.place))


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
        self.junctions = [self._junctions(e) for e in circuit.elements if isinstance(e, TwoTerminal)]

    def _is_block(self, block: Block) -> bool:
        """Whether a block stays one in the unknowns: all are distinct, except that all rows may be held."""
        rows, columns = self.unknown[block.rows], self.unknown[block.columns]
        both = np.concatenate([rows[rows >= 0], columns])
        pure = (rows < 0).all() or (rows >= 0).all()
        return bool(pure and (columns >= 0).all() and np.unique(both).size == both.size)

    def _outputs(self) -> Outputs:
        weights, nodes = self.circuit.readout.weights, self.circuit.readout.nodes
        free = np.flatnonzero(self.circuit.is_free[nodes])
        tied = np.flatnonzero(~self.circuit.is_free[nodes])
        unknowns, which = np.unique(self.unknown[nodes[free]], return_inverse=True)
        place = csr_array((np.ones(len(free)), (free, which)), shape=(len(nodes), len(unknowns)))
        at_held = (np.ones(len(tied)), (tied, self.fixed_index[nodes[tied]]))
        held = csr_array(at_held, shape=(len(nodes), len(self.circuit.fixed_nodes)))
        read = csr_array(weights.multiply(self.voltage[nodes][None, :]) @ place)
        flow = csr_array(weights.multiply(self.current[nodes][None, :]))
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
        return [e for e in self.blocks if self.unknown[e.rows[0]] >= 0]

    @cached_property
    def bare(self) -> Incidence:
        """The controlled sources of `scattered` without R-L branches."""
        return Incidence.of(self, tuple(e for e in self.scattered.elements if not isinstance(e, RLMesh)))

    @cached_property
    def apart(self) -> Incidence:
        """The controlled sources of all linear elements but blocks with held rows, crossbars taken apart."""
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
        """Row and column unknowns of the entries that floating devices add beside the diagonal."""
        rows, columns = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
        for j in self.junctions:
            a, b = (unknown[j.floating] for unknown in j.unknown)
            rows += [a, b]
            columns += [b, a]
        return np.concatenate(rows), np.concatenate(columns)

    @cached_property
    def part(self) -> NodeArray:
        """Label (n,) of the connected part of the circuit that every unknown belongs to."""
        rows, columns = self.pairs
        floating = coo_array((np.ones(len(rows), np.int64), (rows, columns)), shape=(self.n, self.n))
        return np.asarray(connected_components(self.pattern() + floating, directed=False)[1], np.intp)

    def symmetry(self, parameters: Parameters) -> Array | None:
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
