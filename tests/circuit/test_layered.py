from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases, LayerDiodes
from eqcirc.circuit.neuron import GyratorRecovery, LayerNeurons, Neuron
from eqcirc.costs import SquaredError
from eqcirc.devices import (
    Amplifier,
    Bounds,
    ClampDiode,
    Crossbar,
    CurrentSource,
    DualRailCrossbar,
    ShockleyDiode,
    SignedCrossbar,
    TwoTerminal,
)
from eqcirc.devices.conductance import LOWEST
from eqcirc.errors import CircuitError
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.optimizers import Adam
from eqcirc.solvers.ideal.solver import IdealSolver

BOUNDS, SIGNED = Bounds(1e-7, 1e-5), Bounds(-1e-5, 1e-5)
BARE = Layered(
    hidden=(3,),
    double_inputs=False,
    biases=Biases("none"),
    diodes=None,
    gain=None,
    differential=False,
    bounds=BOUNDS,
)


def build(plan: Layered, seed: int = 0) -> Circuit:
    return plan.build("net", 2, 2, np.random.default_rng(seed))


def names(circuit: Circuit, kind: type) -> list[str]:
    return [e.name for e in circuit.elements if isinstance(e, kind)]


def ends(circuit: Circuit, name: str) -> list[tuple[str, str]]:
    """The names of the two nodes of every part of an element."""
    a, b = circuit.element(name).connections()
    return [(circuit.node_names[i], circuit.node_names[j]) for i, j in zip(a, b, strict=True)]


def test_the_barest_network_is_two_crossbars() -> None:
    circuit = build(BARE)
    assert circuit.node_names == ("0", "x_0", "x_1", "h1_0", "h1_1", "h1_2", "o_0", "o_1")
    assert [(e.name, e.value.shape) for e in circuit.elements] == [("w1", (2, 3)), ("w2", (3, 2))]
    assert all(e.trainable and e.bounds == BOUNDS for e in circuit.elements)
    assert circuit.readout.plain


def test_without_hidden_layers_the_inputs_feed_the_outputs() -> None:
    circuit = build(replace(BARE, hidden=()))
    assert ends(circuit, "w1") == [("x_0", "o_0"), ("x_0", "o_1"), ("x_1", "o_0"), ("x_1", "o_1")]


def test_doubled_inputs_have_both_signs() -> None:
    circuit = build(replace(BARE, double_inputs=True, input_gain=3.0))
    held = dict(
        zip(circuit.fixed_nodes.tolist(), circuit.fixed_voltages(np.array([[0.5, -2.0]]))[0], strict=True)
    )
    volts = {circuit.node_names[node]: v for node, v in held.items()}
    assert volts == {"0": 0, "x_0": 1.5, "x_1": -6, "xn_0": -1.5, "xn_1": 6}
    assert circuit.element("w1").value.shape == (4, 3)


def test_differential_outputs_are_pairs() -> None:
    circuit = build(replace(BARE, differential=True))
    assert not circuit.readout.plain
    both = np.split(circuit.readout.nodes, 2)
    read = [[circuit.node_names[n] for n in nodes] for nodes in both]
    assert read == [["op_0", "op_1"], ["on_0", "on_1"]]
    assert circuit.element("w2").value.shape == (3, 4)


def test_rail_biases_feed_every_layer_from_both_rails() -> None:
    circuit = build(replace(BARE, biases=Biases("rail", 2.0)))
    assert {circuit.node_names[r.node]: r.voltage for r in circuit.rails} == {"biasp": 2, "biasn": -2}
    assert ends(circuit, "b2") == [("biasp", "o_0"), ("biasp", "o_1"), ("biasn", "o_0"), ("biasn", "o_1")]
    assert names(circuit, Crossbar) == ["w1", "b1", "w2", "b2"]


def test_current_biases_start_at_zero() -> None:
    circuit = build(replace(BARE, biases=Biases("current", current=1e-6)))
    assert names(circuit, CurrentSource) == ["b1", "b2"]
    bias = circuit.element("b1")
    assert bias.trainable
    assert bias.bounds == Bounds(-1e-6, 1e-6)
    assert not bias.value.any()


