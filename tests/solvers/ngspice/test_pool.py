"""Worker processes: they may die, hang or refuse, and nothing is lost or silent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice import processes
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.session import SweepResult
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.solvers.status import Status
from tests.catalogue import Case, case


@pytest.fixture(scope="module")
def example() -> Case:
    return case("amplifier")


@pytest.fixture(scope="module")
def solver(example: Case) -> Iterator[NgspiceSolver]:
    with NgspiceSolver(example.circuit, sweep=2) as solver:
        yield solver


def pids(solver: NgspiceSolver) -> list[int]:
    return solver._pool.workers.pids


def divider(top: str, samples: int = 1) -> Netlist:
    lines = ["* divider", "v1 a 0 1", f"r1 a b {top}", "r2 b 0 1k", "v_eq_s eq_s 0 0", "v_eq_p eq_p 0 0"]
    return Netlist(lines, ["b"], samples, 1)


class Many(Netlist):
    def sweep(self, first: int = 0) -> str:
        return "dc v_eq_s 0 1e6 1"


class Endless(Netlist):
    def sweep(self, first: int = 0) -> str:
        return "dc v_eq_s 0 1e6 1e-9"


def test_a_worker_that_was_killed_is_replaced(solver: NgspiceSolver, example: Case) -> None:
    before = solver.solve(None, example.inputs).require()
    (old,) = pids(solver)
    os.kill(old, signal.SIGKILL)
    after = solver.solve(None, example.inputs).require()
    assert pids(solver) != [old]
    np.testing.assert_array_equal(after.voltages, before.voltages)


def test_a_worker_killed_at_work_is_replaced(
    solver: NgspiceSolver, example: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill comes between handing over a sweep and waiting for it."""
    before = solver.solve(None, example.inputs).require()
    wait, killed = solver._pool._result, []

    def kill_once(future: object) -> SweepResult | str:
        if not killed:
            killed.extend(pids(solver))
            os.kill(killed[0], signal.SIGKILL)
        return wait(future)  # type: ignore[arg-type]

    monkeypatch.setattr(solver._pool, "_result", kill_once)
    after = solver.solve(None, example.inputs).require()
    assert killed
    np.testing.assert_array_equal(after.voltages, before.voltages)


def both_at_work(solver: NgspiceSolver) -> list[int]:
    """Wait until both workers have started; return their process ids."""
    executor = solver._pool.workers.executor()
    while len({task.result() for task in [executor.submit(pid_after_a_while) for _ in range(2)]}) < 2:
        pass
    return pids(solver)


def pid_after_a_while() -> int:
    time.sleep(0.2)  # so that the other worker takes the other task
    return os.getpid()


