from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.errors import CheckpointError
from eqcirc.learning.checkpoint import load, save
from tests.experiment.conftest import make_up

ARRAYS = {"parameter.w": np.array([[1.0, np.pi], [5e-324, -0.0]]), "optimizer.t": np.asarray(3.0)}
META: dict[str, Any] = {"epoch": 2, "losses": [0.1, 1 / 3], "score": float("nan")}


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_read_back_to_the_last_bit(tmp_path: Path) -> None:
    save(tmp_path, ARRAYS, META)
    arrays, meta = load(tmp_path)
    assert arrays.keys() == ARRAYS.keys()
    for name, value in arrays.items():
        assert value.tobytes() == ARRAYS[name].tobytes()
        assert value.shape == ARRAYS[name].shape
    assert (meta["epoch"], meta["losses"]) == (2, [0.1, 1 / 3])
    assert meta["score"] != meta["score"]


def test_only_the_newest_checkpoint_is_kept(tmp_path: Path) -> None:
    for k in range(3):
        save(tmp_path, {"w": np.full(2, float(k))}, {"epoch": k})
    assert len(files(tmp_path)) == 2
    arrays, meta = load(tmp_path)
    assert (arrays["w"][0], meta["epoch"]) == (2, 2)


def test_saving_the_same_twice_leaves_the_same_files(tmp_path: Path) -> None:
    save(tmp_path, ARRAYS, META)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    save(tmp_path, ARRAYS, META)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("moment", range(1, 7))
