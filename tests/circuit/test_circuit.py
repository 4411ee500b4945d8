from __future__ import annotations

import numpy as np
import pytest

from eqcirc.errors import CircuitError, DataError
from tests.catalogue import case


def test_held_voltages_are_ground_then_rails_then_gain_times_feature() -> None:
    circuit = case("antiparallel").circuit
    held = circuit.fixed_voltages(np.array([[0.5], [-1.0]]))
    assert [circuit.node_names[n] for n in circuit.fixed_nodes] == ["0", "high", "low", "x"]
    np.testing.assert_array_equal(held, [[0, 0.3, -0.3, 2.0], [0, 0.3, -0.3, -4.0]])
    assert circuit.fixed_voltages(np.array([0.5])).shape == (1, 4), "one sample may come alone"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 3)), "expected samples of 2 features, got an array of shape"),
        (np.zeros((0, 2)), "no samples"),
        (np.zeros((1, 2, 2)), "expected samples of 2 features"),
        (np.array([[0.0, 0.0], [0.0, np.nan]]), "sample 1, feature 1 is nan"),
        (np.array([[np.inf, 0.0]]), "sample 0, feature 0 is inf"),
    ],
)
def test_bad_samples_are_refused(inputs: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        case("amplifier").circuit.fixed_voltages(inputs)


def test_free_and_held_nodes_are_all_nodes() -> None:
    circuit = case("differential").circuit
    assert sorted([*circuit.free_nodes, *circuit.fixed_nodes]) == list(range(circuit.n_nodes))


def test_elements_are_found_by_name() -> None:
    circuit = case("amplifier").circuit
    assert circuit.element("second").name == "second"
    with pytest.raises(CircuitError, match="did you mean 'second'"):
        circuit.element("secnod")
    assert [e.name for e in circuit.trainable] == list(circuit.parameters)


def test_differential_outputs_are_differences() -> None:
    readout = case("differential").circuit.readout
    v = np.arange(20.0)
    positive, negative = np.split(readout.nodes, 2)
    np.testing.assert_array_equal(readout.read(v), v[positive] - v[negative])
    np.testing.assert_array_equal(readout.spread(np.array([1.0, 2.0, 3.0])), [1, 2, 3, -1, -2, -3])
