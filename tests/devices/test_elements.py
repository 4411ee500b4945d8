"""What elements tell solvers and learning rules, against the laws written part by part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.devices import Amplifier, BidirectionalSource, Element, LinearElement, RLMesh
from tests.catalogue import NAMES, case
from tests.kirchhoff import leaving


@pytest.mark.parametrize("name", NAMES)
def test_sensitivity_is_the_derivative_of_kirchhoffs_law(name: str) -> None:
    """lam·dF/dvalue, where F is summed part by part."""
    rng = np.random.default_rng(0)
    circuit = case(name).circuit
    v = rng.normal(0, 0.2, (3, circuit.n_nodes))
    lam = rng.normal(0, 1, v.shape)
    v[:, 0] = lam[:, 0] = 0  # ground
    for element in circuit.elements:
        if isinstance(element, Amplifier):
            continue
        expected, alone = np.zeros(element.value.shape), by_itself(circuit, element)
        for index in np.ndindex(element.value.shape):
            change = np.zeros(element.value.shape)
            # currents are linear in all values but resistances, and conductances that a source stands behind
            bent = isinstance(element, RLMesh | BidirectionalSource)
            change[index] = (1e-4 if bent else 0.5) * (element.value[index] or 1e-6)
            for k in range(3):
                flows = [leaving(alone, v[k], {element.name: element.value + m * change}) for m in (1, -1)]
                expected[index] += lam[k] @ (flows[0] - flows[1]) / (2 * change[index])
        found = element.sensitivity(element.value, lam, v)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_samples_count_in_a_contrast_as_much_as_their_scaling_says(name: str) -> None:
    """A contrast of a batch with a scaling for each sample is the sum of contrasts of single samples."""
    rng = np.random.default_rng(0)
    made = case(name)
    circuit, s = made.circuit, symmetry(made.circuit) if made.symmetric else np.ones(made.circuit.n_nodes)
    plus, minus = rng.normal(0, 0.2, (2, 3, circuit.n_nodes))
    plus[:, 0] = minus[:, 0] = 0  # ground
    each = s * np.array([[1.0], [-2.0], [0.3]])
    for element in circuit.elements:
        if isinstance(element, Amplifier):
            continue
        found = element.contrast(element.value, each, plus, minus)
        parts = [element.contrast(element.value, each[k], plus[[k]], minus[[k]]) for k in range(3)]
        size = np.abs(parts).max(initial=0.0)
        np.testing.assert_allclose(found, np.sum(parts, axis=0), rtol=1e-10, atol=1e-12 * size)


def by_itself(circuit: Circuit, element: Element) -> Circuit:
    """A circuit with one element only, whose values are its own."""
    return replace(circuit, elements=(replace(element, share=None),))


@pytest.mark.parametrize("name", NAMES)
def test_branches_are_the_currents_that_leave_every_node(name: str) -> None:
    circuit = case(name).circuit
    v = np.random.default_rng(0).normal(0, 1, circuit.n_nodes)
    v[0] = 0
    for element in circuit.elements:
        if isinstance(element, LinearElement):
            out_p, out_n, cp, cn, value = element.branches(element.value)
            current = value * (v[cp] - v[cn])
            found = np.bincount(out_p, current, minlength=circuit.n_nodes)
            found -= np.bincount(out_n, current, minlength=circuit.n_nodes)
            alone = leaving(by_itself(circuit, element), v)
            np.testing.assert_allclose(found, alone, atol=1e-18)
            assert found.sum() == pytest.approx(0, abs=1e-15), "no charge is made"


@pytest.mark.parametrize("name", NAMES)
def test_terminals_are_all_nodes_of_an_element(name: str) -> None:
    for element in case(name).circuit.elements:
        a, b = element.connections()
        assert set(np.concatenate([a, b]).tolist()) <= set(element.terminals().tolist())
