"""Transients through ngspice: `.tran … uic` of the full netlist, in a worker process with a deadline.

    .ic v(node)=…  and  l… ic=…     the start, for every node and R-L branch; uic takes it as it is
    tran step stop 0 step           at least `steps` steps; where more are needed, ngspice's own estimate decides

ngspice integrates by the trapezoidal rule and controls its steps by reltol; here that is the accuracy of the course.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Capacitor
from eqcirc.devices.base import number
from eqcirc.errors import SolverError
from eqcirc.solvers.ngspice.netlist import Netlist, Tolerances, charged, full_netlist
from eqcirc.solvers.ngspice.pool import Limits, Pool, in_session
from eqcirc.solvers.waveforms import Course, Waveforms, meshes
from eqcirc.typing import Array

SMALL = 1e-3  # V; voltages below it have an absolute accuracy
LEAST_CURRENT = 1e-15  # A, ngspice's abstol
COMPLETE = 1 - 1e-9  # of the duration; a transient that ends before was given up


def follow(circuit: Circuit, course: Course, pool: Pool, drives: Sequence[str] = ()) -> Waveforms:
    """Run a course through ngspice, with further lines for what drives the circuit in time, if anything does.

    Raises:
        EngineError: ngspice died, took too long, or refuses the netlist.
        SolverError: it gave up on the way.
    """
    began = time.perf_counter()
    netlist, vectors = transient_netlist(circuit, course)
    netlist = replace(netlist, lines=[*netlist.lines, *drives])
    step, stop = number(course.duration / course.steps), number(course.duration)
    points, said = pool.call(_trace, netlist, vectors, f"tran {step} {stop} 0 {step} uic")
    if not len(points) or points[-1, 0] < COMPLETE * course.duration:
        reached = points[-1, 0] if len(points) else 0.0
        raise SolverError(
            f"the transient of {circuit.name!r} stopped at {reached:.3g} of {course.duration:.3g} s: ngspice: "
            f"{said or 'no word why'}"
        )
    times, volts, currents = np.split(points, [1, 1 + len(netlist.saved)], axis=1)
    voltages = np.empty((len(points), circuit.n_nodes))
    voltages[:, circuit.fixed_nodes] = course.held(circuit)
    voltages[:, circuit.free_nodes] = volts
    return Waveforms(  # the first point of ngspice is after its first step
        circuit,
        np.insert(times[:, 0], 0, 0.0),
        np.insert(voltages, 0, course.voltages(circuit), axis=0),
        np.insert(currents, 0, course.branch_currents(circuit), axis=0),
        time.perf_counter() - began,
    )


def transient_netlist(circuit: Circuit, course: Course) -> tuple[Netlist, list[str]]:
    """Return the full netlist with the start of a course, and the vectors to read: time, voltages, currents."""
    start, currents = course.voltages(circuit), course.branch_currents(circuit)
    volts = SMALL * course.accuracy
    stored = [e.value.min() for e in circuit.elements if isinstance(e, Capacitor)]
    tolerances = Tolerances(course.accuracy, volts, LEAST_CURRENT)
    netlist = full_netlist(circuit, course.parameters, course.held(circuit), None, tolerances)
    branches = [f"l_{mesh.name}_{k}" for mesh in meshes(circuit) for k in range(len(mesh.a))]
    lines = charged(netlist.lines, circuit.node_names[1:], branches, np.concatenate([start[1:], currents]))
    if stored:
        lines.append(f".options chgtol={number(volts * min(stored))}")
    vectors = [f"{name}#branch" for name in branches]
    lines += [f".save {vector}" for vector in vectors]
    return replace(netlist, lines=lines), ["time", *netlist.saved, *vectors]


def _trace(netlist: Netlist, vectors: list[str], command: str, limits: Limits) -> tuple[Array, str]:
    """Return the points (time, vector) of a transient and ngspice's words, in a worker."""
    return in_session(lambda s: (s.analyse(netlist, [], command, vectors=vectors), s.said()), limits)
