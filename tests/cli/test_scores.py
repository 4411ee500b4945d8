"""Commands that use, end and go on with a run."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eqcirc.solvers.base import OperatingPoints
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.status import Status
from tests.cli.conftest import Result

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("one_worker")


def blobs(path: str, first: int = 0) -> None:
    """Write two classes that a circuit can tell apart."""
    rows = [f"{(-1) ** k * 5 + k % 3},{20 + k % 4},{k % 2}" for k in range(first, first + 40)]
    Path(path).write_text("\n".join(["warm,thin,label", *rows]) + "\n")


@pytest.fixture
def run(eqcirc: Command) -> str:
    """A run on raw values, whose data are gone."""
    blobs("mine.csv")
    Path("mine.toml").write_text(
        """
        data = { name = "csv", path = "mine.csv", scaling = "standard" }
        network = { hidden = [8], input_gain = 2.0, biases = { voltage = 2.0 }, amplifiers = { gain = 4.0 } }
        learning = { epochs = 12, batch_size = 4, learning_rate = 1e-6 }
        solver = { engine = "ideal" }
        audit = { every = 0 }
        """
    )
    assert eqcirc("train", "mine.toml", "--out", "run").code == 0
    Path("mine.csv").unlink()
    return "run"


def test_predictions_of_a_new_file(eqcirc: Command, run: str) -> None:
    Path("new.csv").write_text("thin,warm\n21,5\n22,-4\n20,7\n")
    result = eqcirc("predict", run, "new.csv", "-o", "out.csv")
    assert (result.code, result.out) == (0, "wrote out.csv (3 samples, by ideal)\n")
    with Path("out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == ["0", "1", "0"]
    assert all(float(row["probability"]) > 0.5 for row in rows)
    shown = eqcirc("predict", run, "new.csv").out.splitlines()
    assert shown[0].split()[:3] == ["sample", "class", "probability"] and len(shown) == 4
    content = eqcirc("predict", run, "new.csv", "--engine", "ngspice", "--json").json
    assert content["engine"] == "ngspice" and [row[0] for row in content["rows"]] == ["0", "1", "0"]


def test_a_sample_that_cannot_be_solved_costs_only_itself(eqcirc: Command, run: str) -> None:
    Path("new.csv").write_text("warm,thin\n5,21\n1e300,0\n")
    result = eqcirc("predict", run, "new.csv", "-o", "out.csv")
    assert result.code == 1
    assert "1 of 2 samples have no operating point; sample 1: " in result.err
    assert Path("out.csv").read_text().splitlines()[1].startswith("0,")
    solved = eqcirc("solve", run, "--inputs", "new.csv", "--engine", "ideal")
    assert solved.code == 1 and "sample 1, by ideal: " in solved.err


@pytest.mark.parametrize("command", ["solve", "netlist", "stability"])
def test_what_needs_no_data_works_without_them(eqcirc: Command, run: str, command: str) -> None:
    assert eqcirc(command, run).code == 0


def test_what_needs_data_asks_for_them(eqcirc: Command, run: str) -> None:
    result = eqcirc("evaluate", run)
    assert result.code == 3 and "mine.csv: expected the data file of the run here" in result.err


def test_a_new_labelled_file_is_scored(eqcirc: Command, run: str) -> None:
    blobs("new.csv", first=6)
    content = eqcirc("evaluate", run, "--data", "new.csv", "--json").json
    assert content["samples"] == 40 and content["accuracy"] > 0.9 and content["part"] == "new.csv"
    assert [row[0] for row in content["rows"]] == ["0", "1"]
    Path("other.csv").write_text("warm,cold,label\n1,2,0\n1,2,1\n")
    result = eqcirc("evaluate", run, "--data", "other.csv")
    assert result.code == 3 and "expected a column 'thin' in the header" in result.err


def test_a_single_look_in_white_noise_is_scored(eqcirc: Command, run: str) -> None:
    """Little noise changes nothing, much makes a guess of it; the same noise each time."""
    blobs("new.csv", first=3)
    exact = eqcirc("evaluate", run, "--data", "new.csv", "--json").json
    said = [
        eqcirc("evaluate", run, "--data", "new.csv", "--temperature", watts, "--json").json
        for watts in ("1e-15", "1e-5", "1e-5")
    ]
    assert said[0]["temperature"] == 1e-15
    assert said[0]["accuracy"] == exact["accuracy"] == 1.0
    assert said[0]["loss"] != exact["loss"]
    assert said[1]["accuracy"] < 0.9
    assert said[1] == said[2]
    shown = eqcirc("evaluate", run, "--data", "new.csv", "--temperature", "1e-15").out
    assert "temperature  1e-15 W" in shown
    wrong = eqcirc("evaluate", run, "--data", "new.csv", "--temperature", "0")
    assert wrong.code == 2
    assert "temperature = 0.0: expected a positive, finite number of watts" in wrong.err


def test_a_run_goes_on_with_other_audits_and_more_epochs(eqcirc: Command, run: str) -> None:
    blobs("mine.csv")
    result = eqcirc("resume", run, "--set", "learning.epochs=14", "--set", "audit.every=5", "--json")
    assert result.code == 0 and result.json["epochs"] == 14
    assert json.loads(Path(run, "run.json").read_text())["changes"][0]["keys"] == {
        "audit.every": [0, 5],
        "learning.epochs": [12, 14],
    }
    refused = eqcirc("resume", run, "--set", "learning.beta=1e-9")
    assert refused.code == 6 and "learning.beta = 1e-09 (was 1e-07). A run may change audit.*" in refused.err


def test_a_run_that_an_audit_stops_says_how_to_go_on_and_can_be_finished(eqcirc: Command, run: str) -> None:
    blobs("mine.csv")
    strict = ("--set", "audit.every=1", "--set", "audit.warn_bias=1e-30", "--set", "audit.stop_bias=1e-30")
    stopped = eqcirc("train", "mine.toml", "--out", "strict", *strict)
    assert stopped.code == 5
    assert "score it as it is with: eqcirc finish strict; or go on with: eqcirc resume strict" in stopped.err
    finished = eqcirc("finish", "strict")
    assert finished.code == 0 and "finished early, after 0 of " in finished.out
    assert eqcirc("resume", "strict", "--set", "audit.every=0").code == 0


def test_fine_tuning_begins_with_the_values_of_another_run(eqcirc: Command, run: str) -> None:
    blobs("mine.csv")
    tuned = eqcirc(
        "train", "mine.toml", "--out", "fine", "--from", run, "--set", "learning.epochs=1", "--json"
    )
    fresh = eqcirc("train", "mine.toml", "--out", "new", "--set", "learning.epochs=1", "--json")
    assert tuned.json["test_loss"] < fresh.json["test_loss"]
    missing = eqcirc("train", "mine.toml", "--out", "x", "--from", "nowhere")
    assert missing.code == 2 and "there is no nowhere" in missing.err and not Path("x").exists()


def test_init_takes_a_file_and_its_columns(eqcirc: Command) -> None:
    blobs("mine.csv")
    Path("mine.csv").write_text(Path("mine.csv").read_text().replace("label", "what is it"))
    Path("sub").mkdir()
    written = eqcirc("init", "sub/mine.toml", "--data", "mine.csv", "--label", "what is it")
    assert written.code == 0 and "set data.path" not in written.out
    text = Path("sub/mine.toml").read_text()
    assert 'path = "../mine.csv"' in text and 'label = "what is it"' in text and 'name = "mine"' in text
    options = ("--set", "learning.epochs=1", "--set", "solver.engine=ideal", "--set", "audit.every=0")
    assert eqcirc("train", "sub/mine.toml", "--out", "run", *options).code == 0
    assert eqcirc("init", "y.toml", "--data", "mine.csv", "--targets", "thin").code == 0
    assert 'cost = "squared_error"' in Path("y.toml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--data", "none.csv"), 3, "none.csv"),
        (("--data", "mine.csv", "--label", "kind"), 3, "expected a column 'kind' in the header"),
        (("--data", "iris", "--label", "kind"), 2, "'iris' has none"),
        (("--data", "irs"), 2, "did you mean 'iris'"),
    ],
)
def test_init_names_what_it_cannot_use(
    eqcirc: Command, arguments: tuple[str, ...], code: int, message: str
) -> None:
    blobs("mine.csv")
    result = eqcirc("init", "x.toml", *arguments)
    assert result.code == code and message in result.err and not Path("x.toml").exists()


def test_samples_that_the_simulator_died_of_are_no_score(
    eqcirc: Command, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither right nor wrong: there is no number, by this command as in training."""
    blobs("new.csv")
    solve = IdealSolver.solve

    def dying(self: IdealSolver, *arguments: Any) -> OperatingPoints:
        points = solve(self, *arguments)
        points.status[3] = Status.ENGINE_DIED
        return points

    monkeypatch.setattr(IdealSolver, "solve", dying)
    result = eqcirc("evaluate", run, "--data", "new.csv")
    assert result.code == 5
    assert "1 of 40 samples could not be measured" in result.err
    assert not result.out
