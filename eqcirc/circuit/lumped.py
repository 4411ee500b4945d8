"""A circuit without the nodes between which only resistors stand: what its other nodes see of them is kept, exactly.

For resistors with Laplacian Y, split in nodes that stay (p) and inner ones (i), the others see Y_pp − Y_pi·Y_ii⁻¹·Y_ip:
again a conductance between every two nodes that stay. Off its diagonal all terms have one sign, so that small couplings
keep their digits. Line resistance becomes as cheap to solve as none; but trained values have no place in the result.

Source: Kron 1939, "Tensor analysis of networks".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array, csc_array
from scipy.sparse.linalg import splu

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Conductance, Coupling, CouplingBlock, Element
from eqcirc.typing import Array, NodeArray, Parameters

AT_ONCE = 64  # columns of Y_ip
NAME = "eq_lumped"
BLOCK = 256  # couplings to held nodes from which on they are a block


class Lumping:
    """A circuit without its last nodes, as far back as only resistors reach them; values may change.

    Attributes:
        first: number of nodes that stay; they keep their numbers and voltages.
        small: the circuit without the others, at the values that were given: in place of the elements that touch
            them it has a `Coupling` "eq_lumped", and blocks "eq_lumped_0", … to nodes that are held, if these are many.
            None of them is trained.
    """

    def __init__(self, circuit: Circuit, parameters: Parameters | None = None) -> None:
        """Find the nodes that leave; there have to be some, see `inner_nodes`."""
        self._circuit = circuit
        self.first = circuit.n_nodes - inner_nodes(circuit)
        inner = [e for e in circuit.elements if isinstance(e, Conductance) and self._touches(e)]
        self._names = [e.name for e in inner]
        self._a = np.concatenate([e.a.ravel() for e in inner])
        self._b = np.concatenate([e.b.ravel() for e in inner])
        ends = np.concatenate([self._a, self._b])
        self._ports = np.unique(ends[ends < self.first])
        self._free = np.flatnonzero(circuit.is_free[self._ports])
        values = self._at(parameters).seen()
        seen = values.copy()
        one, other = np.triu_indices(len(self._ports), 1)
        free = circuit.is_free[self._ports]
        self._blocks = self._in_blocks(seen > 0, free)
        for rows, columns in self._blocks:  # what is in a block is no pair
            seen[np.ix_(rows, columns)] = seen[np.ix_(columns, rows)] = 0.0
        there = (seen[one, other] > 0) & (free[one] | free[other])
        self._pairs = one[there], other[there]
        names = circuit.node_names[: self.first]
        kept = [e for e in circuit.elements if e.name not in self._names]
        small = replace(circuit, name=f"{circuit.name}, lumped", node_names=names)
        self.small = replace(small, elements=(*kept, *self._couplings(values)))

    def _in_blocks(self, there: np.ndarray, free: np.ndarray) -> list[tuple[NodeArray, NodeArray]]:
        """Return held and free ports of the blocks: free ports that are coupled to the same held ones, if many."""
        held = np.flatnonzero(~free)
        patterns, group = np.unique(there[np.ix_(self._free, held)], axis=0, return_inverse=True)
        blocks = [(held[pattern], self._free[group.ravel() == k]) for k, pattern in enumerate(patterns)]
        return [(rows, columns) for rows, columns in blocks if len(rows) * len(columns) >= BLOCK]

    def _couplings(self, seen: Array) -> list[Element]:
        """Return the elements that stand for conductances (port, port)."""
        one, other = self._pairs
        made: list[Element] = []
        if len(one):
            a, b = self._ports[one], self._ports[other]
            made.append(Coupling(name=NAME, value=seen[one, other], a=a, b=b))
        for k, (rows, columns) in enumerate(self._blocks):
            value, nodes = seen[np.ix_(rows, columns)], (self._ports[rows], self._ports[columns])
            made.append(CouplingBlock(name=f"{NAME}_{k}", value=value, rows=nodes[0], columns=nodes[1]))
        return made

    def _touches(self, element: Conductance) -> bool:
        return bool((element.terminals() >= self.first).any())

    def at(self, parameters: Parameters | None) -> tuple[dict[str, Array], Lumped]:
        """Return the values of `small` for some of the circuit, and what gives the inner voltages there."""
        wires = self._at(parameters)
        seen = wires.seen()
        stay = {k: np.asarray(v, np.float64) for k, v in (parameters or {}).items() if k not in self._names}
        return stay | {e.name: e.value for e in self._couplings(seen)}, wires

    def _at(self, parameters: Parameters | None) -> Lumped:
        values = self._circuit.values(parameters)
        g = np.concatenate([values[name].ravel() for name in self._names])
        n = self._circuit.n_nodes
        rows, columns = np.concatenate([self._a, self._b]), np.concatenate([self._b, self._a])
        adjacent = coo_array((np.concatenate([g, g]), (rows, columns)), shape=(n, n)).tocsc()
        return Lumped(self, adjacent)


class Lumped:
    """What the nodes that stay see of the inner ones at some values, and the other way round."""

    def __init__(self, lumping: Lumping, adjacent: csc_array) -> None:
        """Factorise Y_ii of the conductances between nodes (n, n)."""
        self._lumping, first = lumping, lumping.first
        inside = csc_array(adjacent[first:, first:])
        load = np.asarray(adjacent.sum(axis=0)).ravel()[first:]
        matrix = csc_array(coo_array((load, (np.arange(len(load)),) * 2), shape=inside.shape) - inside)
        options = {"SymmetricMode": True}
        self._factors = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
        ports = lumping._ports
        self._fed = csc_array(adjacent[first:, :][:, ports])
        self._direct = adjacent[ports, :][:, ports]

    def seen(self) -> Array:
        """Return the conductances between ports; zero between two that are held, which nobody asks for."""
        free = self._lumping._free
        through = np.empty((len(free), self._fed.shape[1]))
        for k in range(0, len(free), AT_ONCE):
            part = free[k : k + AT_ONCE]
            through[k : k + AT_ONCE] = (self._fed.T @ self._factors.solve(self._fed[:, part].toarray())).T
        seen = np.zeros((self._fed.shape[1],) * 2)
        seen[free] = through
        seen[:, free] = through.T
        both = np.ix_(free, free)
        seen[both] = 0.5 * (through[:, free] + through[:, free].T)
        seen[free] += self._direct[free].toarray()
        held = np.setdiff1d(np.arange(len(seen)), free)
        seen[held[:, None], free] += self._direct[held][:, free].toarray()
        return np.maximum(seen, 0.0)

    def expand(self, voltages: Array) -> Array:
        """Return the voltages (…, node) of all nodes, given those (…, first) of the ones that stay."""
        ports = voltages[..., self._lumping._ports]
        inner = self._factors.solve(
            np.ascontiguousarray((ports.reshape(-1, ports.shape[-1]) @ self._fed.T).T)
        )
        return np.concatenate([voltages, inner.T.reshape(*voltages.shape[:-1], -1)], axis=-1)


def lumped(circuit: Circuit, parameters: Parameters | None = None) -> Circuit:
    """Return the circuit at these values without its last nodes, as far back as only resistors reach them.

    The nodes that stay keep their numbers and voltages; elements that touch the others become one, without training.
    """
    return Lumping(circuit, parameters).small if inner_nodes(circuit) else circuit


def inner_nodes(circuit: Circuit) -> int:
    """Return how many of the last nodes are free, not read, and touched by resistors alone."""
    kept = ~circuit.is_free
    kept[circuit.readout.nodes] = True
    for element in circuit.elements:
        if not isinstance(element, Conductance):
            kept[element.terminals()] = True
    return circuit.n_nodes - 1 - int(np.flatnonzero(kept).max())
