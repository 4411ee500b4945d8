"""Mean it harm: damaged files, full disks, absurd numbers, killed processes. What survives, and are the bits the same?

    python scripts/abuse.py [--kills 30] [--seed 0]

A fault is survived if a command does what it should or ends with one message and the exit code of its kind, and nothing
is lost, left running, followed out of its folder, or executed. Where a run can go on, its last checkpoint must have the
same bits as that of an undisturbed one.

Writes results/abuse.json. About four minutes on two cores.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import Report

from eqcirc.data.idx import read_idx
from eqcirc.errors import EqcircError
from eqcirc.learning import checkpoint

EXPERIMENT = """
name = "tiny"
[data]
name = "xor"
scaling = "none"
[network]
hidden = [3]
input_gain = 1.0
initial = [1e-7, 3e-6]
[network.biases]
voltage = 1.0
[network.amplifiers]
gain = 4.0
[learning]
beta = 1e-8
epochs = {epochs}
batch_size = 2
learning_rate = 4e-7
[solver]
engine = "{engine}"
workers = 2
[audit]
every = 0
"""
EPOCHS = 40
EXIT_CODES = (0, 1, 2, 3, 4, 5, 6)  # of eqcirc; a crash or a traceback has another one, or says so
PROGRAM = Path(sys.executable).with_name("eqcirc")
TRAPS = (
    "random",
    "queue",
    "socket",
    "select",
    "numpy",
    "scipy",
    "PySpice",
    "sitecustomize",
    "psutil",
    "logging",
)
ABSURD = ("nan", "inf", "-inf", "1e308", "-1e308", "5e-324", "0.0")
GONE = 3.0  # seconds that processes may take to disappear
BOMB = 2 * 10**9  # bytes, unpacked or promised

Outcome = tuple[int, int, int | None]  # injected, survived, same bits; None where there are none to compare


def main() -> None:
    """Abuse, count and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.getLogger("eqcirc").setLevel(logging.CRITICAL)  # warnings are right here, and many
    report, rng = Report(__file__), np.random.default_rng(options.seed)
    report.content["campaigns"] = {}
    with tempfile.TemporaryDirectory(prefix="eqcirc-abuse-") as name:
        folder = Path(name)
        for engine in ("ideal", "ngspice"):
            (folder / f"{engine}.toml").write_text(EXPERIMENT.format(epochs=EPOCHS, engine=engine))
            assert run(folder, "train", f"{engine}.toml", "-o", engine).returncode == 0
        campaigns: dict[str, Callable[[], Outcome]] = {
            "truncated checkpoints": lambda: truncated(folder),
            "edited checkpoints": lambda: edited(folder, rng),
            "checkpoints made up with right checksums": lambda: made_up(folder),
            "huge checkpoints": lambda: huge(folder),
            "idx bombs": lambda: idx_bombs(folder),
            "nan, infinity and 1e308 everywhere": lambda: absurd(folder),
            "links out of a run": lambda: links(folder),
            "full disks": lambda: full_disks(folder),
            "two trainers in one folder": lambda: two_trainers(folder),
            "closed pipes": lambda: closed_pipes(folder),
            "LANG=C, no HOME, nothing": lambda: poor_environments(folder),
            "modules and start-up files that are traps": lambda: traps(folder),
            "SIGKILL of a training process": lambda: kills(folder, rng, options.kills),
        }
        for what, campaign in campaigns.items():
            began = time.perf_counter()
            injected, survived, same = campaign()
            seconds = time.perf_counter() - began
            report.content["campaigns"][what] = {
                "injected": injected,
                "survived": survived,
                "same_bits": same,
                "seconds": seconds,
            }
            report.claim(f"{what}: {injected} faults, not survived", injected - survived, "<= 0")
            if same is not None:
                report.claim(f"{what}: runs with other bits", injected - same, "<= 0")
    report.write()


# commands


def run(folder: Path, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    defaults: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
        "timeout": 120,
    }
    return subprocess.run([PROGRAM, *arguments], cwd=folder, check=False, **(defaults | options))


