"""Both ways to solve with the Jacobian agree with a dense solve."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import ShockleyDiode
from eqcirc.learning.costs import SoftmaxCrossEntropy
from eqcirc.solvers.equations import Equations, Linearised
from eqcirc.solvers.ideal import elimination
from eqcirc.solvers.ideal.elimination import BlockElimination, LinearSolver, SparseLU, choose, independent_set
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array
from tests.catalogue import NAMES, S, case, random_layered

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
    from eqcirc.solvers.base import Nudge

    nudge = Nudge(cost, cost.targets(np.zeros(len(inputs), int), n_outputs), 1e-6, weight=None)
    equations = Equations(system, circuit.fixed_voltages(inputs)).nudged(nudge)
    u = np.random.default_rng(0).normal(0, 0.1, (2 * len(inputs), plan.n))
    at, _ = equations.linearise(u, u @ system.matrix.T)
    jacobian = np.tile(system.matrix, (len(u), 1, 1))
    jacobian[:, np.arange(plan.n), np.arange(plan.n)] += at.diagonal
    for k, (row, column) in enumerate(zip(*equations.pairs, strict=True)):
        jacobian[:, row, column] += at.beside[:, k]
    m = equations.output_unknowns
    assert at.outputs is not None
    for a in range(len(m)):
        for b in range(len(m)):
            jacobian[:, m[a], m[b]] += at.outputs[:, a, b]
    linear = SparseLU(m, plan.pairs) if way == "sparse" else choose(plan)
    return Setup(system, linear, at, jacobian)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [*NAMES, "layered"])
def test_linear_solves_agree_with_a_dense_one(name: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "large block":
        monkeypatch.setattr(elimination, "SMALL", 0)
        monkeypatch.setattr(elimination, "CHUNK", 1)
    example = LAYERED if name == "layered" else case(name)
    system, linear, at, jacobian = setup(example.circuit, example.inputs, way)
    assert isinstance(linear, SparseLU if way == "sparse" else BlockElimination)
    rhs = np.random.default_rng(1).normal(0, S, at.residual.shape)
    expected = np.linalg.solve(jacobian, rhs[:, :, None])[:, :, 0]
    np.testing.assert_allclose(
        linear.solve(system, at, rhs), expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max()
    )
    np.testing.assert_allclose(linear.multiply(system, rhs), rhs @ system.matrix.T, rtol=1e-12, atol=1e-22)


def test_the_jacobian_is_the_derivative_of_the_equations() -> None:
    from eqcirc.solvers.base import Nudge

    circuit, inputs = LAYERED.circuit, LAYERED.inputs[:1]
    cost = SoftmaxCrossEntropy()
    system = ReducedSystem(Reduction(circuit))
    nudge = Nudge(cost, np.array([[0.3, 0.7]]), 1e-6, factors=(1.0,))
    equations = Equations(system, circuit.fixed_voltages(inputs)).nudged(nudge)
    rng = np.random.default_rng(0)
    u = rng.normal(0, 0.05, (1, system.plan.n))

    def law(x: Array) -> Array:
        return equations.linearise(x, x @ system.matrix.T)[0].residual[0]

    at, _ = equations.linearise(u, u @ system.matrix.T)
    direction = rng.normal(0, 1, u.shape)
    step = 1e-5 * direction
    slope = (8 * (law(u + step) - law(u - step)) - (law(u + 2 * step) - law(u - 2 * step))) / 12e-5
    jacobian = system.matrix + np.diag(at.diagonal[0])
    k = equations.output_unknowns
    assert at.outputs is not None
    jacobian[np.ix_(k, k)] += at.outputs[0]
    np.testing.assert_allclose(jacobian @ direction[0], slope, rtol=1e-7)


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
    monkeypatch.setattr(elimination, "SPARSE_FILL", 0.0)
    assert isinstance(choose(Reduction(circuit)), BlockElimination)
    dense = IdealSolver(circuit).solve(None, inputs).require()
    np.testing.assert_allclose(sparse.voltages, dense.voltages, rtol=0, atol=1e-12)


def test_a_singular_sample_does_not_stop_sparse_solves() -> None:
    """SuperLU and LAPACK report singularity in different ways."""
    circuit = grid(3)
    plan = Reduction(circuit)
    system = ReducedSystem(plan)
    equations = Equations(system, circuit.fixed_voltages(np.zeros((2, 1))))
    at, _ = equations.linearise(np.zeros((2, plan.n)), np.zeros((2, plan.n)))
    at.diagonal[0] = -system.matrix.sum(axis=1)  # a conductance to ground of zero everywhere: floating
    from eqcirc.solvers.ideal.newton import _solve

    linear = SparseLU(plan.outputs.unknowns, plan.pairs)
    for way in (linear, choose(plan)):
        rhs = Linearised(np.full((2, plan.n), 1e-6), at.diagonal, at.beside, None, at.solved)
        x = _solve(way, equations, rhs)
        assert np.isfinite(x[1]).all()
        assert not np.isfinite(x[0]).all() or np.abs(x[0]).max() > 1e6
