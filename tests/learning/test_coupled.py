"""Coupled learning: what it descends, by both engines; and that it is not taken for the gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.clamped import clamped
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import CubicDevice
from eqcirc.errors import CircuitError, ConfigError, DataError, SolverError, SymmetryError
from eqcirc.learning.choice import choose_rule
from eqcirc.learning.coupled import Coupled
from eqcirc.learning.phases import Variant
from eqcirc.learning.rule import flat
from eqcirc.solvers.free_phase import InitialState
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from eqcirc.verify.check import check
from eqcirc.verify.gradients import adjoint_gradient, relative_error
from tests.case import Case
from tests.catalogue import case

COST = SquaredError()
ETA = 1e-4


class WeightedError(SquaredError):
    """C = weights·outputs, weights in place of the targets."""

    def gradient(self, outputs: Array, targets: Array) -> Array:
        del outputs
        return targets


def own_gradient(example: Case, targets: Array) -> Array:
    """The derivative of ½·eᵀ·Z⁻¹·e by the outputs' voltages, Z⁻¹ as it is."""
    circuit, total = example.circuit, 0.0
    ideal = IdealSolver(circuit)
    free = ideal.solve(None, example.inputs).require().free
    for k, v in enumerate(free):
        z = ideal.transfer(None, example.inputs[k], v, circuit.readout.nodes)
        z = z / symmetry(circuit)[circuit.readout.nodes][None, :]
        weights = np.linalg.solve(z, circuit.readout.read(v) - targets[k])
        found = adjoint_gradient(
            circuit, circuit.parameters, example.inputs[k : k + 1], weights[None], WeightedError(), v[None]
        )
        total = total + flat(found) / len(free)
    return np.asarray(total)


def measured(example: Case, targets: Array, variant: Variant, engine: str = "ideal") -> Array:
    rule = Coupled(example.circuit, COST, ETA, variant)
    solver = IdealSolver(example.circuit) if engine == "ideal" else NgspiceSolver(example.circuit)
    with solver:
        found = rule.measure(solver, None, example.inputs, targets)
    found.points.require()
    return flat(found.gradient())


@pytest.mark.parametrize("engine", ["ideal", "ngspice"])
@pytest.mark.parametrize("variant", ["positive", "negative", "centred"])
@pytest.mark.parametrize("name", ["antiparallel", "signed", "amplifier", "no_inputs"])
def test_it_descends_the_power_that_clamps_put_in(name: str, variant: Variant, engine: str) -> None:
    example = case(name)
    targets = example.nudge().targets
    bound = 1e-5 if variant == "centred" else 2e-2
    found = measured(example, targets, variant, engine)
    assert relative_error(found, own_gradient(example, targets)) < bound


@pytest.mark.parametrize(("variant", "eta", "holds"), [("centred", 0.1, True), ("centred", 1.0, False)])
def test_a_check_holds_it_against_its_own_objective(variant: Variant, eta: float, holds: bool) -> None:
    example = case("amplifier")
    rule = Coupled(example.circuit, COST, eta, variant)
    targets = example.nudge().targets
    findings = check(rule, dict(example.circuit.parameters), example.inputs, targets)
    own = [f for f in findings if "adjoint of its objective" in f.name]
    assert [f.holds for f in own] == [holds], "half way to the target, a diode bends"
    assert [f.bound for f in findings if "cosine" in f.name] == [None]


def test_a_check_does_not_excuse_a_part_of_the_way_that_drowns_in_rounding() -> None:
    example = case("amplifier")
    rule = Coupled(example.circuit, COST, 1e-15)
    findings = check(rule, dict(example.circuit.parameters), example.inputs, example.nudge().targets)
    assert [f.holds for f in findings if f.name.endswith("adjoint of its objective")] == [False]


def test_a_check_asks_nothing_of_contrastive_learning() -> None:
    example = case("amplifier")
    rule = Coupled(example.circuit, COST, 1.0, "positive")
    findings = check(rule, dict(example.circuit.parameters), example.inputs, example.nudge().targets)
    assert not [f for f in findings if "its objective" in f.name], "it descends the contrast itself"


