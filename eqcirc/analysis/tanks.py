"""Phases of oscillators at the level of elements: run tanks through ngspice, and read their phases by I/Q.

I = ⟨v·cos ωt⟩,  Q = −⟨v·sin ωt⟩  over whole cycles;   v = A·cos(ωt + φ):   φ = atan2(Q, I),  A = 2·√(I² + Q²)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.tanks import Tanks
from eqcirc.errors import ConfigError
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.transient import follow
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.solvers.waveforms import Course
from eqcirc.typing import Array

CYCLES = 20  # of one reading
POINTS = (
    200  # of a cycle: more than ngspice takes by itself, so that its rule slows every oscillation down alike
)


@dataclass(frozen=True, eq=False)
class Phases:
    """Phases of oscillators over time.

    Attributes:
        times: (reading,) middle of every reading, in seconds.
        phase: (reading, n) in radians, without jumps.
        amplitude: (reading, n) in volts.
    """

    times: Array
    phase: Array
    amplitude: Array


def run_tanks(tanks: Tanks, phases: Array, cycles: int, *, accuracy: float = 1e-6) -> Phases:
    """Follow tanks through ngspice from `phases` (n,) for so many cycles, and read them every 20.

    Raises:
        ConfigError: fewer cycles than one reading takes.
        EngineError, SolverError: see `solvers.ngspice.transient.follow`.
    """
    if cycles < CYCLES:
        raise ConfigError(f"tanks: expected at least {CYCLES} cycles, which one reading takes, got {cycles}")
    circuit = tanks.build("tanks")
    start, currents = tanks.start(phases)
    course = Course(cycles / tanks.reference, start, currents, accuracy=accuracy, steps=POINTS * cycles)
    pool = Pool(LocalWorkers(1), Limits())
    try:
        waves = follow(circuit, course, pool, tanks.drives())
    finally:
        pool.close()
    return read_phases(waves.times, waves.voltages[:, circuit.readout.nodes], tanks.reference)


def tuned(tanks: Tanks, cycles: int = 400) -> Tanks:
    """Return the tanks driven at the frequency that one of them runs at by itself, as ngspice integrates it.

    The trapezoidal rule slows an oscillation down by (2π/points)²/12, which the averaged equation knows nothing of.
    """
    alone = replace(tanks, coupling=np.zeros((1, 1)), bias=np.zeros(1), injection=np.zeros(1))
    if tanks.load:
        alone = replace(alone, g1=tanks.g1 - tanks.load, v0=tanks.v0)
    found = run_tanks(alone, np.zeros(1), cycles)
    late = len(found.times) // 2
    drift = np.polyfit(found.times[late:], found.phase[late:, 0], 1)[0]
    return replace(tanks, driven=alone.reference + float(drift) / (2 * math.pi))


def read_phases(times: Array, volts: Array, frequency: float, cycles: int = CYCLES) -> Phases:
    """Return phases against cos(2π·frequency·t) of waveforms volts (time, n), over windows of whole cycles."""
    window = cycles / frequency
    edges = np.arange(math.floor(times[-1] / window * (1 + 1e-9)) + 1) * window
    angle = 2 * math.pi * frequency * times
    mixed = volts * np.exp(-1j * angle)[:, None]
    steps = 0.5 * (mixed[1:] + mixed[:-1]) * np.diff(times)[:, None]
    area = np.concatenate([np.zeros((1, volts.shape[1])), np.cumsum(steps, axis=0)])
    at = np.stack([np.interp(edges, times, a.real) + 1j * np.interp(edges, times, a.imag) for a in area.T], 1)
    phasor = 2 * np.diff(at, axis=0) / window
    return Phases(0.5 * (edges[1:] + edges[:-1]), np.unwrap(np.angle(phasor), axis=0), np.abs(phasor))
