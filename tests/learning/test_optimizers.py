from __future__ import annotations

import numpy as np
import pytest

from eqcirc.errors import CircuitError
from eqcirc.learning.optimizers import SGD, Adam

RATE = {"g": 0.1}


def test_gradient_descent_is_minus_rate_times_gradient() -> None:
    steps = SGD().steps({"g": np.array([2.0, -3.0]), "h": np.array([[1.0]])}, {"g": 0.1, "h": 10.0})
    np.testing.assert_allclose(steps["g"], [-0.2, 0.3])
    np.testing.assert_allclose(steps["h"], [[-10.0]])


def test_momentum_by_hand() -> None:
    sgd = SGD(momentum=0.5)
    taken = [sgd.steps({"g": np.array([g])}, RATE)["g"][0] for g in (1.0, 2.0, -4.0)]
    # m = 1, 0.5 + 2 = 2.5, 1.25 − 4 = −2.75
    np.testing.assert_allclose(taken, [-0.1, -0.25, 0.275], rtol=1e-15)


def test_adam_by_hand() -> None:
    """Gradients 1, 2, −3 with b1 = 0.9, b2 = 0.999, worked out with exact fractions.

    m  0.1             0.29             −0.039
    v  0.001           0.004999         0.013994001
    m̂  1               0.29/0.19        −0.039/0.271
    v̂  1               0.004999/0.001999   0.013994001/0.002997001
    """
    adam = Adam()
    taken = [adam.steps({"g": np.array([g])}, RATE)["g"][0] for g in (1.0, 2.0, -3.0)]
    second = 0.29 / 0.19 / np.sqrt(0.004999 / 0.001999)
    third = -0.039 / 0.271 / np.sqrt(0.013994001 / 0.002997001)
    np.testing.assert_allclose(taken, [-0.1, -0.1 * second, -0.1 * third], rtol=1e-12)
    np.testing.assert_allclose(taken, [-0.1, -0.0965182026, 0.00665990156], rtol=1e-6)


def test_adam_does_not_depend_on_the_size_of_the_gradient() -> None:
    """Circuit gradients span many decades; a step is about the rate for all of them."""
    gradients = np.array([[1e-14, 1.0, 1e12]]) * np.array([[1.0], [-0.5], [0.3]])
    adam = Adam()
    for row in gradients:
        step = adam.steps({"g": row}, RATE)["g"]
        np.testing.assert_allclose(step, step[0], rtol=1e-9)


def test_adam_stays_put_without_a_gradient() -> None:
    np.testing.assert_array_equal(Adam().steps({"g": np.zeros(2)}, RATE)["g"], 0)


@pytest.mark.parametrize("make", [lambda: SGD(momentum=0.9), Adam])
def test_the_state_alone_decides_how_it_goes_on(make: type[Adam]) -> None:
    rng = np.random.default_rng(0)
    gradients = [{"g": rng.normal(size=(2, 3)), "b": rng.normal(size=4)} for _ in range(6)]
    rates = {"g": 0.1, "b": 0.01}
    one, other = make(), make()
    for gradient in gradients[:3]:
        one.steps(gradient, rates)
    other.state = {key: value.copy() for key, value in one.state.items()}
    for gradient in gradients[3:]:
        first, second = one.steps(gradient, rates), other.steps(gradient, rates)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(CircuitError, match=r"SGD: momentum must be between 0 and 0.9999, got 1"):
        SGD(momentum=1.0)
    with pytest.raises(CircuitError, match=r"Adam: beta1 must be between 0 and 0.9999, got 1"):
        Adam(beta1=1.0)
    with pytest.raises(CircuitError, match=r"Adam: beta2 must be between 0 and 0.999999, got -1"):
        Adam(beta2=-1.0)
