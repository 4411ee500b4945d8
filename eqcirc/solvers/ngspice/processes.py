"""Worker processes of this machine, as an executor.

Each is a Python of its own that takes nothing of the user's along but what it needs: no working directory, no folder of
the user's own packages, no start-up files, few variables of the environment, none of the parent's streams. So results
depend on the netlist alone, and a file random.py beside the experiment is not executed. One that dies (libngspice may
call exit(), or crash) costs its own job. None outlives its parent, see `worker`.
"""

from __future__ import annotations

import os
import pickle
import signal
import site
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import eqcirc
from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice import worker
from eqcirc.solvers.ngspice.library import VARIABLE

T = TypeVar("T")

RENEW_AFTER = 20_000
"""Netlists for each process before a fresh one is started: ngspice 39 keeps about 1 kB of every analysis."""

KEPT = (
    "PATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
)
"""Variables of the environment that workers see; beside them, where libngspice is."""

NEEDED = ("eqcirc", "numpy", "scipy", "PySpice", "cffi")  # what workers import
PACKAGE = Path(eqcirc.__file__).parent
NOWHERE = "/"  # the working directory of workers


class WorkerDiedError(Exception):
    """The process of a job died; says of what."""


class _Process:
    """A worker process, and the pipes to it."""

    def __init__(self, library: str) -> None:
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", worker.__file__, str(os.getpid()), str(PACKAGE), *search_path()],
                stdin=pipe,
                stdout=pipe,
                stderr=subprocess.DEVNULL,
                cwd=NOWHERE,
                env=environment(library),
                start_new_session=True,  # Ctrl-C in a terminal is for the parent, which decides when to stop
            )
        except OSError as error:
            raise EngineError(f"no worker process can be started: {error}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._jobs, self._answers = self._process.stdin, self._process.stdout
        self.pid, self.done = self._process.pid, 0
        self.sound = True  # no message is under way

    def do(self, message: bytes) -> Any:
        """Hand over a pickled job; return its result, or raise what it raised.

        Raises:
            WorkerDiedError: the process died of it, or had died before.
        """
        self.done, self.sound = self.done + 1, False
        try:
            worker.send(self._jobs, message)
            answer = worker.receive(self._answers)
        except (OSError, EOFError) as error:
            raise WorkerDiedError(self._cause()) from error
        good, value = pickle.loads(answer)
        self.sound = True
        if not good:
            raise value
        return value

    def end(self) -> None:
        """Kill the process; who waits for its answer is told that it died."""
        self._process.kill()
        self._process.wait()

    def release(self) -> None:
        """End it and close the pipes; for the thread that uses them."""
        self.end()
        for pipe in (self._jobs, self._answers):
            with suppress(OSError):  # half a message may wait there
                pipe.close()

    def _cause(self) -> str:
        code = self._process.wait()
        if code == worker.OUT_OF_MEMORY:
            return "out of memory"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class Team(Executor):
    """Up to `count` processes, each fed by a thread of its own; they start when they are needed."""

    def __init__(self, count: int, library: str) -> None:
        self._count, self._library = count, library
        self.owner = os.getpid()
        self._queue: SimpleQueue[tuple[Future[Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._processes: set[_Process] = set()
        self._stopped = threading.Event()

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes that live."""
        return [process.pid for process in list(self._processes)]

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See `Executor.submit`; jobs take no keywords."""
        future: Future[T] = Future()
        self._queue.put((future, (fn, args)))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._count:
            self._threads.append(threading.Thread(target=self._serve, daemon=True))
            self._threads[-1].start()
        return future

    def stop(self) -> None:
        """Kill all processes; jobs that are waiting or being done fail with `WorkerDiedError`."""
        if os.getpid() != self.owner:  # a fork of the parent, which still needs them
            return
        self._stopped.set()
        for process in list(self._processes):
            process.end()
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _serve(self) -> None:
        process: _Process | None = None
        while (work := self._queue.get()) is not None:
            process = self._do(process, *work)
            del work  # a result is not kept while there is nothing to do
            self._idle.release()
        if process is not None:
            self._release(process)

    def _do(self, process: _Process | None, future: Future[Any], job: tuple[Any, ...]) -> _Process | None:
        """Do a job in a process, a new one if there is none; return the one that is to do the next job."""
        if not future.set_running_or_notify_cancel():
            return process
        try:
            if process is None and not self._stopped.is_set():
                process = _Process(self._library)
                self._processes.add(process)
            if process is None or self._stopped.is_set():  # looked at again: `stop` did not see this process
                raise WorkerDiedError("stopped")
            future.set_result(process.do(pickle.dumps(job)))
        except BaseException as error:
            future.set_exception(error)
        if process is not None and (not process.sound or process.done >= RENEW_AFTER):
            self._release(process)
            return None
        return process

    def _release(self, process: _Process) -> None:
        self._processes.discard(process)
        process.release()


def environment(library: str) -> dict[str, str]:
    """Return the environment of a worker; `library` is empty if it needs none."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return kept | ({VARIABLE: library} if library else {}) | {"HOME": NOWHERE}


def search_path() -> list[str]:
    """Return folders of modules for workers, which look there last, where nothing shadows anything.

    They are those of this process but for the working directory and the user's own; and whatever they are, those that
    eqcirc and what it needs lie in.
    """
    shut_out = [Path(site.getusersitepackages())]
    with suppress(FileNotFoundError):
        shut_out.append(Path.cwd())
    folders = [str(Path(p).absolute()) for p in sys.path if p and Path(p).resolve() not in shut_out]
    specs = [find_spec(name) for name in NEEDED]
    folders += [str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin]
    return list(dict.fromkeys(folders))
