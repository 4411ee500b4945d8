"""Derivatives of a cost by trainable values: finite differences of an operating point that is followed in decimals.

With DIGITS decimals a step of 1e-14 of a value leaves a truncation error of 1e-28, and the difference of two costs
still has DIGITS - 14 digits. Two such steps and Richardson's extrapolation give the result and its error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import numpy as np

from oracle.arithmetic import DECIMAL, digits
from oracle.description import Description, Vector
from oracle.equations import Circuit
from oracle.linear import Factors, factor
from oracle.solve import DIGITS, Solution, decimal_newton

STEP = Decimal("1e-14")  # of a value
SMALLEST = Decimal("1e-15")  # what a value of 0 counts as


class Cost(Protocol):
    """A cost of one sample's outputs; it works on decimals."""

    def of(self, outputs: Sequence[Decimal]) -> Decimal:
        """The cost."""


@dataclass(frozen=True)
class SquaredError:
    """1/2 sum (o - y)^2."""

    target: Sequence[float]

    def of(self, outputs: Sequence[Decimal]) -> Decimal:
        """The cost, V^2."""
        return sum((o - DECIMAL.number(y)) ** 2 for o, y in zip(outputs, self.target, strict=True)) / 2


@dataclass(frozen=True)
class CrossEntropy:
    """-(1/K) sum y log softmax(K o)."""

    target: Sequence[float]
    K: float

    def of(self, outputs: Sequence[Decimal]) -> Decimal:
        """The cost, in units of 1/K."""
        K = DECIMAL.number(self.K)
        top = max(outputs)
        log_sum = K * top + sum((K * (o - top)).exp() for o in outputs).ln()
        return (
            -sum(DECIMAL.number(y) * (K * o - log_sum) for o, y in zip(outputs, self.target, strict=True)) / K
        )


@dataclass(frozen=True)
class Gradient:
    """dC/d(trainable value of part k) for each k in `parts`, with error estimates, and the cost itself."""

    parts: list[int]
    values: np.ndarray
    errors: np.ndarray
    cost: float


def gradient(
    description: Description,
    x: Vector,
    solution: Solution,
    cost: Cost,
    parts: Sequence[int] | None = None,
) -> Gradient:
    """Derivatives at the operating point of `solution`, which is followed while a value moves.

    Args:
        parts: Numbers of parts; without them, all trainable parts.
    """
    parts = list(description.trainable() if parts is None else parts)
    with digits(DIGITS):
        circuit = Circuit(description, x, DECIMAL)
        factors = factor(circuit.evaluate(solution.unknowns)[1])
        weights = [[DECIMAL.number(entry) for entry in row] for row in description.weights]

        def cost_at(k: int, value: Decimal) -> Decimal:
            return _cost(description.with_value(k, value), x, solution, cost, weights, factors)

        pairs = [_richardson(cost_at, k, DECIMAL.number(description.parts[k].value)) for k in parts]
        base = float(cost.of(_outputs(weights, circuit.voltages(solution.unknowns))))
    values, errors = np.array(pairs, float).reshape(-1, 2).T
    return Gradient(parts, values, errors, base)


def _richardson(cost_at: Any, k: int, value: Decimal) -> tuple[Decimal, Decimal]:
    h = STEP * max(abs(value), SMALLEST)
    near = (cost_at(k, value + h) - cost_at(k, value - h)) / (2 * h)
    far = (cost_at(k, value + 2 * h) - cost_at(k, value - 2 * h)) / (4 * h)
    better = near + (near - far) / 3
    return better, abs(better - near)


def _cost(
    description: Description,
    x: Vector,
    solution: Solution,
    cost: Cost,
    weights: list[list[Decimal]],
    factors: Factors,
) -> Decimal:
    z, step = decimal_newton(description, x, solution.unknowns, factors)
    if not step < 1e-30:
        raise ArithmeticError("the operating point cannot be followed: the circuit is at a fold")
    return cost.of(_outputs(weights, Circuit(description, x, DECIMAL).voltages(z)))


def _outputs(weights: list[list[Decimal]], v: list[Decimal]) -> list[Decimal]:
    return [sum((w * volts for w, volts in zip(row, v, strict=True)), Decimal(0)) for row in weights]
