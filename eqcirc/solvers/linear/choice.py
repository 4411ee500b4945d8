"""Which linear solver suits a circuit: chosen once, from its topology."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array, csr_array

from eqcirc.circuit.reduction import LARGEST_DENSE, Reduction
from eqcirc.devices import Coupling
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.conjugate import ConjugateGradients
from eqcirc.solvers.linear.elimination import BlockElimination, SparseLU
from eqcirc.solvers.linear.staged import Block, Staged, stages
from eqcirc.sparse import dense
from eqcirc.typing import NodeArray

SPARSE_FILL = 0.02  # density of M below which sparse LU wins, if many unknowns are left
SPARSE_KEPT = 200
ITERATED_KEPT = 64
"""Unknowns left by elimination above which conjugate gradients win on crossbars.

Measured with 2·784-n-n-10, batch 64: 1.7 times faster at 42 left, 3 at 74, 6 at 138, 18 at 266, 80 at 1,034. Where
wires are lumped, they couple all nodes of a layer, weakly: 4 times faster at 84 left.
"""


def choose(plan: Reduction, pairs: tuple[NodeArray, NodeArray] | None = None) -> LinearSolver:
    """Return the best way for this circuit; `pairs` are those of the Jacobians, if not those of the plan."""
    pattern, pairs = plan.pattern(), plan.pairs if pairs is None else pairs
    whole = Block(pattern, pairs, plan.outputs.unknowns)
    if not plan.reciprocal:
        order = stages(_with_additions(whole, plan))
        if len(order) > 1:
            return Staged(order, *whole, _direct)
    direct, eliminated = _direct(whole), _eliminated(whole)
    kept = plan.n - len(eliminated)
    in_blocks = sum(2 * len(element.rows) * len(element.columns) for element in plan.couplings)
    lumped = any(isinstance(element, Coupling) for element in plan.circuit.elements)
    if kept > ITERATED_KEPT and plan.reciprocal and (in_blocks > 0.5 * pattern.nnz or lumped):
        return ConjugateGradients(plan, pairs, eliminated, direct)
    return direct


def _direct(block: Block) -> LinearSolver:
    """Return the best direct solver of a block."""
    eliminated, n = _eliminated(block), block.pattern.shape[0]
    kept = n - len(eliminated)
    if (kept > SPARSE_KEPT and block.pattern.nnz < SPARSE_FILL * n**2) or n > LARGEST_DENSE:
        return SparseLU(block.outputs, block.pairs)
    return BlockElimination(n, eliminated, block.outputs, block.pairs)


def _eliminated(block: Block) -> NodeArray:
    """Return the unknowns that can leave a block: what devices and nudges add to stays."""
    forced = np.zeros(block.pattern.shape[0], bool)
    forced[block.outputs] = True
    for side in block.pairs:
        forced[side] = True
    return independent_set(block.pattern, forced)


def _with_additions(block: Block, plan: Reduction) -> csr_array:
    """Return the pattern with what devices and nudges add."""
    outputs = plan.outputs
    drawn, read = (
        block.outputs[np.abs(dense(x)).sum(axis=0) > 0]
        for x in (outputs.draw(np.ones(outputs.flow.shape[1])), outputs.read)
    )
    row = np.concatenate([block.pairs[0], np.repeat(drawn, len(read))])
    column = np.concatenate([block.pairs[1], np.tile(read, len(drawn))])
    return csr_array(block.pattern + coo_array((np.ones(len(row)), (row, column)), shape=block.pattern.shape))


def independent_set(pattern: csr_array, forbidden: np.ndarray) -> NodeArray:
    """Return unknowns that are not coupled to one another, either way, chosen greedily by fewest neighbours."""
    pattern = csr_array(pattern + pattern.T)
    degree = np.diff(pattern.indptr)
    blocked = forbidden.copy()
    chosen = np.zeros(len(blocked), bool)
    for k in np.argsort(degree, kind="stable").tolist():
        if not blocked[k]:
            chosen[k] = True
            blocked[pattern.indices[pattern.indptr[k] : pattern.indptr[k + 1]]] = True
    return np.flatnonzero(chosen)
