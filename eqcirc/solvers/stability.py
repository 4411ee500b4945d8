"""Is an operating point stable, and is it the only one?

An operating point satisfies Kirchhoff's law whether the circuit would stay there or not; only the dynamics tell. With
the state x, storage Q and Jacobian K of `dynamics`, perturbations grow as the eigenvalues of −Q⁻¹·K. States without
storage have a very small one here: they follow at once, or run away.

*Certificate.* Split the Hessian diag(t)·K into activators A, recovery −D and their coupling B, with every device at its
steepest fall: a lower bound of A at any voltage. Then

    A + B·D⁻¹·Bᵀ > 0                          the operating point is unique, whatever the inputs;
    and  A + γ·C > 0,  γ = min eig(D, L)      it is stable: no oscillation (C, L: storage of activators and recovery).

C and L have to be the whole storage: a capacitor between an activator and a recovery variable leaves stability unknown.

Why: an eigenvalue λ with vector x, |x|_C = 1, of the activators satisfies λ + a + Σ b_k²/(λ + d_k) = 0 with a = xᵀA·x,
d_k ≥ γ. A complex one has Σ b_k²/|λ + d_k|² = 1, hence 2·Re λ = −a − (a mean of the d_k) < 0. A real one λ ≥ 0 would
need the left side, positive at λ = 0 and nowhere falling below 2λ + a + γ, to vanish.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, eigh, eigvalsh

from eqcirc.solvers.dynamics import Dynamics
from eqcirc.typing import Array

DEGENERATE = 1e-6  # of the largest eigenvalue of the reduced Hessian: smaller ones count as zero
MARGIN = 1e-9  # relative, of a bound that holds
NEUTRAL = 1e-12
"""Of the largest eigenvalue of states that store: real parts below are taken for rounding, which leaves 1e-16 or so of
it, and for zero. A pattern on a ring has one such mode, its shift; an instability as slow as that cannot be told."""
SLIGHT = 1e-6  # of the smallest capacitance: what states that store nothing get, so that they cannot run away unseen


@dataclass(frozen=True, eq=False)
class Stability:
    """Of every row.

    Attributes:
        growth: (row,) largest real part of the dynamic Jacobian's eigenvalues, in 1/s; stable below 0, and exactly 0
            if it cannot be told from rounding. Without any capacitor or inductor, in siemens: every node counts as
            having the same capacitor.
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
    at, _ = dynamics.equations.linearise(u)
    jacobians = dynamics.jacobian(at)
    storage = dynamics.completed(SLIGHT)
    leading = np.array([_leading(storage, int(dynamics.moving.sum()), k) for k in jacobians])
    curvatures = [_curvatures(dynamics, k) for k in jacobians]
    flat = [int((np.abs(c) < DEGENERATE * np.abs(c).max()).sum()) if len(c) else 0 for c in curvatures]
    return Stability(
        leading.real,
        np.abs(leading.imag) / (2 * np.pi),
        np.array([c.min() if len(c) else np.nan for c in curvatures]),
        np.array(flat),
    )


def curvature(dynamics: Dynamics, u: Array) -> Array:
    """Return the smallest eigenvalue (row,) of the reduced Hessian at u (row, n); NaN without a scaling."""
    at, _ = dynamics.equations.linearise(u)
    every = [_curvatures(dynamics, k) for k in dynamics.jacobian(at)]
    return np.array([c.min() if len(c) else np.nan for c in every])


def _leading(q: Array, storing: int, k: Array) -> complex:
    """Return the eigenvalue of −Q⁻¹·K with the largest real part, 0 if that is rounding; NaN if K is not finite.

    So many states store by themselves; the eigenvalues of the others are larger, and say nothing about rounding.
    """
    if not np.isfinite(k).all():
        return complex(np.nan, np.nan)
    values = np.linalg.eigvals(np.linalg.solve(q, -k))
    scale = np.sort(np.abs(values))[storing - 1]
    values.real[np.abs(values.real) <= NEUTRAL * scale] = 0.0
    return complex(values[np.argmax(values.real)])


def _curvatures(dynamics: Dynamics, k: Array) -> Array:
    """Return the eigenvalues of the Hessian with recovery eliminated; none where that cannot be done."""
    t = dynamics.scaling
    if t is None or not np.isfinite(k).all():
        return np.empty(0)
    a, b, d = _blocks(t, k)
    return np.asarray(eigvalsh(_reduced(a, b, d))) if _has_inverse(d) else np.empty(0)


def _blocks(t: Array, k: Array) -> tuple[Array, Array, Array]:
    """Return A, B and D of the Hessian diag(t)·K."""
    hessian = t[:, None] * k
    hessian = (hessian + hessian.T) / 2
    up, down = t > 0, t < 0
    return hessian[np.ix_(up, up)], hessian[np.ix_(up, down)], -hessian[np.ix_(down, down)]


