"""One implicit step in time is an operating point: of a circuit in which companion models stand for what stores.

Over a step tau from a state (u*, i*), a capacitor C is a conductance C/tau with a source, and R-L branches are an
admittance Y = (Rm + L/tau)⁻¹ with sources:

    C·(u − u*)/tau + F(u) = 0,   with the branch currents   i = Y·(P·u + held + L·i*/tau)   in F.

So Newton's method with its junction limiting, and the linear solvers of operating points, do the steps of an
integrator, for rows that are at different times and take different steps.

Source: Nagel 1975, "SPICE2: A computer program to simulate semiconductor circuits" (companion models).
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import PRECISION, Equations, Linearised
from eqcirc.solvers.linear.base import LinearSolver, solve_rows
from eqcirc.solvers.linear.choice import choose
from eqcirc.sparse import light
from eqcirc.typing import Array, NodeArray


class Companions:
    """What of the companion models does not change from step to step."""

    def __init__(self, dynamics: Dynamics, share: float) -> None:
        """Complete the storage; nodes without any get this share of the smallest."""
        plan = dynamics.plan
        self.dynamics = dynamics
        self.capacitance = csr_array(dynamics.completed(share)[: plan.n, : plan.n])
        self.capacitance.sum_duplicates()
        self.charges = light(self.capacitance.T)
        self._own = self.capacitance.diagonal()
        c = self.capacitance.tocoo()
        beside = c.row != c.col
        self._c_pairs, self._c_values = (c.row[beside], c.col[beside]), c.data[beside]
        self.entries = _branch_entries(dynamics)
        crossing = self.entries.row != self.entries.column
        self._crossing = np.flatnonzero(crossing)
        self._at_node = np.flatnonzero(~crossing)
        self.pairs = (
            np.concatenate([plan.pairs[0], self._c_pairs[0], self.entries.row[crossing]]),
            np.concatenate([plan.pairs[1], self._c_pairs[1], self.entries.column[crossing]]),
        )
        self.linear: LinearSolver = choose(plan, self.pairs)

    def admittance(self, tau: Array) -> Array:
        """Return Y of rows with steps tau (row,): (row, branch), or (row, branch, branch) if branches share."""
        d = self.dynamics
        if d.shared:
            inertia = np.diag(d.inductance)[None] / tau[:, None, None]
            return np.asarray(np.linalg.inv(d.resistance + inertia))
        return np.asarray(1 / (np.diag(d.resistance) + d.inductance / tau[:, None]))

    def stamp(self, at: Linearised, tau: Array, admittance: Array, residual: Array) -> Linearised:
        """Return the linearisation with the conductances of the companion models, and another residual."""
        diagonal = at.diagonal + self._own / tau[:, None]
        through = self.entries.of(admittance)
        np.add.at(diagonal.T, self.entries.row[self._at_node], through[:, self._at_node].T)
        beside = [at.beside, self._c_values / tau[:, None], through[:, self._crossing]]
        tolerance = PRECISION * at.largest[:, None] * (self.dynamics.system.strength + np.abs(diagonal))
        return replace(
            at,
            residual=residual,
            diagonal=diagonal,
            beside=np.concatenate(beside, axis=1),
            tolerance=tolerance,
            pairs=self.pairs,
        )


class Step:
    """The equations of one implicit step of some rows, as Newton's method wants them."""

    def __init__(
        self, companions: Companions, equations: Equations, held: Array, tau: Array, u: Array, i: Array
    ) -> None:
        """Set up a step.

        Args:
            companions: of the circuit.
            equations: its rows, without branches.
            held: (row, branch) what held nodes add to the voltages across branches.
            tau: (row,) length.
            u: (row, n) unknowns, and
            i: (row, branch) currents, of the state that the step starts from.
        """
        self.companions, self.equations = companions, equations
        self._held, self._tau, self._u, self._i = held, tau, u, i
        self._admittance = companions.admittance(tau)

    @property
    def plan(self) -> Reduction:
        """The reduction."""
        return self.equations.plan

    @property
    def system(self) -> ReducedSystem:
        """The numbers of the reduced circuit."""
        return self.equations.system

    @property
    def injection(self) -> Array:
        """Currents (row, n) of the circuit at rest; there are as many as rows."""
        return self.equations.injection

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return some rows."""
        part = copy.copy(self)
        part.equations, part._held, part._tau = self.equations.take(rows), self._held[rows], self._tau[rows]
        part._u, part._i = self._u[rows], self._i[rows]
        part._admittance = self._admittance[rows]
        return part

    def linearise(self, u: Array, last: list[Array] | None = None) -> tuple[Linearised, list[Array]]:
        """See `Equations.linearise`."""
        d, c = self.companions.dynamics, self.companions
        at, points = self.equations.linearise(u, last)
        residual = at.residual + np.asarray((u - self._u) @ c.charges) / self._tau[:, None]
        if d.n_branches:
            residual += self.currents(u) @ d.into.T
        return c.stamp(at, self._tau, self._admittance, residual), points

    def currents(self, u: Array) -> Array:
        """Return the branch currents (row, branch) at the end of the step, at unknowns u (row, n)."""
        d = self.companions.dynamics
        return self._through(u @ d.across.T + self._held + d.inductance * self._i / self._tau[:, None])

    def _through(self, volts: Array) -> Array:
        y = self._admittance
        return y * volts if y.ndim == volts.ndim else np.asarray(np.einsum("rkl,rl->rk", y, volts))

    def damped(self, u: Array, error_u: Array, error_i: Array) -> tuple[Array, Array]:
        """Return an error as the step passes it on: little is left of what decays within it.

        That is (1 + tau·Q⁻¹·K)⁻¹ times the error (row, n) of the unknowns and (row, branch) of the currents.
        """
        d, c = self.companions.dynamics, self.companions
        at, _ = self.linearise(u)
        emf = d.inductance * error_i / self._tau[:, None]
        rhs = np.asarray(error_u @ c.charges) / self._tau[:, None] - self._through(emf) @ d.into.T
        left = solve_rows(c.linear, self.system, at, rhs)
        return left, self._through(left @ d.across.T + emf)


class _Entries:
    """Where R-L branches stand in the nodal Jacobian: entry e is weight·Y[k, l] at (row, column)."""

    def __init__(self, row: NodeArray, column: NodeArray, k: NodeArray, l: NodeArray, weight: Array) -> None:
        self.row, self.column, self.k, self.l, self.weight = row, column, k, l, weight

    def of(self, admittance: Array) -> Array:
        """Return the entries (row, e) for an admittance (row, branch), or (row, branch, branch)."""
        there = admittance[:, self.k] if admittance.ndim == 2 else admittance[:, self.k, self.l]
        return np.asarray(there * self.weight)


def _branch_entries(dynamics: Dynamics) -> _Entries:
    """Return all products of what enters a node through branch k and the voltage of a node across branch l."""
    into, across = csr_array(dynamics.into.T).tocoo(), csr_array(dynamics.across).tocoo()
    coupled = np.abs(dynamics.admittance) > 0
    here, there = np.nonzero(coupled[into.row][:, across.row])
    return _Entries(
        into.col[here],
        across.col[there],
        into.row[here],
        across.row[there],
        into.data[here] * across.data[there],
    )
