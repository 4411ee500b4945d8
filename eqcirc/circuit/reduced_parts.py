"""A reduced circuit in parts again, for netlists: resistors, and transconductors where a matrix is not reciprocal.

Every conductance is a sum of conductances, never what is left of a row of the matrix: no digit of a small one is lost
beside a large one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.devices import Block
from eqcirc.typing import Array, NodeArray

GROUND = -1  # in place of an unknown


@dataclass(frozen=True, eq=False)
class ReducedParts:
    """Parts between unknowns.

    Attributes:
        a: (p,) one end of every resistor.
        b: (p,) its other end, `GROUND` for ground.
        siemens: (p,) its conductance, not zero; negative for signed couplings.
        one_way: (n, n) transconductances: the voltage of a column times it leaves the node of a row.
    """

    a: NodeArray
    b: NodeArray
    siemens: Array
    one_way: csr_array


def reduced_parts(system: ReducedSystem) -> ReducedParts:
    """Return the linear parts of a reduced circuit, parallel ones as one."""
    plan, branches = system.plan, system.plan.scattered.branches
    plain, value = plan.scattered.resistive, plan.scattered.values(system.values)
    unknown = np.where(plan.circuit.is_free, plan.unknown, GROUND)
    product = plan.current * plan.voltage
    size = np.where(plan.circuit.is_free[branches.out_p], product[branches.out_p], product[branches.out_n])
    found = [(unknown[branches.out_p][plain], unknown[branches.out_n][plain], (value * size)[plain])]
    one_way = plan.scattered.matrix(np.where(plain, 0.0, value))
    for element, rows_held in plan.fed:
        nodes, load = (
            (element.columns, element.column_loads) if rows_held else (element.rows, element.row_loads)
        )
        ground, size = np.full(len(nodes), GROUND), product[nodes]
        found.append((plan.unknown[nodes], ground, load(system.values[element.name]) * size))
    for element in plan.couplings:
        pairs, beside = _block(system, element)
        found += pairs
        one_way = one_way + beside
    own = one_way.diagonal()
    found.append((np.arange(plan.n), np.full(plan.n, GROUND), own))
    one_way = csr_array(one_way - coo_array((own, (np.arange(plan.n),) * 2), shape=one_way.shape))
    one_way.eliminate_zeros()
    a, b, siemens = (np.concatenate(field) for field in zip(*found, strict=True))
    return ReducedParts(*_parallel(a, b, siemens), one_way)


def _block(
    system: ReducedSystem, element: Block
) -> tuple[list[tuple[NodeArray, NodeArray, Array]], csr_array]:
    """Return the resistors of a dense block between unknowns, and its one-way part."""
    plan, value = system.plan, system.values[element.name]
    r, c, nodes = element.rows, element.columns, element.terminals()
    one_way, product = csr_array((plan.n, plan.n)), plan.current * plan.voltage
    k, back = element.coupling(value), element.coupling_back(value)
    rows, columns = np.repeat(plan.unknown[r], len(c)), np.tile(plan.unknown[c], len(r))
    if (
        element.reciprocal
        and (plan.voltage[nodes] == plan.voltage[nodes[0]]).all()
        and (plan.current[nodes] == plan.current[nodes[0]]).all()
    ):
        leaks = np.concatenate([element.row_leaks(value), element.column_leaks(value)])
        ground = np.full(len(nodes), GROUND)
        pairs = (rows, columns, k.ravel() * product[nodes[0]])
        return [pairs, (plan.unknown[nodes], ground, leaks * product[nodes])], one_way
    loads = np.concatenate([element.row_loads(value), element.column_loads(value)]) * product[nodes]
    to_columns = -(plan.voltage[r][:, None] * k * plan.current[c]).ravel()
    to_rows = -(plan.current[r][:, None] * back * plan.voltage[c]).ravel()
    entries = np.concatenate([to_columns, to_rows])
    places = (np.concatenate([columns, rows]), np.concatenate([rows, columns]))
    beside = coo_array((entries, places), shape=one_way.shape).tocsr()
    return [(plan.unknown[nodes], np.full(len(nodes), GROUND), loads)], beside


def _parallel(a: NodeArray, b: NodeArray, siemens: Array) -> tuple[NodeArray, NodeArray, Array]:
    """Return one resistor for all that join the same two ends; none where they cancel."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    there = high != GROUND  # a part between two held nodes draws a current, but changes no voltage
    low, high, siemens = low[there], high[there], siemens[there]
    pairs, which = np.unique(np.stack([low, high], axis=1), axis=0, return_inverse=True)
    total = np.bincount(which.ravel(), siemens, minlength=len(pairs))
    left = total != 0
    return pairs[left, 1], pairs[left, 0], total[left]
