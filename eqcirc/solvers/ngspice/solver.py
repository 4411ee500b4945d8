"""ngspice solver: mini-batches as `.dc` sweeps in worker processes, answers checked by Kirchhoff's law."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.errors import ConfigError, nearest, whole_number
from eqcirc.files import write_atomically
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.branch import judge_branches
from eqcirc.solvers.comparators import Spiking, rates
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ensemble import Bath, Ensemble
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.free_phase import (
    ATTEMPTS,
    LONGER,
    FreePhase,
    InitialState,
    Start,
    carried,
    check_start,
    near,
)
from eqcirc.solvers.ideal.formulation import Formulation, restless
from eqcirc.solvers.langevin import Chains, Langevin, ensemble
from eqcirc.solvers.ngspice.ensemble import chains
from eqcirc.solvers.ngspice.netlist import (
    Netlist,
    Tolerances,
    full_netlist,
    reduced_netlist,
)
from eqcirc.solvers.ngspice.noise import noise
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.session import SweepResult, apart
from eqcirc.solvers.ngspice.settling import plan_settling
from eqcirc.solvers.ngspice.spiking import sampled
from eqcirc.solvers.ngspice.transfer import transfer
from eqcirc.solvers.ngspice.transient import follow
from eqcirc.solvers.ngspice.workers import LocalWorkers, Workers
from eqcirc.solvers.noise import Band, Noise
from eqcirc.solvers.precision import UNCERTAIN, FreeState
from eqcirc.solvers.response import Response
from eqcirc.solvers.spiking import Rates, Window
from eqcirc.solvers.stability import growth
from eqcirc.solvers.status import Status
from eqcirc.solvers.waveforms import Course, Waveforms
from eqcirc.typing import Array, NodeArray, Parameters

MOST_KEPT = 20  # netlists in quarantine; more would tell nothing new

MOST_VOLTS = 1e8
"""What a source may hold. Beside more, ngspice loses the millivolts of a diode, and may search for ever."""

TIMES_RELTOL = 100.0
"""Of ngspice's relative tolerance: so far from Kirchhoff's law, in parts of the largest voltage, may its answers be."""


class NgspiceSolver(Solver):
    """Solves with ngspice.

    The result does not depend on the number of workers: sweeps are cut by `sweep`, not by workers.
    """

    name = "ngspice"

    def __init__(
        self,
        circuit: Circuit,
        *,
        start: Start | InitialState = "auto",
        netlist: Literal["reduced", "full"] = "reduced",
        workers: int | Workers = 1,
        sweep: int = 32,
        tolerances: Tolerances | None = None,
        limits: Limits | None = None,
        quarantine: Path | None = None,
    ) -> None:
        """Prepare; worker processes start at the first solve.

        Args:
            circuit: the circuit.
            start: how the free phase is found, see `solvers.free_phase`; transients run the full netlist.
            netlist: "reduced" (fast, exact) or "full" (every element as it will be built), which is also taken
                where there is no reduced one (`Reduction.drawable`).
            workers: how many processes of this machine, or other `Workers` such as those of a cluster.
            sweep: largest number of samples in one netlist.
            tolerances: ngspice's convergence criteria.
            limits: time and memory that a sweep may take.
            quarantine: folder to keep the netlists of failed samples in.

        Raises:
            ConfigError: no such start or netlist, or no number of workers or samples.
            EngineError: libngspice is missing.
        """
        super().__init__(circuit)
        check_start(start)
        if netlist not in ("reduced", "full"):
            raise ConfigError(f"netlist = {netlist!r}: {nearest(str(netlist), ('reduced', 'full'))}")
        whole_number("sweep", sweep)
        if not hasattr(workers, "executor"):
            whole_number("workers", workers)
        self._start, self._form = start, netlist
        self._bind(circuit)
        self._sweep = sweep
        self._tolerances = tolerances or Tolerances()
        self._quarantine = quarantine
        self._pool = Pool(LocalWorkers(workers) if isinstance(workers, int) else workers, limits or Limits())

    def _bind(self, circuit: Circuit) -> None:
        self.circuit, self._plan = circuit, Reduction(circuit)
        self._formulation = Formulation.of(self._plan)
        self._full = self._form == "full" or not self._plan.drawable

    def _on(self, circuit: Circuit) -> NgspiceSolver:
        other = copy.copy(self)
        other._others, other._start = {}, carried(self._start, self._plan, circuit)
        other._bind(circuit)
        return other

    def netlists(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None
    ) -> list[Netlist]:
        """Return the netlists that `solve` would run."""
        system = ReducedSystem(self._plan, parameters)
        return list(self._netlists(system, self.circuit.fixed_voltages(inputs), nudge))

    def solve(
        self,
        parameters: Parameters | None,
        inputs: Array,
        nudge: Nudge | None = None,
        begin: Array | None = None,
    ) -> OperatingPoints:
        """See `Solver.solve`."""
        began = time.perf_counter()
        system = ReducedSystem(self._plan, parameters)
        fixed = self.circuit.fixed_voltages(inputs)
        if nudge is not None:
            nudge.check(len(fixed), self.circuit.readout.n_outputs)
        asked, volts = fixed, np.abs(fixed).max(axis=1)
        fixed = np.where(volts[:, None] > MOST_VOLTS, 0.0, fixed)
        equations = self._formulation.equations(system, fixed)
        phase = FreePhase(equations, self._start, begin)
        if phase.relaxes:
            begin = self._begin(phase.initial, system) if phase.initial else None
            u, status, swept = self._relax(phase.dynamics, system, fixed, nudge, begin)
        else:
            netlists = self._netlists(system, fixed, nudge)
            swept, status = self._pool.sweep(
                netlists if begin is None else self._held(netlists, equations, begin)
            )
            u = self._unknowns(swept.voltages, self._full)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):  # failures are reported as status
            nonlinearity, noise = self._judge(u, status, swept.messages, equations, nudge)
            phase.judge(u[0], status, swept.messages, np.zeros(len(status), bool))
        if self._quarantine is not None:
            self._keep(
                np.flatnonzero(status != Status.CONVERGED), system, fixed, nudge, phase.relaxes or self._full
            )
        for k in np.flatnonzero(volts > MOST_VOLTS).tolist():
            u[:, k], status[k] = np.nan, Status.UNRESOLVED
            swept.messages[k] = (
                f"a source holds {volts[k]:.3g} V, and ngspice is asked up to {MOST_VOLTS:g} V"
            )
        return OperatingPoints(
            self._plan.expand(u, asked),
            status,
            seconds=time.perf_counter() - began,
            messages=swept.messages,
            rungs=swept.rungs,
            nonlinearity=nonlinearity,
            noise=noise,
            evidence=phase.evidence,
        )

    def transient(self, course: Course) -> Waveforms:
        """See `Solver.transient`. It is the full netlist that is followed."""
        return follow(self.circuit, course, self._pool)

    def transfer(self, parameters: Parameters | None, inputs: Array, free: Array, nodes: NodeArray) -> Array:
        """See `Solver.transfer`. It is the full netlist that is asked."""
        return transfer(self.circuit, parameters, free, inputs, self._moving(nodes), self._pool)

    def ensemble(
        self, parameters: Parameters | None, inputs: Array, bath: Bath, nudge: Nudge | None = None
    ) -> Ensemble:
        """See `Solver.ensemble`."""

        def follow(motion: Langevin, some: Array, pull: Nudge | None) -> Chains:
            return chains(motion, parameters, some, pull, bath, self._pool)

        points = self.solve(parameters, inputs)
        return ensemble(self._formulation, parameters, inputs, nudge, points, follow)

    def spikes(
        self, parameters: Parameters | None, inputs: Array, window: Window, nudge: Nudge | None = None
    ) -> Rates:
        """See `Solver.spikes`. It is the full netlist that is followed."""

        def follow(spiking: Spiking, some: Array, free: Array, pull: Nudge | None) -> Array:
            return sampled(spiking, parameters, some, free, pull, window, self._pool)

        return rates(self, parameters, inputs, window, nudge, follow)

    def noise(self, parameters: Parameters | None, inputs: Array, free: Array, band: Band) -> Noise:
        """See `Solver.noise`. It is the full netlist that is asked."""
        return noise(self.circuit, parameters, inputs, free, band, self._pool)

    def _begin(self, initial: InitialState, system: ReducedSystem) -> Array:
        """Return the state (1, size) that is written into the circuit; what a pulse does, ngspice says."""
        begin = self._formulation.written(replace(initial, pulse=None), system)
        if initial.pulse is None:
            return begin
        held = initial.held(self.circuit)
        dynamics = Dynamics(self._formulation.equations(system, held))
        u, status, _ = self._relax(dynamics, system, held, None, begin)
        if status[0] != Status.CONVERGED or not growth(dynamics, u[0])[0] < 0:
            raise restless(initial, self.circuit.name)
        return dynamics.state(u[0])

    def _relax(
        self,
        dynamics: Dynamics,
        system: ReducedSystem,
        fixed: Array,
        nudge: Nudge | None,
        begin: Array | None,
    ) -> tuple[Array, np.ndarray, SweepResult]:
        """Let every sample settle, and sweep its phases from there; longer for those that have not arrived.

        They begin at the state `begin` (1, size), or with nothing charged. How long a transient takes, and how fast it
        begins, the ideal circuit tells; where it ends, ngspice alone, unless it gives up on the way.

        Returns:
            unknowns (phase, batch, n), status (batch,), and messages and rungs of all samples.
        """
        phases = 1 if nudge is None else 1 + len(nudge.factors)
        u = np.full((phases, len(fixed), self._plan.n), np.nan)
        status, heard = np.full(len(fixed), Status.NO_EQUILIBRIUM, np.int8), SweepResult(u)
        waiting, (capacitors, settling) = (
            np.arange(len(fixed)),
            plan_settling(dynamics, self._formulation, begin),
        )
        for _ in range(ATTEMPTS):
            pull = None if nudge is None else nudge.take(waiting)
            assert settling.known is not None
            netlists = (
                netlist.settling(replace(settling, known=known), capacitors)
                for netlist, known in zip(
                    self._netlists(system, fixed[waiting], pull, full=True),
                    np.split(settling.known[waiting], range(self._sweep, len(waiting), self._sweep)),
                    strict=True,
                )
            )
            swept, state = self._pool.sweep(netlists)
            assert swept.settled is not None
            volts, currents = np.split(swept.settled, [len(self.circuit.free_nodes)], axis=1)
            found, (ended,) = (self._unknowns(x, True) for x in (swept.voltages, volts[None]))
            here = np.concatenate([ended, currents], axis=1)
            part = dynamics.take(waiting)
            failed = np.isin(np.arange(len(state)), list(swept.messages))
            lost = np.isnan(here).any(axis=1)
            known = settling.known[waiting]
            split = apart(swept.settled, known, volts.shape[1]) & ~np.isnan(known).any(axis=1) & ~lost
            at_rest = near(part.state(found[0]), here, part.scale(ended))
            arrived = (state != Status.CONVERGED) | (~lost & (failed | at_rest))
            done = waiting[arrived]
            u[:, done], status[done] = found[:, arrived], state[arrived]
            heard.messages |= {int(waiting[k]): m for k, m in swept.messages.items() if arrived[k] or lost[k]}
            heard.rungs |= {int(waiting[k]): m for k, m in swept.rungs.items() if arrived[k]}
            for k in np.flatnonzero(split & arrived & (state == Status.CONVERGED)).tolist():
                status[waiting[k]] = Status.NO_EQUILIBRIUM
                difference = np.abs(volts[k] - known[k, : volts.shape[1]]).max()
                heard.messages[int(waiting[k])] = (
                    f"ngspice and the ideal circuit come to rest {difference:.2g} V apart: the start is at the "
                    "border of two basins, where rounding decides; write a state (InitialState), or let the "
                    "circuit prefer one"
                )
            waiting = waiting[~(arrived | lost)]
            settling = replace(settling, seconds=settling.seconds * LONGER)
            if not waiting.size:
                break
        return u, status, heard

    def _held(self, netlists: Iterable[Netlist], equations: Equations, begin: Array) -> Iterator[Netlist]:
        """Let the samples of netlists begin at voltages (batch, node); where devices are held, the rest follows."""
        u, first, nodes = self._plan.collect(begin), 0, self.circuit.free_nodes
        siemens, which = Dynamics(equations).holding(u), self._plan.bends
        saved, which = (begin[:, nodes], which[self._plan.unknown[nodes]]) if self._full else (u, which)
        for netlist in netlists:
            part = slice(first, first + netlist.samples)
            yield netlist.holding(saved[part], siemens, which, at_rest=True)
            first += netlist.samples

    def _keep(
        self, samples: np.ndarray, system: ReducedSystem, fixed: Array, nudge: Nudge | None, full: bool
    ) -> None:
        """Write the netlists of failed samples into the quarantine folder, up to a limit."""
        assert self._quarantine is not None
        for k in samples.tolist():
            if self._quarantine.is_symlink():  # nothing is written out of a run directory
                return
            self._quarantine.mkdir(parents=True, exist_ok=True)
            kept = len(list(self._quarantine.glob("*.sp")))
            if kept >= MOST_KEPT:
                return
            one = slice(k, k + 1)
            (netlist,) = self._netlists(system, fixed[one], None if nudge is None else nudge.take(one), full)
            write_atomically(self._quarantine / f"sample-{kept:03d}.sp", netlist.deck().encode("ascii"))

    def close(self) -> None:
        """Stop the worker processes."""
        self._pool.close()

    def _netlists(
        self, system: ReducedSystem, fixed: Array, nudge: Nudge | None, full: bool | None = None
    ) -> Iterator[Netlist]:
        full = self._full if full is None else full
        for first in range(0, len(fixed), self._sweep):
            part = slice(first, first + self._sweep)
            pull = None if nudge is None else nudge.take(part)
            if full:
                yield full_netlist(self.circuit, system.given, fixed[part], pull, self._tolerances)
            else:
                yield reduced_netlist(system, fixed[part], pull, self._tolerances)

    def _unknowns(self, saved: Array, full: bool) -> Array:
        """Return scaled unknowns (phase, batch, n) from what the netlist saved."""
        if not full:
            return saved
        voltages = np.empty((*saved.shape[:2], self.circuit.n_nodes))
        voltages[:, :, self.circuit.free_nodes] = saved
        return self._plan.collect(voltages)

    def _judge(
        self,
        u: Array,
        status: np.ndarray,
        messages: dict[int, str],
        equations: Equations,
        nudge: Nudge | None,
    ) -> tuple[Array | None, Array | None]:
        """Set the status of samples that are not finite or far from Kirchhoff's law; return nonlinearity and noise.

        u (phase, batch, n) are ngspice's answers; this is the only guard against those that are wrong without a word.
        """
        finite = np.isfinite(u).all(axis=(0, 2))
        for k in np.flatnonzero(~finite & (status == Status.CONVERGED)).tolist():
            status[k] = Status.NOT_CONVERGED if k in messages else Status.NONFINITE
        state = self._looked_at(u, equations, nudge)
        if not (state.sure | ~finite).all():
            state = self._looked_at(u, equations.taken_apart(), nudge)
        off = np.abs(state.distances).max(axis=2)  # (phase, batch)
        largest = np.maximum(
            state.largest, np.abs(u).max(axis=2)
        )  # an image may be far from 0 V where it is nudged
        excess = off / (max(UNCERTAIN, TIMES_RELTOL * self._tolerances.reltol) * largest)
        for k in np.flatnonzero((status == Status.CONVERGED) & ~(excess.max(axis=0) <= 1)).tolist():
            phase = int(excess[:, k].argmax())
            node = self._plan.name(int(np.abs(state.distances[phase, k]).argmax()))
            status[k] = Status.NOT_CONVERGED
            messages[k] = (
                f"ngspice's answer is {off[phase, k]:.1e} V off Kirchhoff's law at {node!r}, more than "
                f"{off[phase, k] / excess[phase, k]:.1e} V; its tolerance is too coarse, or conductances lie too many "
                "powers of ten apart"
            )
        state.judge(np.zeros(len(status)), status, messages)
        if nudge is None:
            return None, None
        noise = np.fmax(off.max(axis=0), state.rounding)
        response = Response.of(state, nudge)
        nonlinearity = response.judge(u, status, messages, nudge, noise)
        judge_branches(state, self._formulation.linear, u, status, messages, nudge, noise)
        return nonlinearity, response.share(noise)

    def _looked_at(self, u: Array, equations: Equations, nudge: Nudge | None) -> FreeState:
        """Return the free states u[0], and how far all phases (phase, batch, n) are from Kirchhoff's law."""
        u = np.nan_to_num(u)
        left = [equations.linearise(u[0])[0].residual]
        if nudge is not None:
            nudged = equations.nudged(nudge).linearise(u[1:].reshape(-1, u.shape[2]))[0].residual
            left += list(nudged.reshape(u[1:].shape))
        return FreeState.of(equations, self._formulation.linear, u[0], nudge, left)