def test_of_one_output_it_is_the_gradient_times_the_conductance_of_the_output() -> None:
    example = case("amplifier")
    targets = example.nudge().targets
    found = measured(example, targets, "centred")
    free = IdealSolver(example.circuit).solve(None, example.inputs).require().free
    exact = flat(
        adjoint_gradient(example.circuit, example.circuit.parameters, example.inputs, targets, COST, free)
    )
    cosine = found @ exact / np.linalg.norm(found) / np.linalg.norm(exact)
    assert cosine > 0.99, "up to what the conductance differs between samples"


def test_of_several_outputs_it_is_not() -> None:
    example = case("signed")
    targets = example.nudge().targets
    found = measured(example, targets, "centred")
    free = IdealSolver(example.circuit).solve(None, example.inputs).require().free
    exact = flat(
        adjoint_gradient(example.circuit, example.circuit.parameters, example.inputs, targets, COST, free)
    )
    assert found @ exact / np.linalg.norm(found) / np.linalg.norm(exact) < 0.999


def test_it_says_that_its_objective_is_its_own() -> None:
    choice = choose_rule(case("signed").circuit, COST, 0.5, name="coupled", variant="centred")
    assert not choice.exact
    assert "an objective of its own, ½·eᵀ·Z⁻¹·e" in choice.why


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Coupled(case("signed").circuit, COST, 2.0), ConfigError, "above 0 and up to 1"),
        (lambda: Coupled(case("signed").circuit, COST, 0.1, "richardson"), ConfigError, "variant"),
        (lambda: Coupled(case("signed").circuit, SoftmaxCrossEntropy(), 0.1), ConfigError, "squared_error"),
        (lambda: Coupled(case("feedforward").circuit, COST, 0.1), SymmetryError, "cell"),
        (
            lambda: clamped(case("differential").circuit),
            CircuitError,
            "differences, sums and held nodes cannot",
        ),
        (lambda: clamped(case("amplifier_to_amplifier").circuit), CircuitError, "no amplifier drives"),
    ],
)
def test_what_cannot_be_clamped_is_refused(
    make: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make()


def test_a_circuit_that_may_have_several_states_is_refused() -> None:
    """Clamps are switched on, and might lead to another one."""
    b = CircuitBuilder("bistable")
    x, h, o = b.input("x"), b.nodes("h"), b.nodes("o")
    b.conductance("feed", x, h, 1e-5, trainable=True)
    b.device("cubic", h, GROUND, CubicDevice(1e-4, 0.5))
    b.conductance("out", h, o, 1e-5, trainable=True)
    b.conductance("load", o, GROUND, 1e-5)
    rule = Coupled(b.build(o), COST, 0.1, "positive")
    solver = IdealSolver(rule.circuit, start=InitialState({"h": -1.0}))
    with pytest.raises(SolverError, match="proven that there is one operating point"):
        rule.measure(solver, None, np.array([[0.1]]), np.array([[0.2]]))


def test_targets_that_do_not_fit_are_refused() -> None:
    example = case("signed")
    rule, solver = Coupled(example.circuit, COST, 0.1, "positive"), IdealSolver(example.circuit)
    for targets in (np.zeros((2, 2)), np.full((5, 2), np.nan)):
        with pytest.raises(DataError, match="expected finite targets"):
            rule.measure(solver, None, example.inputs, targets)


def test_samples_without_a_free_phase_fail_alone() -> None:
    example = case("signed")
    inputs = example.inputs.copy()
    inputs[2] = 1e30
    rule = Coupled(example.circuit, COST, 0.1, "centred")
    found = rule.measure(IdealSolver(example.circuit), None, inputs, example.nudge().targets)
    assert found.points.converged.tolist() == [True, True, False, True, True]
    kept = found.take(found.points.converged)
    np.testing.assert_allclose(flat(kept.gradient()), flat(found.gradient()))
    assert np.isfinite(kept.contrast).all()
