"""eqcirc chips."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Result

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("one_worker")

REAL = """
[reality]
seed = 3
[reality.mismatch]
sigma = 0.3
[reality.wires]
ohms = 100.0
"""


@pytest.fixture
def run(eqcirc: Command) -> str:
    """A run on an ideal circuit, and beside it real.toml."""
    Path("real.toml").write_text(REAL)
    assert eqcirc("train", "tiny.toml", "--out", "run").code == 0
    return "run"


def test_the_score_of_many_chips_and_the_yield(eqcirc: Command, run: str) -> None:
    given = ("chips", run, "--reality", "real.toml", "--count", 5, "--target", 0.5)
    found = eqcirc(*given, "--json").json
    scores = [row["accuracy"] for row in found["rows"]]
    assert [row["chip"] for row in found["rows"]] == list(range(5))
    assert found["mean"] == pytest.approx(sum(scores) / 5)
    assert found["yield"]["passed"] == sum(score >= 0.5 for score in scores)
    assert 0 <= found["yield"]["low"] <= found["yield"]["share"] <= found["yield"]["high"] <= 1
    text = eqcirc(*given)
    assert text.code == 0
    assert f"{found['yield']['passed']} of 5 chips" in text.out
    assert "Wilson" in text.out


def test_ngspice_scores_the_same_chips(eqcirc: Command, run: str) -> None:
    given = ("chips", run, "--reality", "real.toml", "--count", 2, "--first", 3, "--json")
    ideal, spice = (eqcirc(*given, "--engine", engine).json["rows"] for engine in ("ideal", "ngspice"))
    assert [row["chip"] for row in ideal] == [3, 4]
    for one, other in zip(ideal, spice, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)
    assert ideal[0]["loss"] != ideal[1]["loss"]


def test_tables_and_chips_are_written(eqcirc: Command, run: str) -> None:
    given = (
        "chips",
        run,
        "--reality",
        "real.toml",
        "--count",
        2,
        "-o",
        "chips.csv",
        "--save",
        "made",
        "--json",
    )
    found = eqcirc(*given).json["rows"]
    with Path("chips.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in written] == [row["loss"] for row in found]
    chip = json.loads(Path("made/chip1.json").read_text())
    assert (chip["number"], chip["seed"]) == (1, 3)
    assert chip["draws"]["mismatch"].keys() == {"w1", "b1", "w2", "b2"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "has no table [reality]"),
        (("--reality", "tiny.toml"), "tiny.toml has no table [reality]"),
        (("--reality", "real.toml", "--target", 90), "expected an accuracy from 0 to 1, got 90"),
        (("--reality", "real.toml", "--count", 0), "--count"),
    ],
)
def test_what_it_cannot_do_is_said(
    eqcirc: Command, run: str, given: tuple[object, ...], message: str
) -> None:
    result = eqcirc("chips", run, *given)
    assert result.code == 2
    assert message in result.err
