"""How long a circuit takes to answer: a transient with a capacitance at every node, from nothing charged.

Every free node gets the same capacitance to ground beside what the circuit has itself. That stands for wires, pads and
probes; amplifiers have no bandwidth of their own, and inputs step from 0 V in no time. Both are left to the user, who
may add the time that they take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Capacitor
from eqcirc.errors import ConfigError, SolverError
from eqcirc.solvers.base import Solver
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import LEAST_VOLTAGE
from eqcirc.solvers.waveforms import Course, Waveforms
from eqcirc.typing import Array, Parameters

NAME = "eq_parasitic"
MARGIN = 4.0  # times the slowest time constant that was guessed
LONGER, ATTEMPTS = 4.0, 4  # where the outputs have not arrived


def with_capacitance(circuit: Circuit, farads: float) -> Circuit:
    """Return the circuit with a capacitance from every free node to ground.

    Raises:
        CircuitError: it is out of range.
    """
    nodes = circuit.free_nodes
    parasitic = Capacitor(name=NAME, value=np.full(len(nodes), farads), a=nodes, b=np.zeros_like(nodes))
    return replace(circuit, elements=(*circuit.elements, parasitic))


@dataclass(frozen=True, eq=False)
class Settling:
    """How a circuit came to rest.

    Attributes:
        seconds: from when on every output node stays near its operating point.
        node: the one that arrives last.
        waveforms: of all nodes.
    """

    seconds: float
    node: str
    waveforms: Waveforms


def settling(
    solver: Solver,
    parameters: Parameters | None,
    inputs: Array,
    voltages: Array,
    *,
    tolerance: float = 0.01,
    accuracy: float = 1e-5,
) -> Settling:
    """Return how long the output nodes take from 0 V to their operating point after the inputs are applied.

    Args:
        solver: of the circuit, with all its capacitances; it follows the transient.
        parameters: values by element name.
        inputs: (n_features,) one sample.
        voltages: (node,) its operating point.
        tolerance: how near, in parts of the largest voltage of an output node.
        accuracy: largest relative error of a step of the transient.

    Raises:
        ConfigError: a tolerance that is none.
        CircuitError: nothing in the circuit stores energy.
        SolverError: the transient does not end at the operating point.
    """
    if not 1e-9 <= tolerance < 1:
        raise ConfigError(f"settling: expected a tolerance from 1e-9 to 1, got {tolerance:g}")
    circuit = solver.circuit
    dynamics = Dynamics.of(circuit, parameters, inputs[None])
    nodes = np.unique(circuit.readout.nodes)
    near = tolerance * max(LEAST_VOLTAGE, float(np.abs(voltages[nodes]).max()))
    seconds = dynamics.slowest * (MARGIN - math.log(tolerance))
    for _ in range(ATTEMPTS):
        accurate = min(accuracy, 0.01 * tolerance)
        way = solver.transient(Course(seconds, inputs=inputs, parameters=parameters, accuracy=accurate))
        off = np.abs(way.voltages[:, nodes] - voltages[nodes])
        if (off[-1] <= near).all():
            times = [_arrival(way.times, off[:, k], near) for k in range(len(nodes))]
            last = int(np.argmax(times))
            return Settling(times[last], circuit.node_names[nodes[last]], way)
        seconds *= LONGER
    raise SolverError(
        f"{way.times[-1]:.3g} s after the inputs were applied, node {circuit.node_names[nodes[off[-1].argmax()]]!r} of "
        f"{circuit.name!r} is still {off[-1].max():.3g} V from its operating point: the circuit comes to rest "
        "elsewhere, or much more slowly than its parts say"
    )


def _arrival(times: Array, off: Array, near: float) -> float:
    """Return the time after which a distance (time,) stays below `near`."""
    away = np.flatnonzero(off > near)
    if not away.size:
        return 0.0
    k = int(away[-1])
    if off[k + 1] <= 0:
        return float(times[k + 1])
    share = math.log(off[k] / near) / math.log(off[k] / off[k + 1])  # it decays about exponentially
    return float(times[k] + share * (times[k + 1] - times[k]))
