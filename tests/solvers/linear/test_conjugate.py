"""Conjugate gradients agree with the direct solvers, and hand over to them what they cannot solve."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered, Weights
from eqcirc.circuit.layers import LayerDiodes
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import Bounds, ShockleyDiode
from eqcirc.devices.conductance import DEFAULT_BOUNDS
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.base import OperatingPoints
from eqcirc.solvers.equations import Linearised
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.linear import choice, conjugate
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.choice import choose, independent_set
from eqcirc.solvers.linear.conjugate import ConjugateGradients
from eqcirc.solvers.linear.elimination import BlockElimination, SparseLU
from eqcirc.solvers.status import Status
from eqcirc.typing import Array
from tests.catalogue import NAMES, TWO_INPUTS, Case, S, case, random_layered
from tests.solvers.linear.test_elimination import setup

COSTS = (SquaredError(), SoftmaxCrossEntropy())


@dataclass
class Counting:
    """A direct solver that counts the rows it is handed."""

    linear: LinearSolver
    rows: list[int] = field(default_factory=list)

    def solve(self, system: ReducedSystem, at: Linearised, rhs: Array) -> Array:
        self.rows.append(len(rhs))
        return self.linear.solve(system, at, rhs)


def iterated(circuit: Circuit) -> tuple[ConjugateGradients, Counting]:
    """Conjugate gradients for any circuit, and the direct solver behind them."""
    plan = Reduction(circuit)
    forced = np.zeros(plan.n, bool)
    forced[plan.outputs.unknowns] = True
    forced[plan.pairs[0]] = forced[plan.pairs[1]] = True
    eliminated = independent_set(plan.pattern(), forced)
    direct = Counting(BlockElimination(plan.n, eliminated, plan.outputs.unknowns, plan.pairs))
    return ConjugateGradients(plan, plan.pairs, eliminated, direct), direct


def solve(example: Case, linear: LinearSolver, cost: Cost | None = None) -> OperatingPoints:
    solver = IdealSolver(example.circuit)
    solver._formulation.linear = linear
    return solver.solve(None, example.inputs, example.nudge(cost)).require()


def layered(k: int) -> Case:
    rng = np.random.default_rng([11, k])
    hidden = tuple(int(n) for n in rng.integers(2, 30, size=k % 4 + 1))
    return random_layered(rng, hidden, amplifiers=k % 2 == 0, differential=k % 3 == 0)


def wide(
    hidden: tuple[int, ...], skips: tuple[tuple[int, int], ...] = (), weights: Weights = "conductance"
) -> Case:
    rng = np.random.default_rng(4)
    gain = None if skips else 4.0  # an amplifier that is passed by has no scaling
    diodes = LayerDiodes(rail=0.0)
    bounds = Bounds(-1e-4, 1e-4) if weights == "signed" else DEFAULT_BOUNDS
    plan = Layered(
        hidden,
        weights,
        input_gain=20.0,
        diodes=diodes,
        gain=gain,
        differential=False,
        skips=skips,
        bounds=bounds,
    )
    return Case(plan.build("wide", 20, 10, rng), rng.uniform(0, 1, (8, 20)))


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("k", range(8))
def test_all_ways_find_the_same_operating_points(k: int, cost: Cost) -> None:
    example = layered(k)
    linear, direct = iterated(example.circuit)
    plan = Reduction(example.circuit)
    found = solve(example, linear, cost)
    assert direct.rows == [], "no sample needed the direct solver"
    for other in (direct.linear, SparseLU(plan.outputs.unknowns, plan.pairs)):
        np.testing.assert_allclose(found.voltages, solve(example, other, cost).voltages, rtol=0, atol=1e-11)


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("name", NAMES)
def test_any_circuit_is_solved_or_handed_over(name: str, cost: Cost) -> None:
    """Also those that are not reciprocal, where conjugate gradients would not be chosen."""
    example = case(name)
    linear, direct = iterated(example.circuit)
    found = solve(example, linear, cost).voltages
    np.testing.assert_allclose(found, solve(example, direct.linear, cost).voltages, rtol=0, atol=1e-11)


@pytest.mark.parametrize(
    ("hidden", "skips", "weights"),
    [
        ((256, 256), (), "conductance"),
        ((80, 70, 60), (), "conductance"),
        ((70, 80), ((1, 3),), "conductance"),
        ((70, 80, 90), ((1, 3),), "conductance"),
        ((90, 80), (), "signed"),
        ((50, 40), (), "dual_rail"),
    ],
)
def test_wide_networks_are_iterated_and_agree_with_the_direct_solver(
    hidden: tuple[int, ...], skips: tuple[tuple[int, int], ...], weights: Weights
) -> None:
    example = wide(hidden, skips, weights)
    cost = SquaredError()
    nudge = EqProp(example.circuit, cost, 1e-7).nudge(cost.targets(np.arange(8), 10), None)
    solver = IdealSolver(example.circuit)
    assert isinstance(solver._linear, ConjugateGradients)
    direct = solver._linear.direct = Counting(solver._linear.direct)
    found = solver.solve(None, example.inputs, nudge).require().voltages
    assert direct.rows == []
    solver._formulation.linear = direct
    expected = solver.solve(None, example.inputs, nudge).require().voltages
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_resistors_beside_crossbars_belong_to_the_system() -> None:
    """Also one that keeps a single node of a layer from being eliminated: then the whole layer stays."""
    b = CircuitBuilder("beside")
    x, first, second, out = b.input("x", 2), b.nodes("h1", 5), b.nodes("h2", 6), b.nodes("out", 2)
    rng = np.random.default_rng(0)
    for name, rows, columns in (("w1", x, first), ("w2", first, second), ("w3", second, out)):
        b.crossbar(name, rows, columns, rng.uniform(0.1 * S, S, (len(rows), len(columns))))
    b.conductance("lateral", first[:1], first[1:2], 3 * S)
    b.conductance("load", np.concatenate([second, out]), GROUND, S)
    b.device("floating", second[:2], second[2:4], ShockleyDiode())
    example = Case(b.build(out), TWO_INPUTS)
    linear, direct = iterated(example.circuit)
    found = solve(example, linear)
    assert direct.rows == []
    np.testing.assert_allclose(found.voltages, solve(example, direct.linear).voltages, rtol=0, atol=1e-11)


def test_what_is_not_reciprocal_or_not_in_crossbars_is_not_iterated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "ITERATED_KEPT", 0)
    assert isinstance(choose(Reduction(layered(0).circuit)), ConjugateGradients)
    for name in ("lone_transconductor", "amplifier_chain", "gyrator", "ladder"):
        assert not isinstance(choose(Reduction(case(name).circuit)), ConjugateGradients)
    monkeypatch.undo()
    assert isinstance(choose(Reduction(wide((100,)).circuit)), BlockElimination)


def test_rows_of_negative_curvature_are_solved_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conjugate, "CURVATURE", 0.0)  # to full precision, not only as far as a step needs
    example = layered(0)
    system, _, at, jacobian = setup(example.circuit, example.inputs, "block")
    linear, direct = iterated(example.circuit)
    turned = np.array([0, 3, 4])
    twice = 2 * np.einsum("rii->ri", jacobian[turned])
    at.diagonal[turned] -= twice
    jacobian[turned[:, None], np.arange(system.plan.n), np.arange(system.plan.n)] -= twice
    rhs = np.random.default_rng(1).normal(0, S, at.residual.shape)
    sharp = replace(at, tolerance=np.full_like(rhs, 1e-12 * S))
    x = linear.solve(system, sharp, rhs)
    assert direct.rows == [3]
    expected = np.linalg.solve(jacobian, rhs[:, :, None])[:, :, 0]
    np.testing.assert_allclose(x, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_what_takes_too_long_is_solved_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conjugate, "MOST_ITERATIONS", 2)
    example = wide((40, 40))
    linear, direct = iterated(example.circuit)
    found = solve(example, linear).voltages
    assert direct.rows
    np.testing.assert_allclose(found, solve(example, direct.linear).voltages, rtol=0, atol=1e-11)


def test_an_impossible_sample_is_reported_and_the_others_solved() -> None:
    example = wide((80, 80))
    solver = IdealSolver(example.circuit)
    assert isinstance(solver._linear, ConjugateGradients)
    inputs = example.inputs.copy()
    inputs[3] = 1e300
    status = solver.solve(None, inputs).status
    assert status[3] != Status.CONVERGED
    assert (np.delete(status, 3) == Status.CONVERGED).all()
