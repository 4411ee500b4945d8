"""Two circuits on the same samples: is the one truly better than the other?

Samples that both get right or both get wrong say nothing about that; a paired test looks at the others, and sees
smaller differences than two scores side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest, bootstrap, permutation_test

from eqcirc.typing import Array

LEVEL = 0.95
RESAMPLES = 9999


@dataclass(frozen=True)
class Paired:
    """How much better the second of two circuits is than the first.

    Attributes:
        kind: "McNemar, exact" or "paired bootstrap".
        measure: what is compared, and its unit: "accuracy", a share, or "RMSE (V)".
        samples: that both were asked.
        first, second: measure of each.
        difference: second less first.
        low, high: 95 % confidence interval of the difference.
        p_value: chance of a difference that large between circuits that are equally good.
        only_first, only_second: samples that only the one got right; None for a regression.
    """

    kind: str
    measure: str
    samples: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    only_first: int | None = None
    only_second: int | None = None

    def words(self, first: str, second: str) -> str:
        """Say in a sentence what came out, with the names of both."""
        percent = self.measure == "accuracy"
        gap, low, high = (
            f"{100 * x:+.2f}" if percent else f"{x:+.3g} V" for x in (self.difference, self.low, self.high)
        )
        apart = "differ" if self.p_value < 1 - LEVEL else "cannot be told apart"
        counts = ""
        if self.only_first is not None:
            counts = (
                f"; of {self.samples} samples {self.only_first} are right only by {first}, "
                f"{self.only_second} only by {second}"
            )
        what = "accuracy, in percentage points," if percent else "RMSE"
        return (
            f"{first} and {second} {apart}: {what} {gap} from the first to the second "
            f"(95 % interval {low} to {high}; {self.kind}: p = {self.p_value:.2g}){counts}"
        )


def mcnemar(first: np.ndarray, second: np.ndarray) -> Paired:
    """Compare answers (n,), true where they are right, by McNemar's exact test.

    The interval of the difference is Newcombe's (Statistics in Medicine 17, 2635, 1998, method 10): it is sound for few
    samples and for scores near 100 %, where p ± 1.96 standard errors is not.
    """
    n = len(first)
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    apart = only_first + only_second
    p_value = float(binomtest(only_first, apart, 0.5).pvalue) if apart else 1.0
    one, two = float(first.mean()), float(second.mean())
    low, high = _newcombe(int((first & second).sum()), only_second, only_first, n)
    return Paired(
        "McNemar, exact", "accuracy", n, one, two, two - one, low, high, p_value, only_first, only_second
    )


def _newcombe(both: int, only_second: int, only_first: int, n: int) -> tuple[float, float]:
    """Return the interval of second less first; counts of samples that are right by both, or by one only."""
    neither = n - both - only_first - only_second
    p2, p1 = (both + only_second) / n, (both + only_first) / n
    wilson2, wilson1 = (
        binomtest(both + own, n).proportion_ci(LEVEL, method="wilson") for own in (only_second, only_first)
    )
    margins = 1.0
    for part in (both + only_second, only_first + neither, both + only_first, only_second + neither):
        margins *= part
    cross = float(both * neither - only_second * only_first)
    if cross > 0:
        cross = max(cross - n / 2, 0.0)
    phi = cross / math.sqrt(margins) if margins else 0.0

    def reach(down: float, up: float) -> float:
        return math.sqrt(max(down**2 - 2 * phi * down * up + up**2, 0.0))

    return (
        p2 - p1 - reach(p2 - wilson2.low, wilson1.high - p1),
        p2 - p1 + reach(p1 - wilson1.low, wilson2.high - p2),
    )


def paired_errors(first: Array, second: Array, seed: int = 0) -> Paired:
    """Compare squared errors (n,) of two regressions in V²: a bootstrap over samples, and a test that swaps the two."""
    same = bool(np.array_equal(first, second))

    def gap(a: Array, b: Array, axis: int = -1) -> Array:
        return np.asarray(np.sqrt(b.mean(axis=axis)) - np.sqrt(a.mean(axis=axis)))

    low = high = 0.0
    p_value = 1.0
    if not same and len(first) > 1:
        rng = np.random.default_rng(seed)
        options = {"vectorized": True, "n_resamples": RESAMPLES, "batch": 500, "random_state": rng}
        interval = bootstrap(
            (first, second), gap, paired=True, confidence_level=LEVEL, method="percentile", **options
        ).confidence_interval
        low, high = float(interval.low), float(interval.high)
        p_value = float(permutation_test((first, second), gap, permutation_type="samples", **options).pvalue)
    one, two = float(np.sqrt(first.mean())), float(np.sqrt(second.mean()))
    return Paired("paired bootstrap", "RMSE (V)", len(first), one, two, two - one, low, high, p_value)
