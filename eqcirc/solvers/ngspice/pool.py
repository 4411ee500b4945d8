"""Worker processes, each with one libngspice.

loky's executor is used because its processes need no `if __name__ == "__main__"` guard in the user's script, and
because a worker that dies (libngspice may call exit(), or crash) raises an error instead of hanging the rest.
"""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
from loky.process_executor import ProcessPoolExecutor, ShutdownExecutorError

from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice.library import require_library
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.solvers.ngspice.session import Session, SweepResult

_DIED = "the ngspice process died"
_session: Session | None = None  # of this worker process


def run_in_worker(netlist: Netlist) -> SweepResult:
    """Run a netlist in this process's session, opened at the first call."""
    global _session  # noqa: PLW0603  one library for a process is libngspice's own rule
    if _session is None:
        _session = Session()
    return _session.run(netlist)


class Pool:
    """Runs netlists in worker processes and replaces workers that die or hang."""

    def __init__(self, workers: int, deadline: float) -> None:
        """Prepare, without starting processes.

        Args:
            workers: number of processes.
            deadline: seconds that one sweep may take before its worker counts as hung.

        Raises:
            EngineError: libngspice is missing.
        """
        require_library()
        self._workers = workers
        self._deadline = deadline
        self._executor: Any = None  # loky has no types

    def run(self, netlists: list[Netlist]) -> list[SweepResult | str]:
        """Run all netlists; a worker that dies is replaced and its netlist tried once more.

        Returns:
            A result for each netlist, or the reason why there is none.

        Raises:
            EngineError: ngspice refuses a netlist.
        """
        results = self._attempt(netlists)
        for k, result in enumerate(results):
            if isinstance(result, str):  # alone, so that one bad netlist cannot take others down again
                results[k] = self._attempt([netlists[k]])[0]
        return results

    def _attempt(self, netlists: list[Netlist]) -> list[SweepResult | str]:
        if self._executor is None:
            self._executor = ProcessPoolExecutor(max_workers=self._workers, timeout=None)
        try:
            futures = [self._executor.submit(run_in_worker, netlist) for netlist in netlists]
        except BrokenProcessPool:  # a worker has died while it had nothing to do
            self.close()
            return [_DIED] * len(netlists)
        results = [self._result(future) for future in futures]
        if any(isinstance(r, str) for r in results):
            self.close()
        return results

    def _result(self, future: Future[SweepResult]) -> SweepResult | str:
        try:
            return future.result(timeout=self._deadline)
        except TimeoutError:
            self.close()
            return f"no answer within {self._deadline:g} s; the worker was stopped"
        except (BrokenProcessPool, ShutdownExecutorError):
            return _DIED
        except EngineError:
            self.close()  # after a refusal libngspice may be unusable
            raise

    def close(self) -> None:
        """Stop the workers; the next run starts fresh ones."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)
            self._executor = None


def missing(netlist: Netlist) -> SweepResult:
    """Return a result without any voltages, for a netlist whose worker died."""
    return SweepResult(np.full((netlist.phases, netlist.samples, len(netlist.saved)), np.nan))
