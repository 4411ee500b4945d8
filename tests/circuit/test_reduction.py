"""The reduction is exact: its solutions obey Kirchhoff's laws of the whole circuit, and no others do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import root

from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction, as_slice
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.catalogue import NAMES, S, case
from tests.kirchhoff import amplifiers, residual


@pytest.mark.parametrize("name", NAMES)
def test_whole_circuit_has_the_same_operating_point(name: str) -> None:
    """Newton's method on all nodes, without reduction, started beside the solution, ends at it."""
    circuit, inputs = case(name).circuit, case(name).inputs
    points = IdealSolver(circuit).solve(None, inputs).require().free
    free, rng = circuit.free_nodes, np.random.default_rng(0)
    behind = np.isin(free, [b for _, b, _, _ in amplifiers(circuit)])
    for point in points:
        v = point.copy()

        def laws(x: np.ndarray, v: np.ndarray = v) -> np.ndarray:
            v[free] = x
            left = residual(circuit, v)[free]
            return np.where(behind, left, left / S)  # volts and amperes on one scale

        found = root(laws, point[free] + rng.normal(0, 1e-3, len(free)), method="hybr", tol=1e-14)
        np.testing.assert_allclose(found.x, point[free], atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_reduced_equations_are_weighted_sums_of_kirchhoffs_laws(name: str) -> None:
    """At any voltages, not only at solutions: F_k = sum of weights·(current leaving the nodes of unknown k)."""
    circuit, inputs = case(name).circuit, case(name).inputs[:1]
    plan = Reduction(circuit)
    fixed = circuit.fixed_voltages(inputs)
    system = ReducedSystem(plan)
    u = np.random.default_rng(1).normal(0, 0.05, (1, plan.n))
    found, _ = Equations(system, fixed).linearise(u, np.asarray(u @ system.matrix.T))
    v = plan.expand(u[None], fixed)[0, 0]
    driven = {b for _, b, _, _ in amplifiers(circuit)}
    laws = residual(circuit, v)
    assert all(abs(laws[n]) < 1e-15 for n in driven), "amplifier outputs follow their inputs"
    roots = np.array([n for n in circuit.free_nodes if n not in driven])
    expected = np.bincount(plan.unknown[roots], plan.current[roots] * laws[roots], minlength=plan.n)
    np.testing.assert_allclose(found.residual[0], expected, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", NAMES)
def test_pattern_covers_the_matrix(name: str) -> None:
    plan = Reduction(case(name).circuit)
    outside = ReducedSystem(plan).matrix[plan.pattern().toarray() == 0]
    assert (outside == 0).all()


def test_a_hidden_coupling_stays_in_the_pattern() -> None:
    """Its entry is zero with the first values, not with others."""
    plan = Reduction(case("cancelled_coupling").circuit)
    a, b = plan.unknown[plan.circuit.free_nodes[:2]]
    assert ReducedSystem(plan).matrix[a, b] == 0
    assert plan.pattern()[a, b] > 0


def test_dense_blocks_and_single_resistors_are_one_circuit() -> None:
    """A crossbar summed as a block has the matrix of its resistors."""
    plan = Reduction(case("differential").circuit)
    assert plan.blocks
    block = ReducedSystem(plan)
    fixed = plan.circuit.fixed_voltages(case("differential").inputs)
    injection = block.injection(fixed)
    plan.scattered, plan.blocks = [*plan.scattered, *plan.blocks], []
    single = ReducedSystem(plan)
    np.testing.assert_allclose(block.matrix, single.matrix, rtol=1e-14, atol=1e-20)
    np.testing.assert_allclose(injection, single.injection(fixed), rtol=1e-14, atol=1e-20)


def test_matrices_of_very_large_circuits_are_sparse() -> None:
    plan = Reduction(case("ladder").circuit)
    dense = ReducedSystem(plan)
    plan.dense = False
    sparse = ReducedSystem(plan)
    np.testing.assert_array_equal(sparse.matrix.toarray(), dense.matrix)
    np.testing.assert_allclose(sparse.diagonal, dense.diagonal)
    np.testing.assert_allclose(sparse.strength, dense.strength)


def test_as_slice_takes_only_consecutive_indices() -> None:
    assert as_slice(np.array([3, 4, 5])) == slice(3, 6)
    assert as_slice(np.array([], np.intp)) == slice(0, 0)
    assert not isinstance(as_slice(np.array([3, 5])), slice)
