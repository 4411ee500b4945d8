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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from eqcirc.errors import EngineError, EngineLeftError
from eqcirc.solvers.equations import LEAST_VOLTAGE
from eqcirc.solvers.free_phase import MOST_STEPS, wrapped
from eqcirc.solvers.ngspice import klu
from eqcirc.solvers.ngspice.cards import SAMPLE
from eqcirc.solvers.ngspice.library import VARIABLE, require_library
from eqcirc.solvers.ngspice.netlist import Netlist, Settling
from eqcirc.solvers.ngspice.retry import climb
from eqcirc.solvers.ngspice.shared import Spice, open_library
from eqcirc.typing import Array

_HARMLESS = re.compile(
    r"^(Note: |Warning: Pivot|Reducing trtol|Reference value|No\. of Data Rows|Doing analysis|Using (SPARSE|KLU)|"
    r"Initial Transient|Circuit: |--> |.*% *$|Trying gmin|Supplies reduced|Warning: Further gmin|"
    r"dc simulation\(s\) aborted|\s*$)"
)
_REFUSED = re.compile(r"\b(error|can't find|unable|not parsed|unknown|unrecognized)\b", re.IGNORECASE)
SHOWN = 100  # part of a transient that is kept: its end
LEAST_STEPS = 100  # of a transient; one that has come to rest takes no more at its end
NO_PSEUDO_TRANSIENT = "optran 1 1 1 0 0 0"
"""Newton, gmin stepping and source stepping, as ever, but not the transient behind them: without an operating point it
never ends."""
KNOWN = "the ideal circuit's transient"  # what won where ngspice gave up following a sample
LOOSE = ".options reltol=1e-4 vntol=1e-7 abstol=1e-12 noacct"
"""Of transients, which only have to end near an operating point: the sweep behind them is precise. With the tolerances
of the sweep they take for ever where one node is at 100 V."""
TIGHT = ".options reltol=1e-8 vntol=1e-14 abstol=1e-18 chgtol=1e-30 trtol=1 noacct"
"""Of transients that do not end where the ideal circuit's does: near the border of two basins, a microvolt decides."""
APART = 0.01  # of the largest voltage: states that are further apart are two


def apart(states: Array, others: Array, nodes: int) -> np.ndarray:
    """Return (row,) whether the voltages of states (row, nodes + branches) are two operating points; NaN is one."""
    a, b = states[:, :nodes], others[:, :nodes]
    size = np.maximum(LEAST_VOLTAGE, np.abs(b).max(axis=1))
    return np.asarray(~(np.abs(a - b).max(axis=1) <= APART * size))


@dataclass
class SweepResult:
    """What a sweep gave.

    Attributes:
        voltages: (phase, batch, saved) in volts, NaN where ngspice found none.
        messages: its words for those samples.
        rungs: for samples that only a retry solved, the rung that won.
        settled: (batch, saved + branches) where transients ended, if there were any: voltages and currents of
            inductors; NaN where they cannot end.
    """

    voltages: Array
    messages: dict[int, str] = field(default_factory=dict)
    rungs: dict[int, str] = field(default_factory=dict)
    settled: Array | None = None


