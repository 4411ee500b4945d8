"""A circuit as a PySpice `Circuit`, for users who work there.

Crossbars and amplifiers become subcircuits. ngspice 39 takes about 1,000 ports in a subcircuit, so a large crossbar is
cut into tiles; the bidirectional amplifier is one reusable cell for each pair of gains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import (
    Amplifier,
    BidirectionalSource,
    Block,
    Capacitor,
    Cell,
    Conductance,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    Element,
    Gyrator,
    GyratorCrossbar,
    InputCurrent,
    OneWayCrossbar,
    PhaseCoupling,
    PhaseInput,
    RLMesh,
    ShockleyDiode,
    SignedCrossbar,
    SignedDevice,
    Tangent,
    Transconductor,
    TwoTerminal,
)
from eqcirc.errors import CircuitError
from eqcirc.solvers.free_phase import InitialState, Start
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import Tolerances, nodesets
from eqcirc.solvers.status import Evidence
from eqcirc.text import ascii_line
from eqcirc.typing import Array, Parameters

TILE = 400  # rows or columns of a crossbar in one subcircuit


def to_pyspice(
    circuit: Circuit,
    parameters: Parameters | None,
    sample: Array,
    *,
    start: Start | InitialState = "auto",
) -> Any:
    """Return a `PySpice.Spice.Netlist.Circuit` with the inputs held at one sample.

    Args:
        circuit: the circuit.
        parameters: values by element name; elements left out keep the circuit's values.
        sample: (n_features,).
        start: how the state of a circuit with several operating points is found, see `solvers.free_phase`.

    Raises:
        CircuitError: a device has no PySpice form.
        DataError: wrong number of features, or a value that is not finite.
        SolverError: the circuit may have several operating points, and comes to rest at none of them.
    """
    from PySpice.Spice.Netlist import Circuit as PySpiceCircuit

    values, names = circuit.values(parameters), circuit.node_names
    target = PySpiceCircuit(ascii_line(circuit.name))
    target.raw_spice += Tolerances().line() + "\n"
    fixed = circuit.fixed_voltages(sample)[0]
    for node, volts in zip(circuit.fixed_nodes[1:].tolist(), fixed[1:].tolist(), strict=True):
        target.V(names[node], names[node], target.gnd, volts)
    if not Reduction(circuit).passive:
        target.raw_spice += "\n".join(_state(circuit, values, sample, start)) + "\n"
    for element in circuit.elements:
        add = _WRITERS.get(type(element))
        if add is None:
            raise CircuitError(f"element {element.name!r}: no PySpice form for {type(element).__name__}")
        add(target, element, values[element.name], names)
    return target


def _state(circuit: Circuit, values: Parameters, sample: Array, start: Start | InitialState) -> list[str]:
    """Return a guess for every node, if nothing proves that there is one operating point."""
    points = IdealSolver(circuit, start=start).solve(values, np.asarray(sample)[None]).require()
    if points.evidence == Evidence.PROVEN:
        return []
    free = circuit.free_nodes
    return nodesets([circuit.node_names[n] for n in free.tolist()], points.free[0, free])


def _conductance(target: Any, element: Conductance, value: Array, names: Sequence[str]) -> None:
    pairs = zip(element.a.tolist(), element.b.tolist(), value.tolist(), strict=True)
    for k, (a, b, g) in enumerate(pairs):
        target.R(f"{element.name}_{k}", names[a], names[b], 1 / g)


def _crossbar(target: Any, element: Block, value: Array, names: Sequence[str]) -> None:
    """Add one subcircuit of resistors for each tile of at most TILE rows and columns, and its instance."""
    from PySpice.Spice.Netlist import SubCircuit

    conductances = element.coupling(value)
    for i in range(0, len(element.rows), TILE):
        for j in range(0, len(element.columns), TILE):
            rows, columns = element.rows[i : i + TILE], element.columns[j : j + TILE]
            ports = [f"r{k}" for k in range(len(rows))] + [f"c{k}" for k in range(len(columns))]
            tile = SubCircuit(f"{element.name}_tile_{i}_{j}", *ports)
            for (r, c), g in np.ndenumerate(conductances[i : i + TILE, j : j + TILE]):
                tile.R(f"{r}_{c}", f"r{r}", f"c{c}", 1 / float(g))
            target.subcircuit(tile)
            nodes = [names[n] for n in (*rows.tolist(), *columns.tolist())]
            target.X(f"{element.name}_{i}_{j}", tile.name, *nodes)


def _two_terminal(target: Any, element: TwoTerminal, value: Array, names: Sequence[str]) -> None:
    law = element.law
    if isinstance(law, ShockleyDiode):
        target.model(f"m_{element.name}", "D", IS=law.saturation_current, N=law.emission)
    for k, (a, c) in enumerate(zip(element.anode.tolist(), element.cathode.tolist(), strict=True)):
        name = f"{element.name}_{k}"
        if isinstance(law, ShockleyDiode):
            target.D(name, names[a], names[c], model=f"m_{element.name}", area=float(value[k]))
        elif not law.model(name):  # the law stands in the line itself
            card = law.card(name, names[a], names[c], "", float(value[k]))
            target.B(name, names[a], names[c], i=card.partition("i=")[2])
        else:
            raise CircuitError(f"device {element.name!r}: no PySpice form for {type(law).__name__}")


def _capacitor(target: Any, element: Capacitor, value: Array, names: Sequence[str]) -> None:
    for k, (a, b, farads) in enumerate(
        zip(element.a.tolist(), element.b.tolist(), value.tolist(), strict=True)
    ):
        target.C(f"{element.name}_{k}", names[a], names[b], farads)


def _as_written(target: Any, element: Element, value: Array, names: Sequence[str]) -> None:
    """Add what the element's own lines say, part by part."""
    for line in element.cards(value, names):
        part, a, b, *rest = line.split(maxsplit=3)
        kind, name = part[0], part[2:]
        if kind == "b":
            target.B(name, a, b, i=rest[0].removeprefix("i="))
        elif kind == "g":
            cp, cn, siemens = rest[0].split()
            target.VCCS(name, a, b, cp, cn, transconductance=float(siemens))
        elif kind == "h":
            control, ohms = rest[0].split()
            target.CCVS(name, a, b, control.replace("v_", "V", 1), transresistance=float(ohms))
        else:
            {"r": target.R, "l": target.L, "v": target.V}[kind](name, a, b, float(rest[0]))


