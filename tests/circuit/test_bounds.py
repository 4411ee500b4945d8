"""Trained parts of neurons and lattices start well inside their bounds, whatever their values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eqcirc.analysis.turing import LATTICES, Device
from eqcirc.circuit.builder import CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery, around
from eqcirc.devices import Bounds
from eqcirc.errors import CircuitError


def neurons(neuron: Neuron, **options: object) -> Circuit:
    b = CircuitBuilder("neurons")
    v = b.nodes("v", 2)
    b.conductance("between", v[0], v[1], 1e-4)
    neuron.add(b, "cell", v, **options)  # type: ignore[arg-type]
    return b.build(v)


@pytest.mark.parametrize("device", LATTICES)
def test_couplings_of_a_lattice_can_be_trained_either_way(device: Device) -> None:
    lattice = replace(LATTICES[device], shape=(4,))
    circuit = lattice.build("chain")
    found = {e.name: e.bounds for e in circuit.trainable}
    assert found == {
        "activator": around(lattice.activator),
        "inhibitor": around(lattice.inhibitor or 0),
    }
    for element in circuit.trainable:
        lower, upper = element.bounds
        assert lower < element.value.min() / 5
        assert upper > element.value.max() * 5


def test_parts_of_a_neuron_without_bounds_of_their_own_stay_near_their_first_value() -> None:
    gyrator = Neuron(recovery=GyratorRecovery(2e-3, 1e-3), bias=3e-3)
    circuit = neurons(gyrator, trainable=("area", "bias", "gyrator", "leak", "recovery_bias"), area=[2, 30])
    assert {e.name: e.bounds for e in circuit.trainable} == {
        "cell_device": pytest.approx((0.2, 300)),
        "cell_bias": pytest.approx((-3e-2, 3e-2)),
        "cell_gyrator": pytest.approx((2e-4, 2e-2)),
        "cell_leak": pytest.approx((1e-4, 1e-2)),
        "cell_wbias": (-1e-3, 1e-3),
    }
    mesh = neurons(
        Neuron(recovery=RLRecovery(500.0)), trainable=["resistance"], shared=[(0, 1)], shared_ohms=5.0
    )
    assert mesh.element("cell_recovery").bounds == pytest.approx((0.5, 5000))


def test_a_shared_resistance_that_nobody_shares_moves_no_bounds() -> None:
    mesh = neurons(Neuron(recovery=RLRecovery(500.0)), trainable=["resistance"], shared=[], shared_ohms=0.0)
    assert mesh.element("cell_recovery").bounds == pytest.approx((50, 5000))


def test_bounds_that_are_given_hold() -> None:
    circuit = neurons(Neuron(), trainable=["resistance"], bounds={"resistance": Bounds(400, 600)})
    assert circuit.element("cell_recovery").bounds == Bounds(400, 600)


@pytest.mark.parametrize("amperes", [-2e-3, np.array([1e-3, -2e-3])])
def test_a_current_may_change_its_sign(amperes: float | np.ndarray) -> None:
    assert around(amperes, 2.0, current=True) == Bounds(-4e-3, 4e-3)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((float("nan"), 1.0), "expected a lower value, then a higher one"),
        ((1e-3, 1e-4), "expected a lower value, then a higher one"),
        ((-1.0, 1.0), "an end that they cannot have"),
        ("ab", "expected a lower and an upper value"),
        (5, "expected a lower and an upper value"),
    ],
)
def test_bounds_that_are_none_are_refused_at_once(bounds: object, words: str) -> None:
    b = CircuitBuilder("bounds")
    x, o = b.input("x"), b.nodes("o")
    with pytest.raises(CircuitError, match=words):
        b.conductance("g", x, o, 1e-4, trainable=True, bounds=bounds)  # type: ignore[arg-type]


def test_a_plain_pair_is_bounds() -> None:
    b = CircuitBuilder("bounds")
    x, o = b.input("x"), b.nodes("o")
    b.conductance("g", x, o, 1e-4, trainable=True, bounds=(1e-6, float("inf")))  # type: ignore[arg-type]
    assert b.build(o).element("g").bounds == Bounds(1e-6, float("inf"))
