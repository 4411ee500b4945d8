"""Statistics of measured gradients, and what is predicted of their error over beta."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.costs import SquaredError
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.reading import Reading
from eqcirc.learning.vector_field import VectorField
from eqcirc.report.gradients import gradient_figure
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.verify.trials import Curve, Draw, Trial, curve, draw, faint_draws, measure, statistics
from tests.catalogue import case
from tests.circuit.test_turned import moved

COST = SquaredError()


def draws(name: str, count: int = 6) -> list[Draw]:
    example = case(name)
    rule, targets = Dyadic(example.circuit, COST, 1e-7), example.nudge(COST).targets
    values = [dict(moved(example.circuit, seed)) for seed in range(count)]
    return [draw(rule, v, example.inputs, targets) for v in values]


def test_a_scaled_gradient_has_the_slope_of_its_scale() -> None:
    exact = np.array([1.0, -2.0, 0.5, 3.0])
    trial = Trial.of(1.1 * exact, exact)
    assert trial.correlation == pytest.approx(1)
    assert trial.cosine == pytest.approx(1)
    assert trial.slope == pytest.approx(1.1)
    assert trial.signs == 1
    assert trial.error == pytest.approx(0.1)
    turned = Trial.of(np.array([1.0, -2.0, -0.5, 3.0]), exact)
    assert turned.signs == pytest.approx(6 / 6.5), "by size"
    assert np.isnan(Trial.of(np.full(4, np.nan), exact).error)


def test_intervals_hold_the_mean_and_shrink_with_more_trials() -> None:
    rng = np.random.default_rng(1)
    trials = [Trial(c, 1.0, 1.0, 1.0, 1 - c) for c in 1 - rng.exponential(1e-3, 400)]
    few, many = (next(s for s in statistics(trials[:n]) if s.name == "correlation") for n in (20, 400))
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    assert many.low < 1 - 1e-3 < many.high
    same = next(s for s in statistics(trials) if s.name == "slope")
    assert (same.low, same.mean, same.high) == (1, 1, 1)
    assert all(np.isnan(s.mean) for s in statistics([Trial(*[float("nan")] * 5)]))


@pytest.mark.parametrize(
    ("kind", "name"), [(EqProp, "signed"), (AsymEP, "asymmetric"), (Dyadic, "all_cells")]
)
def test_rules_that_are_exact_have_good_figures(kind: type, name: str) -> None:
    some = draws(name)
    assert max(d.differences for d in some) < 1e-6
    solver, rule = IdealSolver(case(name).circuit), kind(case(name).circuit, COST, 1e-8)
    figures = {s.name: s for s in statistics([Trial.of(measure(rule, solver, d), d.exact) for d in some])}
    assert figures["correlation"].low > 1 - 1e-6
    assert figures["slope"].mean == pytest.approx(1, abs=1e-3)
    assert figures["error"].worst < 1e-3


def test_a_vector_field_has_not() -> None:
    some = draws("feedforward")
    solver, rule = (
        IdealSolver(case("feedforward").circuit),
        VectorField(case("feedforward").circuit, COST, 1e-8),
    )
    figures = {s.name: s for s in statistics([Trial.of(measure(rule, solver, d), d.exact) for d in some])}
    assert figures["cosine"].mean < 0.9


def test_the_best_beta_is_predicted_from_one_of_them() -> None:
    some = draws("signed")
    circuit = case("signed").circuit
    rule = EqProp(circuit, COST, 3e-7).with_reading(Reading(noise=1e-5), 1)
    found = curve(rule, IdealSolver(circuit), some, np.logspace(-8, -5, 13))
    assert found.predicted_best == pytest.approx(found.measured_best, rel=1.0), "within a factor of 2"
    assert found.predicted_best / found.measured_best > 0.5
    assert found.order == 2
    quiet = curve(EqProp(circuit, COST, 3e-7), IdealSolver(circuit), some[:2], np.array([1e-7, 1e-6]))
    assert quiet.noise == 0
    assert np.isnan(quiet.predicted_best)
    assert quiet.recommended == 1e-7


def test_a_curve_recommends_the_largest_beta_that_is_good_enough() -> None:
    betas = np.logspace(-9, -5, 5)
    errors = np.array([1e-3, 1e-6, 1e-5, 1e-2, np.nan])[:, None]
    found = Curve(betas, errors, 2, 1.0, 1.0)
    assert found.recommended == betas[2]
    assert Curve(betas, 100 * errors + 1, 2, 1.0, 1.0).recommended <= betas[2], "the best one"


def test_failed_samples_are_no_number() -> None:
    some = draws("signed", 1)[0]
    circuit = case("signed").circuit
    broken = Draw(some.parameters, some.inputs * 1e40, some.targets, some.exact, 0.0)
    assert np.isnan(measure(EqProp(circuit, COST, 1e-7), IdealSolver(circuit), broken)).all()


def test_the_picture_can_be_drawn_with_and_without_noise(tmp_path: object) -> None:
    from io import BytesIO

    exact = np.linspace(-1, 1, 20)
    betas = np.logspace(-9, -5, 5)
    noisy = Curve(betas, np.outer(betas**2 * 1e10 + 1e-9 / betas, [0.5, 1.0]), 2, 1e10, 1e-9)
    nothing = Curve(betas, np.full((5, 2), np.nan), 2, np.nan, np.nan)
    constant = Curve(betas, np.full((5, 2), 1e-12), 0, 1e-12, 0.0)
    target = BytesIO()
    gradient_figure(
        target,
        {"a": (exact, exact), "b": (exact, 2 * exact)},
        {"a": noisy, "b": nothing, "c": constant},
        unit="A",
    )
    assert target.getvalue()[:4] == b"\x89PNG"


def test_draws_with_next_to_no_gradient_are_told_apart() -> None:
    nothing = np.zeros((1, 1))
    draws = [Draw({}, nothing, nothing, np.array([size, 0.0]), 0.0) for size in (1.0, 1e-9, 2.0, 3.0, 0.0)]
    assert faint_draws(draws) == [1, 4]
