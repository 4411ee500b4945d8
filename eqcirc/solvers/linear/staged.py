"""Solves stage by stage where a circuit is a cascade: what hears of others only is solved after them.

Unknowns that depend on each other form a stage; stages that do not hear of each other are solved together. So a block
triangular Jacobian, of a feedforward network or of a doubled circuit, costs what its diagonal blocks cost:

    J_ss·x_s = b_s − Σ over earlier stages t of J_st·x_t .
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from eqcirc.circuit.reduction import LARGEST_DENSE
from eqcirc.solvers.equations import Linearised
from eqcirc.solvers.linear.base import LinearSolver, Matrix
from eqcirc.sparse import dense, light, times
from eqcirc.typing import Array, NodeArray


class Block(NamedTuple):
    """What a stage is to the solver of its block.

    Attributes:
        pattern: (m, m), not zero where its part of M can be.
        pairs: rows and columns of the entries that devices add to it.
        outputs: its unknowns that a nudge adds to.
    """

    pattern: csr_array
    pairs: tuple[NodeArray, NodeArray]
    outputs: NodeArray


def stages(pattern: csr_array) -> list[NodeArray]:
    """Return the stages of a cascade, first ones first, of a matrix (n, n) whose rows hear of their columns."""
    count, label = connected_components(pattern, directed=True, connection="strong")
    entries = pattern.tocoo()
    row, column = label[entries.row], label[entries.col]
    across = row != column
    row, column, depth = row[across], column[across], np.zeros(count, np.intp)
    while True:
        later = depth.copy()
        np.maximum.at(later, row, depth[column] + 1)
        if (later == depth).all():
            break
        depth = later
    return [np.flatnonzero(depth[label] == level) for level in range(int(depth.max(initial=0)) + 1)]


@dataclass(frozen=True, eq=False)
class _Part:
    """The part of M that a stage has by itself, as `Matrix`."""

    matrix: Array | csr_array
    diagonal: Array
    strength: Array


class _Stage:
    """One stage: its unknowns, and which entries of the Jacobian are its own and which come from earlier ones."""

    def __init__(
        self,
        members: NodeArray,
        earlier: NodeArray,
        pattern: csr_array,
        pairs: tuple[NodeArray, NodeArray],
        outputs: NodeArray,
        best: Callable[[Block], LinearSolver],
    ) -> None:
        place = np.full(pattern.shape[0], -1)
        place[members] = np.arange(len(members))
        before = np.zeros(len(place), bool)
        before[earlier] = True
        self.members, self.earlier, (rows, columns) = members, earlier, pairs
        self.inside = np.flatnonzero((place[rows] >= 0) & (place[columns] >= 0))
        self.crossing = np.flatnonzero((place[rows] >= 0) & before[columns])
        self.pairs = place[rows[self.inside]], place[columns[self.inside]]
        self.into, self.by = place[rows[self.crossing]], columns[self.crossing]
        self.own, self.others = np.flatnonzero(place[outputs] >= 0), np.flatnonzero(before[outputs])
        self.outputs, self.read = place[outputs[self.own]], outputs[self.others]
        self.linear = best(Block(pattern[members][:, members], self.pairs, self.outputs))

    def part(self, system: Matrix) -> tuple[_Part, Array | csr_array]:
        """Return what is its own, and what comes from earlier stages."""
        m, own = system.matrix, self.members
        block = m[own][:, own]
        inner = dense(block) if len(own) <= LARGEST_DENSE else csr_array(block)
        before = csr_array(m[own][:, self.earlier])
        return _Part(inner, system.diagonal[own], system.strength[own]), light(csr_array(before.T))

    def linearised(self, at: Linearised) -> Linearised:
        """Return the additions to its block."""
        own = self.members
        outputs = None if at.outputs is None else at.outputs[:, self.own[:, None], self.own]
        return replace(
            at,
            residual=at.residual[:, own],
            diagonal=at.diagonal[:, own],
            beside=at.beside[:, self.inside],
            outputs=outputs,
            tolerance=at.tolerance[:, own],
            pairs=self.pairs,
            output_unknowns=self.outputs,
        )

    def heard(self, at: Linearised, x: Array) -> Array:
        """Return the currents (…, row, m) that devices and a nudge carry here from x (…, row, n) of earlier stages."""
        total = np.zeros((*x.shape[:-1], len(self.members)))
        if self.crossing.size:
            flows = at.beside[:, self.crossing] * x[..., self.by]
            np.add.at(np.moveaxis(total, -1, 0), self.into, np.moveaxis(flows, -1, 0))
        if at.outputs is not None and self.own.size and self.others.size:
            pulls = at.outputs[:, self.own[:, None], self.others]
            total[..., self.outputs] += np.einsum("rab,...rb->...ra", pulls, x[..., self.read])
        return total


class Staged:
    """Solves one stage after the other."""

    def __init__(
        self,
        order: list[NodeArray],
        pattern: csr_array,
        pairs: tuple[NodeArray, NodeArray],
        outputs: NodeArray,
        best: Callable[[Block], LinearSolver],
    ) -> None:
        """Fix the order of stages; `best` chooses the solver of a block."""
        ended = [np.concatenate([np.empty(0, np.intp), *order[:k]]) for k in range(len(order))]
        self._stages = [
            _Stage(members, earlier, pattern, pairs, outputs, best)
            for members, earlier in zip(order, ended, strict=True)
        ]
        self._cut: tuple[Matrix, list[tuple[_Part, Array | csr_array]]] | None = None

    def solve(self, system: Matrix, at: Linearised, rhs: Array) -> Array:
        """See `LinearSolver.solve`."""
        if self._cut is None or self._cut[0] is not system:
            self._cut = system, [stage.part(system) for stage in self._stages]
        x = np.empty_like(rhs)
        for stage, (part, before) in zip(self._stages, self._cut[1], strict=True):
            b = rhs[..., stage.members]
            if stage.earlier.size:
                b = b - times(x[..., stage.earlier], before) - stage.heard(at, x)
            x[..., stage.members] = stage.linear.solve(part, stage.linearised(at), b)
        return x
