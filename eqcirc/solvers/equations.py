"""Kirchhoff's equations of a reduced circuit for many samples and phases at once.

A *row* is one sample in one phase. F(u) = M·u + device currents − injection + nudge = 0, with u (row, n).
Newton's method and the check of the simulator's answers both read the circuit through this file.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from scipy.sparse import csr_array

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import Cost
from eqcirc.solvers.base import Nudge
from eqcirc.sparse import dense
from eqcirc.typing import Array, NodeArray

PRECISION = 1e-12
"""Kirchhoff's law holds when F, over the conductance at the unknown, is below this part of the row's largest voltage.

Rounding leaves about 1e-15. A measure relative to each unknown's own voltage would never be met by a node that
happens to be at 0 V, such as the middle of a balanced bridge. It is no bound on the error of a voltage: a strong part
between weakly fed nodes hides what moves them both. Newton's step tells (`ideal.newton`).
"""
LEAST_VOLTAGE = 1e-3
"""V. Counts as the largest voltage of rows below it: an exponential of less is rounded against 1, not 0."""


@dataclass(frozen=True, eq=False)
class Linearised:
    """The equations at one u: F and the parts of the Jacobian beside M.

    Attributes:
        residual: (row, n) F in amperes.
        diagonal: (row, n) additions to the diagonal of M.
        beside: (row, pair) additions at `pairs`.
        outputs: (row, m, m) additions of the nudge at `Equations.output_unknowns`, if there is one.
        tolerance: (row, n) what is left of F in amperes where Kirchhoff's law holds.
        largest: (row,) voltage that errors are measured by: the largest of the row, 1 mV at least.
        limited: (row,) true where a device is linearised elsewhere than at its voltage.
        pairs: rows and columns of the entries that `beside` adds to.
        output_unknowns: (m,) where `outputs` adds.
    """

    residual: Array
    diagonal: Array
    beside: Array
    outputs: Array | None
    tolerance: Array
    largest: Array
    limited: np.ndarray
    pairs: tuple[NodeArray, NodeArray]
    output_unknowns: NodeArray

    @property
    def solved(self) -> np.ndarray:
        """(row,) true where Kirchhoff's law holds."""
        return np.asarray(~self.limited & (np.abs(self.residual) <= self.tolerance).all(axis=1))

    def take(self, rows: np.ndarray | slice) -> Linearised:
        """Return some rows."""
        outputs = None if self.outputs is None else self.outputs[rows]
        return Linearised(
            self.residual[rows],
            self.diagonal[rows],
            self.beside[rows],
            outputs,
            self.tolerance[rows],
            self.largest[rows],
            self.limited[rows],
            self.pairs,
            self.output_unknowns,
        )

    def jacobian(self, matrix: Array | csr_array) -> Array:
        """Return dF/du (row, n, n), dense; `matrix` is M."""
        dense = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
        total = np.tile(dense, (len(self.diagonal), 1, 1))
        diagonal = np.arange(total.shape[1])
        total[:, diagonal, diagonal] += self.diagonal
        np.add.at(total.transpose(1, 2, 0), self.pairs, self.beside.T)
        if self.outputs is not None:
            k = self.output_unknowns
            total[:, k[:, None], k] += self.outputs
        return total


@dataclass(frozen=True, eq=False)
class _Pull:
    """The nudge of every row: the current strength·dC/doutput·draw leaves the output unknowns.

    Attributes:
        cost: of the outputs.
        targets: (row, n_outputs).
        strength: (row, 1) factor·beta.
        draw: (n_outputs, m).
    """

    cost: Cost
    targets: Array
    strength: Array
    draw: Array | csr_array

    def take(self, rows: np.ndarray | slice) -> _Pull:
        return _Pull(self.cost, self.targets[rows], self.strength[rows], self.draw)

    def jacobian(self, outputs: Array, read: Array | csr_array) -> Array:
        """Return the derivative (row, m, m) of the current by the output unknowns."""
        hessian = self.cost.hessian(outputs, self.targets)
        return np.asarray(self.strength[:, :, None] * (dense(self.draw).T @ hessian @ dense(read)))


