from __future__ import annotations

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.costs import Cost, SquaredError
from eqcirc.devices import Bounds, ShockleyDiode
from eqcirc.errors import CircuitError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array
from eqcirc.verify.gradients import (
    Entry,
    adjoint_gradient,
    finite_differences,
    random_entries,
    relative_error,
)
from tests.catalogue import NAMES, Case, case
from tests.kirchhoff import derivative, residual
from tests.learning.networks import random_problem

TRAINABLE = [name for name in NAMES if case(name).circuit.parameters]


def adjoint(some: Case, cost: Cost, targets: Array) -> dict[str, Array]:
    free = IdealSolver(some.circuit).solve(None, some.inputs).require().free
    return adjoint_gradient(some.circuit, some.circuit.parameters, some.inputs, targets, cost, free)


@pytest.mark.parametrize("name", TRAINABLE)
def test_the_adjoint_gradient_is_that_of_finite_differences(name: str) -> None:
    some = case(name)
    nudge = some.nudge()
    gradient = adjoint(some, nudge.cost, nudge.targets)
    values = some.circuit.parameters
    entries = random_entries(values, max(12, len(values)), np.random.default_rng(0))
    exact = np.array([gradient[element][index] for element, index in entries])
    differences = finite_differences(
        IdealSolver(some.circuit), values, some.inputs, nudge.targets, nudge.cost, entries
    )
    assert relative_error(differences, exact) < 1e-6


@pytest.mark.parametrize("seed", range(15))
def test_so_it_is_for_random_networks(seed: int) -> None:
    p = random_problem(seed)
    solver, values = IdealSolver(p.circuit), p.circuit.parameters
    free = solver.solve(None, p.inputs).require().free
    gradient = adjoint_gradient(p.circuit, values, p.inputs, p.targets, p.cost, free)
    entries = random_entries(values, 12, np.random.default_rng(seed))
    exact = np.array([gradient[name][index] for name, index in entries])
    assert (
        relative_error(finite_differences(solver, values, p.inputs, p.targets, p.cost, entries), exact) < 1e-6
    )


@pytest.mark.parametrize(
    "name", ["diode", "two_stages", "lone_transconductor", "differential", "current_sources"]
)
def test_the_adjoint_gradient_solves_kirchhoffs_laws_written_part_by_part(name: str) -> None:
    """dv/dtheta from a dense Jacobian of laws that know nothing of reduction, by the implicit function theorem."""
    some = case(name)
    circuit, sample = some.circuit, slice(3, 4)
    cost, targets = SquaredError(), some.nudge().targets[sample]
    v = IdealSolver(circuit).solve(None, some.inputs[sample]).require().free[0]
    free = circuit.free_nodes

    def law(x: Array, values: dict[str, Array] | None = None) -> Array:
        at = v.copy()
        at[free] = x
        return residual(circuit, at, values)[free]

    jacobian = derivative(law, v[free])
    pull = np.zeros(circuit.n_nodes)
    readout = circuit.readout
    pull[readout.nodes] = readout.spread(cost.gradient(readout.read(v[None]), targets))[0]
    found = adjoint_gradient(circuit, circuit.parameters, some.inputs[sample], targets, cost, v[None])
    for element, value in circuit.parameters.items():

        def by_value(x: Array, element: str = element, shape: tuple[int, ...] = value.shape) -> Array:
            return law(v[free], circuit.parameters | {element: x.reshape(shape)})

        change = derivative(by_value, value.ravel(), 1e-3 * np.abs(value).min())
        expected = -(pull[free] @ np.linalg.solve(jacobian, change)).reshape(value.shape)
        assert relative_error(found[element], expected) < 1e-6


def test_the_gradient_of_a_divider_by_hand() -> None:
    """v = x·g/(g + l), so dv/dg = x·l/(g + l)² and dv/dl = −x·g/(g + l)²."""
    some = case("divider")
    x, g, l = some.inputs[:, 0], 1e-5, 3e-5
    targets = np.full((len(x), 1), 0.1)
    gradient = adjoint(some, SquaredError(), targets)
    pull = x * g / (g + l) - 0.1
    assert gradient["top"][0] == pytest.approx((pull * x * l / (g + l) ** 2).mean(), rel=1e-12)
    assert gradient["bottom"][0] == pytest.approx((-pull * x * g / (g + l) ** 2).mean(), rel=1e-12)


