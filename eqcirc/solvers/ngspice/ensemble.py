"""Ensembles through ngspice: transients of the full netlist with a noise source at every node.

    i… 0 node trrandom(2 step 0 sigma 0)       a normal current, drawn anew every `step` seconds: S = sigma²·step

Not `trnoise`, whose numbers ngspice 39 takes from a generator that no seed reaches; those of `trrandom` it takes from
the one that `setseed` sets. They are drawn by the clock, so two phases of one seed get the same noise, step by step.
A held current lets a node forget within a step: its variance is below T/g by a third of a step over the time constant.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqcirc.devices.base import number
from eqcirc.errors import SolverError
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.dynamics import EQUAL
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.langevin import Chains, Langevin
from eqcirc.solvers.ngspice.cards import PHASE
from eqcirc.solvers.ngspice.netlist import Netlist, Tolerances, charged, charged_helpers, full_netlist
from eqcirc.solvers.ngspice.pool import Limits, Pool, in_session
from eqcirc.solvers.ngspice.session import Session
from eqcirc.typing import Array, Parameters

STEP = 0.02
"""Of the fastest time constant: noise is drawn so often. The variance of the fastest is then 0.7 % low."""
STEEPER, TRIES = 3.0, 3
"""What is so much steeper where a chain has been than at its start takes shorter steps, twice at most."""
LOOSE = Tolerances(1e-3, 1e-6, 1e-12)
"""Steps are as short as the noise is; a millivolt in a volt of error is nothing beside it."""
UNHURRIED = ".options trtol=1000"  # the noise is rough, and ngspice would look for its derivatives
MOST_POINTS = 20_000_000  # numbers of a transient that a worker keeps
EACH = 5  # points that ngspice makes of a step: it begins anew after every jump
ENDED = 1 - 1e-6


def chains(
    motion: Langevin,
    parameters: Parameters | None,
    inputs: Array,
    nudge: Nudge | None,
    bath: Bath,
    pool: Pool,
) -> Chains:
    """Follow all chains, each in a transient of its own for every phase.

    Raises:
        SolverError: the chains are too long for the memory of a worker, or ngspice gave up.
    """
    fastest, slowest = motion.times(motion.capacitance)
    share = STEP if bath.step is None else bath.step
    step, interval = share * fastest, slowest / bath.draws
    for tried in range(1, TRIES + 1):
        voltages = _followed(motion, parameters, inputs, nudge, bath, pool, step, interval)
        states = motion.plan.collect(voltages.transpose(3, 0, 1, 2, 4))
        seen = motion.steepest(states.reshape(len(states), -1, states.shape[-1]), bath.chains)
        there = step * float((seen / motion.capacitance).max())
        if there <= STEEPER * share or tried == TRIES:
            break
        step *= share / there
    return voltages, interval, step


def _followed(
    motion: Langevin,
    parameters: Parameters | None,
    inputs: Array,
    nudge: Nudge | None,
    bath: Bath,
    pool: Pool,
    step: float,
    interval: float,
) -> Array:
    """Return node voltages (phase, batch, chain, draw, node), with noise that is drawn every `step` seconds."""
    circuit = motion.plan.circuit
    draws, nodes = round(bath.length * bath.draws), circuit.free_nodes
    points = EACH * draws * interval / step * (1 + len(nodes))
    if points > MOST_POINTS:
        raise SolverError(
            f"ensemble of {circuit.name!r}: a chain would be {points:.2g} numbers, more than {MOST_POINTS:.0e}; take "
            "more and shorter ones (chains, length)"
        )
    fixed, sources = circuit.fixed_voltages(inputs), _sources(motion, bath, step)
    start = motion.plan.expand(motion.start[None, : motion.batch], fixed)[0]
    jobs = []
    for k in range(len(fixed)):
        pull = None if nudge is None else nudge.take(slice(k, k + 1))
        netlist = full_netlist(circuit, parameters, fixed[k : k + 1], pull, LOOSE)
        lines = charged([*netlist.lines, *sources, UNHURRIED], netlist.saved, (), start[k, nodes])
        lines += charged_helpers(pull, circuit.readout.read(start[k]))
        netlist = replace(netlist, lines=lines)
        for chain in range(bath.chains):
            jobs.append((netlist, _seeds(bath, k, chain, motion.phases), step, interval, draws))
    found = np.stack(pool.calls(_each, jobs), axis=1)  # (phase, batch·chain, draw, free node)
    found = found.reshape(motion.phases, len(fixed), bath.chains, draws, len(nodes))
    voltages = np.empty((*found.shape[:4], circuit.n_nodes))
    voltages[..., circuit.fixed_nodes] = fixed[:, None, None]
    voltages[..., nodes] = found
    return voltages


def _sources(motion: Langevin, bath: Bath, step: float) -> list[str]:
    """Return the noise sources, and the capacitors if the circuit has none of its own."""
    names, roots = motion.plan.circuit.node_names, motion.plan.root.tolist()
    sigma = np.sqrt(motion.density(bath.temperature, motion.capacitance) / step)
    lines = [
        f"i_eq_noise_{k} 0 {names[node]} trrandom(2 {number(step)} 0 {number(size)} 0)"
        for k, (node, size) in enumerate(zip(roots, sigma.tolist(), strict=True))
    ]
    lines += paired(len(roots), step)
    if not motion.dynamics.stores:
        lines += [f"c_eq_{k} {names[node]} 0 {number(EQUAL)}" for k, node in enumerate(roots)]
    return lines


def paired(sources: int, step: float) -> list[str]:
    """Return one more source of noise, which drives nothing, where there is an odd number of them.

    ngspice draws normal numbers in pairs and keeps the second one, whatever is seeded in between: after an odd number
    of them a run would begin with what is left of the run before.
    """
    return [f"v_eq_pair eq_pair 0 trrandom(2 {number(step)} 0 1 0)"] if sources % 2 else []


def _seeds(bath: Bath, sample: int, chain: int, phases: int) -> list[int]:
    """Return a seed for every phase, the same for all if they have their noise in common."""
    drawn = np.random.default_rng([bath.seed, sample, chain]).integers(1, 2**31 - 1, phases).tolist()
    return [drawn[0]] * phases if bath.common else drawn


def _each(
    netlist: Netlist, seeds: list[int], step: float, interval: float, draws: int, limits: Limits
) -> Array:
    """Return voltages (phase, draw, saved) of one chain, in a worker."""
    stop = interval * draws
    instants = interval * np.arange(1, draws + 1)
    run = f"tran {number(step)} {number(stop)} 0 {number(step)} uic"

    def phase(session: Session, number_of_it: int, seed: int) -> Array:
        commands = [f"setseed {seed}", f"alter v_{PHASE} = {number_of_it}", run]
        points = session.analyse(netlist, [], *commands, vectors=["time", *netlist.saved])
        if not len(points) or points[-1, 0] < ENDED * stop:
            reached = points[-1, 0] if len(points) else 0.0
            raise SolverError(
                f"ensemble: ngspice stopped at {reached:.3g} of {stop:.3g} s: {session.said() or 'no word why'}"
            )
        return np.stack([np.interp(instants, points[:, 0], v) for v in points[:, 1:].T], axis=1)

    return in_session(lambda s: np.stack([phase(s, k, seed) for k, seed in enumerate(seeds)]), limits)
