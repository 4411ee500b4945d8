"""Laws that every circuit obeys, however it is solved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import CurrentSource, InputCurrent
from eqcirc.solvers.ideal.solver import IdealSolver
from tests import cells
from tests.catalogue import NAMES, S, case
from tests.kirchhoff import amplifiers, branches, delivered, leaving

LINEAR = [name for name in NAMES if case(name).linear and case(name).circuit.inputs.n_features]
conductances = st.floats(1e-7, 1e-3)


@settings(max_examples=30, deadline=None)
@given(top=conductances, bottom=conductances, x=st.floats(-10, 10))
def test_a_divider_divides(top: float, bottom: float, x: float) -> None:
    b = CircuitBuilder("divider")
    node, out = b.input("x"), b.nodes("out")
    b.conductance("top", node, out, top)
    b.conductance("bottom", out, GROUND, bottom)
    v = IdealSolver(b.build(out)).solve(None, np.array([[x]])).require().free
    assert v[0, int(out[0])] == pytest.approx(x * top / (top + bottom), rel=1e-12, abs=1e-15)


@settings(max_examples=20, deadline=None)
@given(values=st.lists(conductances, min_size=4, max_size=12), seed=st.integers(0, 2**32 - 1))
def test_voltages_stay_between_the_sources(values: list[float], seed: int) -> None:
    """The maximum principle of resistor networks, on random chains with random bridges."""
    rng, n = np.random.default_rng(seed), len(values) - 1
    b = CircuitBuilder("random")
    x, chain = b.input("x", 2), b.nodes("n", n)
    b.conductance("chain", np.concatenate([x[:1], chain]), np.concatenate([chain, x[1:]]), values)
    b.conductance("bridge", chain[0], chain[1:], rng.uniform(0.1, 1, n - 1) * S)
    v = IdealSolver(b.build(chain)).solve(None, np.array([[-1.0, 2.0]])).require().free
    assert v.min() >= -1 - 1e-12
    assert v.max() <= 2 + 1e-12


@pytest.mark.parametrize("name", LINEAR)
def test_superposition(name: str) -> None:
    circuit, inputs = case(name).circuit, case(name).inputs
    solver, zero = IdealSolver(circuit), np.zeros((1, circuit.inputs.n_features))
    both, one, two, none = (
        solver.solve(None, x).require().free
        for x in (2 * inputs - 3 * inputs[::-1], inputs, inputs[::-1], zero)
    )
    np.testing.assert_allclose(both - none, 2 * (one - none) - 3 * (two - none), atol=1e-12)


def test_reciprocity_of_a_resistor_network() -> None:
    """The voltage at j for a current into i is that at i for a current into j."""
    circuit = case("ladder").circuit
    free = circuit.free_nodes
    source = CurrentSource(name="probe", value=np.zeros(len(free)), node=free)
    solver = IdealSolver(replace(circuit, elements=(*circuit.elements, source)))
    response = [
        solver.solve({"probe": 1e-6 * row}, np.zeros((1, 1))).free[0, free] for row in np.eye(len(free))
    ]
    np.testing.assert_allclose(response, np.transpose(response), rtol=1e-12)


ACTIVE = (
    "amplifier",
    "amplifier_chain",
    "two_stages",
    "amplifier_to_amplifier",
    "uneven_differential",
    "amplified_dual_rail",
    "inverting",
    "one_way",
)
CONTROLLED = (
    *("gyrator", "coupled_neurons", "lone_transconductor", "cancelled_coupling", "signed", "coupling"),
    *cells.CASES,
)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ACTIVE + CONTROLLED])
def test_sources_deliver_the_power_that_parts_burn(name: str) -> None:
    """Ideal transformers pass it on, and burn none."""
    circuit = case(name).circuit
    points = IdealSolver(circuit).solve(None, case(name).inputs).require().free
    for v in points:
        burnt = sum(current * (v[a] - v[b]) for a, b, current in branches(circuit, v))
        flow = leaving(circuit, v)
        held = float(v[circuit.fixed_nodes] @ flow[circuit.fixed_nodes])
        sources = sum(
            float((e.value * (v[e.control] if isinstance(e, InputCurrent) else 1)) @ v[e.node])
            for e in circuit.elements
            if isinstance(e, CurrentSource | InputCurrent)
        )
        assert held + sources == pytest.approx(burnt, rel=1e-9, abs=1e-18)
        # the knee of the clamp carries current at 0 V, and neurons have negative resistances
        assert burnt >= 0 or name in {"clamp", "neurons"}


def test_an_amplifier_takes_from_its_source_what_its_output_delivers() -> None:
    """Kirchhoff's law at the source of an amplifier, with the reflected current."""
    circuit = case("amplifier").circuit
    ((a, b, gain, kappa),) = amplifiers(circuit)
    for v in IdealSolver(circuit).solve(None, case("amplifier").inputs).require().free:
        flow = leaving(circuit, v)
        assert v[b] == pytest.approx(gain * v[a], abs=1e-15)
        assert flow[a] + kappa * delivered(circuit, flow)[b] == pytest.approx(0, abs=1e-15)
