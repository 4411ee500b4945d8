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
from eqcirc.devices import Conductance, Coupling
from eqcirc.typing import Array, NodeArray, Parameters

AT_ONCE = 64  # columns of Y_ip


def lumped(circuit: Circuit, parameters: Parameters | None = None) -> Circuit:
    """Return the circuit at these values without its last nodes, as far back as only resistors reach them.

    The nodes that stay keep their numbers and voltages; elements that touch the others become one, without training.
    """
    first = _first_inner(circuit)
    if first == circuit.n_nodes:
        return circuit
    values = circuit.values(parameters)
    inner = [e for e in circuit.elements if isinstance(e, Conductance) and (e.terminals() >= first).any()]
    a = np.concatenate([e.a.ravel() for e in inner])
    b = np.concatenate([e.b.ravel() for e in inner])
    g = np.concatenate([values[e.name].ravel() for e in inner])
    kept = [e for e in circuit.elements if not any(e is part for part in inner)]
    names = circuit.node_names[:first]
    coupling = _coupling(a, b, g, first, circuit.n_nodes, circuit.is_free)
    return replace(circuit, name=f"{circuit.name}, lumped", node_names=names, elements=(*kept, coupling))


def _first_inner(circuit: Circuit) -> int:
    """Return the first of the last nodes that are free, not read, and touched by resistors alone."""
    kept = ~circuit.is_free
    kept[circuit.readout.nodes] = True
    for element in circuit.elements:
        if not isinstance(element, Conductance):
            kept[element.terminals()] = True
    return int(np.flatnonzero(kept).max()) + 1


def _coupling(a: NodeArray, b: NodeArray, g: Array, first: int, n: int, is_free: np.ndarray) -> Coupling:
    """Return what couples the nodes before `first`."""
    rows, columns = np.concatenate([a, b]), np.concatenate([b, a])
    adjacent = coo_array((np.concatenate([g, g]), (rows, columns)), shape=(n, n)).tocsc()
    load = np.asarray(adjacent.sum(axis=0)).ravel()
    inside = csc_array(adjacent[first:, first:])
    matrix = csc_array(coo_array((load[first:], (np.arange(n - first),) * 2), shape=inside.shape) - inside)
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    ports = np.unique(np.concatenate([a[a < first], b[b < first]]))
    fed = csc_array(adjacent[first:, :][:, ports])
    seen = adjacent[ports, :][:, ports].toarray()
    for k in range(0, len(ports), AT_ONCE):
        some = fed[:, k : k + AT_ONCE].toarray()
        seen[:, k : k + AT_ONCE] += fed.T @ solver.solve(some)
    seen = np.maximum(0.5 * (seen + seen.T), 0.0)
    one, other = np.triu_indices(len(ports), 1)
    there = (seen[one, other] > 0) & (is_free[ports[one]] | is_free[ports[other]])
    one, other = one[there], other[there]
    return Coupling(name="eq_lumped", value=seen[one, other], a=ports[one], b=ports[other])
