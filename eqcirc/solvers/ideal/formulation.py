"""How Kirchhoff's equations of a circuit are written down, solved, and followed in time: the formulation that suits it.

Most circuits have the general one. A network of coupled phases has equations and a flow that cost a fraction of it, see
`phases` and `phase_flow`. Both solvers work with either, and nothing but this file tells them apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.errors import SolverError
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.free_phase import InitialState
from eqcirc.solvers.ideal.phase_flow import TURN, settle
from eqcirc.solvers.ideal.phases import PhaseElimination, PhaseEquations, PhasePlan
from eqcirc.solvers.ideal.relaxation import Relaxed, relax
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.choice import choose
from eqcirc.typing import Array


class Formulation(ABC):
    """A way to write down the equations of a circuit.

    Attributes:
        plan: the reduction.
        linear: what solves with the Jacobian of `equations`.
        turn: of unknowns that are angles, in their unit; 0 for voltages.
    """

    plan: Reduction
    linear: LinearSolver
    turn = 0.0

    @staticmethod
    def of(plan: Reduction) -> Formulation:
        """Return what suits a circuit."""
        phases = PhasePlan.of(plan)
        return General(plan) if phases is None else Phases(phases)

    @abstractmethod
    def equations(self, system: ReducedSystem, fixed: Array) -> Equations:
        """Return Kirchhoff's equations for held voltages (row, fixed node)."""

    @abstractmethod
    def relax(self, dynamics: Dynamics, start: Array | None = None) -> Relaxed:
        """Let rows of `equations` come to rest, from states `start` (row, size), by default with nothing charged."""

    def written(self, initial: InitialState, system: ReducedSystem) -> Array:
        """Return the state (1, size) after charging nodes, and after the write pulse if there is one.

        Raises:
            CircuitError: a node cannot be charged to that voltage.
            DataError: the pulse is no sample of this circuit.
            SolverError: the circuit does not come to rest under the pulse.
        """
        circuit = self.plan.circuit
        dynamics = Dynamics(self.equations(system, initial.held(circuit)))
        state = np.zeros((1, dynamics.size))
        state[0, : self.plan.n] = initial.unknowns(self.plan)
        if initial.pulse is None:
            return state
        found = self.relax(dynamics, state)
        if not found.arrived.all():
            raise restless(initial, circuit.name)
        return dynamics.state(found.u)


class General(Formulation):
    """Of any circuit."""

    def __init__(self, plan: Reduction) -> None:
        """Choose the linear solver."""
        self.plan, self.linear = plan, choose(plan)

    def equations(self, system: ReducedSystem, fixed: Array) -> Equations:
        """See `Formulation.equations`."""
        return Equations(system, fixed)

    def relax(self, dynamics: Dynamics, start: Array | None = None) -> Relaxed:
        """See `Formulation.relax`."""
        return relax(dynamics, self.linear, start)


class Phases(Formulation):
    """Of oscillator networks."""

    turn = TURN

    def __init__(self, phases: PhasePlan) -> None:
        """Remember which phase is where."""
        self.plan, self._phases = phases.plan, phases
        self.linear: PhaseElimination = PhaseElimination(phases)

    def equations(self, system: ReducedSystem, fixed: Array) -> PhaseEquations:
        """See `Formulation.equations`."""
        return PhaseEquations(self._phases, system, fixed)

    def relax(self, dynamics: Dynamics, start: Array | None = None) -> Relaxed:
        """See `Formulation.relax`."""
        equations = dynamics.equations
        assert isinstance(equations, PhaseEquations)
        return settle(equations, self.linear, np.zeros_like(equations.injection) if start is None else start)


def restless(initial: InitialState, name: str) -> SolverError:
    """Return the error of a pulse that leads to no state."""
    assert initial.pulse is not None
    return SolverError(
        f"circuit {name!r} does not come to rest under the write pulse {list(initial.pulse)}, so it leads to no state; "
        "take another pulse, or charge nodes instead"
    )
