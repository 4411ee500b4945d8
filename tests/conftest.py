from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.typing import Array


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """One worker with libngspice for all tests, because starting one takes long."""
    pool = Pool(LocalWorkers(1), Limits(deadline=60.0))
    yield pool
    pool.close()


@pytest.fixture
def spice(pool: Pool) -> Callable[..., NgspiceSolver]:
    """Make an ngspice solver that shares the worker of all tests."""

    def make(circuit: Circuit, **options: Any) -> NgspiceSolver:
        solver = NgspiceSolver(circuit, **options)
        solver._pool = pool
        return solver

    return make


@pytest.fixture
def batch(tmp_path: Path) -> Callable[[str], tuple[str, dict[str, Array]]]:
    """Run a deck with plain `ngspice -b`: what its .print lines show, and all vectors in full precision."""

    def run(deck: str) -> tuple[str, dict[str, Array]]:
        (tmp_path / "deck.cir").write_text(deck, "ascii")
        command = ["ngspice", "-n", "-b", "deck.cir"]
        table = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=".print" in deck)
        subprocess.run([*command, "-r", "out.raw"], cwd=tmp_path, capture_output=True, check=True)
        return table.stdout, read_raw(tmp_path / "out.raw")

    return run


def read_raw(path: Path) -> dict[str, Array]:
    """The vectors of a binary raw file with real values, by name."""
    head, _, body = path.read_bytes().partition(b"Binary:\n")
    lines = head.decode().splitlines()
    count = next(int(line.split(":")[1]) for line in lines if line.startswith("No. Variables"))
    first = lines.index("Variables:") + 1
    names = [line.split()[1] for line in lines[first : first + count]]
    return dict(zip(names, np.frombuffer(body, np.float64).reshape(-1, count).T, strict=True))
