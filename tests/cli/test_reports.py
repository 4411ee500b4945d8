"""Commands that look at finished runs: a list, a comparison, a page."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import eqcirc as eq
from eqcirc.experiment.directory import RunDirectory
from tests.cli.conftest import Result
from tests.experiment.conftest import make_up

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("one_worker")

MOONS = ("--set", 'data={name="moons", samples=80}', "--set", "audit.every=0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def runs(eqcirc: Command, made: Path) -> Path:
    """Runs of each state; trained once, copied for each test."""
    if not (made / "a").exists():
        for name, change in (("a", "seed=0"), ("deep/b", "network.hidden=[2]"), ("other", "seed=1")):
            assert eqcirc("train", "tiny.toml", "--out", made / name, *MOONS, "--set", change).code == 0
    shutil.copytree(made, "runs")
    return Path("runs")


def columns(row: str) -> list[str]:
    return [cell.strip() for cell in row.split("  ") if cell.strip()]


def test_runs_are_listed_with_state_and_score(eqcirc: Command, runs: Path) -> None:
    (runs / "notes").mkdir()
    result = eqcirc("runs")
    assert result.code == 0
    head, *rows = map(columns, result.out.splitlines())
    assert head == ["run", "state", "epochs", "rule", "engine", "test", "cost", "seed", "detail"]
    assert [row[:5] for row in rows] == [
        [f"runs/{name}", "finished", "3/3", "EqProp", "ideal"] for name in ("a", "deep/b", "other")
    ]
    summary = json.loads((runs / "a" / "summary.json").read_text())
    assert rows[0][5] == f"{summary['test_accuracy']:.2%}"


def test_a_list_for_machines_and_one_for_pandas_say_the_same(eqcirc: Command, runs: Path) -> None:
    listed = eqcirc("runs", runs, "--json").json["runs"]
    frame = eq.runs_frame(runs)
    assert list(frame["run"]) == [row["run"] for row in listed] == ["runs/a", "runs/deep/b", "runs/other"]
    assert frame["test_accuracy"].tolist() == [row["test_accuracy"] for row in listed]
    assert set(frame.columns) == set(listed[0])
    assert list(eq.runs_frame(runs / "a")["run"]) == ["runs/a"]


def test_states_of_runs(eqcirc: Command, runs: Path) -> None:
    assert eqcirc("resume", runs / "a", "--set", "learning.epochs=3").code == 0
    (runs / "deep/b/summary.json").unlink()
    config = runs / "other/config.toml"
    config.write_text(config.read_text().replace("epochs = 3", "epochs = 9"))
    for name, content in (("x", "{"), ("y", "[]")):
        shutil.copytree(runs / "a", runs / name)
        (runs / name / "checkpoint.json").write_text(content)
    shutil.copytree(runs / "a", runs / "z")
    (runs / "z/summary.json").write_text('{"epochs": 3, "test_accuracy": "much"}')
    frame = eq.runs_frame(runs).set_index("run")
    assert frame["state"].to_dict() == {
        "runs/a": "finished",
        "runs/deep/b": "not scored",
        "runs/other": "finished early",
        "runs/x": "damaged",
        "runs/y": "damaged",
        "runs/z": "damaged",
    }
    assert "summary.json is damaged" in frame.loc["runs/z", "detail"]
    with RunDirectory(runs / "a").locked():
        assert eq.runs_frame(runs / "a")["state"].tolist() == ["running"]


def test_a_score_of_earlier_epochs_is_not_shown(eqcirc: Command, runs: Path) -> None:
    make_up(runs / "a", epoch=2)
    (fact,) = eqcirc("runs", runs / "a", "--json").json["runs"]
    assert (fact["state"], fact["epoch"], fact["test_accuracy"]) == ("unfinished", 2, None)


def test_names_of_somebody_else_do_not_command_the_terminal(eqcirc: Command, runs: Path) -> None:
    (runs / "a").rename(runs / "\x1b[31mred")
    out = eqcirc("runs").out
    assert "\x1b" not in out and "?[31mred" in out


def test_links_are_not_followed_and_no_runs_are_no_error(eqcirc: Command, runs: Path) -> None:
    Path("empty").mkdir()
    (Path("empty") / "link").symlink_to(runs.absolute())
    assert eqcirc("runs", "empty").out == "no runs in empty; 'eqcirc train' makes them\n"
    assert eqcirc("runs", "empty", "--json").json["runs"] == []
    assert eq.runs_frame("empty").empty
    result = eqcirc("runs", "nowhere")
    assert result.code == 2 and "expected a folder with runs, got nowhere" in result.err


# compare


def test_a_comparison_says_what_differs_and_tests_the_answers(eqcirc: Command, runs: Path) -> None:
    result = eqcirc("compare", runs / "a", runs / "deep/b", "-o", "both.svg")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert columns(lines[0]) == ["configuration", "a", "deep/b"]
    assert columns(lines[1]) == ["network.hidden", "[3]", "[2]"]
    assert columns(next(line for line in lines if line.startswith("epochs done"))) == [
        "epochs done",
        "3",
        "3",
    ]
    assert any("McNemar, exact: p = " in line for line in lines)
    assert Path("both.svg").read_text().startswith("<?xml")


def test_the_paired_test_is_that_of_the_predictions(eqcirc: Command, runs: Path) -> None:
    found = eq.compare_runs(runs / "a", runs / "deep/b")
    frame = found.predictions
    assert frame is not None and len(frame) == found.tests["deep/b"].samples
    right = [(frame[name] == frame["target"]) for name in ("a", "deep/b")]
    test = found.tests["deep/b"]
    assert (test.first, test.second) == (right[0].mean(), right[1].mean())
    assert test.only_first == int((right[0] & ~right[1]).sum())
    for name, fact in zip(found.names, found.facts, strict=True):
        assert (frame[name] == frame["target"]).mean() == pytest.approx(fact.test_accuracy)
    content = eqcirc("compare", runs / "a", runs / "deep/b", "--json").json
    assert content["tests"]["deep/b"]["p_value"] == test.p_value
    assert content["configuration"] == {"network.hidden": {"a": [3], "deep/b": [2]}}
    assert list(found.curves.groupby("run").size()) == [3, 3]


def test_other_test_samples_are_no_pairs(eqcirc: Command, runs: Path) -> None:
    result = eqcirc("compare", runs / "a", runs / "deep/b", runs / "other")
    assert result.code == 0
    assert "a and other: no paired test: the test parts differ" in result.out
    assert "a and deep/b" in result.out
    assert eq.compare_runs(runs / "a", runs / "other").predictions is None


def test_a_comparison_needs_two_runs(eqcirc: Command, runs: Path) -> None:
    for given, why in (
        ([runs / "a"], "expected two runs or more to compare, got 1"),
        ([runs / "a", runs / "deep/../a"], "got one of them twice"),
        ([runs / "a", runs / "b.png"], "is not a run directory"),
    ):
        result = eqcirc("compare", *given)
        assert result.code != 0 and why in result.err


def regression(path: str, n: int = 60) -> None:
    x = np.random.default_rng(0).normal(size=(n, 2))
    table = pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "y": 0.1 * x[:, 0] - 0.05 * x[:, 1]})
    table.to_csv(path, index=False)


def test_regressions_are_compared_by_their_errors_until_the_data_are_gone(eqcirc: Command) -> None:
    regression("mine.csv")
    options = (
        "--set",
        'data={name="csv", path="mine.csv", targets=["y"]}',
        "--set",
        "learning.cost=squared_error",
    )
    more = ("--set", "learning.beta=1e-7", "--set", "audit.every=0")
    for name, rate in (("one", 4e-7), ("two", 1e-6)):
        rates = ("--set", f"learning.learning_rate={rate}")
        result = eqcirc("train", "tiny.toml", "--out", name, *options, *more, *rates)
        assert result.code == 0, result.err
    found = eq.compare_runs("one", "two")
    test = found.tests["two"]
    assert test.kind == "paired bootstrap" and test.low <= test.difference <= test.high
    Path("mine.csv").unlink()
    gone = eqcirc("compare", "one", "two")
    assert gone.code == 0 and "no paired test" in gone.out and "mine.csv" in gone.out


# report


def test_a_report_is_written_where_it_is_asked_for(eqcirc: Command, runs: Path) -> None:
    result = eqcirc("report", runs / "a", "--no-pdf")
    assert (result.code, result.err) == (0, "")
    head, more = result.out.splitlines()
    assert head == "wrote runs/a/report/report.html"
    assert more.endswith("files of figures and their data in runs/a/report/figures")
    assert "<title>tiny" in (runs / "a/report/report.html").read_text()
    found = eqcirc("report", runs / "a", "-o", "page", "--no-pdf", "--engine", "ideal", "--json").json
    assert found["page"] == "page/report.html" and found["pdf"] is None
    assert all(Path(name).is_file() for name in found["figures"])


def test_what_cannot_be_reported_on_is_refused_in_a_sentence(eqcirc: Command, runs: Path) -> None:
    result = eqcirc("report", runs / "a", runs / "other")
    assert result.code == 2 and "a report of several runs needs a folder: -o FOLDER" in result.err
    result = eqcirc("report", runs, "-o", "page")
    assert result.code == 6 and not Path("page").exists()