class Rows(Protocol):
    """What Newton's method needs of equations."""

    @property
    def plan(self) -> Reduction:
        """The reduction."""
        ...

    @property
    def system(self) -> ReducedSystem:
        """The numbers of the reduced circuit."""
        ...

    @property
    def injection(self) -> Array:
        """Currents (row, n) into the unknowns: there are as many as rows."""
        ...

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return some rows."""
        ...

    def linearise(self, u: Array, last: list[Array] | None = None) -> tuple[Linearised, list[Array]]:
        """Return the equations at u (row, n), see `Equations.linearise`."""
        ...


class Equations:
    """Rows of equations: sample-dependent sources, device offsets, and the nudge of every row."""

    def __init__(self, system: ReducedSystem, fixed: Array) -> None:
        """Set up free-phase rows for held voltages (row, fixed node)."""
        self.system = system
        self.plan = system.plan
        self.fixed = fixed
        self.injection = system.injection(fixed)
        self._drive = system.drive(fixed)
        self._held_outputs = np.asarray(fixed @ self.plan.outputs.held.T)
        self._offsets = [j.offset(fixed) for j in self.plan.junctions]
        self.areas = system.areas(fixed)
        held = [np.full(len(fixed), LEAST_VOLTAGE), *(np.abs(offset).max(axis=1) for offset in self._offsets)]
        self._voltage_scale = np.max(held, axis=0)
        self._pull: _Pull | None = None

    @property
    def output_unknowns(self) -> NodeArray:
        """Unknowns (m,) that the outputs depend on."""
        return self.plan.outputs.unknowns

    @property
    def pairs(self) -> tuple[NodeArray, NodeArray]:
        """Row and column unknowns of the entries that devices add beside the diagonal."""
        return self.plan.pairs

    def nudged(self, nudge: Nudge) -> Equations:
        """Return the rows of all nudged phases, phase by phase."""
        batch, readout = len(self.injection), self.plan.circuit.readout
        part = self.take(np.tile(np.arange(batch), len(nudge.factors)))
        part._pull = _Pull(
            nudge.cost,
            np.tile(nudge.targets, (len(nudge.factors), 1)),
            nudge.beta * np.repeat(nudge.factors, batch)[:, None],
            self.plan.outputs.draw(nudge.strengths(len(readout.nodes))),
        )
        return part

    def taken_apart(self) -> Equations:
        """Return the same equations, whose sums are exact; see `ReducedSystem.taken_apart`."""
        return self._with(self.system.taken_apart())

    def without_branches(self) -> Equations:
        """Return the equations of the circuit without its R-L branches, whose currents are states by themselves."""
        return self._with(self.system.without_branches()) if self.plan.meshes else self

    def _with(self, system: ReducedSystem) -> Equations:
        part = copy.copy(self)
        part.system, part._drive = system, system.drive(self.fixed)
        return part

    def take(self, rows: np.ndarray | slice) -> Self:
        """Return the equations of some rows."""
        part = copy.copy(self)
        part.fixed = self.fixed[rows]
        part.injection = self.injection[rows]
        part._drive = self._drive[rows]
        part._held_outputs = self._held_outputs[rows]
        part._offsets = [offset[rows] for offset in self._offsets]
        part.areas = [area[rows] if area.ndim > 1 else area for area in self.areas]
        part._voltage_scale = self._voltage_scale[rows]
        part._pull = None if self._pull is None else self._pull.take(rows)
        return part

    def device_voltages(self, u: Array) -> list[Array]:
        """Return the voltages (row, device) of every group of devices, see `Junctions.voltages`."""
        return [j.voltages(u, offset) for j, offset in zip(self.plan.junctions, self._offsets, strict=True)]

    def linearise(self, u: Array, last: list[Array] | None = None) -> tuple[Linearised, list[Array]]:
        """Return the equations at u and the voltages that devices were linearised at.

        Args:
            u: (row, n).
            last: voltages of the previous linearisation, for junction limiting; None takes u as it is.
        """
        residual = self.system.currents(u, self._drive) - self.injection
        diagonal = np.zeros_like(u)
        limited = np.zeros(len(u), bool)
        largest = np.maximum(np.abs(u).max(axis=1), self._voltage_scale)
        beside, points = [np.empty((len(u), 0))], []
        groups = zip(self.plan.junctions, self.areas, self.device_voltages(u), strict=True)
        for k, (junction, area, v) in enumerate(groups):
            at = v if last is None else junction.limit(v, last[k])
            current, slope = junction.evaluate(v, at, area)
            if at is not v:
                limited |= (at != v).any(axis=1)
            points.append(at)
            for end in junction.sinks:
                end.add(residual, current)
            junction.add_slopes(diagonal, slope)
            if self.pairs[0].size:
                beside += junction.cross_slopes(slope)
        outputs = self._add_nudge(u, residual)
        # a falling device takes conductance away, and could take all of it; the measure has to stay positive
        tolerance = PRECISION * largest[:, None] * (self.system.strength + np.abs(diagonal))
        entries = np.concatenate(beside, axis=1)
        return Linearised(
            residual,
            diagonal,
            entries,
            outputs,
            tolerance,
            largest,
            limited,
            self.pairs,
            self.output_unknowns,
        ), points

    def jacobian(self, u: Array) -> Array:
        """Return dF/du (row, n, n) at u (row, n), dense."""
        at, _ = self.linearise(u)
        return at.jacobian(self.system.matrix)

    def outputs(self, u: Array) -> Array:
        """Return the outputs (row, n_outputs) at u."""
        return np.asarray(u[:, self.output_unknowns] @ self.plan.outputs.read.T + self._held_outputs)

    def pull(self, u: Array, nudge: Nudge) -> tuple[Array, Array, Array]:
        """Return the current (row, n) that a nudge of factor 1 draws at u, dC/doutput, and the outputs."""
        outputs = self.outputs(u)
        gradient = nudge.cost.gradient(outputs, nudge.targets)
        draw = self.plan.outputs.draw(nudge.strengths(len(self.plan.circuit.readout.nodes)))
        current = np.zeros_like(u)
        current[:, self.output_unknowns] = nudge.beta * (gradient @ draw)
        return current, gradient, outputs

    def _add_nudge(self, u: Array, residual: Array) -> Array | None:
        """Add the nudge to `residual` in place and return its Jacobian between the output unknowns."""
        if self._pull is None:
            return None
        pull, k, outputs = self._pull, self.output_unknowns, self.outputs(u)
        residual[:, k] += pull.strength * (pull.cost.gradient(outputs, pull.targets) @ pull.draw)
        return pull.jacobian(outputs, self.plan.outputs.read)
