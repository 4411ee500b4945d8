from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from eqcirc.cli.output import ProgressBar, print_json, print_pairs, print_table, score_pairs
from eqcirc.costs import SoftmaxCrossEntropy
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.plan import Plan
from eqcirc.learning.trainer import Trainer
from eqcirc.report.progress import retries
from eqcirc.solvers.base import OperatingPoints
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.learning.networks import blobs, small_network


def test_json_knows_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": math.nan, "b": [1.5, (math.inf, 2)], "c": {"d": -math.inf}, "e": True, "f": "x"})
    content = json.loads(capsys.readouterr().out)
    assert content == {"a": None, "b": [1.5, [None, 2]], "c": {"d": None}, "e": True, "f": "x"}


def test_pairs_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_pairs({"a": "1", "long name": "2"})
    assert capsys.readouterr().out == "a          1\nlong name  2\n"


def test_tables_put_numbers_to_the_right_and_cut_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    name = "x" * 200
    print_table(["node", "V"], [[name, 0.25], ["b", -1.23456789e-12]])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{'node':<200}  {'V':>12}", f"{name}          0.25", f"{'b':<200}  -1.23457e-12"]
    print_table(["node"], [])
    assert capsys.readouterr().out == "node\n"


def test_a_score_says_how_many_samples_it_stands_for() -> None:
    assert score_pairs(0.5, 0.125, 1, 4, "V") == {
        "accuracy": "50.00% of 4 samples",
        "cost": "0.125 V, mean of 3 samples",
        "failed": "1 of 4 samples have no operating point",
    }
    assert score_pairs(math.nan, 0.125, 0, 4, "V²").keys() == {"cost"}


def test_retries_are_told_by_rung() -> None:
    assert retries({}) == []
    assert retries({"small steps": 3, "relaxation": 1}) == [
        "3 samples needed small steps",
        "1 sample needed relaxation",
    ]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Train a little with a bar on something like a terminal, and return what it shows, without colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")

    def train(**plan: Any) -> str:
        circuit = small_network()
        rule = EqProp(circuit, SoftmaxCrossEntropy(), 1e-8)
        trainer = Trainer(IdealSolver(circuit), rule, blobs(), plan=Plan(epochs=2, batch_size=8, **plan))
        trainer.run(stop=lambda: trainer.step == 2)
        with ProgressBar(trainer) as bar:
            trainer.run(bar)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)

    return train


def test_the_bar_counts_the_batches_of_the_whole_run(shown: Callable[..., str]) -> None:
    drawn = re.findall(r"epoch (\d)/2 [^\r]*?(\d)/6([^\r]*)", shown())
    first, last = drawn[0], drawn[-1]
    assert first[:2] == ("1", "2")  # taken up after the second of three batches
    assert last[:2] == ("2", "6")
    assert re.search(r"accuracy \d+\.\d%  loss [\d.]+  \d+ samples/s", last[2])


def test_every_epoch_leaves_a_line(shown: Callable[..., str]) -> None:
    lines = re.findall(
        r"epoch (\d)  loss ([\d.]+) +train +([\d.]+)%  validation +([\d.]+)%  \d+ samples/s", shown()
    )
    assert [line[0] for line in lines] == ["1", "2"]


def test_the_line_of_an_epoch_tells_of_retries(
    shown: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "needed" not in shown()
    solve = IdealSolver.solve

    def after_a_retry(self: IdealSolver, *arguments: Any) -> OperatingPoints:
        return replace(solve(self, *arguments), rungs={0: "small steps"})

    monkeypatch.setattr(IdealSolver, "solve", after_a_retry)
    lines = re.findall(r"epoch (\d)  loss .*  3 samples needed small steps  \d+ samples/s", shown())
    assert lines == ["1", "2"]  # the batches before the run was taken up count, too
