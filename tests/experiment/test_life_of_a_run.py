"""A run can end, go on, be used without its data, and be made from Python."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Dataset, Splits, load_splits
from eqcirc.data.archive import read_splits, splits_bytes
from eqcirc.devices import ShockleyDiode
from eqcirc.errors import AuditError, CheckpointError, ConfigError, DataError
from eqcirc.experiment.data_record import recorded_shape
from eqcirc.experiment.load import parse
from eqcirc.experiment.opened import open_run
from eqcirc.experiment.python import train
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from tests.learning.networks import blobs
from tests.learning.test_endings import linear_map

pytestmark = pytest.mark.usefixtures("one_worker")


def experiment(folder: Path, **learning: Any) -> Experiment:
    """Two blobs from a CSV file in the folder."""
    path = folder / "blobs.csv"
    if not path.exists():
        data = blobs(80).train
        assert data.labels is not None
        rows = zip(data.inputs.tolist(), data.labels.tolist(), strict=True)
        path.write_text("\n".join(["a,b,label", *(f"{x!r},{y!r},{k}" for (x, y), k in rows)]))
    content = {
        "name": "blobs",
        "data": {"name": "csv", "path": str(path), "scaling": "standard"},
        "network": {"hidden": [3], "input_gain": 1.0, "initial": [1e-7, 3e-6], "diodes": {"rail": 0.0}},
        "learning": {"epochs": 4, "batch_size": 20, "learning_rate": 4e-7} | learning,
        "solver": {"engine": "ideal"},
        "audit": {"every": 0},
    }
    return parse(content, "test")


def trained(folder: Path, **learning: Any) -> Path:
    """Train in the folder's run."""
    with Run.start(experiment(folder, **learning), folder / "run") as run:
        run.train()
        run.finish()
    return folder / "run"


def summary(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "summary.json").read_text())
    assert isinstance(content, dict)
    return content


# going on


def test_a_run_goes_on_for_more_epochs_and_says_so(tmp_path: Path) -> None:
    run = trained(tmp_path)
    assert summary(run)["ended"] == "all epochs done"
    with Run.resume(run, experiment(tmp_path, epochs=6)) as more:
        assert more.train()
        more.finish()
    assert summary(run)["epochs"] == 6
    changes = json.loads((run / "run.json").read_text())["changes"]
    assert changes == [{"epoch": 4, "batch": 0, "keys": {"learning.epochs": [4, 6]}}]
    with Run.resume(run) as same:  # config.toml says what the run is now
        assert same.experiment.learning.epochs == 6 and same.trainer.done


