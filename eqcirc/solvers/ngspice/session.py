"""One libngspice in this process, driven through PySpice's NgSpiceShared.

libngspice holds one circuit for a process, keeps global state, and may call exit(); so a session lives in a worker
process (`solvers.ngspice.pool`). What ngspice prints is kept, and never decides anything: a sample counts as solved when its
points are there and finite, and the caller checks Kirchhoff's law on them.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from dataclasses import dataclass, field

import numpy as np

from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice.library import require_library
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.typing import Array

_HARMLESS = re.compile(
    r"^(Note: |Warning: Pivot|Reducing trtol|Reference value|No\. of Data Rows|Doing analysis|Using SPARSE|"
    r"Initial Transient|Circuit: |--> |.*% *$|Warning: singular matrix.*recover|\s*$)"
)
_LOAD_FAILED = re.compile(r"\b(error|can't find|unable|not parsed|unknown|unrecognized)\b", re.IGNORECASE)


@dataclass
class SweepResult:
    """Voltages (phase, batch, saved) in volts, NaN where ngspice gave none, and its words for those samples."""

    voltages: Array
    messages: dict[int, str] = field(default_factory=dict)


class Session:
    """Runs netlists one after the other."""

    def __init__(self) -> None:
        """Load the library in an empty folder, away from the user's ngspice start-up files.

        Raises:
            EngineError: the library is missing or cannot be opened.
        """
        path = require_library()
        for name in ("SPICE_SCRIPTS", "SPICE_USERINIT_DIR"):
            os.environ.pop(name, None)
        self._folder = tempfile.TemporaryDirectory(prefix="eqcirc-")
        os.chdir(self._folder.name)
        with open(".spiceinit", "w", encoding="ascii") as file:  # found before the one in the home folder
            file.write("* no user settings: results depend on the netlist alone\n")
        self._spice = _open(path)
        self.words: list[str] = self._spice.words

    def run(self, netlist: Netlist) -> SweepResult:
        """Sweep all samples; continue behind the ones where ngspice gives up.

        Raises:
            EngineError: ngspice refuses the netlist or has left.
        """
        self._load(netlist)
        shape = (netlist.samples, netlist.phases, len(netlist.saved))
        result = SweepResult(np.full(shape, np.nan))
        first = 0
        while first < netlist.samples:
            self.words.clear()
            self._command(netlist.sweep(first))
            points = self._read(netlist.saved)
            done = min(len(points) // netlist.phases, netlist.samples - first)
            whole = points[: done * netlist.phases].reshape(done, *shape[1:])
            result.voltages[first : first + done] = whole
            if done == 0:
                result.messages[first] = "ngspice: " + (self._said() or "no operating point, and no word why")
            # a sweep that stopped half way goes on at the sample that failed, from a cold start;
            # one that fails at its first sample leaves that sample out
            first += max(done, 1)
        self._command("destroy all")
        self._command("remcirc")
        result.voltages = np.ascontiguousarray(result.voltages.transpose(1, 0, 2))
        return result

    def _load(self, netlist: Netlist) -> None:
        self.words.clear()
        saved = [f".save v({name})" for name in netlist.saved]
        code = self._spice.load([*netlist.lines, *saved, ".end"])
        complaint = next((w for w in self.words if _LOAD_FAILED.search(w)), None)
        if code or complaint or self._spice.left:
            raise EngineError(f"ngspice refused the netlist: {self._said() or f'code {code}'}")

    def _command(self, command: str) -> None:
        self._spice.command(command)
        if self._spice.left:
            raise EngineError(f"ngspice left during {command!r}: {self._said()}")

    def _read(self, saved: list[str]) -> Array:
        """Return the points (point, saved) of the newest analysis; none if there is no new one."""
        plot = self._spice.current_plot()
        if not plot.startswith("dc"):
            return np.empty((0, len(saved)))
        columns = [self._spice.vector(plot, name) for name in saved]
        length = min(len(c) for c in columns)
        points = np.stack([c[:length] for c in columns], axis=1)
        self._spice.command("destroy all")
        return points

    def _said(self) -> str:
        """Return what ngspice said that is not harmless."""
        kept = dict.fromkeys(w for w in self.words if not _HARMLESS.match(w))
        return "; ".join(list(kept)[:6])


def _open(path: str):  # type: ignore[no-untyped-def]
    """Return a NgSpiceShared that reports instead of judging."""
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
            kept = [ffi.new("char[]", line.encode("ascii")) for line in lines]
            return int(self._ngspice_shared.ngSpice_Circ(ffi.new("char *[]", [*kept, ffi.NULL])))

        def command(self, text: str) -> None:
            self._ngspice_shared.ngSpice_Command(text.encode("ascii"))

        def current_plot(self) -> str:
            return str(ffi.string(self._ngspice_shared.ngSpice_CurPlot()).decode())

        def vector(self, plot: str, name: str) -> Array:
            info = self._ngspice_shared.ngGet_Vec_Info(f"{plot}.{name}".encode("ascii"))
            if info == ffi.NULL or info.v_realdata == ffi.NULL:
                return np.empty(0)
            return np.frombuffer(ffi.buffer(info.v_realdata, info.v_length * 8), np.float64).copy()

    try:
        return Shared(ngspice_id=0)
    except OSError as error:
        raise EngineError(f"libngspice at {path!r} cannot be opened: {error}") from error