def test_two_workers_killed_at_once_in_the_middle_of_a_batch(
    example: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kill comes when the first of 40 sweeps is back; stopped until then, the workers do no other."""
    inputs = np.resize(example.inputs, (2000, example.inputs.shape[1]))
    with NgspiceSolver(example.circuit, workers=2, sweep=50) as solver:
        before = solver.solve(None, inputs).require()
        killed = both_at_work(solver)
        assert len(killed) == 2
        submit, wait, handed, results = solver._pool._submit, solver._pool._result, [], []

        def stop_after_the_first(*job: Any) -> Any:
            handed.append(submit(*job))
            if len(handed) == 1:
                wait(handed[0])
                for pid in killed:
                    os.kill(pid, signal.SIGSTOP)
            return handed[-1]

        def kill_after_the_first(future: Any) -> Any:
            results.append(wait(future))
            if len(results) == 1:
                assert len(handed) == 40
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
            return results[-1]

        monkeypatch.setattr(solver._pool, "_submit", stop_after_the_first)
        monkeypatch.setattr(solver._pool, "_result", kill_after_the_first)
        after = solver.solve(None, inputs).require()
        assert isinstance(results[0], SweepResult), "the batch had begun"
        dead = results[:40].count("the ngspice process died")
        assert dead == 2, "and had not ended: each worker took the sweep along that it was at"
        assert not set(pids(solver)) & set(killed)
        np.testing.assert_array_equal(after.voltages, before.voltages)


def test_a_sweep_that_always_dies_costs_only_its_own_samples(
    example: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    solver = NgspiceSolver(example.circuit, sweep=2)

    def run(netlists: Iterable[Netlist]) -> list[tuple[Netlist, SweepResult | str]]:
        results: list[tuple[Netlist, SweepResult | str]] = [
            (n, SweepResult(np.zeros((1, n.samples, len(n.saved))))) for n in netlists
        ]
        results[1] = results[1][0], "the ngspice process died"
        return results

    monkeypatch.setattr(solver._pool, "run", run)
    points = solver.solve(None, np.zeros((5, 2)))
    assert points.status.tolist() == [0, 0, Status.ENGINE_DIED, Status.ENGINE_DIED, 0]
    assert points.explain() == "sample 2: the ngspice process died; sample 3: the ngspice process died"
    assert np.isnan(points.free[2:4, -1]).all()


def test_a_worker_that_hangs_is_stopped(example: Case) -> None:
    """`.dc` in steps of 1e-9 does not end; it is inside the library, where no Python code runs."""
    with NgspiceSolver(example.circuit, sweep=2) as solver:
        before = solver.solve(None, example.inputs).require()
        solver._pool.limits = Limits(deadline=1.0)
        (endless,) = solver._pool.run([Endless([*divider("1k").lines], ["b"], 1, 1)])
        assert endless[1] == "no answer within 1 s; the worker was stopped"
        after = solver.solve(None, example.inputs).require()
        np.testing.assert_array_equal(after.voltages, before.voltages)


def test_a_netlist_that_ngspice_refuses_is_an_error_with_its_words(pool: Pool) -> None:
    with pytest.raises(EngineError, match=r"ngspice refused the netlist: .*nonsense"):
        pool.run([divider("nonsense(")])
    ((_, result),) = pool.run([divider("1k")])
    assert isinstance(result, SweepResult)
    assert result.voltages[0, 0, 0] == pytest.approx(0.5), "the next netlist gets a fresh worker"


def test_many_netlists_in_one_worker_do_not_mix(pool: Pool) -> None:
    results = pool.run([divider(f"{k}k") for k in range(1, 30)])
    voltages = [r.voltages[0, 0, 0] for _, r in results if isinstance(r, SweepResult)]
    np.testing.assert_allclose(voltages, [1 / (1 + k) for k in range(1, 30)], rtol=1e-9)


def test_workers_leave_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    pool = Pool(LocalWorkers(1), Limits())
    pool.run([divider("1k")])
    pool.close()
    assert not list(tmp_path.glob("eqcirc-*"))


def test_users_start_up_files_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".spiceinit").write_text("option temp=100\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    example = case("diode")
    with NgspiceSolver(example.circuit) as solver:
        found = solver.solve(None, example.inputs).require()
    monkeypatch.undo()
    with NgspiceSolver(example.circuit) as solver:
        expected = solver.solve(None, example.inputs).require()
    np.testing.assert_array_equal(found.voltages, expected.voltages)


def run_beside_good_ones(netlist: Netlist, limits: Limits) -> str:
    """Run a bad netlist between two good ones, which must not suffer; return what became of it."""
    pool = Pool(LocalWorkers(1), limits)
    good = divider("1k")
    try:
        results = [result for _, result in pool.run([good, netlist, good])]
    finally:
        pool.close()
    for result in (results[0], results[2]):
        assert isinstance(result, SweepResult)
        assert result.voltages[0, 0, 0] == pytest.approx(0.5)
    assert isinstance(results[1], str)
    return results[1]


def test_a_library_that_calls_exit_takes_nothing_along() -> None:
    leaves = Netlist([*divider("1k").lines, ".control", "quit", ".endc"], ["b"], 1, 1)
    assert run_beside_good_ones(leaves, Limits()).startswith("ngspice left during loading")


def test_a_worker_that_wants_too_much_memory_is_replaced() -> None:
    """The limit is met in Python, which cannot hold the text, ..."""
    text = Netlist(["* " + "x" * 400_000_000, *divider("1k").lines], ["b"], 1, 1)
    assert run_beside_good_ones(text, Limits(memory=2**30)) == "the worker ran out of memory"


def test_a_library_that_wants_too_much_memory_is_replaced() -> None:
    """... or in ngspice, which collects a million points of 500 nodes."""
    ladder = [f"rx{k} n{k} n{k + 1} 1k" for k in range(500)]
    lines = [*divider("1k").lines, "rl b n0 1k", *ladder, "rend n500 0 1k"]
    many = Many(lines, [f"n{k}" for k in range(500)], 1, 1)
    words = run_beside_good_ones(many, Limits(deadline=60.0, memory=2**29))
    assert words == "the ngspice process died" or words.startswith("ngspice left during")


def test_workers_are_renewed_after_many_netlists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "RENEW_AFTER", 3)
    pool = Pool(LocalWorkers(1), Limits())
    seen = set()
    for k in range(1, 8):
        ((_, result),) = pool.run([divider(f"{k}k")])
        assert isinstance(result, SweepResult)
        assert result.voltages[0, 0, 0] == pytest.approx(1 / (1 + k))
        seen |= set(pool.workers.pids)  # type: ignore[attr-defined]
    pool.close()
    assert len(seen) == 3
