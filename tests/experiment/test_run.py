from __future__ import annotations

import csv
import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.errors import CheckpointError, ConfigError, DataError, EngineError, SolverError
from eqcirc.experiment import directory
from eqcirc.experiment.data_record import recorded_scaler
from eqcirc.experiment.directory import FILES, RunDirectory
from eqcirc.experiment.load import CIRCUIT, load_experiment, parse
from eqcirc.experiment.provenance import environment, fingerprint
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.trainer import Trainer
from eqcirc.solvers.base import OperatingPoints
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.experiment.conftest import make_up

pytestmark = pytest.mark.usefixtures("one_worker")

SAME = ("config.toml", "metrics.csv", "audit.csv", "netlist.sp", "summary.json")
"""Files of a run whose bytes follow from the experiment alone, beside the checkpoint."""


def experiment(**sections: Any) -> Experiment:
    """XOR in 4 epochs of 2 batches, audited by ngspice in every third step."""
    content: dict[str, Any] = {
        "name": "tiny",
        "data": {"name": "xor", "scaling": "none"},
        "network": {"hidden": [3], "input_gain": 1.0},
        "learning": {"epochs": 4, "batch_size": 2, "learning_rate": 4e-7},
        "solver": {"engine": "ideal"},
        "audit": {"every": 3},
    }
    for name, table in sections.items():
        content[name] = content[name] | table if isinstance(table, dict) else table
    return parse(content, "test")


def after(batches: int) -> Callable[[], bool]:
    left: Iterator[int] = iter(range(batches))
    return lambda: next(left, None) is None


def checkpoint(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("checkpoint*")}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("undisturbed") / "run"


@pytest.fixture
def whole(undisturbed: Path) -> Path:
    """A run that nothing disturbed; made once."""
    if not undisturbed.exists():
        with Run.start(experiment(), undisturbed) as run:
            assert run.train()
            run.finish()
    return undisturbed


# what a run leaves behind


def test_a_run_leaves_what_its_directory_promises(whole: Path) -> None:
    names = {path.name for path in whole.iterdir()}
    written = set(FILES) - {CIRCUIT, directory.DATA}  # those are of circuits and data from Python
    assert written | {directory.LOCK} == {n for n in names if not n.startswith("checkpoint-")}
    assert len(names) == len(written) + 2
    for name in FILES:
        assert name in (directory.__doc__ or "")
    assert load_experiment(whole / "config.toml") == experiment()


def test_the_metrics_have_a_row_for_each_epoch_in_full_precision(whole: Path) -> None:
    metrics = rows(whole / "metrics.csv")
    assert [row["epoch"] for row in metrics] == ["1", "2", "3", "4"]
    recorded = json.loads((whole / "checkpoint.json").read_text())["metrics"]
    for row, full in zip(metrics, recorded, strict=True):
        assert {name: float(value) for name, value in row.items()} == full
    assert [row["epoch"] for row in rows(whole / "timing.csv")] == ["1", "2", "3", "4"]
    assert all(float(row["samples_per_second"]) > 0 for row in rows(whole / "timing.csv"))


def test_audits_and_summary_compare_the_solvers(whole: Path) -> None:
    assert [row["step"] for row in rows(whole / "audit.csv")] == ["0", "3", "6"]
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["max_dv"] < 1e-9
    assert summary["audit_worst_dv"] == max(float(row["max_dv"]) for row in rows(whole / "audit.csv")) < 1e-9
    assert summary["audit_worst_cosine"] > 0.999999
    assert (summary["epochs"], summary["steps"], summary["test_samples"], summary["compared_samples"]) == (
        4,
        8,
        4,
        4,
    )
    assert summary["engine"] == "ideal"


def test_a_run_says_where_it_was_made(whole: Path) -> None:
    facts = json.loads((whole / "run.json").read_text())
    assert facts["seed"] == 0
    assert {"command", "python", "platform", "processor", "versions", "circuit"} < facts.keys()
    assert facts["versions"]["numpy"] == np.__version__
    assert environment()["python"] == facts["python"]


# stop and go on


