"""Netlists for a sweep over samples and phases.

Two ideal sources count: `eq_s` holds the number of the sample, `eq_p` the number of the phase. Whatever depends
on the sample is a table over `eq_s`, so one `.dc eq_p … eq_s …` run solves a whole mini-batch. Every
point starts from the one before: +beta from the free state, −beta from +beta, the next free state from there.

Two forms of one circuit:

- `full_netlist`: every element, input and amplifier as it will be built;
- `reduced_netlist`: the exact reduction of `circuit.reduction`, much faster; unknowns are scaled voltages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_parts import reduced_parts
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.constants import JUNCTION_GMIN
from eqcirc.devices.base import number
from eqcirc.errors import CircuitError
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.ngspice import cards
from eqcirc.solvers.ngspice.cards import PHASE, SAMPLE
from eqcirc.sparse import dense
from eqcirc.text import ascii_line
from eqcirc.typing import Array, Parameters


@dataclass(frozen=True)
class Tolerances:
    """ngspice's convergence criteria; the defaults agree with the ideal solver to better than 1e-9 V.

    A sweep reports the last but one Newton iterate of every point, so its error is about the tolerance itself,
    not the square of it: measured 2.5e-7 V at reltol = 1e-6, 3e-13 V at 1e-11.

    Attributes:
        reltol: relative change of a voltage between Newton iterations.
        vntol: absolute change in volts.
        abstol: absolute change of a current in amperes.
    """

    reltol: float = 1e-11
    vntol: float = 1e-13
    abstol: float = 1e-16

    def line(self) -> str:
        """Return the .options line."""
        return (
            f".options reltol={self.reltol:g} vntol={self.vntol:g} abstol={self.abstol:g} "
            f"gmin={JUNCTION_GMIN:g} itl1=500 itl2=200 noacct"
        )


@dataclass(frozen=True)
class Settling:
    """Transients from rest before the sweep, one for every sample.

    Attributes:
        seconds: how long.
        step: seconds; the first steps are below it, so that a long transient does not jump over its beginning.
        holding: siemens that hold every saved node, in phase −1, near where it settled.
        branches: names of the inductors, whose currents are states, too.
        start: (saved + branches,) state at the first instant; None for nothing charged.
        known: (batch, saved + branches) where else it is known that transients end; NaN where it is not.
        turn: volts that are a full turn of a phase, where voltages are phases; 0 elsewhere.
    """

    seconds: float
    step: float
    holding: float
    branches: tuple[str, ...] = ()
    start: Array | None = None
    known: Array | None = None
    turn: float = 0.0


@dataclass(frozen=True, eq=False)
class Netlist:
    """Lines without analysis, and what to sweep and save.

    Attributes:
        lines: title, elements, models, options.
        saved: names of the nodes whose voltages are wanted.
        samples: number of samples.
        phases: number of phases.
        notes: comments for people.
        settle: transients before the sweep, if there are any.
        held: voltages (samples, saved) near which nodes are held in the first phase; None for no holding.
        first: number of the first phase: −1 where one that holds comes before the free one.
        built: which lines are of the circuit itself; the others are its sources, and of the simulation.
    """

    lines: list[str]
    saved: list[str]
    samples: int
    phases: int
    notes: tuple[str, ...] = ()
    settle: Settling | None = None
    held: Array | None = None
    first: int = 0
    built: frozenset[int] = frozenset()

    @property
    def points(self) -> int:
        """Points that the sweep has for each sample."""
        return self.phases - self.first

    def settling(self, settle: Settling, farads: Array) -> Netlist:
        """Return the netlist with transients before the sweep, and with capacitors (saved,) where farads > 0."""
        capacitors = [
            f"c_eq_{k} {name} 0 {number(c)}"
            for k, (name, c) in enumerate(zip(self.saved, farads.tolist(), strict=True))
            if c > 0
        ]
        lines = [*self.lines, *capacitors]
        if settle.start is not None:
            lines = charged(lines, self.saved, settle.branches, settle.start)
        return replace(self, lines=lines, settle=settle)

    def holding(
        self, voltages: Array, siemens: float, which: np.ndarray | None = None, *, at_rest: bool = False
    ) -> Netlist:
        """Return the netlist with a phase that holds saved nodes near voltages (batch, saved).

        Every point of a sweep starts from the one before it. So this makes the free phase of a sample start from
        where the sample itself settled, and not from its neighbour. What a node asks for and what it gets are two
        sources: their difference, nearly zero, is below what ngspice can converge to.

        Args:
            voltages: where.
            siemens: how firmly.
            which: (saved,) which nodes; None for all.
            at_rest: whether the circuit is at rest there. Then holding moves nothing, and the phase is the free one;
                else it is a phase −1 before it.
        """
        first = 0 if at_rest else -1
        # in every source, not as the voltage of a node: Newton's method would linearise its product with another one
        on = f"v({PHASE})<{first + 0.5:g}"
        lines = []
        for k, (name, column) in enumerate(zip(self.saved, np.nan_to_num(voltages).T, strict=True)):
            if which is None or which[k]:
                lines.append(f"b_eq_hold{k} {name} 0 i={on}?{siemens:g}*v({name}):0")
                lines.append(f"b_eq_feed{k} 0 {name} i={on}?{siemens:g}*{cards.table(column)}:0")
        if at_rest:  # the first of all has no point before it
            lines += nodesets(self.saved, np.nan_to_num(voltages[0]))
        return replace(self, lines=[*self.lines, *lines], held=voltages, first=first)

    def sweep(self, first: int = 0, last: int | None = None) -> str:
        """Return the sweep `dc …` over samples first to last (the last one of all); the phase is the inner loop."""
        inner = f"v_{PHASE} {self.first} {self.phases - 1} 1 " if self.points > 1 else ""
        return f"dc {inner}v_{SAMPLE} {first} {self.samples - 1 if last is None else last} 1"

    def deck(self, printed: Sequence[str] | None = None) -> str:
        """Return a self-contained deck for `ngspice -b` that prints node voltages for every sample and phase.

        A printed table has 7 digits; `ngspice -b -r file.raw` keeps all.

        Raises:
            CircuitError: a name in it breaks a line; `CircuitBuilder` takes no such names.
        """
        shown = [f"v({name})" for name in (SAMPLE, PHASE, *(self.saved if printed is None else printed))]
        title, *parts = self.lines
        width = 16 * (len(shown) + 2)  # of one table, instead of one for every few columns
        ends = [f".width out={width}", f".{self.sweep()}", f".print dc {' '.join(shown)}", ".end", ""]
        lines = [title, *self.notes, *parts, *ends]
        deck = "\n".join(lines)
        if len(deck.splitlines()) >= len(lines):  # the last one is empty
            raise CircuitError(
                f"{ascii_line(title)}: the name of a part breaks the line; it would become a line of its own"
            )
        return deck


def nodesets(names: Sequence[str], voltages: Array) -> list[str]:
    """Return .nodeset lines of voltages (node,)."""
    return [
        f".nodeset v({name})={number(v)}"
        for name, v in zip(names, np.asarray(voltages).tolist(), strict=True)
    ]


def charged(lines: list[str], nodes: Sequence[str], inductors: Sequence[str], state: Array) -> list[str]:
    """Return lines of a netlist whose transients (`uic`) begin at voltages and currents (nodes + inductors,)."""
    volts, amperes = np.split(state, [len(nodes)])
    currents = dict(zip(inductors, amperes.tolist(), strict=True))
    begun = []
    for line in lines:
        name = line.partition(" ")[0]
        begun.append(f"{line} ic={number(currents[name])}" if name in currents else line)
    return begun + [f".ic v({name})={number(v)}" for name, v in zip(nodes, volts.tolist(), strict=True)]


def charged_helpers(nudge: Nudge | None, outputs: Array) -> list[str]:
    """Return lines that begin transients with the nudge's helper nodes where outputs (n_outputs,) put them.

    They store nothing, but at 0 V the first iteration would divide by nothing.
    """
    volts = {} if nudge is None else nudge.cost.helpers(outputs)
    return [f".ic v({name})={number(v)}" for name, v in volts.items()]


def full_netlist(
    circuit: Circuit,
    parameters: Parameters | None,
    fixed: Array,
    nudge: Nudge | None = None,
    tolerances: Tolerances | None = None,
) -> Netlist:
    """Return the circuit as it will be built, for held voltages (batch, fixed node)."""
    values, names = circuit.values(parameters), circuit.node_names
    lines = [f"* {ascii_line(circuit.name)}: full netlist"]
    lines += [rail.card(names[rail.node]) for rail in circuit.rails]
    first_input = len(circuit.fixed_nodes) - len(circuit.inputs.node)
    for k, node in enumerate(circuit.inputs.node.tolist()):
        lines.append(cards.voltage_source(names[node], fixed[:, first_input + k]))
    start = len(lines)
    for element in circuit.elements:
        lines += element.cards(values[element.name], names)
    built = frozenset(range(start, len(lines)))
    if nudge is not None:
        nodes = circuit.readout.nodes
        read = circuit.readout.weights.toarray()
        draw = circuit.readout.pulls.toarray() * nudge.strengths(len(nodes))
        lines += cards.nudge_cards(nudge, [names[n] for n in nodes.tolist()], read, draw)
    saved = [names[n] for n in circuit.free_nodes.tolist()]
    return replace(_finish(lines, saved, len(fixed), nudge, tolerances), built=built)


def reduced_netlist(
    system: ReducedSystem, fixed: Array, nudge: Nudge | None = None, tolerances: Tolerances | None = None
) -> Netlist:
    """Return the reduced circuit for held voltages (batch, fixed node).

    Raises:
        CircuitError: the reduced circuit is none of plain elements, see `Reduction.drawable`.
    """
    plan, circuit = system.plan, system.plan.circuit
    if not plan.drawable:
        raise CircuitError(
            f"circuit {circuit.name!r} has no reduced netlist: it has coils without resistance, or amplifiers scale "
            'the ends of a device differently; use the full netlist (netlist = "full")'
        )
    names, notes = [f"u{k}" for k in range(plan.n)], []
    for node in circuit.free_nodes.tolist():
        names[plan.unknown[node]] = circuit.node_names[node]
    for node in circuit.free_nodes.tolist():
        name, port, factor = circuit.node_names[node], names[plan.unknown[node]], plan.voltage[node]
        if name != port or factor != 1:
            notes.append(f"* node {name} of the circuit is at {number(factor)}*v({port})")
    lines = [f"* {ascii_line(circuit.name)}: reduced netlist (inputs and amplifiers eliminated, exact)"]
    lines += cards.part_cards(reduced_parts(system), names)
    built = set(range(1, len(lines)))
    lines += cards.injection_cards(system.norton(fixed), names)
    for junctions, area in zip(plan.junctions, system.areas(fixed), strict=True):
        start = len(lines)
        lines += cards.junction_cards(junctions, area, fixed, names)
        built |= {k for k in range(start, len(lines)) if not cards.holds(lines[k])}
    if nudge is not None:
        outputs = plan.outputs
        held = np.asarray(fixed @ outputs.held.T)
        read, draw = (
            dense(x) for x in (outputs.read, outputs.draw(nudge.strengths(len(circuit.readout.nodes))))
        )
        ports = [names[k] for k in outputs.unknowns.tolist()]
        lines += cards.nudge_cards(nudge, ports, read, draw, held if outputs.held.nnz else None)
    return replace(_finish(lines, names, len(fixed), nudge, tolerances, tuple(notes)), built=frozenset(built))


def _finish(
    lines: list[str],
    saved: list[str],
    samples: int,
    nudge: Nudge | None,
    tolerances: Tolerances | None,
    notes: tuple[str, ...] = (),
) -> Netlist:
    lines += [f"v_{SAMPLE} {SAMPLE} 0 0", f"v_{PHASE} {PHASE} 0 0", (tolerances or Tolerances()).line()]
    return Netlist(lines, saved, samples, 1 if nudge is None else 1 + len(nudge.factors), notes)
