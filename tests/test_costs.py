from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eqcirc.costs import Cost, PhaseError, SoftmaxCrossEntropy, SquaredError
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

COSTS: list[Cost] = [SquaredError(), SoftmaxCrossEntropy(10.0), SoftmaxCrossEntropy(0.5)]
volts = arrays(np.float64, (2, 3), elements=st.floats(-1, 1))
shares = arrays(np.float64, (2, 3), elements=st.floats(0.01, 1)).map(
    lambda x: x / x.sum(axis=1, keepdims=True)
)


def differences(cost: Cost, outputs: Array, targets: Array, h: float = 1e-3) -> Array:
    """The gradient by central differences of fourth order."""
    result = np.empty_like(outputs)
    for k in range(outputs.shape[1]):
        step = h * np.eye(outputs.shape[1])[k]
        d1, d2 = (
            cost.value(outputs + m * step, targets) - cost.value(outputs - m * step, targets) for m in (1, 2)
        )
        result[:, k] = (8 * d1 - d2) / (12 * h)
    return result


@pytest.mark.parametrize("cost", [*COSTS, PhaseError()], ids=str)
@given(outputs=volts, targets=shares)
def test_the_gradient_is_that_of_the_value(cost: Cost, outputs: Array, targets: Array) -> None:
    np.testing.assert_allclose(
        cost.gradient(outputs, targets), differences(cost, outputs, targets), atol=1e-8
    )


@pytest.mark.parametrize("cost", [*COSTS, PhaseError()], ids=str)
@given(outputs=volts, targets=shares)
def test_the_hessian_is_that_of_the_gradient(cost: Cost, outputs: Array, targets: Array) -> None:
    h, hessian = 1e-4, cost.hessian(outputs, targets)
    assert hessian.shape == (2, 3, 3)
    for k in range(3):
        step = h * np.eye(3)[k]
        change = cost.gradient(outputs + step, targets) - cost.gradient(outputs - step, targets)
        np.testing.assert_allclose(hessian[:, :, k], change / (2 * h), atol=1e-4)


@pytest.mark.parametrize("cost", COSTS, ids=str)
@given(outputs=volts, targets=shares)
def test_the_hessian_is_positive_so_that_the_nudge_of_plus_beta_only_stabilises(
    cost: Cost, outputs: Array, targets: Array
) -> None:
    assert np.linalg.eigvalsh(cost.hessian(outputs, targets)).min() > -1e-12


@given(outputs=volts, targets=shares)
def test_cross_entropy_is_at_least_the_entropy_of_the_targets(outputs: Array, targets: Array) -> None:
    cost = SoftmaxCrossEntropy(10.0)
    entropy = -(targets * np.log(targets)).sum(axis=1) / 10
    assert (cost.value(outputs, targets) >= entropy - 1e-12).all()
    best = np.log(targets) / 10
    np.testing.assert_allclose(cost.value(best, targets), entropy, atol=1e-12)


def test_cross_entropy_by_hand() -> None:
    outputs, targets = np.array([[0.1, 0.0]]), np.array([[0.0, 1.0]])
    p = 1 / (1 + math.exp(-1.0))  # of the first class, at 10/V
    cost = SoftmaxCrossEntropy(10.0)
    assert cost.value(outputs, targets)[0] == pytest.approx(-math.log(1 - p) / 10, rel=1e-14)
    np.testing.assert_allclose(cost.gradient(outputs, targets), [[p, -p]], rtol=1e-14)


def test_cross_entropy_of_outputs_far_apart_is_finite() -> None:
    outputs, targets = np.array([[300.0, -300.0]]), np.array([[0.0, 1.0]])
    cost = SoftmaxCrossEntropy(100.0)
    assert cost.value(outputs, targets)[0] == pytest.approx(600.0)
    np.testing.assert_array_equal(cost.gradient(outputs, targets), [[1.0, -1.0]])


def test_squared_error_by_hand() -> None:
    outputs, targets = np.array([[0.3, -0.1]]), np.array([[0.1, 0.1]])
    assert SquaredError().value(outputs, targets)[0] == pytest.approx(0.04)
    np.testing.assert_allclose(SquaredError().gradient(outputs, targets), [[0.2, -0.2]])


def test_targets_of_classes() -> None:
    labels = np.array([2, 0])
    np.testing.assert_array_equal(
        SquaredError(0.2, -0.3).targets(labels, 3), [[-0.3, -0.3, 0.2], [0.2, -0.3, -0.3]]
    )
    np.testing.assert_array_equal(SoftmaxCrossEntropy().targets(labels, 3), [[0, 0, 1], [1, 0, 0]])


