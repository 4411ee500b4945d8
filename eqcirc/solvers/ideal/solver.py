"""Ideal solver: batched Newton on the reduced circuit, in numpy; transients where the start matters."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.lumped import Lumping, inner_nodes
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.branch import judge_branches
from eqcirc.solvers.comparators import Spiking, rates
from eqcirc.solvers.ensemble import Bath, Ensemble
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.free_phase import FreePhase, InitialState, Start, carried, check_start
from eqcirc.solvers.ideal.ensemble import chains
from eqcirc.solvers.ideal.formulation import Formulation
from eqcirc.solvers.ideal.newton import EXACT, Solved, newton
from eqcirc.solvers.ideal.noise import noise
from eqcirc.solvers.ideal.spiking import sampled
from eqcirc.solvers.ideal.transient import follow
from eqcirc.solvers.langevin import Chains, Langevin, ensemble
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.noise import Band, Noise
from eqcirc.solvers.precision import ULP, FreeState
from eqcirc.solvers.response import Response
from eqcirc.solvers.spiking import Rates, Window
from eqcirc.solvers.status import Status
from eqcirc.solvers.waveforms import Course, Waveforms
from eqcirc.threads import one_thread
from eqcirc.typing import Array, NodeArray, Parameters

LUMPED_FROM = 200  # inner nodes, those of wires, from which on they are eliminated before all else
RESOLVED = 1e-6  # of the linear response: how precisely nudged states are found


class IdealSolver(Solver):
    """Solves the same equations and device laws as the simulator, faster."""

    name = "ideal"

    def __init__(self, circuit: Circuit, *, start: Start | InitialState = "auto") -> None:
        """Plan the reduction; `start` says how the free phase is found, see `solvers.free_phase`."""
        super().__init__(circuit)
        check_start(start)
        self._start = start
        many = inner_nodes(circuit) >= LUMPED_FROM and not isinstance(start, InitialState)
        self._lumping = Lumping(circuit) if many else None

    @cached_property
    def _plan(self) -> Reduction:
        return Reduction(self.circuit)

    @cached_property
    def _formulation(self) -> Formulation:
        return Formulation.of(self._plan)

    @property
    def _linear(self) -> LinearSolver:
        return self._formulation.linear

    def _on(self, circuit: Circuit) -> IdealSolver:
        return IdealSolver(circuit, start=carried(self._start, self._plan, circuit))

    def solve(
        self,
        parameters: Parameters | None,
        inputs: Array,
        nudge: Nudge | None = None,
        begin: Array | None = None,
    ) -> OperatingPoints:
        """See `Solver.solve`. Nudged phases start from where the linearised free state would be."""
        with one_thread():
            if self._lumping is not None:
                return self._without_wires(self._lumping, parameters, inputs, nudge, begin)
            return self._solve(parameters, inputs, nudge, begin)

    def _solve(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None, begin: Array | None
    ) -> OperatingPoints:
        began = time.perf_counter()
        fixed = self.circuit.fixed_voltages(inputs)
        if nudge is not None:
            nudge.check(len(fixed), self.circuit.readout.n_outputs)
        equations = self._equations(parameters, fixed)
        messages: dict[int, str] = {}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # failures are reported as status
            phase = FreePhase(equations, self._start, begin)
            free = self._free(phase, equations)
            free, state = self._sure(free, equations, nudge)
            u, status, iterations = free.u[None], free.status, free.iterations
            state.judge(free.error, status, messages)
            phase.judge(u[0], status, messages, free.stable)
            nonlinearity = unsure = None
            if nudge is not None:
                nudged, response = self._nudged(state, nudge)
                u = np.concatenate([u, nudged.u.reshape(-1, *free.u.shape)])
                each, error = (
                    x.reshape(len(nudge.factors), -1).max(axis=0) for x in (nudged.status, nudged.error)
                )
                status = np.where(status == Status.CONVERGED, each, status)
                noise = np.fmax(np.fmax(free.error, error), state.rounding)
                nonlinearity = response.judge(u, status, messages, nudge, noise)
                judge_branches(state, self._linear, u, status, messages, nudge, noise)
                unsure = response.share(noise)
                iterations += nudged.iterations
        voltages = self._plan.expand(u, fixed)
        seconds = time.perf_counter() - began
        return OperatingPoints(
            voltages,
            status,
            iterations,
            seconds,
            messages,
            nonlinearity=nonlinearity,
            noise=unsure,
            evidence=phase.evidence,
        )

    def _without_wires(
        self,
        lumping: Lumping,
        parameters: Parameters | None,
        inputs: Array,
        nudge: Nudge | None,
        begin: Array | None,
    ) -> OperatingPoints:
        """Solve the circuit without its inner nodes, which only resistors reach, and then those; both are exact."""
        began = time.perf_counter()
        values, wires = lumping.at(parameters)
        small = self.on(lumping.small)
        points = small.solve(values, inputs, nudge, None if begin is None else begin[:, : lumping.first])
        voltages = wires.expand(points.voltages)
        return replace(points, voltages=voltages, seconds=time.perf_counter() - began)

    def _equations(self, parameters: Parameters | None, fixed: Array) -> Equations:
        """Return Kirchhoff's equations for held voltages (row, fixed node)."""
        return self._formulation.equations(ReducedSystem(self._plan, parameters), fixed)

    def _free(self, phase: FreePhase, equations: Equations) -> Solved:
        """Return the free states."""
        if phase.begin is not None:  # that they are solutions, whoever found them has made sure of
            return newton(equations, self._linear, phase.begin, off=np.zeros(len(phase.begin)))
        return self._relaxed(phase) if phase.relaxes else newton(equations, self._linear)

    def _relaxed(self, phase: FreePhase) -> Solved:
        """Follow the circuit until it comes to rest, from the state that was written into it, if any was."""
        equations, start = phase.dynamics.equations, None
        if phase.initial:
            start = np.tile(
                self._formulation.written(phase.initial, equations.system), (len(equations.fixed), 1)
            )
        return self._formulation.relax(phase.dynamics, start)

    def _sure(self, free: Solved, equations: Equations, nudge: Nudge | None) -> tuple[Solved, FreeState]:
        """Return free states that rounding leaves precise, if that can be: where it does not, sums are made exact."""
        state = FreeState.of(equations, self._linear, free.u, nudge)
        good = np.isin(free.status, (Status.CONVERGED, Status.UNRESOLVED))
        if (state.sure & (free.status == Status.CONVERGED) | ~good).all():
            return free, state
        exact = equations.taken_apart()
        again = newton(exact.take(good), self._linear, free.u[good])
        free.u[good], free.status[good], free.error[good] = again.u, again.status, again.error
        more = free.iterations + again.iterations
        return replace(free, iterations=more), FreeState.of(exact, self._linear, free.u, nudge)

    def _nudged(self, state: FreeState, nudge: Nudge) -> tuple[Solved, Response]:
        """Return the nudged phases, phase by phase, and what they should be."""
        response, largest = Response.of(state, nudge), state.largest
        moved = (np.abs(nudge.factors)[:, None] * response.size).ravel()
        wanted = np.clip(RESOLVED * response.size / largest, ULP, EXACT)
        start = response.start(state.u, nudge)
        nudged = newton(
            state.equations.nudged(nudge),
            self._linear,
            start,
            moved=moved,
            wanted=np.tile(wanted, len(nudge.factors)),
        )
        return nudged, response

    def transfer(self, parameters: Parameters | None, inputs: Array, free: Array, nodes: NodeArray) -> Array:
        """See `Solver.transfer`: columns of the inverse Jacobian."""
        plan, k = self._plan, self._plan.unknown[self._moving(nodes)]
        equations = self._equations(parameters, self.circuit.fixed_voltages(inputs[None]))
        jacobian = equations.jacobian(plan.collect(free[None]))[0]
        driven = np.zeros((plan.n, len(nodes)))
        driven[k, np.arange(len(nodes))] = plan.current[nodes]
        return np.asarray(plan.voltage[nodes][:, None] * np.linalg.solve(jacobian, driven)[k])

    def transient(self, course: Course) -> Waveforms:
        """See `Solver.transient`."""
        with one_thread():
            return follow(self._plan, course)

    def ensemble(
        self, parameters: Parameters | None, inputs: Array, bath: Bath, nudge: Nudge | None = None
    ) -> Ensemble:
        """See `Solver.ensemble`."""

        def follow(motion: Langevin, some: Array, _pull: Nudge | None) -> Chains:
            return chains(motion, some, bath)

        with one_thread():
            points = self.solve(parameters, inputs)
            return ensemble(self._formulation, parameters, inputs, nudge, points, follow)

    def spikes(
        self, parameters: Parameters | None, inputs: Array, window: Window, nudge: Nudge | None = None
    ) -> Rates:
        """See `Solver.spikes`."""

        def follow(spiking: Spiking, some: Array, free: Array, pull: Nudge | None) -> Array:
            return sampled(spiking, self._plan, parameters, some, free, pull, window)

        with one_thread():
            return rates(self, parameters, inputs, window, nudge, follow)

    def noise(self, parameters: Parameters | None, inputs: Array, free: Array, band: Band) -> Noise:
        """See `Solver.noise`."""
        with one_thread():
            return noise(self._plan, parameters, inputs, free, band)
