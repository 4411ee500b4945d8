"""What only a process of its own can show: signals, a full disk, what gets imported, what is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]

LONG = ["--set", "learning.epochs=100", "--set", "audit.every=0"]  # a second or two
WITHOUT = {"NGSPICE_LIBRARY_PATH": "/nonexistent"}


def what_it_found(folder: Path) -> dict[str, bytes]:
    """The files of a run whose bytes follow from the experiment alone."""
    names = [
        *("config.toml", "metrics.csv", "netlist.sp", "summary.json"),
        *map(str, folder.glob("checkpoint*")),
    ]
    return {Path(name).name: (folder / Path(name).name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def once() -> dict[str, bytes]:
    """Filled by the first test that needs it."""
    return {}


@pytest.fixture
def undisturbed(eqcirc: Command, no_ngspice: None, once: dict[str, bytes]) -> dict[str, bytes]:
    """What the long run finds if nothing disturbs it."""
    if not once:
        assert eqcirc("train", "tiny.toml", "--out", "undisturbed", *LONG, "--json").code == 0
        once |= what_it_found(Path("undisturbed"))
    return once


def first_epoch(process: subprocess.Popen[str]) -> None:
    """Wait until training has begun."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch"):
            return
    raise AssertionError("no epoch was finished")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_run_that_goes_on_to_the_same_bytes(
    eqcirc: Command, process: Start, undisturbed: dict[str, bytes], number: signal.Signals
) -> None:
    with process("train", "tiny.toml", "--out", "run", *LONG, **WITHOUT) as running:
        first_epoch(running)
        os.kill(running.pid, number)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert err.splitlines().count("stopping after this batch; once more to stop at once") == 1
    assert err.splitlines()[-1].startswith("stopped in epoch ")
    assert err.splitlines()[-1].endswith("; go on with: eqcirc resume run")
    assert not Path("run/summary.json").exists()
    unfinished = r"warning: the run is unfinished: \d+ of 100 epochs; go on with: eqcirc resume run\n"
    for command in ("evaluate", "stability"):
        assert re.fullmatch(unfinished, eqcirc(command, "run", "--engine", "ideal").err)
    assert eqcirc("resume", "run").code == 0
    assert what_it_found(Path("run")) == undisturbed


def test_a_killed_run_goes_on_to_the_same_bytes(
    eqcirc: Command, process: Start, undisturbed: dict[str, bytes]
) -> None:
    with process("train", "tiny.toml", "--out", "run", *LONG, **WITHOUT) as running:
        first_epoch(running)
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert eqcirc("resume", "run").code == 0
    assert what_it_found(Path("run")) == undisturbed


