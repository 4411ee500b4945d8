"""The numbers of a reduced circuit: conductance matrix, injected currents, device voltages."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from eqcirc.circuit.incidence import Incidence
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import Block, Capacitor, LinearElement, RLMesh
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


LITTLE = 1e-11  # times 1 over the conductance around: resistance of coils that have none


class ReducedSystem:
    """M·u + devices − injection = 0 for one set of element values.

    M is the sum of a few dense blocks (`couplings`), their loads on the diagonal, and the controlled sources of all
    other linear elements (`circuit.incidence`). The whole matrix is put together only for those who ask for it.
    """

    def __init__(self, plan: Reduction, parameters: Parameters | None = None) -> None:
        """Take the values; elements not in `parameters` keep the circuit's values."""
        self.plan = plan
        self.given, self.values = parameters, plan.circuit.values(parameters)
        if plan.lossless:
            self.values = self._with_little_resistance(self.values)
        self._choose(plan.scattered, plan.scattered, apart=False)

    def _choose(self, sources: Incidence, scattered: Incidence, *, apart: bool) -> None:
        """Say which controlled sources are summed one by one, and which belong to the matrix beside blocks."""
        self._sources, self._scattered, self.apart = sources, scattered, apart

    def taken_apart(self) -> ReducedSystem:
        """Return the system with crossbars between unknowns taken apart.

        Their currents are summed part by part: slow, and exact where they tie nodes together that are weakly fed.
        """
        other = self._copy()
        other._choose(self.plan.apart, self.plan.scattered, apart=True)
        return other

    def without_branches(self) -> ReducedSystem:
        """Return the system without R-L branches."""
        other = self._copy()
        other._choose(self.plan.bare, self.plan.bare, apart=False)
        return other

    def _copy(self) -> ReducedSystem:
        other = object.__new__(ReducedSystem)
        other.plan, other.given, other.values = self.plan, self.given, self.values
        return other

    def _with_little_resistance(self, values: Parameters) -> dict[str, Array]:
        """Give coils without resistance a little, which changes no voltage by more than rounding and refinement do."""
        plan = self.plan
        around = np.zeros(plan.circuit.n_nodes)
        for element in plan.circuit.elements:
            if isinstance(element, LinearElement) and not isinstance(element, RLMesh):
                branches = element.branches(values[element.name])
                for nodes in (branches.out_p, branches.out_n):
                    np.add.at(around, nodes, np.abs(branches.value))
        found = dict(values)
        for mesh in plan.meshes:
            most = np.maximum(
                around[mesh.a] * plan.circuit.is_free[mesh.a], around[mesh.b] * plan.circuit.is_free[mesh.b]
            )
            own = found[mesh.name][: len(mesh.a)]
            little = np.where(mesh.lossless, LITTLE / np.where(most > 0, most, 1.0), own)
            found[mesh.name] = np.concatenate([little, found[mesh.name][len(mesh.a) :]])
        return found

    def across_coils(self, u: Array, fixed: Array) -> Array:
        """Return the largest voltage (row,) across coils without resistance at u (row, n), which should drop none."""
        plan, most = self.plan, np.zeros(len(u))
        for mesh in plan.meshes:
            for a, b in zip(mesh.a[mesh.lossless].tolist(), mesh.b[mesh.lossless].tolist(), strict=True):
                ends = (
                    u[:, plan.unknown[k]] * plan.voltage[k]
                    if plan.circuit.is_free[k]
                    else fixed[:, plan.fixed_index[k]]
                    for k in (a, b)
                )
                most = np.maximum(most, np.abs(np.subtract(*ends)))
        return most

    def drive(self, fixed: Array) -> Array:
        """Return what held voltages (row, fixed node) add to the voltages (row, m) that control scattered sources."""
        return np.asarray(fixed @ self._sources.products[1])

    def currents(self, u: Array, drive: Array) -> Array:
        """Return the currents (row, n) of linear elements at u (row, n), less those that `injection` holds."""
        total = u * (self._loads_to_held if self.apart else self._loads)
        if len(self.branches):
            control, _, out = self._sources.products
            total += ((u @ control + drive) * self.branches) @ out
        for rows, columns, forward, backward in () if self.apart else self.couplings:
            total[:, columns] += u[:, rows] @ forward
            total[:, rows] += u[:, columns] @ backward
        return total

    def rounding(self, u: Array) -> Array:
        """Return how far (row, n) `currents` may be off at u: what sums of several terms round at each unknown.

        What leaves one node and enters another cancels to the last bit, and is left out.
        """
        size, total = np.abs(u), np.zeros_like(u)
        if not self.apart and self.couplings:
            total += size * np.abs(self._loads - self._loads_to_held)
            for rows, columns, forward, backward in self.couplings:
                total[:, columns] += size[:, rows] @ np.abs(forward)
                total[:, rows] += size[:, columns] @ np.abs(backward)
        if not self._sources.resistive.all():
            control, _, out = self._sources.products
            one_way = np.where(self._sources.resistive, 0.0, np.abs(self.branches))
            total += ((size @ abs(control)) * one_way) @ abs(out)
        return np.asarray(np.finfo(np.float64).eps * total)

    @property
    def exact(self) -> bool:
        """Whether `rounding` is nothing."""
        blocks = bool(self.couplings) and not self.apart
        return not blocks and bool(self._sources.resistive.all())

    def multiply(self, u: Array) -> Array:
        """Return M·u for rows u (row, n)."""
        return self.currents(u, np.zeros((len(u), len(self.branches))))

    @cached_property
    def branches(self) -> Array:
        """Values (m,) of the controlled sources that are summed one by one."""
        return self._sources.values(self.values)

    @cached_property
    def _loads(self) -> Array:
        """Loads (n,) of the dense blocks."""
        plan, loads = self.plan, self._loads_to_held.copy()
        for element in plan.couplings:
            value = self.values[element.name]
            for nodes, load in ((element.rows, element.row_loads), (element.columns, element.column_loads)):
                loads[plan.unknown[nodes]] += plan.current[nodes] * plan.voltage[nodes] * load(value)
        return loads

    @cached_property
    def _loads_to_held(self) -> Array:
        """Those (n,) of the blocks that lead from held nodes."""
        plan, loads = self.plan, np.zeros(self.plan.n)
        for element, rows_held in plan.fed:
            nodes, load = (
                (element.columns, element.column_loads) if rows_held else (element.rows, element.row_loads)
            )
            loads[plan.unknown[nodes]] += (
                plan.current[nodes] * plan.voltage[nodes] * load(self.values[element.name])
            )
        return loads

    @cached_property
    def _among(self) -> csr_array:
        """The part (n, n) of M that is scattered."""
        return self._scattered.matrix(self._scattered.values(self.values))

    @cached_property
    def diagonal(self) -> Array:
        """Diagonal of M."""
        return np.asarray(self._loads + self._among.diagonal())

    @cached_property
    def scattered(self) -> csr_array:
        """Entries of M beside the diagonal that no block holds."""
        beside = csr_array(self._among - diags_array(self._among.diagonal()))
        beside.eliminate_zeros()
        return beside

    @cached_property
    def couplings(self) -> list[Coupling]:
        """The dense blocks of M."""
        return [self._coupling(element) for element in self.plan.couplings]

    def _coupling(self, element: Block) -> Coupling:
        plan, value = self.plan, self.values[element.name]
        r, c = element.rows, element.columns
        forward = -plan.voltage[r][:, None] * element.coupling(value) * plan.current[c]
        if plan.reciprocal:
            backward = forward.T
        else:
            backward = -plan.voltage[c][:, None] * element.coupling_back(value).T * plan.current[r]
        return Coupling(as_slice(plan.unknown[r]), as_slice(plan.unknown[c]), forward, backward)

    @cached_property
    def strength(self) -> Array:
        """Conductance (n,) that reaches every unknown: sum of magnitudes over its row of M."""
        total = np.asarray(np.abs(self.diagonal) + abs(self.scattered).sum(axis=1))
        for rows, columns, forward, backward in self.couplings:
            total[columns] += np.abs(forward).sum(axis=0)
            total[rows] += np.abs(backward).sum(axis=0)
        return total

    def areas(self, fixed: Array) -> list[Array]:
        """Return device areas, one array for each of `plan.junctions`, at held voltages (row, fixed node)."""
        return [j.areas(self.values[j.name], fixed) for j in self.plan.junctions]

    @cached_property
    def capacitance(self) -> csr_array:
        """Matrix (n, n) whose product with du/dt adds to F."""
        plan, total = self.plan, csr_array((self.plan.n, self.plan.n))
        for element in plan.circuit.elements:
            if isinstance(element, Capacitor):
                row, column, value = element.storage(self.values[element.name]).entries
                free = plan.circuit.is_free[row] & plan.circuit.is_free[column]
                row, column, value = row[free], column[free], value[free]
                weighted = value * plan.current[row] * plan.voltage[column]
                places = (plan.unknown[row], plan.unknown[column])
                total = total + coo_array((weighted, places), shape=total.shape)
        return csr_array(total)

    def magnitudes(self) -> Array:
        """Return the sum (n, n) of the magnitudes of what every linear part adds to M, so that none cancels another."""
        parts, value = self._scattered, np.abs(self._scattered.values(self.values))
        total = np.asarray((abs(parts.out) @ abs(parts.control).multiply(value[:, None])).toarray())
        unknowns = np.arange(self.plan.n)
        for rows, columns, forward, backward in self.couplings:
            r, c = unknowns[rows], unknowns[columns]
            total[np.ix_(c, r)] += np.abs(forward).T
            total[np.ix_(r, c)] += np.abs(backward).T
        return total

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
        """Return the currents (row, n) of current sources, and of held voltages through dense blocks (Norton).

        Args:
            fixed: (row, fixed node) held voltages.
        """
        plan = self.plan
        total = np.zeros((len(fixed), plan.n))
        for element, rows_held in plan.fed:
            value = self.values[element.name]
            if rows_held:
                held, nodes, k = element.rows, element.columns, element.coupling(value)
            else:
                held, nodes, k = element.columns, element.rows, element.coupling_back(value).T
            if plan.fixed_index[held].any():  # ground pushes nothing
                pushed = fixed[:, as_slice(plan.fixed_index[held])] @ k
                total[:, plan.unknown[nodes]] += pushed * plan.current[nodes]
        for source in plan.sources:
            node = source.node
            free = plan.circuit.is_free[node]
            weighted = self.values[source.name][free] * plan.current[node[free]]
            total += np.bincount(plan.unknown[node[free]], weighted, minlength=plan.n)
        return total

    def norton(self, fixed: Array) -> Array:
        """Return all currents (row, n) that sources push into the unknowns, scattered ones included."""
        pushed = (self.drive(fixed) * self.branches) @ self._sources.products[2]
        return np.asarray(self.injection(fixed) - pushed)
