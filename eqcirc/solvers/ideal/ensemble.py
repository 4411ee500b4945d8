"""Ensembles of the ideal circuit, all rows and chains together, by the limit method of Leimkuhler & Matthews.

    u' = u − h·F(u)/d + √(h·T/(2·t·d))·(R + R'),      R, R' normal; R' is the next step's R

The law exp(−E/T) does not depend on capacitances, so every unknown has one in proportion to its conductance d: the time
constants are as equal as they can be, and steps as long. The bias of averages by the step is of second order in h, and
none in circuits that are linear. Where chains have seen steeper places than they started at, they start again with
shorter steps.

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
MOST = 1.0
"""The same where a chain has been: what is steeper there than at the start takes shorter steps."""
FAR = 1e9  # V; no circuit is there
TRIES = 8  # of ever shorter steps
LONGEST = 1_000_000  # steps of a chain


def chains(motion: Langevin, inputs: Array, bath: Bath) -> Chains:
    """Follow all chains; times are in units of their own.

    Raises:
        SolverError: chains run away, however short the steps, or are longer than `LONGEST`.
    """
    steep, share = motion.steep, STEP if bath.step is None else bath.step
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(TRIES):
            fastest, slowest = motion.times(steep)
            step = share * min(fastest, 1.0)
            every = max(1, round(slowest / bath.draws / step))
            _affordable(motion, every * bath.length * bath.draws)
            found = _run(motion, bath, steep, step, every, round(bath.length * bath.draws))
            if found is None:
                share /= 2
                continue
            seen = motion.steepest(found, bath.chains)
            if (step * seen <= MOST * steep).all():
                return _voltages(motion, inputs, bath, found), every * step, step
            steep = np.maximum(steep, seen)
    raise SolverError(
        f"ensemble of {motion.plan.circuit.name!r}: chains run away, or come to ever steeper places, even with steps "
        f"of {share:.2g} fastest time constants; lower the temperature or beta"
    )


def _affordable(motion: Langevin, steps: float) -> None:
    """Raise `SolverError` if chains are too long to be followed."""
    if steps > LONGEST:
        raise SolverError(
            f"ensemble of {motion.plan.circuit.name!r}: a chain would take {steps:.1g} steps, more than {LONGEST:.0e}: "
            "the slowest time constant is that much longer than the fastest; give slow nodes a leak (phases a field), "
            "or take a shorter length"
        )


def _voltages(motion: Langevin, inputs: Array, bath: Bath, found: Array) -> Array:
    """Return node voltages (phase, batch, chain, draw, node) of states (draw, row·chain, n)."""
    voltages = motion.plan.expand(found, motion.plan.circuit.fixed_voltages(_each_row(motion, inputs, bath)))
    shape = (len(found), motion.phases, motion.batch, bath.chains, voltages.shape[2])
    return voltages.reshape(shape).transpose(1, 2, 3, 0, 4)


def _each_row(motion: Langevin, inputs: Array, bath: Bath) -> Array:
    """Return the inputs of every row of every chain."""
    return np.tile(np.repeat(inputs, bath.chains, axis=0), (motion.phases, 1))


def _run(motion: Langevin, bath: Bath, steep: Array, step: float, every: int, draws: int) -> Array | None:
    """Return so many draws, `every` steps apart; None if a chain runs away."""
    rows = motion.equations.take(np.repeat(np.arange(len(motion.start)), bath.chains))
    u = np.repeat(motion.start, bath.chains, axis=0)
    steep = np.repeat(steep, bath.chains, axis=0)
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
