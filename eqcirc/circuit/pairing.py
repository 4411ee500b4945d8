"""Hopfield networks of one-way cells: which node belongs to which, so that the circuit has an energy after all.

A cell carries the sum h to the rate r and nothing back, so no diagonal scaling makes J symmetric (`circuit.scaling`).
But where the rates come back to the sums by the weights that they go forth by, Kirchhoff's law at a sum belongs to the
voltage at the rate, and the other way round: with p the exchange of the two (and p(n) = n at all other nodes),

    dE/dv_n = t_n·F_p(n)(v)        is symmetric:        t_n·∂F_p(n)/∂v_m = t_m·∂F_p(m)/∂v_n

For u·g = Σ W·r + b and r·G = I·Φ(u):   E = g·Σ h·r − (g/G)·Σ ∫I·Φ(h)dh − ½·Σ W·r·r − Σ b·r, stationary (not minimal) at
operating points. The slopes of cells lie on the diagonal of that matrix, so that p and t do not depend on the state.

Source: Hopfield 1984, PNAS 81, 3088, for the energy; Scellier & Bengio 2017 (arXiv 1602.05179) for its use.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import Amplifier, Cell, CurrentSource, Element, InputCurrent, LinearElement
from eqcirc.errors import SymmetryError
from eqcirc.typing import Array, NodeArray

TOLERANCE = 1e-9  # relative; two ways to one node round differently
ADVICE = (
    '; contrasts of rates need weights back that are tied to those forth (network.feedback.kind = "tied"), and nothing '
    "but cells that bends; train other circuits with AsymEP or Dyadic EP"
)


@dataclass(frozen=True, eq=False)
class Pairing:
    """Which node's current belongs to which node's voltage.

    Attributes:
        partner: (node,) p; of a sum the rate, of a rate the sum, of another node itself.
        factor: (node,) t; one at the first output, zero at held nodes.
    """

    partner: NodeArray
    factor: Array

    def adjoint(self, moved: Array) -> Array:
        """Return lam (batch, node), what multiplies F in the derivative of E along `moved` (batch, node) in volts."""
        return np.asarray((self.factor * moved)[:, self.partner])


def pairing(circuit: Circuit) -> Pairing:
    """Return the pairing of a circuit, whatever the values that are trained.

    Raises:
        SymmetryError: there is none; names what rules it out.
    """
    partner = _partners(circuit)
    found = [_factors(circuit, partner, np.random.default_rng(seed)) for seed in (0, 1)]
    if np.abs(found[0] - found[1]).max() > TOLERANCE * np.abs(found[0]).max():
        raise SymmetryError("the pairing of sums and rates depends on trained values", ADVICE)
    return Pairing(partner, found[0])


def _partners(circuit: Circuit) -> NodeArray:
    """Return p, made of what the cells join."""
    partner = np.arange(circuit.n_nodes)
    for element in circuit.elements:
        if isinstance(element, Cell):
            for ends in zip(*_ends(circuit, element), strict=True):
                if any(partner[node] != node for node in ends):
                    name = circuit.node_names[ends[0]]
                    raise SymmetryError(f"cell {element.name!r} is one of several at node {name!r}", ADVICE)
                partner[list(ends)] = ends[::-1]
        elif isinstance(element, Amplifier) or not isinstance(
            element, LinearElement | CurrentSource | InputCurrent
        ):
            raise SymmetryError(f"element {element.name!r} is neither a cell nor a linear part", ADVICE)
    read = circuit.readout.nodes
    paired = read[partner[read] != read]
    if paired.size:
        raise SymmetryError(
            f"output {circuit.node_names[paired[0]]!r} is a node of a cell, where a nudge would not reach the energy",
            "; read a node behind weights and a leak" + ADVICE,
        )
    return partner


def _ends(circuit: Circuit, cell: Cell) -> tuple[list[int], list[int]]:
    """Return the node that controls each part, and the one that it drives: the other end of each is held."""
    found = []
    for a, b in ((cell.cp, cell.cn), (cell.out_p, cell.out_n)):
        free = circuit.is_free[[a, b]]
        if not (free.sum(axis=0) == 1).all():
            raise SymmetryError(f"cell {cell.name!r} is not between one free node and another", ADVICE)
        found.append(np.where(free[0], a, b).tolist())
    return found[0], found[1]


def _factors(circuit: Circuit, partner: NodeArray, rng: np.random.Generator) -> Array:
    """Return t for trained values that are drawn at random, so that none is zero by chance."""
    values = {e.name: _drawn(e, rng) for e in circuit.trainable if not isinstance(e, Cell)}
    plan = Reduction(circuit)
    nodes = circuit.free_nodes
    order = plan.unknown[partner[nodes]]
    matrix = csr_array(ReducedSystem(plan, values).matrix)[order][:, plan.unknown[nodes]]
    forth = csr_array(matrix)
    back = csr_array(forth.T)
    pattern = csr_array(abs(forth) + abs(back))
    row, column = pattern.nonzero()
    there, here = (np.asarray(m[row, column]).ravel() for m in (forth, back))
    lone = np.flatnonzero((there == 0) | (here == 0))
    if lone.size:
        k = lone[0]
        m, n = (row[k], column[k]) if here[k] == 0 else (column[k], row[k])
        a, b = circuit.node_names[nodes[n]], circuit.node_names[partner[nodes[m]]]
        raise SymmetryError(f"{a!r} acts on {b!r}, and nothing comes back to where it is made", ADVICE)
    return _spread(circuit, nodes, row, column, there / here)


def _drawn(element: Element, rng: np.random.Generator) -> Array:
    size = np.abs(element.value).max() or 1e-6
    value = size * rng.uniform(0.5, 1.0, element.value.shape)
    return np.asarray(np.clip(value, *element.bounds))


def _spread(circuit: Circuit, nodes: NodeArray, row: NodeArray, column: NodeArray, ratio: Array) -> Array:
    """Return t (node,) with t[column] = ratio·t[row] for all pairs, one at the first node of each connected part."""
    n = len(nodes)
    edges = csr_array((ratio, (row, column)), shape=(n, n))
    t = np.zeros(n)
    first = np.searchsorted(nodes, circuit.readout.nodes[circuit.is_free[circuit.readout.nodes]])
    _, part = connected_components(edges, directed=False)
    for root in [*first.tolist(), *np.unique(part, return_index=True)[1].tolist()]:
        if t[root]:
            continue
        t[root] = 1.0
        order, before = breadth_first_order(edges, root, directed=False)
        for node in order[1:].tolist():
            t[node] = t[before[node]] * edges[before[node], node]
    wrong = np.flatnonzero(np.abs(t[column] - ratio * t[row]) > TOLERANCE * np.abs(t[column]))
    if wrong.size:
        a, b = (circuit.node_names[nodes[k[wrong[0]]]] for k in (row, column))
        raise SymmetryError(f"weights between {a!r} and {b!r} are not those of the way back", ADVICE)
    spread = np.zeros(circuit.n_nodes)
    spread[nodes] = t
    return spread
