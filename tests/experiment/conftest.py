from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.experiment import build
from eqcirc.learning import checkpoint
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


def make_up(folder: Path, **changes: Any) -> None:
    """Change the JSON of a checkpoint as somebody would who knows how its checksum is made; ... removes a key."""
    path = folder / checkpoint.JSON_NAME
    content = json.loads(path.read_text()) | changes
    del content[checkpoint.CHECKSUM]
    content = {key: value for key, value in content.items() if value is not ...}
    path.write_text(json.dumps(content | {checkpoint.CHECKSUM: checkpoint._checksum(content)}))
