"""Linear algebra of small matrices takes one thread, whoever calls, and leaves the others to their owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import eqcirc as eq
from eqcirc.data import Dataset, Splits
from eqcirc.solvers.ideal import solver as ideal
from eqcirc.threads import SAID_BY


def threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Python session whose user has not said how many threads there are to be."""
    for name in SAID_BY:
        monkeypatch.delenv(name, raising=False)
    with threadpool_limits(2, user_api="blas"):
        yield


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """Threads at every call of Newton's method."""
    found, newton = [], ideal.newton

    def look(*args: Any, **options: Any) -> Any:
        found.append(threads())
        return newton(*args, **options)

    monkeypatch.setattr(ideal, "newton", look)
    return found


def trained() -> None:
    circuit = eq.Layered(hidden=(3,)).build("small", 2, 2, 0)
    some = Dataset("some", np.array([[0.2, -0.1], [0.1, 0.3]]), labels=np.array([0, 1]), n_classes=2)
    with eq.IdealSolver(circuit) as solver:
        rule = eq.EqProp(circuit, eq.SoftmaxCrossEntropy(), beta=1e-7)
        plan = eq.Plan(epochs=1, batch_size=2, learning_rate=1e-8)
        eq.Trainer(solver, rule, Splits(some, None, some), plan=plan).run(lambda row: None)


def solved() -> None:
    circuit = eq.Layered(hidden=(3,)).build("small", 2, 2, 0)
    eq.IdealSolver(circuit).solve(None, [[0.2, -0.1]])


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("use", [solved, trained])
def test_one_thread_within_and_as_many_as_before_afterwards(
    use: Callable[[], None], seen: list[set[int]]
) -> None:
    use()
    assert seen and all(found == {1} for found in seen)
    assert threads() == {2}


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("name", SAID_BY)
def test_what_the_environment_says_counts(
    name: str, seen: list[set[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "2")
    solved()
    assert all(found == {2} for found in seen)
