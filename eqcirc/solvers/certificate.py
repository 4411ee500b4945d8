"""What can be said of a circuit's operating points without looking at inputs.

Split the Hessian diag(t)·K of the mixed potential (`dynamics`) into activators A, recovery −D and their coupling B,
with every device at its steepest fall: a lower bound of A at any voltage, for slopes only add to it. Then

    A + B·D⁻¹·Bᵀ > 0                          there is one operating point, whatever the inputs;
    and  A + γ·C > 0,  γ = min eig(D, L)      the circuit comes to rest there, whatever the start (C, L: storage).

Why the first: the energy with recovery eliminated is strictly convex. Why the second: with D' = D − γ·L ≥ 0,

    H = ½·v'ᵀ·C·v' + γ·Φ(v) + ½·vᵀ·B·L⁻¹·Bᵀ·v − vᵀ·B·L⁻¹·D'·i + ½·iᵀ·D·L⁻¹·D'·i

(v' = dv/dt, Φ the energy of the activators, i recovery) falls along every trajectory:

    dH/dt = −v'ᵀ·(A + γ·C)·v' − i'ᵀ·D'·i' ,

and is bounded below by γ times that convex energy. So what moves comes to rest (LaSalle), at the only place there is.
Without recovery H is the energy itself. C and L have to be the whole storage, each by itself: a capacitor between an
activator and a recovery variable leaves the second open.

Predictive coding has an energy that is not convex and still one operating point, see `predicted`.

Without a scaling (transconductors, one-way amplifiers) there is no energy; then differences δ of trajectories may
shrink: δᵀ·d·Q·δ does if d·K + Kᵀ·d > 0 at any voltage, for some weights d > 0. Where conductance outweighs coupling,
such weights exist and are found from K alone. In a cascade each stage may be looked at by itself: what it hears from
the stages before comes to rest first.

Source: Brayton & Moser 1964 (mixed potentials and Lyapunov functions made of them; H is of that kind);
Berman & Plemmons 1979, "Nonnegative matrices in the mathematical sciences", chapter 6 (the weights);
Lohmiller & Slotine 1998, Automatica 34 (contraction, of cascades, too).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, eigh, eigvalsh
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.predicted import predicted_once
from eqcirc.typing import Array

MARGIN = 1e-9  # relative, of a bound that holds
LEAST_SLOPE = (
    1e-12  # S; a device may have any slope, and so ties the weights of two unknowns where no part does
)


@dataclass(frozen=True)
class Certificate:
    """What holds for all inputs.

    Attributes:
        unique: there is one operating point.
        attracting: and the circuit comes to rest there, from any start.
    """

    unique: bool
    attracting: bool


def certificate(dynamics: Dynamics) -> Certificate:
    """Return what can be said for the values of `dynamics` without looking at inputs. False means: not known."""
    if dynamics.plan.passive:
        return Certificate(True, True)
    t, k = dynamics.scaling, dynamics.steepest()
    if t is None:
        return _contracting(dynamics, k, everywhere=True)
    if predicted_once(dynamics, t):
        return Certificate(True, _descends(dynamics, t))
    return Certificate(False, False) if _active_recovery(dynamics, t) else _convex(dynamics, t, k)


def stable_here(dynamics: Dynamics, k: Array) -> bool:
    """Return whether the same proof, with the slopes that K (size, size) holds, says that perturbations die out.

    False means: not known. It costs two factorisations, where eigenvalues cost some fifty.
    """
    if not np.isfinite(k).all():
        return False
    t = dynamics.scaling
    here = _contracting(dynamics, k) if t is None else _convex(dynamics, t, k)
    return here.attracting


def _descends(dynamics: Dynamics, t: Array) -> bool:
    """Whether recovery follows at once and all activators store, so that the circuit goes down in energy."""
    return bool((dynamics.moving == (t > 0)).all()) and _stores_energy(np.abs(t)[:, None] * dynamics.storage)


def _convex(dynamics: Dynamics, t: Array, k: Array) -> Certificate:
    """With a scaling t (size,): what A, B, C, D and L say."""
    a, b, d = blocks(t, k)
    unique = positive(d) and positive(reduced(a, b, d))
    return Certificate(
        unique,
        unique and _stores_energy(np.abs(t)[:, None] * dynamics.storage) and _damped(dynamics, t, a, d),
    )


def _contracting(dynamics: Dynamics, k: Array, *, everywhere: bool = False) -> Certificate:
    """Without a scaling: whether weights d make d·K + Kᵀ·d positive, at any voltage or with these slopes."""
    attracting, strong = True, _magnitudes(dynamics)
    for members in _stages((strong != 0) | (k != 0) | (dynamics.storage != 0)):
        inside = np.ix_(members, members)
        for some in _weights(strong[inside], k[inside]):
            weights = np.zeros(dynamics.size)
            weights[members] = some
            weighted = weights[members, None] * k[inside]
            symmetric = (weighted + weighted.T) / 2
            passes = True
            if everywhere:
                passes = all(j.dissipative(weights) for j in dynamics.plan.junctions)
                symmetric -= np.diag(_doubt(dynamics, weights)[members])
            if passes and positive(symmetric):
                attracting &= _stores_energy(weights[members, None] * dynamics.storage[inside])
                break
        else:
            return Certificate(False, False)
    return Certificate(True, attracting)


def _weights(strong: Array, k: Array) -> Iterator[Array]:
    """Yield weights worth trying for one stage, the cheap ones first."""
    yield np.ones(len(k))
    if len(k) == 1:
        return  # no weight matters
    yield _balanced_weights(strong)
    found = _diagonal_weights(k)
    if found is not None:
        yield found


def _doubt(dynamics: Dynamics, weights: Array) -> Array:
    """Return what (size,) cells may take from the diagonal of the weighted, symmetrised K."""
    total = np.zeros(dynamics.size)
    for junctions, area in zip(dynamics.plan.junctions, dynamics.bare.areas, strict=True):
        total += junctions.doubt(weights, area)
    return total


def _stages(linked: np.ndarray) -> list[np.ndarray]:
    """Return the stages of a cascade: states that depend on each other (size, size), of which others at most hear."""
    count, stage = connected_components(csr_array(linked), directed=True, connection="strong")
    return [np.flatnonzero(stage == label) for label in range(count)]


def _balanced_weights(k: Array) -> Array:
    """Return weights d with d_i·k_ij = d_j·k_ji for magnitudes k: what is reciprocal, or gyrates, does so in one unit.

    They are found along the strongest pairs, one for each further state; whether others agree is not asked.
    """
    own = np.sqrt(np.where(np.diag(k) > 0, np.diag(k), 1.0))
    both = np.sqrt(k * k.T) / np.outer(own, own)
    np.fill_diagonal(both, 0.0)
    tree = minimum_spanning_tree(csr_array(-both))
    weights = np.ones(len(k))
    order, before = breadth_first_order(tree, 0, directed=False)
    for j in order[1:].tolist():
        i = int(before[j])
        weights[j] = weights[i] * k[i, j] / k[j, i]
    return weights


def _magnitudes(dynamics: Dynamics) -> Array:
    """Return how strongly states (size, size) act on each other, part by part."""
    size: Array = np.abs(dynamics.whole(dynamics.system.magnitudes()[None])[0])
    for j in dynamics.plan.junctions:
        strengths = [np.abs(entries[0]) for entries in j.cross_slopes(np.ones((1, j.count)))]
        np.add.at(size, j.pairs, LEAST_SLOPE * np.concatenate([np.empty(0), *strengths]))
    return size


def _diagonal_weights(k: Array) -> Array | None:
    """Return weights d for a matrix whose diagonal outweighs the rest in some units; None if there are no such units.

    With ⟨K⟩ the magnitudes of K, negative beside the diagonal: ⟨K⟩·x = 1 and ⟨K⟩ᵀ·y = 1 have positive solutions then,
    and d = y/x.
    """
    own = np.diag(k)
    if (own <= 0).any():
        return None
    size = np.sqrt(np.outer(own, own))  # so that the right-hand sides mean the same everywhere
    compared = 2 * np.eye(len(own)) - np.abs(k) / size
    try:
        x, y = (np.linalg.solve(m, np.ones(len(own))) for m in (compared, compared.T))
    except np.linalg.LinAlgError:
        return None
    return np.asarray(y / x) if (x > 0).all() and (y > 0).all() else None


def blocks(t: Array, k: Array) -> tuple[Array, Array, Array]:
    """Return A, B and D of the Hessian diag(t)·K."""
    hessian = t[:, None] * k
    hessian = (hessian + hessian.T) / 2
    up, down = t > 0, t < 0
    return hessian[np.ix_(up, up)], hessian[np.ix_(up, down)], -hessian[np.ix_(down, down)]


def reduced(a: Array, b: Array, d: Array) -> Array:
    """Return the Hessian with recovery eliminated."""
    return a + b @ np.linalg.solve(d, b.T) if len(d) else a


def positive(matrix: Array) -> bool:
    """Whether a symmetric matrix is positive definite by more than rounding, whatever the units of its rows."""
    own = np.diag(matrix)
    if not (own > 0).all():
        return not len(own)
    unit = matrix / np.sqrt(np.outer(own, own))
    try:
        cholesky(unit - MARGIN * np.eye(len(own)))
    except np.linalg.LinAlgError:
        return False
    return True


def _stores_energy(q: Array) -> bool:
    """Whether weighted storage is symmetric and not negative; a capacitor across an amplifier can make it so."""
    own = np.diag(q)
    if np.array_equal(q, np.diag(own)):
        return bool((own >= 0).all())
    size = np.abs(q).max()
    return bool(np.abs(q - q.T).max() <= MARGIN * size and eigvalsh((q + q.T) / 2)[0] >= -MARGIN * size)


def _active_recovery(dynamics: Dynamics, t: Array) -> bool:
    """Whether a nonlinear device sits at a recovery node, where more slope means less reduced curvature."""
    ends = [end.unknowns for junction in dynamics.plan.junctions for end in junction.sinks]
    return any(bool((t[k] < 0).any()) for k in ends)


def _damped(dynamics: Dynamics, t: Array, a: Array, d: Array) -> bool:
    """Whether A + γ·C > 0, activators without storage eliminated."""
    moving, storage = dynamics.moving, np.abs(t)[:, None] * dynamics.storage
    up, down = t > 0, t < 0
    if not len(d):
        return True  # a gradient system: it goes down in energy, and cannot oscillate
    if not moving[down].all() or (t[dynamics.plan.unknown[dynamics.ends]] < 0).any():
        return False
    if storage[np.ix_(up, down)].any():  # the proof takes activators and recovery to store apart
        return False
    # the other way round, for capacitors that float between recovery nodes leave L singular
    gamma = 1 / float(eigh(storage[np.ix_(down, down)], d, eigvals_only=True)[-1])
    stays = moving[up]
    if not stays.all():
        at_once, beside = a[np.ix_(~stays, ~stays)], a[np.ix_(stays, ~stays)]
        if not positive(at_once):  # it would run away at any small capacitance
            return False
        a = a[np.ix_(stays, stays)] - beside @ np.linalg.solve(at_once, beside.T)
    held = up & moving
    return positive(a + gamma * storage[np.ix_(held, held)])
