"""Cascades are solved stage by stage: as one dense system would be, and in the right order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from eqcirc.circuit.doubled import doubled
from eqcirc.circuit.reduction import Reduction
from eqcirc.circuit.turned import turned
from eqcirc.solvers.linear.choice import choose
from eqcirc.solvers.linear.staged import Staged, stages
from tests.catalogue import case
from tests.solvers.linear.test_elimination import setup


def test_stages_come_after_what_they_hear_of() -> None:
    """0 and 1 hear of each other, 2 of 1, 3 of nothing, 4 of 2 and 3."""
    pattern = np.eye(5)
    for row, column in ((0, 1), (1, 0), (2, 1), (4, 2), (4, 3)):
        pattern[row, column] = 1
    assert [x.tolist() for x in stages(csr_array(pattern))] == [[0, 1, 3], [2], [4]]


def test_a_chain_has_as_many_stages_as_links() -> None:
    pattern = np.eye(6) + np.diag(np.ones(5), -1)
    assert [x.tolist() for x in stages(csr_array(pattern))] == [[k] for k in range(6)]


@pytest.mark.parametrize("name", ["feedforward", "lone_transconductor", "one_way"])
def test_one_way_circuits_are_cascades(name: str) -> None:
    assert isinstance(choose(Reduction(case(name).circuit)), Staged)


@pytest.mark.parametrize("name", ["signed", "feedforward", "all_cells", "asymmetric"])
def test_circuits_made_of_circuits_are_solved_as_dense_ones(name: str) -> None:
    example = case(name)
    double, turn = doubled(example.circuit), turned(example.circuit)
    free = np.random.default_rng(2).normal(0, 0.3, (len(example.inputs), example.circuit.n_nodes))
    for circuit, inputs in (
        (double.circuit, example.inputs),
        (turn.circuit, turn.inputs(example.inputs, free)),
    ):
        system, linear, at, jacobian = setup(circuit, inputs, "staged")
        rhs = np.random.default_rng(1).normal(0, 1e-5, at.residual.shape)
        expected = np.linalg.solve(jacobian, rhs[:, :, None])[:, :, 0]
        np.testing.assert_allclose(
            linear.solve(system, at, rhs), expected, rtol=1e-8, atol=1e-11 * np.abs(expected).max()
        )
    assert isinstance(choose(Reduction(double.circuit)), Staged)
