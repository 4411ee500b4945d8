"""Ideal solver: batched Newton on the reduced circuit, in numpy; transients where the start matters."""

from __future__ import annotations

import time

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.branches import mark_branches
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.free_phase import FreePhase, Start
from eqcirc.solvers.ideal.choice import choose
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.ideal.relaxation import relax
from eqcirc.solvers.ideal.transient import follow
from eqcirc.solvers.status import Status
from eqcirc.solvers.waveforms import Course, Waveforms
from eqcirc.typing import Array, Parameters


class IdealSolver(Solver):
    """Solves the same equations and device laws as the simulator, faster."""

    name = "ideal"

    def __init__(self, circuit: Circuit, *, start: Start = "auto") -> None:
        """Plan the reduction; `start` says how the free phase is found, see `solvers.free_phase`."""
        super().__init__(circuit)
        self._start = start
        self._plan = Reduction(circuit)
        self._linear = choose(self._plan)

    def solve(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None
    ) -> OperatingPoints:
        """See `Solver.solve`. Nudged phases start from the free one."""
        began = time.perf_counter()
        fixed = self.circuit.fixed_voltages(inputs)
        equations = Equations(ReducedSystem(self._plan, parameters), fixed)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # failures are reported as status
            phase = FreePhase(equations, self._start)
            if phase.relaxes:
                u, status, iterations = relax(phase.dynamics, self._linear)
            else:
                u, status, iterations = newton(equations, self._linear)
            messages: dict[int, str] = {}
            phase.judge(u, status, messages)
            phases = u[None]
            if nudge is not None:
                start = np.tile(np.nan_to_num(u), (len(nudge.factors), 1))
                nudged, each, more = newton(equations.nudged(nudge), self._linear, start)
                phases = np.concatenate([phases, nudged.reshape(-1, *u.shape)])
                worst = each.reshape(-1, len(u)).max(axis=0)
                status = np.where(status == Status.CONVERGED, worst, status)
                iterations += more
                mark_branches(phases, status, nudge)
                phase.judge_branches(phases, status)
        voltages = self._plan.expand(phases, fixed)
        return OperatingPoints(voltages, status, iterations, time.perf_counter() - began, messages)

    def transient(self, course: Course) -> Waveforms:
        """See `Solver.transient`."""
        return follow(self._plan, course)
