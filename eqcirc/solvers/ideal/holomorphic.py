"""Operating points under a complex nudge: Kirchhoff's law continued analytically, by Newton from the free state.

    F(v) + beta·dC/dv = 0,     beta complex, v complex

Laws are continued on the branch that the real part of their voltage is on; they are analytic there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.base import Nudge
from eqcirc.sparse import dense
from eqcirc.typing import Array, Parameters

Complex = Any  # arrays of complex numbers, which nothing else here knows

MOST_ITERATIONS = 40
PRECISION = 1e-12  # of the largest voltage: a step below it ends


def nudged(
    circuit: Circuit,
    parameters: Parameters | None,
    inputs: Array,
    free: Array,
    nudge: Nudge,
    factors: Complex,
) -> tuple[Complex, np.ndarray, Array]:
    """Return complex node voltages (phase, batch, node), and whether each sample (batch,) was solved in all phases.

    The third is the linear response (batch, node) to a nudge of factor 1.

    Args:
        circuit: the circuit.
        parameters: values by element name.
        inputs: (batch, n_features).
        free: (batch, node) voltages of the free phase.
        nudge: its cost, targets, strength and weight.
        factors: (phase,) complex, of beta.
    """
    plan = Reduction(circuit)
    rows = _Rows(plan, ReducedSystem(plan, parameters), circuit.fixed_voltages(inputs), nudge)
    voltages = np.empty((len(factors), *free.shape), complex)
    voltages[:] = free
    solved = np.ones(len(free), bool)
    nodes = circuit.free_nodes
    for k, factor in enumerate(factors):
        u, done = rows.newton(plan.collect(free).astype(complex), factor * nudge.beta)
        solved &= done
        voltages[k][:, nodes] = u[:, plan.unknown[nodes]] * plan.voltage[nodes]
    moves = rows.response(plan.collect(free))
    expected = np.zeros_like(free)
    expected[:, nodes] = moves[:, plan.unknown[nodes]] * plan.voltage[nodes]
    return voltages, solved, expected


class _Rows:
    """The equations of a batch, for complex unknowns."""

    def __init__(self, plan: Reduction, system: ReducedSystem, fixed: Array, nudge: Nudge) -> None:
        self._plan, self._system, self._nudge = plan, system, nudge
        self._drive, self._injection = system.drive(fixed), system.injection(fixed)
        self._offsets = [j.offset(fixed) for j in plan.junctions]
        self._areas = system.areas(fixed)
        self._held_outputs = np.asarray(fixed @ plan.outputs.held.T)
        self._draw = dense(plan.outputs.draw(nudge.strengths(len(plan.circuit.readout.nodes))))
        self._read = dense(plan.outputs.read)

    def newton(self, u: Complex, beta: complex) -> tuple[Complex, np.ndarray]:
        """Return unknowns (row, n) and whether they were found (row,)."""
        done = np.zeros(len(u), bool)
        with np.errstate(all="ignore"):  # rows that run away are not found
            for _ in range(MOST_ITERATIONS):
                residual, jacobian = self._linearise(u, beta)
                broken = ~(np.isfinite(residual).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2)))
                jacobian[broken], residual[broken] = np.eye(u.shape[1]), 0.0
                step = np.linalg.solve(jacobian, residual[:, :, None])[:, :, 0]
                u = u - step
                small = np.abs(step).max(axis=1) <= PRECISION * np.maximum(np.abs(u).max(axis=1), 1e-3)
                done = small & ~broken
                if (done | broken).all():
                    break
        return u, done

    def response(self, u: Array) -> Array:
        """Return how unknowns (row, n) move by a nudge of factor 1, by the linearised circuit."""
        _, jacobian = self._linearise(u.astype(complex), 0.0)
        k, pull = self._plan.outputs.unknowns, np.zeros_like(u)
        outputs = u[:, k] @ self._read.T + self._held_outputs
        pull[:, k] = self._nudge.beta * (self._nudge.cost.gradient(outputs, self._nudge.targets) @ self._draw)
        return np.asarray(-np.linalg.solve(jacobian.real, pull[:, :, None])[:, :, 0])

    def _linearise(self, u: Complex, beta: complex) -> tuple[Complex, Complex]:
        """Return F (row, n) and dF/du (row, n, n)."""
        plan, system = self._plan, self._system
        residual: Complex = system.currents(u, self._drive) - self._injection
        jacobian = np.tile(dense(system.matrix).astype(complex), (len(u), 1, 1))
        for junctions, offset, area in zip(plan.junctions, self._offsets, self._areas, strict=True):
            v = junctions.voltages(u, offset.astype(complex))
            current, slope = junctions.evaluate(v, v, area)
            for end in junctions.sinks:
                end.add(residual, current)
            diagonal = np.zeros_like(u)
            junctions.add_slopes(diagonal, slope)
            jacobian[:, np.arange(plan.n), np.arange(plan.n)] += diagonal
            entries: Complex = np.concatenate([np.empty((len(u), 0)), *junctions.cross_slopes(slope)], axis=1)
            np.add.at(jacobian.transpose(1, 2, 0), junctions.pairs, entries.T)
        k, cost, targets = plan.outputs.unknowns, self._nudge.cost, self._nudge.targets
        outputs = u[:, k] @ self._read.T + self._held_outputs
        residual[:, k] += beta * (cost.gradient(outputs, targets) @ self._draw)
        jacobian[:, k[:, None], k] += beta * (self._draw.T @ cost.hessian(outputs, targets) @ self._read)
        return residual, jacobian
