"""The equations of motion of a circuit in a bath, which both engines follow; the law is in `solvers.ensemble`."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.scaling import symmetry
from eqcirc.errors import CircuitError, SolverError
from eqcirc.solvers.base import Nudge, OperatingPoints
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ensemble import Ensemble, burn_in
from eqcirc.solvers.equations import Equations
from eqcirc.typing import Array, Parameters

if TYPE_CHECKING:
    from eqcirc.solvers.ideal.formulation import Formulation

LOOKED_AT = 16
"""Rows whose time constants are found: the others are samples of the same circuit."""

Chains = tuple[Array, float, float]
"""Node voltages (phase, batch, chain, draw, node), time between two draws, and step of the integrator."""


def ensemble(
    formulation: Formulation,
    parameters: Parameters | None,
    inputs: Array,
    nudge: Nudge | None,
    points: OperatingPoints,
    chains: Callable[[Langevin, Array, Nudge | None], Chains],
) -> Ensemble:
    """Return the ensemble of the samples that have a free operating point; the others are NaN.

    Args:
        formulation: of the circuit's equations.
        parameters: values by element name.
        inputs: (batch, n_features).
        nudge: phases to add.
        points: of the free phase.
        chains: an engine's way to follow the good samples from there.
    """
    began, good, plan = time.perf_counter(), points.converged, formulation.plan
    if nudge is not None:
        nudge.check(len(inputs), plan.circuit.readout.n_outputs)
        nudge = nudge.take(good)
    if not good.any():
        phases = 1 if nudge is None else 1 + len(nudge.factors)
        nothing = np.full((phases, len(inputs), 1, 1, plan.circuit.n_nodes), np.nan)
        return Ensemble(nothing, points, np.nan, 0, np.nan, points.seconds)
    fixed = plan.circuit.fixed_voltages(inputs[good])
    equations = formulation.equations(ReducedSystem(plan, parameters), fixed)
    motion = Langevin(equations, parameters, points.free[good], nudge)
    found, interval, step = chains(motion, inputs[good], nudge)
    moved = found - points.free[good][None, :, None, None]
    if turn := formulation.turn:  # angles drift by whole turns, which are the same state
        whole = turn * np.round(moved / turn)
        moved, found = moved - whole, found - whole
    left_out = _burned(moved)
    voltages = np.full((len(found), len(good), *found[:, :, :, left_out:].shape[2:]), np.nan)
    voltages[:, good] = found[:, :, :, left_out:]
    return Ensemble(voltages, points, interval, left_out, step, points.seconds + time.perf_counter() - began)


def _burned(moved: Array) -> int:
    """Return how many draws to leave out at first of chains that moved so far (phase, batch, chain, draw, node).

    Nudged phases must have gone away from the free one, too: where the nudge is weak, the noise that all have in common
    would hide that they are still on their way. But they may go on drifting apart where a circuit has several valleys.
    """

    def squared(way: Array) -> Array:
        return np.concatenate((way**2).sum(axis=4).mean(axis=2), axis=0).T  # (draw, phase·sample)

    left_out = burn_in(squared(moved))
    return (
        left_out if len(moved) == 1 else max(left_out, burn_in(squared(moved[1:] - moved[:1]), strict=False))
    )


class Langevin:
    """The equations of all rows (phase by phase, and in each sample by sample), and the noise that they get.

    Attributes:
        equations: of the rows.
        dynamics: of the samples.
        start: (row, n) unknowns at the free operating points.
        tilt: (n,) factors t with t·F = dE/du.
    """

    def __init__(
        self, single: Equations, parameters: Parameters | None, free: Array, nudge: Nudge | None
    ) -> None:
        """Collect what both engines need.

        Raises:
            CircuitError: a part, or a node, that no such bath exists for.
            SymmetryError: the circuit has no scaling s.
        """
        self.plan = plan = single.plan
        self.phases, self.batch = 1, len(free)
        self.equations = single
        if nudge is not None:
            factors = (0.0, *nudge.factors)
            self.phases = len(factors)
            self.equations = single.nudged(
                Nudge(nudge.cost, nudge.targets, nudge.beta, factors, nudge.weight)
            )
        self.dynamics = Dynamics(single)
        self._check()
        s = symmetry(plan.circuit, parameters)[plan.root]
        self.tilt = s * plan.voltage[plan.root] / plan.current[plan.root]
        if not (self.tilt > 0).all():
            node = plan.name(int(np.flatnonzero(~(self.tilt > 0))[0]))
            raise CircuitError(
                f"ensemble of {plan.circuit.name!r}: node {node!r} goes up in energy (its scaling s is negative), so "
                "no noise gives the circuit a Boltzmann law; neurons with recovery have none"
            )
        self.start = np.tile(plan.collect(free), (self.phases, 1))
        looked = np.linspace(0, len(self.start) - 1, min(LOOKED_AT, len(self.start))).astype(int)
        self._looked, self._jacobian = looked, self.equations.take(looked).jacobian(self.start[looked])

    def _check(self) -> None:
        """Raise `CircuitError` unless every unknown has a capacitor of its own, or none has any."""
        d, name = self.dynamics, self.plan.circuit.name
        if d.n_branches:
            raise CircuitError(
                f"ensemble of {name!r}: it has R-L branches; noise goes to nodes with capacitors only"
            )
        bare = np.flatnonzero(np.diag(d.storage) == 0)
        if bare.size:
            raise CircuitError(
                f"ensemble of {name!r}: node {self.plan.name(int(bare[0]))!r} has no capacitor, and others have; give "
                "every free node one, or none (all then count as having equal ones)"
            )
        if np.count_nonzero(d.storage) > d.size:
            raise CircuitError(
                f"ensemble of {name!r}: capacitors join two free nodes, so their noise would have to be correlated; "
                "put them from each node to ground or to a source"
            )

    @property
    def capacitance(self) -> Array:
        """Q (n,) of every unknown; equal ones if the circuit has none."""
        return np.asarray(np.diag(self.dynamics.storage))

    @cached_property
    def steep(self) -> Array:
        """Diagonal (row, n) of dF/du at the start; the largest of all phases of a sample, so that they stay alike."""
        return self._alike(self._diagonal(self.start, self.equations))

    def steepest(self, states: Array, chains: int) -> Array:
        """Return the same of states (draw, row·chain, n), the largest that any chain of a sample has seen."""
        rows = self.equations.take(np.repeat(np.arange(len(self.start)), chains))
        seen = np.full(states.shape[1:], -np.inf)
        for u in states:
            seen = np.maximum(seen, self._diagonal(u, rows))
        return self._alike(seen.reshape(len(self.start), chains, -1).max(axis=1))

    def _diagonal(self, u: Array, rows: Equations) -> Array:
        at, _ = rows.linearise(u)
        own = rows.system.diagonal + at.diagonal
        if at.outputs is not None:
            own[:, at.output_unknowns] += np.diagonal(at.outputs, axis1=1, axis2=2)
        return np.asarray(own)

    def _alike(self, own: Array) -> Array:
        return np.tile(own.reshape(self.phases, self.batch, -1).max(axis=0), (self.phases, 1))

    def times(self, storage: Array) -> tuple[float, float]:
        """Return the fastest and the slowest time constant in seconds, of capacitances (n,) or (row, n).

        The slowest is that of the free phase: a strong nudge may drive the circuit away from where it starts.

        Raises:
            SolverError: a start is not a stable operating point of the free phase.
        """
        side = np.sqrt(self.tilt * (storage if storage.ndim == 1 else storage[self._looked]))
        hessian = self.tilt[:, None] * self._jacobian  # symmetric
        rates = np.linalg.eigvalsh(hessian / side[..., :, None] / side[..., None, :])
        free = rates[self._looked < self.batch]
        if not free.min() > 0:
            raise SolverError(
                f"ensemble of {self.plan.circuit.name!r}: its operating point is not a stable one, so there is no time "
                "constant to measure the chains by"
            )
        return 1 / float(rates.max()), 1 / float(free.min())

    def density(self, temperature: float, storage: Array) -> Array:
        """Return S (n,) of the currents into the roots of the unknowns, in A²/Hz, of capacitances (n,)."""
        return np.asarray(2 * temperature * storage / (self.tilt * self.plan.current[self.plan.root] ** 2))
