from __future__ import annotations

import math

import numpy as np
import pytest

from eqcirc.analysis.paired import mcnemar, paired_errors


def answers(both: int, only_first: int, only_second: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.repeat([True, True, False, False], [both, only_first, only_second, neither])
    second = np.repeat([True, False, True, False], [both, only_first, only_second, neither])
    return first, second


def test_mcnemar_counts_the_samples_that_only_one_gets_right() -> None:
    """By hand: 1 against 7 of 8, twice the sum of the two smallest terms: 2·(1 + 8)/2⁸."""
    found = mcnemar(*answers(40, 1, 7, 2))
    assert found.p_value == pytest.approx(2 * (1 + 8) / 2**8, rel=1e-12)
    assert (found.only_first, found.only_second, found.samples) == (1, 7, 50)
    assert (found.first, found.second) == (41 / 50, 47 / 50)
    assert found.difference == pytest.approx(6 / 50)


def test_the_interval_of_the_difference_is_newcombes_by_hand() -> None:
    z = 1.959963984540054

    def wilson(k: int, n: int) -> tuple[float, float]:
        p, root = k / n, z * math.sqrt(k / n * (1 - k / n) / n + z**2 / (4 * n**2))
        return ((p + z**2 / (2 * n)) - root) / (1 + z**2 / n), ((p + z**2 / (2 * n)) + root) / (1 + z**2 / n)

    found = mcnemar(*answers(40, 1, 7, 2))
    (l2, u2), (l1, u1), p2, p1 = wilson(47, 50), wilson(41, 50), 47 / 50, 41 / 50
    phi = (40 * 2 - 7 * 1 - 25) / math.sqrt(47 * 3 * 41 * 9)
    low = p2 - p1 - math.sqrt((p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2)
    high = p2 - p1 + math.sqrt((p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(0), 0
    shares = [0.85, 0.03, 0.08, 0.04]
    for _ in range(400):
        found = mcnemar(*answers(*rng.multinomial(120, shares)))
        hits += found.low <= 0.05 <= found.high
    assert 0.92 <= hits / 400 <= 0.985


@pytest.mark.parametrize("counts", [(5, 0, 0, 0), (0, 0, 0, 5), (3, 0, 0, 3), (0, 4, 0, 0)])
def test_extremes_have_an_interval_that_is_not_nothing(counts: tuple[int, int, int, int]) -> None:
    found = mcnemar(*answers(*counts))
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.low < found.high


def test_the_second_against_the_first_is_the_mirror_image() -> None:
    one, two = mcnemar(*answers(20, 3, 9, 8)), mcnemar(*answers(20, 9, 3, 8))
    assert (one.low, one.high, one.p_value) == pytest.approx((-two.high, -two.low, two.p_value))


def test_errors_of_regressions_are_compared_pair_by_pair() -> None:
    """Errors that vary much more from sample to sample than from one circuit to the other."""
    rng = np.random.default_rng(1)
    first = rng.lognormal(0, 2, 200)
    found = paired_errors(first, first * 0.9)
    assert found.difference == pytest.approx(np.sqrt(0.9 * first.mean()) - np.sqrt(first.mean()))
    assert found.low < found.difference < found.high < 0
    assert found.p_value < 0.001
    assert paired_errors(first, first * 0.9) == found


def test_errors_of_the_same_size_are_not_told_apart() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.chisquare(2, (2, 100))
    found = paired_errors(first, second)
    assert found.low < 0 < found.high and found.p_value > 0.05


@pytest.mark.parametrize("n", [1, 5])
def test_equal_errors_differ_by_nothing(n: int) -> None:
    found = paired_errors(np.ones(n), np.ones(n))
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_what_came_out_is_said_in_a_sentence() -> None:
    said = mcnemar(*answers(40, 1, 9, 0)).words("runs/a", "runs/b")
    assert said.startswith("runs/a and runs/b differ: accuracy, in percentage points, +16.00 from the first")
    assert "1 are right only by runs/a, 9 only by runs/b" in said
    assert "cannot be told apart" in mcnemar(*answers(40, 2, 3, 0)).words("a", "b")
