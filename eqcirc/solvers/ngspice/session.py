"""One libngspice in this process: load a netlist, sweep it, read the voltages.

libngspice holds one circuit for a process, keeps global state, and may call exit(); so a session lives in a
worker process (`solvers.ngspice.pool`). What ngspice prints is kept, and never decides anything after loading: a
sample counts as solved when its points are there, and the caller checks Kirchhoff's law on them.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from eqcirc.errors import EngineError, EngineLeftError
from eqcirc.solvers.ngspice.library import require_library
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.solvers.ngspice.shared import Spice, open_library
from eqcirc.typing import Array

_HARMLESS = re.compile(
    r"^(Note: |Warning: Pivot|Reducing trtol|Reference value|No\. of Data Rows|Doing analysis|Using SPARSE|"
    r"Initial Transient|Circuit: |--> |.*% *$|Trying gmin|Supplies reduced|Warning: Further gmin|"
    r"dc simulation\(s\) aborted|\s*$)"
)
_REFUSED = re.compile(r"\b(error|can't find|unable|not parsed|unknown|unrecognized)\b", re.IGNORECASE)


@dataclass
class SweepResult:
    """Voltages (phase, batch, saved) in volts, NaN where ngspice gave none, and its words for those samples."""

    voltages: Array
    messages: dict[int, str] = field(default_factory=dict)


class Session:
    """Runs netlists one after the other."""

    def __init__(self) -> None:
        """Load the library, away from the user's ngspice start-up files.

        Raises:
            EngineError: the library is missing or cannot be opened.
        """
        path = require_library()
        for name in ("SPICE_SCRIPTS", "SPICE_USERINIT_DIR"):
            os.environ.pop(name, None)
        with tempfile.TemporaryDirectory(prefix="eqcirc-") as folder, contextlib.chdir(folder):
            # found here, before the one in the home folder
            Path(".spiceinit").write_text(
                "* no user settings: results depend on the netlist alone\n", "ascii"
            )
            self._spice: Spice = open_library(path)

    def run(self, netlist: Netlist) -> SweepResult:
        """Sweep all samples; continue behind the ones where ngspice gives up.

        Raises:
            EngineError: ngspice refuses the netlist.
            EngineLeftError: ngspice called exit(); this process is of no use any more.
        """
        self._load(netlist)
        shape = (netlist.samples, netlist.phases, len(netlist.saved))
        result = SweepResult(np.full(shape, np.nan))
        first = 0
        while first < netlist.samples:
            points = self._sweep(netlist, first)
            done = min(len(points) // netlist.phases, netlist.samples - first)
            whole = points[: done * netlist.phases].reshape(done, *shape[1:])
            result.voltages[first : first + done] = whole
            if done == 0:
                result.messages[first] = "ngspice: " + (self._said() or "no operating point, and no word why")
            # a sweep that stopped half way goes on at the sample that failed, from a cold start;
            # one that fails at its first sample leaves that sample out
            first += max(done, 1)
            if first < netlist.samples:
                self._unload()  # after a failed analysis ngspice fails at everything
                self._load(netlist)
        self._unload()
        result.voltages = np.ascontiguousarray(result.voltages.transpose(1, 0, 2))
        return result

    def _load(self, netlist: Netlist) -> None:
        self._spice.words.clear()
        saved = [f".save v({name})" for name in netlist.saved]
        code = self._spice.load([*netlist.lines, *saved, ".end"])
        self._check_left("loading")
        heard = [words for words in self._spice.words if not _HARMLESS.match(words)]
        if code or any(_REFUSED.search(words) for words in heard):
            raise EngineError(f"ngspice refused the netlist: {self._said() or f'code {code}'}")

    def _unload(self) -> None:
        self._command("destroy all")
        self._command("remcirc")

    def _sweep(self, netlist: Netlist, first: int) -> Array:
        """Return the points (point, saved) from sample `first` on, as far as ngspice comes."""
        self._spice.words.clear()
        self._command(netlist.sweep(first))
        plot = self._spice.current_plot()
        if not plot.startswith("dc"):
            return np.empty((0, len(netlist.saved)))
        columns = [self._spice.vector(plot, name) for name in netlist.saved]
        length = min(len(c) for c in columns)
        self._spice.command("destroy all")
        return np.stack([c[:length] for c in columns], axis=1)

    def _command(self, command: str) -> None:
        self._spice.command(command)
        self._check_left(repr(command))

    def _check_left(self, during: str) -> None:
        if self._spice.left:
            raise EngineLeftError(f"ngspice left during {during}: {self._said()}")

    def _said(self) -> str:
        """Return what ngspice said that is not harmless."""
        kept = dict.fromkeys(w for w in self._spice.words if not _HARMLESS.match(w))
        return "; ".join(list(kept)[:6])