@pytest.mark.parametrize("batches", range(8))
def test_a_run_resumed_at_any_batch_leaves_the_same_bytes(tmp_path: Path, whole: Path, batches: int) -> None:
    with Run.start(experiment(), tmp_path / "run") as run:
        assert not run.train(stop=after(batches))
        assert run.trainer.step == batches
    with Run.resume(tmp_path / "run") as run:
        assert run.trainer.step == batches
        assert run.train()
        if batches == 3:
            run.finish()
    assert checkpoint(tmp_path / "run") == checkpoint(whole)
    for name in SAME if batches == 3 else SAME[:3]:
        assert (tmp_path / "run" / name).read_bytes() == (whole / name).read_bytes()


def test_a_resumed_run_remembers_the_retries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solve = IdealSolver.solve

    def after_a_retry(self: IdealSolver, *arguments: Any) -> OperatingPoints:
        return replace(solve(self, *arguments), rungs={0: "small steps"})

    monkeypatch.setattr(IdealSolver, "solve", after_a_retry)
    with Run.start(experiment(), tmp_path / "whole") as run:
        run.train()
    with Run.start(experiment(), tmp_path / "run") as run:
        assert not run.train(stop=after(3))
    with Run.resume(tmp_path / "run") as run:
        assert run.train()
    assert [row["retried by small steps"] for row in rows(tmp_path / "run" / "metrics.csv")] == ["2"] * 4
    assert checkpoint(tmp_path / "run") == checkpoint(tmp_path / "whole")


