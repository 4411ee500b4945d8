"""Kirchhoff's equations of a reduced circuit for many samples and phases at once.

A *row* is one sample in one phase. F(u) = M·u + device currents − injection + nudge = 0, with u (row, n).
Newton's method and the check of the simulator's answers both read the circuit through this file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.solvers.base import Nudge
from eqcirc.typing import Array, NodeArray

RESIDUAL = 1e-12
"""Converged when |F| is below this part of the sum of current magnitudes at every unknown (rounding is ~1e-14)."""


@dataclass(frozen=True, eq=False)
class Linearised:
    """The equations at one u: F, the size of its terms, and the parts of the Jacobian beside M.

    Attributes:
        residual: (row, n) F in amperes.
        size: (row, n) sum of current magnitudes.
        diagonal: (row, n) additions to the diagonal of M.
        beside: (row, pair) additions at `Equations.pairs`.
        outputs: (row, output unknown, output unknown) additions of the nudge, if any.
        limited: (row,) true where a device was linearised away from its voltage.
    """

    residual: Array
    size: Array
    diagonal: Array
    beside: Array
    outputs: Array | None
    limited: np.ndarray

    @property
    def solved(self) -> np.ndarray:
        """(row,) true where Kirchhoff's law holds."""
        return ~self.limited & (np.abs(self.residual) <= RESIDUAL * self.size).all(axis=1)

    def take(self, rows: np.ndarray) -> Linearised:
        """Return some rows."""
        outputs = None if self.outputs is None else self.outputs[rows]
        parts = (self.residual, self.size, self.diagonal, self.beside)
        return Linearised(*(part[rows] for part in parts), outputs, self.limited[rows])


class Equations:
    """Rows of equations: sample-dependent sources, device offsets, and the nudge of every row."""

    def __init__(self, system: ReducedSystem, fixed: Array) -> None:
        """Set up free-phase rows for held voltages (row, fixed node)."""
        self.system = system
        self.plan = system.plan
        self.injection = system.injection(fixed)
        self._offset = [fixed[:, j.held[0]] - fixed[:, j.held[1]] for j in self.plan.junctions]
        self._nudge: Nudge | None = None
        readout = self.plan.circuit.readout
        self.output_unknowns = self.plan.unknown[readout.nodes]
        self._out_voltage = self.plan.voltage[readout.nodes]

    def nudged(self, nudge: Nudge) -> Equations:
        """Return the rows of all nudged phases, phase by phase."""
        phases, nodes = len(nudge.factors), self.plan.circuit.readout.nodes
        tiled = np.tile(np.arange(len(self.injection)), phases)
        part = self.take(tiled)
        part._nudge = nudge.take(tiled)
        weight = nudge.strengths(len(nodes)) * self.plan.current[nodes]
        part._strength = nudge.beta * np.repeat(nudge.factors, len(self.injection))[:, None] * weight
        return part

    @property
    def pairs(self) -> tuple[NodeArray, NodeArray]:
        """Row and column unknowns of the entries that floating devices add beside the diagonal."""
        rows, columns = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
        for j in self.plan.junctions:
            a, b = (unknown[j.floating] for unknown in j.unknown)
            rows += [a, b]
            columns += [b, a]
        return np.concatenate(rows), np.concatenate(columns)

    def take(self, rows: np.ndarray) -> Equations:
        """Return the equations of some rows."""
        part = object.__new__(Equations)
        part.__dict__.update(self.__dict__)
        part.injection = self.injection[rows]
        part._offset = [offset[rows] for offset in self._offset]
        if self._nudge is not None:
            part._nudge = self._nudge.take(rows)
            part._strength = self._strength[rows]
        return part

    def device_voltages(self, u: Array) -> list[Array]:
        """Return the voltages (row, device) of every group of devices."""
        return [
            u[:, j.unknown[0]] * j.factor[0] - u[:, j.unknown[1]] * j.factor[1] + offset
            for j, offset in zip(self.plan.junctions, self._offset, strict=True)
        ]

    def linearise(self, u: Array, linear: Array, last: list[Array] | None = None) -> tuple[Linearised, list[Array]]:
        """Return the equations at u and the voltages that devices were linearised at.

        Args:
            u: (row, n).
            linear: M·u, (row, n).
            last: voltages of the previous linearisation, for junction limiting; None takes u as it is.
        """
        residual = linear - self.injection
        size = np.abs(u * self.system.diagonal) + np.abs(self.injection)
        diagonal = np.zeros_like(u)
        limited = np.zeros(len(u), bool)
        beside, points = [np.empty((len(u), 0))], []
        groups = zip(self.plan.junctions, self.system.areas, self.device_voltages(u), strict=True)
        for k, (junction, area, v) in enumerate(groups):
            at = v if last is None else junction.law.limit(v, last[k])
            current, slope = junction.law.evaluate(at)
            current, slope = current * area, slope * area
            if at is not v:
                limited |= (at != v).any(axis=1)
                current = current + slope * (v - at)
            points.append(at)
            magnitude = np.abs(current)
            for end in junction.free_ends:
                end.add(residual, current, end.flow)
                end.add(size, magnitude, np.abs(end.flow))
                end.add(diagonal, slope, end.slope)
            if junction.floating.size:
                d = junction.floating
                (wa, wb), (fa, fb) = junction.weight, junction.factor
                beside += [-slope[:, d] * (wa * fb)[d], -slope[:, d] * (wb * fa)[d]]
        outputs = self._add_nudge(u, residual) if self._nudge is not None else None
        return Linearised(residual, size, diagonal, np.concatenate(beside, axis=1), outputs, limited), points

    def voltage_error(self, u: Array) -> Array:
        """Return the distance (row, n) from a solution, in volts: residual over the diagonal conductance."""
        at, _ = self.linearise(u, np.asarray(u @ self.system.matrix.T))
        return np.abs(at.residual) / np.abs(self.system.diagonal + at.diagonal)

    def _add_nudge(self, u: Array, residual: Array) -> Array:
        """Add the nudge to `residual` in place and return its Jacobian between the output unknowns."""
        assert self._nudge is not None
        nudge, readout, k = self._nudge, self.plan.circuit.readout, self.output_unknowns
        v = u[:, k] * self._out_voltage
        n = readout.n_outputs
        outputs = v if readout.negative is None else v[:, :n] - v[:, n:]
        gradient = readout.spread(nudge.cost.gradient(outputs, nudge.targets))
        residual[:, k] += self._strength * gradient
        hessian = nudge.cost.hessian(outputs, nudge.targets)
        if readout.negative is not None:
            hessian = np.concatenate([hessian, -hessian], axis=2)
            hessian = np.concatenate([hessian, -hessian], axis=1)
        return np.asarray(self._strength[:, :, None] * hessian * self._out_voltage)
