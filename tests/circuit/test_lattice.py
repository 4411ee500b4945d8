"""Lattices of neurons."""

from __future__ import annotations

import pytest

from eqcirc.analysis.turing import LATTICES


@pytest.mark.parametrize("device", ["cubic", "esaki"])
def test_couplings_start_well_inside_the_bounds_that_learning_keeps_them_in(device: str) -> None:
    trained = LATTICES[device].build("chain").trainable  # type: ignore[index]
    assert [element.name for element in trained] == ["activator", "inhibitor"]
    for element in trained:
        assert element.bounds.lower < 0.5 * element.value.min()
        assert element.bounds.upper > 2 * element.value.max()
