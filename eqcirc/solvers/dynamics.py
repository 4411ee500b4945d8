"""Kirchhoff's equations in time: what capacitors and inductors add to `equations`.

The state is x = (u, i): the reduced unknowns and the currents of R-L branches. With Q the capacitances and inductances,

    Q·dx/dt = −G(x),     G = ( F(u) without the branches + B·i ,  Rm·i − P·u − held ),     K = dG/dx .

B carries branch currents into the equations, P unknowns to branch voltages. At an operating point G = 0. Where a
scaling s exists, diag(t)·K is symmetric: the Hessian of the mixed potential E. Activators (t > 0) go down in E,
recovery variables (t < 0: branch currents, nodes behind gyrators) go up: a skew-gradient system.

Source: Brayton & Moser 1964, "A theory of nonlinear networks" I; Yanagida 2002 (skew-gradient systems).
"""

from __future__ import annotations

import copy
from functools import cached_property

import numpy as np
from scipy.linalg import eigvalsh

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.junctions import largest
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import RLMesh
from eqcirc.solvers.equations import LEAST_VOLTAGE, Equations, Linearised
from eqcirc.typing import Array, Parameters

EQUAL = 1e-9
"""F. In a circuit that has neither capacitors nor inductors, to ground from every free node but amplifier outputs."""
PARASITIC = 1e-3  # of the smallest capacitance: what such nodes have that lack one, while the circuit settles
HELD = 1000  # of the largest conductance and slope at a node: more than the circuit can pull with


