"""Grow a pattern: noise on the uniform state of a lattice, a transient, and a judgement of where it ends.

At the end of the transient Newton's method looks for the operating point close by, whose stability is reported: a
pattern is a state of the circuit only if it is at rest there and small perturbations die out. On a ring of neurons it
is held where it is even about a neuron or the middle between two, if at all, and may take seconds to shift there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from eqcirc.analysis.turing import Dispersion, dispersion, recovery_state, uniform_state
from eqcirc.analysis.wavelength import wavelength
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.lattice import Lattice
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.devices import Gyrator
from eqcirc.solvers.base import Solver
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import Linearised
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.choice import choose
from eqcirc.solvers.stability import Stability, stability
from eqcirc.solvers.status import Status
from eqcirc.solvers.waveforms import LATE, REST, Course, Waveforms, at_rest, meshes
from eqcirc.typing import Array

LONG = 1e5  # slowest time constants of single parts: the first step of `_InTime`
GROWTHS = 500.0  # e-foldings of the fastest mode: defects of a pattern heal slowly, near 1 % of that rate


@dataclass(frozen=True, eq=False)
class Pattern:
    """What became of a lattice.

    Attributes:
        lattice: the lattice.
        theory: its linear theory.
        uniform: membrane voltage of its uniform state.
        waveforms: the transient.
        state: (node,) voltages of the operating point next to its end; None if it does not end near one.
        stability: of that operating point, one row; None if there is none or it was not to be judged.
    """

    lattice: Lattice
    theory: Dispersion
    uniform: float
    waveforms: Waveforms
    state: Array | None
    stability: Stability | None

    @property
    def membranes(self) -> Array:
        """Membrane voltages at the end, in the shape of the lattice."""
        return self.on_lattice(self.waveforms.end)

    @cached_property
    def wavelength(self) -> float:
        """Measured wavelength at the end, in sites; NaN if the end is flat."""
        return wavelength(self.membranes, self.lattice.periodic)

    @property
    def flat(self) -> bool:
        """Whether the end is the same everywhere."""
        return math.isnan(self.wavelength)

    @property
    def amplitude(self) -> float:
        """Half the range of the membrane voltages at the end, in volts."""
        return float(np.ptp(self.membranes)) / 2

    @property
    def e_foldings(self) -> float:
        """How often the fastest mode can have grown (or died out) by e until the end."""
        return float(self.waveforms.times[-1]) * abs(self.theory.rate)

    @property
    def at_rest(self) -> bool:
        """Whether the transient came to rest: no voltage moves by more than 0.1 mV over its last tenth.

        If that is short of an e-folding of the fastest mode: at a rate of more than 0.1 mV an e-folding.
        """
        return at_rest(self.waveforms, REST * min(1.0, (1 - LATE) * self.e_foldings))

    @property
    def stable(self) -> bool:
        """Whether the circuit stays at the operating point next to the end."""
        return self.stability is not None and bool(self.stability.stable[0])

    @property
    def distance(self) -> float:
        """Largest difference between the end of the transient and the operating point, in volts; NaN without one."""
        return math.nan if self.state is None else float(np.abs(self.state - self.waveforms.end).max())

    @property
    def recovery(self) -> Array:
        """Recovery at the end, in the shape of the lattice: volts of the nodes, or amperes of R-L branches."""
        waves = self.waveforms
        nodes = [e.b for e in waves.circuit.elements if isinstance(e, Gyrator)]
        values = waves.end[nodes[0]] if nodes else waves.end_currents
        return np.asarray(values.reshape(self.lattice.shape))

    def on_lattice(self, voltages: Array) -> Array:
        """Return membrane voltages (..., *shape) out of node voltages (..., node)."""
        membranes = voltages[..., self.waveforms.circuit.readout.nodes]
        return np.asarray(membranes.reshape(*voltages.shape[:-1], *self.lattice.shape))

    def facts(self) -> dict[str, Any]:
        """Return the findings under their names, in SI units; wavelengths in sites."""
        theory, judged = self.theory, self.stability
        band = theory.wavelengths[theory.unstable]
        return {
            "uniform_voltage": self.uniform,
            "theory_patterns": theory.patterns,
            "theory_wavelength": theory.wavelength,
            "theory_band": [float(band.min()), float(band.max())] if band.size else None,
            "theory_growth": theory.rate,
            "wavelength": self.wavelength,
            "amplitude": self.amplitude,
            "duration": float(self.waveforms.times[-1]),
            "e_foldings": self.e_foldings,
            "at_rest": self.at_rest,
            "movement": float(self.waveforms.movement.max()),
            "distance": self.distance,
            "stable": None if judged is None else self.stable,
            "neutral": None if judged is None else bool(judged.neutral[0]),
            "largest_real_part": None if judged is None else float(judged.growth[0]),
            "wall_seconds": self.waveforms.wall_seconds,
        }


def grow(
    lattice: Lattice,
    solver: Solver,
    seed: int = 0,
    *,
    noise: float = 0.01,
    duration: float | None = None,
    accuracy: float = 1e-5,
    judge: bool = True,
) -> Pattern:
    """Let a pattern grow out of noise.

    Args:
        lattice: the lattice.
        solver: of its circuit, `lattice.build(...)`.
        seed: of the noise.
        noise: standard deviation of the membrane voltages at the first instant, in volts.
        duration: seconds; None for 500 times as long as the fastest mode takes to grow by e (or to die out).
        accuracy: of the transient.
        judge: look whether the end is stable; takes long for thousands of states.

    Raises:
        CircuitError: there is no uniform state.
        SolverError: the transient was given up.
    """
    circuit, theory = solver.circuit, dispersion(lattice)
    seconds = GROWTHS / abs(theory.rate) if duration is None else duration
    start, currents = uniform_start(lattice, circuit)
    start[circuit.readout.nodes] += np.random.default_rng(seed).normal(0, noise, math.prod(lattice.shape))
    waveforms = solver.transient(Course(seconds, start=start, currents=currents, accuracy=accuracy))
    state, judged = operating_point_near(circuit, waveforms.end, judge=judge)
    return Pattern(lattice, theory, uniform_state(lattice.neuron), waveforms, state, judged)


def uniform_start(lattice: Lattice, circuit: Circuit) -> tuple[Array, Array]:
    """Return node voltages (node,) and branch currents (branch,) of the uniform state."""
    v = uniform_state(lattice.neuron)
    w = recovery_state(lattice.neuron, v)
    start = np.zeros(circuit.n_nodes)
    start[circuit.readout.nodes] = v
    for gyrator in (e for e in circuit.elements if isinstance(e, Gyrator)):
        start[gyrator.b] = w
    return start, np.full(sum(len(mesh.a) for mesh in meshes(circuit)), w)


def operating_point_near(
    circuit: Circuit, voltages: Array, *, judge: bool = True
) -> tuple[Array | None, Stability | None]:
    """Return node voltages (node,) of the operating point next to `voltages` (node,), and its stability if wanted.

    Both are None if none is found within a quarter of the range of the membrane voltages; any flat state is twice as
    far from a pattern. The circuit has no inputs.
    """
    dynamics = Dynamics.of(circuit, None, np.zeros((1, 0)))
    equations = dynamics.equations
    plan, membranes = equations.plan, circuit.readout.nodes
    reach = max(float(np.ptp(voltages[membranes])) / 4, REST)
    found = newton(equations, _InTime(choose(plan), dynamics, reach), plan.collect(voltages[None]))
    state = plan.expand(found.u[None], equations.fixed)[0, 0]
    settled = found.status[0] in (
        Status.CONVERGED,
        Status.UNRESOLVED,
    )  # what nothing holds is not sure of its place
    if not settled or np.abs(state - voltages)[membranes].max() > reach:
        return None, None
    return state, stability(dynamics, found.u) if judge else None


class _InTime:
    """Newton steps that are implicit steps in time, each ten times as long as the one before.

    The neurons of a ring hold a pattern in place weakly, or not at all, and along its shift a step of Newton's method
    goes anywhere. In time a pattern goes to where it is held, and one at rest that nothing holds stays where it is.
    """

    def __init__(self, linear: LinearSolver, dynamics: Dynamics, reach: float) -> None:
        self._linear, self._most = linear, reach / 10  # V, of one step
        self._inertia = dynamics.system.capacitance.diagonal() / (LONG * dynamics.slowest)

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        """Return the step (row, n)."""
        step = self._linear.solve(system, replace(at, diagonal=at.diagonal + self._inertia), rhs)
        self._inertia = self._inertia / 10
        return step * min(1.0, self._most / max(float(np.abs(step).max()), 1e-300))
