"""Physical figures of a circuit with values: power, ratings, settling, energies, noise.

    energy of an inference    power of the sample · the time it settles in; before it has settled power differs
    energy of an update       one write pulse for every synapse, of a given energy, or Σ g·V²·t of a pulse V, t
    noise of the outputs      root of the density over a band, or over all frequencies if every node has a capacitance

Nothing is invented: what needs a capacitance, a band or a pulse is None where that is not given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eqcirc.analysis.flows import device_class
from eqcirc.analysis.power import Power, power
from eqcirc.analysis.ratings import Rating, Seen, held_against
from eqcirc.analysis.settling import settling, with_capacitance
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Capacitor, RLMesh
from eqcirc.errors import ConfigError, SolverError
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.noise import Band
from eqcirc.typing import Array, Parameters

BEYOND = 1e4  # the band of all frequencies goes so far beyond the slowest and fastest time constant


@dataclass(frozen=True)
class Conditions:
    """Under which conditions figures are asked for.

    Attributes:
        capacitance: in farads, at every free node; None for what the circuit has itself.
        tolerance: how near to its end an output has settled, in parts of the largest output node voltage.
        settle: how many samples are followed in time and asked for their noise.
        band: (lowest, highest) frequency of the noise in hertz; None for all, if there is a capacitance.
        write_volts: of a write pulse, and
        write_seconds: its length; or
        write_joules: energy of the pulse.
        ratings: of classes of devices.
    """

    capacitance: float | None = None
    tolerance: float = 0.01
    settle: int = 3
    band: tuple[float, float] | None = None
    write_volts: float | None = None
    write_seconds: float | None = None
    write_joules: float | None = None
    ratings: tuple[Rating, ...] = ()

    def __post_init__(self) -> None:
        """Check what belongs together."""
        for name in ("write_volts", "write_seconds", "write_joules"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"physical: expected {name} above 0, got {value!r}")
        if self.settle < 1:
            raise ConfigError(f"physical: expected at least one sample to settle, got {self.settle}")
        pulse = [self.write_volts is not None, self.write_seconds is not None]
        if any(pulse) and (not all(pulse) or self.write_joules is not None):
            raise ConfigError(
                "physical: expected write_volts and write_seconds, or write_joules alone, or none of them"
            )


@dataclass(frozen=True)
class Settled:
    """How one sample settled.

    Attributes:
        sample: its number.
        seconds: that it takes.
        node: output node that arrives last.
        joules: power times seconds.
    """

    sample: int
    seconds: float
    node: str
    joules: float


@dataclass(frozen=True)
class OutputNoise:
    """Noise of the outputs at one sample.

    Attributes:
        sample: its number.
        rms: (output,) volts over the band.
        lowest: frequency in hertz that the band begins at.
        highest: where it ends.
        gap: distance in volts between the two largest outputs; NaN of one output.
    """

    sample: int
    rms: tuple[float, ...]
    lowest: float
    highest: float
    gap: float


@dataclass(frozen=True, eq=False)
class PhysicalFigures:
    """Physical figures of a circuit at some samples.

    Attributes:
        engine: name of the solver that found the voltages.
        samples: how many were asked for.
        failed: how many of them have no operating point; they are left out.
        power: of the others.
        seen: what devices see, against their ratings.
        synapses: number of programmable resistors.
        settled: of the first samples; empty where nothing stores energy.
        update_joules: energy of an update; None where no pulse is given.
        noise: of the first samples; empty without a band.
    """

    engine: str
    samples: int
    failed: int
    power: Power
    seen: tuple[Seen, ...]
    synapses: int
    settled: tuple[Settled, ...]
    update_joules: float | None
    noise: tuple[OutputNoise, ...]

    @property
    def exceeded(self) -> tuple[Seen, ...]:
        """What is beyond its rating."""
        return tuple(seen for seen in self.seen if seen.exceeded)


def physical_figures(
    solver: Solver, parameters: Parameters | None, inputs: Array, conditions: Conditions | None = None
) -> PhysicalFigures:
    """Return the physical figures of the solver's circuit.

    Args:
        solver: what solves, follows in time and finds the noise.
        parameters: values by element name.
        inputs: (batch, n_features).
        conditions: what is known of surroundings, devices and writing.

    Raises:
        ConfigError: a rating of no class of devices.
        CircuitError: a coil without resistance, or a capacitance out of range.
        SolverError: no sample has an operating point, or one does not settle there.
    """
    given, circuit = conditions or Conditions(), solver.circuit
    x = np.atleast_2d(np.asarray(inputs, np.float64))
    points = solver.solve(parameters, x)
    good = np.flatnonzero(points.converged)
    if not good.size:
        raise SolverError(f"none of {len(x)} samples has an operating point: {points.explain()}")
    found = power(circuit, parameters, points.free[good], good)
    few, farads = good[: given.settle], given.capacitance
    timed = solver if farads is None else solver.on(with_capacitance(circuit, farads))
    stores = any(isinstance(e, Capacitor | RLMesh) for e in timed.circuit.elements)
    bounded = farads is not None or given.band is not None
    return PhysicalFigures(
        solver.name,
        len(x),
        len(x) - len(good),
        found,
        held_against(found.largest(), given.ratings),
        sum(len(siemens) for siemens in _synapses(circuit, parameters)),
        _settled(timed, parameters, x, points, few, found, given) if stores else (),
        _update(circuit, parameters, given),
        _noise(timed, parameters, x, points, few, given) if bounded else (),
    )


def _settled(
    solver: Solver,
    parameters: Parameters | None,
    x: Array,
    points: OperatingPoints,
    few: np.ndarray,
    found: Power,
    given: Conditions,
) -> tuple[Settled, ...]:
    watts = dict(zip(found.samples.tolist(), found.dissipated.tolist(), strict=True))
    each = []
    for k in few.tolist():
        came = settling(solver, parameters, x[k], points.free[k], tolerance=given.tolerance)
        each.append(Settled(k, came.seconds, came.node, came.seconds * watts[k]))
    return tuple(each)


def _synapses(circuit: Circuit, parameters: Parameters | None) -> list[Array]:
    """Return the conductances of the programmable resistors of every element that has them."""
    values = circuit.values(parameters)
    return [e.resistors(values[e.name]) for e in circuit.elements if device_class(e) == "synapse"]


def _update(circuit: Circuit, parameters: Parameters | None, given: Conditions) -> float | None:
    """Return the energy in joules of one pulse at every synapse."""
    synapses = _synapses(circuit, parameters)
    if given.write_joules is not None:
        return given.write_joules * sum(len(g) for g in synapses)
    if given.write_volts is None or given.write_seconds is None:
        return None
    return given.write_volts**2 * given.write_seconds * float(sum(g.sum() for g in synapses))


def _noise(
    solver: Solver,
    parameters: Parameters | None,
    x: Array,
    points: OperatingPoints,
    few: np.ndarray,
    given: Conditions,
) -> tuple[OutputNoise, ...]:
    circuit, each = solver.circuit, []
    for k in few.tolist():
        free = points.free[k]
        band = _all(circuit, parameters, x[k], free) if given.band is None else Band(*given.band)
        found = solver.noise(parameters, x[k], free, band)
        outputs = np.sort(circuit.readout.read(free[None])[0])
        gap = float(outputs[-1] - outputs[-2]) if len(outputs) > 1 else math.nan
        first, last = found.frequencies[[0, -1]].tolist()
        each.append(OutputNoise(k, tuple(found.rms.tolist()), first, last, gap))
    return tuple(each)


def _all(circuit: Circuit, parameters: Parameters | None, inputs: Array, free: Array) -> Band:
    """Return a band beyond which there is next to no noise."""
    dynamics = Dynamics.of(circuit, parameters, inputs[None])
    u = dynamics.plan.collect(free[None])
    fastest = dynamics.fastest(dynamics.steepness(u))
    return Band(1 / (2 * math.pi * BEYOND * dynamics.slowest), BEYOND / (2 * math.pi * fastest))
