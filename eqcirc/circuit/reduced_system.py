"""The numbers of a reduced circuit: conductance matrix, injected currents, device voltages."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import coo_array, csr_array, diags_array

from eqcirc.circuit.reduction import Reduction, as_slice
from eqcirc.typing import Array, Parameters


class ReducedSystem:
    """M·u + devices − injection = 0 for one set of element values."""

    def __init__(self, plan: Reduction, parameters: Parameters | None = None) -> None:
        """Assemble M; elements not in `parameters` keep the circuit's values."""
        self.plan = plan
        self.values = plan.circuit.values(parameters)
        self.matrix = self._matrix()

    @cached_property
    def diagonal(self) -> Array:
        """Diagonal of M."""
        return np.asarray(self.matrix.diagonal())

    @cached_property
    def strength(self) -> Array:
        """Conductance (n,) that reaches every unknown: sum of magnitudes over its row of M."""
        return np.asarray(abs(self.matrix).sum(axis=1))

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
            row, column, value = element.triplets(self.values[element.name])
            row, column, value = (x[plan.circuit.is_free[row]] for x in (row, column, value))
            weighted = value * plan.current[row]
            free = plan.circuit.is_free[column]
            k, l = plan.unknown[row], plan.unknown[column]
            entries = (weighted[free] * plan.voltage[column[free]], (k[free], l[free]))
            among = among + coo_array(entries, shape=(n, n)).tocsr()
            entries = (-weighted[~free], (plan.fixed_index[column[~free]], k[~free]))
            from_held = from_held + coo_array(entries, shape=(n_fixed, n)).tocsr()
        return among, from_held

    def _matrix(self) -> Array | csr_array:
        """Return M, dense unless there are very many unknowns."""
        plan = self.plan
        m = self._scattered[0].toarray() if plan.dense else self._scattered[0]
        diagonal = np.zeros(plan.n)
        for element in plan.blocks:
            g = self.values[element.name]
            r, c = element.rows, element.columns
            kr, kc = plan.unknown[r], plan.unknown[c]
            diagonal[kc] += plan.current[c] * plan.voltage[c] * g.sum(axis=0)
            if kr[0] >= 0:
                diagonal[kr] += plan.current[r] * plan.voltage[r] * g.sum(axis=1)
                m[np.ix_(kr, kc)] -= plan.current[r][:, None] * g * plan.voltage[c]
                m[np.ix_(kc, kr)] -= plan.current[c][:, None] * g.T * plan.voltage[r]
        return m + (np.diag(diagonal) if plan.dense else diags_array(diagonal).tocsr())

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
                c = element.columns
                total[:, plan.unknown[c]] += (held @ self.values[element.name]) * plan.current[c]
        for source in plan.sources:
            node = source.node
            free = plan.circuit.is_free[node]
            weighted = self.values[source.name][free] * plan.current[node[free]]
            total += np.bincount(plan.unknown[node[free]], weighted, minlength=plan.n)
        return total
