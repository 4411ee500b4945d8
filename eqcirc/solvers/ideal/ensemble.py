"""Ensembles of the ideal circuit, all rows and chains together, by the limit method of Leimkuhler & Matthews.

    u' = u − h·F(u)/d + √(h·T/(2·t·d))·(R + R'),      R, R' normal; R' is the next step's R

The law exp(−E/T) does not depend on capacitances, so every unknown has one in proportion to its conductance d: the time
constants are as equal as they can be, and steps as long. The bias of averages by the step is of second order in h, and
none in circuits that are linear.

Source: Leimkuhler & Matthews 2013, Appl. Math. Res. Express 2013, 34, equation (1.5).
"""

from __future__ import annotations

import numpy as np

from eqcirc.errors import SolverError
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.langevin import Chains, Langevin
from eqcirc.typing import Array

STEP = 0.2
"""Of the fastest time constant; linear circuits would bear 2."""
FAR = 1e9  # V; no circuit is there
TRIES = 6  # of ever shorter steps: a diode far out of its operating point is far faster than at it


def chains(motion: Langevin, inputs: Array, bath: Bath) -> Chains:
    """Follow all chains; times are in units of their own.

    Raises:
        SolverError: chains run away, however short the steps.
    """
    fastest, slowest = motion.times(motion.steep)
    step = (STEP if bath.step is None else bath.step) * fastest
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(TRIES):
            every = max(1, round(slowest / bath.draws / step))
            found = _run(motion, bath, step, every, round(bath.length * bath.draws))
            if found is not None:
                voltages = motion.plan.expand(
                    found, motion.plan.circuit.fixed_voltages(_each_row(motion, inputs, bath))
                )
                shape = (len(found), motion.phases, motion.batch, bath.chains, voltages.shape[2])
                return voltages.reshape(shape).transpose(1, 2, 3, 0, 4), every * step, step
            step /= 2
    raise SolverError(
        f"ensemble of {motion.plan.circuit.name!r}: chains run away, even with steps of {step / fastest:.2g} fastest "
        "time constants; lower the temperature or beta"
    )


def _each_row(motion: Langevin, inputs: Array, bath: Bath) -> Array:
    """Return the inputs of every row of every chain."""
    return np.tile(np.repeat(inputs, bath.chains, axis=0), (motion.phases, 1))


def _run(motion: Langevin, bath: Bath, step: float, every: int, draws: int) -> Array | None:
    """Return so many draws, `every` steps apart; None if a chain runs away."""
    rows = motion.equations.take(np.repeat(np.arange(len(motion.start)), bath.chains))
    u = np.repeat(motion.start, bath.chains, axis=0)
    steep = np.repeat(motion.steep, bath.chains, axis=0)
    rate, size = step / steep, np.sqrt(step * bath.temperature / (2 * motion.tilt * steep))
    rng = np.random.default_rng(bath.seed)
    copies = motion.phases if bath.common else 1

    def kick() -> Array:
        drawn = rng.standard_normal((len(u) // copies, u.shape[1]))
        return np.asarray(size * np.tile(drawn, (copies, 1)))

    kept, last = np.empty((draws, *u.shape)), kick()
    for k in range(draws):
        for _ in range(every):
            following = kick()
            u = u - rate * rows.linearise(u)[0].residual + last + following
            last = following
        if not np.abs(u).max() < FAR:
            return None
        kept[k] = u
    return kept
