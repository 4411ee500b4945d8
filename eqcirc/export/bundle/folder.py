"""The folder of a bundle: manifest, and written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.export.bundle.files import File

MANIFEST = "MANIFEST.json"
SCHEMA = "eqcirc-bundle"
VERSION = 1
LATER = "verify"  # folder that checks of a bundle write into


def manifest(facts: dict[str, Any], files: Sequence[File]) -> File:
    """Return the manifest: facts, and path, role, size and SHA-256 of every file."""
    listed = [
        {
            "path": f.path,
            "role": f.role,
            "run": f.run,
            "bytes": len(f.content),
            "sha256": hashlib.sha256(f.content).hexdigest(),
        }
        for f in files
    ]
    content = {"schema": SCHEMA, "version": VERSION, **facts, "files": listed}
    return File(MANIFEST, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode(), "this list")


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something else than a bundle, before the work.

    Raises:
        ConfigError: it does, or cannot be written.
    """
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ConfigError(
                f"cannot write {folder}: expected a folder that is new, empty or a bundle, got a file"
            )
        foreign = _foreign(folder) if folder.exists() else None
        if foreign is not None:
            raise ConfigError(
                f"{folder} is not empty and holds {foreign!r}, which no export wrote; choose another folder with --to"
            )
        above = next(p for p in folder.absolute().parents if p.exists())
        if not above.is_dir() or not os.access(above, os.W_OK):
            raise ConfigError(f"cannot write {folder}: {above} is no folder that can be written")
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}") from error


def _foreign(folder: Path) -> str | None:
    """Return the name of something in a folder that no export wrote, if there is any."""
    listed: set[str] = set()
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if content["schema"] == SCHEMA:
            listed = {MANIFEST, *(str(f["path"]) for f in content["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        checked = bool(listed) and (name == LATER or name.startswith(f"{LATER}/"))
        if not checked and (path.is_symlink() or not path.is_dir()) and name not in listed:
            return name
    return None


def write_folder(folder: Path, files: Sequence[File]) -> None:
    """Write files into a folder beside it, which then takes its place.

    Raises:
        CheckpointError: they cannot be written; what was there before is untouched.
    """
    folder = folder.absolute()
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        made = temporary / "new"
        for file in files:
            path = made / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        if folder.exists():
            folder.rename(temporary / "old")
        made.rename(folder)
    except OSError as error:
        if temporary is not None and (temporary / "old").exists() and not folder.exists():
            (temporary / "old").rename(folder)
        raise CheckpointError(
            f"cannot write {folder}: {error.strerror or error}; what was there before is untouched"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
