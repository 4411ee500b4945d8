"""Finding libngspice, without loading PySpice."""

from __future__ import annotations

import ctypes.util
import os

from eqcirc.errors import EngineError

INSTALL = "sudo apt-get install ngspice libngspice0 libngspice0-dev"


def library_path() -> str | None:
    """Return what to open: $NGSPICE_LIBRARY_PATH if set, else the system's libngspice, else None."""
    return os.environ.get("NGSPICE_LIBRARY_PATH") or ctypes.util.find_library("ngspice")


def require_library() -> str:
    """Return the library's path; raise `EngineError` that says what to install."""
    path = library_path()
    if path is None:
        raise EngineError(
            f"libngspice was not found. Install it ({INSTALL}), or set NGSPICE_LIBRARY_PATH to the library; "
            "the ideal solver (engine = \"ideal\") works without it"
        )
    if os.path.isabs(path) and not os.path.exists(path):
        raise EngineError(f"NGSPICE_LIBRARY_PATH names {path!r}, which does not exist; correct it or unset it")
    return path
