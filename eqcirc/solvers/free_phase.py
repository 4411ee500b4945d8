"""How the free phase is found where Kirchhoff's law may have several solutions, some of them unstable.

    cold    Newton's method from 0 V; allowed only with a certificate that there is one solution
    relax   what the circuit does: a transient from rest until it stands still, then Newton's method from there
    auto    cold where a certificate says that the circuit comes to rest there whatever the start, else relax

A circuit that is at rest already, in a phase of a learning rule that begins where another one ended, stays there.

A circuit that remembers is brought to an `InitialState` first, and relaxes from there under its inputs.

A circuit with one operating point may oscillate for ever when it is switched on, though it would stay at that point. So
answers say what they rest on (`Evidence`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.junctions import ROUNDING
from eqcirc.circuit.reduction import Reduction
from eqcirc.errors import CircuitError, ConfigError, DataError, SolverError, nearest
from eqcirc.solvers.certificate import certificate
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import LEAST_VOLTAGE, Equations
from eqcirc.solvers.stability import growth, stability
from eqcirc.solvers.status import Evidence, Status
from eqcirc.typing import Array

Start = Literal["auto", "cold", "relax"]


def check_start(start: Start | InitialState) -> None:
    """Raise `ConfigError` for a start that there is not."""
    if not isinstance(start, InitialState) and start not in get_args(Start):
        raise ConfigError(
            f"start = {start!r}: expected an InitialState or a name; {nearest(str(start), get_args(Start))}"
        )


@dataclass(frozen=True)
class InitialState:
    """What is written into a circuit that remembers, before its inputs are applied.

    First nodes are charged; nothing else is. Then, if there is a pulse, it stands at the inputs until the circuit is at
    rest, and that state counts.

    Attributes:
        voltages: volts by node name.
        everywhere: volts that all other nodes are charged to.
        pulse: one sample (n_features,) that the inputs take before their own; None for none.
    """

    voltages: Mapping[str, float] = field(default_factory=dict)
    pulse: Sequence[float] | None = None
    everywhere: float = 0.0

    @property
    def writes(self) -> bool:
        """Whether anything is written."""
        return bool(self.voltages) or self.pulse is not None or self.everywhere != 0

    def check(self, plan: Reduction) -> None:
        """Raise `CircuitError` or `DataError` for what cannot be written into this circuit."""
        self.held(plan.circuit)
        self.unknowns(plan)

    def held(self, circuit: Circuit) -> Array:
        """Return the held voltages (1, fixed node) of the pulse; without one, those of zero inputs."""
        sample = (
            np.zeros(circuit.inputs.n_features) if self.pulse is None else np.asarray(self.pulse, np.float64)
        )
        return circuit.fixed_voltages(sample[None])

    def unknowns(self, plan: Reduction) -> Array:
        """Return the scaled unknowns (n,) of the charged nodes.

        Raises:
            CircuitError: an unknown node, a held one, or two that an amplifier ties to other voltages.
        """
        u, names = np.full(plan.n, np.nan), plan.circuit.node_names
        numbers = {name: node for node, name in enumerate(names)}
        for name, volts in self.voltages.items():
            if name not in numbers:
                raise CircuitError(f"initial state: there is no node {name!r}; {nearest(name, names[1:])}")
            node = numbers[name]
            if not plan.circuit.is_free[node] or not np.isfinite(volts):
                raise CircuitError(
                    f"initial state: node {name!r} cannot be charged to {volts:g} V: expected a finite voltage of a "
                    "node that no source holds"
                )
            k, charged = plan.unknown[node], volts / plan.voltage[node]
            if abs(u[k] - charged) > ROUNDING * abs(charged):
                raise CircuitError(
                    f"initial state: an amplifier holds node {name!r} at {plan.voltage[node] * u[k]:g} V for the other "
                    f"voltages that were given, not at {volts:g} V; leave it out"
                )
            u[k] = charged
        return np.where(np.isnan(u), self.everywhere / plan.voltage[plan.root], u)


def carried(start: Start | InitialState, plan: Reduction, circuit: Circuit) -> Start | InitialState:
    """Return the start of the circuit of a plan for another circuit that was made of it.

    A state is written into the same nodes; where an amplifier holds one, into that which it follows, since the other
    circuit may have other amplifiers. Nodes that sources hold there need no charge. "cold" is a promise about one
    circuit, "auto" finds out anew.

    Raises:
        CircuitError: the state cannot be written into the first circuit.
    """
    if not isinstance(start, InitialState):
        return "auto"
    u, names, voltages = start.unknowns(plan), plan.circuit.node_names, {}
    held = {circuit.node_names[node] for node in circuit.fixed_nodes}
    for name in start.voltages:
        k = plan.unknown[names.index(name)]
        root = int(plan.root[k])
        if names[root] not in held:
            voltages[names[root]] = float(u[k] * plan.voltage[root])
    return replace(start, voltages=voltages)


def wrapped(volts: Array, turn: float) -> Array:
    """Return phases as they are within a turn, from −1/4 of it; a circuit of phases cannot tell them from the others.

    Which way round a phase came is decided by rounding where it stood across from where it is pulled to.
    """
    return volts if not turn else np.asarray(volts - turn * np.floor(volts / turn + 0.25))


FIRST_HORIZON = 30.0  # of `Dynamics.slowest`: how long a transient lasts at first
LONGER, ATTEMPTS = 4.0, 8  # then so many times longer, so often; what has not settled by then is given up
MOST_STEPS = 3000
"""Of one transient. What comes to rest is followed in longer and longer steps, so this ends those that oscillate."""
NEAR = 1e-3  # of a state: so near an operating point counts as about to reach it
LEAST = 1e-3  # of the largest voltage (current) of the row: counts as that of states below it


def near(found: Array, here: Array, scale: Array, share: float | None = None) -> np.ndarray:
    """Return (row,) whether states `found` are where others are, `here`, in every one; all are (row, size).

    Args:
        found: states of operating points.
        here: states of transients.
        scale: what counts as a large voltage, or current, of the row.
        share: of a state that it may be away; None for so little that it will arrive.
    """
    size = np.maximum(np.abs(here), LEAST * scale)
    return np.asarray((np.abs(found - here) <= (NEAR if share is None else share) * size).all(axis=1))


class FreePhase:
    """Decides how to start the rows of one solve, and judges the states that were found.

    Attributes:
        relaxes: whether the circuit is followed in time.
        initial: the state that it is followed from; None for nothing charged.
        begin: unknowns (row, n) of a circuit that is at rest already; None for one that is switched on.
        evidence: why a state that passes is where the circuit will be.
    """

    def __init__(self, equations: Equations, start: Start | InitialState, begin: Array | None = None) -> None:
        """Look for a certificate if there is need of one.

        Args:
            equations: of the free phase.
            start: how it is found.
            begin: (row, node) voltages of a circuit that is at rest already; then nothing else is asked for.

        Raises:
            CircuitError: a node cannot be charged to that voltage.
            DataError: the pulse is no sample of this circuit, or `begin` is no voltages of it.
            SolverError: a cold start was asked for and cannot be trusted.
        """
        self.relaxes, self.evidence, self.initial, self.begin = False, Evidence.PROVEN, None, None
        if begin is not None:
            self.begin, self.evidence = (
                equations.plan.collect(_voltages(begin, equations)),
                Evidence.CONTINUED,
            )
            return
        if isinstance(start, InitialState):
            start.check(equations.plan)  # also where a proof leaves no choice
        if equations.plan.passive:
            return
        self.dynamics = Dynamics(equations)
        known = certificate(self.dynamics)
        writes = isinstance(start, InitialState) and start.writes and not known.attracting
        self.initial = start if isinstance(start, InitialState) and writes else None
        self.relaxes = start == "relax" or (start != "cold" and not known.attracting)
        if self.initial:
            self.evidence = Evidence.WRITTEN
        elif not known.attracting:
            self.evidence = Evidence.REACHED if self.relaxes else Evidence.LOCAL
        if start == "cold" and not known.unique:
            raise SolverError(
                "the free phase cannot start cold: nothing proves that there is one operating point (falling currents, "
                "couplings without loads, transconductors or amplifiers outweigh the conductance around them); "
                'use start = "relax", which follows the circuit in time'
            )

    def judge(self, u: Array, status: np.ndarray, messages: dict[int, str], stable: np.ndarray) -> None:
        """Mark, in place, free states u (row, n) that the circuit would leave; some are known to be `stable` (row,)."""
        good = np.flatnonzero((status == Status.CONVERGED) & ~stable)
        if self.evidence == Evidence.PROVEN or not good.size:
            return
        if self.begin is not None:
            self._judge_stay(self.begin, u, status, messages)
            return
        leaves = ~(growth(self.dynamics.take(good), u[good]) < 0)
        if leaves.any():
            found = stability(self.dynamics.take(good[leaves]), u[good[leaves]])
            for k, row in enumerate(good[leaves].tolist()):
                status[row] = Status.UNSTABLE
                messages[row] = f"{Status.UNSTABLE.words}: {found.explain(k)}"

    @staticmethod
    def _judge_stay(begin: Array, u: Array, status: np.ndarray, messages: dict[int, str]) -> None:
        """Mark, in place, states that are not where the circuit was."""
        scale = np.maximum(LEAST_VOLTAGE, np.abs(begin).max(axis=1, keepdims=True))
        for row in np.flatnonzero((status == Status.CONVERGED) & ~near(u, begin, scale)).tolist():
            status[row] = Status.NO_EQUILIBRIUM
            messages[row] = (
                f"the circuit was not at rest where it was said to be: the operating point that was found is "
                f"{np.abs(u[row] - begin[row]).max():.1e} V away"
            )


def _voltages(begin: Array, equations: Equations) -> Array:
    """Return `begin` if it is a voltage for every node of every sample."""
    expected = (len(equations.fixed), equations.plan.circuit.n_nodes)
    if np.shape(begin) != expected or not np.isfinite(begin).all():
        raise DataError(
            f"begin: expected finite voltages of shape (batch, node) = {expected}, got shape {np.shape(begin)}, "
            f"{np.isfinite(begin).sum()} of {np.size(begin)} finite"
        )
    return begin
