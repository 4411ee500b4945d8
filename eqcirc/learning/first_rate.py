"""A first learning rate for gradient descent, whose steps are as large as the gradient and have no size of their own.

    rate = MOVE·(upper − lower)/rms(g)        of every element, g its gradient at the first values

so that a typical value moves by one hundredth of its range in a step. Found by trying: 0.3 % to 3 % train all
experiments that come along.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from eqcirc.devices import Element
from eqcirc.errors import ConfigError
from eqcirc.learning.plan import LARGE_STEP
from eqcirc.learning.rule import Rule
from eqcirc.solvers.base import Solver
from eqcirc.typing import Array, Parameters

log = logging.getLogger("eqcirc")

MOVE = 0.01  # of the range of an element, in one step
SMALL_STEP = 1e-6  # of the range; so small a step teaches nothing in any number of steps that anyone would do


def demand(rule: Rule, solver: Solver, inputs: Array, targets: Array, momentum: float) -> ConfigError:
    """Return the error that asks for the rates of gradient descent, and proposes some.

    Args:
        rule: that measures the gradient, at the circuit's first values.
        solver: of the circuit.
        inputs: (batch, n_features), as in a step.
        targets: (batch, n_outputs).
        momentum: which makes steps 1/(1 − momentum) times as long.

    Raises:
        SolverError: these samples have no gradient.
    """
    circuit = rule.circuit
    measured = rule.measure(solver, circuit.parameters, inputs, targets)
    measured.points.require()
    rates = _rates(measured.gradient(), circuit.trainable, 1 - momentum)
    table = ", ".join(f"{name} = " + (f"{rate:.2g}" if rate else "…") for name, rate in rates.items())
    return ConfigError(
        "learning_rate: gradient descent needs one, since its steps are rate times gradient. Steps of "
        f"{MOVE:.0%} of everybody's bounds to begin with are learning_rate = {{ {table} }}"
    )


def warn_of_first_step(
    steps: Parameters, gradient: Parameters, trainable: Sequence[Element], momentum: float
) -> None:
    """Log a warning for the first step of gradient descent if nothing moves, or if values leap through their bounds."""
    largest = 0.0
    for e in trainable:
        span = e.bounds.upper - e.bounds.lower
        if np.isfinite(span) and span > 0:
            largest = max(largest, float(np.abs(steps[e.name]).max()) / span)
    proposed = {name: rate for name, rate in _rates(gradient, trainable, 1 - momentum).items() if rate}
    if not proposed or SMALL_STEP <= largest <= LARGE_STEP:
        return
    what = "nothing is learnt so" if largest < SMALL_STEP else "values leap between their bounds"
    table = ", ".join(f"{name} = {rate:.2g}" for name, rate in proposed.items())
    log.warning(
        f"learning_rate: the first step of gradient descent is {largest:.2g} of the range of a value at most, and "
        f"{what}; steps of {MOVE:.0%} are learning_rate = {{ {table} }}"
    )


def _rates(gradient: Parameters, trainable: Sequence[Element], factor: float) -> dict[str, float]:
    """Return the rate of every element; 0 where bounds or gradient give none."""
    rates = {}
    for e in trainable:
        span, size = e.bounds.upper - e.bounds.lower, float(np.sqrt(np.mean(gradient[e.name] ** 2)))
        rate = MOVE * span / size * factor if size > 0 else 0.0
        rates[e.name] = rate if np.isfinite(rate) else 0.0
    return rates
