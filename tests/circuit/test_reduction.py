"""The reduction is exact: its solutions obey Kirchhoff's laws of the whole circuit, and no others do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import root

from eqcirc.circuit.incidence import Incidence
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import as_slice
from tests.catalogue import NAMES, S, case, random_layered
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
    found, _ = Equations(system, fixed).linearise(u)
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
    some = [case(name) for name in ("differential", "signed", "coupling", "dual_rail", "amplified_dual_rail")]
    for example in (*some, random_layered(np.random.default_rng(0), (5, 4))):
        whole, pieces = Reduction(example.circuit), Reduction(example.circuit)
        assert whole.blocks
        elements = (*pieces.scattered.elements, *pieces.blocks)
        pieces.scattered, pieces.blocks = Incidence.of(pieces, elements), []
        block, single = ReducedSystem(whole), ReducedSystem(pieces)
        for name in ("matrix", "diagonal", "strength"):
            np.testing.assert_allclose(getattr(block, name), getattr(single, name), rtol=1e-14, atol=1e-20)
        fixed = whole.circuit.fixed_voltages(example.inputs)
        np.testing.assert_allclose(block.norton(fixed), single.norton(fixed), rtol=1e-14, atol=1e-20)


@pytest.mark.parametrize("name", [*NAMES, "layered"])
def test_products_without_the_whole_matrix_are_the_same(name: str) -> None:
    rng = np.random.default_rng(3)
    plan = Reduction((random_layered(rng, (5, 4)) if name == "layered" else case(name)).circuit)
    system = ReducedSystem(plan)
    u = rng.normal(0, 1, (3, plan.n))
    np.testing.assert_allclose(system.multiply(u), u @ system.matrix.T, rtol=1e-12, atol=1e-18)
    strength = np.abs(system.matrix).sum(axis=1)
    if name == "asymmetric":  # a transconductor beside a weight of a crossbar: both count
        assert (system.strength >= strength * (1 - 1e-12)).all()
    else:
        np.testing.assert_allclose(system.strength, strength, rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_reciprocal_circuits_have_a_symmetric_matrix(name: str) -> None:
    plan = Reduction(case(name).circuit)
    matrix = ReducedSystem(plan).matrix
    if plan.reciprocal:
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, atol=1e-20)
    else:
        one_way = any(not e.reciprocal for e in plan.circuit.elements)
        assert one_way or name in {"amplifier_chain", "one_way"}


def test_matrices_of_very_large_circuits_are_sparse() -> None:
    for example in (case("ladder"), random_layered(np.random.default_rng(0), (5, 4))):
        plan = Reduction(example.circuit)
        dense = ReducedSystem(plan).matrix
        plan.dense = False
        np.testing.assert_array_equal(ReducedSystem(plan).matrix.toarray(), dense)


def test_as_slice_takes_only_consecutive_indices() -> None:
    assert as_slice(np.array([3, 4, 5])) == slice(3, 6)
    assert as_slice(np.array([], np.intp)) == slice(0, 0)
    assert not isinstance(as_slice(np.array([3, 5])), slice)
