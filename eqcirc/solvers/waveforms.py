"""The contract of transients: what to follow in time (`Course`), and what comes of it (`Waveforms`).

The state of a circuit is the voltages of its capacitors and the currents of its R-L branches. Held nodes (rails,
inputs) keep their voltage from the first instant on. Both solvers answer `transient(course)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Amplifier, Capacitor, RLMesh
from eqcirc.errors import CircuitError, ConfigError, DataError, SolverError
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, NodeArray, Parameters

REST = 1e-4
"""V. Node voltages that move less than this over the last tenth of a transient are at rest."""
LATE = 0.9  # where that last tenth begins
FEWEST_STEPS = 20  # so that the last tenth is more than one step
CONSISTENT = 1e-6  # relative, of a start with the gains of amplifiers


@dataclass(frozen=True, eq=False)
class Course:
    """What to follow.

    Attributes:
        duration: seconds.
        start: node voltages (node,) at the first instant, those of held nodes aside; None for nothing charged.
        currents: of the R-L branches (branch,), in the order of the elements; None for none.
        inputs: one sample (n_features,), constant in time; may be left out where the circuit has no inputs.
        parameters: values by element name; elements left out keep the circuit's values.
        accuracy: largest relative error of a step.
        steps: no step is longer than the duration over this.
    """

    duration: float
    start: Array | None = None
    currents: Array | None = None
    inputs: Array | None = None
    parameters: Parameters | None = None
    accuracy: float = 1e-5
    steps: int = 200

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (np.isfinite(self.duration) and self.duration > 0):
            raise ConfigError(f"transient: expected a positive duration in seconds, got {self.duration:g}")
        if not 1e-12 <= self.accuracy <= 1e-2:
            raise ConfigError(f"transient: expected an accuracy from 1e-12 to 0.01, got {self.accuracy:g}")
        if self.steps < FEWEST_STEPS:
            raise ConfigError(f"transient: expected at least {FEWEST_STEPS} steps, got {self.steps}")

    def held(self, circuit: Circuit) -> Array:
        """Return the voltages (1, fixed node) that sources hold."""
        inputs = np.zeros(circuit.inputs.n_features) if self.inputs is None else np.asarray(self.inputs)
        if inputs.ndim != 1 or (self.inputs is None and inputs.size):
            raise DataError(
                f"transient of {circuit.name!r}: expected one sample of {circuit.inputs.n_features} features, "
                f"got {'none' if self.inputs is None else f'an array of shape {inputs.shape}'}"
            )
        return circuit.fixed_voltages(inputs[None])

    def voltages(self, circuit: Circuit) -> Array:
        """Return the voltages (node,) at the first instant.

        Raises:
            CircuitError: nothing in the circuit stores energy, so that nothing could move, or the start contradicts
                an amplifier's gain.
        """
        if not any(isinstance(e, Capacitor | RLMesh) for e in circuit.elements):
            raise CircuitError(
                f"transient of {circuit.name!r}: the circuit has neither capacitors nor R-L branches, so nothing "
                "takes time in it; solve its operating point instead"
            )
        v = _state("start", self.start, circuit.n_nodes, "nodes")
        v[circuit.fixed_nodes] = self.held(circuit)[0]
        _follow_amplifiers(circuit, v)
        return v

    def branch_currents(self, circuit: Circuit) -> Array:
        """Return the currents (branch,) at the first instant."""
        count = sum(len(mesh.a) for mesh in meshes(circuit))
        return _state("currents", self.currents, count, "R-L branches")


def _follow_amplifiers(circuit: Circuit, v: Array) -> None:
    """Raise `CircuitError` where node voltages v (node,) contradict an amplifier's gain, which takes no time."""
    for amplifier in (e for e in circuit.elements if isinstance(e, Amplifier)):
        wanted = amplifier.gain * v[amplifier.source]
        off = np.abs(v[amplifier.output] - wanted) > CONSISTENT * np.maximum(np.abs(wanted), REST)
        if off.any():
            node = circuit.node_names[amplifier.output[off][0]]
            raise CircuitError(
                f"transient of {circuit.name!r}: node {node!r} starts at {v[amplifier.output][off][0]:g} V, but "
                f"amplifier {amplifier.name!r} makes it {wanted[off][0]:g} V; start its output at the gain times "
                "its input"
            )


def meshes(circuit: Circuit) -> list[RLMesh]:
    """Return the elements that hold the R-L branches, in order."""
    return [e for e in circuit.elements if isinstance(e, RLMesh)]


def _state(name: str, given: Array | None, count: int, what: str) -> Array:
    """Return a copy of what is given, or zeros."""
    value = np.zeros(count) if given is None else np.array(given, np.float64)
    if value.shape != (count,) or not np.isfinite(value).all():
        raise CircuitError(
            f"transient: expected {name} of finite values for {count} {what}, got shape {value.shape}"
        )
    return value


@dataclass(frozen=True, eq=False)
class Waveforms:
    """A transient, at the instants that the solver chose.

    Attributes:
        circuit: whose.
        times: (time,) in seconds, increasing, from 0 to the duration.
        voltages: (time, node) in volts.
        currents: (time, branch) of the R-L branches, in amperes.
        wall_seconds: what it took.
    """

    circuit: Circuit
    times: Array
    voltages: Array
    currents: Array
    wall_seconds: float = 0.0

    @property
    def end(self) -> Array:
        """Node voltages (node,) at the last instant."""
        return np.asarray(self.voltages[-1])

    @property
    def end_currents(self) -> Array:
        """Branch currents (branch,) at the last instant."""
        return np.asarray(self.currents[-1])

    @property
    def movement(self) -> Array:
        """How far (node,) every voltage moved over the last tenth, between its extremes, in volts."""
        late = self.voltages[self.times >= LATE * self.times[-1]]
        return np.asarray(np.ptp(late, axis=0))

    def at(self, times: Array, nodes: NodeArray | None = None) -> Array:
        """Return voltages (time, node) at other instants, of all nodes or some, by monotone cubics."""
        chosen = self.voltages if nodes is None else self.voltages[:, nodes]
        return np.asarray(PchipInterpolator(self.times, chosen)(times))

    def require_rest(self, tolerance: float = REST) -> Waveforms:
        """Return self if the circuit came to rest; raise `SolverError` that names the liveliest node otherwise."""
        if not at_rest(self, tolerance):
            node = int(self.movement.argmax())
            raise SolverError(
                f"after {self.times[-1]:.3g} s {Status.NO_EQUILIBRIUM.words}: node "
                f"{self.circuit.node_names[node]!r} moved by {self.movement[node]:.3g} V in the last tenth, more "
                f"than {tolerance:g} V; follow it for longer, or change the circuit"
            )
        return self


def at_rest(waveforms: Waveforms, tolerance: float = REST) -> bool:
    """Return whether no node voltage moved by more than `tolerance` volts over the last tenth of the transient.

    A state at rest may be an unstable one that nothing has disturbed: see `solvers.stability`.
    """
    return bool((waveforms.movement <= tolerance).all())
