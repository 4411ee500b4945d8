from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqcirc.learning.schedules import factor

progress = st.floats(0, 1)


@given(progress, st.integers(1, 1000))
def test_constant_is_one(progress: float, epochs: int) -> None:
    assert factor("constant", progress, epochs, final=0.3, decay=0.5) == 1


@given(st.floats(0, 1))
def test_cosine_runs_from_one_to_the_final_factor(final: float) -> None:
    assert factor("cosine", 0.0, 10, final=final) == pytest.approx(1)
    assert factor("cosine", 0.5, 10, final=final) == pytest.approx((1 + final) / 2)
    assert factor("cosine", 1.0, 10, final=final) == pytest.approx(final, abs=1e-15)


@given(progress, progress, st.floats(0, 1))
def test_cosine_never_rises_nor_leaves_its_range(one: float, other: float, final: float) -> None:
    early, late = sorted((one, other))
    first, second = (factor("cosine", p, 10, final=final) for p in (early, late))
    assert final - 1e-15 <= second <= first + 1e-15 <= 1 + 2e-15


def test_exponential_falls_at_the_start_of_every_epoch() -> None:
    batches, epochs = 7, 5
    seen = [
        factor("exponential", step / (batches * epochs), epochs, decay=0.5)
        for step in range(batches * epochs)
    ]
    assert seen == [0.5 ** (step // batches) for step in range(batches * epochs)]


@given(st.integers(1, 300), st.integers(1, 300), st.data())
def test_exponential_counts_whole_epochs_in_spite_of_rounding(
    batches: int, epochs: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, batches * epochs - 1))
    expected = 0.9 ** (step // batches)
    assert math.isclose(
        factor("exponential", step / (batches * epochs), epochs, decay=0.9), expected, rel_tol=1e-12
    )