def test_antiparallel_diodes_hold_every_node_between_the_rails() -> None:
    circuit = build(replace(BARE, diodes=LayerDiodes(rail=0.2)))
    assert ends(circuit, "up1") == [
        (f"h1_{k}", "dp1") for k in range(3)
    ]  # conducts when the node is above +rail
    assert ends(circuit, "down1") == [("dn1", f"h1_{k}") for k in range(3)]
    assert {circuit.node_names[r.node]: r.voltage for r in circuit.rails} == {"dp1": 0.2, "dn1": -0.2}


def test_a_rail_of_zero_volts_is_ground() -> None:
    circuit = build(replace(BARE, diodes=LayerDiodes(rail=0.0)))
    assert ends(circuit, "up1")[0] == ("h1_0", "0")
    assert ends(circuit, "down1")[0] == ("0", "h1_0")
    assert circuit.rails == ()


def test_one_sided_diodes_hold_the_first_half_up_and_the_second_half_down() -> None:
    circuit = build(replace(BARE, hidden=(5,), diodes=LayerDiodes(ClampDiode(), "one_sided", 0.1)))
    assert ends(circuit, "down1") == [("dn1", "h1_0"), ("dn1", "h1_1")]
    assert ends(circuit, "up1") == [("h1_2", "dp1"), ("h1_3", "dp1"), ("h1_4", "dp1")]


def test_every_layer_can_have_its_own_diodes_or_none() -> None:
    each = (LayerDiodes(ShockleyDiode(1e-12)), None, LayerDiodes(ClampDiode(1e-3), rail=0.0))
    circuit = build(replace(BARE, hidden=(2, 2, 2), diodes=each))
    assert names(circuit, TwoTerminal) == ["up1", "down1", "up3", "down3"]
    assert circuit.element("up1").law == ShockleyDiode(1e-12)  # type: ignore[attr-defined]
    assert circuit.element("up3").law == ClampDiode(1e-3)  # type: ignore[attr-defined]


def test_amplifiers_stand_behind_hidden_nodes_and_feed_the_next_layer() -> None:
    circuit = build(replace(BARE, hidden=(3, 2), gain=3.0, kappa=0.5))
    assert names(circuit, Amplifier) == ["a1", "a2"]
    first = circuit.element("a1")
    assert isinstance(first, Amplifier)
    assert (first.gain, first.current_gain) == (3, 0.5)
    assert [circuit.node_names[n] for n in first.source] == ["h1_0", "h1_1", "h1_2"]
    assert ends(circuit, "w2")[0] == ("y1_0", "h2_0")
    assert ends(circuit, "w3")[0] == ("y2_0", "o_0")
    usual = build(replace(BARE, gain=4.0)).element("a1")
    assert isinstance(usual, Amplifier)
    assert usual.current_gain == 0.25


def test_skips_join_what_layers_present_to_later_ones() -> None:
    circuit = build(replace(BARE, hidden=(3, 2), gain=2.0, skips=((0, 2), (1, 3), (0, 3))))
    assert ends(circuit, "skip0to2")[0] == ("x_0", "h2_0")
    assert ends(circuit, "skip1to3")[0] == ("y1_0", "o_0")
    assert circuit.element("skip0to3").value.shape == (2, 2)


def test_signed_weights_join_single_nodes() -> None:
    plan = replace(BARE, weights="signed", double_inputs=True, differential=True, biases=Biases("rail", 2.0))
    circuit = build(replace(plan, bounds=SIGNED, leak=3e-6, loaded=False))
    assert circuit.node_names == ("0", "biasp", "x_0", "x_1", "h1_0", "h1_1", "h1_2", "o_0", "o_1")
    assert names(circuit, SignedCrossbar) == ["w1", "b1", "w2", "b2"]
    assert circuit.readout.plain
    w1 = circuit.element("w1")
    assert isinstance(w1, SignedCrossbar)
    assert not w1.loaded
    assert w1.bounds == SIGNED
    assert w1.value.min() < 0 < w1.value.max()
    assert ends(circuit, "leak1") == [(f"h1_{k}", "0") for k in range(3)]
    assert ends(circuit, "leak2") == [("o_0", "0"), ("o_1", "0")]
    assert (circuit.element("leak2").value == 3e-6).all()
    loaded = build(replace(plan, bounds=SIGNED)).element("w2")
    assert isinstance(loaded, SignedCrossbar)
    assert loaded.loaded


