"""Variants of nudging: how their errors fall with beta, and what a rule does with what it reads."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.costs import SquaredError
from eqcirc.errors import CircuitError
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.phases import PHASES
from eqcirc.learning.reading import Reading
from eqcirc.learning.rule import Rule, flat
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient, relative_error
from tests.case import Case
from tests.catalogue import case

COST = SquaredError()


def exact(example: Case) -> Array:
    free = IdealSolver(example.circuit).solve(None, example.inputs).require().free
    targets = example.nudge(COST).targets
    values = example.circuit.parameters
    return flat(adjoint_gradient(example.circuit, values, example.inputs, targets, COST, free))


def measured(rule: Rule, example: Case) -> Array:
    targets = example.nudge(COST).targets
    return flat(rule.measure(IdealSolver(example.circuit), None, example.inputs, targets).gradient())


@pytest.mark.parametrize("variant", PHASES)
@pytest.mark.parametrize(
    ("kind", "name"), [(EqProp, "signed"), (EqProp, "antiparallel"), (AsymEP, "asymmetric")]
)
def test_the_error_falls_with_the_power_of_beta_that_is_said(kind: type, name: str, variant: str) -> None:
    example = case(name)
    rule = kind(example.circuit, COST, 1e-6, variant)
    beta = 1e-7 if name == "antiparallel" else 4e-7
    coarse, fine = (
        relative_error(measured(rule.with_beta(b), example), exact(example)) for b in (beta, beta / 4)
    )
    assert coarse / fine == pytest.approx(4**rule.order, rel=0.25)


@pytest.mark.parametrize(
    ("kind", "name"), [(EqProp, "signed"), (AsymEP, "asymmetric"), (AsymEP, "feedforward")]
)
def test_extrapolation_gains_fifty_times_at_a_tenth_of_the_output_conductance(kind: type, name: str) -> None:
    example = case(name)
    beta = {"signed": 6e-6, "asymmetric": 2e-6, "feedforward": 1e-6}[name]
    centred, extrapolated = (
        relative_error(measured(kind(example.circuit, COST, beta / 3, variant), example), exact(example))
        for variant in ("centred", "richardson")
    )
    assert extrapolated < centred / 20


def test_ngspice_solves_all_four_phases_of_an_extrapolation() -> None:
    example = case("signed")
    rule, targets = EqProp(example.circuit, COST, 1e-6, "richardson"), example.nudge(COST).targets
    with NgspiceSolver(example.circuit) as solver:
        found = flat(rule.measure(solver, None, example.inputs, targets).gradient())
    assert relative_error(found, measured(rule, example)) < 1e-8


def test_a_random_sign_is_the_same_for_the_same_batch_and_values_and_averages_out() -> None:
    example = case("signed")
    rule = EqProp(example.circuit, COST, 1e-6, "random")
    one_sided = {
        v: measured(EqProp(example.circuit, COST, 1e-6, v), example) for v in ("positive", "negative")
    }  # type: ignore[arg-type]
    signs = []
    for seed in range(40):
        found = measured(rule.with_reading(None, seed), example)
        np.testing.assert_array_equal(found, measured(rule.with_reading(None, seed), example))
        signs.append(bool(np.array_equal(found, one_sided["positive"])))
        assert signs[-1] or np.array_equal(found, one_sided["negative"])
    assert 10 < sum(signs) < 30
    moved = example.circuit.parameters
    moved["first"] = moved["first"] * 1.001
    drawn = [rule.drawn(p, example.inputs).variant for p in (moved, None, example.circuit.parameters)]
    assert drawn[1] == drawn[2], "no values are the circuit's"


NOISY = Reading(noise=1e-4)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(EqProp, "signed"), (AsymEP, "asymmetric"), (Dyadic, "asymmetric"), (EqProp, "amplifier")],
)
def test_noise_of_readings_drowns_small_nudges_and_repeats(kind: type, name: str) -> None:
    example = case(name)
    clean = {b: kind(example.circuit, COST, b) for b in (1e-8, 1e-6)}
    errors = {
        b: relative_error(measured(rule.with_reading(NOISY, 1), example), measured(rule, example))
        for b, rule in clean.items()
    }
    assert errors[1e-8] > 20 * errors[1e-6]
    noisy = clean[1e-6].with_reading(NOISY, 1)
    np.testing.assert_array_equal(measured(noisy, example), measured(noisy, example))
    assert not np.array_equal(measured(noisy, example), measured(clean[1e-6].with_reading(NOISY, 2), example))


def test_points_that_were_read_badly_are_what_they_were() -> None:
    """Loss and accuracy are those of the circuit."""
    example = case("signed")
    rule, targets = EqProp(example.circuit, COST, 1e-6), example.nudge(COST).targets
    solver = IdealSolver(example.circuit)
    found = rule.with_reading(NOISY).measure(solver, None, example.inputs, targets)
    np.testing.assert_array_equal(
        found.points.voltages, rule.measure(solver, None, example.inputs, targets).points.voltages
    )
    few = found.take(np.array([0, 3]))
    assert few.contrast.shape[0] == 2


def test_a_converter_rounds_and_clips() -> None:
    rng = np.random.default_rng(0)
    reading = Reading(bits=3, full_scale=1.0)  # steps of 0.25 V
    v = np.array([[[0.1, 0.13, -0.4, 5.0, -5.0]]])
    np.testing.assert_allclose(reading.read(v, rng), [[[0.0, 0.25, -0.5, 0.75, -1.0]]])


def test_voltages_beyond_the_converter_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    example = case("signed")
    rule = EqProp(example.circuit, COST, 1e-6).with_reading(Reading(bits=9, full_scale=0.01))
    for _ in range(2):
        measured(rule, example)
    assert len([r for r in caplog.records if "the converter clips at full_scale = 0.01 V" in r.message]) == 1


def test_phase_noise_is_common_to_a_phase() -> None:
    seen = Reading(phase_noise=1e-3).read(np.zeros((3, 2, 4)), np.random.default_rng(0))
    assert (seen == seen[..., :1]).all()
    assert len(np.unique(seen)) == 6


@pytest.mark.parametrize(
    "wrong",
    [{"noise": -1.0}, {"bits": 0}, {"full_scale": float("nan")}, {"bits": 60}, {"bits": 2.5}, {"bits": True}],
)
def test_ranges_of_readings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(CircuitError, match=next(iter(wrong))):
        Reading(**wrong)  # type: ignore[arg-type]