def fine(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command ended as commands end."""
    good = done.returncode in EXIT_CODES and "Traceback" not in (done.stderr or "") + (done.stdout or "")
    if not good:
        print(done.args, done.returncode, (done.stderr or "")[-2000:], sep="\n")
    return good


def bits(folder: Path) -> str:
    """Return what a run has learnt, as a digest."""
    arrays, meta = checkpoint.load(folder)
    digest = hashlib.sha256(json.dumps([meta["epoch"], meta["metrics"]]).encode())
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    return digest.hexdigest()


def copied(folder: Path, name: str = "ideal") -> Path:
    """Return a fresh copy of a run."""
    target = folder / "copy"
    shutil.rmtree(target, ignore_errors=True)
    return Path(shutil.copytree(folder / name, target))


def harmless(folder: Path, expected: str) -> bool:
    """Return whether a damaged checkpoint is refused by name, or still what it was."""
    try:
        return bits(folder) == expected
    except EqcircError:
        return True
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        return False


# files


def truncated(folder: Path) -> Outcome:
    """Cut both files of a checkpoint everywhere."""
    target, expected, outcomes = copied(folder), bits(folder / "ideal"), []
    for path in target.glob("checkpoint*"):
        whole = path.read_bytes()
        for length in range(0, len(whole), 7):
            path.write_bytes(whole[:length])
            outcomes.append(harmless(target, expected))
        path.write_bytes(whole)
    return len(outcomes), sum(outcomes), None


def edited(folder: Path, rng: np.random.Generator) -> Outcome:
    """Change bytes of both files at random."""
    target, expected, outcomes = copied(folder), bits(folder / "ideal"), []
    for path in target.glob("checkpoint*"):
        whole = path.read_bytes()
        for position in rng.integers(0, len(whole), 1000).tolist():
            changed = bytearray(whole)
            changed[position] = int(rng.integers(256))
            path.write_bytes(changed)
            outcomes.append(harmless(target, expected))
        path.write_bytes(whole)
    return len(outcomes), sum(outcomes), None


def made_up(folder: Path) -> Outcome:
    """Put something else in the place of every value of the JSON, with a right checksum, and let it be used."""
    outcomes = []
    whole = json.loads((folder / "ideal" / checkpoint.JSON_NAME).read_text())
    others: list[Any] = [None, True, -1, 10**400, "\x1b[2J\n.control", "../../etc/passwd", [], {"\n": {}}]
    for key in whole:
        for other in others:
            target = copied(folder)
            content = {k: v for k, v in whole.items() if k != checkpoint.CHECKSUM} | {key: other}
            content |= (
                {} if key == checkpoint.CHECKSUM else {checkpoint.CHECKSUM: checkpoint._checksum(content)}
            )
            (target / checkpoint.JSON_NAME).write_text(json.dumps(content))
            outcomes.append(used(folder, target))
    return len(outcomes), sum(outcomes), None


def used(folder: Path, target: Path) -> bool:
    """Return whether a resume, in this process to be quick, ends well or with an error of ours."""
    from eqcirc.experiment.run import Run

    try:
        with Run.resume(target) as resumed:
            resumed.train()
    except EqcircError:
        return True
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        return False
    return all(c.isprintable() or c == "\n" for c in (target / "metrics.csv").read_text())


def huge(folder: Path) -> Outcome:
    """Make files of a run as large as a disk, in a process that has not so much memory."""

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9))

    outcomes = []
    names = (checkpoint.JSON_NAME, "checkpoint-*.npz", "config.toml", "data.json")
    for pattern in names:
        target = copied(folder)
        with next(target.glob(pattern)).open("r+b") as file:
            file.truncate(10**12)  # takes no room: there is nothing in it
        done = run(folder, "evaluate", "copy", preexec_fn=little_memory)
        outcomes.append(fine(done) and done.returncode != 0)
    return len(outcomes), sum(outcomes), None


def idx_bombs(folder: Path) -> Outcome:
    """Promise or pack more than there is."""
    head = b"\0\0\x08\x03"
    large = np.array([BOMB // 10**6, 1000, 1000], ">u4").tobytes()
    content = {
        "promise": head + b"\xff" * 12,
        "large promise": head + large + b"\0" * 1000,
        "bomb": gzip.compress(head + large) + gzip.compress(bytes(10**8)) * (BOMB // 10**8),
        "no end": gzip.compress(head + large + bytes(1000))[:-20],
        "other type": b"\0\0\x0d\x03" + large,
        "empty": b"",
    }
    outcomes = []
    for name, raw in content.items():
        (folder / name).write_bytes(raw)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            read_idx(folder / name, 3)
            outcomes.append(False)
        except EqcircError:
            grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            outcomes.append(grown < BOMB)
    return len(outcomes), sum(outcomes), None


# numbers


def absurd(folder: Path) -> Outcome:
    """Put absurd numbers in the place of every number of an experiment, and train it; then into the data."""
    from eqcirc.experiment.load import parse, recorded
    from eqcirc.experiment.run import Run

    tiny = parse(tomllib.loads(EXPERIMENT.format(epochs=1, engine="ideal")), "tiny")
    whole, outcomes = recorded(tiny), []
    for path, old in numbers(whole):
        for text in ABSURD:
            content = json.loads(json.dumps(whole))
            place = content
            for part in path[:-1]:
                place = place[part]
            place[path[-1]] = (
                float(text) if isinstance(old, float) else -1 if text.startswith("-") else 10**30
            )
            shutil.rmtree(folder / "absurd", ignore_errors=True)
            try:
                with Run.start(parse(content, "absurd"), folder / "absurd") as started:
                    deadline = (
                        time.monotonic() + 1
                    )  # a count that is absurd would go on for ever, as it was told
                    started.train(stop=lambda until=deadline: time.monotonic() > until)
                outcomes.append(True)
            except (EqcircError, MemoryError):
                outcomes.append(True)
            except Exception as error:
                print(path, text, f"{type(error).__name__}: {error}")
                outcomes.append(False)
    for text in ("nan", "inf", "1e308", "-1e308", "", "x", "1e999"):
        rows = [f"{k},{text if k == 5 else k * k},{k % 2}" for k in range(12)]
        (folder / "data.csv").write_text("\n".join(["a,b,label", *rows]))
        data = ["--set", "data.name=csv", "--set", "data.path=data.csv", "--set", "data.scaling=standard"]
        done = run(
            folder, "train", "ideal.toml", "-o", "absurd", "--overwrite", "--set", "learning.epochs=1", *data
        )
        outcomes.append(fine(done))
    return len(outcomes), sum(outcomes), None


def numbers(table: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Yield the place and value of every number of nested tables and lists."""
    parts = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
    for key, value in parts:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield (*path, key), value
        yield from numbers(value, (*path, key))


# the machine


def links(folder: Path) -> Outcome:
    """Put links to a precious file under every name that a run writes to."""
    precious, outcomes = folder / "precious", []
    names = [path.name for path in (folder / "ideal").iterdir()]
    for name in [*names, *(f"{name}.tmp" for name in names), "quarantine"]:
        if (name.startswith("checkpoint") and not name.endswith(".tmp")) or name in (
            "config.toml",
            "data.json",
        ):
            continue  # without these it is no run
        target = copied(folder)
        precious.write_text("precious")
        (target / name).unlink(missing_ok=True)
        (target / name).symlink_to(precious)
        outcomes.append(used(folder, target) and precious.read_text() == "precious")
    return len(outcomes), sum(outcomes), None


def full_disks(folder: Path) -> Outcome:
    """Let no file grow beyond some size, then go on without the limit."""
    expected, survived, same = bits(folder / "ideal"), 0, 0
    sizes = (0, 100, 1000, 3000, 5000, 7000, 9000, 11000)
    for size in sizes:
        shutil.rmtree(folder / "full", ignore_errors=True)

        def limited(most: int = size) -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

        done = run(folder, "train", "ideal.toml", "-o", "full", preexec_fn=limited)
        survived += fine(done) and done.returncode != 0
        if run(folder, "resume", "full").returncode != 0:  # nothing had been written yet
            run(folder, "train", "ideal.toml", "-o", "full", "--overwrite")
        if not (folder / "full" / checkpoint.JSON_NAME).exists():  # files that are no run are in the way
            shutil.rmtree(folder / "full")
            run(folder, "train", "ideal.toml", "-o", "full")
        same += bits(folder / "full") == expected
    return len(sizes), survived, same


def two_trainers(folder: Path) -> Outcome:
    """Start two at once, on a new folder and on a run that is under way; one must give way."""
    expected, survived, same, rounds = bits(folder / "ideal"), 0, 0, 6
    for k in range(rounds):
        shutil.rmtree(folder / "two", ignore_errors=True)
        command = [PROGRAM, "train", "ideal.toml", "-o", "two"]
        options: dict[str, Any] = {
            "cwd": folder,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "text": True,
        }
        pair = []
        for _ in range(2):
            pair.append(subprocess.Popen(command, **options))
            time.sleep(0.05 * k)
        said = [process.communicate(timeout=120)[1] for process in pair]
        codes = sorted(process.returncode for process in pair)
        survived += codes[0] == 0 and codes[1] in (2, 6) and "Traceback" not in "".join(said)
        same += bits(folder / "two") == expected
    return rounds, survived, same


def closed_pipes(folder: Path) -> Outcome:
    """Let nobody read, and let there be nothing to read from."""
    outcomes = []
    commands = (
        ("solve", "ideal", "--nodes", "all"),
        ("netlist", "ideal"),
        ("evaluate", "ideal"),
        ("--help",),
    )
    for command in commands:
        for stream in ("stdout", "stderr", "stdin"):
            streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
            with subprocess.Popen([PROGRAM, *command], cwd=folder, text=True, **streams) as process:
                closed = getattr(process, stream)
                closed.close()
                setattr(process, stream, None)
                out, err = process.communicate(timeout=120)
            outcomes.append("Traceback" not in (out or "") + (err or "") and process.returncode in (0, 1))
        with Path("/dev/full").open("w") as full:
            done = run(folder, *command, stdout=full)
        outcomes.append(fine(done) and done.returncode != 0)
    return len(outcomes), sum(outcomes), None


def poor_environments(folder: Path) -> Outcome:
    """Take the environment away."""
    expected, survived, same = bits(folder / "ngspice"), 0, 0
    path = {"PATH": os.environ["PATH"]}
    environments: list[dict[str, str]] = [
        {**os.environ, "LANG": "C", "LC_ALL": "C"},
        {**path, "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        path,
        {**path, "HOME": "/nonexistent"},
        {**path, "HOME": "", "TMPDIR": "/nonexistent"},
        {},
    ]
    for environment in environments:
        shutil.rmtree(folder / "poor", ignore_errors=True)
        survived += fine(run(folder, "train", "ngspice.toml", "-o", "poor", env=environment))
        same += bits(folder / "poor") == expected
    return len(environments), survived, same


def traps(folder: Path) -> Outcome:
    """Train where every module and every start-up file of ngspice is a trap."""
    hostile, trapped = folder / "hostile", folder / "trapped"
    (hostile / "scripts").mkdir(parents=True)
    for name in TRAPS:
        (hostile / f"{name}.py").write_text(f"open({str(trapped)!r}, 'a').write({name!r})\n")
    for name in (".spiceinit", "spice.rc", "scripts/spinit"):
        (hostile / name).write_text(f"shell touch {trapped}\noption temp=127\n")
    spice = dict.fromkeys(("SPICE_LIB_DIR", "SPICE_SCRIPTS", "SPICE_USERINIT_DIR", "HOME"), str(hostile))
    done = run(hostile, "train", "../ngspice.toml", "-o", "../trap-run", env=os.environ | spice)
    survived = fine(done) and not trapped.exists()
    count = len(TRAPS) + 3
    return count, count * survived, count * (bits(folder / "trap-run") == bits(folder / "ngspice"))


# processes


def kills(folder: Path, rng: np.random.Generator, count: int) -> Outcome:
    """Kill a training process at random moments of its life, and take its run up again.

    Survived: no worker is left, nobody holds the output of the dead process, and its run goes on.
    """
    expected, survived, same, target = bits(folder / "ngspice"), 0, 0, folder / "killed"
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    for _ in range(count):
        begun = (target / checkpoint.JSON_NAME).exists()
        command = ["resume", "killed"] if begun else ["train", "ngspice.toml", "-o", "killed"]
        if not begun:
            shutil.rmtree(target, ignore_errors=True)
        process = subprocess.Popen([PROGRAM, *command], cwd=folder, **pipes)
        time.sleep(rng.uniform(0, 5))
        process.kill()
        try:
            _, said = process.communicate(timeout=GONE)
            held = False
        except subprocess.TimeoutExpired:
            said, held = b"", True
        survived += not held and b"Traceback" not in said and not left(process.pid)
        if (target / checkpoint.JSON_NAME).exists() and checkpoint.load(target)[1]["epoch"] == EPOCHS:
            same += bits(target) == expected
            shutil.rmtree(target)
        else:
            same += 1  # to be seen when the run is finished
    if target.exists():
        again = ["resume", "killed"] if (target / checkpoint.JSON_NAME).exists() else None
        if again:
            run(folder, *again)
            same -= bits(target) != expected
    return count, survived, same


def left(parent: int) -> list[str]:
    """Return the processes that name a dead parent as theirs, after some time to go."""
    until = time.monotonic() + GONE
    while True:
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if any("worker.py" in word or "loky" in word for word in words) and str(parent) in words:
                found.append(path.parent.name)
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.05)


if __name__ == "__main__":
    main()
