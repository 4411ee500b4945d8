"""Exported decks compute the operating point that was solved, in plain ngspice, whatever others there are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases
from eqcirc.circuit.neuron import LayerNeurons, Neuron, RLRecovery
from eqcirc.devices import Bounds, CubicDevice, ShockleyDiode
from eqcirc.errors import SolverError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.decks import export_deck
from eqcirc.typing import Array, NodeArray
from tests.catalogue import CASES, NAMES, case
from tests.solvers.test_free_phase import BISTABLE, INPUTS, OSCILLATING

Batch = Callable[[str], tuple[str, dict[str, Array]]]
FORMS: tuple[Literal["full", "reduced"], ...] = ("full", "reduced")


def moons() -> Circuit:
    """Neurons whose recovery is too weak to leave them one operating point."""
    cell = Neuron(CubicDevice(3e-3), RLRecovery(2000.0, 2e-5))
    plan = Layered(
        hidden=(6,),
        input_gain=5.0,
        biases=Biases(voltage=5.0),
        diodes=None,
        neurons=LayerNeurons(cell),
        gain=None,
        bounds=Bounds(1e-6, 1e-4),
    )
    return plan.build("moons", 2, 2, np.random.default_rng(3))


def latch() -> Circuit:
    """Two transconductors that hold each other, and diodes that hold them."""
    b = CircuitBuilder("latch")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("load", n, GROUND, 1e-5)
    b.conductance("drive", x, n[0], 1e-6, trainable=True)
    b.transconductor("cross", (n, GROUND), (n[::-1], GROUND), 1e-4)
    b.device("up", n, GROUND, ShockleyDiode())
    b.device("down", GROUND, n, ShockleyDiode())
    return b.build(n)


EXAMPLES = {
    "bistable": (BISTABLE, INPUTS),
    "moons": (moons(), np.array([[1.0, -0.3], [-0.4, 0.8], [0.1, 0.2]])),
    "latch": (latch(), np.array([[0.3], [-0.2], [0.05]])),
}


def free_outputs(circuit: Circuit) -> NodeArray:
    nodes = circuit.readout.nodes
    return nodes[circuit.is_free[nodes]]


def outputs_in_batch(deck: str, circuit: Circuit, form: str, batch: Batch, samples: int) -> Array:
    """What plain ngspice says of the output nodes in the free phase (sample, node)."""
    _, vectors = batch(deck)
    plan = IdealSolver(circuit)._plan
    nodes = free_outputs(circuit)
    names = [circuit.node_names[n] for n in nodes]
    scale = np.ones(len(nodes))
    if form == "reduced":
        from eqcirc.circuit.reduced_system import ReducedSystem
        from eqcirc.solvers.ngspice.netlist import reduced_netlist

        saved = reduced_netlist(
            ReducedSystem(plan), circuit.fixed_voltages(np.zeros((1, circuit.inputs.n_features)))
        ).saved
        names, scale = [saved[k] for k in plan.unknown[nodes]], plan.voltage[nodes]
    phase = vectors.get("v(eq_p)", np.zeros(samples))
    found = np.stack([vectors[f"v({name})"] for name in names], axis=1)[phase == 0] * scale
    assert len(found) == samples
    return found


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_decks_of_circuits_with_several_operating_points_carry_the_state(
    name: str, form: Literal["full", "reduced"], batch: Batch
) -> None:
    circuit, inputs = EXAMPLES[name]
    expected = IdealSolver(circuit).solve(None, inputs).require().free[:, free_outputs(circuit)]
    together = export_deck(circuit, None, inputs, form)
    assert "* followed: switched on with nothing charged" in together
    found = outputs_in_batch(together, circuit, form, batch, len(inputs))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    for k in range(len(inputs)):
        alone = export_deck(circuit, None, inputs[k : k + 1], form)
        assert ".nodeset v(" in alone
        np.testing.assert_allclose(
            outputs_in_batch(alone, circuit, form, batch, 1), expected[k : k + 1], rtol=0, atol=1e-9
        )


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", NAMES)
def test_every_deck_of_the_catalogue_is_what_was_solved(
    name: str, form: Literal["full", "reduced"], batch: Batch
) -> None:
    example = case(name)
    expected = IdealSolver(example.circuit).solve(None, example.inputs).require()
    deck = export_deck(example.circuit, None, example.inputs, form)
    assert expected.evidence.words in deck
    found = outputs_in_batch(deck, example.circuit, form, batch, len(example.inputs))
    np.testing.assert_allclose(found, expected.free[:, free_outputs(example.circuit)], rtol=0, atol=1e-9)
    assert name in CASES


def test_a_circuit_that_comes_to_rest_nowhere_has_no_deck() -> None:
    with pytest.raises(SolverError, match="does not come to rest"):
        export_deck(OSCILLATING, None, INPUTS[:1])
