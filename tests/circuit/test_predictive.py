"""Predictive coding as a circuit: where it rests, that it is the only place, and what its update is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases, Feedback, LayerCells
from eqcirc.costs import SoftmaxCrossEntropy
from eqcirc.devices import BidirectionalSource, Bounds, GyratorCrossbar, Tanh
from eqcirc.errors import CircuitError
from eqcirc.export.bundle.verilog import contribution
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.rule import flat
from eqcirc.solvers.certificate import Certificate, certificate
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Evidence
from eqcirc.typing import Array
from tests.case import TWO_INPUTS, S
from tests.predictive import plan

COST = SoftmaxCrossEntropy(10.0)
TARGETS = COST.targets(np.arange(5) % 2, 2)


@pytest.fixture(scope="module")
def deep() -> Circuit:
    return plan(4, 3).build("predictive", 2, 2, 1)


def forward(circuit: Circuit) -> list[Array]:
    """Activities of every layer, inputs first, and at last the outputs; of a plain program."""
    values, z = circuit.parameters, [TWO_INPUTS]
    for k in (1, 2, 3):
        u = (z[-1] @ values[f"w{k}"] + values[f"b{k}"]) / (5 * S)
        z.append(
            u if k == 3 else 0.5 * np.tanh(2 * u)
        )  # I = 5e-5 A into 10·S, which bends at I/(10·S) = 0.5 V
    return z


def backward(circuit: Circuit) -> dict[str, Array]:
    """The gradient by backpropagation."""
    values, z, found = circuit.parameters, forward(circuit), {}
    p = np.exp(10 * z[3])
    d = (p / p.sum(axis=1, keepdims=True) - TARGETS) / (5 * S) / len(TARGETS)
    for k in (3, 2, 1):
        found |= {f"w{k}": z[k - 1].T @ d, f"b{k}": d.sum(axis=0)}
        d = (d @ values[f"w{k}"].T) * (1 - 4 * z[k - 1] ** 2) / (5 * S)
    return found


@pytest.mark.parametrize("engine", ["ideal", "reduced", "full"])
def test_it_rests_where_a_feedforward_network_is_and_learns_as_backpropagation_does(
    deep: Circuit, engine: str
) -> None:
    solver = IdealSolver(deep) if engine == "ideal" else NgspiceSolver(deep, netlist=engine)  # type: ignore[arg-type]
    with solver:
        measured = EqProp(deep, COST, 1e-9).measure(solver, None, TWO_INPUTS, TARGETS)
    free = measured.points.require().free
    assert measured.points.evidence == Evidence.PROVEN
    np.testing.assert_allclose(free[:, deep.readout.nodes], forward(deep)[3], rtol=0, atol=1e-10)
    errors = [k for k, name in enumerate(deep.node_names) if name.startswith("e")]
    np.testing.assert_allclose(free[:, errors], 0, atol=1e-12)
    exact, found = backward(deep), measured.gradient()
    for name, gradient in exact.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-3, atol=1e-4 * np.abs(gradient).max())


def test_the_bias_falls_with_the_square_of_beta(deep: Circuit) -> None:
    solver, exact, off = IdealSolver(deep), flat(backward(deep)), []
    for beta in (3e-8, 3e-9):
        found = EqProp(deep, COST, beta).measure(solver, None, TWO_INPUTS, TARGETS).gradient()
        off.append(np.linalg.norm(flat(found) - exact))
    assert off[0] / off[1] == pytest.approx(100, rel=0.05)


def test_asym_ep_finds_the_same_without_knowing_of_energies(deep: Circuit) -> None:
    found = AsymEP(deep, COST, 1e-9).measure(IdealSolver(deep), None, TWO_INPUTS, TARGETS).gradient()
    np.testing.assert_allclose(flat(found), flat(backward(deep)), rtol=1e-3, atol=1e-3)


def known(circuit: Circuit) -> Certificate:
    return certificate(Dynamics.of(circuit, None, TWO_INPUTS[:1]))


def chain(*, storage: bool = True, twice: bool = False, loaded: bool = False, loop: bool = False) -> Circuit:
    """A value that is predicted by an input, its activity, and a value that this predicts; or less well-behaved."""
    b = CircuitBuilder("chain")
    x, v, y, o, e = b.input("x", 2), b.nodes("v"), b.nodes("y"), b.nodes("o"), b.nodes("e", 2 + twice)
    b.conductance("leak", e, GROUND, S)
    b.gyrator("err", e[:2], np.concatenate([v, o]), S)
    b.gyrator_crossbar("first", x[:1], e[:1], np.array([[S]]))
    b.bidirectional_source("cell", v, y, Tanh(S, 5e-6), S)
    b.gyrator_crossbar("second", y, e[1:2], np.array([[2 * S]]))
    b.capacitor("store", np.concatenate([v, y, o]) if storage else e[:1], GROUND, 1e-12)
    if twice:
        b.gyrator("again", e[2:], o, S)
    if loaded:
        b.conductance("load", o, GROUND, 0.1 * S)
    if loop:
        b.gyrator_crossbar("loop", o, e[:1], np.array([[0.5 * S]]))
    return b.build(o)


def test_what_is_predicted_once_comes_to_rest_in_one_place() -> None:
    assert known(chain()) == Certificate(unique=True, attracting=True)
    assert known(chain(storage=False)) == Certificate(unique=True, attracting=False)


@pytest.mark.parametrize("fault", ["twice", "loaded", "loop"])
def test_no_other_circuit_gets_that_proof(fault: str) -> None:
    assert known(chain(**{fault: True})) == Certificate(unique=False, attracting=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"leak": 0.0}, "expected a leak"),
        ({"cells": None}, "and cells in hidden layers"),
        ({"feedback": Feedback()}, "feedback = None"),
        ({"residual": 1e-5}, "at least two hidden layers"),
        ({"gain": 4.0}, "cells stand where amplifiers would"),
        ({"bounds": Bounds(1e-7, 1e-5)}, "signed weights around 0"),
    ],
)
def test_wrong_networks(changes: dict[str, Any], words: str) -> None:
    asked = {"leak": S, "cells": LayerCells(Tanh(2 * S, 1e-5), 2 * S), "bounds": Bounds(-S, S)} | changes
    with pytest.raises(CircuitError, match=words):
        Layered((3,), "predictive", biases=Biases("current"), **asked).build("wrong", 2, 2, 0)


def test_a_weight_out_of_range_is_refused() -> None:
    make: Callable[[float], GyratorCrossbar] = lambda w: GyratorCrossbar(  # noqa: E731
        name="w", value=np.array([[w]]), rows=np.array([1]), columns=np.array([2])
    )
    make(-2.0)
    with pytest.raises(CircuitError, match="up to 1000 S in magnitude"):
        make(2e3)


def test_its_block_in_verilog_has_the_resistor_and_no_keyword_for_a_port() -> None:
    card = contribution("r_c1_0 driven vss 10000.0")
    assert card.strip() == "I(driven, vss) <+ V(driven, vss) / 10000.0;"
    ports = {field.name for field in fields(BidirectionalSource)}
    assert not ports & {"input", "output", "inout"}, "ports of blocks are named after fields"
