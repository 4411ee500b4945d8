"""Runs netlists in worker processes, each with one libngspice, and gets over workers that die or hang."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from eqcirc.errors import EngineError, EngineLeftError
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.solvers.ngspice.session import Session, SweepResult
from eqcirc.solvers.ngspice.workers import Workers
from eqcirc.solvers.status import Status


@dataclass(frozen=True)
class Limits:
    """What one worker may take; beyond it the worker dies and is replaced.

    Attributes:
        deadline: seconds for one sweep.
        memory: bytes of address space; None for no limit.
    """

    deadline: float = 600.0
    memory: int | None = None


LOST = (
    "the scheduler of the cluster is out of reach; go on with 'eqcirc resume' when it is back, with --cluster on "
    "another one, or on this machine without solver.cluster in the run's config.toml: none changes a result"
)
OUT_OF_MEMORY = "the worker ran out of memory"

T = TypeVar("T")

_session: Session | None = None  # of this worker process
_one_at_a_time = threading.Lock()  # a Dask worker may have several threads, libngspice takes one


def run_in_worker(netlist: Netlist, limits: Limits) -> SweepResult:
    """Run a netlist in this process's session."""
    return in_session(lambda session: session.run(netlist), limits)


def in_session(job: Callable[[Session], T], limits: Limits) -> T:
    """Do something with this process's session, opened at the first call.

    A hang inside the library cannot be interrupted from Python; the alarm, whose default action ends the process, can.
    """
    global _session  # noqa: PLW0603  one library for a process is libngspice's own rule
    with _one_at_a_time:
        if _session is None:
            if limits.memory is not None:
                resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
            _session = Session()
        signal.setitimer(signal.ITIMER_REAL, limits.deadline)
        try:
            return job(_session)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


class Pool:
    """Runs netlists on workers; what a dying worker took along is run once more, alone."""

    def __init__(self, workers: Workers, limits: Limits) -> None:
        """Bind to workers, which start at the first run."""
        self.workers = workers
        self.limits = limits

    def run(self, netlists: Iterable[Netlist]) -> list[tuple[Netlist, SweepResult | str]]:
        """Run all netlists; each is handed out as soon as it is made.

        Returns:
            For each netlist a result, or the reason why there is none.

        Raises:
            EngineError: ngspice refuses a netlist.
        """
        results = self._attempt(netlists)
        for k, (netlist, result) in enumerate(results):
            if isinstance(result, str):  # alone, so that one bad netlist cannot take others down again
                results[k] = self._attempt([netlist])[0]
        return results

    def sweep(self, netlists: Iterable[Netlist]) -> tuple[SweepResult, np.ndarray]:
        """Return the results of all netlists as one, numbered by sample of all of them, and the status.

        Raises:
            EngineError: ngspice refuses a netlist.
        """
        voltages, settled, status, first = [], [], [], 0
        messages: dict[int, str] = {}
        rungs: dict[int, str] = {}
        for netlist, result in self.run(netlists):
            state = Status.CONVERGED
            if isinstance(result, str):
                state, result = Status.ENGINE_DIED, missing(netlist, result)  # noqa: PLW2901  its stand-in
            voltages.append(result.voltages)
            settled += [] if result.settled is None else [result.settled]
            status.append(np.full(netlist.samples, state, np.int8))
            messages |= {first + k: said for k, said in result.messages.items()}
            rungs |= {first + k: won for k, won in result.rungs.items()}
            first += netlist.samples
        ended = np.concatenate(settled) if settled else None
        return SweepResult(np.concatenate(voltages, axis=1), messages, rungs, ended), np.concatenate(status)

    def call(self, job: Callable[..., T], *arguments: Any) -> T:
        """Return job(*arguments, limits), called on one worker, once.

        Raises:
            EngineError: the worker died or took too long, or ngspice refuses the netlist.
        """
        return self.calls(job, [arguments])[0]

    def calls(self, job: Callable[..., T], arguments: Sequence[tuple[Any, ...]]) -> list[T]:
        """Return job(*each, limits) for each of the arguments, on all workers.

        Raises:
            EngineError: a worker died or took too long, or ngspice refuses a netlist.
        """
        found: list[T] = []
        for future in [self._submit(job, *each) for each in arguments]:
            result = self._result(future)
            if isinstance(result, str):
                self.workers.discard()
                raise EngineError(result)
            found.append(result)
        return found

    def close(self) -> None:
        """Release the workers."""
        self.workers.close()

    def _attempt(self, netlists: Iterable[Netlist]) -> list[tuple[Netlist, SweepResult | str]]:
        handed_out = [(netlist, self._submit(run_in_worker, netlist)) for netlist in netlists]
        results: list[tuple[Netlist, SweepResult | str]] = []
        for netlist, future in handed_out:
            result = self._result(future)
            results.append((netlist, result))
        if any(isinstance(result, str) for _, result in results):
            self.workers.discard()
        return results

    def _submit(self, job: Callable[..., T], *arguments: Any) -> Future[T] | str:
        try:
            return self.workers.executor().submit(job, *arguments, self.limits)
        except self.workers.died as error:  # a worker has died while it had nothing to do
            return self._epitaph(error)
        except self.workers.lost as error:
            raise EngineError(LOST) from error

    def _result(self, future: Future[T] | str) -> T | str:
        if isinstance(future, str):
            return future
        try:
            return future.result()
        except self.workers.died as error:
            return self._epitaph(error)
        except self.workers.lost as error:
            raise EngineError(LOST) from error
        except EngineLeftError as error:
            return str(error)
        except MemoryError:
            return OUT_OF_MEMORY
        except EngineError:
            self.workers.discard()  # after a refusal libngspice may be unusable
            raise

    def _epitaph(self, error: Exception) -> str:
        if "out of memory" in str(error):
            return OUT_OF_MEMORY
        if "SIGALRM" in str(error):
            return f"no answer within {self.limits.deadline:g} s; the worker was stopped"
        return "the ngspice process died"


def missing(netlist: Netlist, reason: str) -> SweepResult:
    """Return a result without any voltages, for a netlist whose worker died."""
    nothing = np.full((netlist.phases, netlist.samples, len(netlist.saved)), np.nan)
    states = len(netlist.saved) + len(netlist.settle.branches if netlist.settle else ())
    settled = np.full((netlist.samples, states), np.nan) if netlist.settle else None
    return SweepResult(nothing, dict.fromkeys(range(netlist.samples), reason), settled=settled)
