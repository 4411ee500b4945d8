"""Checkpoints: arrays as npz, the rest as JSON, written so that a crash at any moment leaves a whole one.

`checkpoint.json` is the commit point: it names its npz file, called after that file's SHA-256. A new npz is written
beside the old one, then the JSON is replaced atomically, then the old npz is removed. Nothing is pickled, and both
files have checksums. Those find accidents; a file that somebody made up has right ones, too. So whoever reads a
checkpoint looks at its types, and here no array takes more memory than its file, and no text commands a terminal.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from eqcirc.errors import CheckpointError
from eqcirc.files import write_atomically
from eqcirc.text import control_character
from eqcirc.typing import Array

FORMAT = 2
READ = (1, FORMAT)  # format 1 has no checksum of the JSON
JSON_NAME = "checkpoint.json"
CHECKSUM = "checksum"
TRIES = 100  # to read a checkpoint whose run goes on meanwhile


def save(folder: Path, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
    """Write a checkpoint.

    Raises:
        CheckpointError: it could not be written; the previous checkpoint is still whole.
    """
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    content = packed.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"checkpoint-{digest[:16]}.npz"
    write_atomically(path, content)
    whole = {"format": FORMAT, "arrays": path.name, "sha256": digest, **meta}
    text = json.dumps(whole | {CHECKSUM: _checksum(whole)}, indent=1)
    write_atomically(folder / JSON_NAME, text.encode())
    for old in set(folder.glob("checkpoint-*")) - {path}:  # of crashes, too
        with suppress(OSError):
            old.unlink()


def load(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the checkpoint of a run directory, also while the run goes on.

    Raises:
        CheckpointError: there is none, or it is damaged; says which file.
    """
    meta = read_json(folder)
    for _ in range(TRIES):
        path = folder / Path(meta["arrays"]).name
        try:
            return _unpacked(path, path.read_bytes(), meta["sha256"]), meta
        except OSError as error:
            before, meta = meta, read_json(folder)
            if meta == before:
                raise CheckpointError(f"{path} cannot be read ({error.strerror}); {_LOST}") from error
    raise CheckpointError(f"the run in {folder} writes checkpoints faster than they can be read; try again")


def read_json(folder: Path) -> dict[str, Any]:
    """Return the content of the JSON, with text for `arrays` and `sha256`, and leave the arrays alone.

    Raises:
        CheckpointError: there is none, or it is damaged.
    """
    path = folder / JSON_NAME
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        version = meta["format"]
        if version not in READ:
            raise CheckpointError(
                f"{path} has format {version!r}, this version of eqcirc reads {' and '.join(map(str, READ))}"
            )
        checksum = meta.pop(CHECKSUM, None)
        if version == FORMAT and checksum != _checksum(meta):
            raise ValueError("it was edited or damaged: its checksum is another one")
        if not isinstance(meta["arrays"], str) or not isinstance(meta["sha256"], str):
            raise TypeError("arrays and sha256 are no text")
        if (found := control_character(meta)) is not None:
            raise ValueError(f"it holds the control character U+{ord(found):04X}")
    except FileNotFoundError as error:
        raise CheckpointError(
            f"no checkpoint in {folder}: expected {path.name}; is this a run directory?"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); {_LOST}") from error
    assert isinstance(meta, dict)
    return meta


def _checksum(content: dict[str, Any]) -> str:
    """Return that of a JSON object, however it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _unpacked(path: Path, content: bytes, digest: str) -> dict[str, Array]:
    """Return the arrays of an npz file, which `save` does not compress."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise CheckpointError(f"{path} was damaged: its checksum is not the one in {JSON_NAME}; {_LOST}")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if any(entry.file_size > len(content) for entry in packed.infolist()):
                raise ValueError("it would take more memory than it has bytes")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        if wrong := [key for key, value in arrays.items() if value.dtype != np.float64]:
            raise TypeError(f"{wrong[0]} holds no numbers of 64 bits")
    except Exception as error:  # numpy and zipfile have many words for it
        raise CheckpointError(f"{path} is no file of arrays ({error!r}); {_LOST}") from error
    return arrays


_LOST = "restore the folder from a copy, or train anew with --overwrite"
