"""What each device of a circuit bears at given node voltages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from eqcirc.analysis.flows import through
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import (
    Capacitor,
    Cell,
    Conductance,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    Element,
    RLMesh,
    TwoTerminal,
)
from eqcirc.typing import Array, Parameters

LOADED = (Crossbar, DualRailCrossbar, Capacitor, RLMesh, Conductance, TwoTerminal, Cell, CurrentSource)
"""Elements whose parts are two-terminal."""


class Stress(NamedTuple):
    """What parts of an element bear; arrays (batch, ...) of the shape of its parts.

    Attributes:
        volts: across the part.
        amperes: through it.
    """

    volts: Array
    amperes: Array


def borne(circuit: Circuit, parameters: Parameters | None, v: Array) -> Iterator[tuple[Element, Stress]]:
    """Yield the elements whose parts are two-terminal, with what these bear.

    Crossbars give one for each crosspoint, coils one for each resistance, own and shared; sources of currents what
    they feed, and the voltage there. Others (amplifiers, transconductors, dense blocks of them) are left out.
    """
    values = circuit.values(parameters)
    for element in circuit.elements:
        stress = _stress(element, values[element.name], v)
        if stress is not None:
            yield element, stress


def _stress(element: Element, value: Array, v: Array) -> Stress | None:
    if isinstance(element, Crossbar | DualRailCrossbar):
        across = v[:, element.rows][:, :, None] - v[:, element.columns][:, None, :]
        return Stress(across, across * element.coupling(value))
    if isinstance(element, Capacitor):
        across = v[:, element.a] - v[:, element.b]
        return Stress(across, np.zeros_like(across))
    if isinstance(element, RLMesh):
        crossing = element.currents(value, v) @ element.incidence.T
        return Stress(value * crossing, crossing)
    if isinstance(element, Conductance | TwoTerminal | Cell | CurrentSource):
        p, n, amperes = through(element, value, v)
        return Stress(v[:, p] - v[:, n], amperes)
    return None
