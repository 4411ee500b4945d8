"""Both ways to solve with the Jacobian agree with a dense solve."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import ShockleyDiode
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.equations import Equations, Linearised
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.linear import choice, elimination
from eqcirc.solvers.linear.base import LinearSolver, solve_rows
from eqcirc.solvers.linear.choice import choose, independent_set
from eqcirc.solvers.linear.elimination import BlockElimination, SparseLU
from eqcirc.solvers.linear.staged import Staged
from eqcirc.typing import Array
from tests.catalogue import NAMES, ONE_INPUT, Case, S, case, random_layered

LAYERED = random_layered(np.random.default_rng(2), (6, 4, 5), True, True)
WAYS = ("block", "large block", "sparse")


class Setup(NamedTuple):
    system: ReducedSystem
    linear: LinearSolver
    at: Linearised
    jacobian: Array


def setup(circuit: Circuit, inputs: Array, way: str) -> Setup:
    plan = Reduction(circuit)
    system = ReducedSystem(plan)
    n_outputs = circuit.readout.n_outputs
    cost = SoftmaxCrossEntropy()
    nudge = Nudge(cost, cost.targets(np.zeros(len(inputs), int), n_outputs), 1e-6, weight=None)
    equations = Equations(system, circuit.fixed_voltages(inputs)).nudged(nudge)
    u = np.random.default_rng(0).normal(0, 0.1, (2 * len(inputs), plan.n))
    at, _ = equations.linearise(u)
    linear = SparseLU(plan.outputs.unknowns, plan.pairs) if way == "sparse" else choose(plan)
    return Setup(system, linear, at, jacobian_of(equations, at))


def jacobian_of(equations: Equations, at: Linearised) -> Array:
    """The whole Jacobian (row, n, n), put together entry by entry."""
    matrix = equations.system.matrix
    jacobian = np.tile(matrix, (len(at.residual), 1, 1))
    jacobian[:, np.arange(len(matrix)), np.arange(len(matrix))] += at.diagonal
    for k, (row, column) in enumerate(zip(*equations.pairs, strict=True)):
        jacobian[:, row, column] += at.beside[:, k]
    m = equations.output_unknowns
    assert at.outputs is not None
    for a in range(len(m)):
        for b in range(len(m)):
            jacobian[:, m[a], m[b]] += at.outputs[:, a, b]
    return jacobian


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*NAMES, "layered"])
def test_linear_solves_agree_with_a_dense_one(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "large block":
        monkeypatch.setattr(elimination, "SMALL", 0)
        monkeypatch.setattr(elimination, "CHUNK", 1)
    example = LAYERED if name == "layered" else case(name)
    system, linear, at, jacobian = setup(example.circuit, example.inputs, way)
    assert isinstance(linear, SparseLU if way == "sparse" else BlockElimination | Staged)
    rhs = np.random.default_rng(1).normal(0, S, at.residual.shape)
    expected = np.linalg.solve(jacobian, rhs[:, :, None])[:, :, 0]
    found = linear.solve(system, at, rhs)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())
    several = linear.solve(system, at, np.stack([rhs, -2 * rhs, 0 * rhs]))
    np.testing.assert_allclose(several, [found, -2 * found, 0 * found], rtol=1e-12, atol=1e-20)


@pytest.mark.parametrize("name", [*NAMES, "layered", "across"])
def test_the_jacobian_is_the_derivative_of_the_equations(name: str) -> None:
    example = LAYERED if name == "layered" else across() if name == "across" else case(name)
    circuit, n_outputs = example.circuit, len(example.circuit.readout.nodes)
    for cost in (SquaredError(), SoftmaxCrossEntropy()):
        nudge = replace(example.nudge(cost, 1e-6), weight=np.linspace(0.5, -2, n_outputs))
        system = ReducedSystem(Reduction(circuit))
        equations = Equations(system, circuit.fixed_voltages(example.inputs)).nudged(nudge)
        rng = np.random.default_rng(0)
        u = rng.normal(0, 0.03, (2 * len(example.inputs), system.plan.n))

        def law(x: Array, equations: Equations = equations) -> Array:
            return equations.linearise(x)[0].residual

        at, _ = equations.linearise(u)
        direction = rng.normal(0, 1, u.shape)
        step = 1e-5 * direction
        slope = (8 * (law(u + step) - law(u - step)) - (law(u + 2 * step) - law(u - 2 * step))) / 12e-5
        product = np.einsum("rij,rj->ri", jacobian_of(equations, at), direction)
        np.testing.assert_allclose(product, slope, rtol=1e-6, atol=1e-7 * np.abs(slope).max())


def across() -> Case:
    """A diode joins nodes with different scalings, so that its two entries in the Jacobian differ."""
    b = CircuitBuilder("across")
    x, a, y, out = b.input("x"), b.nodes("a"), b.nodes("y"), b.nodes("out")
    b.conductance("w", x, a, S)
    b.amplifier("amp", a, y, 2.0, 0.8)
    b.conductance("next", np.concatenate([a, y]), out, S)
    b.device("across", y, out, ShockleyDiode())
    return Case(b.build(out), ONE_INPUT, symmetric=False)


def test_layers_are_eliminated_and_outputs_kept() -> None:
    plan = Reduction(random_layered(np.random.default_rng(0), (6,)).circuit)
    forbidden = np.zeros(plan.n, bool)
    forbidden[plan.outputs.unknowns] = True
    chosen = independent_set(plan.pattern(), forbidden)
    assert len(chosen) == 6
    coupled = plan.pattern().toarray()[np.ix_(chosen, chosen)]
    assert np.count_nonzero(coupled - np.diag(np.diag(coupled))) == 0


def grid(side: int) -> Circuit:
    """A square grid of resistors with diodes to ground."""
    b = CircuitBuilder("grid")
    x, node = b.input("x"), b.nodes("n", side * side)
    square = node.reshape(side, side)
    b.conductance("feed", x, square[0], S)
    b.conductance("east", square[:, :-1].ravel(), square[:, 1:].ravel(), S)
    b.conductance("south", square[:-1].ravel(), square[1:].ravel(), S)
    b.device("diode", node, GROUND, ShockleyDiode())
    return b.build(square[-1])


def test_large_grids_are_solved_sparsely(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, inputs = grid(25), np.array([[5.0], [-2.0]])
    assert isinstance(choose(Reduction(circuit)), SparseLU)
    sparse = IdealSolver(circuit).solve(None, inputs).require()
    monkeypatch.setattr(choice, "SPARSE_FILL", 0.0)
    assert isinstance(choose(Reduction(circuit)), BlockElimination)
    dense = IdealSolver(circuit).solve(None, inputs).require()
    np.testing.assert_allclose(sparse.voltages, dense.voltages, rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", ["block", "sparse"])
def test_a_singular_sample_does_not_stop_the_others(way: str) -> None:
    """LAPACK and SuperLU both refuse a whole batch for one singular matrix in it."""
    b = CircuitBuilder("singular")
    x, n = b.input("x"), b.nodes("n")
    b.conductance("series", x, n, S)
    b.transconductor("negative", (n, GROUND), (n, GROUND), -S)
    circuit = b.build(n)
    plan = Reduction(circuit)
    equations = Equations(ReducedSystem(plan), circuit.fixed_voltages(np.ones((3, 1))))
    linear = SparseLU(plan.outputs.unknowns, plan.pairs) if way == "sparse" else choose(plan)
    slopes = np.array([[S], [0.0], [2 * S]])
    rhs, ones = np.full((3, 1), S), np.ones(3)
    no = np.zeros(3, bool)
    at = Linearised(
        rhs, slopes, np.empty((3, 0)), None, ones[:, None], ones, no, plan.pairs, plan.outputs.unknowns
    )
    np.testing.assert_allclose(solve_rows(linear, equations.system, at, rhs)[:, 0], [1, np.nan, 0.5])
    several = solve_rows(linear, equations.system, at, np.stack([rhs, 3 * rhs]))
    np.testing.assert_allclose(several[:, :, 0], [[1, np.nan, 0.5], [3, np.nan, 1.5]])
