"""Nodes between resistors are eliminated exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.lumped import lumped
from eqcirc.circuit.store import load_circuit, save_circuit
from eqcirc.costs import SquaredError
from eqcirc.devices import Conductance
from eqcirc.experiment.provenance import fingerprint
from eqcirc.learning.eqprop import EqProp
from eqcirc.reality import Mismatch, Reality, Wires
from eqcirc.solvers.ideal import solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from tests.case import S
from tests.catalogue import random_layered


@pytest.mark.parametrize("ohms", [1e-2, 1.0, 1e4])
def test_other_nodes_see_the_same(ohms: float, spice: Callable[..., NgspiceSolver]) -> None:
    some = random_layered(np.random.default_rng(1), (5, 4))
    reality = Reality(mismatch=Mismatch(0.2), wires=Wires(ohms, "both", "bottom"))
    chip = reality.chip(some.circuit)
    whole = IdealSolver(chip.circuit).solve(chip.parameters, some.inputs).require().free
    small = lumped(chip.circuit, chip.parameters)
    n = small.n_nodes
    assert n == some.circuit.n_nodes
    assert small.node_names == some.circuit.node_names
    for engine in (IdealSolver(small), spice(small, netlist="full"), spice(small)):
        found = engine.solve(None, some.inputs).require().free
        np.testing.assert_allclose(found, whole[:, :n], rtol=0, atol=1e-10)


@pytest.mark.parametrize("ends", ["left", "both"])
def test_learning_through_wires_is_the_same_with_them_eliminated(
    ends: Literal["left", "both"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All voltages and the gradient, as the solver finds them with the wires in Newton's method and before it."""
    some = random_layered(np.random.default_rng(1), (20, 16))
    chip = Reality(mismatch=Mismatch(0.2), wires=Wires(300.0, ends)).chip(some.circuit)
    targets = np.tile([[0.1, -0.1]], (len(some.inputs), some.circuit.readout.n_outputs))
    targets = targets[:, : some.circuit.readout.n_outputs]
    found = []
    for least in (10**9, 1):
        monkeypatch.setattr(solver, "LUMPED_FROM", least)
        rule = EqProp(chip.circuit, SquaredError(), 1e-8)
        measured = rule.measure(IdealSolver(chip.circuit), chip.parameters, some.inputs, targets)
        found.append((measured.points.require().voltages, measured.gradient()))
    np.testing.assert_allclose(found[1][0], found[0][0], rtol=0, atol=1e-11)
    for name, gradient in found[0][1].items():
        largest = np.abs(gradient).max()
        np.testing.assert_allclose(found[1][1][name], gradient, rtol=0, atol=1e-6 * largest)


def test_it_goes_into_a_file(tmp_path: Path) -> None:
    some = random_layered(np.random.default_rng(1))
    chip = Reality(wires=Wires(1.0)).chip(some.circuit)
    small = lumped(chip.circuit, chip.parameters)
    save_circuit(small, tmp_path / "small.npz")
    assert fingerprint(load_circuit(tmp_path / "small.npz")) == fingerprint(small)


def test_a_chain_is_the_sum_of_its_resistances() -> None:
    b = CircuitBuilder("chain")
    x, out = b.input("x"), b.nodes("o")
    b.conductance("load", out, GROUND, S, trainable=True)
    n = b.nodes("n", 2)
    nodes = np.concatenate([x, n, out])
    b.conductance("chain", nodes[:-1], nodes[1:], [S, 2 * S, 4 * S])
    small = lumped(b.build(out))
    assert [e.name for e in small.elements] == ["load", "eq_lumped"]
    (coupling,) = (e for e in small.elements if e.name == "eq_lumped")
    assert isinstance(coupling, Conductance)
    np.testing.assert_allclose(coupling.value, [S / (1 + 1 / 2 + 1 / 4)], rtol=1e-14)


def test_a_circuit_without_such_nodes_stays_as_it_is() -> None:
    circuit = random_layered(np.random.default_rng(1)).circuit
    assert lumped(circuit) is circuit
