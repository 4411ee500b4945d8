from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases
from eqcirc.circuit.neuron import GyratorRecovery, LayerNeurons, Neuron, RLRecovery
from eqcirc.costs import SquaredError
from eqcirc.devices import Bounds, Capacitor, Conductance, CubicDevice, CurrentSource, EsakiDiode, TwoTerminal
from eqcirc.errors import CircuitError
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.verify.check import check
from eqcirc.verify.stability import stability_certificate

CUBIC = CubicDevice(3e-3, 1.0)
RL = LayerNeurons(Neuron(CUBIC, RLRecovery(300.0, 2e-5)))
GYRATOR = LayerNeurons(Neuron(CUBIC, GyratorRecovery(3e-3, 2e-3)), inhibition=1e-4)
PLAN = Layered(
    hidden=(3, 3),
    input_gain=3.0,
    biases=Biases("none"),
    neurons=RL,
    gain=None,
    bounds=Bounds(1e-6, 1e-2),
    initial=(1e-4, 1e-3),
)


def build(plan: Layered, seed: int = 0) -> Circuit:
    return plan.build("net", 2, 2, np.random.default_rng(seed))


def ends(circuit: Circuit, name: str) -> list[tuple[str, str]]:
    a, b = circuit.element(name).connections()
    return [(circuit.node_names[i], circuit.node_names[j]) for i, j in zip(a, b, strict=True)]


def names(circuit: Circuit, kind: type) -> list[str]:
    return [e.name for e in circuit.elements if isinstance(e, kind)]


def test_neurons_stand_at_every_hidden_node_in_place_of_diodes() -> None:
    circuit = build(replace(PLAN, hidden=(3, 2)))
    assert names(circuit, TwoTerminal) == ["n1_device", "n2_device"]
    assert ends(circuit, "n2_device") == ends(circuit, "n2_recovery") == [("h2_0", "0"), ("h2_1", "0")]
    assert names(circuit, Capacitor) == ["n1_membrane", "n2_membrane"]
    assert set(circuit.parameters) == {"w1", "w2", "w3"}


def test_behind_amplifiers_neurons_stay_in_front() -> None:
    circuit = build(replace(PLAN, gain=2.0, residual=1e-4))
    assert ends(circuit, "n1_device")[0] == ("h1_0", "0")
    assert ends(circuit, "res1") == [(f"y1_{k}", f"h2_{k}") for k in range(3)]


def test_without_a_device_the_circuit_is_linear() -> None:
    circuit = build(replace(PLAN, neurons=LayerNeurons(Neuron(None))))
    assert not names(circuit, TwoTerminal)
    assert names(circuit, Capacitor)


def test_residuals_join_equal_places_of_neighbouring_layers() -> None:
    circuit = build(replace(PLAN, hidden=(2, 2, 2), residual=2e-4))
    assert ends(circuit, "res1") == [("h1_0", "h2_0"), ("h1_1", "h2_1")]
    assert ends(circuit, "res2") == [("h2_0", "h3_0"), ("h2_1", "h3_1")]
    residual = circuit.element("res1")
    assert residual.trainable
    assert residual.bounds == PLAN.bounds
    assert (residual.value == 2e-4).all()


def test_inhibition_joins_the_recovery_nodes_of_a_layer_in_a_ring() -> None:
    circuit = build(replace(PLAN, neurons=GYRATOR))
    ring = [("n1_w_0", "n1_w_1"), ("n1_w_1", "n1_w_2"), ("n1_w_2", "n1_w_0")]
    assert ends(circuit, "n1_inhibition") == ring
    assert not circuit.element("n1_inhibition").trainable
    two = build(replace(PLAN, hidden=(2,), neurons=GYRATOR))
    assert ends(two, "n1_inhibition") == [("n1_w_0", "n1_w_1")]


