"""Series R-L branches, with resistances that two of them may share: mesh analysis.

Law       L_k·di_k/dt = v_ab,k − (Rm·i)_k,   Rm = Nᵀ·diag(R)·N;   i_k leaves node a_k and enters node b_k
          R: the branches' own resistances (n,), then the shared ones (m,). A row of N (n + m, n) is 1 at its branch
          for an own resistance, and 1 and −1 at the two branches, whose currents cross it against each other,
          for a shared one. At an operating point i = Rm⁻¹·v_ab.
Learning  dC/dR_k = −(N·Rm⁻¹·lam_ab)_k·(N·i)_k: the contrast of −½·(current)², for currents are recovery variables
SPICE     for each branch r, l and, if a resistance is shared, a current-controlled source (h) with its ammeter (v)
Range     1e-3 to 1e12 ohm, or 0 for an ideal coil, a short at an operating point (`ReducedSystem` gives it so little
          resistance that no voltage changes by more than 1e-10 of itself); 1e-15 to 1e6 H
Source    Brayton & Moser 1964, "A theory of nonlinear networks" (the mixed potential)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from eqcirc.devices.base import Branches, LinearElement, first, number
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LOWEST, HIGHEST = 1e-3, 1e12  # ohm
LEAST_HENRY, MOST_HENRY = 1e-15, 1e6


@dataclass(frozen=True, eq=False, kw_only=True)
class RLMesh(LinearElement):
    """Branches from nodes a (n,) to nodes b (n,).

    Attributes:
        inductance: (n,) in henries, fixed.
        shared: (m, 2) pairs of branches that share a resistance.
        value: (n + m,) resistances in ohms, the own ones first.
    """

    a: NodeArray
    b: NodeArray
    inductance: Array
    shared: NodeArray

    unit = "ohm"

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        n, m = len(self.a), len(self.shared)
        name = f"R-L branches {self.name!r}"
        if (
            not self.a.shape == self.b.shape == self.inductance.shape == (n,)
            or self.value.shape != (n + m,)
            or self.shared.shape != (m, 2)
        ):
            raise CircuitError(
                f"{name}: expected {n} nodes at both ends, {n} inductances and {n} own + {m} shared resistances, "
                f"got {self.a.shape}, {self.b.shape}, {self.inductance.shape} and {self.value.shape}"
            )
        if m and (
            self.shared.min() < 0 or self.shared.max() >= n or (self.shared[:, 0] == self.shared[:, 1]).any()
        ):
            raise CircuitError(f"{name}: a shared resistance belongs to two different branches, 0 to {n - 1}")
        bad = ~((self.inductance >= LEAST_HENRY) & (self.inductance <= MOST_HENRY))
        if bad.any():
            raise CircuitError(
                f"{name}: inductance {first(bad, self.inductance)} H; expected between {LEAST_HENRY:g} and "
                f"{MOST_HENRY:g} H"
            )
        self.check(self.value)
        if self.trainable and (self.value == 0).any():
            raise CircuitError(f"{name}: a resistance that is trained begins above 0 ohm, got 0")

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a resistance outside the valid range."""
        super().check(value)
        bad = ~((value >= LOWEST) & (value <= HIGHEST) | (value == 0))
        if bad.any():
            raise CircuitError(
                f"R-L branches {self.name!r}: resistance {first(bad, value)} ohm; expected between {LOWEST:g} and "
                f"{HIGHEST:g} ohm, or 0 for none"
            )
        if (value[: len(self.a)] == 0).any():
            self._check_shared(value)

    def _check_shared(self, value: Array) -> None:
        """Raise `CircuitError` where branches share resistances and none of them has its own."""
        n = len(self.a)
        links = self.shared[value[n:] > 0].T
        part = connected_components(
            coo_array((np.ones(links.shape[1]), links), shape=(n, n)), directed=False
        )[1]
        without = (np.bincount(part, value[:n]) == 0) & (np.bincount(part) > 1)
        if without.any():
            members = np.flatnonzero(part == np.argmax(without)).tolist()
            raise CircuitError(
                f"R-L branches {self.name!r}: {members} share resistances, and none has one of its own: nothing says "
                "how a current divides between them; give one a resistance of its own"
            )

    @property
    def lossless(self) -> np.ndarray:
        """(n,) true for branches without resistance, own or shared."""
        return self._shorts(self.value)

    def _shorts(self, value: Array) -> np.ndarray:
        total = value[: len(self.a)].copy()
        np.add.at(total, self.shared.ravel(), np.repeat(value[len(self.a) :], 2))
        return np.asarray(total == 0)

    @cached_property
    def incidence(self) -> Array:
        """N, (n + m, n): which currents flow through which resistance."""
        n, m = len(self.a), len(self.shared)
        crossing = np.zeros((m, n))
        crossing[np.arange(m), self.shared[:, 0]] = 1
        crossing[np.arange(m), self.shared[:, 1]] = -1
        return np.concatenate([np.eye(n), crossing])

    def mesh_resistance(self, value: Array) -> Array:
        """Return Rm (n, n) in ohms."""
        n = len(self.a)
        crossing = self.incidence[n:]
        return np.asarray(np.diag(value[:n]) + crossing.T @ (value[n:, None] * crossing))

    def admittance(self, value: Array) -> Array:
        """Return Rm⁻¹ (n, n), which makes currents at rest out of the voltages across."""
        return np.asarray(np.linalg.inv(self.mesh_resistance(value)))

    def currents(self, value: Array, v: Array) -> Array:
        """Return the branch currents (batch, n) at an operating point of voltages v (batch, node)."""
        if not len(self.shared):
            return np.asarray((v[:, self.a] - v[:, self.b]) / value)
        across = v[:, self.a] - v[:, self.b]
        return np.asarray(np.linalg.solve(self.mesh_resistance(value), across.T).T)

    def terminals(self) -> NodeArray:
        """Return both ends."""
        return np.concatenate([self.a, self.b])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return the ends of every branch."""
        return self.a, self.b

    def mutual(self) -> tuple[NodeArray, NodeArray]:
        """Return the ends of branches that share a resistance, each of one with each of the other."""
        one, other = self.shared.T
        a, b = self.a, self.b
        return (
            np.concatenate([a[one], a[one], b[one], b[one]]),
            np.concatenate([a[other], b[other], a[other], b[other]]),
        )

    def branches(self, value: Array) -> Branches:
        """Return the admittance Rm⁻¹: the voltage across a branch drives a current through those it shares with.

        A short counts as the lowest resistance, which is enough to see who drives whom; `ReducedSystem` takes less.
        """
        value = np.concatenate(
            [np.where(self._shorts(value), LOWEST, value[: len(self.a)]), value[len(self.a) :]]
        )
        if len(self.shared):
            k, l = (x.ravel() for x in np.indices((len(self.a), len(self.a))))
            y = np.asarray(np.linalg.inv(self.mesh_resistance(value)).ravel(), np.float64)
        else:
            k = l = np.arange(len(self.a))
            y = 1 / value
        return Branches(self.a[k], self.b[k], self.a[l], self.b[l], y)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return minus the sum over the batch of (N·j)·(N·i), j the currents that lam drives, shape (n + m,)."""
        j, i = (self.currents(value, x) @ self.incidence.T for x in (lam, v))
        return np.asarray(-(j * i).sum(axis=0))

    def holders(self, k: int, name: str) -> tuple[str, ...]:
        """Return the SPICE lines that have resistance k in `cards`, if the element is called `name`.

        An own one is in its resistor, with what its branch shares; a shared one in the sources of both branches.
        """
        if k < len(self.a):
            return (f"r_{name}_{k}",)
        pairs = self.shared[: k - len(self.a) + 1].tolist()
        return tuple(f"h_{name}_{end}_{sum(end in pair for pair in pairs) - 1}" for end in pairs[-1])

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return resistor, inductor, ammeter and controlled sources of every branch."""
        n, name = len(self.a), self.name
        crossing: dict[int, list[tuple[int, float]]] = defaultdict(list)
        total = value[:n].copy()  # what its own current crosses
        for (one, other), r in zip(self.shared.tolist(), value[n:].tolist(), strict=True):
            for here, there in ((one, other), (other, one)):
                total[here] += r
                crossing[here].append((there, r))
        lines = []
        for k, (a, b) in enumerate(zip(self.a.tolist(), self.b.tolist(), strict=True)):
            stops = [node[a], f"eq_{name}_{k}_r", f"eq_{name}_{k}_l"]
            if total[k]:
                lines.append(f"r_{name}_{k} {stops[0]} {stops[1]} {number(total[k])}")
            else:  # R = 0 would become 1 mOhm
                stops[1] = stops[0]
            end = stops[2] if crossing[k] else node[b]
            lines.append(f"l_{name}_{k} {stops[1]} {end} {number(self.inductance[k])}")
            for j, (there, r) in enumerate(crossing[k]):
                step = f"eq_{name}_{k}_h{j}"
                lines.append(f"h_{name}_{k}_{j} {end} {step} v_eq_{name}_{there} {number(-r)}")
                end = step
            if crossing[k]:
                lines.append(f"v_eq_{name}_{k} {end} {node[b]} 0")
        return lines
