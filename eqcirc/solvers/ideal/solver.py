"""Ideal solver: batched Newton on the reduced circuit, in numpy."""

from __future__ import annotations

import time

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver, Status, mark_branches
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.ideal.elimination import LinearSolver, choose
from eqcirc.solvers.ideal.newton import newton
from eqcirc.typing import Array, Parameters


class IdealSolver(Solver):
    """Solves the same equations and device laws as the simulator, faster."""

    name = "ideal"

    def __init__(self, circuit: Circuit) -> None:
        """Plan the reduction."""
        super().__init__(circuit)
        self._plan = Reduction(circuit)
        self._linear: LinearSolver | None = None

    def solve(self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None) -> OperatingPoints:
        """See `Solver.solve`. Nudged phases start from the free one."""
        began = time.perf_counter()
        system = ReducedSystem(self._plan, parameters)
        fixed = self.circuit.fixed_voltages(inputs)
        free_rows = Equations(system, fixed)
        if self._linear is None:
            self._linear = choose(system, free_rows.output_unknowns, free_rows.pairs)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # failures are reported as status
            u, status, iterations = newton(free_rows, self._linear, np.zeros((len(fixed), self._plan.n)))
            phases = u[None]
            if nudge is not None:
                start = np.where(np.isfinite(u), u, 0.0)
                rows = free_rows.nudged(nudge)
                nudged, worst, more = newton(rows, self._linear, np.tile(start, (len(nudge.factors), 1)))
                phases = np.concatenate([phases, nudged.reshape(-1, *u.shape)])
                worst = worst.reshape(-1, len(u)).max(axis=0)
                status = np.where(status == Status.CONVERGED, worst, status)
                iterations += more
                mark_branches(phases, status, nudge)
        voltages = self._plan.expand(phases, fixed)
        return OperatingPoints(voltages, status, iterations, time.perf_counter() - began)