def test_a_crash_at_any_moment_leaves_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Saving touches the disk six times: write, sync and rename, for npz and JSON; then it removes the old npz."""
    save(tmp_path, {"w": np.zeros(2)}, {"epoch": 1})
    count = 0

    def crash(real: Any) -> Any:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == moment:
                raise Crash
            return real(*args, **options)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash(os.fsync))
        patch.setattr(Path, "replace", crash(Path.replace))
        patch.setattr(os, "open", crash(os.open))
        with pytest.raises(Crash):
            save(tmp_path, {"w": np.ones(2)}, {"epoch": 2})
    arrays, meta = load(tmp_path)
    assert (arrays["w"] == meta["epoch"] - 1).all()
    save(tmp_path, {"w": np.ones(2)}, {"epoch": 2})
    assert [name for name in files(tmp_path) if not name.endswith(".tmp")] == files(tmp_path)


def test_a_folder_without_a_checkpoint_says_so(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"no checkpoint in .*: expected checkpoint.json; is this a run directory"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", '{"format": 1}', "[1, 2]", "3", '{"arrays": "x", "sha256": "y"', "\x00", "null"]
)
def test_a_damaged_json_is_named(tmp_path: Path, text: str) -> None:
    save(tmp_path, ARRAYS, META)
    (tmp_path / "checkpoint.json").write_text(text)
    with pytest.raises(
        CheckpointError, match=r"checkpoint\.json is damaged \(.*; restore the folder from a copy, or"
    ):
        load(tmp_path)


def test_a_json_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(CheckpointError, match=r"checkpoint\.json is damaged"):
        load(tmp_path)


def test_every_damage_of_the_arrays_is_found(tmp_path: Path) -> None:
    save(tmp_path, ARRAYS, META)
    path = next(tmp_path.glob("*.npz"))
    whole = path.read_bytes()
    for position in range(0, len(whole), 41):
        flipped = bytes([whole[position] ^ 1])
        path.write_bytes(whole[:position] + flipped + whole[position + 1 :])
        with pytest.raises(
            CheckpointError, match=r"npz was damaged: its checksum is not the one in checkpoint\.json"
        ):
            load(tmp_path)
    path.write_bytes(whole[:-1])
    with pytest.raises(CheckpointError, match="npz was damaged"):
        load(tmp_path)
    path.unlink()
    with pytest.raises(CheckpointError, match=r"npz cannot be read \(No such file or directory\)"):
        load(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    save(tmp_path, ARRAYS, META)
    path = tmp_path / "checkpoint.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 3}))
    with pytest.raises(CheckpointError, match=r"has format 3, this version of eqcirc reads 1 and 2"):
        load(tmp_path)


def test_an_edited_json_is_found(tmp_path: Path) -> None:
    save(tmp_path, ARRAYS, META)
    path = tmp_path / "checkpoint.json"
    text = path.read_text()
    path.write_text(text.replace("0.1", "0.2"))
    with pytest.raises(CheckpointError, match="it was edited or damaged: its checksum is another one"):
        load(tmp_path)
    path.write_text(" ".join(text.split()))  # the layout does not count
    load(tmp_path)


def test_a_checkpoint_without_a_checksum_of_its_json_is_that_of_an_older_version(tmp_path: Path) -> None:
    save(tmp_path, ARRAYS, META)
    path = tmp_path / "checkpoint.json"
    content = json.loads(path.read_text())
    del content["checksum"]
    path.write_text(json.dumps(content | {"format": 1}))
    assert load(tmp_path)[1]["epoch"] == 2
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="it was edited or damaged"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"arrays": 3}, "arrays and sha256 are no text"),
        ({"epoch": "\x1b[2J"}, "control character U\\+001B"),
        ({"metrics": [{"a\nb": 1}]}, "control character U\\+000A"),
    ],
)
def test_a_json_that_was_made_up_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    save(tmp_path, ARRAYS, META)
    make_up(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=words):
        load(tmp_path)


def test_a_json_nested_without_end_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match=r"checkpoint\.json is damaged \(RecursionError"):
        load(tmp_path)


def test_arrays_that_were_made_up_are_refused(tmp_path: Path) -> None:
    """With right checksums: a compressed bomb, a pickle, a header that promises more than there is, no archive."""

    def refused(content: bytes, words: str) -> None:
        save(tmp_path, ARRAYS, META)
        path = next(tmp_path.glob("*.npz"))
        path.write_bytes(content)
        make_up(tmp_path, sha256=hashlib.sha256(content).hexdigest())
        with pytest.raises(CheckpointError, match=f"npz is no file of arrays .*{words}"):
            load(tmp_path)

    bomb, pickled, whole = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez_compressed(bomb, w=np.zeros(10_000_000))
    refused(bomb.getvalue(), "more memory than it has bytes")
    np.savez(pickled, w=np.array([{"a": 1}], dtype=object))
    refused(pickled.getvalue(), "allow_pickle")
    np.savez(whole, w=np.array(["text"]))
    refused(whole.getvalue(), "w holds no numbers of 64 bits")
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    shape = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }".ljust(117) + b"\n"
    promise = io.BytesIO()
    with zipfile.ZipFile(promise, "w") as packed:
        packed.writestr("w.npy", header + shape + bytes(8))
    refused(promise.getvalue(), "")
    refused(b"no archive", "")


def test_a_checkpoint_is_read_while_its_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the JSON and its npz, a run has written the next ones, here three times in a row."""
    save(tmp_path, {"w": np.zeros(2)}, {"epoch": 0})
    read, later = Path.read_bytes, iter((1, 2, 3))

    def in_between(path: Path) -> bytes:
        if (epoch := next(later, None)) is not None:
            save(tmp_path, {"w": np.full(2, float(epoch))}, {"epoch": epoch})
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", in_between)
    arrays, meta = load(tmp_path)
    assert (arrays["w"][0], meta["epoch"]) == (3, 3)


def test_a_checkpoint_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    save(run, ARRAYS, META)
    path = run / "checkpoint.json"
    name = json.loads(path.read_text())["arrays"]
    (run / name).rename(tmp_path / name)
    make_up(run, arrays=f"../{name}")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load(run)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        save(tmp_path, {"w": np.array([None], dtype=object)}, META)
