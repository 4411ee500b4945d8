"""libngspice through PySpice's NgSpiceShared, made to report instead of judge."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np

from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice.library import INSTALL
from eqcirc.typing import Array


class Spice(Protocol):
    """What a session needs of the library.

    Attributes:
        words: lines that ngspice has printed.
        left: whether ngspice has asked to exit.
    """

    words: list[str]
    left: bool

    def load(self, lines: list[str]) -> int:
        """Load a circuit; 0 if ngspice is content."""
        ...

    def command(self, text: str) -> None:
        """Run a command."""
        ...

    def current_plot(self) -> str:
        """Return the name of the newest analysis."""
        ...

    def vector(self, plot: str, name: str) -> Array:
        """Return a copy of a real vector; empty if there is none."""
        ...


def open_library(path: str) -> Spice:
    """Load libngspice into this process.

    Raises:
        EngineError: it cannot be opened.
    """
    logging.getLogger("PySpice").setLevel(logging.CRITICAL)  # it logs every harmless stderr line as an error
    from PySpice.Spice.NgSpice.Shared import NgSpiceShared, ffi  # slow import, needed in workers only

    class Shared(NgSpiceShared):  # type: ignore[misc]
        LIBRARY_PATH = path

        def __init__(self, **options: object) -> None:
            self.words: list[str] = []
            self.left = False
            super().__init__(**options)

        def send_char(self, message: str, ngspice_id: int) -> int:
            del ngspice_id
            self.words.append(str(message).partition(" ")[2].strip())
            return 0

        @staticmethod
        def _exit(status: int, now: bool, quitting: bool, ngspice_id: int, user_data: object) -> int:
            del now, quitting, ngspice_id
            ffi.from_handle(user_data).left = True
            return status

        def load(self, lines: list[str]) -> int:
            self.clear_output()  # PySpice keeps every line that ngspice ever printed
            kept = [ffi.new("char[]", line.encode("ascii")) for line in lines]
            return int(self._ngspice_shared.ngSpice_Circ(ffi.new("char *[]", [*kept, ffi.NULL])))

        def command(self, text: str) -> None:
            self._ngspice_shared.ngSpice_Command(text.encode("ascii"))

        def current_plot(self) -> str:
            return str(ffi.string(self._ngspice_shared.ngSpice_CurPlot()).decode())

        def vector(self, plot: str, name: str) -> Array:
            info = self._ngspice_shared.ngGet_Vec_Info(f"{plot}.{name}".encode("ascii"))
            if info and info.v_compdata:  # of an .ac analysis, so slow that there is no imaginary part
                pairs = np.frombuffer(ffi.buffer(info.v_compdata, info.v_length * 16), np.float64)
                return pairs[::2].copy()
            if not info or not info.v_realdata:  # null pointers
                return np.empty(0)
            return np.frombuffer(ffi.buffer(info.v_realdata, info.v_length * 8), np.float64).copy()

    try:
        return Shared(ngspice_id=0)
    except OSError as error:
        raise EngineError(
            f"libngspice at {path!r} cannot be opened: {error}. Install it: {INSTALL}"
        ) from error
