"""Eigenvalues of the dynamics around an operating point, for time constants many decades apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.arithmetic import DECIMAL, LONG, digits
from oracle.description import Description, Vector
from oracle.equations import Circuit
from oracle.linear import SingularError, factor, solve
from oracle.qr import matrix_eigenvalues
from oracle.solve import DIGITS, Solution
from oracle.storage import reduced, with_storage


@dataclass(frozen=True)
class Modes:
    """Eigenvalues s of Q dx/dt = -K x, x ~ exp(s t), in 1/s, the slowest first, each with an error estimate."""

    values: np.ndarray
    errors: np.ndarray

    @property
    def stable(self) -> bool | None:
        """Whether all decay; None where the errors do not allow to say."""
        if (self.values.real + self.errors < 0).all():
            return True
        return False if (self.values.real - self.errors > 0).any() else None


def eigenvalues(description: Description, x: Vector, solution: Solution, **storage: float) -> Modes:
    """Modes of the circuit around an operating point; `storage` goes to `with_storage`.

    The matrices are formed in decimals and rounded to long doubles at the end. An eigenvalue algorithm errs by about
    eps times the largest eigenvalue, so the fast modes are taken from Q^-1 K and the slow ones from K^-1 Q.
    """
    with digits(DIGITS):
        circuit = Circuit(with_storage(description, **storage), x, DECIMAL)
        Q, K = reduced(circuit, solution.unknowns)
        forward = _long(-solve(factor(Q), K))
        try:
            backward = _long(-solve(factor(K), Q))
        except SingularError:  # a mode with s = 0
            backward = None
    fast = _sorted(*matrix_eigenvalues(forward))
    if backward is None or len(Q) < 2:
        return fast
    values, errors = matrix_eigenvalues(backward)
    with np.errstate(divide="ignore", invalid="ignore"):
        slow = _sorted(1 / values, abs(errors / values**2))
    return _joined(slow, fast)


def _joined(slow: Modes, fast: Modes) -> Modes:
    """Slow modes from one list and fast ones from the other, changing where this leaves the least relative error.

    The change must be at a gap that both lists show at the same place; else a pair could be torn apart.
    """
    best = fast
    for k in range(1, len(fast.values) + 1):
        gap = k == len(fast.values) or (
            abs(slow.values[k - 1]) * 1.0001 < abs(fast.values[k]) and _gap(slow, k) and _gap(fast, k)
        )
        if gap:
            values = np.concatenate([slow.values[:k], fast.values[k:]])
            mixed = Modes(values, np.concatenate([slow.errors[:k], fast.errors[k:]]))
            best = min(best, mixed, key=_worst)
    return best


def _gap(modes: Modes, k: int) -> bool:
    return bool(abs(modes.values[k - 1]) * 1.0001 < abs(modes.values[k]))


def _worst(modes: Modes) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = modes.errors / abs(modes.values)
    return float(np.where(np.isfinite(relative), relative, np.inf).max())


def _sorted(values: np.ndarray, errors: np.ndarray) -> Modes:
    order = np.argsort(abs(values))
    return Modes(values[order], errors[order])


def _long(array: np.ndarray) -> np.ndarray:
    return np.array([[LONG.number(value) for value in row] for row in array], np.longdouble)
