"""Would the circuit stay at an operating point?

It satisfies Kirchhoff's law whether the circuit would stay there or not; only the dynamics tell. With the state x,
storage Q and Jacobian K of `dynamics`, perturbations grow as the eigenvalues λ of −Q⁻¹·K. States without storage have a
very small one here: they follow at once, or run away.

Time constants may lie more than twelve powers of ten apart, and a matrix knows its eigenvalues to the last digit of the
largest only. So fast ones are read from Q⁻¹·K and slow ones from K⁻¹·Q, and those that matter are refined with their
left and right eigenvectors y and x: λ = −y·K·x/(y·Q·x), which rounding blurs by |y|·|K|·|x|/|y·Q·x| times a last digit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigvalsh

from eqcirc.solvers.certificate import blocks, positive, reduced, stable_here
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.typing import Array

DEGENERATE = 1e-6  # of the largest eigenvalue of the reduced Hessian: smaller ones count as zero
SLIGHT = 1e-6  # of the smallest capacitance: what states that store nothing get, so that they cannot run away unseen
CANDIDATES = 3  # eigenvalues of each kind that are refined
ROUNDINGS = 1000
"""Times what rounding leaves of an eigenvalue, and as much again of the state: a real part below it counts as zero. The
shift of a pattern on a ring has such a mode."""


@dataclass(frozen=True, eq=False)
class Stability:
    """Of every row.

    Attributes:
        growth: (row,) largest real part of the dynamic Jacobian's eigenvalues, in 1/s; stable below 0, and exactly 0
            if it cannot be told from rounding. Without any capacitor or inductor every node counts as having 1 nF.
        frequency: (row,) its imaginary part in Hz, of an oscillation that grows or dies out slowest.
        curvature: (row,) smallest eigenvalue of the reduced Hessian in siemens; NaN without a scaling s, or if recovery
            has none of its own, as behind a gyrator without a leak.
        degenerate: (row,) number of directions without curvature.
    """

    growth: Array
    frequency: Array
    curvature: Array
    degenerate: np.ndarray

    @property
    def stable(self) -> np.ndarray:
        """(row,) whether small perturbations die out."""
        return np.asarray(self.growth < 0)

    @property
    def neutral(self) -> np.ndarray:
        """(row,) whether some small perturbation neither grows nor dies out, and none grows."""
        return np.asarray(self.growth == 0)

    def explain(self, row: int) -> str:
        """Say what is wrong with a row."""
        growth, frequency = float(self.growth[row]), float(self.frequency[row])
        if growth < 0:
            return f"stable: perturbations decay at {-growth:.3g}/s"
        if growth == 0:
            which = f"an oscillation of {frequency:.3g} Hz" if frequency > 0 else "a perturbation"
            return f"degenerate: {which} neither grows nor decays beyond rounding, and none grows"
        if frequency > 0:
            return f"oscillates: perturbations grow at {growth:.3g}/s, {frequency:.3g} Hz"
        return f"unstable: perturbations grow at {growth:.3g}/s"


def stability(dynamics: Dynamics, u: Array) -> Stability:
    """Judge operating points u (row, n) of the rows of `dynamics`."""
    at, _ = dynamics.bare.linearise(u)
    jacobians = dynamics.jacobian(at)
    storage = dynamics.completed(SLIGHT)
    leading = np.array([_leading(storage, k) for k in jacobians])
    curvatures = [_curvatures(dynamics, k) for k in jacobians]
    flat = [int((np.abs(c) < DEGENERATE * np.abs(c).max()).sum()) if len(c) else 0 for c in curvatures]
    return Stability(
        leading.real,
        np.abs(leading.imag) / (2 * np.pi),
        np.array([c.min() if len(c) else np.nan for c in curvatures]),
        np.array(flat),
    )


def growth(dynamics: Dynamics, u: Array, share: float = SLIGHT) -> Array:
    """Return how fast perturbations of operating points u (row, n) grow, as `Stability.growth` (row,).

    It is −inf where a proof says that all die out, which is much faster than to say how fast. Nodes that lack a
    capacitor have this share of the smallest.
    """
    at, _ = dynamics.bare.linearise(u)
    found, storage = np.full(len(u), -np.inf), dynamics.completed(share)
    for row, k in enumerate(dynamics.jacobian(at)):
        if not stable_here(dynamics, k):
            found[row] = _leading(storage, k).real
    return found


def _leading(q: Array, k: Array) -> complex:
    """Return the eigenvalue of −Q⁻¹·K with the largest real part, 0 if that is rounding; NaN if K is not finite."""
    if not np.isfinite(k).all():
        return complex(np.nan, np.nan)
    unit = 1 / np.sqrt(np.abs(np.diag(q)))
    q, k = (unit[:, None] * m * unit for m in (q, k))
    fast = np.linalg.eigvals(np.linalg.solve(q, -k))
    largest = float(np.abs(fast).max())
    found = [_refined(q, k, value, largest) for value in _candidates(q, k, fast)]
    return max(found, key=lambda value: value.real)


def _candidates(q: Array, k: Array, fast: Array) -> list[complex]:
    """Return the eigenvalues with the largest real parts, of the fast and of the slow ones."""
    try:
        with np.errstate(divide="ignore", invalid="ignore"):
            slow = 1 / np.linalg.eigvals(np.linalg.solve(k, -q))
            between = np.sqrt(np.abs(fast).max() * np.nanmin(np.abs(slow)))
    except np.linalg.LinAlgError:  # one of them is zero
        slow, between = fast, 0.0
    chosen = [fast[np.abs(fast) >= between / 10], slow[np.abs(slow) <= between * 10]]
    some: list[complex] = []
    for values in chosen:
        some += [complex(v) for v in values[np.argsort(-values.real)][:CANDIDATES]]
    return some


def _refined(q: Array, k: Array, value: complex, largest: float) -> complex:
    """Return the eigenvalue next to a value, its real part 0 if that is below what rounding leaves.

    `largest` is the largest eigenvalue: of vectors that come to nothing, its last digits are what rounding leaves.
    """
    last_digit = float(np.finfo(np.float64).eps)
    shift = value + last_digit * largest + 1e-9 * abs(value)  # beside it, where there is an inverse
    right = left = np.exp(1j * np.arange(len(q)))
    rounding = len(q) * last_digit * largest
    with np.errstate(all="ignore"):
        inverse = _inverse(k + shift * q)
        for _ in range(3):
            right, left = inverse @ (q @ right), inverse.conj().T @ (q.T @ left)
            right, left = right / np.linalg.norm(right), left / np.linalg.norm(left)
        weight = left.conj() @ q @ right
        exact = complex(-(left.conj() @ k @ right) / weight) if weight else complex(np.nan)
        share = (
            last_digit * float(np.abs(left) @ np.abs(k) @ np.abs(right)) / abs(weight) if weight else np.nan
        )
    if np.isfinite(exact) and abs(exact - value) <= 0.5 * abs(value) + 10 * rounding:
        value, rounding = (exact.real if value.imag == 0 else exact), share
    return complex(0.0 if abs(value.real) <= ROUNDINGS * rounding else value.real, value.imag)


def _inverse(matrix: Array) -> Array:
    """Return the inverse, NaN if there is none."""
    try:
        return np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        return np.full_like(matrix, np.nan)


def _curvatures(dynamics: Dynamics, k: Array) -> Array:
    """Return the eigenvalues of the Hessian with recovery eliminated; none where that cannot be done."""
    t = dynamics.scaling
    if t is None or not np.isfinite(k).all():
        return np.empty(0)
    a, b, d = blocks(t, k)
    return np.asarray(eigvalsh(reduced(a, b, d))) if _has_inverse(d) else np.empty(0)


def _has_inverse(d: Array) -> bool:
    """Whether a symmetric matrix has an inverse, whatever the units of its rows (siemens, ohms)."""
    size = np.sqrt(np.abs(d).max(axis=1, initial=0))
    if not size.all():
        return False
    unit = d / np.outer(size, size)
    return positive(unit) or bool(np.linalg.matrix_rank(unit, hermitian=True) == len(d))
