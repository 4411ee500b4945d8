"""Small circuits that every solver and rule should handle, by name, and random layered ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery
from eqcirc.devices import ClampDiode, CubicDevice, EsakiDiode, ShockleyDiode, TableDevice
from eqcirc.typing import NodeArray
from tests import cells, ports, predictive
from tests.case import ONE_INPUT, TWO_INPUTS, Case, S


def divider() -> Case:
    b = CircuitBuilder("divider")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("top", x, out, S, trainable=True)
    b.conductance("bottom", out, GROUND, 3 * S, trainable=True)
    return Case(b.build(out), ONE_INPUT, linear=True)


def ladder() -> Case:
    b = CircuitBuilder("ladder")
    x, rung = b.input("x", gain=2.0), b.nodes("rung", 6)
    b.conductance("series", np.concatenate([x, rung[:-1]]), rung, np.linspace(1, 6, 6) * S, trainable=True)
    b.conductance("shunt", rung, GROUND, 0.5 * S, trainable=True)
    return Case(b.build(rung[-2:]), ONE_INPUT, linear=True)


def bridge() -> Case:
    b = CircuitBuilder("bridge")
    x, mid = b.input("x"), b.nodes("mid", 2)
    b.conductance("upper", x, mid, [S, 3 * S], trainable=True)
    b.conductance("lower", mid, GROUND, [2 * S, S], trainable=True)
    b.conductance("across", mid[0], mid[1], 0.7 * S, trainable=True)
    return Case(b.build(mid[:1], mid[1:]), ONE_INPUT, linear=True)


def balanced() -> Case:
    """The middle and the output are at 0 V, up to rounding, while their neighbours are not."""
    b = CircuitBuilder("balanced")
    x, y = b.input("x"), b.input("y", gain=-3.0)
    side, mid, out = b.nodes("side", 2), b.nodes("mid"), b.nodes("out")
    b.conductance("feed", np.concatenate([x, y]), side, [0.3 * S, 0.1 * S])
    b.conductance("arms", side, mid, [0.7 * S, 0.7 * S / 3], trainable=True)
    b.conductance("leak", side, GROUND, [0.1 * S, 0.1 * S / 3])
    b.conductance("end", np.concatenate([mid, out]), [int(out[0]), GROUND], S, trainable=True)
    return Case(b.build(out), ONE_INPUT, linear=True)


def diode() -> Case:
    b = CircuitBuilder("diode")
    x, out = b.input("x", gain=3.0), b.nodes("out")
    b.conductance("series", x, out, S, trainable=True)
    b.device("diode", out, GROUND, ShockleyDiode())
    return Case(b.build(out), ONE_INPUT)


def diode_areas() -> Case:
    """Several diodes of one group at one node, with different areas."""
    b = CircuitBuilder("diode areas")
    x, out = b.input("x", gain=3.0), b.nodes("out", 2)
    b.conductance("series", x, out, [S, 2 * S], trainable=True)
    b.device("diode", out[[0, 0, 1]], [GROUND, int(out[1]), GROUND], ShockleyDiode(), area=[1, 5, 20])
    return Case(b.build(out), ONE_INPUT)


def antiparallel() -> Case:
    b = CircuitBuilder("antiparallel")
    x, high, low = b.input("x", gain=4.0), b.rail("high", 0.3), b.rail("low", -0.3)
    out = b.nodes("out", 2)
    b.conductance("series", x, out, [S, 0.2 * S], trainable=True)
    b.device("up", out, high, ShockleyDiode())
    b.device("down", low, out, ShockleyDiode(1e-12, 1.2))
    return Case(b.build(out), ONE_INPUT)


def cold_rail() -> Case:
    """A diode that sees 5 V before the first iteration."""
    b = CircuitBuilder("cold rail")
    x, rail, out = b.input("x"), b.rail("supply", 5.0), b.nodes("out")
    b.conductance("series", x, out, S, trainable=True)
    b.device("diode", rail, out, ShockleyDiode())
    return Case(b.build(out), ONE_INPUT)


def clamp() -> Case:
    b = CircuitBuilder("clamp")
    x, high, out = b.input("x", gain=2.0), b.rail("high", 0.25), b.nodes("out")
    b.conductance("series", x, out, S, trainable=True)
    b.device("up", out, high, ClampDiode())
    b.device("down", GROUND, out, ClampDiode(1e-3, 0.1))
    return Case(b.build(out), ONE_INPUT)


def floating_diode() -> Case:
    b = CircuitBuilder("floating diode")
    x, node = b.input("x", 2, gain=2.0), b.nodes("node", 2)
    b.conductance("series", x, node, [S, 2 * S], trainable=True)
    b.conductance("load", node, GROUND, 0.3 * S, trainable=True)
    b.device("diode", node[0], node[1], ShockleyDiode())
    return Case(b.build(node), TWO_INPUTS)


def _amplified(name: str, gain: float, kappa: float | None) -> Case:
    b = CircuitBuilder(name)
    x, hidden, behind, out = b.input("x", 2), b.nodes("hidden"), b.nodes("behind"), b.nodes("out")
    b.conductance("first", x, hidden, [S, 2 * S], trainable=True)
    b.device("diode", hidden, GROUND, ShockleyDiode())
    b.amplifier("amp", hidden, behind, gain, kappa)
    b.conductance("second", behind, out, 2 * S, trainable=True)
    b.conductance("load", out, GROUND, S, trainable=True)
    return Case(b.build(out), TWO_INPUTS)


def amplifier() -> Case:
    return _amplified("amplifier", 4.0, None)


def transformer() -> Case:
    return _amplified("transformer", 3.0, 3.0)


def amplifier_chain() -> Case:
    """Two stages with a stage of diodes between; the second amplifier follows another one directly."""
    b = CircuitBuilder("amplifier chain")
    x, n = b.input("x"), b.nodes("stage", 4)
    direct, out = b.nodes("direct"), b.nodes("out")
    b.conductance("first", x, n[0], S, trainable=True)
    b.amplifier("one", n[0], n[1], 4.0)
    b.conductance("second", n[1], n[2], S, trainable=True)
    b.conductance("leak", n[[0, 2]], GROUND, 0.5 * S)
    b.device("up", n[2], GROUND, ShockleyDiode())
    b.device("down", GROUND, n[2], ShockleyDiode())
    b.amplifier("two", n[2], n[3], 3.0, 0.5)
    b.amplifier("three", n[3], direct, 0.5, 2.0)
    b.conductance("third", n[3], out, S, trainable=True)
    b.conductance("fourth", direct, out, 0.4 * S, trainable=True)
    b.conductance("load", out, GROUND, 2 * S, trainable=True)
    return Case(b.build(out), ONE_INPUT, symmetric=False)  # 3·0.5 is a loop


def two_stages() -> Case:
    b = CircuitBuilder("two stages")
    x, n, out = b.input("x"), b.nodes("stage", 4), b.nodes("out")
    b.conductance("first", x, n[0], S, trainable=True)
    b.amplifier("one", n[0], n[1], 4.0)
    b.conductance("second", n[1], n[2], S, trainable=True)
    b.conductance("leak", n[[0, 2]], GROUND, 0.5 * S)
    b.device("up", n[2], GROUND, ShockleyDiode())
    b.device("down", GROUND, n[2], ShockleyDiode())
    b.amplifier("two", n[2], n[3], 3.0, 0.5)
    b.conductance("third", n[3], out, S, trainable=True)
    b.conductance("load", out, GROUND, 2 * S, trainable=True)
    return Case(b.build(out), ONE_INPUT)


def amplifier_to_amplifier() -> Case:
    """An amplifier drives another one, and both nodes are read: one unknown, two outputs."""
    b = CircuitBuilder("amplifier to amplifier")
    x, n = b.input("x"), b.nodes("n", 3)
    b.conductance("first", x, n[0], S, trainable=True)
    b.conductance("leak", n, GROUND, [0.5 * S, S, 2 * S])
    b.amplifier("one", n[0], n[1], 2.0)
    b.amplifier("two", n[1], n[2], 1.5, 0.8)
    b.device("diode", n[2], GROUND, ShockleyDiode(emission=2.0))
    return Case(b.build(n[1:]), ONE_INPUT)


def transformer_loop() -> Case:
    """A resistor closes a loop around an ideal transformer."""
    b = CircuitBuilder("transformer loop")
    x, n, out = b.input("x"), b.nodes("n", 2), b.nodes("out")
    b.conductance("first", x, n[0], S, trainable=True)
    b.amplifier("ideal", n[0], n[1], 2.5, 2.5)
    b.conductance("around", n[0], out, 0.6 * S, trainable=True)
    b.conductance("second", n[1], out, S, trainable=True)
    b.conductance("load", np.concatenate([n[:1], out]), GROUND, S, trainable=True)
    return Case(b.build(out), ONE_INPUT, linear=True)


def gyrator() -> Case:
    b = CircuitBuilder("gyrator")
    x, v, w = b.input("x"), b.nodes("v"), b.nodes("w")
    b.conductance("series", x, v, S, trainable=True)
    b.conductance("recovery", w, GROUND, 0.5 * S, trainable=True)
    b.transconductor("forth", (v, GROUND), (w, GROUND), 2 * S)
    b.transconductor("back", (GROUND, w), (v, GROUND), 3 * S)
    return Case(b.build(np.concatenate([v, w])), ONE_INPUT, linear=True)


def tunnel() -> Case:
    """A tunnel diode on its falling part, held there by its load; its area is trained."""
    b = CircuitBuilder("tunnel")
    x, supply, out = b.input("x", gain=0.02), b.rail("supply", 0.13), b.nodes("out")
    b.conductance("series", x, out, S, trainable=True)
    b.conductance("load", supply, out, 4 * S, trainable=True)
    b.current_source("bias", out, 1e-5)
    law = EsakiDiode(4.7e-6, excess_current=0.45e-6, saturation_current=9.7e-12)
    b.device("diode", out, GROUND, law, area=0.9, trainable=True)
    b.capacitor("store", out, GROUND, 1e-12)
    return Case(b.build(out), ONE_INPUT)


def measured() -> Case:
    """Devices given by tables, one of which falls, on both sides of their ends; areas are trained."""
    b = CircuitBuilder("measured")
    x, supply, n = b.input("x", 2, gain=0.5), b.rail("supply", 0.13), b.nodes("n", 3)
    b.crossbar("weights", x, n, np.linspace(1, 6, 6).reshape(2, 3) * S)
    b.conductance("load", supply, n, 4 * S)
    rising = TableDevice.measured([-0.3, -0.1, 0.05, 0.2, 0.25], [-1e-7, -5e-8, 1e-6, 2e-5, 1e-4])
    falling = TableDevice((-0.1, 0.0, 0.05, 0.1, 0.3), (-2 * S, 0.0, 0.4 * S, 0.3 * S, 2 * S))
    b.device("up", n, GROUND, rising, area=[1, 0.5, 2], trainable=True)
    b.device("between", n[:2], n[1:], falling, area=0.9, trainable=True)
    return Case(b.build(n), TWO_INPUTS)


def neurons() -> Case:
    """FitzHugh-Nagumo neurons with R-L recovery; two of them share a resistance."""
    b = CircuitBuilder("neurons")
    x, v = b.input("x", 2), b.nodes("v", 3)
    b.crossbar("weights", x, v, np.linspace(0.2, 0.7, 6).reshape(2, 3) * S)
    b.conductance("chain", v[:2], v[1:], 0.3 * S, trainable=True)
    cell = Neuron(CubicDevice(S, 0.5), RLRecovery(0.9 / S, 1e-3), 1e-11, rest=0.1, bias=0.1 * S)
    cell.add(
        b,
        "cell",
        v,
        area=[1, 0.8, 1.1],
        trainable=["area", "bias", "resistance"],
        shared=[(0, 1)],
        shared_ohms=2e4,
    )
    return Case(b.build(v[1:]), TWO_INPUTS)


def coupled_neurons() -> Case:
    """FitzHugh-Nagumo neurons with gyrators, whose recovery nodes are coupled; one of these is read."""
    b = CircuitBuilder("coupled neurons")
    x, v = b.input("x", 2), b.nodes("v", 3)
    b.crossbar("weights", x, v, np.linspace(0.2, 0.7, 6).reshape(2, 3) * S)
    b.conductance("chain", v[:2], v[1:], 0.3 * S, trainable=True)
    cell = Neuron(
        CubicDevice(S, 0.5), GyratorRecovery(1.3 * S, 1.2 * S, 2e-12), 1e-11, rest=0.1, bias=0.1 * S
    )
    parts = ["area", "bias", "gyrator", "leak", "recovery_bias"]
    w = cell.add(b, "cell", v, area=[1, 0.8, 1.1], trainable=parts)
    assert w is not None
    b.conductance("inhibitor", w[:2], w[1:], 0.2 * S, trainable=True)
    return Case(b.build([int(v[2]), int(w[0])]), TWO_INPUTS)


def signed() -> Case:
    """Loaded weights of either sign; the skip connection has rows that are held and rows that are not."""
    b = CircuitBuilder("signed")
    x, bias = b.input("x", 2, gain=2.0), b.rail("bias", 1.0)
    hidden, out = b.nodes("hidden", 3), b.nodes("out", 2)
    b.signed_crossbar("first", x, hidden, np.array([[3, -2, 1.5], [-1, 0.5, 2]]) * S)
    b.signed_crossbar("second", hidden, out, np.array([[-2, 1], [0.7, -1], [3, 2]]) * S)
    b.signed_crossbar("skip", np.concatenate([bias, hidden[:1]]), out, np.array([[1, -0.5], [-0.3, 0.4]]) * S)
    b.device("up", hidden, GROUND, ShockleyDiode())
    b.device("down", GROUND, hidden, ShockleyDiode())
    return Case(b.build(out), TWO_INPUTS)


def coupling() -> Case:
    """Weights without loads between neurons and leaky nodes; one weight is zero."""
    b = CircuitBuilder("coupling")
    x, v, out = b.input("x", 2), b.nodes("v", 3), b.nodes("out", 2)
    b.signed_crossbar("first", x, v, np.array([[0.6, -0.4, 0.3], [-0.2, 0.1, 0.5]]) * S, loaded=False)
    b.signed_crossbar("second", v, out, np.array([[-0.4, 0.3], [0, 0.35], [0.2, 0.3]]) * S, loaded=False)
    b.conductance("leak", out, GROUND, 2 * S, trainable=True)
    cell = Neuron(CubicDevice(S, 0.5), RLRecovery(0.7 / S, 1e-3), 1e-11)
    cell.add(b, "cell", v, trainable=["area", "resistance"])
    return Case(b.build(out), TWO_INPUTS)


def _dual_rail(hidden: NodeArray, behind: NodeArray, b: CircuitBuilder) -> Case:
    rng = np.random.default_rng(0)
    x = np.concatenate([b.input("x", 2, gain=2.0), b.input("xn", 2, gain=-2.0)])
    bias = np.concatenate([b.rail("biasp", 1.0), b.rail("biasn", -1.0)])
    out = np.concatenate([b.nodes("op", 2), b.nodes("on", 2)])
    for label, rows, columns in (("first", x, hidden), ("second", behind, out), ("bias", bias, hidden)):
        shape = (2, len(rows) // 2, len(columns) // 2)
        b.dual_rail_crossbar(label, rows, columns, rng.uniform(0.1, 3, shape) * S)
    b.device("up", hidden, GROUND, ShockleyDiode())
    b.device("down", GROUND, hidden, ShockleyDiode())
    return Case(b.build(out[:2], out[2:]), TWO_INPUTS)


def dual_rail() -> Case:
    b = CircuitBuilder("dual rail")
    hidden = np.concatenate([b.nodes("hp", 3), b.nodes("hn", 3)])
    return _dual_rail(hidden, hidden, b)


def amplified_dual_rail() -> Case:
    b = CircuitBuilder("amplified dual rail")
    hidden, behind = b.nodes("h", 4), b.nodes("y", 4)
    b.amplifier("amp", hidden, behind, 4.0)
    return _dual_rail(hidden, behind, b)


def lone_transconductor() -> Case:
    b = CircuitBuilder("lone transconductor")
    x, v, w = b.input("x"), b.nodes("v"), b.nodes("w")
    b.conductance("series", x, v, S, trainable=True)
    b.conductance("load", np.concatenate([v, w]), GROUND, S, trainable=True)
    b.transconductor("forth", (w, GROUND), (v, GROUND), 2 * S)
    b.device("diode", w, GROUND, ShockleyDiode())
    return Case(b.build(w), ONE_INPUT, symmetric=False)


def cancelled_coupling() -> Case:
    """A transconductor that hides a resistor in the matrix, from one side."""
    b = CircuitBuilder("cancelled coupling")
    x, n = b.input("x"), b.nodes("n", 3)
    b.conductance("series", x, n[0], S, trainable=True)
    b.conductance("chain", n[:2], n[1:], S, trainable=True)
    b.conductance("load", n, GROUND, 0.2 * S)
    b.transconductor("hide", (n[0], GROUND), (n[1], GROUND), S)
    return Case(b.build(n[2]), ONE_INPUT, linear=True, symmetric=False)


def current_sources() -> Case:
    b = CircuitBuilder("current sources")
    x, n = b.input("x"), b.nodes("n", 3)
    b.conductance("series", np.concatenate([x, n[:2]]), n, S, trainable=True)
    b.conductance("load", n, GROUND, 0.5 * S)
    b.current_source("bias", n, [2e-6, -5e-6, 1e-6], trainable=True)
    b.device("diode", n[1], GROUND, ShockleyDiode())
    return Case(b.build(n[[0, 2]]), ONE_INPUT)


def differential() -> Case:
    b = CircuitBuilder("differential")
    x, bias = b.input("x", 2), b.rail("bias", 1.0)
    out = b.nodes("out", 6)
    b.crossbar("weights", np.concatenate([x, bias]), out, np.linspace(1, 9, 18).reshape(3, 6) * S)
    b.conductance("cross", out[:3], out[3:], 0.5 * S, trainable=True)
    b.device("diode", out, GROUND, ShockleyDiode())
    return Case(b.build(out[:3], out[3:]), TWO_INPUTS)


def uneven_differential() -> Case:
    """One output is the difference of two nodes with different s: the nudge pulls them with different currents."""
    b = CircuitBuilder("uneven differential")
    x, hidden, behind, out = b.input("x"), b.nodes("hidden"), b.nodes("behind"), b.nodes("out")
    b.conductance("first", x, hidden, S, trainable=True)
    b.amplifier("amp", hidden, behind, 4.0)
    b.conductance("second", behind, out, 2 * S, trainable=True)
    b.conductance("load", out, GROUND, S, trainable=True)
    b.device("diode", out, GROUND, ShockleyDiode())
    return Case(b.build(out, hidden), ONE_INPUT)


def oscillators() -> Case:
    """Parts between phases, with detuned oscillators and leaks, which the matrix form does not take."""
    b = CircuitBuilder("oscillators")
    x, h, out = b.input("x", 2), b.nodes("h", 3), b.nodes("out", 2)
    b.phase_input("first", x, h, np.array([[3, -2, 1.5], [-1, 0.5, 2]]) * S)
    b.phase_coupling("second", h, out, np.array([[-2, 1], [0.7, -1], [3, 2]]) * 0.3 * S)
    b.phase_device("bias", h, 0.4 * S, trainable=True)
    b.phase_device("injection", out, [0.5 * S, -0.2 * S], harmonic=2, trainable=True)
    b.phase_device("beside", h[0], -0.3 * S, to=h[1])
    b.current_source("detuning", np.concatenate([h, out]), np.linspace(-2, 3, 5) * S)
    b.conductance("leak", np.concatenate([h, out]), GROUND, 4 * S)
    b.capacitor("store", np.concatenate([h, out]), GROUND, 1e-12)
    return Case(b.build(out), TWO_INPUTS)


def no_inputs() -> Case:
    b = CircuitBuilder("no inputs")
    bias, out = b.rail("bias", -0.7), b.nodes("out", 2)
    b.conductance("series", bias, out, S, trainable=True)
    b.conductance("load", out, GROUND, 0.5 * S)
    return Case(b.build(out), np.empty((3, 0)), linear=True)


CASES: dict[str, Callable[[], Case]] = {
    f.__name__: f
    for f in (
        divider,
        ladder,
        bridge,
        balanced,
        diode,
        diode_areas,
        antiparallel,
        cold_rail,
        clamp,
        floating_diode,
        amplifier,
        transformer,
        amplifier_chain,
        two_stages,
        amplifier_to_amplifier,
        transformer_loop,
        gyrator,
        tunnel,
        measured,
        neurons,
        coupled_neurons,
        signed,
        coupling,
        dual_rail,
        amplified_dual_rail,
        lone_transconductor,
        cancelled_coupling,
        current_sources,
        differential,
        uneven_differential,
        no_inputs,
    )
}
CASES |= ports.CASES | cells.CASES | predictive.CASES
NAMES = tuple(CASES)
WITHOUT_IMAGE = {"oscillators": oscillators}  # circuits that Dyadic EP cannot double


def case(name: str) -> Case:
    """Return a case by name."""
    return (CASES | WITHOUT_IMAGE)[name]()


def random_layered(
    rng: np.random.Generator,
    hidden: tuple[int, ...] = (6,),
    amplifiers: bool = True,
    differential: bool = False,
) -> Case:
    """Return a random layered circuit of 3 doubled inputs, hidden layers of these sizes, and 2 outputs."""
    b = CircuitBuilder("random layered")
    bias = b.rail("bias", 1.0)
    x = np.concatenate([b.input("x", 3), b.input("xn", 3, gain=-1.0), bias])
    high, low = b.rail("high", 0.1), b.rail("low", -0.1)
    for layer, size in enumerate(hidden):
        nodes = b.nodes(f"h{layer}", size)
        b.crossbar(f"w{layer}", x, nodes, rng.uniform(0.1 * S, S, (len(x), size)))
        b.device(f"up{layer}", nodes, high, ShockleyDiode())
        b.device(f"down{layer}", low, nodes, ShockleyDiode())
        x = nodes
        if amplifiers:
            x = b.nodes(f"y{layer}", size)
            b.amplifier(f"amp{layer}", nodes, x, float(rng.uniform(2, 5)))
    out = b.nodes("out", 4 if differential else 2)
    b.crossbar("readout", x, out, rng.uniform(0.1 * S, S, (len(x), len(out))))
    b.conductance("load", out, GROUND, rng.uniform(0.1 * S, S, len(out)), trainable=True)
    circuit = b.build(out[:2], out[2:]) if differential else b.build(out)
    return Case(circuit, rng.uniform(-1, 1, (5, 3)))
