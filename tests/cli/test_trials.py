"""`eqcirc check --trials`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.store import save_circuit
from eqcirc.cli.trials import _weighty
from eqcirc.verify.trials import Draw
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


FORWARD = """
name = "forward"
[data]
name = "xor"
[network]
hidden = [3]
weights = "one_way"
input_gain = 0.5
leak = 1e-4
bounds = [-5e-5, 5e-5]
initial = [-2e-5, 2e-5]
[network.cells]
siemens = 1e-4
saturation = 2e-5
[learning]
beta = 1e-8
rule = "vector_field"
force = true
"""


def test_no_beta_is_recommended_for_what_is_no_gradient(eqcirc: Command, tmp_path: Path) -> None:
    path = tmp_path / "forward.toml"
    path.write_text(FORWARD)
    args = ("--trials", 2, "--samples", 2, "--engine", "ideal")
    result = eqcirc("check", path, *args)
    assert result.code == 1
    assert "no beta is recommended" in result.out
    result = eqcirc("check", path, *args, "--write")
    assert result.code == 2
    assert "no beta can be recommended for vector field" in result.err
    assert path.read_text() == FORWARD


def test_draws_that_fail_are_counted(eqcirc: Command, tmp_path: Path) -> None:
    path = tmp_path / "forward.toml"
    path.write_text(FORWARD.replace("vector_field", "auto").replace("force = true", ""))
    result = eqcirc(
        "check", path, "--trials", 1, "--samples", 2, "--engine", "ideal", "--beta", 1e-2, "--json"
    )
    assert result.code == 1
    assert result.json["failed"] == {"ideal": 1}
    assert "1 of 1 draws failed" in result.err


def test_draws_without_a_gradient_advise_nothing(caplog: pytest.LogCaptureFixture) -> None:
    nothing = np.zeros((1, 1))
    draws = [Draw({}, nothing, nothing, np.array([size]), 0.0) for size in (1.0, 1e-9, 2.0)]
    with caplog.at_level("WARNING", "eqcirc"):
        assert _weighty(draws) == [draws[0], draws[2]]
    assert (
        "1 of 3 draws have next to no gradient (below 1e-06 of the median), and are left out: 1"
        in caplog.text
    )


def test_contrastive_learning_is_held_to_nothing(eqcirc: Command, tmp_path: Path) -> None:
    b = CircuitBuilder("clampable")
    x, out = b.input("x", 2), b.nodes("out", 2)
    b.crossbar("w", x, out, [[1e-5, 2e-5], [3e-5, 1e-5]])
    b.conductance("load", out, GROUND, 1e-5)
    save_circuit(b.build(out), tmp_path / "mine.npz")
    rows = "\n".join(f"{a},{b},{0.1 * a},{0.2 * b}" for a in (-1, 0.3, 1) for b in (-1, 0.5, 1))
    (tmp_path / "mine.csv").write_text(f"a,b,y,z\n{rows}\n")
    path = tmp_path / "mine.toml"
    path.write_text(
        'circuit = "mine.npz"\ndata = { name = "csv", path = "mine.csv", targets = ["y", "z"] }\n[learning]\n'
        'cost = "squared_error"\nrule = "coupled"\nvariant = "positive"\nbeta = 1.0\n'
    )
    result = eqcirc("check", path, "--trials", 2, "--samples", 2, "--engine", "ideal")
    assert result.code == 0, result.err
    assert "against the adjoint of the cost, which it does not descend" in result.out
    result = eqcirc(
        "check", path, "--trials", 2, "--samples", 2, "--engine", "ideal", "--beta", 0.1, "--json"
    )
    betas = result.json["curves"]["ideal"]["beta"]
    assert max(betas) <= 1, "no more than the whole way"
