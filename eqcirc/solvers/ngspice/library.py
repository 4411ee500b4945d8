"""Finding libngspice, without loading PySpice."""

from __future__ import annotations

import ctypes.util
import os
from pathlib import Path

from eqcirc.errors import EngineError

INSTALL = "sudo apt-get install ngspice libngspice0 libngspice0-dev"
VARIABLE = "NGSPICE_LIBRARY_PATH"


def library_path() -> str | None:
    """Return what to open: $NGSPICE_LIBRARY_PATH if set, else the system's libngspice, else None."""
    return os.environ.get(VARIABLE) or ctypes.util.find_library("ngspice")


def require_library() -> str:
    """Return the library's path; raise `EngineError` that says what to install."""
    path = library_path()
    if path is None:
        raise EngineError(
            f"libngspice was not found. Install it ({INSTALL}), or set {VARIABLE} to the library; the ideal "
            'solver (engine = "ideal") works without it'
        )
    if os.sep in path:  # otherwise a bare name, which the loader looks up itself
        if not Path(path).is_file():
            raise EngineError(
                f"{VARIABLE} names {path!r}, which does not exist. Correct it, or unset it and install the "
                f"system's library ({INSTALL})"
            )
        return str(Path(path).absolute())
    return path
