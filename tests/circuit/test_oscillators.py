"""Oscillator networks: what is built, the matrix form against others, where phases come to rest."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.doubled import doubled
from eqcirc.circuit.oscillators import Oscillators, quadrature
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import PhaseError
from eqcirc.errors import CircuitError
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.rule import flat
from eqcirc.solvers.free_phase import InitialState
from eqcirc.solvers.ideal.formulation import General
from eqcirc.solvers.ideal.phases import PhasePlan
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Evidence, Status
from eqcirc.typing import Array
from eqcirc.verify.check import check

INPUTS = np.random.default_rng(0).uniform(0, 1, (4, 3))
TARGETS = PhaseError().targets(np.array([0, 1, 1, 0]), 2)


def network(hidden: tuple[int, ...]) -> Circuit:
    plan = Oscillators(hidden, initial=0.5, coupling=0.4, output_injection=-0.3, train_injection=True)
    return plan.build("network", 3, 2, 1)


def general(circuit: Circuit) -> IdealSolver:
    """The ideal solver without the matrix form."""
    solver = IdealSolver(circuit, start=quadrature())
    solver._formulation = General(solver._plan)
    return solver


@pytest.mark.parametrize("hidden", [(), (4,), (3, 3)])
def test_matrix_form_and_both_netlists_agree(
    hidden: tuple[int, ...], spice: Callable[..., NgspiceSolver]
) -> None:
    circuit = network(hidden)
    rule = EqProp(circuit, PhaseError(), 1e-3)
    solvers = [IdealSolver(circuit, start=quadrature()), general(circuit)]
    solvers += [spice(circuit, start=quadrature(), netlist=form) for form in ("reduced", "full")]
    first, *others = (rule.measure(s, None, INPUTS, TARGETS) for s in solvers)
    assert first.points.require().evidence == Evidence.WRITTEN
    for other in others:
        found, wanted = other.points.require().voltages, first.points.voltages
        found = found - 2 * math.pi * np.round(
            (found - wanted) / (2 * math.pi)
        )  # the general form counts turns
        np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-11)
        np.testing.assert_allclose(flat(other.gradient()), flat(first.gradient()), rtol=0, atol=1e-7)


def test_eqprop_is_the_gradient(spice: Callable[..., NgspiceSolver]) -> None:
    circuit = network((3,))
    rule = EqProp(circuit, PhaseError(), 1e-4)
    engine = spice(circuit, start=quadrature())
    findings = check(rule, circuit.parameters, INPUTS, TARGETS, engine, start=quadrature())
    measured = {f.name: f.measured for f in findings}
    assert measured["adjoint against finite differences"] < 1e-9
    assert measured["EqProp (ngspice) against adjoint"] < 1e-6


@pytest.mark.parametrize("values", [[[0.0]], [[1.0], [0.0]], [[1.0], [1e-7]]])
def test_a_phase_that_nothing_pulls_fails_alone(values: list[list[float]]) -> None:
    circuit = Oscillators(hidden=(), output_injection=0.0, initial=0.5).build("free", 1, 1, 0)
    points = IdealSolver(circuit, start=quadrature()).solve({"w1": np.ones((1, 1))}, np.array(values))
    assert points.converged.tolist() == [value[0] == 1 for value in values]


def ring(k: float) -> Circuit:
    """Three oscillators, each coupled to the others so that all would turn away from all."""
    b = CircuitBuilder("ring")
    phi = b.nodes("phi", 3)
    b.phase_device("turn", phi, -1.0, to=np.roll(phi, 1))
    b.phase_device("hold", phi[0], 1.0)
    if k:
        b.phase_device("second", phi, k, harmonic=2)
    b.capacitor("c", phi, GROUND, 1.0)
    return b.build(phi)


def rest(circuit: Circuit, start: InitialState) -> Array:
    found = IdealSolver(circuit, start=start).solve(None, np.zeros((1, 0)))
    return np.asarray(found.require().free[0, 1:])


def test_three_that_turn_away_from_each_other_stand_at_120_degrees() -> None:
    phases = rest(ring(0.0), InitialState({"phi_1": 1.0, "phi_2": 5.0}))
    np.testing.assert_allclose(phases, [0, 2 * math.pi / 3, 4 * math.pi / 3], atol=1e-10)


def test_injection_at_the_second_harmonic_makes_bits_of_phases() -> None:
    phases = rest(ring(3.0), InitialState({"phi_1": 1.0, "phi_2": 2.0}))
    np.testing.assert_allclose(np.abs(np.cos(phases)), 1, atol=1e-12)


def test_a_saddle_is_no_answer() -> None:
    """At 0 nothing pulls, and two of the three would turn away."""
    found = IdealSolver(ring(0.0), start="relax").solve(None, np.zeros((1, 0)))
    assert found.status[0] in (Status.UNSTABLE, Status.NO_EQUILIBRIUM)


def test_a_pulse_is_written_first() -> None:
    """Between 0 and π a strong second harmonic remembers which of the two the pulse pulled to."""
    b = CircuitBuilder("memory")
    x, phi = b.input("x"), b.nodes("phi")
    b.phase_input("pull", x, phi, [[1.0]])
    b.phase_device("second", phi, 1.0, harmonic=2)
    b.capacitor("c", phi, GROUND, 1.0)
    circuit = b.build(phi)
    for pulse, wanted in ((5.0, 0.0), (-5.0, math.pi)):
        start = InitialState(pulse=(pulse,), everywhere=1.0)
        found = IdealSolver(circuit, start=start).solve(None, np.zeros((1, 1))).require()
        assert found.free[0, phi[0]] == pytest.approx(wanted, abs=1e-10)


def test_other_circuits_have_no_matrix_form() -> None:
    b = CircuitBuilder("detuned")
    phi = b.nodes("phi", 2)
    b.phase_device("join", phi[0], 1.0, to=phi[1])
    b.current_source("detuning", phi[0], 0.1)
    b.conductance("leak", phi, GROUND, 1.0)
    assert PhasePlan.of(Reduction(b.build(phi))) is None
    assert PhasePlan.of(Reduction(network((3,)))) is not None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"bounds": (1.0, -1.0)}, "expected a lower value, then a higher one"),
        (
            {"coupling": 3.0},
            r"coupling = 3 A: expected first couplings of both signs within the bounds -2 to 2 A",
        ),
        ({"initial": -0.1}, "initial = -0.1 A"),
        ({"output_injection": 5.0, "train_injection": True}, "expected trained values within the bounds"),
    ],
)
def test_wrong_networks_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(CircuitError, match=said):
        Oscillators((3,), **wrong).build("wrong", 2, 2, 0)  # type: ignore[arg-type]


def test_dyadic_ep_says_that_phases_have_no_image() -> None:
    with pytest.raises(
        CircuitError, match="parts between phases have no image; train oscillators with eqprop"
    ):
        doubled(network((3,)))
