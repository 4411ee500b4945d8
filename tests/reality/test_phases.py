"""Chips of oscillator networks: couplings, biases and injections are programmed like synapses, by magnitude."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.oscillators import Oscillators, quadrature
from eqcirc.costs import PhaseError
from eqcirc.learning.eqprop import EqProp
from eqcirc.reality import Mismatch, ProgrammingNoise, Reality, StuckAt, Window
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.verify.gradients import adjoint_gradient, finite_differences

INPUTS = np.array([[0.1, 0.9, -0.4], [0.8, -0.2, 0.5]])
TARGETS = np.array([[1.0, -1.0], [-1.0, 1.0]])
REALITIES = {
    "mismatch": Reality(mismatch=Mismatch(0.1)),
    "programming": Reality(programming=ProgrammingNoise(0.05)),
    "stuck": Reality(window=Window(1e-3, 1.0), stuck=StuckAt(0.1, 0.1)),
    "10 bits": Reality(window=Window(1e-4, 1.0, bits=10)),
}
each = pytest.mark.parametrize("reality", REALITIES.values(), ids=REALITIES)


@each
def test_both_solvers_agree_on_a_chip_of_oscillators(
    reality: Reality, spice: Callable[..., NgspiceSolver]
) -> None:
    circuit = Oscillators(hidden=(4,)).build("machine", 3, 2, np.random.default_rng(1))
    chip = reality.chip(circuit, number=2)
    assert any((chip.values[e.name] != e.value).any() for e in circuit.trainable)
    ideal = IdealSolver(chip.circuit, start=quadrature()).solve(chip.parameters, INPUTS).require().free
    found = spice(chip.circuit, start=quadrature()).solve(chip.parameters, INPUTS).require().free
    np.testing.assert_allclose(found, ideal, rtol=0, atol=1e-8)


@each
def test_learning_through_a_chip_of_oscillators_is_the_gradient_of_what_is_asked_for(
    reality: Reality,
) -> None:
    circuit = Oscillators(hidden=(4,)).build("machine", 3, 2, np.random.default_rng(1))
    chip = reality.chip(circuit, number=2)
    solver, cost = IdealSolver(chip.circuit, start=quadrature()), PhaseError()
    measured = EqProp(chip.circuit, cost, 1e-5).measure(solver, chip.parameters, INPUTS, TARGETS)
    exact = adjoint_gradient(
        chip.circuit, chip.parameters, INPUTS, TARGETS, cost, measured.points.require().free
    )
    for name, found in measured.gradient().items():
        assert np.abs(found - exact[name]).max() <= 1e-6 * np.abs(exact[name]).max()
    name = circuit.trainable[0].name
    entries = [(name, index) for index in np.ndindex(exact[name].shape)]
    differences = finite_differences(solver, chip.parameters, INPUTS, TARGETS, cost, entries)
    np.testing.assert_allclose(exact[name].ravel(), differences, rtol=1e-5, atol=1e-9)


def test_levels_are_those_of_the_magnitude() -> None:
    circuit = Oscillators(hidden=(4,)).build("machine", 3, 2, np.random.default_rng(1))
    chip = REALITIES["10 bits"].chip(circuit, number=0)
    levels = np.linspace(1e-4, 1.0, 1024)
    for e in circuit.trainable:
        held = chip.values[e.name]
        assert np.isin(np.abs(held[e.value != 0]), levels).all()
        np.testing.assert_array_equal(np.sign(held), np.sign(e.value))