def test_dual_rail_weights_join_pairs_of_nodes() -> None:
    plan = replace(BARE, weights="dual_rail", biases=Biases("rail", 2.0), gain=3.0, diodes=LayerDiodes())
    circuit = build(replace(plan, skips=((0, 2),)))
    assert names(circuit, DualRailCrossbar) == ["w1", "b1", "w2", "skip0to2", "b2"]
    assert circuit.element("w1").value.shape == (2, 2, 3)
    assert circuit.element("b2").value.shape == (2, 1, 2)
    assert set(ends(circuit, "w1")) == {
        (f"{x}_{i}", f"{h}_{j}")
        for x in ("x", "xn")
        for h in ("h1", "h1n")
        for i in (0, 1)
        for j in (0, 1, 2)
    }
    assert ends(circuit, "w2")[0] == ("y1_0", "op_0")
    assert ends(circuit, "w2")[-1] == ("y1n_2", "on_1")
    assert len(ends(circuit, "up1")) == len(ends(circuit, "down1")) == 6
    amplifier = circuit.element("a1")
    assert isinstance(amplifier, Amplifier)
    assert [circuit.node_names[n] for n in amplifier.output[2:4]] == ["y1_2", "y1n_0"]
    assert not circuit.readout.plain


@pytest.mark.parametrize("diodes", [LayerDiodes(rail=0.1), LayerDiodes(kind="one_sided", rail=0.0)])
@pytest.mark.parametrize("biases", ["rail", "current"])
def test_a_dual_rail_network_stays_odd_when_trained(diodes: LayerDiodes, biases: Any) -> None:
    """Biases and residual conductances at both rails are values of their own, but their gradients mirror."""
    plan = replace(BARE, weights="dual_rail", hidden=(3, 3), diodes=diodes, input_gain=3.0, residual=2e-6)
    circuit = build(replace(plan, biases=Biases(biases)))
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(0, 1, (5, 2)), rng.normal(0, 0.1, (5, 2))
    rule, solver, adam = EqProp(circuit, SquaredError(), 1e-8), IdealSolver(circuit), Adam()
    values = circuit.parameters
    for _ in range(20):
        points = solver.solve(values, inputs, rule.nudge(targets, values)).require()
        steps = adam.steps(rule.gradient(points, values), dict.fromkeys(values, 2e-8))
        values = {n: np.clip(v + steps[n], *circuit.element(n).bounds) for n, v in values.items()}
    assert all((values[name] != value).any() for name, value in circuit.parameters.items())
    free = solver.solve(values, inputs).require().free
    for name in ("h1", "h2"):
        plus, minus = (
            [k for k, node in enumerate(circuit.node_names) if node.startswith(f"{rail}_")]
            for rail in (name, f"{name}n")
        )
        assert np.abs(free[:, plus]).max() > 1e-2
        np.testing.assert_allclose(free[:, minus], -free[:, plus], rtol=0, atol=1e-9)


def test_inhibition_joins_neighbours_of_one_rail() -> None:
    neurons = LayerNeurons(Neuron(recovery=GyratorRecovery()), inhibition=1e-4)
    circuit = build(replace(BARE, weights="dual_rail", neurons=neurons))
    ring = [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)]
    assert ends(circuit, "n1_inhibition") == [(f"n1_w_{a}", f"n1_w_{b}") for a, b in ring]
    pair = build(replace(BARE, weights="dual_rail", hidden=(2,), neurons=neurons))
    assert ends(pair, "n1_inhibition") == [("n1_w_0", "n1_w_1"), ("n1_w_2", "n1_w_3")]
    with pytest.raises(CircuitError, match="at least two of them, got 1"):
        build(replace(BARE, weights="dual_rail", hidden=(1,), neurons=neurons))
    with pytest.raises(CircuitError, match="needs gyrator neurons and at least two of them, got RLRecovery"):
        build(replace(BARE, neurons=replace(neurons, neuron=Neuron())))


