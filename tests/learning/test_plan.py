from __future__ import annotations

import logging
import math
import tomllib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import Bounds, CubicDevice, Element
from eqcirc.devices.base import UNBOUNDED
from eqcirc.errors import ConfigError
from eqcirc.learning.optimizers import SGD, Adam, Optimizer
from eqcirc.learning.plan import Plan, base_rates, warn_of_large_steps


def elements() -> tuple[Element, ...]:
    """A crossbar of 10 uS, devices of areas 0.5 to 2, and currents of ±1 mA."""
    b = CircuitBuilder("units")
    x, out = b.input("x", 2), b.nodes("out", 2)
    b.crossbar("w1", x, out, 1e-6, bounds=Bounds(1e-12, 1e-5))
    b.device("n1_device", out, GROUND, CubicDevice(1e-7), trainable=True, bounds=Bounds(0.5, 2.0))
    b.current_source("b1", out, 0.0, trainable=True, bounds=Bounds(-1e-3, 1e-3))
    return b.build(out).trainable


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "schedule",
            "cosin",
            r"schedule = 'cosin': expected one of its names; did you mean 'cosine'\? Valid: con",
        ),
        ("keep", "bst", r"keep = 'bst': expected .*did you mean 'best'\?"),
        ("learning_rate", -1.0, r"learning_rate = -1\.0: expected a positive, finite number"),
        ("learning_rate", "fast", "learning_rate = 'fast': expected a positive"),
        ("learning_rate", {"w1": math.nan}, "learning_rate w1 = nan: expected a positive"),
        ("epochs", -1, "epochs = -1: expected a whole number from 1"),
        ("epochs", 2.5, r"epochs = 2\.5: expected a whole number"),
        ("batch_size", 0, "batch_size = 0: expected a whole number from 1"),
        ("seed", -1, "seed = -1: expected a whole number from 0"),
        ("decay", 1.5, r"decay = 1\.5: expected a number from 0 to 1"),
        ("final", None, "final = None: expected a number from 0 to 1"),
        ("failed_limit", -0.1, r"failed_limit = -0\.1: expected a number from 0 to 1"),
    ],
)
def test_a_plan_that_nobody_could_follow_is_refused(key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Plan(**{key: value})


def test_numbers_of_numpy_are_numbers() -> None:
    assert Plan(epochs=np.int64(3), learning_rate=np.float64(1e-7)).epochs == 3  # type: ignore[arg-type]


def test_one_rate_is_that_of_every_element_of_one_unit() -> None:
    only = elements()[:1]
    assert base_rates(Plan(learning_rate=1e-7), only, Adam()) == {"w1": 1e-7}


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (Adam(), {"w1": 1e-7, "n1_device": 1.5e-2, "b1": 2e-5}),
        (SGD(), {"w1": 1e-7, "n1_device": 1e-7 * 1.5e5**2, "b1": 1e-7 * 2e2**2}),
    ],
)
def test_one_rate_for_many_units_is_refused_with_the_table_to_write(
    optimizer: Optimizer, expected: dict[str, float]
) -> None:
    with pytest.raises(ConfigError, match=r"units differ: S: w1; 1: n1_device; A: b1\. The same") as error:
        base_rates(Plan(learning_rate=1e-7), elements(), optimizer)
    table = tomllib.loads("learning_rate =" + str(error.value).rpartition("learning_rate =")[2])
    assert table["learning_rate"] == pytest.approx(expected, rel=0.05)
    assert base_rates(Plan(**table), elements(), optimizer) == table["learning_rate"]


def test_no_rate_is_proposed_where_there_are_no_bounds() -> None:
    first, *_, last = elements()
    with pytest.raises(ConfigError, match=r"learning_rate = \{ w1 = 1e-07, b1 = … \}"):
        base_rates(Plan(learning_rate=1e-7), [first, replace(last, bounds=UNBOUNDED)], Adam())


def test_no_rate_is_proposed_for_what_is_held_by_equal_bounds() -> None:
    first, second, third = elements()
    held = replace(second, bounds=Bounds(1.0, 1.0))
    with pytest.raises(ConfigError, match=r"learning_rate = \{ w1 = 1e-07, n1_device = …, b1 = 2e-05 \}"):
        base_rates(Plan(learning_rate=1e-7), [first, held, third], Adam())
    with pytest.raises(ConfigError, match=r"learning_rate = \{ n1_device = …, w1 = 1e-07, b1 = 2e-05 \}"):
        base_rates(Plan(learning_rate=1e-7), [held, first, third], Adam())


def test_what_is_held_by_equal_bounds_has_no_steps_to_warn_of(caplog: pytest.LogCaptureFixture) -> None:
    held = replace(elements()[0], bounds=Bounds(1e-6, 1e-6))
    warn_of_large_steps({"w1": 1e-6}, [held], Adam())
    assert not caplog.records


def test_steps_through_the_whole_range_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    rates = {"w1": 2.1e-6, "n1_device": 0.9, "b1": 4e-4}
    with caplog.at_level(logging.WARNING, "eqcirc"):
        warn_of_large_steps(rates, elements(), Adam())
    assert [record.message for record in caplog.records] == [
        "learning_rate of w1: a step of Adam is 2.1e-06 S, 21% of the range from 1e-12 to 1e-05; 1% to 5% is usual",
        "learning_rate of n1_device: a step of Adam is 0.9, 60% of the range from 0.5 to 2; 1% to 5% is usual",
    ]


def test_a_rate_of_gradient_descent_is_no_step(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_large_steps({"w1": 1.0, "n1_device": 1.0, "b1": 1.0}, elements(), SGD())
    assert not caplog.records
