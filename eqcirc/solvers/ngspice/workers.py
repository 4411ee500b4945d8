"""Where sweeps run: worker processes of this machine, or of a Dask cluster. Both are `concurrent.futures` executors."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from concurrent.futures import CancelledError, Executor
from pathlib import Path
from typing import Any, Protocol

from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice.library import require_library
from eqcirc.solvers.ngspice.processes import Team, WorkerDiedError


class Workers(Protocol):
    """A set of processes that can be replaced."""

    died: tuple[type[Exception], ...]
    """What a future raises when the process of its task died."""

    lost: tuple[type[Exception], ...]
    """What is raised when all of them are out of reach."""

    def executor(self) -> Executor:
        """Return the executor for one more netlist; start one if there is none."""
        ...

    def discard(self) -> None:
        """Give up the present processes, which may be unusable; the next `executor()` has fresh ones."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class LocalWorkers:
    """Processes of this machine."""

    died: tuple[type[Exception], ...] = (WorkerDiedError,)
    lost: tuple[type[Exception], ...] = ()

    def __init__(self, count: int, *, engine: bool = True) -> None:
        """Prepare `count` workers, without starting them; without `engine` they do jobs that need no ngspice.

        Raises:
            EngineError: libngspice is missing on this machine.
        """
        self._count, self._library = count, require_library() if engine else ""
        self._team: Team | None = None

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes that live."""
        return self._team.pids if self._team else []

    def executor(self) -> Executor:
        """See `Workers.executor`."""
        if self._team is None or self._team.owner != os.getpid():
            self._team = Team(self._count, self._library)
            self._stop = weakref.finalize(
                self, self._team.stop
            )  # also when nobody closes: forgotten, or at exit
        return self._team

    def discard(self) -> None:
        """Stop the processes."""
        if self._team is not None:
            self._stop()
            self._team = None

    close = discard


CLOSING = 10.0  # seconds to say goodbye to a cluster


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
            from distributed.client import ClosedClientError
            from distributed.comm.core import CommClosedError
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            raise EngineError("a cluster needs Dask: pip install 'eqcirc[cluster]'") from error
        for name in ("distributed", "distributed.client"):
            logging.getLogger(name).setLevel(
                logging.CRITICAL
            )  # what they log with tracebacks is an error here
        self.died: tuple[type[Exception], ...] = (KilledWorker,)
        self.lost: tuple[type[Exception], ...] = (CancelledError, ClosedClientError, CommClosedError)
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
        """Disconnect; from a scheduler that says nothing any more, too."""
        closing = threading.Thread(target=self._client.close, daemon=True)
        closing.start()
        closing.join(CLOSING)
