"""Which linear solver suits a circuit: chosen once, from its topology."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.conjugate import ConjugateGradients
from eqcirc.solvers.linear.elimination import BlockElimination, SparseLU
from eqcirc.typing import NodeArray

SPARSE_FILL = 0.02  # density of M below which sparse LU wins, if many unknowns are left
SPARSE_KEPT = 200
ITERATED_KEPT = 64
"""Unknowns left by elimination above which conjugate gradients win on crossbars.

Measured with 2·784-n-n-10, batch 64: 1.7 times faster at 42 left, 3 at 74, 6 at 138, 18 at 266, 80 at 1,034.
"""


def choose(plan: Reduction, pairs: tuple[NodeArray, NodeArray] | None = None) -> LinearSolver:
    """Return the best way for this circuit; `pairs` are those of the Jacobians, if not those of the plan."""
    pattern, pairs = plan.pattern(), plan.pairs if pairs is None else pairs
    forced = np.zeros(plan.n, bool)
    forced[plan.outputs.unknowns] = True
    forced[pairs[0]] = True
    eliminated = independent_set(pattern, forced)
    kept = plan.n - len(eliminated)
    direct: LinearSolver
    if (kept > SPARSE_KEPT and pattern.nnz < SPARSE_FILL * plan.n**2) or not plan.dense:
        direct = SparseLU(plan.outputs.unknowns, pairs)
    else:
        direct = BlockElimination(plan.n, eliminated, plan.outputs.unknowns, pairs)
    in_blocks = sum(2 * len(element.rows) * len(element.columns) for element in plan.couplings)
    if kept > ITERATED_KEPT and plan.reciprocal and in_blocks > 0.5 * pattern.nnz:
        return ConjugateGradients(plan, pairs, eliminated, direct)
    return direct


def independent_set(pattern: csr_array, forbidden: np.ndarray) -> NodeArray:
    """Return unknowns that are not coupled to one another, chosen greedily by fewest neighbours."""
    degree = np.diff(pattern.indptr)
    blocked = forbidden.copy()
    chosen = np.zeros(len(blocked), bool)
    for k in np.argsort(degree, kind="stable").tolist():
        if not blocked[k]:
            chosen[k] = True
            blocked[pattern.indices[pattern.indptr[k] : pattern.indptr[k + 1]]] = True
    return np.flatnonzero(chosen)