class Dynamics:
    """The equations of motion of some rows (samples in the free phase).

    Attributes:
        equations: at rest; R-L branches are conductances there.
        bare: the same without the branches.
    """

    def __init__(self, equations: Equations) -> None:
        """Collect storage and branches."""
        self.equations, self.bare = equations, equations.without_branches()
        self.plan, self.system = equations.plan, self.bare.system
        self.n = self.plan.n
        self.n_branches = sum(len(e.a) for e in self.plan.meshes)
        self.size = self.n + self.n_branches
        self.into = np.zeros((self.n, self.n_branches))  # B
        self.across = np.zeros((self.n_branches, self.n))  # P
        self.resistance = np.zeros((self.n_branches, self.n_branches))  # Rm
        self.inductance = np.zeros(self.n_branches)
        self.ends = np.zeros(self.n_branches, np.intp)  # a node of every branch, a free one if there is any
        self.held = np.zeros((len(equations.fixed), self.n_branches))
        start = 0
        for element in self.plan.meshes:
            part = slice(start, start + len(element.a))
            self._place(element, part)
            start = part.stop

    @classmethod
    def of(cls, circuit: Circuit, parameters: Parameters | None, inputs: Array) -> Dynamics:
        """Return the equations of motion of a circuit for samples (batch, n_features)."""
        system = ReducedSystem(Reduction(circuit), parameters)
        return cls(Equations(system, circuit.fixed_voltages(inputs)))

    def take(self, rows: np.ndarray) -> Dynamics:
        """Return some rows."""
        part = copy.copy(self)
        part.equations, part.bare = self.equations.take(rows), self.bare.take(rows)
        part.held = self.held[rows]
        return part

    def state(self, u: Array) -> Array:
        """Return the state (row, size) at operating points u (row, n)."""
        return np.concatenate([u, self.branch_currents(u)], axis=1)

    def _place(self, element: RLMesh, part: slice) -> None:
        """Enter the branches of an element as rows and columns `part`."""
        plan, circuit = self.plan, self.plan.circuit
        self.resistance[part, part] = element.mesh_resistance(self.system.values[element.name])
        self.inductance[part] = element.inductance
        self.ends[part] = np.where(circuit.is_free[element.a], element.a, element.b)
        for node, sign in ((element.a, 1.0), (element.b, -1.0)):
            free = np.flatnonzero(circuit.is_free[node])
            branch, unknown = free + part.start, plan.unknown[node[free]]
            np.add.at(self.into, (unknown, branch), sign * plan.current[node[free]])
            np.add.at(self.across, (branch, unknown), sign * plan.voltage[node[free]])
            tied = np.flatnonzero(~circuit.is_free[node])
            self.held[:, tied + part.start] += sign * self.equations.fixed[:, plan.fixed_index[node[tied]]]

    @cached_property
    def stores(self) -> bool:
        """Whether there is any capacitor or inductor; if not, all nodes count as having equal capacitors."""
        return bool(self.system.capacitance.nnz or self.n_branches)

    @cached_property
    def storage(self) -> Array:
        """Q (size, size)."""
        q = np.zeros((self.size, self.size))
        c = self.system.capacitance.toarray() if self.stores else np.diag(EQUAL * self._at_roots)
        q[: self.n, : self.n] = c
        q[self.n :, self.n :] = np.diag(self.inductance)
        return q

    @cached_property
    def moving(self) -> np.ndarray:
        """(size,) true for states with storage; the others follow at once."""
        return np.asarray(self.storage.any(axis=1))

    def completed(self, share: float) -> Array:
        """Return Q with a share of the smallest capacitance at unknowns that have none, so that it has an inverse."""
        q = self.storage.copy()
        q[np.arange(self.n), np.arange(self.n)] += self.parasitic(share) * self._at_roots
        return q

    @cached_property
    def _at_roots(self) -> Array:
        """What a capacitor of 1 F from the root of an unknown to ground is (n,) in its equation."""
        return np.asarray(self.plan.current[self.plan.root] * self.plan.voltage[self.plan.root])

    def parasitic(self, share: float) -> Array:
        """Return the capacitances (n,) in farads that `completed` puts from roots of unknowns to ground.

        All get one if capacitors float between nodes.
        """
        c = self.storage[: self.n, : self.n] / self._at_roots[:, None]
        own = np.abs(np.diag(c))
        if own.any():
            little = share * own[own > 0].min() * np.ones(self.n)
        else:  # as fast, in comparison, as the coils
            fast = (self.inductance * self.units[self.n :]).min()
            little = share * fast * self._conductance / np.abs(self._at_roots)
        floating = np.count_nonzero(c) > np.count_nonzero(own) and bool(
            eigvalsh((c + c.T) / 2)[0] < little.min()
        )
        return np.where((own == 0) | floating, little, 0.0)

    @cached_property
    def _conductance(self) -> Array:
        """What reaches every unknown (n,), in siemens: linear parts, and devices at 0 V where there are no others."""
        at, _ = self.bare.linearise(np.zeros_like(self.bare.injection))
        total = self.system.strength + np.where(
            self.system.strength > 0, 0.0, np.abs(at.diagonal).max(axis=0)
        )
        through = np.abs(self.into) @ (1 / np.diag(self.resistance))
        return np.where(total > 0, total, np.where(through > 0, through, 1.0))

    @cached_property
    def units(self) -> Array:
        """Largest value of every state (size,) where the largest voltage is 1 V: currents have the circuit around."""
        free = self.plan.circuit.is_free[self.ends]
        around = np.where(free, self._conductance[self.plan.unknown[self.ends]], np.inf)
        return np.concatenate([np.ones(self.n), 1 / (np.diag(self.resistance) + 1 / around)])

    @property
    def supplied(self) -> Array:
        """(row,) largest voltage of the sources that currents flow to; what only controls others is of any size."""
        carries = self.plan.carries[self.plan.circuit.fixed_nodes]
        return np.asarray(np.abs(self.equations.fixed[:, carries]).max(axis=1, initial=0.0))

    def scale(self, u: Array) -> Array:
        """Return what counts as large for every state (row, size) at u (row, n): the largest voltage, its current."""
        volts = np.maximum(np.maximum(self.supplied, LEAST_VOLTAGE), np.abs(u).max(axis=1))
        return np.asarray(volts[:, None] * self.units)

    def steepness(self, u: Array) -> Array:
        """Return the largest slope (n,) of the devices at every unknown: at rest, at states u (row, n), on a fall."""
        return np.maximum(self._steepness(np.zeros_like(u)), self._steepness(u))

    def _steepness(self, u: Array) -> Array:
        steep = np.zeros(self.n)
        for junction, area in zip(self.plan.junctions, self.bare.areas, strict=True):
            junction.add_steepest(steep, area)
        there = np.abs(self.bare.linearise(u)[0].diagonal)
        return np.asarray(np.fmax(np.abs(steep), np.fmax.reduce(there, axis=0)))

    def holding(self, u: Array) -> float:
        """Return a conductance to sources at u (row, n) that holds every node there, whatever its devices do there."""
        return HELD * float((self.equations.system.strength + self._steepness(u)).max())

    def times(self, steep: Array | float = 0.0) -> Array:
        """Return first guesses of time constants (size,) in seconds, with slopes (n,) of devices if given; 0 for none.

        Small resistances between nodes make them too short: what they join is slower than each by itself.
        """
        stored = np.abs(np.diag(self.storage))
        return np.asarray(stored / np.concatenate([self._conductance + steep, 1 / self.units[self.n :]]))

    @property
    def slowest(self) -> float:
        """A first guess of the slowest time constant in seconds."""
        return float(self.times().max())

    def fastest(self, steep: Array | float = 0.0) -> float:
        """Return a first guess of the fastest time constant in seconds, with slopes (n,) of devices if given."""
        times = self.times(steep)
        return float(times[times > 0].min())

    @cached_property
    def admittance(self) -> Array:
        """Rm⁻¹ (branch, branch)."""
        own = np.diag(self.resistance)
        return np.asarray(np.linalg.inv(self.resistance) if self.shared else np.diag(1 / own), np.float64)

    @cached_property
    def shared(self) -> bool:
        """Whether branches share resistances."""
        return bool(np.count_nonzero(self.resistance) > self.n_branches)

    def flow(self, x: Array, at: Linearised) -> Array:
        """Return G (row, size) at x, for which `at` is the linearisation without branches."""
        u, i = x[:, : self.n], x[:, self.n :]
        if not self.n_branches:
            return at.residual
        across = u @ self.across.T + self.held
        return np.concatenate([at.residual + i @ self.into.T, i @ self.resistance.T - across], axis=1)

    def jacobian(self, at: Linearised) -> Array:
        """Return K (row, size, size) of a linearisation without branches."""
        return self.whole(at.jacobian(self.system.matrix))

    def whole(self, nodal: Array) -> Array:
        """Return K (row, size, size) from dF/du (row, n, n) without branches."""
        n, k = self.n, np.zeros((len(nodal), self.size, self.size))
        k[:, :n, :n] = nodal
        k[:, :n, n:] = self.into
        k[:, n:, :n] = -self.across
        k[:, n:, n:] = self.resistance
        return k

    def steepest(self) -> Array:
        """Return K (size, size) with every device at the steepest fall of its current."""
        diagonal, beside = np.zeros((1, self.n)), [np.empty((1, 0))]
        for junction, area in zip(self.plan.junctions, self.bare.areas, strict=True):
            slope = junction.steepest_slopes(largest(area))[None]
            junction.add_slopes(diagonal, slope)
            beside += junction.cross_slopes(slope)
        nothing = np.zeros((1, self.n))
        entries = np.concatenate(beside, axis=1)
        one = nothing[:, 0]
        at = Linearised(
            nothing,
            diagonal,
            entries,
            None,
            nothing,
            one,
            one.astype(bool),
            self.plan.pairs,
            self.plan.outputs.unknowns,
        )
        return np.asarray(self.jacobian(at)[0])

    def branch_currents(self, u: Array) -> Array:
        """Return the branch currents (row, branch) at rest of unknowns u (row, n)."""
        if not self.n_branches:
            return u[:, :0]
        return np.asarray((u @ self.across.T + self.held) @ self.admittance.T)

    @cached_property
    def scaling(self) -> Array | None:
        """Factors t (size,), positive where N-shaped devices are; None if the circuit has no scaling.

        0 for the current of a branch between two sources, which nothing else depends on.
        """
        plan, free = self.plan, self.plan.circuit.free_nodes
        s = plan.symmetry(self.system.given)
        if s is None:
            return None
        t = np.zeros(self.size)
        t[plan.unknown[free]] = s[free] * plan.voltage[free] / plan.current[free]
        t[self.n :] = -s[self.ends]
        falling = np.zeros(self.size, bool)
        for j in plan.junctions:
            if j.steepest_fall > 0:
                for unknown, factor in zip(*j.control[:2], strict=True):
                    falling[unknown[factor != 0]] = True
        part = np.concatenate([plan.part, plan.part[plan.unknown[self.ends]]])
        for label in np.unique(plan.part):  # each has a sign of its own, that of its first output
            members = np.flatnonzero(part == label)
            first = members[falling[members]][:1]
            t[members] *= np.sign(t[first[0] if first.size else members[0]])
        return t