class Session:
    """Runs netlists one after the other.

    Attributes:
        klu: whether sweeps of large netlists are solved with KLU; from the start, whether the library has it.
    """

    def __init__(self) -> None:
        """Load the library, away from the user's ngspice start-up files.

        Raises:
            EngineError: the library is missing or cannot be opened.
        """
        path = require_library()
        for name in set(os.environ) - {
            VARIABLE
        }:  # some of ngspice's variables name folders of start-up files
            if name.startswith(("SPICE", "NGSPICE")):
                del os.environ[name]
        try:
            folder = tempfile.TemporaryDirectory(prefix="eqcirc-")
            with folder, contextlib.chdir(folder.name):
                # found here, before the one in the home folder
                Path(".spiceinit").write_text(
                    "* no user settings: results depend on the netlist alone\n", "ascii"
                )
                self._spice: Spice = open_library(path)
        except OSError as error:
            raise EngineError(
                f"a worker cannot begin: {error}; ngspice starts in an empty folder in {tempfile.gettempdir()}"
            ) from error
        self.klu = klu.has_klu(self._spice)
        self._check_left("the search for KLU")

    def run(self, netlist: Netlist) -> SweepResult:
        """Sweep all samples; retry the ones where ngspice gives up, and go on behind them.

        A netlist that is to settle gets its transients first, and each sample starts from where they end.

        Raises:
            EngineError: ngspice refuses the netlist.
            EngineLeftError: ngspice called exit(); this process is of no use any more.
        """
        settled: Array | None = None
        stopped: dict[int, str] = {}
        known: list[int] = []
        if netlist.settle:
            settled, stopped, known = self._settle(netlist, netlist.settle)
            netlist = netlist.holding(settled[:, : len(netlist.saved)], netlist.settle.holding)
        shape = (netlist.samples, netlist.points, len(netlist.saved))
        result = SweepResult(np.full(shape, np.nan), settled=settled)
        first, option = 0, [klu.OPTION] if self.klu and klu.pays(netlist.lines) else []
        while first < netlist.samples:
            # a sweep that stopped goes on at the sample that failed: loaded anew, since after a failed
            # analysis ngspice fails at everything, and therefore from a cold start
            points = self.analyse(netlist, option, netlist.sweep(first))
            done = min(len(points) // netlist.points, netlist.samples - first)
            result.voltages[first : first + done] = points[: done * netlist.points].reshape(done, *shape[1:])
            first += done
            if done == 0 and not option:
                self._retry(netlist, first, result)
                first += 1
            option = []  # what KLU gives up is for Sparse to solve, or to give up too
        if settled is not None:  # a sample without a start has no sweep either
            started = set(np.flatnonzero(np.isfinite(settled).all(axis=1)).tolist())
            result.messages = {k: said for k, said in result.messages.items() if k in started} | stopped
            result.rungs |= dict.fromkeys(known, KNOWN)
        free = -netlist.first  # a phase that only holds is of no interest
        result.voltages = np.ascontiguousarray(result.voltages.transpose(1, 0, 2)[free:])
        return result

    def _settle(self, netlist: Netlist, settle: Settling) -> tuple[Array, dict[int, str], list[int]]:
        """Return the states (batch, saved + branches) after transients, ngspice's words if it stopped, and samples.

        Where it stopped, the state is the one that is known; these samples come last. NaN where none is known, and
        where the circuit still moves so fast, for so long, that it will not rest.
        """
        currents = [f"{name}#branch" for name in settle.branches]
        vectors, saves = [*netlist.saved, *currents], [f".save {name}" for name in currents]
        settled = np.full((netlist.samples, len(vectors)), np.nan)
        stopped: dict[int, str] = {}
        known: list[int] = []
        end = settle.seconds
        run = f"tran {settle.step} {end} {end * (1 - 1 / SHOWN)} {end / LEAST_STEPS} uic"

        def followed(options: str) -> Array:
            lines = [options if line.startswith(".options") else line for line in netlist.lines]
            alter = f"alter v_{SAMPLE} = {sample}"
            points = self.analyse(replace(netlist, lines=lines), saves, alter, run, vectors=vectors)
            volts, amperes = np.split(points, [len(netlist.saved)], axis=1)
            return np.concatenate([wrapped(volts, settle.turn), amperes], axis=1)

        for sample in range(netlist.samples):
            points = followed(LOOSE)
            there = None if settle.known is None else settle.known[sample]
            if len(points) and there is not None and apart(points[-1:], there[None], len(netlist.saved))[0]:
                precise = followed(TIGHT)
                points = precise if len(precise) else points
            if not len(points) and there is not None and np.isfinite(there).all():
                settled[sample] = there
                known.append(sample)
            elif not len(points):
                words = self.said() or "no word why"
                stopped[sample] = f"ngspice: the transient stopped before {end:.3g} s: {words}"
            elif len(points) <= MOST_STEPS / SHOWN:
                settled[sample] = points[-1]
        return settled, stopped, known

    def _retry(self, netlist: Netlist, sample: int, result: SweepResult) -> None:
        """Put a sample that failed from a cold start into `result`: its voltages, or ngspice's words."""
        words = "ngspice: " + (self.said() or "no operating point, and no word why")
        begin = None if netlist.held is None else netlist.held[sample]
        hopeless = begin is not None and np.isnan(begin).any()
        won = None if hopeless else climb(self, netlist, sample, begin)
        if won is None:
            result.messages[sample] = words
        else:
            result.voltages[sample], result.rungs[sample] = won

    def analyse(
        self,
        netlist: Netlist,
        extra: list[str],
        *commands: str,
        vectors: Sequence[str] | None = None,
        plots: int = 1,
    ) -> Array:
        """Load the netlist with extra lines, run commands, return the points (point, vector) of the last one.

        The vectors are the netlist's saved voltages if none are named. Of an analysis that makes several plots
        (`.noise`: densities, integrals) the first one is read.
        """
        names = netlist.saved if vectors is None else vectors
        self._load(netlist, extra)
        self._spice.words.clear()
        for command in commands:
            self._command(command)
        points = np.empty((0, len(names)))
        plot = self._spice.current_plot()
        if plot.startswith(commands[-1].partition(" ")[0]):  # else there is none, or that of another analysis
            kind = plot.rstrip("0123456789")
            plot = f"{kind}{int(plot.removeprefix(kind)) - plots + 1}"
            columns = [self._spice.vector(plot, name) for name in names]
            length = min(len(c) for c in columns)
            points = np.stack([c[:length] for c in columns], axis=1)
        heard = list(self._spice.words)
        self._command("destroy all")
        self._command("remcirc")
        self._spice.words[:] = heard
        return points

    def said(self) -> str:
        """Return what ngspice said, in the last analysis, that is not harmless."""
        kept = dict.fromkeys(w for w in self._spice.words if not _HARMLESS.match(w))
        return "; ".join(list(kept)[:6])

    def _load(self, netlist: Netlist, extra: list[str]) -> None:
        self._spice.words.clear()
        saved = [f".save v({name})" for name in netlist.saved]
        code = self._spice.load([*netlist.lines, *extra, *saved, ".end"])
        self._check_left("loading")
        heard = [words for words in self._spice.words if not _HARMLESS.match(words)]
        if code or any(_REFUSED.search(words) for words in heard):
            raise EngineError(f"ngspice refused the netlist: {self.said() or f'code {code}'}")
        self._command(NO_PSEUDO_TRANSIENT)  # crashes without a circuit

    def _command(self, command: str) -> None:
        self._spice.command(command)
        self._check_left(repr(command))

    def _check_left(self, during: str) -> None:
        if self._spice.left:
            raise EngineLeftError(f"ngspice left during {during}: {self.said()}")
