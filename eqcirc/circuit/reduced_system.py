"""The numbers of a reduced circuit: conductance matrix, injected currents, device voltages."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import Block, Capacitor
from eqcirc.devices.base import Triplets
from eqcirc.typing import Array, NodeArray, Parameters, as_slice


class Coupling(NamedTuple):
    """A block between unknowns: a dense part of M beside the diagonal, and the block across from it.

    Attributes:
        rows: unknowns of its rows.
        columns: unknowns of its columns.
        forward: (row, column) what a voltage at a row adds to the equation of a column.
        backward: (column, row) the other way; a view of `forward` in reciprocal circuits.
    """

    rows: NodeArray | slice
    columns: NodeArray | slice
    forward: Array
    backward: Array


class ReducedSystem:
    """M·u + devices − injection = 0 for one set of element values.

    M is the sum of its diagonal, a few dense blocks (`couplings`) and a sparse rest (`scattered`). The whole matrix
    is put together only for those who ask for it.
    """

    def __init__(self, plan: Reduction, parameters: Parameters | None = None) -> None:
        """Take the values; elements not in `parameters` keep the circuit's values."""
        self.plan = plan
        self.values = plan.circuit.values(parameters)

    def multiply(self, u: Array) -> Array:
        """Return M·u for rows u (row, n)."""
        total = u * self.diagonal
        if self.scattered.nnz:
            total += u @ self.scattered.T
        for rows, columns, forward, backward in self.couplings:
            total[:, columns] += u[:, rows] @ forward
            total[:, rows] += u[:, columns] @ backward
        return total

    @cached_property
    def diagonal(self) -> Array:
        """Diagonal of M."""
        plan = self.plan
        diagonal = np.array(self._scattered[0].diagonal())
        for element in plan.blocks:
            value, r, c = self.values[element.name], element.rows, element.columns
            diagonal[plan.unknown[c]] += plan.current[c] * plan.voltage[c] * element.column_loads(value)
            if plan.unknown[r[0]] >= 0:
                diagonal[plan.unknown[r]] += plan.current[r] * plan.voltage[r] * element.row_loads(value)
        return diagonal

    @cached_property
    def scattered(self) -> csr_array:
        """Entries of M beside the diagonal that no block holds."""
        among = self._scattered[0]
        beside = csr_array(among - diags_array(among.diagonal()))
        beside.eliminate_zeros()
        return beside

    @cached_property
    def couplings(self) -> list[Coupling]:
        """The dense blocks of M."""
        return [self._coupling(element) for element in self.plan.couplings]

    def _coupling(self, element: Block) -> Coupling:
        plan, k = self.plan, element.coupling(self.values[element.name])
        r, c = element.rows, element.columns
        forward = -plan.voltage[r][:, None] * k * plan.current[c]
        backward = forward.T if plan.reciprocal else -plan.voltage[c][:, None] * k.T * plan.current[r]
        return Coupling(as_slice(plan.unknown[r]), as_slice(plan.unknown[c]), forward, backward)

    @cached_property
    def strength(self) -> Array:
        """Conductance (n,) that reaches every unknown: sum of magnitudes over its row of M."""
        total = np.asarray(np.abs(self.diagonal) + abs(self.scattered).sum(axis=1))
        for rows, columns, forward, backward in self.couplings:
            total[columns] += np.abs(forward).sum(axis=0)
            total[rows] += np.abs(backward).sum(axis=0)
        return total

    @cached_property
    def areas(self) -> list[Array]:
        """Device areas, one array for each of `plan.junctions`."""
        return [self.values[j.name] for j in self.plan.junctions]

    @cached_property
    def _scattered(self) -> tuple[csr_array, csr_array]:
        """Maps from unknowns and from held nodes to currents, of everything that is not a dense block."""
        plan = self.plan
        n, n_fixed = plan.n, len(plan.circuit.fixed_nodes)
        among, from_held = csr_array((n, n)), csr_array((n_fixed, n))
        for element in plan.scattered:
            between, held = self._reduced(element.triplets(self.values[element.name]))
            among, from_held = among + between, from_held + held
        return among, from_held

    def _reduced(self, entries: Triplets) -> tuple[csr_array, csr_array]:
        """Return what entries between nodes are between unknowns (n, n), and from held nodes (held, n)."""
        plan = self.plan
        row, column, value = entries
        row, column, value = (x[plan.circuit.is_free[row]] for x in (row, column, value))
        weighted = value * plan.current[row]
        free = plan.circuit.is_free[column]
        k, l = plan.unknown[row], plan.unknown[column]
        among = coo_array(
            (weighted[free] * plan.voltage[column[free]], (k[free], l[free])), shape=(plan.n, plan.n)
        )
        places = (plan.fixed_index[column[~free]], k[~free])
        held = coo_array((-weighted[~free], places), shape=(len(plan.circuit.fixed_nodes), plan.n))
        return among.tocsr(), held.tocsr()

    @cached_property
    def capacitance(self) -> csr_array:
        """Matrix (n, n) whose product with du/dt adds to F."""
        total = csr_array((self.plan.n, self.plan.n))
        for element in self.plan.circuit.elements:
            if isinstance(element, Capacitor):
                total = total + self._reduced(element.storage(self.values[element.name]))[0]
        return csr_array(total)

    @cached_property
    def matrix(self) -> Array | csr_array:
        """M as a whole, dense unless there are very many unknowns."""
        if not self.plan.dense:
            return self._sparse()
        m = np.asarray(self.scattered.toarray())
        unknowns = np.arange(self.plan.n)
        m[unknowns, unknowns] = self.diagonal
        for rows, columns, forward, backward in self.couplings:
            r, c = unknowns[rows], unknowns[columns]
            m[np.ix_(c, r)] += forward.T
            m[np.ix_(r, c)] += backward.T
        return m

    def _sparse(self) -> csr_array:
        m = self.scattered + diags_array(self.diagonal)
        unknowns = np.arange(self.plan.n)
        for rows, columns, forward, backward in self.couplings:
            r, c = (x.ravel() for x in np.meshgrid(unknowns[rows], unknowns[columns], indexing="ij"))
            m = m + coo_array((forward.ravel(), (c, r)), shape=m.shape)
            m = m + coo_array((backward.T.ravel(), (r, c)), shape=m.shape)
        return csr_array(m)

    def injection(self, fixed: Array) -> Array:
        """Return the currents (batch, n) that sources push into the unknowns.

        Args:
            fixed: (batch, fixed node) held voltages.
        """
        plan = self.plan
        from_held = self._scattered[1]
        total = np.asarray(fixed @ from_held) if from_held.nnz else np.zeros((len(fixed), plan.n))
        for element in plan.blocks:
            if plan.unknown[element.rows[0]] < 0:
                held = fixed[:, as_slice(plan.fixed_index[element.rows])]
                c, k = element.columns, element.coupling(self.values[element.name])
                total[:, plan.unknown[c]] += (held @ k) * plan.current[c]
        for source in plan.sources:
            node = source.node
            free = plan.circuit.is_free[node]
            weighted = self.values[source.name][free] * plan.current[node[free]]
            total += np.bincount(plan.unknown[node[free]], weighted, minlength=plan.n)
        return total
