"""Netlists for plain ngspice, and its answers from the raw file with all their digits.

What shapes the netlist (ngspice 39): a constant inside a B source's expression keeps 11 digits, while element values,
`m=` and the voltages of sources keep all; `^` and pow() take the absolute value of their base. So voltages reach an
expression already divided by their scale, strengths go into `m=`, and other constants are voltages of sources.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oracle.description import (
    GMIN,
    Amplifier,
    Branch,
    Capacitor,
    Clamp,
    Coupling,
    Cubic,
    Description,
    Diode,
    Esaki,
    Gyrator,
    Input,
    Poly,
    Resistor,
    Shared,
    Source,
    Transconductor,
    Vector,
)

FIXED = f"gmin={GMIN!r} temp=27 tnom=27 itl1=500 itl2=500 itl4=200"
# Rounding keeps some circuits from ever meeting the first; their answers under the others are no less exact.
# Where it cannot meet them, an operating point may also take for ever.
OP_SECONDS, TRAN_SECONDS = 5.0, 120.0
TOLERANCES = ("reltol=1e-11 vntol=1e-13 abstol=1e-16", "reltol=1e-9 vntol=1e-10 abstol=1e-13", "reltol=1e-6")


@dataclass(frozen=True)
class Spice:
    """What ngspice answered.

    Attributes:
        voltages: Of all nodes, V; one row per time in a transient. None where ngspice gave up.
        times: s, in a transient.
        log: What it printed.
        tolerances: The options under which it answered.
    """

    voltages: np.ndarray | None
    times: np.ndarray | None
    log: str
    tolerances: str


def operating_point_by_spice(
    description: Description,
    x: Vector,
    nodeset: Vector | None = None,
    tolerances: Sequence[str] = TOLERANCES,
) -> Spice:
    """One `.op`, under the first tolerances that it can meet; `nodeset` holds one voltage per node.

    It may end on an unstable equilibrium.
    """
    lines = netlist(description, x)
    if nodeset is not None:
        free = [node for node in range(description.n_nodes) if node not in description.held_nodes()]
        lines += [f".nodeset v(n{node})={_number(nodeset[node])}" for node in free]
    return _first_answer([*lines, ".op"], description, tolerances, OP_SECONDS)


def transient_by_spice(
    description: Description,
    x: Vector,
    stop: float,
    step: float | None = None,
    tolerances: Sequence[str] = TOLERANCES[1:],
) -> Spice:
    """One `.tran ... uic` of `stop` seconds: nothing is charged and all sources are on at t = 0."""
    step = stop / 1000 if step is None else step
    analysis = f".tran {_number(step)} {_number(stop)} 0 {_number(step)} uic"
    return _first_answer([*netlist(description, x), analysis], description, tolerances, TRAN_SECONDS)


def _first_answer(
    lines: Sequence[str], description: Description, tolerances: Sequence[str], seconds: float
) -> Spice:
    log = ""
    for options in tolerances:
        table, log = run([*lines, f".options {options} {FIXED}"], seconds)
        if table is not None:
            times, voltages = table.get("time"), _voltages(table, description)
            return Spice(voltages if times is not None else voltages[0], times, log, options)
    return Spice(None, None, log, "")


def netlist(description: Description, x: Vector) -> list[str]:
    """The elements at one input."""
    lines = [f"V{node}h {_node(node)} 0 {_number(volts)}" for node, volts in description.rails.items()]
    for entry in description.inputs:
        node, feature, gain, offset = Input(*entry)
        lines.append(f"V{node}h {_node(node)} 0 {_number(gain * x[feature] + offset)}")
    for k, entry in enumerate(description.current_inputs):
        node, feature, gain, offset = Input(*entry)
        lines.append(f"I{k}i 0 {_node(node)} {_number(gain * x[feature] + offset)}")
    for k, part in enumerate(description.parts):
        if isinstance(part, Branch | Shared):
            continue
        lines += ELEMENTS[type(part)](k, part)
    return lines + _branches(description)


def run(lines: Sequence[str], timeout: float = 10.0) -> tuple[dict[str, np.ndarray] | None, str]:
    """Vectors of the raw file by name, or None where ngspice gave up, and its log."""
    with tempfile.TemporaryDirectory() as folder:
        path, raw = Path(folder, "circuit.cir"), Path(folder, "answer.raw")
        path.write_text("\n".join(["* oracle", *lines, ".end", ""]))
        command = ["ngspice", "-b", "-r", str(raw), str(path)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, check=False, cwd=folder
            )
        except subprocess.TimeoutExpired:
            return None, "timeout"
        log = done.stdout + done.stderr
        failed = any(
            word in log.lower() for word in ("no convergence", "aborted", "timestep too small", "fatal")
        )
        table = read_raw(raw.read_bytes()) if raw.exists() and not failed else None
        return table, log


def read_raw(content: bytes) -> dict[str, np.ndarray] | None:
    """The last plot of a raw file, binary or ASCII, as vectors by name; None where it holds no points."""
    marker = b"Binary:\n" if b"Binary:\n" in content else b"Values:\n"
    header, _, data = content.rpartition(marker)
    lines = header.decode().splitlines()
    start = max(k for k, line in enumerate(lines) if line.startswith("Variables:"))
    fields = dict(line.split(":", 1) for line in lines[:start] if ":" in line)
    count = int(fields["No. Variables"])
    names = [line.split()[1].lower() for line in lines[start + 1 : start + 1 + count]]
    if marker.startswith(b"B"):
        values = np.frombuffer(data[: len(data) // (8 * count) * 8 * count], "<f8").reshape(-1, count)
    else:
        words = data.split()  # each point begins with its number
        values = np.array(words, float).reshape(-1, count + 1)[:, 1:]
    return dict(zip(names, values.T, strict=True)) if len(values) else None


def _voltages(table: dict[str, np.ndarray], description: Description) -> np.ndarray:
    points = len(next(iter(table.values())))
    missing = np.full(points, np.nan)  # a node that no part touches
    columns = [np.zeros(points)]
    columns += [table.get(f"v(n{node})", missing) for node in range(1, description.n_nodes)]
    return np.array(columns).T


def _number(value: Any) -> str:
    return repr(float(value))


def _node(node: int) -> str:
    return f"n{node}" if node else "0"


def _siemens(name: str, a: int, b: int, g: float) -> str:
    """A conductance as a source that senses itself: all digits of g, and 0 is allowed."""
    return f"G{name} {_node(a)} {_node(b)} {_node(a)} {_node(b)} {_number(g)}"


def _resistor(k: int, part: Resistor) -> list[str]:
    return [_siemens(f"{k}", part.a, part.b, part.g)]


def _diode(k: int, part: Diode) -> list[str]:
    lines = [
        f"D{k} {_node(part.a)} {_node(part.c)} diode{k} area={_number(part.area)}",
        f".model diode{k} d(is={_number(part.i_s)} n={_number(part.n)})",
    ]
    gmin = part.gmin * part.area if part.gmin_times_area else part.gmin
    return lines if gmin == GMIN else [*lines, _siemens(f"{k}", part.a, part.c, gmin - GMIN)]


def _scaled(k: int, part: Any, scale: float, name: str = "x") -> str:
    """A node at v/scale."""
    return f"E{k}{name} {name}{k} 0 {_node(part.a)} {_node(part.c)} {_number(1 / scale)}"


def _strength(k: int, part: Any, amps: float, expression: str, name: str = "") -> str:
    """The current amps * expression from a to c."""
    return f"B{k}{name} {_node(part.a)} {_node(part.c)} I={expression} m={_number(amps)}"


def _cubic(k: int, part: Cubic) -> list[str]:
    x = f"V(x{k})"
    return [
        _scaled(k, part, part.v0),
        _strength(k, part, part.area * part.g1 * part.v0, f"{x}*{x}*{x}/3-{x}"),
    ]


def _clamp(k: int, part: Clamp) -> list[str]:
    """With x = v/w the difference of the two squares is min(ramp(x), 1) (ramp(x) + ramp(x - 1))."""
    x = f"V(x{k})"
    return [
        _scaled(k, part, part.w),
        _strength(k, part, part.area * part.G * part.w / 2, f"min(uramp({x}),1)*(uramp({x})+uramp({x}-1))"),
    ]


def _esaki(k: int, part: Esaki) -> list[str]:
    x, y, z, q, m = f"V(x{k})", f"V(y{k})", f"V(z{k})", f"V(q{k})", _number(part.m)
    backward = f"{x}*exp((1-{m}*{x})/{m})"
    forward = f"{x}*exp((1-{x}^{m})/{m})"
    return [
        _scaled(k, part, part.vp),
        _scaled(k, part, 1 / part.a2, "y"),
        _scaled(k, part, part.vs, "z"),
        f"V{k}q q{k} 0 {_number(part.a2 * part.vv)}",
        _strength(k, part, part.area * part.ip, f"{x}<0 ? {backward} : {forward}", "t"),
        _strength(k, part, part.area * part.ix, f"exp({y}-{q})-exp(-{q})", "e"),
        _strength(k, part, part.area * part.i_s, f"exp({z})-1", "s"),
    ]


def _poly(k: int, part: Poly) -> list[str]:
    v = f"V({_node(part.a)},{_node(part.c)})" if part.c else f"V({_node(part.a)})"
    v = v if part.a else f"(-V({_node(part.c)}))"
    constants = [f"V{k}l l{k} 0 {_number(part.low)}", f"V{k}u u{k} 0 {_number(part.high)}"]
    largest = max(abs(c) for c in part.coefficients)
    p, slope = "0", "0"
    x = f"min(max({v},V(l{k})),V(u{k}))"
    for power, coefficient in reversed(list(enumerate(part.coefficients, start=1))):
        constants.append(f"V{k}p{power} p{k}_{power} 0 {_number(coefficient / largest)}")
        p = f"({p}+V(p{k}_{power}))*{x}"
        slope = f"({slope}*{x}+{power}*V(p{k}_{power}))"
    return [*constants, _strength(k, part, part.area * largest, f"{p}+{slope}*({v}-{x})")]


def _amplifier(k: int, part: Amplifier) -> list[str]:
    kappa = 1 / part.gain if part.kappa is None else part.kappa
    a = _node(part.a)
    return [
        f"E{k} m{k} 0 {a} 0 {_number(part.gain)}",
        f"V{k}m m{k} {_node(part.b)} 0",
        f"F{k} {a} 0 V{k}m {_number(kappa)}",
    ]


def _coupling(k: int, part: Coupling) -> list[str]:
    r, c, w = _node(part.r), _node(part.c), _number(-part.w)
    if part.loaded and part.w >= 0:
        return [_siemens(f"{k}", part.r, part.c, part.w)]
    lines = [f"G{k}a {c} 0 {r} 0 {w}", f"G{k}b {r} 0 {c} 0 {w}"]
    if part.loaded:
        lines += [_siemens(f"{k}r", part.r, 0, abs(part.w)), _siemens(f"{k}c", part.c, 0, abs(part.w))]
    return lines


def _gyrator(k: int, part: Gyrator) -> list[str]:
    a, b, ref, gm = _node(part.a), _node(part.b), _node(part.ref), _number(part.gm)
    return [f"G{k}a {a} 0 {b} 0 {gm}", f"G{k}b 0 {b} {a} {ref} {gm}"]


def _transconductor(k: int, part: Transconductor) -> list[str]:
    nodes = " ".join(_node(node) for node in (part.out_p, part.out_n, part.cp, part.cn))
    return [f"G{k} {nodes} {_number(part.gm)}"]


def _source(k: int, part: Source) -> list[str]:
    return [f"I{k} 0 {_node(part.node)} {_number(part.amps)}"]


def _capacitor(k: int, part: Capacitor) -> list[str]:
    return [f"C{k} {_node(part.a)} {_node(part.b)} {_number(part.farad)}"]


def _branches(description: Description) -> list[str]:
    """Each branch is a chain: an ammeter, its resistance, its coil, and what it shares with others."""
    branches, shared = list(description.of(Branch)), list(description.of(Shared))
    lines = []
    for k, part in enumerate(branches):
        links = [f"V{k}b {{}} {{}} 0"]
        if part.r_ohm:
            links.append(f"R{k}b {{}} {{}} {_number(part.r_ohm)}")
        if part.henry:
            links.append(f"L{k}b {{}} {{}} {_number(part.henry)}")
        for j, share in enumerate(shared):
            if k in (share.i, share.j) and share.i != share.j and share.r_ohm:
                other = share.j if k == share.i else share.i
                links.append(f"R{k}s{j} {{}} {{}} {_number(share.r_ohm)}")
                links.append(f"H{k}s{j} {{}} {{}} V{other}b {_number(-share.r_ohm)}")
        nodes = [_node(part.a), *(f"b{k}_{j}" for j in range(1, len(links))), _node(part.b)]
        lines += [link.format(nodes[j], nodes[j + 1]) for j, link in enumerate(links)]
    return lines


ELEMENTS: dict[type, Callable[[int, Any], list[str]]] = {
    Resistor: _resistor,
    Diode: _diode,
    Clamp: _clamp,
    Cubic: _cubic,
    Esaki: _esaki,
    Poly: _poly,
    Source: _source,
    Transconductor: _transconductor,
    Gyrator: _gyrator,
    Amplifier: _amplifier,
    Coupling: _coupling,
    Capacitor: _capacitor,
}
