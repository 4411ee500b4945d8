"""Test benches: sources around the circuit that apply the golden vectors, and nothing that commands a simulator.

Every pin that is held has a source and, in series, one of 0 V that senses what flows into the pin. The source
eq_vector counts the vectors, so one .dc sweep applies all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices.base import number
from eqcirc.export.bundle.golden import Golden
from eqcirc.export.bundle.spice import comments, flat
from eqcirc.export.bundle.structure import Pin, Structure
from eqcirc.solvers.ngspice.cards import table
from eqcirc.solvers.ngspice.netlist import Tolerances, nodesets
from eqcirc.solvers.ngspice.subcircuit import wrapped
from eqcirc.typing import Array

INSTANCE = "x_dut"
VECTOR, HOLD = "eq_vector", "eq_hold"
MOST_PORTS = 900  # of an instance; ngspice 39 leaves its process at about 1,000
MOST_PORTS_GNUCAP = 99
MOST_PRINTED = 60
TRANSIENT = Tolerances(1e-6, 1e-9, 1e-15)
GNUCAP = ".options numdgt=10 reltol=1e-6 abstol=1e-12 vntol=1e-9 gmin=1e-15"


def held(structure: Structure) -> list[Pin]:
    """Return the pins that a source holds."""
    return [pin for pin in structure.pins if pin.direction != "output"]


def fed(structure: Structure, golden: Golden) -> list[Pin]:
    """Return the pins that a nudge feeds a current into."""
    return [pin for pin in structure.pins if golden.fed[:, pin.node].any()]


def seen(structure: Structure, node: int) -> str:
    """Return what a test bench calls a node of the circuit: a port, or an inner net of the instance."""
    net = structure.nets[node]
    return net if net in structure.top.ports else f"{INSTANCE}.{net}"


def tb_op(structure: Structure, circuit: Circuit, golden: Golden, notes: Sequence[str]) -> str:
    """Return the test bench of all golden vectors for ngspice."""
    lines = comments(
        [*notes, f"run: ngspice -b -r out.raw tb_op.sp; the sweep is over {VECTOR}, see golden.csv"]
    )
    lines += [".include models.sp", ".include dut.sp", *_dut(structure)]
    lines += [f"v_{VECTOR} {VECTOR} 0 0"]
    for pin in held(structure):
        lines += _source(pin, golden.voltages[:, pin.node])
    for pin in fed(structure, golden):
        lines.append(f"b_eq_feed_{pin.name} 0 {pin.name} i={_table(golden.fed[:, pin.node])}")
    sweep = f"v_{VECTOR} 0 {len(golden) - 1} 1"
    if golden.holding is not None:
        lines += _holding(structure, circuit, golden, golden.holding)
        sweep = f"v_{HOLD} 1 0 -1 {sweep}"
    printed = [VECTOR, *([HOLD] if golden.holding is not None else [])]
    printed += [pin.name for pin in structure.pins if pin.direction == "output"][:MOST_PRINTED]
    lines += [Tolerances().line(), ".temp 27", f".width out={16 * (len(printed) + 2)}", f".dc {sweep}"]
    lines += [f".print dc {' '.join(f'v({name})' for name in printed)}", ".end", ""]
    return "\n".join(lines)


def _dut(structure: Structure, most: int = MOST_PORTS) -> list[str]:
    """Return the instance of the circuit, or its devices where an instance has too many ports for the simulator."""
    ports, top = structure.top.ports, structure.top.name
    if len(ports) <= most:
        return wrapped(INSTANCE, *ports, top)
    why = f"{len(ports)} ports are more than an instance may have, so the devices of {top} stand here"
    return [*comments([why]), *flat(structure, INSTANCE)]


def _source(pin: Pin, volts: Array) -> list[str]:
    """Return the source that holds a pin, and the one that senses."""
    ends = f"eq_{pin.name} 0"
    sense = f"v_{pin.name} eq_{pin.name} {pin.name} 0"
    if (volts == volts[0]).all():
        return [f"v_eq_{pin.name} {ends} {number(volts[0])}", sense]
    return [f"b_eq_{pin.name} {ends} v={_table(volts)}", sense]


def _table(values: Array) -> str:
    """Return an expression that is values[k] for vector k; ngspice extrapolates beyond its ends."""
    return table(values, VECTOR)


def _holding(structure: Structure, circuit: Circuit, golden: Golden, siemens: float) -> list[str]:
    """Return sources that hold every free node near where it belongs while eq_hold is 1.

    The circuit has several operating points, and the sweep would find any of them.
    """
    on, lines = f"v({HOLD})>0.5", [f"v_{HOLD} {HOLD} 0 0"]
    for k, node in enumerate(circuit.free_nodes.tolist()):
        name = seen(structure, node)
        lines.append(f"b_eq_hold{k} {name} 0 i={on}?{siemens:g}*v({name}):0")
        lines.append(f"b_eq_pull{k} 0 {name} i={on}?{siemens:g}*({_table(golden.voltages[:, node])}):0")
    return lines


def tb_one(
    structure: Structure, circuit: Circuit, golden: Golden, notes: Sequence[str], models: str, end: str
) -> list[str]:
    """Return a bench of the first vector with constant sources: for simulators without B sources, or not run here."""
    lines = [*comments(notes), f".include {models}", ".include dut.sp"]
    lines += _dut(structure, MOST_PORTS_GNUCAP)
    for pin in held(structure):
        lines.append(f"v_eq_{pin.name} eq_{pin.name} 0 {number(golden.voltages[0, pin.node])}")
        lines.append(f"v_{pin.name} eq_{pin.name} {pin.name} 0")
    lines += [
        f"i_eq_feed_{pin.name} 0 {pin.name} {number(golden.fed[0, pin.node])}"
        for pin in fed(structure, golden)
    ]
    if golden.holding is not None:
        nodes = circuit.free_nodes
        lines += nodesets([seen(structure, n) for n in nodes.tolist()], golden.voltages[0, nodes])
    return [*lines, end]


def tb_tran(structure: Structure, circuit: Circuit, golden: Golden, notes: Sequence[str]) -> str:
    """Return a bench that switches the first vector on, with nothing charged, until the circuit rests."""
    assert golden.settling is not None
    step, seconds = golden.settling
    why = f"run: ngspice -b -r out.raw tb_tran.sp; after {seconds:.3g} s the circuit is at vector 0 of golden.csv"
    lines = tb_one(
        structure, circuit, replace(golden, holding=None), [*notes, why], "models.sp", TRANSIENT.line()
    )
    shown = " ".join(f"v({pin.name})" for pin in structure.pins if pin.direction == "output")
    ends = [".temp 27", f".tran {step:.3g} {seconds:.3g} uic", f".print tran {shown}", ".end", ""]
    return "\n".join([*lines, *ends])


def tb_gnucap(structure: Structure, circuit: Circuit, golden: Golden, notes: Sequence[str]) -> str:
    """Return a bench for gnucap: an operating point for each vector, the sources modified in between."""
    why = (
        "run: gnucap -b tb_gnucap.ckt; a line of values for each vector, in order. Its exit code is always 0"
    )
    lines = tb_one(structure, circuit, golden, [*notes, why], "models_poly.sp", GNUCAP)
    printed = [pin.name for pin in structure.pins if pin.direction == "output"]
    currents = [f"i(v_{pin.name})" for pin in held(structure)]
    lines.append(f".print op {' '.join([*(f'v({name})' for name in printed), *currents])}")
    sources = [(f"v_eq_{pin.name}", golden.voltages[:, pin.node]) for pin in held(structure)]
    sources += [(f"i_eq_feed_{pin.name}", golden.fed[:, pin.node]) for pin in fed(structure, golden)]
    for k in range(len(golden)):
        changed = [f"{name}={number(x[k])}" for name, x in sources if k and x[k] != x[k - 1]]
        lines += [f".modify {some}" for some in _groups(changed)]
        lines.append(".op 27")
    return "\n".join([*lines, ".end", ""])


def _groups(words: Sequence[str], most: int = 8) -> list[str]:
    """Return words, some in a line."""
    return [" ".join(words[k : k + most]) for k in range(0, len(words), most)]
