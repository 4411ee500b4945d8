from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.experiment import build
from eqcirc.solvers.ngspice.solver import NgspiceSolver


@pytest.fixture
def one_worker(spice: Callable[..., NgspiceSolver], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything that experiments build share the ngspice worker of all tests."""

    def make(circuit: Circuit, **options: Any) -> NgspiceSolver:
        solver = spice(circuit, **options)
        monkeypatch.setattr(solver, "close", lambda: None)
        return solver

    monkeypatch.setattr(build, "NgspiceSolver", make)


@pytest.fixture
def no_ngspice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without libngspice."""
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "/nonexistent")
