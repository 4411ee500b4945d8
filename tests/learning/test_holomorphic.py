"""Holomorphic Equilibrium Propagation: the error falls with beta to the power of the number of nudges."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.errors import ConfigError, SolverError, SymmetryError
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.holomorphic import Holomorphic
from eqcirc.learning.rule import Rule, flat
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient, relative_error
from tests.case import Case
from tests.catalogue import case

COSTS: list[Cost] = [SquaredError(), SoftmaxCrossEntropy(20.0)]


def measured(rule: Rule, example: Case) -> Array:
    targets = example.nudge(rule.cost).targets
    found = rule.measure(IdealSolver(example.circuit), None, example.inputs, targets)
    found.points.require()
    return flat(found.gradient())


def exact(example: Case, cost: Cost) -> Array:
    free = IdealSolver(example.circuit).solve(None, example.inputs).require().free
    targets = example.nudge(cost).targets
    values = example.circuit.parameters
    return flat(adjoint_gradient(example.circuit, values, example.inputs, targets, cost, free))


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("nudges", [2, 3, 4])
@pytest.mark.parametrize("name", ["signed", "antiparallel", "amplifier", "neurons", "tunnel"])
def test_the_error_falls_with_the_power_that_is_the_number_of_nudges(
    name: str, nudges: int, cost: Cost
) -> None:
    example = case(name)
    if isinstance(cost, SoftmaxCrossEntropy) and example.circuit.readout.n_outputs == 1:
        pytest.skip("one class has nothing to learn")
    beta = {"antiparallel": 1e-7}.get(name, 4e-7)
    coarse, fine = (
        relative_error(measured(Holomorphic(example.circuit, cost, b, nudges), example), exact(example, cost))
        for b in (beta, beta / 2)
    )
    assert fine < 1e-8 or coarse / fine == pytest.approx(2**nudges, rel=0.25)


def test_two_nudges_are_a_centred_difference() -> None:
    """That of AsymEP, which takes the free state for the middle of both."""
    example, cost = case("signed"), SquaredError()
    two, centred = (
        measured(rule, example)
        for rule in (Holomorphic(example.circuit, cost, 1e-6, 2), AsymEP(example.circuit, cost, 1e-6))
    )
    np.testing.assert_allclose(two, centred, rtol=1e-7, atol=1e-9 * np.abs(centred).max())


def test_ten_nudges_bear_a_beta_that_two_do_not() -> None:
    """As published: large nudges, and hardly an error."""
    example, cost = case("signed"), SquaredError()
    errors = [
        relative_error(measured(Holomorphic(example.circuit, cost, 5e-6, n), example), exact(example, cost))
        for n in (2, 10)
    ]
    assert errors[0] > 1e-3
    assert errors[1] < 1e-6 * errors[0] or errors[1] < 1e-6


def test_a_beta_beyond_the_branch_is_found_out() -> None:
    """Diodes bend: complex nudges of a third of the output's conductance lead anywhere."""
    example, cost = case("antiparallel"), SquaredError()
    rule = Holomorphic(example.circuit, cost, 3e-5, 4)
    found = rule.measure(IdealSolver(example.circuit), None, example.inputs, example.nudge(cost).targets)
    assert not found.points.converged.all()


def test_it_is_refused_where_it_cannot_be() -> None:
    example, cost = case("signed"), SquaredError()
    for nudges in (1, 2.5):
        with pytest.raises(ConfigError, match=f"at least 2, got {nudges}"):
            Holomorphic(example.circuit, cost, 1e-7, nudges)  # type: ignore[arg-type]
    with pytest.raises(SymmetryError):
        Holomorphic(case("feedforward").circuit, cost, 1e-7)
    with NgspiceSolver(example.circuit) as solver, pytest.raises(SolverError, match="complex voltages"):
        Holomorphic(example.circuit, cost, 1e-7).measure(
            solver, None, example.inputs, example.nudge(cost).targets
        )


def test_samples_without_a_free_phase_fail_alone() -> None:
    example, cost = case("signed"), SquaredError()
    inputs = example.inputs.copy()
    inputs[3] = 1e30
    found = Holomorphic(example.circuit, cost, 1e-7).measure(
        IdealSolver(example.circuit), None, inputs, example.nudge(cost).targets
    )
    assert found.points.converged.tolist() == [True, True, True, False, True]
    assert np.isfinite(flat(found.gradient())).all()
    assert found.take(found.points.converged).contrast.shape == (4, example.circuit.n_nodes)
