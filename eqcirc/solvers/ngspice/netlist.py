"""Netlists for a sweep over samples and phases.

Two ideal sources count: `eq_s` holds the number of the sample, `eq_p` the number of the phase. Whatever depends
on the sample is a table over `eq_s`, so one `.dc eq_p … eq_s …` run solves a whole mini-batch, and every nudged
point starts from its own free state.

Two forms of one circuit:

- `full_netlist`: every element, input and amplifier as it will be built;
- `reduced_netlist`: the exact reduction of `circuit.reduction`, much faster; unknowns are scaled voltages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Junctions
from eqcirc.constants import JUNCTION_GMIN
from eqcirc.devices.base import number
from eqcirc.errors import CircuitError
from eqcirc.solvers.base import Nudge
from eqcirc.typing import Array, Parameters

SAMPLE, PHASE = "eq_s", "eq_p"
SAME = 1e-12  # relative difference below which two entries of a symmetric matrix are one resistor


@dataclass(frozen=True)
class Tolerances:
    """ngspice's convergence criteria; the defaults agree with the ideal solver to better than 1e-9 V.

    Attributes:
        reltol: relative change of a voltage between Newton iterations.
        vntol: absolute change in volts.
        abstol: absolute change of a current in amperes.
    """

    reltol: float = 1e-9
    vntol: float = 1e-12
    abstol: float = 1e-15

    def line(self) -> str:
        """Return the .options line."""
        return (
            f".options reltol={self.reltol:g} vntol={self.vntol:g} abstol={self.abstol:g} "
            f"gmin={JUNCTION_GMIN:g} itl1=500 itl2=200 noacct"
        )


@dataclass(frozen=True, eq=False)
class Netlist:
    """Lines without analysis, and what to sweep and save.

    Attributes:
        lines: title, elements, models, options.
        saved: names of the nodes whose voltages are wanted.
        samples: number of samples.
        phases: number of phases.
    """

    lines: list[str]
    saved: list[str]
    samples: int
    phases: int

    def sweep(self, first: int = 0) -> str:
        """Return the sweep `dc …` from sample `first` on; the phase is the inner loop."""
        inner = f"v_{PHASE} 0 {self.phases - 1} 1 " if self.phases > 1 else ""
        return f"dc {inner}v_{SAMPLE} {first} {self.samples - 1} 1"

    def deck(self, printed: Sequence[str] | None = None) -> str:
        """Return a self-contained deck for `ngspice -b` that prints node voltages for every sample and phase."""
        shown = " ".join(f"v({n})" for n in (self.saved if printed is None else printed))
        ends = [f".{self.sweep()}", f".print dc v({SAMPLE}) v({PHASE}) {shown}", ".end", ""]
        return "\n".join([*self.lines, *ends])


def full_netlist(
    circuit: Circuit,
    parameters: Parameters | None,
    fixed: Array,
    nudge: Nudge | None = None,
    tolerances: Tolerances | None = None,
) -> Netlist:
    """Return the circuit as it will be built, for held voltages (batch, fixed node)."""
    values, names = circuit.values(parameters), circuit.node_names
    lines = [f"* {circuit.name}: full netlist"]
    lines += [rail.card(names[rail.node]) for rail in circuit.rails]
    first_input = len(circuit.fixed_nodes) - len(circuit.inputs.node)
    for k, node in enumerate(circuit.inputs.node.tolist()):
        lines.append(_source(names[node], fixed[:, first_input + k]))
    for element in circuit.elements:
        lines += element.cards(values[element.name], names)
    if nudge is not None:
        outputs = [f"v({names[n]})" for n in circuit.readout.nodes.tolist()]
        strength = nudge.beta * nudge.strengths(len(outputs))
        lines += _nudge(circuit, nudge, [names[n] for n in circuit.readout.nodes.tolist()], outputs, strength)
    saved = [names[n] for n in circuit.free_nodes.tolist()]
    return _finish(lines, saved, len(fixed), nudge, tolerances)


def reduced_netlist(
    system: ReducedSystem, fixed: Array, nudge: Nudge | None = None, tolerances: Tolerances | None = None
) -> Netlist:
    """Return the reduced circuit for held voltages (batch, fixed node).

    Raises:
        CircuitError: a device lies between nodes with different scalings (a loop through ideal transformers).
    """
    plan, circuit = system.plan, system.plan.circuit
    names = [f"u{k}" for k in range(plan.n)]
    for node in circuit.free_nodes.tolist():
        names[plan.unknown[node]] = circuit.node_names[node]
    lines = [f"* {circuit.name}: reduced netlist (inputs and amplifiers eliminated, exact)"]
    lines += _matrix_lines(system, names)
    lines += _injections(system.injection(fixed), names)
    for junctions, area in zip(plan.junctions, system.areas, strict=True):
        lines += _junction_lines(junctions, area, fixed, names)
    if nudge is not None:
        nodes = circuit.readout.nodes
        ports = [names[k] for k in plan.unknown[nodes].tolist()]
        outputs = [_scaled(f"v({p})", f) for p, f in zip(ports, plan.voltage[nodes].tolist(), strict=True)]
        strength = nudge.beta * nudge.strengths(len(nodes)) * plan.current[nodes]
        lines += _nudge(circuit, nudge, ports, outputs, strength)
    return _finish(lines, names, len(fixed), nudge, tolerances)


def _finish(
    lines: list[str], saved: list[str], samples: int, nudge: Nudge | None, tolerances: Tolerances | None
) -> Netlist:
    lines += [f"v_{SAMPLE} {SAMPLE} 0 0", f"v_{PHASE} {PHASE} 0 0", (tolerances or Tolerances()).line()]
    return Netlist(lines, saved, samples, 1 if nudge is None else 1 + len(nudge.factors))


def _table(values: Array, over: str = SAMPLE) -> str:
    """Return an expression that takes values[k] at v(over) = k; a plain number if they are all equal."""
    if (values == values[0]).all():
        return number(values[0])
    return f"pwl(v({over})," + ",".join(f"{k},{x!r}" for k, x in enumerate(values.tolist())) + ")"


def _source(node: str, volts: Array) -> str:
    """Return a voltage source, a table over the samples if it changes."""
    if (volts == volts[0]).all():
        return f"v_{node} {node} 0 {number(volts[0])}"
    return f"b_{node} {node} 0 v={_table(volts)}"


def _scaled(expression: str, factor: float) -> str:
    return expression if factor == 1 else f"{number(factor)}*{expression}"


def _matrix_lines(system: ReducedSystem, names: list[str]) -> list[str]:
    """Return M as resistors; entries that are not symmetric become transconductors."""
    m = system.matrix if isinstance(system.matrix, np.ndarray) else system.matrix.toarray()
    upper = np.triu(m, 1)
    lower = np.tril(m, -1).T
    symmetric = np.abs(upper - lower) <= SAME * np.abs(upper)
    lines = []
    rows, columns = np.nonzero(symmetric & (upper != 0))
    for i, j, g in zip(rows.tolist(), columns.tolist(), (-upper[rows, columns]).tolist(), strict=True):
        lines.append(f"r_{i}_{j} {names[i]} {names[j]} {1 / g!r}")
    lone = np.where(symmetric, 0.0, upper) + np.where(symmetric, 0.0, lower).T
    for i, j in np.argwhere(lone).tolist():
        lines.append(f"g_{i}_{j} {names[i]} 0 {names[j]} 0 {number(lone[i, j])}")
    to_ground = (m - lone).sum(axis=1)
    for i, g in enumerate(to_ground.tolist()):
        if g > SAME * m[i, i]:
            lines.append(f"r_{i} {names[i]} 0 {1 / g!r}")
        elif g < -SAME * m[i, i]:  # a transformer loop: the conductance left over is negative
            lines.append(f"g_{i} {names[i]} 0 {names[i]} 0 {g!r}")
    return lines


def _injections(injection: Array, names: list[str]) -> list[str]:
    lines = []
    for k, name in enumerate(names):
        column = injection[:, k]
        if (column != column[0]).any():
            lines.append(f"b_i{k} 0 {name} i={_table(column)}")
        elif column[0] != 0:
            lines.append(f"i_{k} 0 {name} {number(column[0])}")
    return lines


def _junction_lines(junctions: Junctions, area: Array, fixed: Array, names: list[str]) -> list[str]:
    """Return scaled devices; one model for each scaling, one source for each held terminal voltage."""
    models: dict[tuple[float, float], str] = {}
    sources: dict[tuple[int, float], str] = {}
    lines: list[str] = []
    factor, weight = np.stack(junctions.factor, axis=1), np.stack(junctions.weight, axis=1)
    for d in range(len(area)):
        scales = {(f, w) for f, w in zip(factor[d].tolist(), weight[d].tolist(), strict=True) if f != 0}
        if len(scales) > 1:
            raise CircuitError(
                f"device {junctions.name!r}: its terminals are scaled differently by amplifiers in a loop; "
                "solve this circuit with the full netlist"
            )
        f, w = scales.pop()
        law = junctions.law.scaled(1 / f, w)
        if (f, w) not in models:
            models[f, w] = f"m_{junctions.name}_{len(models)}"
            lines += law.model(models[f, w])
        ends = []
        for end in (0, 1):
            held = int(junctions.held[end][d])
            if factor[d, end] != 0:
                ends.append(names[junctions.unknown[end][d]])
            elif held == 0:
                ends.append("0")
            else:
                if (held, f) not in sources:
                    sources[held, f] = f"eq_{junctions.name}_{len(sources)}"
                    lines.append(_source(sources[held, f], fixed[:, held] / f))
                ends.append(sources[held, f])
        lines.append(law.card(f"{junctions.name}_{d}", ends[0], ends[1], models[f, w], float(area[d])))
    return lines


def _nudge(circuit: Circuit, nudge: Nudge, ports: list[str], outputs: list[str], strength: Array) -> list[str]:
    """Return sources that draw factor·strength·dC/dv out of every output port."""
    readout = circuit.readout
    n = readout.n_outputs
    values = outputs if readout.negative is None else [f"({outputs[k]}-{outputs[n + k]})" for k in range(n)]
    lines, gradients = nudge.cost.spice(values, [_table(nudge.targets[:, k]) for k in range(n)])
    factor = _table(np.array([0.0, *nudge.factors]), PHASE)
    for k, gradient in enumerate(gradients):
        signs = [(k, 1.0)] if readout.negative is None else [(k, 1.0), (n + k, -1.0)]
        if len(signs) == 2 and strength[k] == strength[n + k]:
            lines.append(f"b_n{k} {ports[k]} {ports[n + k]} i={number(strength[k])}*{factor}*{gradient}")
            continue
        for port, sign in signs:
            lines.append(f"b_n{port} {ports[port]} 0 i={number(sign * strength[port])}*{factor}*{gradient}")
    return lines
