from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from tests.cli.conftest import Result

Command = Callable[..., Result]


@pytest.fixture(autouse=True)
def shared_worker(spice: Callable[..., NgspiceSolver], monkeypatch: pytest.MonkeyPatch) -> None:
    def make(circuit: Circuit, **options: Any) -> NgspiceSolver:
        solver = spice(circuit, **options)
        monkeypatch.setattr(solver, "close", lambda: None)
        return solver

    monkeypatch.setattr("eqcirc.solvers.ngspice.solver.NgspiceSolver", make)


@pytest.mark.parametrize("device", ["cubic", "esaki"])
def test_a_chain_through_ngspice(eqcirc: Command, device: str) -> None:
    done = eqcirc("turing", "--device", device, "--json")
    assert done.code == 0
    found = done.json
    assert found["theory_patterns"] is True
    assert found["theory_wavelength"] == pytest.approx(10.105, abs=1e-3)
    assert found["wavelength"] == pytest.approx(found["theory_wavelength"], rel=0.1)
    assert found["theory_band"][0] < found["wavelength"] < found["theory_band"][1]
    assert found["at_rest"] is True
    assert found["stable"] is True
    assert found["largest_real_part"] < 0
    assert found["engine"] == "ngspice"
    assert Path("turing.png").read_bytes()[:4] == b"\x89PNG"
    table = pd.read_csv("turing.csv")
    assert len(table) == 96
    assert np.ptp(table["membrane (V)"]) == pytest.approx(2 * found["amplitude"])


def test_what_people_read(eqcirc: Command) -> None:
    done = eqcirc("turing", "--sites", 40, "--recovery", "rl", "--engine", "ideal", "--data", "course.npz")
    assert done.code == 0
    assert "linear theory" in done.out
    assert "a wave grow fastest, at 7.91e+04/s" in done.out
    assert "at rest        yes" in done.out
    assert "stable: perturbations decay" in done.out
    assert "turing.png" in done.out
    assert "course.npz" in done.out
    with np.load("course.npz") as file:
        assert file["membranes"].shape[1:] == (40,)


def test_options_change_the_lattice(eqcirc: Command) -> None:
    plain, wider = (
        eqcirc("turing", "--sites", 30, "--duration", 0.5e-3, "--engine", "ideal", "--json", *more).json
        for more in ((), ("--activator", 3e-3, "--inhibitor", 60e-3, "--seed", 3))
    )
    assert wider["duration"] == 0.5e-3
    assert wider["theory_wavelength"] > 1.3 * plain["theory_wavelength"]
    assert wider["wavelength"] > 1.3 * plain["wavelength"]


def test_no_pattern_without_inhibitor_diffusion(eqcirc: Command) -> None:
    done = eqcirc("turing", "--sites", 24, "--inhibitor", 0, "--engine", "ideal")
    assert done.code == 0
    assert "no pattern: all perturbations of the uniform state decay" in done.out
    assert "end state      flat" in done.out


def test_a_transient_that_is_too_short_says_so(eqcirc: Command) -> None:
    done = eqcirc("turing", "--sites", 24, "--duration", 60e-6, "--engine", "ideal")
    assert done.code == 0
    assert "at rest        NO; voltages moved by" in done.out


def test_a_grid(eqcirc: Command) -> None:
    done = eqcirc(
        "turing", "--sites", "9x12", "--duration", 2e-4, "--engine", "ideal", "--json", "-o", "grid.png"
    )
    assert done.code == 0
    assert done.json["data"] == "grid.csv"
    assert list(pd.read_csv("grid.csv").columns[:2]) == ["row", "column"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--sites", "4"), 2, "eight or more a side"),
        (("--sites", "9x9x9"), 2, "rows x columns"),
        (("--sites", "many"), 2, "expected a number of neurons"),
        (("--data", "end.txt"), 2, ".csv or .npz"),
        (("--out", "missing/a.png"), 2, "there is no folder missing"),
        (("--duration", "-1"), 2, "positive duration"),
        (("--activator", "-1"), 4, "activator"),
        (("--device", "valve"), 2, "valve"),
    ],
)
def test_wrong_options(eqcirc: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = eqcirc("turing", "--engine", "ideal", *arguments)
    assert done.code == code
    assert words in done.err
    assert not list(Path().glob("*.png"))
