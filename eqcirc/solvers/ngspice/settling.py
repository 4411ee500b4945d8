"""How long ngspice should follow a circuit until it rests, and from where; and where to, if it gives up on the way."""

from __future__ import annotations

import numpy as np

from eqcirc.solvers.dynamics import EQUAL, PARASITIC, Dynamics
from eqcirc.solvers.free_phase import FIRST_HORIZON
from eqcirc.solvers.ideal.formulation import Formulation
from eqcirc.solvers.ngspice.netlist import Settling
from eqcirc.solvers.ngspice.session import LEAST_STEPS
from eqcirc.solvers.status import Status
from eqcirc.solvers.waveforms import meshes
from eqcirc.typing import Array

MARGIN = 1.5  # of the time that the ideal circuit takes to settle
FIRST_STEP = 0.1  # of the fastest time constant, slopes of devices included
SHORTEST = 1e-9  # of a transient: ngspice takes no shorter steps


def plan_settling(
    dynamics: Dynamics, formulation: Formulation, begin: Array | None
) -> tuple[Array, Settling]:
    """Return the capacitors (free node,) that nodes lack, in farads, and what transients need to know.

    Args:
        dynamics: of the samples.
        formulation: of their equations.
        begin: state (1, size) at the first instant; None for nothing charged.
    """
    circuit, plan = dynamics.plan.circuit, dynamics.plan
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        start = None if begin is None else np.tile(begin, (len(dynamics.equations.fixed), 1))
        ideal = formulation.relax(dynamics, start)
        steep = dynamics.steepness(np.nan_to_num(ideal.u))
    arrived = ideal.times[ideal.status == Status.CONVERGED]
    seconds = MARGIN * float(arrived.max(initial=FIRST_HORIZON * dynamics.slowest / MARGIN))
    step = float(np.clip(FIRST_STEP * dynamics.fastest(steep), SHORTEST * seconds, seconds / LEAST_STEPS))
    farads = np.zeros(circuit.n_nodes)
    farads[plan.root] = dynamics.parasitic(PARASITIC) if dynamics.stores else EQUAL
    branches = tuple(f"l_{mesh.name}_{k}" for mesh in meshes(circuit) for k in range(len(mesh.a)))
    holding = dynamics.holding(np.nan_to_num(ideal.u))
    first = None if begin is None else _saved(begin, dynamics)[0]
    known = np.where(ideal.arrived[:, None], _saved(dynamics.state(ideal.u), dynamics), np.nan)
    return farads[circuit.free_nodes], Settling(
        seconds, step, holding, branches, first, known, formulation.turn
    )


def _saved(x: Array, dynamics: Dynamics) -> Array:
    """Return voltages of the free nodes and branch currents (row, saved + branches) of states (row, size)."""
    u, currents = np.split(x, [dynamics.n], axis=1)
    volts = dynamics.plan.expand(u[None], dynamics.equations.fixed[: len(x)])[0]
    return np.concatenate([volts[:, dynamics.plan.circuit.free_nodes], currents], axis=1)