def test_more_epochs_from_the_start_or_later_are_the_same_where_the_rate_is(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    short = trained(tmp_path / "one", schedule="constant")
    with Run.resume(short, experiment(tmp_path / "one", schedule="constant", epochs=6)) as run:
        run.train()
    long = trained(tmp_path / "two", schedule="constant", epochs=6)
    assert (short / "metrics.csv").read_bytes() == (long / "metrics.csv").read_bytes()


def test_a_run_that_an_audit_stopped_goes_on_without_audits(tmp_path: Path) -> None:
    strict = {"every": 1, "warn_bias": 1e-30, "stop_bias": 1e-30}
    begun = experiment(tmp_path).model_copy(update={"audit": parse({"audit": strict}, "test").audit})
    with Run.start(begun, tmp_path / "run") as run, pytest.raises(AuditError):
        run.train()
    with Run.resume(tmp_path / "run") as again, pytest.raises(AuditError):
        again.train()
    relaxed = begun.model_copy(update={"audit": begun.audit.model_copy(update={"every": 0})})
    with Run.resume(tmp_path / "run", relaxed) as free:
        assert free.train()
        assert free.finish()["ended"] == "all epochs done"


def test_an_unfinished_run_can_be_finished_and_then_go_on(tmp_path: Path) -> None:
    left = iter(range(5))
    with Run.start(experiment(tmp_path), tmp_path / "run") as run:
        assert not run.train(stop=lambda: next(left, None) is None)
    with Run.resume(tmp_path / "run") as run:
        assert run.finish()["ended"] == f"finished early, after 5 of {run.trainer.steps} steps"
    assert {"summary.json", "netlist.sp", "run.png"} <= {p.name for p in (tmp_path / "run").iterdir()}
    with Run.resume(tmp_path / "run") as run:
        assert run.train()
    (tmp_path / "other").mkdir()
    whole = trained(tmp_path / "other")
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()


def test_an_early_end_is_kept_and_survives_a_resume(tmp_path: Path) -> None:
    options: dict[str, Any] = {"learning_rate": 1e-30, "keep": "best", "patience": 2}
    run = trained(tmp_path, **options)
    assert summary(run)["ended"] == "no better score of the validation part for 2 epochs"
    assert summary(run)["epochs"] == 3
    with Run.resume(run) as again:
        assert again.trainer.done and again.train() and again.trainer.state.epoch == 3
    with Run.resume(run, experiment(tmp_path, **options | {"patience": 3})) as longer:
        assert longer.train() and longer.trainer.state.epoch == 4


# fine-tuning


def test_a_run_begins_with_the_values_of_another(tmp_path: Path) -> None:
    first = trained(tmp_path)
    values = open_run(first).parameters
    with Run.start(experiment(tmp_path, epochs=1), tmp_path / "fine", begin=first) as run:
        assert all(run.trainer.state.parameters[name].tobytes() == v.tobytes() for name, v in values.items())
        run.train()
    said = json.loads((tmp_path / "fine" / "run.json").read_text())["begun_from"]
    assert said["path"] == str(first) and said["epoch"] == 4 and len(said["sha256"]) == 64
    with Run.resume(tmp_path / "fine") as again:  # and needs that run no more
        shutil.rmtree(first)
        assert again.trainer.done


def test_a_file_of_values_does_as_well(tmp_path: Path) -> None:
    values = open_run(trained(tmp_path)).parameters
    np.savez(tmp_path / "values.npz", allow_pickle=False, **values)
    with Run.start(experiment(tmp_path), tmp_path / "fine", begin=tmp_path / "values.npz") as run:
        assert all(run.trainer.state.parameters[name].tobytes() == v.tobytes() for name, v in values.items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("w1"), "has no values for w1"),
        (lambda values: values.update(w1=values["w1"][:-1]), "do not fit"),
        (lambda values: values.update(w1=values["w1"] + 1.0), "are outside its bounds"),
    ],
)
def test_values_that_do_not_fit_are_named(tmp_path: Path, change: Any, message: str) -> None:
    values = dict(open_run(trained(tmp_path)).parameters)
    change(values)
    np.savez(tmp_path / "values.npz", allow_pickle=False, **values)
    with pytest.raises(ConfigError, match=message):
        Run.start(experiment(tmp_path), tmp_path / "fine", begin=tmp_path / "values.npz")
    assert not (tmp_path / "fine").exists()


# use without the data


def test_a_run_needs_nothing_outside_its_folder(tmp_path: Path) -> None:
    run = trained(tmp_path)
    before = open_run(run)
    raw = blobs(80).train.inputs[:5]
    expected, test = before.predict(raw), before.data.test.inputs
    (tmp_path / "blobs.csv").unlink()
    shutil.move(run, tmp_path / "elsewhere")
    after = open_run(tmp_path / "elsewhere")
    found = after.predict(raw)
    assert found.outputs.tobytes() == expected.outputs.tobytes() and found.classes == expected.classes
    assert after.samples(None, 4).tobytes() == test[:4].tobytes()
    with pytest.raises(DataError, match="expected the data file of the run here"):
        after.part("test")


