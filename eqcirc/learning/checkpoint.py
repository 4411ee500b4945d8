"""Checkpoints: arrays as npz, the rest as JSON, written so that a crash at any moment leaves a whole one.

`checkpoint.json` is the commit point: it names its npz file and that file's SHA-256. A new npz is written
beside the old one, then the JSON is replaced atomically, then the old npz is removed. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
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
        kept = "the previous version is untouched" if path.exists() else "nothing was left behind"
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; {kept}. Free some space and resume"
        ) from error


def save(folder: Path, arrays: dict[str, Array], meta: dict[str, Any]) -> None:
    """Write a checkpoint.

    Raises:
        CheckpointError: it could not be written; the previous checkpoint is still whole.
    """
    name = f"checkpoint-{meta['epoch']:05d}-{meta['batch']:06d}.npz"
    path = folder / name
    temporary = path.with_name(name + ".tmp")
    old = set(folder.glob("checkpoint-*.npz")) - {path}
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; the previous checkpoint is whole. "
            "Free some space and resume"
        ) from error
    text = json.dumps({"format": FORMAT, "arrays": name, "sha256": digest, **meta}, indent=1)
    write_atomically(folder / JSON_NAME, text.encode())
    for path in old:
        path.unlink(missing_ok=True)


def load(folder: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the checkpoint of a run directory.

    Raises:
        CheckpointError: there is none, or it is damaged; says which file.
    """
    path = folder / JSON_NAME
    if not path.exists():
        raise CheckpointError(f"no checkpoint in {folder}: expected {path.name}; is this a run directory?")
    try:
        meta = json.loads(path.read_text())
        name, digest, version = meta["arrays"], meta["sha256"], meta["format"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); it cannot be resumed") from error
    if version != FORMAT:
        raise CheckpointError(f"{path} has format {version}, this version of eqcirc reads {FORMAT}")
    arrays_path = folder / Path(name).name
    try:
        content = arrays_path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise CheckpointError(f"{arrays_path} does not match its checksum in {path.name}; it was damaged")
        with np.load(arrays_path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}, meta
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{arrays_path} cannot be read: {error}") from error