def _has_inverse(d: Array) -> bool:
    """Whether a symmetric matrix has an inverse, whatever the units of its rows (siemens, ohms)."""
    size = np.sqrt(np.abs(d).max(axis=1, initial=0))
    if not size.all():
        return False
    unit = d / np.outer(size, size)
    return _positive(unit) or bool(np.linalg.matrix_rank(unit, hermitian=True) == len(d))


def _reduced(a: Array, b: Array, d: Array) -> Array:
    return a + b @ np.linalg.solve(d, b.T) if len(d) else a


@dataclass(frozen=True)
class Certificate:
    """What holds for all inputs.

    Attributes:
        unique: there is one operating point.
        stable: and it is stable.
    """

    unique: bool
    stable: bool


def certificate(dynamics: Dynamics) -> Certificate:
    """Return what can be said for the values of `dynamics` without looking at inputs. False means: not known."""
    t = dynamics.scaling
    nodal = dynamics.steepest()  # branches eliminated already; they are recovery variables with D = Rm > 0
    if t is None:
        return _monotone(dynamics, nodal)
    if _active_recovery(dynamics, t):
        return Certificate(False, False)
    a, b, d = _blocks(t[: dynamics.n], nodal)
    unique = _positive(d) and _positive(_reduced(a, b, d))
    return Certificate(unique, unique and _stores_energy(dynamics, t) and _damped(dynamics, t, nodal, d))


def _monotone(dynamics: Dynamics, nodal: Array) -> Certificate:
    """Without a scaling: J + Jᵀ > 0 at any voltage leaves one operating point, and uᵀ·C·u falls until it is reached."""
    unique = all(j.dissipative for j in dynamics.plan.junctions) and _positive((nodal + nodal.T) / 2)
    flat = np.ones(dynamics.size)
    return Certificate(unique, unique and not dynamics.n_branches and _stores_energy(dynamics, flat))


def _stores_energy(dynamics: Dynamics, t: Array) -> bool:
    """Whether |t|·Q is symmetric and not negative; a capacitor across an amplifier can make it so."""
    q = np.abs(t)[:, None] * dynamics.storage
    own = np.diag(q)
    if np.array_equal(q, np.diag(own)):
        return bool((own >= 0).all())
    size = np.abs(q).max()
    return bool(np.abs(q - q.T).max() <= MARGIN * size and eigvalsh((q + q.T) / 2)[0] >= -MARGIN * size)


def _active_recovery(dynamics: Dynamics, t: Array) -> bool:
    """Whether a nonlinear device sits at a recovery node, where more slope means less reduced curvature."""
    ends = [end.unknowns for junction in dynamics.plan.junctions for end in junction.free_ends]
    return any(bool((t[k] < 0).any()) for k in ends)


def _damped(dynamics: Dynamics, t: Array, nodal: Array, d: Array) -> bool:
    """Whether A + γ·C > 0, activators without storage eliminated."""
    n, moving = dynamics.n, dynamics.moving[: dynamics.n]
    t, storage = t[:n], np.abs(t[:n])[:, None] * dynamics.storage[:n, :n]
    up, down = t > 0, t < 0
    if not len(d) and not dynamics.n_branches:
        return True  # a gradient system: it goes down in energy, and cannot oscillate
    if not moving[down].all() or (t[dynamics.plan.unknown[dynamics.ends]] < 0).any():
        return False
    if storage[np.ix_(up, down)].any():  # the proof takes activators and recovery to store apart
        return False
    gammas = [np.inf]
    if len(d):
        # the other way round, for capacitors that float between recovery nodes leave L singular
        gammas.append(1 / float(eigh(storage[np.ix_(down, down)], d, eigvals_only=True)[-1]))
    if dynamics.n_branches:
        gammas.append(dynamics.branch_damping)
    a, _, _ = _blocks(t, dynamics.without_branches(nodal))
    stays = moving[up]
    if not stays.all():
        at_once, beside = a[np.ix_(~stays, ~stays)], a[np.ix_(stays, ~stays)]
        if not _positive(at_once):  # it would run away at any small capacitance
            return False
        a = a[np.ix_(stays, stays)] - beside @ np.linalg.solve(at_once, beside.T)
    held = up & moving
    return _positive(a + min(gammas) * storage[np.ix_(held, held)])


def _positive(matrix: Array) -> bool:
    """Whether a symmetric matrix is positive definite by more than rounding."""
    if not len(matrix):
        return True
    try:
        cholesky(matrix - MARGIN * np.abs(matrix).max() * np.eye(len(matrix)))
    except np.linalg.LinAlgError:
        return False
    return True
