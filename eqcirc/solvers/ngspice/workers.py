"""Where sweeps run: worker processes of this machine, or of a Dask cluster. Both are `concurrent.futures` executors.

Locally loky is used: its processes need no `if __name__ == "__main__"` guard in the user's script, and a worker that
dies (libngspice may call exit(), or crash) is an error instead of a hang.
"""

from __future__ import annotations

from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol

from loky import ProcessPoolExecutor
from loky.process_executor import ShutdownExecutorError

from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice.library import require_library


class Workers(Protocol):
    """A set of processes that can be replaced."""

    died: tuple[type[Exception], ...]
    """What a future raises when the process of its task died."""

    def executor(self) -> Executor:
        """Return the executor for one more netlist; start one if there is none."""
        ...

    def discard(self) -> None:
        """Give up the present processes, which may be unusable; the next `executor()` has fresh ones."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


RENEW_AFTER = 20_000
"""Netlists for each process before fresh ones are started: ngspice 39 keeps about 1 kB of every analysis."""


class LocalWorkers:
    """Processes of this machine."""

    died: tuple[type[Exception], ...] = (BrokenProcessPool, ShutdownExecutorError)

    def __init__(self, count: int) -> None:
        """Prepare `count` workers, without starting them.

        Raises:
            EngineError: libngspice is missing on this machine.
        """
        require_library()
        self._count = count
        self._executor: Any = None  # loky has no types
        self._asked = 0

    def executor(self) -> Executor:
        """See `Workers.executor`."""
        self._asked += 1
        if self._asked > RENEW_AFTER * self._count and self._executor is not None:
            self._executor.shutdown(wait=True)  # what is running is finished first
            self._executor, self._asked = None, 1
        if self._executor is None:
            self._executor = ProcessPoolExecutor(max_workers=self._count, timeout=None)
        return self._executor  # type: ignore[no-any-return]

    def discard(self) -> None:
        """Stop the processes."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)
            self._executor = None

    close = discard


class ClusterWorkers:
    """Workers of a Dask cluster, one thread each (libngspice holds one circuit for a process).

    A worker that dies is restarted by its nanny, and its task is tried on another one by the scheduler.
    """

    def __init__(self, address: str) -> None:
        """Connect.

        Args:
            address: of the scheduler, such as ``tcp://10.0.0.1:8786``, or the path of a scheduler file.

        Raises:
            EngineError: Dask is not installed, or no scheduler answers.
        """
        try:
            from distributed import Client
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            raise EngineError("a cluster needs Dask: pip install 'eqcirc[cluster]'") from error
        self.died: tuple[type[Exception], ...] = (KilledWorker,)
        is_file = "://" not in address
        if is_file and not Path(address).is_file():
            raise EngineError(
                f"cluster {address!r}: expected an address such as tcp://host:8786 or an existing scheduler file"
            )
        try:
            target = {"scheduler_file": address} if is_file else {"address": address}
            self._client: Any = Client(timeout=10, set_as_default=False, **target)  # type: ignore[no-untyped-call]
        except (OSError, ValueError) as error:
            raise EngineError(f"cluster {address!r}: no Dask scheduler answers there ({error})") from error

    def executor(self) -> Executor:
        """See `Workers.executor`."""
        return self._client.get_executor(pure=False)  # type: ignore[no-any-return]

    def discard(self) -> None:
        """Do nothing: dead processes are replaced by their nannies."""

    def close(self) -> None:
        """Disconnect."""
        self._client.close()
