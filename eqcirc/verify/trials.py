"""Is a gradient a gradient? Many random circuits, statistics with confidence intervals, and the error over beta.

The error of a gradient that is measured with a nudge has two parts: what is nonlinear in it, and what noise drowns,

    error(beta) = bias·beta^p + noise/beta,       least at   beta* = (noise/(p·bias))^(1/(p+1)),

p the order of the rule. Both lines follow from one nudging strength: its own error, and half of its noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import bootstrap

from eqcirc.learning.rule import Rule, flat
from eqcirc.solvers.base import Solver
from eqcirc.solvers.free_phase import InitialState, Start
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.gradients import (
    adjoint_gradient,
    descended_gradient,
    finite_differences,
    random_entries,
    relative_error,
)

CONFIDENCE = 0.95
FAINT = 1e-6  # of the median gradient
GOOD = 1e-4  # relative error of a gradient that no training can tell from the exact one


@dataclass(frozen=True, eq=False)
class Draw:
    """A circuit with random values, samples, and its gradient.

    Attributes:
        parameters: values by element name.
        inputs: (batch, n_features).
        targets: (batch, n_outputs).
        exact: the adjoint gradient of what the rule descends, or of the cost if that is not known; as `flat` has it.
        differences: relative error of the adjoint gradient of the cost against finite differences of some entries.
        descended: whether `exact` is of what the rule descends.
    """

    parameters: Parameters
    inputs: Array
    targets: Array
    exact: Array
    differences: float
    descended: bool = True


@dataclass(frozen=True)
class Trial:
    """How a measured gradient compares with the exact one.

    Attributes:
        correlation: of their entries.
        slope: of the regression of measured entries on exact ones.
        signs: share of entries, weighted by their size, whose signs agree.
        cosine: of the angle between them.
        error: |measured − exact|/|exact|.
    """

    correlation: float
    slope: float
    signs: float
    cosine: float
    error: float

    @classmethod
    def of(cls, measured: Array, exact: Array) -> Trial:
        """Compare two gradients (entry,)."""
        if not (np.isfinite(measured).all() and np.isfinite(exact).all()):
            return cls(*[float("nan")] * 5)
        x, y = exact - exact.mean(), measured - measured.mean()
        sizes = np.linalg.norm(x) * np.linalg.norm(y)
        lengths = np.linalg.norm(exact) * np.linalg.norm(measured)
        return cls(
            float(x @ y / sizes) if sizes else float("nan"),
            float(x @ y / (x @ x)) if x.any() else float("nan"),
            float(
                np.abs(exact)[np.sign(exact) == np.sign(measured)].sum() / max(np.abs(exact).sum(), 1e-300)
            ),
            float(exact @ measured / lengths) if lengths else float("nan"),
            relative_error(measured, exact),
        )


@dataclass(frozen=True)
class Statistic:
    """A mean with its confidence interval.

    Attributes:
        name: of what.
        mean: over all trials.
        low: end of the bootstrap interval of the mean;
        high: its other end.
        worst: of all trials.
    """

    name: str
    mean: float
    low: float
    high: float
    worst: float


def draw(
    rule: Rule,
    parameters: Parameters,
    inputs: Array,
    targets: Array,
    *,
    entries: int = 6,
    seed: int = 0,
    start: Start | InitialState = "auto",
) -> Draw:
    """Return values and samples with their exact gradient, by the ideal solver.

    Raises:
        SolverError: a sample has no operating point.
        CircuitError: nothing is trained.
    """
    circuit, cost = rule.circuit, rule.cost
    ideal = IdealSolver(circuit, start=start)
    free = ideal.solve(parameters, inputs).require().free
    adjoint = adjoint_gradient(circuit, dict(parameters), inputs, targets, cost, free)
    exact = descended_gradient(rule, ideal, dict(parameters), inputs, targets, free)
    chosen = random_entries(parameters, entries, np.random.default_rng(seed))
    found = finite_differences(ideal, parameters, inputs, targets, cost, chosen)
    apart = relative_error(found, np.array([adjoint[name][index] for name, index in chosen]))
    known = exact is not None
    return Draw(parameters, inputs, targets, flat(adjoint if exact is None else exact), apart, known)


def faint_draws(draws: Sequence[Draw]) -> list[int]:
    """Return the numbers of draws with next to no gradient, in which only rounding is measured."""
    sizes = np.array([np.linalg.norm(some.exact) for some in draws])
    return np.flatnonzero(sizes < FAINT * np.median(sizes)).tolist()


def measure(rule: Rule, solver: Solver, some: Draw) -> Array:
    """Return the gradient that a rule measures, NaN if a sample fails."""
    measured = rule.measure(solver, some.parameters, some.inputs, some.targets)
    gradient = flat(measured.gradient())
    return gradient if measured.points.converged.all() else np.full_like(gradient, np.nan)


def statistics(trials: Sequence[Trial], seed: int = 0) -> list[Statistic]:
    """Return mean, bootstrap interval (BCa, 95 %) and worst value of every figure of merit; NaN counts in none."""
    found = []
    for name in ("correlation", "slope", "signs", "cosine", "error"):
        values = np.array([getattr(trial, name) for trial in trials])
        values = values[np.isfinite(values)]
        worst = (
            values[np.argmax(np.abs(values - (0.0 if name == "error" else 1.0)))] if values.size else np.nan
        )
        found.append(Statistic(name, *_interval(values, seed), float(worst)))
    return found


def _interval(values: Array, seed: int) -> tuple[float, float, float]:
    """Return the mean and the ends of its interval; where values hardly differ, the ends are the mean."""
    if not values.size:
        return (float("nan"),) * 3
    mean = float(values.mean())
    if values.size < 2 or np.ptp(values) <= 1e-15 * max(abs(mean), 1e-300):
        return mean, mean, mean
    rng = np.random.default_rng(seed)
    interval = bootstrap((values,), np.mean, confidence_level=CONFIDENCE, rng=rng).confidence_interval
    return mean, float(interval.low), float(interval.high)


@dataclass(frozen=True, eq=False)
class Curve:
    """Errors over nudging strengths.

    Attributes:
        betas: (beta,).
        errors: (beta, draw) relative; NaN where a sample failed.
        order: power of beta that the bias grows with.
        bias: error/beta^order of one of them, without noise.
        noise: error·beta of noise; 0 for none.
    """

    betas: Array
    errors: Array
    order: int
    bias: float
    noise: float

    @property
    def median(self) -> Array:
        """(beta,) of the draws."""
        found = np.full(len(self.betas), np.nan)
        known = np.isfinite(self.errors).any(axis=1)
        found[known] = np.nanmedian(self.errors[known], axis=1)
        return found

    @property
    def measured_best(self) -> float:
        """Beta of the least median error, from a parabola through its logarithm around the least one."""
        errors = np.where(np.isfinite(self.median), self.median, np.inf)
        k = int(errors.argmin())
        around = slice(max(0, k - 3), k + 4)
        x, y = np.log(self.betas[around]), np.log(np.maximum(errors[around], 1e-300))
        good = np.isfinite(y)
        if good.sum() < 3:
            return float(self.betas[k])
        a, b, _ = np.polyfit(x[good], y[good], 2)
        inside = np.clip(-b / (2 * a), x[0], x[-1]) if a > 0 else np.log(self.betas[k])
        return float(np.exp(inside))

    @property
    def recommended(self) -> float:
        """The largest beta that is good enough for all draws, so that little is asked of the reading; else the best."""
        good = self.betas[(self.errors <= GOOD).all(axis=1)]
        return float(good.max()) if good.size else self.measured_best

    @property
    def predicted_best(self) -> float:
        """Beta where the two lines add up to least; NaN if there is no noise, or no bias."""
        if not (self.noise > 0 and self.bias > 0 and self.order):
            return float("nan")
        return float((self.noise / (self.order * self.bias)) ** (1 / (self.order + 1)))


def curve(rule: Rule, solver: Solver, draws: Sequence[Draw], betas: Array) -> Curve:
    """Measure errors over nudging strengths, and predict them from the rule's own.

    Noise is that of the rule's reading; what it does is the median over the draws.
    """
    clean = rule.with_reading(None, rule.seed)
    bias, noise = [], []
    for some in draws:
        size = max(float(np.linalg.norm(some.exact)), 1e-300)
        quiet = measure(clean, solver, some)
        bias.append(float(np.linalg.norm(quiet - some.exact)) / size / rule.beta**rule.order)
        noise.append(float(np.linalg.norm(measure(rule, solver, some) - quiet)) / size * rule.beta)
    errors = np.array(
        [
            [relative_error(measure(rule.with_beta(float(b)), solver, some), some.exact) for some in draws]
            for b in betas
        ]
    )
    return Curve(np.asarray(betas), errors, rule.order, _median(bias), _median(noise))


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")