def test_residual_conductances_stay_positive_beside_signed_weights() -> None:
    circuit = build(replace(BARE, weights="signed", hidden=(2, 2), residual=1e-6, bounds=SIGNED))
    assert circuit.element("res1").bounds == Bounds(LOWEST, 1e-5)


def test_plain_pairs_lists_and_seeds_do() -> None:
    plan = replace(BARE, hidden=[3], bounds=[1e-7, 1e-5], initial=[2e-6, 3e-6])  # type: ignore[arg-type]
    lists = replace(plan, diodes=[LayerDiodes()], skips=[[0, 2]])  # type: ignore[arg-type]
    assert (lists.diodes, lists.skips) == ((LayerDiodes(),), ((0, 2),))
    assert {"up1", "skip0to2"} <= {e.name for e in build(lists).elements}
    assert (plan.hidden, plan.bounds, plan.initial) == ((3,), BOUNDS, (2e-6, 3e-6))
    by_seed, expected = plan.build("net", 2, 2, 5).parameters, build(plan, 5).parameters
    for name, value in expected.items():
        np.testing.assert_array_equal(by_seed[name], value)


@pytest.mark.parametrize("seed", [-1, "five", 0.5])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(
        CircuitError, match=f"rng = {seed!r}: expected a generator of random numbers or a seed"
    ):
        BARE.build("net", 2, 2, seed)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Biases("rial"), "biases: kind = 'rial': expected one of its names; did you mean 'rail'"),  # type: ignore[arg-type]
        (lambda: Biases(voltage=-1.0), r"biases: voltage = -1\.0: expected a positive number of V"),
        (lambda: Biases("current", current=0.0), r"biases: current = 0\.0: expected a positive number of A"),
        (
            lambda: LayerDiodes(kind="both"),  # type: ignore[arg-type]
            "diodes: kind = 'both': expected .* Valid: antiparallel, one_sided",
        ),
        (lambda: LayerDiodes(rail=-0.3), r"diodes: rail = -0\.3: expected 0 V or more"),
        (lambda: LayerDiodes(rail="0.3"), r"diodes: rail = '0\.3': expected 0 V or more"),  # type: ignore[arg-type]
        (lambda: LayerDiodes(rail=np.inf), r"diodes: rail = inf: expected 0 V or more"),
        (lambda: Biases(voltage="1"), "biases: voltage = '1': expected a positive number"),  # type: ignore[arg-type]
    ],
)
def test_parts_that_cannot_be_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        make()