def test_trained_parts_stay_within_their_span() -> None:
    train = ("area", "bias", "gyrator", "leak", "recovery_bias", "inhibition")
    circuit = build(replace(PLAN, neurons=replace(GYRATOR, train=train, span=1.5)))
    limits = {e.name: e.bounds for e in circuit.trainable if e.name.startswith("n1_")}
    currents = {name: limits.pop(name) for name in ("n1_bias", "n1_wbias")}
    assert all(isinstance(circuit.element(name), CurrentSource) for name in currents)
    assert {tuple(b) for b in currents.values()} == {(-1e-3, 1e-3)}
    biased = replace(GYRATOR, neuron=replace(GYRATOR.neuron, bias=-4e-3), train=("bias",), span=1.5)
    assert tuple(build(replace(PLAN, neurons=biased)).element("n1_bias").bounds) == pytest.approx(
        (-6e-3, 6e-3)
    )
    wanted = {"n1_device": 1.0, "n1_gyrator": 3e-3, "n1_leak": 2e-3, "n1_inhibition": 1e-4}
    assert limits == {name: Bounds(x / 1.5, x * 1.5) for name, x in wanted.items()}
    resistances = build(replace(PLAN, neurons=replace(RL, train=("resistance",)))).element("n2_recovery")
    assert resistances.trainable
    assert tuple(resistances.bounds) == (150.0, 600.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"residual": 1e-4, "hidden": (3,)},
            r"residual: expected at least two hidden layers of one width, got \[3\]",
        ),
        ({"residual": 1e-4, "hidden": (3, 2)}, r"of one width, got \[3, 2\]"),
        ({"residual": 1.0}, "residual 1 S: expected a conductance within the bounds 1e-06 to 0.01 S"),
        (
            {"neurons": replace(RL, inhibition=1e-4)},
            "neurons 'n1': inhibition .* it needs gyrator neurons and at least two",
        ),
        (
            {"neurons": GYRATOR, "hidden": (1,)},
            "neurons 'n1': inhibition .* it needs gyrator neurons and at least two",
        ),
        (
            {"neurons": replace(RL, train=("leak",))},
            "neurons 'n1': cannot train 'leak'; .* area, bias, resistance",
        ),
        ({"neurons": replace(RL, train=("inhibition",))}, "neurons 'n1': cannot train 'inhibition'"),
        (
            {"neurons": LayerNeurons(Neuron(None), train=("area",))},
            "cannot train 'area'; .* bias, resistance",
        ),
        ({"neurons": replace(RL, span=1.0)}, "neurons 'n1': expected a span above 1, got 1"),
    ],
)
def test_what_cannot_be_built_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        build(replace(PLAN, **change))


ESAKI = EsakiDiode()
BIASED = Neuron(ESAKI, RLRecovery(36.0, 2e-7), rest=0.125, bias=3.66e-3)
CASES = {
    "rl": replace(PLAN, neurons=replace(RL, train=("area", "bias", "resistance")), residual=2e-4),
    "gyrator": replace(
        PLAN,
        neurons=replace(GYRATOR, train=("area", "gyrator", "leak", "recovery_bias", "inhibition")),
        residual=2e-4,
    ),
    "amplified": replace(PLAN, gain=2.0, residual=2e-4),
    "esaki": replace(
        PLAN, input_gain=0.5, neurons=LayerNeurons(BIASED, train=("area",)), initial=(1e-3, 1e-2)
    ),
    "dual rail": replace(PLAN, weights="dual_rail", differential=False, neurons=GYRATOR, residual=2e-4),
}


@pytest.mark.parametrize("name", CASES)
def test_every_trained_part_gets_its_gradient_in_both_solvers(
    name: str, spice: Callable[..., NgspiceSolver]
) -> None:
    circuit, rng = build(CASES[name]), np.random.default_rng(3)
    rule = EqProp(circuit, SquaredError(), beta=1e-6)
    inputs, targets = rng.normal(size=(3, 2)), rng.normal(scale=0.1, size=(3, 2))
    findings = check(rule, circuit.parameters, inputs, targets, spice(circuit))
    assert {f.name: f.measured for f in findings if not f.holds} == {}
    assert next(f for f in findings if f.name == "EqProp (ngspice) against adjoint").measured < 1e-5


@pytest.mark.parametrize("seed", range(3))
def test_a_recovery_conductance_above_the_fall_proves_one_stable_point_for_any_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = build(replace(PLAN, residual=1e-3), seed)
    extreme = {k: rng.choice(PLAN.bounds, v.shape) for k, v in circuit.parameters.items()}
    proof = stability_certificate(circuit, extreme)
    assert proof.unique
    assert proof.attracting
    weak = replace(PLAN, neurons=LayerNeurons(Neuron(CUBIC, RLRecovery(1e4, 2e-5))), initial=(1e-6, 1e-6))
    assert not stability_certificate(build(weak, seed)).unique


def test_the_ring_is_made_of_conductances() -> None:
    assert names(build(replace(PLAN, neurons=GYRATOR)), Conductance) == [
        *("n1_leak", "n1_inhibition", "n2_leak", "n2_inhibition")
    ]