def test_a_finished_run_can_be_resumed_for_nothing(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    with Run.resume(tmp_path / "run") as run:
        assert run.train()
        run.finish()
    assert checkpoint(tmp_path / "run") == checkpoint(whole)
    assert (tmp_path / "run" / "summary.json").read_bytes() == (whole / "summary.json").read_bytes()


def test_the_best_epoch_survives_a_resume(tmp_path: Path) -> None:
    best = experiment(learning={"keep": "best", "learning_rate": 3e-6, "schedule": "constant"})
    with Run.start(best, tmp_path / "one") as run:
        run.train()
        expected, found = run.trainer.parameters, run.folder.trained(run.circuit, best)
        assert run.trainer.parameters is run.trainer.state.best
        last = run.trainer.state.parameters
        assert any((last[name] != value).any() for name, value in expected.items()), (
            "the last epoch is the best"
        )
    with Run.start(best, tmp_path / "two") as run:
        run.train(stop=after(7))
    with Run.resume(tmp_path / "two") as run:
        run.train()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(run.trainer.parameters[name], value)
    assert checkpoint(tmp_path / "one") == checkpoint(tmp_path / "two")


def test_an_interrupt_in_the_middle_of_a_batch_loses_the_epoch_and_nothing_else(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes between the step of the conductances and the count of the batch."""
    calls = 0
    count = Trainer._count

    def interrupted(self: Trainer, *args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        count(self, *args)

    with Run.start(experiment(), tmp_path / "run") as run, monkeypatch.context() as patch:
        patch.setattr(Trainer, "_count", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.train()
    with Run.resume(tmp_path / "run") as run:
        assert run.trainer.step == 4
        run.train()
    assert checkpoint(tmp_path / "run") == checkpoint(whole)


def test_an_error_of_the_solver_loses_nothing(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Run.start(experiment(), tmp_path / "run") as run:
        check = run.trainer._check_failures

        def fail(points: Any, step: int) -> None:
            if step == 5:
                raise SolverError("on purpose")
            check(points, step)

        monkeypatch.setattr(run.trainer, "_check_failures", fail)
        with pytest.raises(SolverError, match="on purpose"):
            run.train()
    with Run.resume(tmp_path / "run") as run:
        assert run.trainer.step == 5
        run.train()
    assert checkpoint(tmp_path / "run") == checkpoint(whole)


def test_what_went_wrong_first_is_told_even_if_saving_fails_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Run.start(experiment(), tmp_path / "run") as run:

        def fail(*args: Any) -> None:
            raise SolverError("first")

        def full(*args: Any) -> None:
            raise CheckpointError("disk full")

        monkeypatch.setattr(run.trainer, "_check_failures", fail)
        monkeypatch.setattr(run.folder, "save", full)
        with pytest.raises(SolverError, match="first"):
            run.train()


# what may change between start and resume


def test_the_number_of_workers_may_change(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    with Run.resume(tmp_path / "run", experiment(solver={"workers": 7, "deadline": 1.0})) as run:
        assert run.experiment.solver.workers == 7


def test_other_keys_may_not(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    other = experiment(learning={"epochs": 9, "learning_rate": 1e-7}, seed=3, solver={"workers": 7})
    with pytest.raises(
        CheckpointError,
        match=r"does not match the run in .*: learning\.learning_rate = 1e-07 \(was 4e-07\), seed = 3 \(was 0\)\. "
        r"A run may change audit\.\*, learning\.epochs, .*; resume",
    ):
        Run.resume(tmp_path / "run", other)


def test_a_checkpoint_of_another_circuit_is_refused(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    make_up(tmp_path / "run", circuit="0123")
    with pytest.raises(CheckpointError, match=r"the checkpoint in .* belongs to another circuit"):
        Run.resume(tmp_path / "run")


def test_an_edited_config_is_refused(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "config.toml"
    text = path.read_text()
    path.write_text(text.replace("epochs = 4", "epochs = 9").replace("voltage = 10.0", "voltage = 9.0"))
    with pytest.raises(
        CheckpointError,
        match=r"config\.toml was edited after the run had begun: network\.biases\.voltage = 9\.0 \(was 10\.0\)\. "
        r".*, but for audit\.\*, learning\.epochs, .*: put the old values back, or train anew",
    ):
        Run.resume(tmp_path / "run")
    path.write_text(text.replace("deadline = 600.0", "deadline = 5.0\nworkers = 3"))
    with Run.resume(tmp_path / "run") as run:
        assert run.experiment.solver.workers == 3


@pytest.mark.parametrize("left", ["", "epoch,train_loss\n1,0.5\n", None])
def test_cut_metrics_are_noticed_and_mended(
    tmp_path: Path, whole: Path, caplog: pytest.LogCaptureFixture, left: str | None
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "metrics.csv"
    path.unlink() if left is None else path.write_text(left)
    for warnings in (1, 1):  # no second one: it is mended
        with caplog.at_level(logging.WARNING, "eqcirc"), Run.resume(tmp_path / "run"):
            pass
        assert caplog.text.count("metrics.csv was cut, edited or lost; it is written anew") == warnings
    assert path.read_bytes() == (whole / "metrics.csv").read_bytes()


# the data of a run


@pytest.fixture
def on_a_file(tmp_path: Path) -> Experiment:
    """An experiment on a CSV file whose features need a scaling."""
    lines = [f"{3 * k},{100 - k * k},{k % 2}" for k in range(10)]
    (tmp_path / "mine.csv").write_text("\n".join(["a,b,label", *lines]))
    data = {"name": "csv", "path": str(tmp_path / "mine.csv"), "scaling": "standard"}
    return experiment(data=data, learning={"epochs": 1}, audit={"every": 0})


def test_a_run_keeps_names_and_scaling_of_its_features(tmp_path: Path, on_a_file: Experiment) -> None:
    with Run.start(on_a_file, tmp_path / "run") as run:
        kept = recorded_scaler(run.folder.path)
    content = json.loads((tmp_path / "run" / "data.json").read_text())
    assert (content["names"], kept.names) == (["a", "b"], ("a", "b"))
    raw = np.array([[3.0 * k, 100.0 - k * k] for k in range(10)])
    inputs = {tuple(row) for row in kept.apply(raw).tolist()}
    assert {tuple(row) for row in run.data.test.inputs.tolist()} < inputs  # to the last bit
    assert content["centre"] == kept.offset.tolist()
    assert content["factor"] == kept.factor.tolist()


def test_a_run_without_its_scaling_says_so_and_gets_it_by_a_resume(
    tmp_path: Path, on_a_file: Experiment
) -> None:
    with Run.start(on_a_file, tmp_path / "run") as run:
        path, folder = tmp_path / "run" / "data.json", run.folder.path
    before = path.read_bytes()
    path.unlink()
    with pytest.raises(
        CheckpointError, match=r"has no data\.json, .*: write it with 'eqcirc resume .*--scaled"
    ):
        recorded_scaler(folder)
    with Run.resume(tmp_path / "run"):
        pass
    assert path.read_bytes() == before
    for damage in ("[]", "{}", '{"centre": [1], "factor": ["x"], "names": null}'):
        path.write_text(damage)
        with pytest.raises(CheckpointError, match=r"data\.json is damaged"):
            recorded_scaler(folder)


def test_other_data_are_refused_and_the_same_may_move(tmp_path: Path, on_a_file: Experiment) -> None:
    with Run.start(on_a_file, tmp_path / "run"):
        pass
    old, new, config = tmp_path / "mine.csv", tmp_path / "moved.csv", tmp_path / "run" / "config.toml"
    old.rename(new)
    with pytest.raises(
        DataError, match=r"mine\.csv: expected the data file .* got 'No such .*; if it has moved, change"
    ):
        Run.resume(tmp_path / "run")
    config.write_text(config.read_text().replace("mine.csv", "moved.csv"))
    with Run.resume(tmp_path / "run") as run:
        assert run.experiment.data.path == new
    new.write_text(new.read_text().replace("\n27,19,1", "\n27,20,1"))
    with pytest.raises(CheckpointError, match=r"moved\.csv: expected the data that the run in .* began with"):
        Run.resume(tmp_path / "run")


def test_an_experiment_that_is_given_must_have_the_same_data(tmp_path: Path, on_a_file: Experiment) -> None:
    with Run.start(on_a_file, tmp_path / "run"):
        pass

    def on(name: str) -> Experiment:
        data = on_a_file.data.model_copy(update={"path": tmp_path / name})
        return on_a_file.model_copy(update={"data": data})

    (tmp_path / "other.csv").write_text((tmp_path / "mine.csv").read_text().replace("\n27,19,1", "\n27,20,1"))
    with pytest.raises(CheckpointError, match=r"other\.csv: expected the data that the run in .* began with"):
        Run.resume(tmp_path / "run", on("other.csv"))
    (tmp_path / "mine.csv").rename(tmp_path / "moved.csv")
    with Run.resume(tmp_path / "run", on("moved.csv")) as run:
        assert run.experiment.data.path == tmp_path / "moved.csv"


def test_a_run_of_an_older_version_goes_on(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "checkpoint.json"
    content = json.loads(path.read_text())
    del content["experiment"], content["checksum"]
    path.write_text(json.dumps(content | {"format": 1}))
    with Run.resume(tmp_path / "run") as run:
        assert run.train()


def test_an_unfinished_run_says_so(tmp_path: Path, whole: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Run.start(experiment(), tmp_path / "run") as run:
        run.train(stop=after(3))
    with caplog.at_level(logging.WARNING, "eqcirc"):
        RunDirectory(whole).trained(run.circuit, run.experiment)
        assert not caplog.text
        run.folder.trained(run.circuit, run.experiment)
    assert f"unfinished: 1 of 4 epochs; go on with: eqcirc resume {tmp_path / 'run'}" in caplog.text


def test_every_fixed_part_of_a_circuit_is_in_its_fingerprint() -> None:
    from eqcirc.experiment.build import build_circuit

    changes: list[dict[str, Any]] = [
        {},
        {"name": "other"},
        {"hidden": [4]},
        {"input_gain": 2.0},
        {"double_inputs": False},
        {"differential": False},
        {"bounds": [1e-7, 2e-5]},
        {"biases": {"voltage": 3.0}},
        {"biases": {"kind": "none"}},
        {"diodes": {"rail": 0.1}},
        {"diodes": {"emission": 1.1}},
        {"diodes": {"law": "clamp"}},
        {"amplifiers": {"gain": 2.0}},
        {"amplifiers": {"gain": 2.0, "kappa": 0.3}},
        {"skips": [[0, 2]]},
    ]
    prints = {
        fingerprint(build_circuit(experiment(network=change), 2, 2))
        for change in changes
        if "name" not in change
    }
    assert len(prints) == len(changes) - 1
    one, other = (fingerprint(build_circuit(experiment(seed=seed), 2, 2)) for seed in (0, 1))
    assert one == other  # trained values are not part of it


@pytest.mark.parametrize("key", ["circuit", "best_score", "epoch", "sums", "metrics", "audits"])
def test_a_checkpoint_without_a_key_is_damaged(tmp_path: Path, whole: Path, key: str) -> None:
    shutil.copytree(whole, tmp_path / "run")
    make_up(tmp_path / "run", **{key: ...})
    with pytest.raises(CheckpointError, match=rf"checkpoint\.json is damaged: no {key}"):
        Run.resume(tmp_path / "run")


@pytest.mark.parametrize(
    ("damage", "problem"), [("x", "expected a table, got 'x'"), ({"seed": -1}, "seed: expected a number")]
)
def test_a_checkpoint_with_a_wrong_experiment_is_damaged(
    tmp_path: Path, whole: Path, damage: object, problem: str
) -> None:
    shutil.copytree(whole, tmp_path / "run")
    make_up(tmp_path / "run", experiment=damage)
    with pytest.raises(CheckpointError, match=rf"checkpoint\.json is damaged: experiment: {problem}"):
        Run.resume(tmp_path / "run")


def test_a_folder_that_is_no_run_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not a run directory: it has no config\.toml"):
        Run.resume(tmp_path)


# the folder


def test_a_run_is_not_overwritten_by_accident(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    before = checkpoint(tmp_path / "run")
    with pytest.raises(
        ConfigError,
        match=r"holds a run already: go on with 'eqcirc resume .*', choose .* --out, or .* --overwrite",
    ):
        Run.start(experiment(), tmp_path / "run")
    assert checkpoint(tmp_path / "run") == before


def test_overwriting_removes_a_run_and_nothing_else(tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with Run.start(experiment(seed=5), tmp_path / "run", overwrite=True) as run:
        assert run.trainer.step == 0
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "notes.txt" in names
    assert not names & {"summary.json", "run.png", "netlist.sp", "timing.csv", "audit.csv"}
    assert len(checkpoint(tmp_path / "run")) == 2


@pytest.mark.parametrize("names", [["thesis.tex"], ["run.json"], ["config.toml"]])
def test_a_folder_of_something_else_is_never_touched(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(
        ConfigError, match=r"is not empty and not a run directory; choose another one with --out"
    ):
        Run.start(experiment(), tmp_path, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(ConfigError, match=r"cannot make the run directory .*file"):
            Run.start(experiment(), path)


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    with Run.start(experiment(), tmp_path) as run:
        assert (run.folder.path / "run.json").exists()


def test_only_one_process_trains_in_a_folder(tmp_path: Path) -> None:
    with Run.start(experiment(), tmp_path / "run"):
        with pytest.raises(CheckpointError, match="another process is training in"):
            Run.resume(tmp_path / "run")
        with pytest.raises(CheckpointError, match="another process is training in"):
            Run.start(experiment(), tmp_path / "run", overwrite=True)
        assert len(checkpoint(tmp_path / "run")) == 2
    with Run.resume(tmp_path / "run"):
        pass


def test_a_wrong_experiment_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="out of reach"):
        Run.start(experiment(learning={"cost": "squared_error", "high": 1e3}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nan_is_left_out_of_json(tmp_path: Path) -> None:
    folder = RunDirectory(tmp_path)
    folder.write_json("x.json", {"a": 1})
    assert (tmp_path / "x.json").read_text() == '{\n "a": 1\n}\n'


# without ngspice


def test_the_ideal_solver_trains_without_ngspice(
    tmp_path: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    no_ngspice: None,
) -> None:
    with caplog.at_level(logging.WARNING, "eqcirc"), Run.start(experiment(), tmp_path / "run") as run:
        assert run.train()
        summary = run.finish()
    assert (
        "no audits and no comparison with ngspice: NGSPICE_LIBRARY_PATH names '/nonexistent'" in caplog.text
    )
    assert "max_dv" not in summary
    assert not (tmp_path / "run" / "audit.csv").exists()
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    with pytest.raises(EngineError, match="sudo apt-get install"):
        Run.start(experiment(solver={"engine": "ngspice"}), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_ngspice_trains_to_the_same_circuit(tmp_path: Path, whole: Path) -> None:
    with Run.start(experiment(solver={"engine": "ngspice"}), tmp_path / "run") as run:
        run.train()
        summary = run.finish()
    assert (summary["engine"], summary["epochs"]) == ("ngspice", 4)
    for one, other in zip(rows(tmp_path / "run" / "metrics.csv"), rows(whole / "metrics.csv"), strict=True):
        assert math.isclose(float(one["train_loss"]), float(other["train_loss"]), rel_tol=1e-6)
