"""The kinds of numbers in which the equations are written: float, 80-bit long double, decimals of any length."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any

import numpy as np

from oracle.description import Part


@dataclass(frozen=True)
class Arithmetic:
    """A kind of number: how to make one, its exponential and the slope of that, its power, the dtype of its arrays."""

    number: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    exp_slope: Callable[[Any], Any]
    power: Callable[[Any, Any], Any]
    dtype: Any

    def part(self, part: Part) -> Any:
        """The part with its numbers in this arithmetic."""
        names = [field.name for field in fields(part) if field.name in part.NUMBERS]
        return replace(part, **{name: self._convert(getattr(part, name)) for name in names})

    def _convert(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(self.number(entry) for entry in value)
        return None if value is None else self.number(value)

    def zeros(self, *shape: int) -> np.ndarray:
        """An array of zeros."""
        array = np.empty(shape, self.dtype)
        array[...] = self.number(0.0)
        return array


def _decimal(value: Any) -> Decimal:
    """Exactly the value: a long double is the sum of two doubles."""
    if isinstance(value, Decimal):
        return value
    high = float(value)
    low = float(value - np.longdouble(high)) if isinstance(value, np.longdouble) else 0.0
    return Decimal(high) + Decimal(low)


def _long(value: Any) -> np.longdouble:
    """A decimal through two doubles, which hold more digits than a long double."""
    if isinstance(value, Decimal):
        high = float(value)
        return np.longdouble(high) + np.longdouble(float(value - Decimal(high)))
    return np.longdouble(value)


TOP = 100.0  # an exponential goes on as a straight line above this, where doubles are used


def _exp_with_line(u: float) -> float:
    """exp(u), and its tangent above TOP: a current of 1e43 times i_s decides nothing that a larger one would not."""
    return math.exp(min(u, TOP)) * (1 + max(u - TOP, 0.0))


LONG = Arithmetic(_long, np.exp, np.exp, lambda x, m: x**m, np.longdouble)
DECIMAL = Arithmetic(_decimal, Decimal.exp, Decimal.exp, lambda x, m: x**m if x else x, object)
FLOAT = Arithmetic(float, _exp_with_line, lambda u: math.exp(min(u, TOP)), lambda x, m: x**m, float)


@contextmanager
def digits(count: int) -> Iterator[None]:
    """Decimals of `count` digits whose exponents do not run out."""
    with decimal.localcontext() as context:
        context.prec, context.Emax, context.Emin = count, decimal.MAX_EMAX, decimal.MIN_EMIN
        context.traps[decimal.Overflow] = True
        context.traps[decimal.Underflow] = False
        yield
