"""`eqcirc check --trials`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eqcirc.circuit.store import save_circuit
from tests.learning.networks import small_network

Command = Callable[..., Any]

SMALL = """
# my circuit
name = "small"
[data]
name = "xor"
scaling = "none"
[network]
hidden = [4]
input_gain = 2.0
initial = [1e-7, 3e-6]
amplifiers = { gain = 4.0 }
[learning]  # the rule
beta = 1e-6  # to be found
[solver]
sweep = 4
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_statistics_picture_and_the_beta_that_is_written(
    eqcirc: Command, small: Path, tmp_path: Path
) -> None:
    picture, before = tmp_path / "check.png", error(eqcirc, small)
    result = eqcirc("check", small, "--trials", 4, "--samples", 2, "--picture", picture, "--write")
    assert result.code in (0, 1), result.err
    for words in (
        "EqProp (ngspice) against adjoint",
        "EqProp (ideal) against adjoint",
        "95 % interval",
        "slope",
    ):
        assert words in result.out
    assert picture.read_bytes()[:4] == b"\x89PNG"
    text = small.read_text()
    assert "# my circuit" in text, "the rest stays"
    assert "  # to be found" in text
    assert "beta = 1e-6" not in text
    assert error(eqcirc, small) < before / 10, "with what was recommended"


def error(eqcirc: Command, path: Path) -> float:
    """Mean error of the gradients."""
    result = eqcirc("check", path, "--trials", 4, "--samples", 2, "--engine", "ideal", "--json")
    rows = {row["name"]: row for row in json.loads(result.out)["statistics"]["ideal"]}
    return float(rows["error"]["mean"])


def test_json_has_it_all(eqcirc: Command, small: Path) -> None:
    result = eqcirc("check", small, "--trials", 3, "--engine", "ideal", "--json")
    content = json.loads(result.out)
    assert content["rule"] == "EqProp"
    assert content["trials"] == 3
    assert content["adjoint_against_differences"] < 1e-6
    assert {row["name"] for row in content["statistics"]["ideal"]} >= {"correlation", "slope", "error"}
    assert len(content["curves"]["ideal"]["beta"]) == len(content["curves"]["ideal"]["median_error"])


@pytest.mark.parametrize("learning", ["", "[learning]\nepochs = 3\n"])
def test_a_file_without_beta_gets_one(eqcirc: Command, tmp_path: Path, learning: str) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(
        'name = "plain"\n[data]\nname = "xor"\nscaling = "none"\n[network]\nhidden = [3]\ninput_gain = 1.0\n'
        + learning
    )
    eqcirc("check", path, "--trials", 2, "--engine", "ideal", "--write")
    assert path.read_text().count("beta = ") == 1
    assert eqcirc("check", path, "--trials", 2, "--engine", "ideal").code == 0


@pytest.mark.parametrize(
    "table", ["learning = { epochs = 2, beta = 1e-8 }", "learning.beta = 1e-8", "[ learning ]"]
)
def test_a_file_is_written_right_or_not_at_all(eqcirc: Command, tmp_path: Path, table: str) -> None:
    path = tmp_path / "other.toml"
    above, below = (table, "") if not table.startswith("[") else ("", table + "\n")
    rest = '[data]\nname = "xor"\nscaling = "none"\n[network]\nhidden = [3]\ninput_gain = 1.0\n'
    path.write_text(f'name = "other"\n{above}\n{rest}{below}')
    before = path.read_text()
    result = eqcirc("check", path, "--trials", 2, "--engine", "ideal", "--write")
    if result.code == 2:
        assert "put beta = " in result.err
        assert path.read_text() == before
    assert eqcirc("check", path, "--trials", 2, "--engine", "ideal").code in (0, 1), "still an experiment"


def test_options_of_trials_need_them(eqcirc: Command, small: Path) -> None:
    assert "are of --trials" in eqcirc("check", small, "--write").err
    assert "there is no folder" in eqcirc("check", small, "--trials", 2, "--picture", "missing/x.png").err


def test_a_run_is_past(eqcirc: Command, small: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    args = ("--set", "learning.epochs=1", "--set", "solver.engine=ideal", "--set", "audit.every=0")
    assert eqcirc("train", small, "--out", run, *args).code == 0
    result = eqcirc("check", run, "--trials", 2, "--engine", "ideal", "--write")
    assert result.code == 2
    assert "is a run, whose experiment is past" in result.err


def test_a_circuit_from_a_file_is_scattered_about_its_values(eqcirc: Command, tmp_path: Path) -> None:
    circuit = small_network()
    save_circuit(circuit, tmp_path / "mine.npz")
    rows = "\n".join(f"{a},{b},{int(a > 0)}" for a in (-1, 1) for b in (-1, 0.5, 1))
    (tmp_path / "mine.csv").write_text(f"a,b,label\n{rows}{chr(10)}" * 1 + rows + "\n")
    path = tmp_path / "mine.toml"
    path.write_text('circuit = "mine.npz"\ndata = { name = "csv", path = "mine.csv", validation = 0.0 }\n')
    result = eqcirc("check", path, "--trials", 6, "--engine", "ideal", "--json")
    figures = {row["name"]: row for row in result.json["statistics"]["ideal"]}
    assert figures["error"]["low"] < figures["error"]["high"]
    assert figures["correlation"]["mean"] > 0.999