def test_initial_conductances_fill_their_range_and_follow_the_generator() -> None:
    plan = replace(BARE, hidden=(40,), initial=(1e-6, 2e-6))
    one, same, other = (build(plan, seed).parameters for seed in (0, 0, 1))
    values = np.concatenate([value.ravel() for value in one.values()])
    assert 1e-6 <= values.min() < 1.1e-6
    assert 1.9e-6 < values.max() <= 2e-6
    for name, value in one.items():
        np.testing.assert_array_equal(value, same[name])
        assert (value != other[name]).any()
    anywhere = np.concatenate(
        [value.ravel() for value in build(replace(plan, initial=None)).parameters.values()]
    )
    assert BOUNDS.lower <= anywhere.min() < 1e-6
    assert 9e-6 < anywhere.max() <= BOUNDS.upper


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"initial": (1e-8, 1e-6)},
            r"initial conductances 1e-08 to 1e-06 S: expected a range within the bounds 1e-07",
        ),
        ({"initial": (1e-6, 1e-4)}, "expected a range within the bounds 1e-07 to 1e-05 S"),
        ({"initial": (2e-6, 1e-6)}, "initial conductances 2e-06 to 1e-06 S: expected a range"),
        ({"diodes": (LayerDiodes(), None)}, "diodes: expected one entry for each of 1 hidden layers, got 2"),
        (
            {"hidden": (1,), "diodes": LayerDiodes(kind="one_sided")},
            "hidden layer 1: one_sided diodes need at least 2",
        ),
        (
            {"skips": ((0, 1),)},
            "skip connection from layer 0 to layer 1: expected to pass over at least one layer",
        ),
        ({"skips": ((1, 3),)}, "layer 0 is the input, layer 2 the output"),
        ({"skips": ((0, 0),)}, "from layer 0 to layer 0"),
        ({"skips": ((-1, 2),)}, "from layer -1 to layer 2"),
        ({"skips": ((0, 2), (0, 2))}, "element 'skip0to2' is defined twice"),
        ({"skips": [(0,)]}, r"skips: expected pairs of layers, as in .* got \[\(0,\)\]"),
        ({"skips": 2}, "skips: expected pairs of layers, as in .* got 2"),
        ({"diodes": [LayerDiodes()] * 2}, "diodes: expected one entry for each of 1 hidden layers, got 2"),
        ({"diodes": "antiparallel"}, r"diodes = 'antiparallel': expected LayerDiodes\(\.\.\.\)"),
        ({"diodes": [0.3]}, r"diodes = 0\.3: expected LayerDiodes"),
        ({"biases": "rail"}, "biases = 'rail': expected Biases"),
        ({"biases": None}, "biases = None: expected Biases"),
        ({"neurons": Neuron()}, r"neurons = Neuron\(.*: expected LayerNeurons"),
        ({"gain": "4"}, "gain = '4': expected a finite number"),
        ({"kappa": np.nan}, "kappa = nan: expected a finite number"),
        ({"leak": None}, "leak = None: expected a finite number"),
        ({"residual": "1e-5"}, "residual = '1e-5': expected a finite number"),
        ({"input_gain": "1"}, "input_gain = '1': expected a finite number"),
        ({"hidden": (0,)}, r"hidden = \(0,\): expected the number of nodes of each hidden layer, 1 or more"),
        ({"hidden": 3}, r"hidden = 3: expected the number of nodes of each hidden layer, .* such as \(16,\)"),
        ({"hidden": (2.5,)}, r"hidden = \(2.5,\): expected"),
        ({"hidden": "16"}, "hidden = '16': expected"),
        ({"weights": "sined"}, "weights = 'sined': expected one of its names; did you mean 'signed'"),
        ({"bounds": 1e-5}, "bounds = 1e-05: expected a lower and an upper value in siemens"),
        ({"initial": (1e-6,)}, r"initial = \(1e-06,\): expected a lower and an upper value"),
        ({"input_gain": 0.0}, "input 'x': expected a finite gain other than 0 V"),
        ({"gain": -1e5}, "amplifier 'a1': voltage gain A, in magnitude, must be between"),
        (
            {"bounds": Bounds(0.0, 1e-5)},
            "bounds 0 to 1e-05 S: expected a range of conductances between 1e-12 and",
        ),
        (
            {"weights": "signed"},
            "bounds 1e-07 to 1e-05 S: expected a range of signed weights around 0, such as -1e-05 to 1e-05 S",
        ),
        ({"weights": "signed", "bounds": Bounds(-1e4, 1e4)}, "of up to 1000 S in magnitude"),
        ({"weights": "dual_rail", "bounds": Bounds(-1e-5, 1e-5)}, "expected a range of conductances"),
        (
            {"weights": "signed", "bounds": Bounds(-1e-5, 1e-5), "loaded": False},
            r"node 'h1_0' \(and 4 more\) is floating",
        ),
        ({"bounds": Bounds(1e-5, 1e-5)}, "bounds 1e-05 to 1e-05 S"),
        ({"bounds": Bounds(1e-5, np.nan)}, "expected two numbers, such as"),
    ],
)
def test_what_cannot_be_built_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        build(replace(BARE, **change))
