"""Whether a circuit predicts each of its voltages once: then there is one operating point, though no energy is convex.

With the recovery variables (errors) eliminated, the energy of such a circuit is a sum of squares, of errors and of the
currents of bidirectional sources:

    P(v) = ½·Σ_k d_k·r_k(v)²,   d_k > 0,        and at an operating point   dP/dv = r'(v)ᵀ·d·r = 0 .

If the residuals r can be made 0 one after the other, each by one further voltage, then r' is square and triangular with
nothing 0 on its diagonal, at any v: so r = 0, and v is what forward substitution gives. That is a feedforward network.
Voltages are bounded where P is, so a circuit that goes down in P comes to rest there from any start (LaSalle).
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.two_ports import TwoPorts
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.sparse import dense
from eqcirc.typing import Array


def predicted_once(dynamics: Dynamics, t: Array) -> bool:
    """Return whether that is so, for a circuit without R-L branches and with scaling factors t (n,)."""
    ports = [j for j in dynamics.plan.junctions if isinstance(j, TwoPorts)]
    if dynamics.n_branches or len(ports) < len(dynamics.plan.junctions):
        return False
    if (
        not ports and (t > 0).all()
    ):  # an ordinary linear circuit, which may be too large to be written densely
        return False
    hessian = t[:, None] * dense(dynamics.system.matrix)
    up, down = np.flatnonzero(t > 0), np.flatnonzero(t < 0)
    errors = -hessian[np.ix_(down, down)]
    own = np.diag(errors)
    if hessian[np.ix_(up, up)].any() or not (own > 0).all() or np.count_nonzero(errors) > len(down):
        return False
    by_errors = hessian[down] != 0
    by_errors[:, down] = False
    depends, decides = [by_errors], [by_errors]
    for j in ports:
        sources, outputs = (_rows(j, end, dynamics.n) for end in (0, 1))
        if not (t[sources.any(axis=0) | outputs.any(axis=0)] > 0).all():
            return False
        depends.append(sources | outputs)
        decides.append(outputs)
    return _substitutes(np.concatenate(depends), np.concatenate(decides), len(up))


def _rows(ports: TwoPorts, end: int, n: int) -> np.ndarray:
    """Return (source, n) true at the unknowns of one end of bidirectional sources."""
    found = np.zeros((len(ports.control.factor[end]), n), bool)
    free = np.flatnonzero(ports.control.factor[end])
    found[free, ports.control.unknown[end][free]] = True
    return found


def _substitutes(depends: np.ndarray, decides: np.ndarray, wanted: int) -> bool:
    """Return whether forward substitution finds all unknowns that are wanted, and uses each residual for one.

    Args:
        depends: (residual, n) on which unknowns residuals depend.
        decides: (residual, n) those that a residual can be solved for.
        wanted: number of unknowns.
    """
    left, known = np.ones(len(depends), bool), np.zeros(depends.shape[1], bool)
    while left.any():
        open_ = depends & ~known & left[:, None]
        now = np.flatnonzero((open_.sum(axis=1) == 1) & (open_ & decides).any(axis=1))
        found = open_[now].argmax(axis=1)
        if not now.size or np.unique(found).size < found.size:
            return False
        known[found], left[now] = True, False
    return int(known.sum()) == wanted == len(depends)
