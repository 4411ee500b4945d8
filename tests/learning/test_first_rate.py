"""Gradient descent has no default rate: one that suits is proposed, and one that does not is said to."""

from __future__ import annotations

import logging
import re

import pytest

from eqcirc.costs import SoftmaxCrossEntropy
from eqcirc.errors import ConfigError
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.optimizers import SGD, Adam
from eqcirc.learning.plan import Plan
from eqcirc.learning.trainer import Trainer
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.learning.networks import blobs, small_network


def trainer(rate: float | dict[str, float] | None, momentum: float = 0.0, epochs: int = 30) -> Trainer:
    circuit = small_network()
    plan = Plan(epochs=epochs, batch_size=8, learning_rate=rate)
    rule = EqProp(circuit, SoftmaxCrossEntropy(), 1e-8)
    return Trainer(IdealSolver(circuit), rule, blobs(), optimizer=SGD(momentum=momentum), plan=plan)


def proposed(momentum: float = 0.0) -> dict[str, float]:
    with pytest.raises(ConfigError, match=r"^learning_rate: gradient descent needs one, since") as caught:
        trainer(None, momentum)
    table = re.search(r"learning_rate = \{ (.*) \}$", str(caught.value))
    assert table
    return {name: float(rate) for name, rate in re.findall(r"(\w+) = ([^,]+)", table[1])}


def test_the_proposed_rates_train(caplog: pytest.LogCaptureFixture) -> None:
    one = trainer(dict(proposed()))
    before = one.score("test")
    with caplog.at_level(logging.WARNING):
        one.run()
    after = one.score("test")
    assert after.accuracy >= 0.9
    assert after.loss < before.loss / 3
    assert not caplog.records


def test_momentum_makes_the_proposed_rates_shorter() -> None:
    plain, heavy = proposed(), proposed(0.9)
    assert heavy == pytest.approx({name: rate / 10 for name, rate in plain.items()}, rel=0.02)


@pytest.mark.parametrize(("factor", "words"), [(1e-7, "nothing is learnt so"), (300.0, "values leap")])
def test_a_rate_that_moves_nothing_or_too_much_is_warned_of(
    factor: float, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    one = trainer({name: factor * rate for name, rate in proposed().items()}, epochs=1)
    with caplog.at_level(logging.WARNING):
        one.run()
    (record,) = caplog.records
    assert words in record.message
    assert re.search(r"steps of 1% are learning_rate = \{ b1 = |learning_rate = \{ w1 = ", record.message)


def test_adam_keeps_its_default() -> None:
    circuit = small_network()
    rule = EqProp(circuit, SoftmaxCrossEntropy(), 1e-8)
    plans = Plan(epochs=1, batch_size=8), Plan(epochs=1, batch_size=8, learning_rate=2e-7)
    values = []
    for plan in plans:
        one = Trainer(IdealSolver(circuit), rule, blobs(), optimizer=Adam(), plan=plan)
        one.run()
        values.append(one.parameters["w1"].tobytes())
    assert values[0] == values[1]
