"""A run directory from somebody else: nothing is followed out of it, and what it holds is looked at."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.errors import CheckpointError
from eqcirc.experiment.load import parse
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from tests.experiment.conftest import make_up

pytestmark = pytest.mark.usefixtures("one_worker")


def experiment() -> Experiment:
    content: dict[str, Any] = {
        "name": "tiny",
        "data": {"name": "xor", "scaling": "none"},
        "network": {"hidden": [3], "input_gain": 1.0},
        "learning": {"epochs": 3, "batch_size": 2, "learning_rate": 4e-7},
        "solver": {"engine": "ideal"},
    }
    return parse(content, "test")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one epoch out of three."""
    folder = tmp_path_factory.mktemp("begun") / "run"
    steps = iter(range(2))
    with Run.start(experiment(), folder) as run:
        run.train(stop=lambda: next(steps, None) is None)
    return folder


@pytest.fixture
def run(begun: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(begun, tmp_path / "run"))


@pytest.mark.parametrize(
    "name",
    [
        "metrics.csv",
        "metrics.csv.tmp",
        "checkpoint.json.tmp",
        "summary.json.tmp",
        "run.png",
        "netlist.sp.tmp",
    ],
)
def test_links_in_a_run_are_not_written_through(run: Path, tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(victim)
    with Run.resume(run) as resumed:
        resumed.train()
        resumed.finish()
    assert victim.read_text() == "precious"
    assert not (run / name).is_symlink()


@pytest.mark.parametrize("name", [".lock", "timing.csv"])
def test_what_cannot_be_replaced_is_refused_if_it_is_a_link(run: Path, tmp_path: Path, name: str) -> None:
    (run / name).unlink()
    (run / name).symlink_to(tmp_path / "victim")
    with (
        pytest.raises(CheckpointError, match=rf"{name} is a link, which is not followed"),
        Run.resume(run) as resumed,
    ):
        resumed.train()
    assert not (tmp_path / "victim").exists()


def test_a_pipe_as_a_lock_does_not_hold_anybody(run: Path) -> None:
    (run / ".lock").unlink()
    os.mkfifo(run / ".lock")
    with pytest.raises(CheckpointError, match=r"cannot write in .*run"):
        Run.resume(run)


def test_failed_samples_are_not_kept_behind_a_link(run: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (run / "quarantine").symlink_to(outside)
    with Run.resume(run) as resumed:
        assert resumed.other is not None
        resumed.other._quarantine = run / "quarantine"  # type: ignore[attr-defined]
        huge = np.full((1, 2), 1e300)
        assert not resumed.other.solve(resumed.trainer.parameters, huge).converged.any()
    assert not list(outside.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epoch": 1.5}, "epoch: Input should be a valid integer"),
        ({"epoch": True}, "epoch: Input should be a valid integer"),
        ({"batch": -1}, "batch: Input should be greater than or equal to 0"),
        ({"sums": [1]}, "sums: Input should be a valid dictionary"),
        ({"sums": {"loss": "1"}}, "sums.loss: Input should be a valid number"),
        ({"metrics": [{"epoch": [1]}]}, "metrics.0.epoch"),
        ({"metrics": [{"x" * 1000: 1}]}, "at most 200 characters"),
        ({"metrics": [{"=cmd()\n": 1}]}, "control character U\\+000A"),
        ({"audits": {"a": 1}}, "audits: Input should be a valid list"),
        ({"best_score": [1.0]}, "best_score: List should have at least 2 items"),
    ],
)
def test_a_made_up_state_is_refused(run: Path, changes: dict[str, Any], words: str) -> None:
    make_up(run, **changes)
    with pytest.raises(CheckpointError, match=f"is damaged.*{words}"):
        Run.resume(run)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("parameter.w1", np.zeros(3), "'parameter.w1' has the shape"),
        ("parameter.w1", np.full((5, 3), np.nan), "w1"),
        ("parameter.w9", np.zeros(3), "'parameter.w9' has the shape"),
        ("best.w1", np.full((5, 3), -1.0), "w1"),
        ("optimizer.m.w1", np.zeros((1, 1)), "'optimizer.m.w1' has the shape"),
        ("optimizer.t", np.array(np.inf), "'optimizer.t' holds values that are not finite"),
        ("else.w1", np.zeros(3), "unknown kind of array 'else.w1'"),
        ("parameter.w1", None, "values of some elements are missing"),
    ],
)
def test_made_up_arrays_are_refused(run: Path, name: str, value: np.ndarray | None, words: str) -> None:
    path = next(run.glob("*.npz"))
    with np.load(path) as file:
        arrays = dict(file)
    if value is None:
        del arrays[name]
    else:
        like = arrays.get(name)
        same = like is not None and value.size == like.size
        arrays[name] = value.reshape(like.shape) if like is not None and same else value
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    path.write_bytes(packed.getvalue())
    make_up(run, sha256=hashlib.sha256(packed.getvalue()).hexdigest())
    with pytest.raises(CheckpointError, match=f"the arrays of the checkpoint in .* are damaged: .*{words}"):
        Run.resume(run)


def test_a_checkpoint_of_the_format_before_goes_on_to_the_same_bits(run: Path, tmp_path: Path) -> None:
    old = Path(shutil.copytree(run, tmp_path / "old"))
    content = json.loads((old / "checkpoint.json").read_text())
    del content["checksum"]
    (old / "checkpoint.json").write_text(json.dumps(content | {"format": 1}, indent=1))
    for folder in (run, old):
        with Run.resume(folder) as resumed:
            resumed.train()
    assert (old / "checkpoint.json").read_bytes() == (run / "checkpoint.json").read_bytes()