def _current_source(target: Any, element: CurrentSource, value: Array, names: Sequence[str]) -> None:
    for k, (node, amperes) in enumerate(zip(element.node.tolist(), value.tolist(), strict=True)):
        target.I(f"{element.name}_{k}", target.gnd, names[node], amperes)


def _amplifier(target: Any, element: Amplifier, value: Array, names: Sequence[str]) -> None:
    """Add the amplifier's cell and an instance for each amplifier."""
    from PySpice.Spice.Netlist import SubCircuit

    cell = SubCircuit(f"amplifier_{element.name}", "a", "b")
    cell.VCVS("v", "e", cell.gnd, "a", cell.gnd, voltage_gain=float(value[0]))
    cell.V("sense", "b", "e", 0)  # not every simulator takes the current of an E source
    cell.CCCS("i", cell.gnd, "a", "Vsense", current_gain=element.current_gain)
    target.subcircuit(cell)
    for k, (a, b) in enumerate(zip(element.source.tolist(), element.output.tolist(), strict=True)):
        target.X(f"{element.name}_{k}", cell.name, names[a], names[b])


_WRITERS: dict[type, Any] = {
    Conductance: _conductance,
    Crossbar: _crossbar,
    DualRailCrossbar: _crossbar,
    SignedCrossbar: _as_written,
    TwoTerminal: _two_terminal,
    SignedDevice: _two_terminal,
    PhaseCoupling: _as_written,
    PhaseInput: _as_written,
    Capacitor: _capacitor,
    Gyrator: _as_written,
    RLMesh: _as_written,
    CurrentSource: _current_source,
    InputCurrent: _as_written,
    Amplifier: _amplifier,
    Transconductor: _as_written,
    OneWayCrossbar: _as_written,
    Cell: _as_written,
    GyratorCrossbar: _as_written,
    BidirectionalSource: _as_written,
    Tangent: _as_written,
}
