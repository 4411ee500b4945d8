from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.layered import Weights
from eqcirc.errors import ConfigError
from eqcirc.learning.reach import check_reach, reach
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.catalogue import NAMES, case
from tests.learning.networks import random_problem


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from(("conductance", "signed", "dual_rail")))
def test_no_weights_lead_beyond_the_bound(seed: int, values: int, weights: Weights) -> None:
    problem = random_problem(seed, weights)
    bound = reach(problem.circuit, problem.inputs)
    assume(np.isfinite(bound))
    rng = np.random.default_rng(values)
    limits = {e.name: e.bounds for e in problem.circuit.trainable}
    extreme = {
        name: rng.choice(limits[name], value.shape) for name, value in problem.circuit.parameters.items()
    }
    for parameters in (None, extreme):
        free = IdealSolver(problem.circuit).solve(parameters, problem.inputs).require().free
        assert np.abs(problem.circuit.readout.read(free)).max() <= bound * (1 + 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_bound_holds_for_any_circuit(name: str) -> None:
    some = case(name)
    free = IdealSolver(some.circuit).solve(None, some.inputs).require().free
    assert np.abs(some.circuit.readout.read(free)).max() <= reach(some.circuit, some.inputs) * (1 + 1e-9)


def test_bounds_by_hand() -> None:
    assert reach(case("divider").circuit, np.array([[0.5], [-2.0]])) == 2
    assert reach(case("amplifier").circuit, np.array([[1.0, 1.0]])) == 4  # gain 4
    assert reach(case("amplifier_to_amplifier").circuit, np.array([[1.0]])) == 3  # gains 2 and 1.5, both read
    assert (
        reach(case("differential").circuit, np.array([[0.1, 0.2]])) == 2
    )  # bias rail of 1 V, on either side


@pytest.mark.parametrize(
    "name",
    [
        "current_sources",
        "gyrator",
        "lone_transconductor",
        "transformer_loop",
        "coupling",
        "tunnel",
        "neurons",
    ],
)
def test_there_is_no_bound_where_the_principle_does_not_hold(name: str) -> None:
    some = case(name)
    assert reach(some.circuit, some.inputs) == np.inf
    check_reach(some.circuit, some.inputs, np.array([[1e9]]))


def test_a_transformer_in_a_loop_does_exceed_its_sources() -> None:
    """An autotransformer: the output, fed directly and through a gain of 4, would have a bound of 1 V."""
    b = CircuitBuilder("autotransformer")
    x, h, y, out = b.input("x"), b.nodes("h"), b.nodes("y"), b.nodes("out")
    b.conductance("feed", x, h, 1e-3)
    b.amplifier("up", h, y, 4.0, 4.0)
    b.conductance("direct", h, out, 1e-9)
    b.conductance("high", y, out, 1e-6)
    b.conductance("load", out, GROUND, 1e-9)
    circuit = b.build(out)
    output = IdealSolver(circuit).solve(None, np.array([[1.0]])).require().free[0, out[0]]
    assert output > 3
    assert output <= reach(circuit, np.array([[1.0]]))


def test_a_target_beyond_reach_is_refused() -> None:
    circuit, inputs = case("divider").circuit, np.array([[0.5]])
    check_reach(circuit, inputs, np.array([[0.5], [-0.4]]))
    with pytest.raises(
        ConfigError,
        match=r"target 0.51 V is out of reach: with these inputs, rails and gains no output exceeds 0.5 V in magnitude",
    ):
        check_reach(circuit, inputs, np.array([[-0.51]]))
