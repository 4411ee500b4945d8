"""eqcirc chips."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eqcirc.experiment import chips
from eqcirc.experiment.chips import counted, distribution
from eqcirc.learning.evaluate import Score
from tests.cli.conftest import TINY, Result

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


def test_a_folder_that_cannot_be_written_is_found_out_before_the_work(
    eqcirc: Command, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*given: object) -> None:
        raise AssertionError("chips were scored")

    monkeypatch.setattr("eqcirc.experiment.chips.score_chips", worked)
    Path("file").write_text("x")
    result = eqcirc("chips", run, "--reality", "real.toml", "--save", "file/made")
    assert result.code == 2
    assert "cannot write into file/made" in result.err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "has no table [reality]"),
        (("--reality", "tiny.toml"), "tiny.toml has no table [reality]"),
        (
            ("--reality", "empty.toml"),
            "empty.toml names nothing in its table [reality], so all chips are ideal",
        ),
        (("--reality", "real.toml", "--target", 90), "expected an accuracy from 0 to 1, got 90"),
        (("--reality", "real.toml", "--count", 0), "--count"),
    ],
)
def test_what_it_cannot_do_is_said(
    eqcirc: Command, run: str, given: tuple[object, ...], message: str
) -> None:
    Path("empty.toml").write_text("[reality]\nchip = 2\n")
    result = eqcirc("chips", run, *given)
    assert result.code == 2
    assert message in result.err


@pytest.mark.parametrize("regression", [False, True])
def test_a_chip_that_leaves_samples_without_an_answer_is_named_and_passes_no_loss(
    eqcirc: Command, run: str, regression: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss says nothing of samples that failed, so a small one of half of them is no yield."""
    if regression:
        x = np.random.default_rng(0).normal(size=(20, 2))
        Path("mine.csv").write_text("a,b,volts\n" + "".join(f"{a},{b},{0.1 * a}\n" for a, b in x))
        table = TINY.replace(
            'name = "xor"', 'name = "csv"\npath = "mine.csv"\ntargets = ["volts"]\ntest = 0.5'
        )
        table = table.replace("[learning]", '[learning]\ncost = "squared_error"').replace("= 4\n", "= 0\n")
        Path("volts.toml").write_text(table)
        result = eqcirc("train", "volts.toml", "--out", "volts")
        assert result.code == 0, result.err
    right = np.nan if regression else 0.5
    scores = [Score(0.01, right, 0, 4), Score(0.01, right, 2, 4), Score(np.nan, 0.0 * right, 4, 4)]

    def made_up(opened: object, experiment: object, made: object, *options: object) -> object:
        return zip(made, scores, strict=True)  # type: ignore[call-overload]

    monkeypatch.setattr(chips, "score_chips", made_up)
    folder, target = ("volts", 0.02) if regression else (run, 0.5)
    given = ("chips", folder, "--reality", "real.toml", "-n", 3, "--target", target)
    found = eqcirc(*given, "--json").json
    assert found["yield"]["passed"] == (1 if regression else 2)
    assert found["failed"] == {"samples": 6, "chips": 2}
    assert found["mean"] == pytest.approx(0.01 if regression else 1 / 3)
    assert "6 of 12 samples, on 2 chips, have no answer" in eqcirc(*given).out


def test_equal_scores_have_no_deviation_and_none_has_no_distribution() -> None:
    assert distribution(np.full(20, 0.9666666666666667))["deviation"] == 0
    assert all(np.isnan(value) for value in distribution(np.array([np.nan])).values())
    assert counted(np.array([1.0, 2.0, np.nan]), np.array([0, 1, 0])).tolist() == [1.0, np.inf, np.inf]