def test_changed_data_are_refused_only_where_they_are_asked_for(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with (tmp_path / "blobs.csv").open("a") as file:
        file.write("\n0,0,1")
    opened = open_run(run)
    assert len(opened.predict(blobs().train.inputs).classes) == 24
    with pytest.raises(CheckpointError, match="got others"):
        opened.score()


def test_a_sample_that_fails_costs_only_itself(tmp_path: Path) -> None:
    opened = open_run(trained(tmp_path))
    inputs = np.array([[0.1, 0.2], [1e300, 0.0], [0.3, -0.1]])
    found = opened.predict(inputs, scaled=True)
    assert found.classes[1] == "" and set(found.classes[::2]) <= {"0", "1"}
    assert list(found.problems) == [1] and np.isnan(found.outputs[1]).all()
    assert np.isfinite(found.outputs[::2]).all() and "problem" in found.frame()


def test_opening_a_run_takes_no_lock(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with Run.resume(run):
        assert open_run(run).predict([[0.1, 0.2]]).classes[0] in ("0", "1")


# circuits and data from Python


def bridge() -> Circuit:
    b = CircuitBuilder("my bridge")
    x, hidden, out = b.input("x", 2), b.nodes("h", 3), b.nodes("o", 2)
    b.crossbar("w1", x, hidden, np.linspace(1e-6, 5e-6, 6).reshape(2, 3))
    b.device("d", hidden, GROUND, ShockleyDiode(1e-9))
    b.crossbar("w2", hidden, out, np.linspace(5e-6, 1e-6, 6).reshape(3, 2))
    return b.build(out)


def test_a_circuit_from_python_gets_a_run(tmp_path: Path) -> None:
    keys = {"learning": {"epochs": 3, "batch_size": 12}, "solver": {"engine": "ideal"}, "audit": {"every": 2}}
    opened = train(bridge(), blobs(), tmp_path / "run", scaling="none", **keys)
    assert opened.circuit.name == "my bridge" and summary(tmp_path / "run")["epochs"] == 3
    assert opened.score().samples == 12
    assert opened.predict(blobs().test.inputs).outputs.shape == (12, 2)
    shutil.move(tmp_path / "run", tmp_path / "moved")
    with Run.resume(tmp_path / "moved") as run:
        assert run.trainer.done and run.circuit.name == "my bridge"
        assert run.data.train.inputs.tobytes() == blobs().train.inputs.tobytes()


def test_an_interrupted_run_from_python_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"learning": {"epochs": 3, "batch_size": 12}, "solver": {"engine": "ideal"}}

    class PulledError(Exception):
        """Somebody pulls the plug."""

    class Plug:
        def on_batch(self, trainer: Any, samples: int) -> None:
            if trainer.step == 3:
                raise PulledError

        def on_epoch(self, trainer: Any, row: dict[str, Any]) -> None:
            pass

    with pytest.raises(PulledError):
        train(bridge(), blobs(), tmp_path / "run", observer=Plug(), **keys)
    with Run.resume(tmp_path / "run") as run:
        run.train()
    train(bridge(), blobs(), tmp_path / "whole", **keys)
    one, other = ((tmp_path / name / "metrics.csv").read_bytes() for name in ("run", "whole"))
    assert one == other


def test_a_regression_from_python_predicts_values(tmp_path: Path) -> None:
    circuit, data = linear_map()
    keys: dict[str, Any] = {
        "learning": {"cost": "squared_error", "epochs": 400, "batch_size": 24, "learning_rate": 1e-7},
        "solver": {"engine": "ideal"},
    }
    opened = train(circuit, data, tmp_path / "run", scaling="none", **keys)
    assert summary(tmp_path / "run")["ended"].startswith("converged")
    found = opened.predict([[1.0, 0.0], [0.0, 1.0]])
    assert found.winner is None and found.probability is None
    np.testing.assert_allclose(found.outputs, [[0.05, 0.0], [0.02, 0.05]], atol=1e-7)


def test_unknown_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'learning\.epoch': did you mean 'epochs'"):
        train(bridge(), blobs(), tmp_path / "run", learning={"epoch": 3})


@pytest.mark.parametrize("name", ["iris", "moons"])
def test_parts_survive_a_file(tmp_path: Path, name: str) -> None:
    data = load_splits(name, validation=0.1)
    (tmp_path / "data.npz").write_bytes(splits_bytes(data))
    read = read_splits(tmp_path / "data.npz")
    assert read is not None and read.validation is not None and data.validation is not None
    for one, other in ((data.train, read.train), (data.validation, read.validation), (data.test, read.test)):
        assert one.inputs.tobytes() == other.inputs.tobytes() and one.n_classes == other.n_classes
        assert one.labels is not None and other.labels is not None
        assert one.labels.tobytes() == other.labels.tobytes()


def test_parts_without_validation_or_with_targets_survive_too(tmp_path: Path) -> None:
    part = Dataset("p", np.eye(2), targets=np.ones((2, 1)), names=("a", "b"))
    (tmp_path / "data.npz").write_bytes(splits_bytes(Splits(part, None, replace(part))))
    read = read_splits(tmp_path / "data.npz")
    assert read is not None and read.validation is None and read.train.names == ("a", "b")
    assert read.train.targets is not None and read.train.targets.tolist() == [[1.0], [1.0]]


def test_a_wrong_part_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", inputs=np.eye(3), labels=[0, 1, 0], part=[0, 1, 7])
    with pytest.raises(DataError, match="expected in part a 0"):
        load_splits("npz", path=tmp_path / "data.npz")


# what a stranger would do to it


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(classes=c["classes"][::-1]), "its checksum is not the one in"),
        (lambda c: c.update(regression="x"), "its checksum is not the one in"),
    ],
)
def test_an_edited_record_of_the_data_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    run = trained(tmp_path)
    content = json.loads((run / "data.json").read_text())
    change(content)
    (run / "data.json").write_text(json.dumps(content))
    for use in (open_run, Run.resume):
        with pytest.raises(CheckpointError, match=message):
            use(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ["a"]}, "expected 2 classes, got 1"),
        ({"classes": "x"}, r"classes: Input should be"),
        ({"classes": [0, 1]}, r"classes\.0: Input should be"),
        ({"names": [1, 2]}, r"names\.0: Input should be"),
        ({"regression": 1e12}, "regression: Input should be"),
        ({"outputs": 10**12}, "outputs: Input should be"),
        ({"factor": 1.0}, "factor: Input should be"),
        ({"factor": [1.0]}, "expected 2 factor, got 1"),
        ({"limits": [[0, 1, 2], [0, 1, 2]]}, "expected limits of 2 features"),
        ({"names": ["a", "\x1b[2J"]}, r"control character U\+001B"),
    ],
)
def test_a_record_of_the_data_that_makes_no_sense_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = trained(tmp_path)
    content = json.loads((folder / "data.json").read_text())
    (folder / "data.json").write_text(json.dumps(content | change))
    with pytest.raises(CheckpointError, match=rf"data\.json is damaged.*{message}"):
        recorded_shape(folder, experiment(tmp_path))


