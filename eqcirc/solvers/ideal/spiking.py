"""Spikes of the ideal circuit: all rows and chains together, decision by decision.

    fired = v_control + σ·normal > 0,      v' = v − a·F(v)/d,      d the conductance at the node

with a = 1 − exp(−1/memory) at the rates, which is exact for a current that is held, and 1 elsewhere: other nodes follow
within a period.
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.junctions import Cells
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import Probit
from eqcirc.errors import SolverError
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.comparators import Spiking
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.spiking import Window
from eqcirc.sparse import dense
from eqcirc.typing import Array, Parameters


def sampled(
    spiking: Spiking,
    plan: Reduction,
    parameters: Parameters | None,
    inputs: Array,
    free: Array,
    nudge: Nudge | None,
    window: Window,
) -> Array:
    """Return averages (phase, batch, chain, node).

    Args:
        spiking: the circuit, taken apart.
        plan: its reduction, cells included.
        parameters: values by element name.
        inputs: (batch, n_features).
        free: (batch, node) where rates begin.
        nudge: phases to add.
        window: what is looked at.

    Raises:
        SolverError: voltages run away.
    """
    factors = (0.0,) if nudge is None else (0.0, *nudge.factors)
    batch, chains = len(inputs), window.chains
    rows = np.tile(np.repeat(np.arange(batch), chains), len(factors))
    fixed = plan.circuit.fixed_voltages(inputs)[rows]
    between = _Between(spiking, parameters, fixed)
    pull = None if nudge is None else _Pull(between, nudge, np.repeat(factors, batch * chains), rows)
    u = plan.collect(free)[rows]
    rate = between.rates(window) if pull is None else pull.rates(window, u)
    deciding = _Deciding(plan, parameters, fixed, window, 1 if not window.common else len(factors))
    total = np.zeros_like(u)
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(window.before + window.decisions):
            current = between.flow(u)
            if pull is not None:
                pull.add(current, u)
            deciding.add(current, u)
            current *= rate
            u -= current
            if k >= window.before:
                total += u
    if not np.isfinite(total).all():
        raise SolverError(f"spikes of {plan.circuit.name!r}: voltages run away; lower beta, or raise leaks")
    voltages = plan.expand((total / window.decisions)[None], fixed)[0]
    return np.asarray(voltages.reshape(len(factors), batch, chains, -1))


class _Between:
    """The linear parts between comparators."""

    def __init__(self, spiking: Spiking, parameters: Parameters | None, fixed: Array) -> None:
        names = {e.name for e in spiking.quiet.elements}
        given = {k: v for k, v in (parameters or {}).items() if k in names}
        self.plan, self.rated = Reduction(spiking.quiet), spiking.rated
        self.system = ReducedSystem(self.plan, given)
        self.equations = Equations(self.system, fixed)
        self._pushed = self.system.norton(fixed)
        scattered = self.system.scattered
        self._scattered = scattered.T if scattered.nnz else None
        self._blocks = [
            (inside, outside, block)
            for rows, columns, forward, backward in self.system.couplings
            for inside, outside, block in ((rows, columns, forward), (columns, rows, backward))
            if block.any()
        ]

    def flow(self, u: Array) -> Array:
        """Return the currents (row, n) that leave the unknowns u (row, n)."""
        total = u * self.system.diagonal
        total -= self._pushed
        if self._scattered is not None:
            total += u @ self._scattered
        for inside, outside, block in self._blocks:
            total[:, outside] += u[:, inside] @ block
        return total

    def rates(self, window: Window, more: Array | float = 0.0) -> Array:
        """Return a/d (n,), or (row, n) with `more` conductance (row, n) at the unknowns."""
        a = np.ones(self.plan.n)
        a[self.plan.unknown[self.rated]] = -np.expm1(-1 / window.memory)
        return np.asarray(a / (self.system.diagonal + more))


class _Pull:
    """The nudge of every row."""

    def __init__(self, between: _Between, nudge: Nudge, factors: Array, rows: np.ndarray) -> None:
        self._between, self._cost, self._targets = between, nudge.cost, nudge.targets[rows]
        outputs = between.plan.outputs
        self._strength, self._read = nudge.beta * factors[:, None], dense(outputs.read)
        self._draw = dense(outputs.draw(nudge.strengths(len(between.plan.circuit.readout.nodes))))

    def add(self, current: Array, u: Array) -> None:
        """Add what it draws at u (row, n)."""
        equations = self._between.equations
        gradient = self._cost.gradient(equations.outputs(u), self._targets)
        current[:, equations.output_unknowns] += self._strength * (gradient @ self._draw)

    def rates(self, window: Window, u: Array) -> Array:
        """Return a/d (row, n), d with what the strongest nudge adds at u."""
        equations = self._between.equations
        hessian = self._cost.hessian(equations.outputs(u), self._targets)
        own = np.einsum("om,rop,pm->rm", self._draw, hessian, self._read)
        more = np.zeros_like(u)
        more[:, equations.output_unknowns] = np.abs(self._strength).max() * np.maximum(own, 0)
        return self._between.rates(window, more)


class _Deciding:
    """The comparators."""

    def __init__(
        self, plan: Reduction, parameters: Parameters | None, fixed: Array, window: Window, copies: int
    ) -> None:
        values = plan.circuit.values(parameters)
        self._cells = [j for j in plan.junctions if isinstance(j, Cells)]
        self._offsets = [cell.offset(fixed) for cell in self._cells]
        self._areas = [cell.areas(values[cell.name], fixed) for cell in self._cells]
        self._rng, self._copies = np.random.default_rng(window.seed), copies

    def add(self, current: Array, u: Array) -> None:
        """Add what comparators drive at u (row, n), each after a look at its noise."""
        for cell, offset, area in zip(self._cells, self._offsets, self._areas, strict=True):
            law = cell.law
            assert isinstance(law, Probit)
            noise = self._rng.standard_normal((len(u) // self._copies, cell.count), np.float32)
            noise *= law.noise
            across = cell.voltages(u, offset)
            fired = across.reshape(self._copies, *noise.shape) > noise
            driven = np.multiply(
                fired.reshape(across.shape), (law.saturation - law.lowest) * area, out=across
            )
            if law.lowest:
                driven += law.lowest * area
            for end in cell.sinks:
                end.add(current, driven)