def by_spice(cost: Cost, outputs: Array, targets: Array) -> list[float]:
    """What the B sources say of one sample."""
    helpers, expressions = cost.spice(
        [f"({x!r})" for x in outputs.tolist()], [repr(y) for y in targets.tolist()]
    )
    known: dict[str, Any] = {"exp": math.exp, "v": lambda volts: volts}
    for line in reversed(helpers):  # the first one uses those behind it; 1 A into 1 Ohm
        if line.startswith("b_"):
            node, _, current = line.removeprefix("b_").partition(" 0 ")
            known[node] = eval(current.partition("i=")[2], known)
            assert math.isfinite(known[node] ** 2)  # of the slopes
    return [eval(e, known) for e in expressions]


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_the_spice_expressions_say_the_same_as_the_gradient(cost: Cost) -> None:
    outputs, targets = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 3)), np.array([[0.2, 0.5, 0.3]])
    found = by_spice(cost, outputs[0], targets[0])
    np.testing.assert_allclose(found, cost.gradient(outputs, targets)[0], rtol=1e-13)


@pytest.mark.parametrize(
    "far",
    [[0.0, 1.0], [0.0, 30.0], [30.0, 0.0], [0.0, 30.0, -30.0], [9.0, 30.0, 0.0], [0.0, 50.0, 70.0, 69.99]],
)
def test_the_spice_expressions_of_outputs_far_apart_do(far: list[float]) -> None:
    """Outputs far above the first one are told apart, too."""
    cost, outputs = SoftmaxCrossEntropy(30.0), np.array([far])
    targets = cost.targets(np.array([0]), len(far))
    found = by_spice(cost, outputs[0], targets[0])
    np.testing.assert_allclose(found, cost.gradient(outputs, targets)[0], rtol=1e-13, atol=1e-16)


def test_a_sharpness_that_makes_steps_of_the_softmax_is_named() -> None:
    outputs = np.array([[0.0, 1.0], [np.nan, np.nan], [-2.0, 2.0]])
    assert SoftmaxCrossEntropy(10.0).hint(outputs) == SquaredError().hint(outputs) == ""
    assert SoftmaxCrossEntropy(10.0).hint(np.full((2, 2), np.nan)) == ""
    words = r"sharpness = 30 1/V times outputs 4 V apart is 120; lower the sharpness until that is a few, at most 40"
    assert re.fullmatch(words, SoftmaxCrossEntropy(30.0).hint(outputs))


@pytest.mark.parametrize("sharpness", [0.0, -1.0, 1e5, math.nan])
def test_a_sharpness_out_of_range_is_refused(sharpness: float) -> None:
    with pytest.raises(CircuitError, match=r"sharpness K must be between 0.001 and 10000 1/V, got"):
        SoftmaxCrossEntropy(sharpness)


@pytest.mark.parametrize("cost", COSTS, ids=str)
def test_right_outputs_cost_less_than_wrong_ones(cost: Cost) -> None:
    targets = cost.targets(np.array([1]), 3)
    right, wrong = np.array([[-0.1, 0.1, -0.1]]), np.array([[0.1, -0.1, -0.1]])
    assert cost.value(right, targets) < cost.value(wrong, targets)


def test_the_phase_nearest_to_zero_names_the_class() -> None:
    cost = PhaseError()
    phases = np.array([[3.0, 0.2, 1.5], [-0.1, 0.5, 2.0], [1.0, 3.0, 2 * math.pi]])
    assert cost.preference(phases).argmax(axis=1).tolist() == [1, 0, 2]
    assert cost.targets(np.array([2]), 3).tolist() == [[-0.5, -0.5, 0.5]]
    assert cost.gradient(np.array([[0.0, math.pi]]), np.array([[-1.0, 1.0]])) == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("cost", COSTS, ids=str)
@pytest.mark.parametrize("n", [2, 3])
def test_helper_nodes_are_begun_where_their_sources_put_them(cost: Cost, n: int) -> None:
    outputs = np.array([-0.1, 0.35, 0.2])[:n]
    helpers = cost.helpers(outputs)
    lines = cost.spice([f"v({k})" for k in range(n)], ["0"] * n)[0]
    sources = {line.split()[2]: line.partition(" i=")[2] for line in lines if line.startswith("b_")}
    assert sources.keys() == helpers.keys()
    volts: dict[Any, float] = dict(enumerate(outputs.tolist())) | helpers
    words = {"v": volts.__getitem__, "exp": math.exp, "min": min, "max": max} | {
        name: name for name in helpers
    }
    for name, expression in sources.items():
        assert helpers[name] == pytest.approx(eval(expression, words), rel=1e-14)
