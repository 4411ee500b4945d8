"""Circuits of predictive coding: errors behind gyrators, and bidirectional sources of every law."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases, LayerCells
from eqcirc.devices import Bounds, Clipped, DiodeLimited, Tanh
from tests.case import TWO_INPUTS, Case, S


def plan(*hidden: int) -> Layered:
    """Return a network of these hidden layers."""
    return Layered(
        hidden,
        "predictive",
        input_gain=1.0,
        biases=Biases("current"),
        cells=LayerCells(Tanh(10 * S, 5e-5), 10 * S),
        leak=5 * S,
        bounds=Bounds(-10 * S, 10 * S),
    )


def predictive() -> Case:
    """A network of two hidden layers as `Layered` builds it."""
    return Case(plan(2, 2).build("predictive", 2, 2, 0), TWO_INPUTS)


def bidirectional() -> Case:
    """Sources of every law among resistors, where nothing is as the sources say; one is controlled by an input."""
    b = CircuitBuilder("bidirectional")
    x, n, out = b.input("x", 2), b.nodes("n", 3), b.nodes("out", 4)
    b.crossbar("feed", x, n, np.linspace(0.5, 2, 6).reshape(2, 3) * S)
    laws = (Tanh(S, 4e-6), Clipped(S, 5e-6, knee=0.4), DiodeLimited(S, 3e-6, one_sided=True))
    for k, law in enumerate(laws):
        b.bidirectional_source(f"s{'abc'[k]}", n[k], out[k], law, 1.5 * S, trainable=True)
    b.bidirectional_source("sd", x[0], out[3], Tanh(S, 3e-6), S, trainable=True)
    b.conductance("load", out, GROUND, [S, 0.5 * S, 2 * S, S], trainable=True)
    b.conductance("across", out[:2], out[1:3], 0.4 * S, trainable=True)
    b.capacitor("store", np.concatenate([n, out]), GROUND, 1e-12)
    return Case(b.build(out), TWO_INPUTS)


CASES: dict[str, Callable[[], Case]] = {
    "predictive": predictive
}  # the other one is followed in time, and slow
