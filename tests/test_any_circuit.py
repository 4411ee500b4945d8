"""Random circuits of any shape against the independent referee; `scripts/verify_any.py` does it at length."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from oracle import generate
from oracle.generate import Case
from oracle.gradient import CrossEntropy, gradient
from oracle.gradient import SquaredError as SquaredErrorOracle
from oracle.solve import operating_point
from translate import translate

from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.errors import SymmetryError
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.certificate import certificate
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array

RIGHT, PRECISE = 1e-8, 1e-6
SEEDS = st.integers(0, 2**32 - 1)


def drawn(kind: Callable[[np.random.Generator], Case], seed: int) -> Case:
    case = kind(np.random.default_rng(seed))
    assume(case.description.n_nodes >= 5)
    return case


def off(found: Array, exact: Array) -> float:
    return float(np.abs(found - exact).max() / np.abs(exact).max())


@pytest.mark.parametrize("kind", [generate.passive, generate.one_way])
@given(seed=SEEDS)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_what_converges_is_right(kind: Callable[[np.random.Generator], Case], seed: int) -> None:
    case = drawn(kind, seed)
    circuit = translate(case.description, "any").circuit
    inputs = case.samples[:, : circuit.inputs.n_features]
    assume(
        certificate(Dynamics.of(circuit, None, inputs)).attracting
    )  # others are followed, which takes long
    points = IdealSolver(circuit).solve(None, inputs)
    for k in np.flatnonzero(points.converged):
        exact = np.asarray(operating_point(case.description, case.samples[k]).voltages, float)
        assert off(points.free[k, : case.description.n_nodes], exact) <= RIGHT


@given(seed=SEEDS)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_what_ngspice_answers_is_right(seed: int, spice: Callable[..., NgspiceSolver]) -> None:
    case = drawn(generate.passive, seed)
    circuit = translate(case.description, "any").circuit
    inputs = case.samples[:1, : circuit.inputs.n_features]
    assume(certificate(Dynamics.of(circuit, None, inputs)).attracting)
    exact = np.asarray(operating_point(case.description, case.samples[0]).voltages, float)
    for netlist in ("reduced", "full"):
        points = spice(circuit, netlist=netlist).solve(None, inputs)
        if points.converged[0]:
            assert off(points.free[0, : case.description.n_nodes], exact) <= RIGHT


@given(seed=SEEDS)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_gradients_are_gradients(seed: int) -> None:
    """Within what the solver says of noise and halving beta says of bias; value·dC/dvalue are compared."""
    case = drawn(generate.passive, seed)
    built = translate(case.description, "any")
    circuit, parts = built.circuit, list(built.places)
    inputs = case.samples[:1, : circuit.inputs.n_features]
    assume(parts and certificate(Dynamics.of(circuit, None, inputs)).attracting)
    one_hot = case.targets[0].sum() == 1 and len(case.targets[0]) > 1
    cost: Cost = SoftmaxCrossEntropy(case.softness) if one_hot else SquaredError()
    target = case.targets[0].tolist()
    theirs = CrossEntropy(target, case.softness) if one_hot else SquaredErrorOracle(target)
    solution = operating_point(case.description, case.samples[0])
    size = np.array([case.description.parts[k].value for k in parts])
    exact = size * gradient(case.description, case.samples[0], solution, theirs, parts).values
    assume(np.linalg.norm(exact) > 1e-6)  # V² or V: something is left to learn
    volts = np.abs(np.asarray(solution.voltages, float)).max()
    solver, found, noise = IdealSolver(circuit), [], 0.0
    for beta in (1e-9, 5e-10):
        try:
            rule = EqProp(circuit, cost, beta)
        except SymmetryError:
            return
        points = solver.solve(None, inputs, rule.nudge(case.targets[:1], None))
        if not points.converged[0] or points.noise is None:
            return
        noise = max(noise, float(points.noise[0]))
        measured = rule.gradient(points, None)
        found.append(
            size * np.array([measured[built.places[k].element].ravel()[built.places[k].index] for k in parts])
        )
    bias = 4 / 3 * np.linalg.norm(found[0] - found[1])
    floor = PRECISE * max(float(np.linalg.norm(exact)), 1e-6 * volts)
    allowed = floor + 3 * bias + 20 * noise * np.linalg.norm(exact)
    assert np.linalg.norm(found[0] - exact) <= allowed
