"""ngspice solver: mini-batches as `.dc` sweeps in worker processes, every answer checked by Kirchhoff's law."""

from __future__ import annotations

import time
from typing import Literal

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver, Status, mark_branches
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.ngspice.netlist import Netlist, Tolerances, full_netlist, reduced_netlist
from eqcirc.solvers.ngspice.pool import Pool, missing
from eqcirc.typing import Array, Parameters

LARGEST_ERROR = 1e-6
"""V. A point counts as solved when Kirchhoff's residual over the node's conductance is below this."""


class NgspiceSolver(Solver):
    """Solves with ngspice.

    The result does not depend on the number of workers: sweeps are cut by `sweep`, not by workers.
    """

    name = "ngspice"

    def __init__(
        self,
        circuit: Circuit,
        *,
        netlist: Literal["reduced", "full"] = "reduced",
        workers: int = 1,
        sweep: int = 32,
        tolerances: Tolerances | None = None,
        deadline: float = 600.0,
    ) -> None:
        """Prepare; worker processes start at the first solve.

        Args:
            circuit: the circuit.
            netlist: "reduced" (fast, exact) or "full" (every element as it will be built).
            workers: processes, one libngspice each.
            sweep: largest number of samples in one netlist.
            tolerances: ngspice's convergence criteria.
            deadline: seconds that one sweep may take.

        Raises:
            EngineError: libngspice is missing.
        """
        super().__init__(circuit)
        self._plan = Reduction(circuit)
        self._full = netlist == "full"
        self._sweep = sweep
        self._tolerances = tolerances
        self._pool = Pool(workers, deadline)

    def netlists(self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None) -> list[Netlist]:
        """Return the netlists that `solve` would run."""
        system = ReducedSystem(self._plan, parameters)
        return self._netlists(system, self.circuit.fixed_voltages(inputs), nudge)

    def solve(self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None) -> OperatingPoints:
        """See `Solver.solve`."""
        began = time.perf_counter()
        system = ReducedSystem(self._plan, parameters)
        fixed = self.circuit.fixed_voltages(inputs)
        netlists = self._netlists(system, fixed, nudge)
        results = self._pool.run(netlists)
        status = np.full(len(fixed), Status.CONVERGED, np.int8)
        messages: dict[int, str] = {}
        voltages = []
        for k, (netlist, result) in enumerate(zip(netlists, results, strict=True)):
            first = k * self._sweep
            if isinstance(result, str):
                status[first : first + netlist.samples] = Status.ENGINE_DIED
                messages |= {first + j: result for j in range(netlist.samples)}
                voltages.append(missing(netlist).voltages)
            else:
                messages |= {first + j: words for j, words in result.messages.items()}
                voltages.append(result.voltages)
        u = self._unknowns(np.concatenate(voltages, axis=1))
        self._judge(u, status, messages, Equations(system, fixed), nudge)
        return OperatingPoints(
            self._plan.expand(u, fixed), status, seconds=time.perf_counter() - began, messages=messages
        )

    def close(self) -> None:
        """Stop the worker processes."""
        self._pool.close()

    def _netlists(self, system: ReducedSystem, fixed: Array, nudge: Nudge | None) -> list[Netlist]:
        netlists = []
        for first in range(0, len(fixed), self._sweep):
            part = slice(first, first + self._sweep)
            pull = None if nudge is None else nudge.take(part)
            if self._full:
                lines = full_netlist(self.circuit, system.values, fixed[part], pull, self._tolerances)
            else:
                lines = reduced_netlist(system, fixed[part], pull, self._tolerances)
            netlists.append(lines)
        return netlists

    def _unknowns(self, saved: Array) -> Array:
        """Return scaled unknowns (phase, batch, n) from what the netlist saved."""
        if not self._full:
            return saved
        plan, free = self._plan, self.circuit.free_nodes
        u = np.empty((*saved.shape[:2], plan.n))
        u[:, :, plan.unknown[free]] = saved / plan.voltage[free]
        return u

    def _judge(
        self, u: Array, status: np.ndarray, messages: dict[int, str], free: Equations, nudge: Nudge | None
    ) -> None:
        """Set the status of samples that are not finite, break Kirchhoff's law, or left their branch."""
        finite = np.isfinite(u).all(axis=(0, 2))
        for k in np.flatnonzero(~finite & (status == Status.CONVERGED)).tolist():
            status[k] = Status.NOT_CONVERGED if k in messages else Status.NONFINITE
        rows = [(free, u[0])]
        if nudge is not None:
            rows.append((free.nudged(nudge), u[1:].reshape(-1, u.shape[2])))
        for equations, at in rows:
            with np.errstate(invalid="ignore", over="ignore"):
                error = equations.voltage_error(at).reshape(-1, len(status), u.shape[2]).max(axis=0)
            for k in np.flatnonzero((error > LARGEST_ERROR).any(axis=1) & (status == Status.CONVERGED)).tolist():
                node = self._plan.name(int(error[k].argmax()))
                status[k] = Status.NOT_CONVERGED
                messages[k] = f"ngspice reported success, but Kirchhoff's law is off by {error[k].max():.1e} V at {node}"
        if nudge is not None:
            mark_branches(u, status, nudge)
