"""Updates in pulses: the curves of the model, rounding, noise, and training that is resumed."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.circuit.layered import Layered
from eqcirc.costs import SoftmaxCrossEntropy
from eqcirc.data import load_splits
from eqcirc.devices import Bounds
from eqcirc.errors import CircuitError, ConfigError
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.plan import Plan
from eqcirc.learning.trainer import Trainer
from eqcirc.learning.writing import Writing
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array

BOUNDS = Bounds(1e-7, 1e-5)
SPAN = 9.9e-6
RNG = np.random.default_rng


def swept(writing: Writing, start: float, step: float, pulses: int) -> Array:
    """Where one device stands after each of many pulses."""
    value, seen = np.array([start]), []
    for _ in range(pulses):
        value = writing.written(value, np.array([step]), BOUNDS, RNG(0))
        seen.append(value[0])
    return np.array(seen)


@pytest.mark.parametrize(("bend_up", "bend_down"), [(0.0, 0.0), (2.0, 5.0)])
def test_pulse_by_pulse_a_device_follows_the_published_curves(bend_up: float, bend_down: float) -> None:
    """G = B·(1 − exp(−n/A)) + Gmin with B = (Gmax − Gmin)/(1 − exp(−N/A)) and A = N/bend, and the same from above."""
    writing = Writing(50, 40, bend_up, bend_down, rounding="nearest")
    up = swept(writing, BOUNDS.lower, SPAN / 50, 50)
    down = swept(writing, BOUNDS.upper, -SPAN / 40, 40)
    for found, n, bend in ((up - BOUNDS.lower, 50, bend_up), (BOUNDS.upper - down, 40, bend_down)):
        k = np.arange(1, n + 1)
        a = n / bend if bend else 1e9
        expected = SPAN / (1 - np.exp(-n / a)) * (1 - np.exp(-k / a)) if bend else SPAN * k / n
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert up[-1] == pytest.approx(BOUNDS.upper)
    assert down[-1] == pytest.approx(BOUNDS.lower)


def test_many_pulses_at_once_are_as_many_one_by_one() -> None:
    writing = Writing(50, 50, 2.0, 5.0, rounding="nearest")
    at_once = writing.written(np.array([3e-6]), np.array([7 * SPAN / 50]), BOUNDS, RNG(0))
    assert at_once[0] == pytest.approx(swept(writing, 3e-6, SPAN / 50, 7)[-1])


def test_steps_are_asymmetric_and_never_leave_the_range() -> None:
    writing = Writing(100, 100, 3.0, 3.0, noise=0.05, rounding="nearest")
    values = np.linspace(*BOUNDS, 5000)
    for sign in (1, -1):
        there = writing.written(values, np.full(5000, sign * 10 * SPAN / 100), BOUNDS, RNG(1))
        assert there.min() >= BOUNDS.lower
        assert there.max() <= BOUNDS.upper
    quiet = Writing(100, 100, 3.0, 3.0, rounding="nearest")
    top, low = np.array([0.9 * SPAN]), np.array([0.2 * SPAN])
    step = np.array([SPAN / 100])

    def change(value: Array, by: Array) -> float:
        return float(abs(quiet.written(value, by, BOUNDS, RNG(0)) - value)[0])

    assert change(top, step) < 0.5 * change(low, step), "the way up saturates"
    assert change(low, -step) < 0.5 * change(top, -step), "and so does the way down"


def test_small_steps_are_right_on_average_or_lost() -> None:
    values, step = np.full(20000, 5e-6), np.full(20000, 0.3 * SPAN / 100)
    random = Writing(100, 100).written(values, step, BOUNDS, RNG(2)) - values
    assert random.mean() == pytest.approx(0.3 * SPAN / 100, rel=0.03)
    assert set(np.round(random / (SPAN / 100), 6)) == {0.0, 1.0}
    assert (Writing(100, 100, rounding="nearest").written(values, step, BOUNDS, RNG(2)) == values).all()


def test_noise_grows_with_the_root_of_the_pulses_and_spares_what_is_not_written() -> None:
    writing = Writing(100, 100, noise=0.01, rounding="nearest")
    values = np.full(20000, 5e-6)
    for pulses in (1, 9):
        there = writing.written(values, np.full(20000, pulses * SPAN / 100), BOUNDS, RNG(3))
        assert (there - values).mean() == pytest.approx(pulses * SPAN / 100, rel=0.03)
        assert (there - values).std() == pytest.approx(0.01 * SPAN * pulses**0.5, rel=0.03)
    assert (writing.written(values, np.zeros(20000), BOUNDS, RNG(3)) == values).all()


def trainer(writing: Writing | None, epochs: int = 6) -> Trainer:
    data = load_splits("xor", seed=0)
    network = Layered(hidden=(4,), gain=4.0, input_gain=1.0, initial=(1e-7, 3e-6))
    circuit = network.build("xor", 2, 2, 0)
    plan = Plan(epochs=epochs, batch_size=2, learning_rate=4e-7)
    rule = EqProp(circuit, SoftmaxCrossEntropy(), 1e-8)
    return Trainer(IdealSolver(circuit), rule, data, plan=plan, writing=writing)


def test_training_in_pulses_learns_and_goes_on_with_the_same_draws() -> None:
    writing = Writing(200, 200, 1.0, 1.0, noise=0.001)
    whole, exact = trainer(writing), trainer(None)
    whole.run()
    exact.run()
    assert whole.state.metrics[-1]["train_loss"] < whole.state.metrics[0]["train_loss"]
    assert not np.array_equal(whole.parameters["w1"], exact.parameters["w1"])
    stopped = trainer(writing)
    count = iter(range(100))
    stopped.run(stop=lambda: next(count) == 5)
    stopped.run()
    np.testing.assert_array_equal(stopped.parameters["w1"], whole.parameters["w1"])


def test_what_is_no_resistor_is_written_exactly() -> None:
    data = load_splits("xor", seed=0)
    circuit = Layered(hidden=(4,), weights="signed", input_gain=1.0, bounds=(-1e-5, 1e-5)).build(  # type: ignore[arg-type]
        "signed", 2, 2, 0
    )
    rule = EqProp(circuit, SoftmaxCrossEntropy(), 1e-8)
    with pytest.raises(ConfigError, match="there is no trained resistor"):
        Trainer(IdealSolver(circuit), rule, data, writing=Writing())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pulses_up": 0}, "pulses_up must be between"),
        ({"pulses_down": 1.5}, "whole number"),
        ({"bend_up": -1.0}, "bend_up must be between"),
        ({"noise": 2.0}, "noise must be between"),
        ({"rounding": "up"}, "rounding = 'up'"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        Writing(**given)  # type: ignore[arg-type]
