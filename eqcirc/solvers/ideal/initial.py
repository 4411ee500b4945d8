"""The state that a circuit is brought to before its inputs are applied, in scaled unknowns and branch currents."""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.errors import SolverError
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.free_phase import InitialState
from eqcirc.solvers.ideal.relaxation import relax
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.typing import Array


def written(initial: InitialState, system: ReducedSystem, linear: LinearSolver) -> Array:
    """Return the state (1, size) after charging nodes, and after the write pulse if there is one.

    Raises:
        CircuitError: a node cannot be charged to that voltage.
        DataError: the pulse is no sample of this circuit.
        SolverError: the circuit does not come to rest under the pulse.
    """
    plan = system.plan
    dynamics = Dynamics(Equations(system, initial.held(plan.circuit)))
    state = np.zeros((1, dynamics.size))
    state[0, : plan.n] = initial.unknowns(plan)
    if initial.pulse is None:
        return state
    found = relax(dynamics, linear, state)
    if not found.arrived.all():
        raise restless(initial, plan.circuit.name)
    return dynamics.state(found.u)


def restless(initial: InitialState, name: str) -> SolverError:
    """Return the error of a pulse that leads to no state."""
    assert initial.pulse is not None
    return SolverError(
        f"circuit {name!r} does not come to rest under the write pulse {list(initial.pulse)}, so it leads to no state; "
        "take another pulse, or charge nodes instead"
    )