def test_a_current_of_zero_gets_a_step_that_suits_its_node() -> None:
    """Its bound of 1 mA would drive a node of 10 uS to 100 V."""
    some = case("current_sources")
    solver, nudge = IdealSolver(some.circuit), some.nudge()
    values = some.circuit.parameters | {"bias": np.zeros(3)}
    free = solver.solve(values, some.inputs).require().free
    exact = adjoint_gradient(some.circuit, values, some.inputs, nudge.targets, nudge.cost, free)["bias"]
    entries = [("bias", (k,)) for k in range(3)]
    found = finite_differences(solver, values, some.inputs, nudge.targets, nudge.cost, entries)
    assert relative_error(found, exact) < 1e-6


def test_a_small_conductance_in_wide_bounds_stays_positive() -> None:
    b = CircuitBuilder("wide")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("tiny", x, out, 1e-11, trainable=True, bounds=Bounds(1e-12, 1e-3))
    b.conductance("load", out, GROUND, 1e-9, trainable=True, bounds=Bounds(1e-12, 1e-3))
    circuit, inputs, targets = b.build(out), np.array([[1.0]]), np.array([[0.5]])
    solver, values = IdealSolver(circuit), circuit.parameters
    free = solver.solve(None, inputs).require().free
    exact = adjoint_gradient(circuit, values, inputs, targets, SquaredError(), free)
    found = finite_differences(
        solver, values, inputs, targets, SquaredError(), [("tiny", (0,)), ("load", (0,))]
    )
    assert relative_error(found, np.concatenate([exact["tiny"], exact["load"]])) < 1e-6


def test_a_small_signed_weight_keeps_its_sign() -> None:
    """Its load |W| has a kink at 0."""
    some = case("signed")
    nudge, first = some.nudge(), some.circuit.element("first").value.copy()
    first[0, 0], first[1, 2] = 1e-9, -2e-9
    values = some.circuit.parameters | {"first": first}
    solver = IdealSolver(some.circuit)
    free = solver.solve(values, some.inputs).require().free
    exact = adjoint_gradient(some.circuit, values, some.inputs, nudge.targets, nudge.cost, free)["first"]
    entries: list[Entry] = [("first", (0, 0)), ("first", (1, 2))]
    found = finite_differences(solver, values, some.inputs, nudge.targets, nudge.cost, entries)
    assert relative_error(found, exact[[0, 1], [0, 2]]) < 1e-6


@pytest.mark.parametrize("bounds", [Bounds(-np.inf, np.inf), Bounds(-1e-3, np.inf)])
@pytest.mark.parametrize("amperes", [0.0, 1e-4, -2e-2])
def test_a_current_without_bounds_gets_a_finite_step(bounds: Bounds, amperes: float) -> None:
    b = CircuitBuilder("unbounded")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("g", x, out, 1e-3)
    b.device("d", out, GROUND, ShockleyDiode())
    b.current_source("i", out, max(amperes, bounds.lower), trainable=True, bounds=bounds)
    circuit, inputs, targets = b.build(out), np.array([[0.3]]), np.array([[0.5]])
    solver, values = IdealSolver(circuit), circuit.parameters
    free = solver.solve(None, inputs).require().free
    exact = adjoint_gradient(circuit, values, inputs, targets, SquaredError(), free)["i"]
    found = finite_differences(solver, values, inputs, targets, SquaredError(), [("i", (0,))])
    assert relative_error(found, exact) < 1e-6


def test_nothing_to_train_is_nothing_to_check() -> None:
    with pytest.raises(CircuitError, match="nothing to train"):
        random_entries({}, 3, np.random.default_rng(0))


def test_random_entries_are_spread_over_the_elements() -> None:
    values = {"a": np.zeros(1), "b": np.zeros((2, 3))}
    entries = random_entries(values, 40, np.random.default_rng(0))
    assert [name for name, _ in entries] == ["a", "b"] * 20
    assert {index for name, index in entries if name == "b"} == set(np.ndindex(2, 3))


def test_relative_error_of_nothing_is_nothing() -> None:
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.array([3.0, 4.0]), np.array([3.0, 0.0])) == pytest.approx(4 / 3)
