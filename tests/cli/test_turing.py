from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import EsakiDiode
from eqcirc.devices.tunnel_diode import TunnelDiode, save_diode
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
    assert "end state      flat\n" in done.out


def test_without_noise_it_says_that_nothing_happened(eqcirc: Command) -> None:
    done = eqcirc("turing", "--sites", 24, "--noise", 0, "--engine", "ideal")
    assert "end state      flat: without --noise nothing disturbs the uniform state" in done.out
    assert "stability      unstable: perturbations grow at" in done.out


def test_a_ring_and_a_torus(eqcirc: Command) -> None:
    done = eqcirc("turing", "--periodic", "--sites", 31, "--engine", "ideal")
    assert done.code == 0
    assert "end state      10.33 neurons a wave (+0.0%)" in done.out
    assert "stability      degenerate: a perturbation neither grows nor decays" in done.out
    found = eqcirc("turing", "--periodic", "--sites", "7x11", "--engine", "ideal", "--json").json
    assert (found["stable"], found["neutral"], found["largest_real_part"]) == (False, True, 0)


def test_a_ring_that_holds_its_pattern(eqcirc: Command) -> None:
    done = eqcirc("turing", "--periodic", "--sites", 24, "--engine", "ideal")
    assert "at rest        yes" in done.out
    assert "stability      stable: perturbations decay at 0.191/s; 0.014 V from the end" in done.out


def test_resistance_between_branches_has_an_option_of_its_own(eqcirc: Command) -> None:
    arguments = ("turing", "--sites", 30, "--recovery", "rl", "--engine", "ideal", "--json")
    plain, same, none = (
        eqcirc(*arguments, *more).json for more in ((), ("--shared-ohms", 5e3), ("--shared-ohms", 0))
    )
    assert same["wavelength"] == plain["wavelength"]
    assert none["theory_patterns"] is False


@pytest.mark.parametrize("device", ["MBD1057", "mine.toml"])
def test_other_diodes(eqcirc: Command, device: str) -> None:
    save_diode(Path("mine.toml"), TunnelDiode(EsakiDiode(peak_current=1e-3)))
    found = eqcirc("turing", "--device", device, "--sites", 40, "--engine", "ideal", "--json").json
    assert found["theory_patterns"] is True
    assert found["at_rest"] is True
    assert found["stable"] is True
    assert found["wavelength"] == pytest.approx(found["theory_wavelength"], rel=0.15)


def test_a_transient_that_is_too_short_says_so(eqcirc: Command) -> None:
    done = eqcirc("turing", "--sites", 24, "--duration", 60e-6, "--engine", "ideal")
    assert done.code == 0
    assert "at rest        NO; voltages moved by" in done.out
    done = eqcirc("turing", "--sites", 20, "--duration", 1e-9, "--engine", "ideal")
    assert "at rest        NO; voltages moved by" in done.out
    assert "not judged: no operating point near the end" in done.out


def test_a_lattice_too_large_to_judge_says_so(eqcirc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eqcirc.cli.turing.LARGEST_JUDGED", 20)
    done = eqcirc("turing", "--sites", 20, "--engine", "ideal")
    assert "at rest        yes" in done.out
    assert "not judged: a lattice of more than 20 nodes takes long" in done.out


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
        (("--sites", "2"), 2, "three or more a side"),
        (("--sites", "9x9x9"), 2, "rows x columns"),
        (("--sites", "many"), 2, "expected a number of neurons"),
        (("--data", "end.txt"), 2, ".csv or .npz"),
        (("--out", "end.txt"), 2, "expected a name that ends in .png, .pdf, .svg"),
        (("--recovery", "rl", "--inhibitor", "20e-3"), 2, "give --shared-ohms"),
        (("--shared-ohms", "200"), 2, "--recovery rl, or give --inhibitor"),
        (("--out", "missing/a.png"), 2, "there is no folder missing"),
        (("--duration", "-1"), 2, "positive duration"),
        (("--activator", "-1"), 4, "activator"),
        (("--device", "esaky"), 2, "did you mean 'esaki'? Valid: 1n3716, cubic, esaki, mbd1057"),
        (("--device", "missing.toml"), 2, "missing.toml"),
    ],
)
def test_wrong_options(eqcirc: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    done = eqcirc("turing", "--engine", "ideal", *arguments)
    assert done.code == code
    assert words in done.err
    assert not list(Path().glob("*.png"))


@pytest.mark.parametrize("options", [(), ("--device", "esaki", "--recovery", "rl")])
def test_a_lattice_that_rests_long_before_the_end(
    eqcirc: Callable[..., Result], options: tuple[str, ...]
) -> None:
    """Five sites are perfectly still after a third of the time; the integrator's steps became endlessly short."""
    found = eqcirc("turing", "--sites", 5, "--engine", "ideal", "--json", *options).json
    assert found["at_rest"] is True
    assert found["stable"] is True
    assert found["movement"] == 0
    assert found["e_foldings"] == pytest.approx(500)


def test_outputs_are_looked_at_before_any_work(
    eqcirc: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*args: object, **options: object) -> None:
        raise AssertionError("work")

    monkeypatch.setattr("eqcirc.analysis.pattern.grow", work)
    Path("folder.png").mkdir()
    Path("data.csv").mkdir()
    for options, words in (
        (("-o", "folder.png"), "cannot write folder.png: it is a folder"),
        (("--data", "data.csv"), "cannot write data.csv: it is a folder"),
        (("-o", "no/x.png"), "cannot write no/x.png: there is no folder no"),
    ):
        done = eqcirc("turing", "--sites", 5, "--engine", "ideal", *options)
        assert done.code == 2
        assert words in done.err