def test_fewer_epochs_than_are_done_are_refused(tmp_path: Path) -> None:
    run = trained(tmp_path)
    with pytest.raises(CheckpointError, match=r"learning\.epochs = 2: expected at least 4"):
        Run.resume(run, experiment(tmp_path, epochs=2))


def test_columns_of_a_frame_are_found_by_their_names(tmp_path: Path) -> None:
    opened = open_run(trained(tmp_path))
    frame = pd.DataFrame(blobs(80).train.inputs[:4], columns=["a", "b"])
    expected = opened.predict(frame.to_numpy()).outputs
    found = opened.predict(frame.assign(other=1.0)[["b", "other", "a"]])
    assert found.outputs.tobytes() == expected.tobytes()
    with pytest.raises(DataError, match="a frame without b"):
        opened.predict(frame[["a"]])


def test_a_value_that_is_not_finite_costs_its_own_sample_only(tmp_path: Path) -> None:
    found = open_run(trained(tmp_path)).predict([[0.1, np.nan], [0.1, 0.2], [1e308, 1e308]])
    assert list(found.problems) == [0, 2] and found.classes[1] in ("0", "1")


@pytest.mark.parametrize("kind", ["features", "classes"])
def test_values_for_other_features_or_classes_are_refused(tmp_path: Path, kind: str) -> None:
    first = trained(tmp_path)
    path = tmp_path / "blobs.csv"
    header, *rows = path.read_text().splitlines()
    if kind == "features":
        header = "b,a,label"
    else:
        rows = [row[:-1] + ("zinn" if row.endswith("0") else "blei") for row in rows]
    path.write_text("\n".join([header, *rows]))
    with pytest.raises(ConfigError, match=f"are for the {kind} "):
        Run.start(experiment(tmp_path), tmp_path / "fine", begin=first)


@pytest.mark.parametrize(
    "arguments", [(bridge(), ([[1.0]], [0])), (3, blobs()), (bridge(), blobs(), {"learning": 3})]
)
def test_what_is_no_circuit_and_no_data_is_refused_in_a_sentence(
    tmp_path: Path, arguments: tuple[Any, ...]
) -> None:
    options = arguments[2] if len(arguments) > 2 else {}
    with pytest.raises(ConfigError, match=r"(circuit|data|learning) = .*: expected "):
        train(*arguments[:2], tmp_path / "run", **options)
