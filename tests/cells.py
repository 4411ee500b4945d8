"""Small circuits with nonlinear one-way parts, and circuits made of circuits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases, Feedback, LayerCells
from eqcirc.devices import Bounds, CellLaw, Clipped, CubicDevice, DiodeLimited, Probit, ShockleyDiode, Tanh
from tests.case import TWO_INPUTS, Case, S

LAWS: dict[str, CellLaw] = {
    "tanh": Tanh(S, 1e-6),
    "logistic": Tanh(S, 2e-6, one_sided=True),
    "clipped": Clipped(S, 2e-6),
    "rectifier": Clipped(S, 3e-6, one_sided=True, knee=0.5),
    "diode-limited": DiodeLimited(S, 1e-6),
    "soft rectifier": DiodeLimited(S, 1e-6, one_sided=True),
    "probit": Probit(S, 1e-6, one_sided=True),
    "odd probit": Probit.of_noise(0.2, 1e-6, one_sided=False),
}


def feedforward() -> Case:
    """Three layers of transconductors with cells between them; nothing goes back."""
    rng = np.random.default_rng(0)
    b = CircuitBuilder("feedforward")
    sender = b.input("x", 2)
    for layer, size in enumerate((4, 3), start=1):
        sums, cells = b.nodes(f"u{layer}", size), b.nodes(f"h{layer}", size)
        b.one_way_crossbar(f"w{layer}", sender, sums, rng.normal(0, S, (len(sender), size)))
        b.conductance(f"load{layer}", sums, GROUND, S)
        b.cell(f"cell{layer}", (GROUND, cells), (sums, GROUND), Tanh(2 * S, 4e-6), trainable=True)
        b.conductance(f"out{layer}", cells, GROUND, 2 * S, trainable=True)
        sender = cells
    out = b.nodes("out", 2)
    b.one_way_crossbar("w3", sender, out, rng.normal(0, S, (3, 2)))
    b.conductance("load3", out, GROUND, S)
    return Case(b.build(out), TWO_INPUTS, symmetric=False)


def all_cells() -> Case:
    """Every law, with outputs and controls between nodes; amplifiers with cells in front of them and behind."""
    b = CircuitBuilder("all cells")
    x, n, y, out = b.input("x", 2), b.nodes("n", 4), b.nodes("y", 2), b.nodes("out", 2)
    b.crossbar("first", x, n, np.linspace(0.3, 1, 8).reshape(2, 4) * S)
    b.conductance("load", n, GROUND, S, trainable=True)
    b.device("diode", n[:2], GROUND, ShockleyDiode())
    b.amplifier("amp", n[2:], y, 3.0)
    b.crossbar("second", y, out, np.linspace(0.4, 1, 4).reshape(2, 2) * S)
    b.conductance("end", out, GROUND, 2 * S, trainable=True)
    ends = [
        ((n[0], GROUND), (n[1], GROUND)),
        ((out[0], n[1]), (n[2], n[3])),
        ((GROUND, n[3]), (GROUND, out[1])),
        ((n[2], out[1]), (y[0], GROUND)),
        ((out[1], GROUND), (x[1], n[0])),
        ((n[1], x[0]), (out[0], y[1])),
        ((n[3], GROUND), (n[2], out[0])),
        ((GROUND, out[0]), (x[0], n[0])),
    ]
    for (name, law), (to, control) in zip(LAWS.items(), ends, strict=True):
        b.cell(name.replace("-", "_").replace(" ", "_"), to, control, law, area=0.2, trainable=True)
    return Case(b.build(out), TWO_INPUTS, symmetric=False)


def asymmetric() -> Case:
    """A recurrent network whose weights forth and back differ, with diodes, amplifiers, trained transconductors."""
    b, circuit = CircuitBuilder("asymmetric"), np.random.default_rng(1)
    x, h, y, out = b.input("x", 2), b.nodes("h", 3), b.nodes("y", 3), b.nodes("out", 2)
    b.crossbar("first", x, h, circuit.uniform(0.2, 1, (2, 3)) * S)
    b.conductance("load", h, GROUND, 2 * S)
    b.device("up", h, GROUND, ShockleyDiode())
    b.device("down", GROUND, h, ShockleyDiode())
    b.amplifier("amp", h, y, 2.0)
    b.one_way_crossbar("forth", y, out, circuit.normal(0, 0.5 * S, (3, 2)))
    b.one_way_crossbar("back", out, h, circuit.normal(0, 0.3 * S, (2, 3)))
    b.conductance("end", np.concatenate([y, out]), GROUND, 2 * S, trainable=True)
    b.transconductor("gm", (h[0], out[0]), (y[1], out[1]), 0.2 * S, trainable=True)
    b.gyrator("gyrator", h[1], out[1], 0.3 * S, reference=h[2], trainable=True)
    return Case(b.build(out), TWO_INPUTS, symmetric=False)


def hopfield() -> Case:
    """Layers of probit cells with tied weights back, as `Layered` builds them."""
    plan = Layered(
        (3, 2),
        "one_way",
        input_gain=1.0,
        biases=Biases("current"),
        feedback=Feedback("tied", strength=0.5),
        cells=LayerCells(Probit.of_noise(0.3, 5 * S), 5 * S),
        leak=5 * S,
        bounds=Bounds(-2 * S, 2 * S),
    )
    return Case(plan.build("hopfield", 2, 2, 0), TWO_INPUTS, symmetric=False)


def non_reciprocal() -> Circuit:
    """One with everything that AsymEP and Dyadic EP have to treat, N-shaped devices included."""
    b = CircuitBuilder("non-reciprocal")
    x, n = b.input("x", 2), b.nodes("n", 3)
    b.crossbar("first", x, n, np.linspace(0.5, 1.5, 6).reshape(2, 3) * S)
    b.device("cubic", n[0], n[1], CubicDevice(0.3 * S, 0.5), trainable=True)
    b.current_source("bias", n[0], 1e-6, trainable=True)
    b.current_input("drive", n[2:], gain=1e-6, trainable=True)
    b.rl_branches("coil", n[1:], GROUND, [8e4, 5e4], 1e-3, shared=[(0, 1)], shared_ohms=2e4, trainable=True)
    b.signed_crossbar("signed", n[:1], n[1:], np.array([[0.3, -0.4]]) * S)
    b.capacitor("store", n, GROUND, 1e-12)
    b.transconductor("gm", (n[0], GROUND), (n[2], x[0]), 0.6 * S, trainable=True)
    b.cell("cell", (GROUND, n[1]), (n[0], n[2]), Tanh(S, 2e-6), trainable=True)
    return b.build(n)


def mixture() -> Case:
    """See `non_reciprocal`."""
    return Case(non_reciprocal(), TWO_INPUTS, symmetric=False)


CASES: dict[str, Callable[[], Case]] = {
    f.__name__: f for f in (feedforward, all_cells, asymmetric, hopfield, mixture)
}
