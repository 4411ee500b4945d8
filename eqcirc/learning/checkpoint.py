"""Checkpoints: arrays as npz, the rest as JSON, written so that a crash at any moment leaves a whole one.

`checkpoint.json` is the commit point: it names its npz file, called after that file's SHA-256. A new npz is written
beside the old one, then the JSON is replaced atomically, then the old npz is removed. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from eqcirc.errors import CheckpointError
from eqcirc.typing import Array

FORMAT = 1
JSON_NAME = "checkpoint.json"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by new content, all or nothing.

    Raises:
        CheckpointError: the disk is full or not writable; the old file is untouched.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; what was there before is untouched. If the disk is "
            "full, free some space; a run goes on with 'eqcirc resume'"
        ) from error


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
    text = json.dumps({"format": FORMAT, "arrays": path.name, "sha256": digest, **meta}, indent=1)
    write_atomically(folder / JSON_NAME, text.encode())
    for old in set(folder.glob("checkpoint-*")) - {path}:  # of crashes, too
        old.unlink(missing_ok=True)


def load(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the checkpoint of a run directory.

    Raises:
        CheckpointError: there is none, or it is damaged; says which file.
    """
    path = folder / JSON_NAME
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        name, digest, version = meta["arrays"], meta["sha256"], meta["format"]
    except FileNotFoundError as error:
        raise CheckpointError(
            f"no checkpoint in {folder}: expected {path.name}; is this a run directory?"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); {_LOST}") from error
    if version != FORMAT:
        raise CheckpointError(f"{path} has format {version}, this version of eqcirc reads {FORMAT}")
    arrays_path = folder / Path(name).name
    try:
        content = arrays_path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{arrays_path} cannot be read ({error.strerror}); {_LOST}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise CheckpointError(
            f"{arrays_path} was damaged: its checksum is not the one in {path.name}; {_LOST}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return {key: file[key] for key in file.files}, meta


_LOST = "restore the folder from a copy, or train anew with --overwrite"
