"""A circuit that the independent referee describes (`oracle.description`), as one of the package."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from oracle.description import (
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
    Part,
    Poly,
    Resistor,
    Shared,
    Source,
    Transconductor,
)

from eqcirc import Circuit, CircuitBuilder
from eqcirc.devices import ClampDiode, CubicDevice, EsakiDiode, Law, PolynomialDevice, ShockleyDiode

LAWS: dict[type[Part], Callable[..., Law]] = {
    Diode: lambda p: ShockleyDiode(p.i_s, p.n),
    Clamp: lambda p: ClampDiode(p.G, p.w),
    Cubic: lambda p: CubicDevice(p.g1, p.v0),
    Esaki: lambda p: EsakiDiode(p.ip, p.vp, p.ix, p.a2, p.vv, p.i_s, p.vs, p.m),
    Poly: lambda p: PolynomialDevice(p.coefficients, p.low, p.high),
}


@dataclass(frozen=True)
class Place:
    """Where the value of a part stands: in which element, and at which place."""

    element: str
    index: int


@dataclass(frozen=True)
class Translation:
    """A circuit whose node k is node k of the description, and the places of the trained values."""

    circuit: Circuit
    places: dict[int, Place]


def translate(description: Description, name: str) -> Translation:
    """Build the circuit."""
    b = CircuitBuilder(name)
    held = {Input(*entry).node: Input(*entry) for entry in description.inputs}
    for node in range(1, description.n_nodes):
        if node in held:
            entry = held[node]
            b.input(f"n{node}n", first_feature=entry.feature, gain=entry.gain, offset=entry.offset)
        elif node in description.rails:
            b.rail(f"n{node}n", description.rails[node])
        else:
            b.nodes(f"n{node}n")
    places: dict[int, Place] = {}
    for k, (members, trained) in enumerate(_groups(description)):
        element = f"e{k}e"
        _add(b, element, [description.parts[m] for m in members], trained)
        if trained:
            places |= {m: Place(element, i) for i, m in enumerate(members)}
    for k, entry in enumerate(map(Input._make, description.current_inputs)):
        b.current_input(f"c{k}c", entry.node, first_feature=entry.feature, gain=entry.gain)
        if entry.offset:
            b.current_source(f"o{k}o", entry.node, entry.offset)
    weights = np.asarray(description.weights)
    return Translation(b.build(b.weighted(np.arange(description.n_nodes), weights)), places)


def _groups(description: Description) -> Iterator[tuple[list[int], bool]]:
    """Parts that make one element: of one kind, law and gain, and all trained or none.

    R-L branches and what they share are one element, whatever is trained of it.
    """
    groups: dict[object, list[int]] = defaultdict(list)
    for k, part in enumerate(description.parts):
        if isinstance(part, Branch | Shared):
            groups[Branch].append(k)
        elif isinstance(part, Coupling):
            groups[k].append(k)
        else:
            law = LAWS[type(part)](part) if type(part) in LAWS else None
            gain = (part.gain, part.kappa) if isinstance(part, Amplifier) else None
            sign = isinstance(part, Gyrator) and part.gm > 0
            groups[type(part), law, gain, sign, part.trainable].append(k)
    for members in groups.values():
        parts = [description.parts[k] for k in members]
        members.sort(key=lambda k: isinstance(description.parts[k], Shared))
        fixed = isinstance(parts[0], Amplifier | Transconductor | Capacitor) or any(
            p.value == 0 for p in parts if isinstance(p, Branch)
        )
        yield members, not fixed and any(p.trainable for p in parts)


def _add(b: CircuitBuilder, name: str, parts: list[Part], trained: bool) -> None:
    """Add one group of parts."""

    def all_of(field: str) -> np.ndarray:
        return np.array([getattr(part, field) for part in parts])

    one = parts[0]
    if isinstance(one, Resistor):
        b.conductance(name, all_of("a"), all_of("b"), all_of("g"), trainable=trained)
    elif type(one) in LAWS:
        law = LAWS[type(one)](one)
        b.device(name, all_of("a"), all_of("c"), law, area=all_of("area"), trainable=trained)
    elif isinstance(one, Source):
        b.current_source(name, all_of("node"), all_of("amps"), trainable=trained)
    elif isinstance(one, Transconductor):
        b.transconductor(name, (all_of("out_p"), all_of("out_n")), (all_of("cp"), all_of("cn")), all_of("gm"))
    elif isinstance(one, Gyrator):
        a, z, ref = all_of("a"), all_of("b"), all_of("ref")
        b.gyrator(name, a, z, all_of("gm"), reference=ref, trainable=trained)
    elif isinstance(one, Amplifier):
        b.amplifier(name, all_of("a"), all_of("b"), one.gain, one.kappa)
    elif isinstance(one, Coupling):
        b.signed_crossbar(name, one.r, one.c, [[one.w]], loaded=one.loaded, trainable=trained)
    elif isinstance(one, Capacitor):
        b.capacitor(name, all_of("a"), all_of("b"), all_of("farad"))
    else:
        _add_branches(b, name, parts, trained)


def _add_branches(b: CircuitBuilder, name: str, parts: list[Part], trained: bool) -> None:
    own = [p for p in parts if isinstance(p, Branch)]
    shared = [p for p in parts if isinstance(p, Shared)]
    b.rl_branches(
        name,
        np.array([p.a for p in own]),
        np.array([p.b for p in own]),
        np.array([p.r_ohm for p in own]),
        np.array([p.henry for p in own]),
        shared=[(p.i, p.j) for p in shared],
        shared_ohms=np.array([p.r_ohm for p in shared]),
        trainable=trained,
    )
