"""Self-contained decks for people: they run with plain `ngspice -b` and hold no commands.

The circuit is a subcircuit without sources, see `subcircuit`; its test bench stands below it.

A deck computes the operating point that the circuit was trained at. Where nothing proves that it is the only one, SPICE
would find any of them, stable or not; so the deck carries the states of its samples: as a guess for every node
(.nodeset), or, of several samples, in a phase −1 that holds every node near its voltage before the free phase 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices.base import figure
from eqcirc.errors import ConfigError, nearest
from eqcirc.solvers.base import Nudge, Solver
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.free_phase import InitialState, Start
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import Netlist, full_netlist, nodesets, reduced_netlist
from eqcirc.solvers.ngspice.subcircuit import as_subcircuit, library, upper
from eqcirc.solvers.status import Evidence
from eqcirc.text import ascii_line
from eqcirc.typing import Array, Parameters

Form = Literal["full", "reduced"]
MOST_NOTE = 1000  # characters of a comment: names of classes can be many


def export_deck(
    circuit: Circuit,
    parameters: Parameters | None,
    inputs: Array,
    form: Form = "full",
    *,
    start: Start | InitialState = "auto",
    notes: Sequence[str] = (),
) -> str:
    """Return a deck that sweeps over samples (n, n_features) and prints the voltages of the output nodes.

    Args:
        circuit: the circuit.
        parameters: values by element name.
        inputs: samples (n, n_features).
        form: "full", every element as built, or "reduced", inputs and amplifiers eliminated; "full" is also taken
            where there is no reduced one (`Reduction.drawable`).
        start: how the state of a circuit with several operating points is found, see `solvers.free_phase`.
        notes: comments for its head.

    Raises:
        ConfigError: there is no such form.
        SolverError: a sample has no operating point that the circuit stays at.
    """
    if form not in get_args(Form):
        raise ConfigError(f"form = {form!r}: there is no such deck; {nearest(str(form), get_args(Form))}")
    fixed = circuit.fixed_voltages(inputs)
    plan = Reduction(circuit)
    if not plan.drawable:
        form = "full"
    if form == "full":
        printed = [circuit.node_names[n] for n in circuit.readout.nodes.tolist()]
        netlist = full_netlist(circuit, parameters, fixed)
    else:
        netlist = reduced_netlist(ReducedSystem(plan, parameters), fixed)
        printed = [netlist.saved[k] for k in plan.unknown[circuit.readout.nodes].tolist()]
    netlist = as_subcircuit(netlist, circuit.name, printed)
    points = IdealSolver(circuit, start=start).solve(parameters, inputs).require()
    head = (*comments([points.evidence.words, *notes, *terminals(circuit)]), *netlist.notes)
    if points.evidence != Evidence.PROVEN:
        u = plan.collect(points.free)
        siemens = Dynamics.of(circuit, parameters, inputs).holding(u)
        netlist = at_states(netlist, points.free[:, circuit.free_nodes] if form == "full" else u, siemens)
    return finished(netlist, head, printed)


def export_subcircuit(circuit: Circuit, parameters: Parameters | None, notes: Sequence[str] = ()) -> str:
    """Return the circuit as a subcircuit alone, for layout and other netlists: no sources, no analysis.

    Args:
        circuit: the circuit, every element as built.
        parameters: values by element name.
        notes: comments for its head.
    """
    netlist = full_netlist(
        circuit, parameters, circuit.fixed_voltages(np.zeros((1, circuit.inputs.n_features)))
    )
    outputs = [circuit.node_names[n] for n in circuit.readout.nodes.tolist()]
    return library(netlist, circuit.name, outputs, comments([*notes, *terminals(circuit)]))


def finished(netlist: Netlist, notes: Sequence[str], printed: Sequence[str]) -> str:
    """Return the deck, all letters of elements in upper case."""
    title, *cards = netlist.lines
    return replace(netlist, lines=[title, *map(upper, cards)], notes=tuple(notes)).deck(printed)


def comments(notes: Sequence[str]) -> list[str]:
    """Return comment lines."""
    return [f"* {ascii_line(note, most=MOST_NOTE)}" for note in notes]


def terminals(circuit: Circuit) -> list[str]:
    """Return what rails and inputs are held at, and what outputs are, in words."""
    names, inputs = circuit.node_names, circuit.inputs
    lines = ["units: V, A, ohm, F, H; temperature 27 degrees Celsius"]
    lines += [f"rail {names[rail.node]}: {figure(rail.voltage)} V" for rail in circuit.rails]
    columns = (inputs.node.tolist(), inputs.feature.tolist(), inputs.gain.tolist(), inputs.offset.tolist())
    for node, feature, gain, offset in zip(*columns, strict=True):
        more = f" + {figure(offset)} V" if offset else ""
        lines.append(f"input {names[node]}: {figure(gain)} V * feature {feature}{more}")
    outputs = (circuit.readout.words(k, names).replace(" ", "") for k in range(circuit.readout.n_outputs))
    return lines + [f"output {k}: {words}" for k, words in enumerate(outputs)]


def phase_deck(
    solver: Solver,
    circuit: Circuit,
    parameters: Parameters | None,
    inputs: Array,
    nudge: Nudge,
    begin: Array,
    note: str,
    notes: Sequence[str] = (),
) -> str:
    """Return a deck of a learning phase that prints output voltages of every sample, in the free phase and nudged.

    Args:
        solver: that the phase is solved with once, to be sure of it.
        circuit: the circuit of the phase: the original one, turned around, or doubled.
        parameters: values by element name.
        inputs: samples (n, n_features) of that circuit.
        nudge: of the phase.
        begin: voltages (n, node) that the circuit is at before it.
        note: a sentence about the phase.
        notes: more comments for the head.

    Raises:
        SolverError: a sample has no operating point, or none in a nudged phase.
    """
    solver.solve(parameters, inputs, nudge, begin).require()
    netlist = full_netlist(circuit, parameters, circuit.fixed_voltages(inputs), nudge)
    printed = [circuit.node_names[n] for n in circuit.readout.nodes.tolist()]
    netlist = as_subcircuit(netlist, circuit.name, printed)
    plan = Reduction(circuit)
    siemens = Dynamics.of(circuit, parameters, inputs).holding(plan.collect(begin))
    which = plan.bends[plan.unknown[circuit.free_nodes]]
    held = netlist.holding(begin[:, circuit.free_nodes], siemens, which, at_rest=True)
    return finished(held, (*comments([note, *notes, *terminals(circuit)]), *netlist.notes), printed)


def at_states(netlist: Netlist, voltages: Array, siemens: float) -> Netlist:
    """Return a netlist that begins at voltages (batch, saved); phase −1 holds them with so many siemens."""
    if netlist.samples > 1:
        return netlist.holding(voltages, siemens)
    return replace(netlist, lines=[*netlist.lines, *nodesets(netlist.saved, voltages[0])])
