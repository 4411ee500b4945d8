"""Golden vectors: what the circuit must do at some samples, free and nudged.

A nudge is a current into an output pin. At the operating point it is a number, so a test needs no behavioural source:
the vector says which currents to feed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.analysis.flows import leaving
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import RLMesh
from eqcirc.errors import CircuitError, DataError
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.free_phase import InitialState, Start
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.status import Evidence
from eqcirc.typing import Array, Parameters

ABSOLUTE_VOLTS = 1e-6
RELATIVE = 1e-6
MOST_VOLTS = 1e9
LEAST_AMPERES = 1e-9  # counts as the largest current where pins carry none, but for rounding
MOST_STATES = 500
SLIGHT = 1e-6  # of the smallest capacitance, at nodes that have none
TIME_CONSTANTS = 30  # e⁻³⁰ is what is left after them


@dataclass(frozen=True, eq=False)
class Golden:
    """Vectors; arrays have one row each, samples in order, the phases of one sample together.

    Attributes:
        sample: (n,) which sample.
        phase: (n,) "free", or "phase" and the factor of beta, such as "phase +1".
        inputs: (n, n_features) of the circuit.
        voltages: (n, node).
        fed: (n, node) current that is fed into nodes from outside, in amperes.
        currents: (n, node) what leaves every node into the circuit.
        evidence: why these are the operating points.
        holding: siemens that hold a node near its voltage beforehand; None where there is but one operating point.
        settling: step and length in seconds of a transient that ends at the first vector, if the circuit comes to rest
            there from nothing charged; None if that is not known, or nothing stores energy.
    """

    sample: np.ndarray
    phase: tuple[str, ...]
    inputs: Array
    voltages: Array
    fed: Array
    currents: Array
    evidence: Evidence
    holding: float | None
    settling: tuple[float, float] | None

    def __len__(self) -> int:
        """Return the number of vectors."""
        return len(self.phase)


def golden(
    circuit: Circuit,
    parameters: Parameters | None,
    inputs: Array,
    nudge: Nudge | None = None,
    start: Start | InitialState = "auto",
) -> Golden:
    """Solve samples (n, n_features), and the nudged phases if there is a nudge.

    Raises:
        CircuitError: a coil has no resistance, so that the current through it is no number.
        SolverError: a sample has no operating point that the circuit stays at.
        DataError: an input drives the circuit to more volts than anything is made for.
    """
    for element in circuit.elements:
        if isinstance(element, RLMesh) and element.lossless.any():
            raise CircuitError(
                f"element {element.name!r}: a coil without resistance is a short at rest, which divides a current as "
                "it likes; give it a resistance to export the circuit"
            )
    points = IdealSolver(circuit, start=start).solve(parameters, inputs, nudge).require()
    largest = np.unravel_index(np.abs(points.voltages).argmax(), points.voltages.shape)
    if not abs(points.voltages[largest]) <= MOST_VOLTS:
        raise DataError(
            f"golden vectors: {circuit.node_names[largest[2]]} is at {points.voltages[largest]:.3g} V at sample "
            f"{largest[1]}; expected at most {MOST_VOLTS:g} V, beyond which powers are no numbers: scale the inputs"
        )
    factors = [0.0, *(nudge.factors if nudge is not None else ())]
    n, phases = len(inputs), len(factors)
    voltages = points.voltages.transpose(1, 0, 2).reshape(n * phases, -1)
    fed = np.zeros_like(voltages)
    if nudge is not None:
        readout = circuit.readout
        draw = readout.pulls.toarray() * nudge.strengths(len(readout.nodes))
        for k, factor in enumerate(factors):
            v = points.voltages[k]
            pull = nudge.cost.gradient(readout.read(v), nudge.targets) @ draw
            fed[k::phases][:, readout.nodes] = -factor * nudge.beta * pull
        fed[:, ~circuit.is_free] = 0.0  # a source takes it
        fed += 0.0  # no negative zeros
    repeated = np.repeat(inputs, phases, axis=0)
    dynamics = Dynamics.of(circuit, parameters, inputs[:1])
    u = Reduction(circuit).collect(points.free)
    settling = None
    if dynamics.stores and points.evidence in (Evidence.PROVEN, Evidence.REACHED):
        slowest = _slowest(dynamics, u[:1])
        settling = None if slowest is None else (slowest / 20, TIME_CONSTANTS * slowest)
    holding = None
    if points.evidence != Evidence.PROVEN:
        holding = Dynamics.of(circuit, parameters, inputs).holding(u)
    return Golden(
        np.repeat(np.arange(n), phases),
        tuple("free" if f == 0 else f"phase {f:+g}" for f in factors) * n,
        repeated,
        voltages,
        fed,
        leaving(circuit, parameters, voltages, fed),
        points.evidence,
        holding,
        settling,
    )


def _slowest(dynamics: Dynamics, u: Array) -> float | None:
    """Return the slowest time constant in seconds at an operating point (1, n); None if that is not known."""
    if dynamics.size > MOST_STATES:
        return None
    at, _ = dynamics.bare.linearise(u)
    storage = dynamics.completed(SLIGHT)
    rates = np.linalg.eigvals(np.linalg.solve(storage, dynamics.jacobian(at)[0])).real
    return 1 / float(rates.min()) if rates.min() > 0 else None


def current_tolerance(golden: Golden) -> float:
    """Return the absolute tolerance of currents in amperes: a millionth of the largest one."""
    return RELATIVE * max(float(np.abs(golden.currents).max()), LEAST_AMPERES)
