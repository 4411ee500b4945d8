"""A sample's result does not depend on the samples around it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.solvers.base import Nudge, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from tests.catalogue import Case, random_layered

Make = Callable[..., Solver]


@pytest.fixture(scope="module")
def example() -> Case:
    case = random_layered(np.random.default_rng(5), (5, 4))
    return Case(case.circuit, np.random.default_rng(6).uniform(-1, 1, (12, 3)))


@pytest.fixture(params=["ideal", "reduced", "full"])
def solver(request: pytest.FixtureRequest, example: Case, spice: Callable[..., NgspiceSolver]) -> Solver:
    if request.param == "ideal":
        return IdealSolver(example.circuit)
    return spice(example.circuit, netlist=request.param)


@pytest.fixture
def nudge(example: Case) -> Nudge:
    return example.nudge()


def test_order_of_samples_does_not_matter(solver: Solver, example: Case, nudge: Nudge) -> None:
    order = np.random.default_rng(1).permutation(len(example.inputs))
    straight = solver.solve(None, example.inputs, nudge).require().voltages
    shuffled = solver.solve(None, example.inputs[order], nudge.take(order)).require().voltages
    np.testing.assert_allclose(shuffled, straight[:, order], rtol=0, atol=1e-10)


def test_a_sample_alone_is_a_sample_in_a_batch(solver: Solver, example: Case, nudge: Nudge) -> None:
    together = solver.solve(None, example.inputs, nudge).require().voltages
    for k in (0, 7):
        alone = solver.solve(None, example.inputs[k : k + 1], nudge.take(slice(k, k + 1))).require().voltages
        np.testing.assert_allclose(alone[:, 0], together[:, k], rtol=0, atol=1e-10)


def test_the_same_call_gives_the_same_bits(solver: Solver, example: Case, nudge: Nudge) -> None:
    first, second = (solver.solve(None, example.inputs, nudge).voltages for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("sweep", [1, 5, 12, 100])
def test_length_of_sweeps_does_not_matter(
    sweep: int, example: Case, nudge: Nudge, spice: Callable[..., NgspiceSolver]
) -> None:
    found = spice(example.circuit, sweep=sweep).solve(None, example.inputs, nudge).require().voltages
    expected = IdealSolver(example.circuit).solve(None, example.inputs, nudge).voltages
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_number_of_workers_does_not_change_a_bit(
    example: Case, nudge: Nudge, spice: Callable[..., NgspiceSolver]
) -> None:
    one = spice(example.circuit, sweep=3).solve(None, example.inputs, nudge).voltages
    with NgspiceSolver(example.circuit, sweep=3, workers=2) as solver:
        two = solver.solve(None, example.inputs, nudge).require().voltages
    np.testing.assert_array_equal(one, two)