def test_ctrl_c_in_a_terminal_reaches_the_workers_and_is_survived(process: Start, tmp_path: Path) -> None:
    """The terminal sends it to the whole process group, ngspice workers included."""
    with process("train", "tiny.toml", "--out", "run", "--set", "solver.engine=ngspice", *LONG) as running:
        first_epoch(running)
        os.killpg(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert err.splitlines()[-1].startswith("stopped in epoch ")
    with process("evaluate", "run") as scored:
        out, err = scored.communicate(timeout=60)
    assert scored.returncode == 0, err
    assert "of 4 samples" in out


def test_a_second_ctrl_c_stops_at_once(process: Start, tmp_path: Path) -> None:
    """The stop that was asked for first would wait for the batch, which here takes for ever."""
    endless = """
import time
from eqcirc.learning.trainer import Trainer
def step(self, rows):
    print('epoch', flush=True, file=__import__('sys').stderr)
    time.sleep(100)
Trainer._step = step
"""
    with process("train", "tiny.toml", "--out", "run", before=endless, **WITHOUT) as running:
        first_epoch(running)
        os.kill(running.pid, signal.SIGINT)
        assert running.stderr is not None
        assert running.stderr.readline() == "stopping after this batch; once more to stop at once\n"
        assert running.poll() is None
        os.kill(running.pid, signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert (
        err.splitlines()[-1] == "stopped at once; the last checkpoint is whole, go on with: eqcirc resume run"
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupt_while_the_run_is_scored_leaves_it_whole(
    eqcirc: Command, process: Start, no_ngspice: None, name: str
) -> None:
    interrupted = f"""
import signal
from eqcirc.experiment import run
run.evaluate = lambda *args: signal.raise_signal(signal.{name})
"""
    with process("train", "tiny.toml", "--out", "run", before=interrupted, **WITHOUT) as running:
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "stopping after this batch" not in err
    assert err.splitlines()[-1].startswith("stopped at once; the last checkpoint is whole, go on with: ")
    assert "nothing left to train" in eqcirc("resume", "run").err


def test_who_waits_long_is_told_once_what_for(process: Start) -> None:
    """The alarm is set for the time that a batch may take; here it rings in the fourth, and never again."""
    slow = """
import signal, sys
from eqcirc.learning.trainer import Trainer
step = Trainer._step
def slow(self, rows):
    armed, _ = signal.getitimer(signal.ITIMER_REAL)
    print('armed' if 0 < armed <= 20 else 'quiet', file=sys.stderr, flush=True)
    if self.step > 2 and armed:
        signal.setitimer(signal.ITIMER_REAL, 0)  # as after the time is over
        signal.raise_signal(signal.SIGALRM)
    step(self, rows)
Trainer._step = slow
"""
    with process("train", "tiny.toml", "--out", "run", before=slow, **WITHOUT) as running:
        _, err = running.communicate(timeout=30)
    assert running.returncode == 0
    said = [line for line in err.splitlines() if "without news" in line]
    assert said == [
        "20 s without news; waiting for batch 2 of 2 in epoch 2, solved by ideal; a unit mistake can make it endless "
        "(Ctrl-C twice stops at once)"
    ]
    assert [line for line in err.splitlines() if line in ("armed", "quiet")] == ["armed"] * 4 + ["quiet"] * 2


def test_a_full_disk_costs_one_epoch_at_most(
    eqcirc: Command, process: Start, undisturbed: dict[str, bytes]
) -> None:
    """No file may grow beyond 15 kB; the checkpoint, which lists every epoch, wants to after some time."""
    limited = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))
"""
    with process("train", "tiny.toml", "--out", "run", *LONG, before=limited, **WITHOUT) as running:
        _, err = running.communicate(timeout=60)
    assert running.returncode == 6
    assert "Traceback" not in err
    assert (
        "error: cannot write run/checkpoint.json: File too large; what was there before is untouched." in err
    )
    assert "free some space; a run goes on with 'eqcirc resume'" in err
    assert 20 < err.count("epoch ") < 99
    assert not list(Path("run").glob("*.tmp"))
    assert eqcirc("evaluate", "run").code == 0  # the checkpoint before is whole
    assert eqcirc("resume", "run").code == 0
    assert what_it_found(Path("run")) == undisturbed


def test_help_does_not_load_numpy() -> None:
    code = """
import sys
sys.argv = ["eqcirc", "--help"]
from eqcirc.cli.app import main
try:
    main()
finally:
    heavy = {"numpy", "scipy", "pandas", "sklearn", "matplotlib", "pydantic", "PySpice"} & set(sys.modules)
    assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Train analog circuits" in done.stdout


def test_the_package_is_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "eqcirc", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("eqcirc ")
    installed = subprocess.run(
        [Path(sys.executable).with_name("eqcirc"), "--version"], capture_output=True, check=True
    )
    assert installed.stdout.decode() == done.stdout


def test_a_reader_that_goes_away_is_no_accident(process: Start) -> None:
    with process("solve", "tiny.toml", "--engine", "ideal", "--samples", "4", "--nodes", "all") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
        running.wait(60)
    assert "Traceback" not in err
