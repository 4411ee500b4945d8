"""Spikes through ngspice: transients of the full netlist, a comparator with noise for every probit cell.

    v… noise 0 trrandom(2 period 0 σ 0)                      a normal voltage, drawn anew every period and held
    b… out_p out_n i=lowest+(saturation−lowest)*u(v(control)+v(noise)) m=<area>
    c… rate 0 memory·period·<conductance at the rate>

Not `trnoise`: it joins its numbers by straight lines, along which the noise is weaker, and no seed reaches it. Those
of `trrandom` are drawn by the clock, so two phases of one seed get the same noise.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import Probit
from eqcirc.devices.base import number
from eqcirc.devices.cell import difference
from eqcirc.errors import SolverError
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.comparators import Spiking
from eqcirc.solvers.ngspice.cards import PHASE
from eqcirc.solvers.ngspice.ensemble import paired
from eqcirc.solvers.ngspice.netlist import Netlist, Tolerances, charged, charged_helpers, full_netlist
from eqcirc.solvers.ngspice.pool import Limits, Pool, in_session
from eqcirc.solvers.ngspice.session import Session
from eqcirc.solvers.spiking import Window
from eqcirc.typing import Array, Parameters

LOOSE = Tolerances(1e-4, 1e-6, 1e-12)
"""Rates are sums of a few decisions; a part in 10,000 of a volt is nothing beside one."""
ENDED = 1 - 1e-6


def sampled(
    spiking: Spiking,
    parameters: Parameters | None,
    inputs: Array,
    free: Array,
    nudge: Nudge | None,
    window: Window,
    pool: Pool,
) -> Array:
    """Return averages (phase, batch, chain, node); each chain is a transient of its own for every phase.

    Raises:
        SolverError: ngspice gave up.
    """
    circuit, phases = spiking.circuit, 1 if nudge is None else 1 + len(nudge.factors)
    fixed, nodes = circuit.fixed_voltages(inputs), circuit.free_nodes
    jobs = []
    for k in range(len(fixed)):
        pull = None if nudge is None else nudge.take(slice(k, k + 1))
        netlist = spiking_netlist(spiking, parameters, fixed[k : k + 1], pull, window)
        lines = charged(netlist.lines, netlist.saved, (), free[k, nodes])
        lines += charged_helpers(pull, circuit.readout.read(free[k]))
        netlist = replace(netlist, lines=lines)
        jobs += [(netlist, _seeds(window, k, chain, phases), window) for chain in range(window.chains)]
    found = np.stack(pool.calls(_each, jobs), axis=1)  # (phase, batch·chain, free node)
    voltages = np.empty((phases, len(fixed), window.chains, circuit.n_nodes))
    voltages[..., circuit.fixed_nodes] = fixed[:, None]
    voltages[..., nodes] = found.reshape(phases, len(fixed), window.chains, -1)
    return voltages


def spiking_netlist(
    spiking: Spiking, parameters: Parameters | None, fixed: Array, nudge: Nudge | None, window: Window
) -> Netlist:
    """Return the full netlist of a sample with comparators, their noise and the capacitors of rates."""
    circuit, names = spiking.circuit, spiking.circuit.node_names
    values = circuit.values(parameters)
    given = {e.name: values[e.name] for e in spiking.quiet.trainable}
    netlist = full_netlist(spiking.quiet, given, fixed, nudge, LOOSE)
    lines: list[str] = []
    for cell in spiking.cells:
        law = cell.law
        assert isinstance(law, Probit)
        step = number(law.saturation - law.lowest)
        ends = np.stack([cell.out_p, cell.out_n, cell.cp, cell.cn], axis=1).tolist()
        for k, ((p, n, cp, cn), area) in enumerate(zip(ends, values[cell.name].tolist(), strict=True)):
            name = f"{cell.name}_{k}"
            noise = f"eq_noise_{name}"
            decided = f"{number(law.lowest)}+{step}*u({difference(names[cp], names[cn])}+v({noise}))"
            lines += [
                f"v_{noise} {noise} 0 trrandom(2 {number(window.period)} 0 {number(law.noise)} 0)",
                f"b_{name} {names[p]} {names[n]} i={decided} m={number(area)}",
            ]
    lines += paired(sum(cell.value.size for cell in spiking.cells), window.period)
    lines += _capacitors(spiking, given, window)
    return replace(netlist, lines=[*netlist.lines, *lines])


def _capacitors(spiking: Spiking, given: Parameters, window: Window) -> list[str]:
    """Return capacitors that make rates forget within the window's memory."""
    plan = Reduction(spiking.quiet)
    own = ReducedSystem(plan, given).diagonal[plan.unknown[spiking.rated]]
    farads = window.memory * window.period * own
    return [
        f"c_eq_{k} {spiking.circuit.node_names[node]} 0 {number(c)}"
        for k, (node, c) in enumerate(zip(spiking.rated.tolist(), farads.tolist(), strict=True))
    ]


def _seeds(window: Window, sample: int, chain: int, phases: int) -> list[int]:
    """Return a seed for every phase, the same for all if they have their noise in common."""
    drawn = np.random.default_rng([window.seed, sample, chain]).integers(1, 2**31 - 1, phases).tolist()
    return [drawn[0]] * phases if window.common else drawn


def _each(netlist: Netlist, seeds: list[int], window: Window, limits: Limits) -> Array:
    """Return averages (phase, saved) of one chain, in a worker."""
    start = window.before * window.period
    stop = start + window.decisions * window.period
    run = f"tran {number(window.period)} {number(stop)} 0 {number(window.period)} uic"

    def phase(session: Session, number_of_it: int, seed: int) -> Array:
        commands = [f"setseed {seed}", f"alter v_{PHASE} = {number_of_it}", run]
        points = session.analyse(netlist, [], *commands, vectors=["time", *netlist.saved])
        if not len(points) or points[-1, 0] < ENDED * stop:
            reached = points[-1, 0] if len(points) else 0.0
            raise SolverError(
                f"spikes: ngspice stopped at {reached:.3g} of {stop:.3g} s: {session.said() or 'no word why'}"
            )
        within = points[points[:, 0] >= start]
        return np.asarray(np.trapezoid(within[:, 1:], within[:, 0], axis=0) / np.ptp(within[:, 0]))

    return in_session(lambda s: np.stack([phase(s, k, seed) for k, seed in enumerate(seeds)]), limits)
