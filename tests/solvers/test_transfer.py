"""Small-signal transfers: by finite differences, by both engines, and reciprocal where the graph says so."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.errors import CircuitError, DataError, SolverError
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.verify.check import reciprocity, some_nodes
from tests.catalogue import NAMES, case
from tests.kirchhoff import leaving


@pytest.mark.parametrize("name", NAMES)
def test_engines_agree(name: str) -> None:
    example = case(name)
    circuit, sample = example.circuit, example.inputs[-1]
    ideal = IdealSolver(circuit)
    free = ideal.solve(None, sample[None]).require().free[0]
    nodes = some_nodes(circuit, 4, np.random.default_rng(0))
    z = ideal.transfer(None, sample, free, nodes)
    with NgspiceSolver(circuit) as solver:
        found = solver.transfer(None, sample, free, nodes)
    np.testing.assert_allclose(found, z, rtol=1e-5, atol=1e-7 * np.abs(z).max())


@pytest.mark.parametrize("name", ["diode", "feedforward", "lone_transconductor", "mixture", "bridge"])
def test_they_are_the_inverse_of_the_derivative_of_kirchhoffs_law(name: str) -> None:
    example = case(name)
    circuit, sample = example.circuit, example.inputs[0]
    ideal, nodes, h = IdealSolver(circuit), circuit.free_nodes, 1e-6
    free = ideal.solve(None, sample[None]).require().free[0]
    z = ideal.transfer(None, sample, free, nodes)
    for column, node in enumerate(nodes):
        step = np.zeros_like(free)
        step[node] = h
        change = (leaving(circuit, free + step) - leaving(circuit, free - step))[nodes] / (2 * h)
        np.testing.assert_allclose(z @ change, np.eye(len(nodes))[column], atol=1e-6)


@pytest.mark.parametrize("engine", ["ideal", "ngspice"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_measured_is_what_the_walk_over_the_graph_says(name: str, engine: str) -> None:
    example = case(name)
    circuit, sample = example.circuit, example.inputs[-1]
    ideal = IdealSolver(circuit)
    free = ideal.solve(None, sample[None]).require().free[0]
    nodes = circuit.free_nodes
    with NgspiceSolver(circuit) as spice:
        solver = ideal if engine == "ideal" else spice
        _, scaled = reciprocity(solver, circuit.parameters, sample, free, nodes)
    small = 1e-6 if engine == "ideal" else 1e-4
    if name == "predictive":  # some of its transfers are 1e-12 of the largest one
        small = max(small, 1e-5)
    assert (scaled < small) == example.symmetric


def test_amplifiers_are_not_reciprocal_as_they_are_but_with_their_scaling() -> None:
    example = case("amplifier")
    ideal = IdealSolver(example.circuit)
    free = ideal.solve(None, example.inputs[:1]).require().free[0]
    plain, scaled = reciprocity(ideal, {}, example.inputs[0], free, example.circuit.free_nodes)
    assert plain > 0.9
    assert scaled < 1e-12


def test_a_solver_that_cannot_says_so() -> None:
    class Plain(Solver):
        name = "plain"

        def solve(self, *_: object) -> OperatingPoints:
            raise NotImplementedError

    circuit = case("bridge").circuit
    with pytest.raises(SolverError, match="the plain solver has no small-signal transfer"):
        Plain(circuit).transfer(None, np.zeros(2), np.zeros(4), circuit.free_nodes)
    with pytest.raises(SolverError, match="the plain solver solves one circuit only"):
        Plain(circuit).on(circuit)


@pytest.mark.parametrize("engine", [IdealSolver, NgspiceSolver])
def test_nodes_and_voltages_that_are_none_of_the_circuit(engine: type[Solver]) -> None:
    example = case("bridge")
    circuit, inputs = example.circuit, example.inputs
    with engine(circuit) as solver:
        free = solver.solve(None, inputs).require().free
        for node in (-1, circuit.n_nodes, int(circuit.fixed_nodes[-1])):
            with pytest.raises(CircuitError, match="expected free nodes"):
                solver.transfer(None, inputs[0], free[0], np.array([node]))
        for begin in (free[:1], free[:, 1:], free[0], np.full_like(free, np.nan)):
            with pytest.raises(DataError, match="begin: expected finite voltages of shape"):
                solver.solve(None, inputs, begin=begin)
