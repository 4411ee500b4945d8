"""Small circuits whose inputs, outputs and amplifiers are of every kind that physics allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import PolynomialDevice, ShockleyDiode
from tests.case import ONE_INPUT, TWO_INPUTS, Case, S


def overlapping() -> Case:
    """Two differential outputs share a node."""
    b = CircuitBuilder("overlapping")
    x, n = b.input("x", 2), b.nodes("n", 3)
    b.crossbar("weights", x, n, np.linspace(1, 6, 6).reshape(2, 3) * S)
    b.conductance("load", n, GROUND, S, trainable=True)
    b.device("diode", n[0], GROUND, ShockleyDiode())
    return Case(b.build(n[[0, 1]], n[[1, 2]]), TWO_INPUTS)


def weighted_outputs() -> Case:
    """Sums of node voltages, one of them held."""
    b = CircuitBuilder("weighted outputs")
    x, n = b.input("x", 2), b.nodes("n", 3)
    b.crossbar("weights", x, n, np.linspace(1, 6, 6).reshape(2, 3) * S)
    b.conductance("load", n, GROUND, S, trainable=True)
    b.device("diode", n[1], GROUND, ShockleyDiode())
    read = b.weighted([*n.tolist(), int(x[0])], [[1, -2, 0.5, 0], [0.3, 0, 1, -0.7]])
    return Case(b.build(read), TWO_INPUTS)


def current_outputs() -> Case:
    """Currents through a resistor and through R-L branches that share a resistance."""
    b = CircuitBuilder("current outputs")
    x, n = b.input("x", 2), b.nodes("n", 3)
    b.crossbar("weights", x, n, np.linspace(1, 6, 6).reshape(2, 3) * S)
    b.conductance("sense", n[0], GROUND, 2 * S)
    b.rl_branches("coil", n[1:], GROUND, [5e4, 8e4], 1e-3, shared=[(0, 1)], shared_ohms=2e4)
    b.device("diode", n[1], GROUND, ShockleyDiode())
    return Case(b.build(b.currents("sense", 1e5) + b.currents("coil", 1e5)), TWO_INPUTS)


def fed_by_currents() -> Case:
    """Inputs with an offset, and inputs that are currents; what a current is for a feature of one is trained."""
    b = CircuitBuilder("fed by currents")
    x, n = b.input("x", 2, gain=0.5, offset=0.3), b.nodes("n", 2)
    b.conductance("first", x, n, [S, 2 * S], trainable=True)
    b.conductance("between", n[0], n[1], 0.5 * S, trainable=True)
    b.conductance("load", n, GROUND, S)
    b.device("diode", n[0], GROUND, ShockleyDiode())
    b.current_input("drive", n, gain=[3e-6, -2e-6], trainable=True)
    return Case(b.build(n), TWO_INPUTS)


def inverting() -> Case:
    """An amplifier of negative gain in both directions: s changes its sign; diodes behind it."""
    b = CircuitBuilder("inverting")
    x, n, out = b.input("x", gain=2.0), b.nodes("n", 2), b.nodes("out")
    b.conductance("first", x, n[0], S, trainable=True)
    b.conductance("leak", n[0], GROUND, 0.5 * S)
    b.device("front", n[0], GROUND, ShockleyDiode())
    b.amplifier("amp", n[0], n[1], -3.0, -0.5)
    b.device("behind", n[1], out, ShockleyDiode(1e-12, 1.2))
    b.conductance("second", n[1], out, S, trainable=True)
    b.conductance("load", out, GROUND, 2 * S, trainable=True)
    return Case(b.build(out), ONE_INPUT)


def one_way() -> Case:
    """A buffer: nothing that happens behind it is felt before it."""
    b = CircuitBuilder("one way")
    x, n, out = b.input("x", gain=2.0), b.nodes("n", 2), b.nodes("out")
    b.conductance("first", x, n[0], S, trainable=True)
    b.conductance("leak", n[0], GROUND, 0.5 * S)
    b.device("diode", n[0], GROUND, ShockleyDiode())
    b.amplifier("buffer", n[0], n[1], 2.0, 0.0)
    b.conductance("second", n[1], out, S, trainable=True)
    b.conductance("load", out, GROUND, 2 * S, trainable=True)
    return Case(b.build(out), ONE_INPUT, symmetric=False)


def amplified_sources() -> Case:
    """Amplifiers of an input, of a rail, and of what they hold; a load across sources, and a diode."""
    b = CircuitBuilder("amplified sources")
    x, rail, held, out = b.input("x", offset=0.1), b.rail("supply", 0.4), b.nodes("held", 3), b.nodes("out")
    b.amplifier("inverter", np.concatenate([x, rail]), held[:2], -1.5)
    b.amplifier("next", held[0], held[2], 0.5, 7.0)
    b.conductance("weights", held, out, [S, 2 * S, 3 * S], trainable=True)
    b.conductance("across", rail, [GROUND, int(x[0])], S)
    b.device("guard", GROUND, held[1], ShockleyDiode())
    b.device("diode", out, GROUND, ShockleyDiode())
    return Case(b.build(out), ONE_INPUT)


def only_devices() -> Case:
    """Nodes that nothing but devices reach: between two diodes, and behind a cubic one."""
    b = CircuitBuilder("only devices")
    x, n, out = b.input("x", offset=1.3), b.nodes("n", 2), b.nodes("out")
    b.conductance("series", x, out, S, trainable=True)
    b.conductance("load", out, GROUND, 0.3 * S, trainable=True)
    b.device("upper", out, n[0], ShockleyDiode())
    b.device("lower", n[0], GROUND, ShockleyDiode(emission=2.0), area=[3.0])
    b.device("hanging", out, n[1], ShockleyDiode())
    b.device("end", n[1], GROUND, PolynomialDevice((S, 0.0, 2 * S), -1.0, 1.0))
    return Case(b.build(out), ONE_INPUT)


CASES: dict[str, Callable[[], Case]] = {
    f.__name__: f
    for f in (
        overlapping,
        weighted_outputs,
        current_outputs,
        fed_by_currents,
        inverting,
        one_way,
        amplified_sources,
        only_devices,
    )
}
