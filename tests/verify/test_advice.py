"""Which side of the best beta is this one on? What is advised must hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eqcirc.costs import SoftmaxCrossEntropy, SquaredError
from eqcirc.errors import SolverError
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.coupled import Coupled
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.phases import Variant
from eqcirc.learning.vector_field import VectorField
from eqcirc.solvers.base import Nudge, OperatingPoints
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.advice import advise
from eqcirc.verify.check import check
from tests.catalogue import case
from tests.learning.networks import random_problem

P = random_problem(4)  # two hidden layers, amplifiers, cross-entropy


class Coarse(IdealSolver):
    """Reads voltages to 1e-9 V, as a simulator with wide tolerances: nothing fails, only the contrast suffers."""

    name = "coarse"

    def solve(
        self,
        parameters: Parameters | None,
        inputs: Array,
        nudge: Nudge | None = None,
        begin: Array | None = None,
    ) -> OperatingPoints:
        points = super().solve(parameters, inputs, nudge, begin)
        return replace(points, voltages=np.round(points.voltages, 9))


@pytest.mark.parametrize("variant", ["centred", "positive", "richardson"])
@pytest.mark.parametrize(("beta", "side"), [(1e-14, "below"), (1e-13, "below"), (1e-6, "above")])
def test_the_side_is_measured_and_the_advice_holds(variant: Variant, beta: float, side: str) -> None:
    solver = Coarse(P.circuit)
    rule = EqProp(P.circuit, P.cost, beta, variant)
    advice = advise(rule, P.circuit.parameters, P.inputs, P.targets, solver)
    assert advice is not None
    assert advice.side == side
    assert advice.sentence.startswith(f"beta = {beta:.0e} is too {'small' if side == 'below' else 'large'}")
    if variant == "positive":  # the others are good to 1e-3 and less, which so coarse a reading may not reach
        assert advice.beta is not None
        better = rule.with_beta(advice.beta)
        assert advise(better, P.circuit.parameters, P.inputs, P.targets, solver) is None


@pytest.mark.parametrize("beta", [1e-30, 1e-4])
def test_where_nothing_converges_the_side_is_told_too(beta: float) -> None:
    some = (P.circuit.parameters, P.inputs, P.targets)
    rule, solver = EqProp(P.circuit, P.cost, beta), IdealSolver(P.circuit)
    with pytest.raises(SolverError):
        check(rule, *some)
    advice = advise(rule, *some, solver)
    assert advice is not None
    assert advice.side == ("below" if beta < 1e-9 else "above")
    assert advice.beta is not None
    assert all(f.holds for f in check(rule.with_beta(advice.beta), *some))


def test_nothing_is_said_of_a_good_beta() -> None:
    rule = EqProp(P.circuit, P.cost, 1e-9)
    assert advise(rule, P.circuit.parameters, P.inputs, P.targets, IdealSolver(P.circuit)) is None


def test_rules_with_circuits_of_their_own_are_advised_as_well() -> None:
    rule = AsymEP(P.circuit, P.cost, 1e-6)
    advice = advise(rule, P.circuit.parameters, P.inputs, P.targets, IdealSolver(P.circuit))
    assert advice is not None
    assert (advice.side, advice.beta is None) == ("above", False)


def test_a_rule_that_is_wrong_at_any_beta_is_not_told_to_change_it() -> None:
    some = case("lone_transconductor")
    rule = VectorField(some.circuit, SquaredError(), 1e-7)
    targets = np.full((len(some.inputs), some.circuit.readout.n_outputs), 0.2)
    advice = advise(rule, some.circuit.parameters, some.inputs, targets, IdealSolver(some.circuit))
    assert advice is not None
    assert advice.beta is None
    assert "beta is not what is wrong" in advice.sentence or "no other beta is good enough" in advice.sentence


def test_a_sharpness_that_makes_steps_is_named_and_not_beta() -> None:
    rule = EqProp(P.circuit, SoftmaxCrossEntropy(1e4), 1e-7)
    targets = np.eye(P.circuit.readout.n_outputs)[np.zeros(len(P.inputs), int)]
    advice = advise(rule, P.circuit.parameters, P.inputs, targets, IdealSolver(P.circuit))
    assert advice is not None
    assert advice.sentence.startswith("sharpness = 10000 1/V times outputs ")
    assert "beta" not in advice.sentence


def test_an_objective_of_its_own_has_no_error_to_advise_on() -> None:
    some = case("signed")
    rule = Coupled(some.circuit, SquaredError(), 0.5)
    targets = np.zeros((len(some.inputs), some.circuit.readout.n_outputs))
    assert advise(rule, some.circuit.parameters, some.inputs, targets, IdealSolver(some.circuit)) is None
