"""dx/dt of the states of a circuit, in doubles, with all parts of a kind in one array.

States are those of `storage`. Currents are formed part by part, as in `equations`, but not by its code.
At t = 0 nothing is charged and all sources are on. Where capacitors join held nodes and states, the step of the
sources moves charge at once: the states start where no node has gained or lost charge.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.arithmetic import FLOAT
from oracle.description import (
    Capacitor,
    Coupling,
    Description,
    Gyrator,
    Resistor,
    Shared,
    Source,
    Transconductor,
    Vector,
)
from oracle.equations import Circuit
from oracle.laws import law
from oracle.storage import reduction


class Flow:
    """dx/dt of a circuit that has storage everywhere (see `storage.with_storage`), at one input."""

    def __init__(self, description: Description, x: Vector):
        self.circuit = circuit = Circuit(description, x, FLOAT)
        self.n_nodes = n = description.n_nodes
        plan = reduction(circuit)
        self.expand, self.collect, self.given = plan.expand, plan.collect, plan.given
        self.n = len(plan.states)
        self.injected = np.zeros(n)
        for node, amps in circuit.injected:
            self.injected[node] += amps
        self.pairs: list[tuple[int, int, float]] = []  # two-terminal conductances
        self.others = np.zeros((n, n))  # currents that leave nodes per volt elsewhere
        for part in circuit.parts:
            self._linear(part)
        self.ends = np.array([[a, b] for a, b, _ in self.pairs], int).reshape(-1, 2)
        self.siemens = np.array([g for _, _, g in self.pairs])
        self.incidence = _incidence(self.ends, n)
        self.junctions = circuit.junctions
        self._junction_incidence = _incidence(
            np.array([[p.a, p.c] for p in self.junctions], int).reshape(-1, 2), n
        )
        self._storage()

    def _linear(self, part: Any) -> None:
        def sense(out: int, at: int, gm: float) -> None:
            self.others[out, at] += gm

        if isinstance(part, Resistor):
            self.pairs.append((part.a, part.b, part.g))
        elif isinstance(part, Source):
            self.injected[part.node] += part.amps
        elif isinstance(part, Transconductor):
            for out, sign in ((part.out_p, 1), (part.out_n, -1)):
                sense(out, part.cp, sign * part.gm)
                sense(out, part.cn, -sign * part.gm)
        elif isinstance(part, Gyrator):
            sense(part.a, part.b, part.gm)
            sense(part.b, part.a, -part.gm)
            sense(part.b, part.ref, part.gm)
        elif isinstance(part, Coupling):
            if part.loaded and part.w >= 0:
                self.pairs.append((part.r, part.c, part.w))
                return
            sense(part.c, part.r, -part.w)
            sense(part.r, part.c, -part.w)
            if part.loaded:
                self.pairs += [(part.r, 0, -part.w), (part.c, 0, -part.w)]

    def _storage(self) -> None:
        """Capacitances of the states, and the branches: those with inductance have states, the others follow."""
        description, branches = self.circuit.description, self.circuit.branches
        C = np.zeros((self.n_nodes, self.n_nodes))
        for part in description.of(Capacitor):
            for row, sign in ((part.a, 1), (part.b, -1)):
                C[row, part.a] += sign * part.farad
                C[row, part.b] -= sign * part.farad
        self.C = self.collect @ C @ self.expand
        self.C_inverse = np.linalg.inv(self.C) if self.n else self.C
        self.first_charge = self.collect @ (C @ self.given)
        self.R = np.diag([float(part.r_ohm) for part in branches])
        for part in description.of(Shared):
            pair = [part.i, part.j]
            self.R[np.ix_(pair, pair)] += part.r_ohm * np.array([[1, -1], [-1, 1]])
        self._branch_incidence = _incidence(
            np.array([[p.a, p.b] for p in branches], int).reshape(-1, 2), self.n_nodes
        )
        self.coils = [k for k, part in enumerate(branches) if part.henry > 0]
        self.resistive = [k for k, part in enumerate(branches) if part.henry <= 0]
        self.coil_parts = [branches[k] for k in self.coils]
        self.henry = np.array([branches[k].henry for k in self.coils])
        self.at_once = np.linalg.inv(self.R[np.ix_(self.resistive, self.resistive)])

    def start(self) -> np.ndarray:
        """States at t = 0+."""
        return np.concatenate([-self.C_inverse @ self.first_charge, np.zeros(len(self.coils))])

    def voltages(self, x: np.ndarray) -> np.ndarray:
        """Voltages of all nodes."""
        return self.expand @ x[: self.n] + self.given

    def _currents(self, v: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Currents of all branches, and the voltages across them."""
        across = self._branch_incidence @ v
        i = np.zeros(len(across))
        i[self.coils] = x[self.n :]
        rest = across[self.resistive] - self.R[np.ix_(self.resistive, self.coils)] @ i[self.coils]
        i[self.resistive] = self.at_once @ rest
        return i, across

    def __call__(self, _t: float, x: np.ndarray) -> np.ndarray:
        """dx/dt, V/s and A/s."""
        v = self.voltages(x)
        i, across = self._currents(v, x)
        leaving = self.others @ v - self.injected + self._branch_incidence.T @ i
        leaving += self.incidence.T @ (self.siemens * (self.incidence @ v))
        currents = [
            law(p, u, FLOAT)[0] for p, u in zip(self.junctions, self._junction_incidence @ v, strict=True)
        ]
        leaving += self._junction_incidence.T @ np.array(currents)
        coils = (across - self.R @ i)[self.coils] / self.henry
        return np.concatenate([-self.C_inverse @ (self.collect @ leaving), coils])

    def jacobian(self, _t: float, x: np.ndarray) -> np.ndarray:
        """d(dx/dt)/dx."""
        v = self.voltages(x)
        slopes = [
            law(p, u, FLOAT)[1] for p, u in zip(self.junctions, self._junction_incidence @ v, strict=True)
        ]
        J = self.others + self.incidence.T @ (self.siemens[:, None] * self.incidence)
        J = J + self._junction_incidence.T @ (np.array(slopes)[:, None] * self._junction_incidence)
        B, across = self._branch_incidence, self._branch_incidence @ self.expand
        by_state = np.zeros((len(B), self.n + len(self.coils)))  # d(currents of branches)/dx
        by_state[self.coils, self.n + np.arange(len(self.coils))] = 1
        follow = -self.R[np.ix_(self.resistive, self.coils)] @ by_state[self.coils]
        follow[:, : self.n] += across[self.resistive]
        by_state[self.resistive] = self.at_once @ follow
        nodes = self.collect @ B.T @ by_state
        nodes[:, : self.n] += self.collect @ J @ self.expand
        coils = -(self.R @ by_state)[self.coils]
        coils[:, : self.n] += across[self.coils]
        return np.vstack([-self.C_inverse @ nodes, coils / self.henry[:, None]])


def _incidence(ends: np.ndarray, n: int) -> np.ndarray:
    """One row per part: +1 at its first node, -1 at its second."""
    B = np.zeros((len(ends), n))
    for k, (a, b) in enumerate(ends):
        B[k, a] += 1
        B[k, b] -= 1
    return B
