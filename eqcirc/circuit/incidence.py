"""Where controlled sources act in a reduced circuit: which unknowns control them, which equations get their currents.

    voltage  x = control·u + held·fixed          current  value·x          F += out·current

Kirchhoff's law is summed from branch currents, never from rows of the conductance matrix: there the small conductance
that decides a voltage may be the last digit of a large one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array, csr_array

from eqcirc.devices import LinearElement
from eqcirc.devices.base import Branches, joined
from eqcirc.sparse import light
from eqcirc.typing import Array, NodeArray, Parameters

if TYPE_CHECKING:
    from eqcirc.circuit.reduction import Reduction

SAME = 1e-12  # relative difference of two scalings that is rounding


@dataclass(frozen=True, eq=False)
class Incidence:
    """The controlled sources (m,) of some linear elements, in unknowns.

    Attributes:
        plan: the reduction.
        elements: whose sources.
        branches: their nodes; the values are those of the circuit.
    """

    plan: Reduction
    elements: tuple[LinearElement, ...]
    branches: Branches

    @classmethod
    def of(cls, plan: Reduction, elements: tuple[LinearElement, ...]) -> Incidence:
        """Collect the sources of elements."""
        return cls(plan, elements, joined([e.branches(e.value) for e in elements]))

    def values(self, values: Parameters) -> Array:
        """Return the value (m,) of every source."""
        parts = [e.branches(values[e.name]).value for e in self.elements]
        return np.concatenate([np.empty(0), *parts])

    @cached_property
    def control(self) -> csr_array:
        """Matrix (m, n): what unknowns add to the controlling voltages."""
        ends = ((self.branches.cp, 1.0), (self.branches.cn, -1.0))
        return self._matrix(ends, self.plan.voltage, self.plan.n)

    @cached_property
    def held(self) -> csr_array:
        """Matrix (m, fixed node): what held voltages add to them."""
        circuit, rows = self.plan.circuit, np.arange(len(self.branches.value))
        shape = (len(rows), len(circuit.fixed_nodes))
        total = csr_array(shape)
        for nodes, sign in ((self.branches.cp, 1.0), (self.branches.cn, -1.0)):
            k = np.flatnonzero(~circuit.is_free[nodes] & (nodes != 0))  # ground adds nothing
            places = (k, self.plan.fixed_index[nodes[k]])
            total = total + coo_array((np.full(len(k), sign), places), shape=shape).tocsr()
        return csr_array(total)

    @cached_property
    def out(self) -> csr_array:
        """Matrix (n, m): what currents add to the equations."""
        ends = ((self.branches.out_p, 1.0), (self.branches.out_n, -1.0))
        return csr_array(self._matrix(ends, self.plan.current, self.plan.n).T)

    def _matrix(self, ends: tuple[tuple[NodeArray, float], ...], factor: Array, n: int) -> csr_array:
        free = self.plan.circuit.is_free
        total = csr_array((len(self.branches.value), n))
        for nodes, sign in ends:
            k = np.flatnonzero(free[nodes])
            places = (k, self.plan.unknown[nodes[k]])
            total = total + coo_array((sign * factor[nodes[k]], places), shape=total.shape).tocsr()
        return csr_array(total)

    @cached_property
    def pattern(self) -> csr_array:
        """Matrix (n, n) that is not zero wherever the sources can add to the conductance matrix."""
        return csr_array(abs(self.out) @ abs(self.control))

    @cached_property
    def products(self) -> tuple[Array | csr_array, Array | csr_array, Array | csr_array]:
        """Transposes of `control`, `held` and `out`, to multiply rows with."""
        return light(self.control.T), light(self.held.T), light(self.out.T)

    def matrix(self, value: Array) -> csr_array:
        """Return the conductance matrix (n, n) of sources with these values (m,)."""
        m = csr_array(self.out @ self.control.multiply(value[:, None]).tocsr())
        m.sum_duplicates()
        return m

    @cached_property
    def resistive(self) -> np.ndarray:
        """(m,) true for two-terminal parts that are plain resistors between unknowns, or to a held node."""
        b, plan = self.branches, self.plan
        free_p, free_n = (plan.circuit.is_free[nodes] for nodes in (b.out_p, b.out_n))
        own = (b.out_p == b.cp) & (b.out_n == b.cn)
        alike = np.ones(len(own), bool)
        for factor in (plan.voltage, plan.current):
            alike &= np.abs(factor[b.out_p] - factor[b.out_n]) <= SAME * np.abs(factor[b.out_p])
        apart = plan.unknown[b.out_p] != plan.unknown[b.out_n]
        return np.asarray(own & (free_p != free_n) | own & free_p & free_n & alike & apart)
