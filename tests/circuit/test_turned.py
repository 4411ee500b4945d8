"""A turned circuit rests where the circuit did, and its Jacobian there is the transposed one, scaled."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.doubled import doubled
from eqcirc.circuit.turned import turned
from eqcirc.errors import SymmetryError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array, Parameters
from tests import cells
from tests.catalogue import NAMES, case
from tests.kirchhoff import leaving

APPLIES = [name for name in NAMES if name not in {"amplifier_chain", "one_way"}]


def moved(circuit: Circuit, seed: int = 0) -> Parameters:
    """Trained values, each another one than the circuit was built with."""
    rng = np.random.default_rng(seed)
    return {
        e.name: np.clip(e.value * rng.uniform(0.8, 1.25, e.value.shape), *e.bounds) for e in circuit.trainable
    }


def derivative(circuit: Circuit, v: Array, parameters: Parameters, h: float = 1e-6) -> Array:
    """dF/dv between free nodes by central differences, part by part; without amplifiers."""
    free = circuit.free_nodes
    columns = []
    for node in free:
        step = np.zeros_like(v)
        step[node] = h
        columns.append(
            (leaving(circuit, v + step, parameters) - leaving(circuit, v - step, parameters))[free] / (2 * h)
        )
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("name", APPLIES)
def test_it_rests_where_the_circuit_did(name: str) -> None:
    example = case(name)
    parameters = moved(example.circuit)
    work, solver = turned(example.circuit), IdealSolver(example.circuit)
    free = solver.solve(parameters, example.inputs).require().free
    points = solver.on(work.circuit).solve(
        parameters, work.inputs(example.inputs, free), begin=work.begin(free)
    )
    found = points.require().free[:, : example.circuit.n_nodes]
    np.testing.assert_allclose(found, free, rtol=0, atol=1e-12 * max(1, np.abs(free).max()))


@pytest.mark.parametrize(
    "name", ["feedforward", "mixture", "gyrator", "lone_transconductor", "cancelled_coupling"]
)
def test_its_jacobian_there_is_the_transposed_one(name: str) -> None:
    """Read off Kirchhoff's law part by part; these have no amplifiers, so s = 1."""
    example = case(name)
    parameters = moved(example.circuit)
    work = turned(example.circuit)
    free = IdealSolver(example.circuit).solve(parameters, example.inputs).require().free
    n = len(example.circuit.free_nodes)
    for v, there in zip(free, work.begin(free), strict=True):
        expected = derivative(example.circuit, v, parameters).T
        found = derivative(work.circuit, there, parameters)
        assert found.shape == (n, n)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * np.abs(expected).max())


def test_reciprocal_circuits_stay_as_they_are() -> None:
    for name in ("bridge", "diode", "signed", "neurons", "fed_by_currents"):
        circuit = case(name).circuit
        work = turned(circuit)
        assert work.held.shape[0] == 0, "nothing is held"
        assert work.circuit.elements == circuit.elements


def test_values_are_shared_with_the_original() -> None:
    circuit = cells.feedforward().circuit
    work = turned(circuit)
    parameters = circuit.parameters
    parameters["w3"] = parameters["w3"] * 2
    values = work.circuit.values(parameters)
    np.testing.assert_array_equal(values["eq_back_w3"], parameters["w3"])


@pytest.mark.parametrize("make", [turned, doubled])
@pytest.mark.parametrize(
    ("name", "words"), [("amplifier_chain", "closes a loop"), ("one_way", "draws no current")]
)
def test_amplifiers_without_a_scaling_are_refused(make: object, name: str, words: str) -> None:
    with pytest.raises(SymmetryError, match=words):
        make(case(name).circuit)  # type: ignore[operator]


@pytest.mark.parametrize("name", [name for name in APPLIES if name not in ("no_inputs", "predictive")])
def test_a_doubled_circuit_has_the_same_operating_points_and_an_image_at_rest(name: str) -> None:
    example = case(name)
    parameters = moved(example.circuit)
    work, solver = doubled(example.circuit), IdealSolver(example.circuit)
    free = solver.solve(parameters, example.inputs).require().free
    points = solver.on(work.circuit).solve(parameters, example.inputs, begin=work.begin(free)).require()
    np.testing.assert_allclose(points.free, work.begin(free), rtol=0, atol=1e-12 * max(1, np.abs(free).max()))
