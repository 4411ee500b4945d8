"""How to train: passes, batches, and a rate for every trained element."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, get_args

from eqcirc.devices import Element
from eqcirc.errors import ConfigError, nearest
from eqcirc.learning.optimizers import Adam, Optimizer
from eqcirc.learning.schedules import ScheduleName
from eqcirc.text import quantity

log = logging.getLogger("eqcirc")

Keep = Literal["last", "best"]

ADAM_RATE = 2e-7  # S; what Adam takes if no rate is given
LARGE_STEP = 0.2  # of the range of an element; Adam's steps beyond jump between the bounds


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        epochs: passes over the training part.
        batch_size: samples for one update.
        learning_rate: one rate, or one for each trainable element by name; for Adam in the element's unit. None takes
            `ADAM_RATE`; gradient descent demands a rate, and proposes one.
        schedule: how the rate changes.
        final: factor of the rate at the end of a cosine schedule.
        decay: factor from epoch to epoch of an exponential schedule.
        keep: "last" keeps the parameters of the last epoch, "best" those of the best validation accuracy.
        patience: epochs without a better score of the validation part before the run ends early; None for never.
        failed_limit: share of a batch that may fail to converge; such samples are left out of the update.
        seed: of the order of samples.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float | dict[str, float] | None = None
    schedule: ScheduleName = "cosine"
    final: float = 0.0
    decay: float = 0.99
    keep: Keep = "last"
    patience: int | None = None
    failed_limit: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise `ConfigError` for a value that no training could follow."""
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0), ("patience", 1)):
            value = getattr(self, name)
            if name == "patience" and value is None:
                continue
            whole = isinstance(value, Integral) and _number(value) >= least
            _require(name, value, whole, f"a whole number from {least}")
        rate = self.learning_rate
        rates = rate.items() if isinstance(rate, dict) else [] if rate is None else [("", rate)]
        for name, value in rates:
            right = 0 < _number(value) < math.inf
            _require(f"learning_rate {name}".strip(), value, right, "a positive, finite number")
        for name in ("final", "decay", "failed_limit"):
            value = getattr(self, name)
            _require(name, value, 0 <= _number(value) <= 1, "a number from 0 to 1")
        for name, valid in (("schedule", get_args(ScheduleName)), ("keep", get_args(Keep))):
            value = getattr(self, name)
            _require(name, value, value in valid, f"one of its names; {nearest(str(value), valid)}")


def _number(value: Any) -> float:
    """Return NaN, which no range holds, for what is no number."""
    return float(value) if isinstance(value, Real) else math.nan


def _require(name: str, value: Any, right: bool, expected: str) -> None:
    if not right:
        raise ConfigError(f"{name} = {value!r}: expected {expected}")


def base_rates(plan: Plan, trainable: Sequence[Element], optimizer: Optimizer) -> dict[str, float]:
    """Return the rate of every trainable element, before the schedule.

    Raises:
        ConfigError: a rate for an element that there is not, none for one that there is, or one number for elements
            of different units.
    """
    rate, names = ADAM_RATE if plan.learning_rate is None else plan.learning_rate, [e.name for e in trainable]
    if not isinstance(rate, dict):
        if len({e.unit for e in trainable}) > 1:
            raise ConfigError(_one_rate_many_units(float(rate), trainable, optimizer))
        return dict.fromkeys(names, float(rate))
    for name in rate:
        if name not in names:
            raise ConfigError(f"learning_rate: no trainable element {name!r}: {nearest(name, names)}")
    missing = sorted(set(names) - set(rate))
    if missing:
        raise ConfigError(
            f"learning_rate: no rate for {', '.join(missing)}; give one to each trainable element"
        )
    return dict(rate)


def _one_rate_many_units(rate: float, trainable: Sequence[Element], optimizer: Optimizer) -> str:
    """Say which element has which unit, and write a table that moves all by the same share of their bounds."""
    units: dict[str, list[str]] = {}
    for e in trainable:
        units.setdefault(e.unit, []).append(e.name)
    power = 1 if isinstance(optimizer, Adam) else 2  # the rate of a gradient step has the unit squared
    measure = next((span for span in map(_span, trainable) if span), math.nan)  # equal bounds measure nothing
    rates = {e.name: rate * (_span(e) / measure) ** power for e in trainable}
    table = ", ".join(f"{name} = " + (f"{x:.2g}" if 0 < x < math.inf else "…") for name, x in rates.items())
    return (
        f"learning_rate = {rate:g}: expected a rate for each element, because their units differ: "
        f"{'; '.join(f'{unit}: ' + ', '.join(group) for unit, group in units.items())}. "
        f"The same share of everybody's bounds is learning_rate = {{ {table} }}"
    )


def warn_of_large_steps(rates: dict[str, float], trainable: Sequence[Element], optimizer: Optimizer) -> None:
    """Log a warning for every rate of Adam, whose steps are about as large, that leaps through the bounds."""
    for e in trainable:
        if isinstance(optimizer, Adam) and rates[e.name] > LARGE_STEP * _span(e) > 0:
            step = quantity(f"{rates[e.name]:g}", e.unit)
            share, (lower, upper) = rates[e.name] / _span(e), e.bounds
            log.warning(
                f"learning_rate of {e.name}: a step of Adam is {step}, {share:.0%} of the range from {lower:g} to "
                f"{upper:g}; 1% to 5% is usual"
            )


def _span(element: Element) -> float:
    return element.bounds.upper - element.bounds.lower
