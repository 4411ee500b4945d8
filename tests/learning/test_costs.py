from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eqcirc.learning.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.typing import Array

COSTS = {"squared": SquaredError(), "softmax": SoftmaxCrossEntropy(), "sharp": SoftmaxCrossEntropy(200.0)}
costs = pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)
voltages = arrays(np.float64, (2, 3), elements=st.floats(-1, 1))
H = 1e-5


def derivative(function: object, x: Array) -> Array:
    """By central differences, the input last."""
    columns = []
    for k in range(x.shape[1]):
        step = np.zeros_like(x)
        step[:, k] = H
        columns.append((function(x + step) - function(x - step)) / (2 * H))  # type: ignore[operator]
    return np.stack(columns, axis=-1)


@costs
@settings(max_examples=25, deadline=None)
@given(outputs=voltages)
def test_gradient_and_hessian_are_derivatives(cost: Cost, outputs: Array) -> None:
    targets = cost.targets(np.array([0, 2]), 3)
    gradient = cost.gradient(outputs, targets)
    np.testing.assert_allclose(derivative(lambda o: cost.value(o, targets), outputs), gradient, atol=2e-6)
    np.testing.assert_allclose(
        derivative(lambda o: cost.gradient(o, targets), outputs), cost.hessian(outputs, targets), atol=1e-3
    )


@costs
def test_right_outputs_cost_least(cost: Cost) -> None:
    targets = cost.targets(np.array([1]), 3)
    right, wrong = np.array([[-1.0, 1.0, -1.0]]), np.array([[1.0, -1.0, -1.0]])
    assert cost.value(right, targets) < cost.value(wrong, targets)


def test_squared_error_is_zero_at_the_target() -> None:
    cost = SquaredError(0.5, -0.5)
    targets = cost.targets(np.array([1, 0]), 2)
    np.testing.assert_array_equal(targets, [[-0.5, 0.5], [0.5, -0.5]])
    np.testing.assert_array_equal(cost.value(targets, targets), 0)
    np.testing.assert_array_equal(cost.gradient(targets, targets), 0)


def test_cross_entropy_survives_large_voltages() -> None:
    cost = SoftmaxCrossEntropy(1e4)
    outputs = np.array([[5.0, -5.0]])
    assert cost.value(outputs, np.array([[0.0, 1.0]])) == pytest.approx(10)
    np.testing.assert_array_equal(cost.gradient(outputs, np.array([[1.0, 0.0]])), 0)


@costs
def test_spice_has_one_expression_for_each_output(cost: Cost) -> None:
    _, gradients = cost.spice(["v(a)", "(v(b)-v(c))"], ["0.1", "-0.1"])
    assert len(gradients) == 2
    assert all(text.startswith("(") and text.endswith(")") for text in gradients)
