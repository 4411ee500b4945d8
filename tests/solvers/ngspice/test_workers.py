"""Worker processes: what they see of their user, and that they end with him."""

from __future__ import annotations

import os
import shutil
import signal
import site
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import eqcirc
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.session import SweepResult
from eqcirc.solvers.ngspice.workers import LocalWorkers

LINES = ["* diode", "v1 a 0 1", "r1 a b 1k", "d1 b 0 dd", ".model dd d", "v_eq_s eq_s 0 0", "v_eq_p eq_p 0 0"]
SOLVE = f"""
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.netlist import Netlist
netlist = Netlist({LINES!r}, ['b'], 1, 1)
pool = Pool(LocalWorkers(2), Limits())
print(repr(float(pool.run([netlist])[0][1].voltages[0, 0, 0])), flush=True)
"""
ENDLESS = f"{SOLVE}\nwhile True:\n    pool.run([netlist] * 20)\n"
TRAP = "import pathlib, sys\npathlib.Path({trap!r}).open('a').write(__name__ + ' ' + ' '.join(sys.argv) + chr(10))\n"


def solved() -> float:
    pool = Pool(LocalWorkers(1), Limits())
    ((_, result),) = pool.run([Netlist(LINES, ["b"], 1, 1)])
    pool.close()
    assert isinstance(result, SweepResult)
    return float(result.voltages[0, 0, 0])


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder in which every module that anybody may import is a trap, and ngspice's start-up files, too."""
    folder = tmp_path / "hostile"
    (folder / "scripts").mkdir(parents=True)
    names = {
        *sys.stdlib_module_names,
        "sitecustomize",
        "usercustomize",
        "psutil",
        "numpy",
        "scipy",
        "PySpice",
        "cffi",
    }
    for name in names:
        (folder / f"{name}.py").write_text(TRAP.format(trap=str(tmp_path / "trapped")))
    start_up = f"shell touch {tmp_path / 'trapped'}\noption temp=127\nset temp=127\n"
    for name in (".spiceinit", "spice.rc", "scripts/spinit"):
        (folder / name).write_text(start_up)
    return folder


def test_nothing_in_the_working_directory_or_of_ngspices_start_up_files_is_executed(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = solved()
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(SOLVE)
    spice = dict.fromkeys(
        ("SPICE_LIB_DIR", "SPICE_SCRIPTS", "SPICE_USERINIT_DIR", "SPICE_PATH"), str(hostile)
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=hostile,
        env=os.environ | spice | {"HOME": str(hostile), "USERPROFILE": str(hostile)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == f"{expected!r}\n", done.stderr
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("way", ["-c", "standard input", "script", "module"])
def test_workers_need_nothing_of_the_users_program(tmp_path: Path, way: str) -> None:
    """No guard around the main program, no module that can be imported; it is not run once more in the workers."""
    code = f"open('begun', 'a').write('.')\n{SOLVE}"
    (tmp_path / "my program.py").write_text(code)
    (tmp_path / "mine.py").write_text(code)
    arguments = {
        "-c": ["-c", code],
        "standard input": ["-"],
        "script": ["my program.py"],
        "module": ["-m", "mine"],
    }
    done = subprocess.run(
        [sys.executable, *arguments[way]],
        input=code if way == "standard input" else "",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == f"{solved()!r}\n", done.stderr
    assert (tmp_path / "begun").read_text() == "."


def test_workers_have_the_eqcirc_of_their_parent(tmp_path: Path) -> None:
    """Not another one that is installed beside it: of two checkouts the one that was chosen by PYTHONPATH."""
    shutil.copytree(
        Path(eqcirc.__file__).parent, tmp_path / "eqcirc", ignore=shutil.ignore_patterns("__pycache__")
    )
    code = (
        "import eqcirc; from eqcirc.solvers.ngspice.workers import LocalWorkers\n"
        "w = LocalWorkers(1); f = w.executor().submit(eval, '__import__(\"eqcirc\").__file__')\n"
        "print(f.result() == eqcirc.__file__, eqcirc.__file__); w.close()"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == f"True {tmp_path / 'eqcirc' / '__init__.py'}\n", done.stderr


def test_what_a_worker_sees_of_its_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(tmp_path / "user"))
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), str(tmp_path / "user"), *sys.path])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("SECRET", "token")
    workers = LocalWorkers(1)

    def seen(expression: str) -> object:
        return workers.executor().submit(eval, f"__import__('os').{expression}").result()

    assert not {"", str(tmp_path), str(tmp_path / "user")} & set(seen("sys.path"))  # type: ignore[call-overload]
    assert seen("getcwd()") == "/"
    variables = seen("environ.copy()")
    assert isinstance(variables, dict)
    assert not {"SECRET", "PYTHONPATH"} & variables.keys()
    assert variables["HOME"] == "/"
    open_files = {str(seen(f"readlink('/proc/self/fd/{k}')")) for k in range(3)}
    assert open_files == {os.devnull}
    workers.close()


def test_a_job_that_is_none_costs_nobody_else(tmp_path: Path) -> None:
    """Neither one that cannot be handed over, nor one whose result or error cannot."""
    workers = LocalWorkers(1)
    submit = workers.executor().submit
    with pytest.raises(Exception, match="pickle"):
        submit(lambda: 1).result()
    with pytest.raises(Exception, match="pickle"):
        submit(eval, "lambda: 1").result()
    with pytest.raises(ZeroDivisionError):
        submit(eval, "1/0").result()
    with pytest.raises(SystemExit):
        submit(exit, 3).result()
    (pid,) = workers.pids
    assert submit(eval, "__import__('os').getpid()").result() == pid
    workers.close()
    assert not Path(f"/proc/{pid}").exists()


def test_forgotten_workers_are_ended() -> None:
    workers = LocalWorkers(1)
    pid = workers.executor().submit(os.getpid).result()
    del workers
    assert not Path(f"/proc/{pid}").exists()


def workers_of(parent: int) -> Iterator[int]:
    """Processes that were started as workers of a process, whoever is their parent by now."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if len(words) > 3 and words[2].endswith(b"worker.py") and words[3] == str(parent).encode():
            yield int(entry.name)


@pytest.mark.parametrize("seed", range(3))
def test_workers_end_with_a_parent_that_is_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """They hold none of its streams either: who waits for the end of its output has it at once."""
    rng = np.random.default_rng(seed)
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as parent:
        if seed:  # at work; else while they start
            assert parent.stdout is not None
            parent.stdout.readline()
        for _ in range(1000):
            if list(workers_of(parent.pid)):
                break
            time.sleep(0.01)
        assert list(workers_of(parent.pid))
        time.sleep(rng.uniform(0, 0.3))
        parent.send_signal(signal.SIGKILL)
        parent.communicate(timeout=20)
    for _ in range(100):
        left = list(workers_of(parent.pid))
        if not left:
            break
        time.sleep(0.05)
    assert not left
