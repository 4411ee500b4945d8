"""Runs other people's programs on text from elsewhere: in an empty folder, with an empty environment, and bounded.

ngspice reads start-up files from the folder it stands in, from home and from where variables point; none of these is
there. A program that never ends, or fills the disk, is stopped.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from eqcirc.errors import EngineError

MOST_BYTES = 2**30  # of any file that a program writes
MOST_MEMORY = 8 * 2**30


@dataclass(frozen=True)
class Finished:
    """What a program left.

    Attributes:
        code: exit status.
        out: standard output.
        err: standard error.
        files: contents of the files that were asked for and are there.
    """

    code: int
    out: str
    err: str
    files: dict[str, bytes]


def run(
    command: Sequence[str],
    files: Mapping[str, bytes] | None = None,
    *,
    seconds: float,
    stdin: str = "",
    wanted: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    reserves_memory: bool = False,
) -> Finished:
    """Run a program in a folder that holds nothing but some files.

    Args:
        command: the program by its full path, and its arguments.
        files: what the folder holds, by name.
        seconds: after which it is stopped.
        stdin: what it reads.
        wanted: names of files that it is to write.
        variables: of its environment, which holds PATH, HOME and the language else.
        reserves_memory: whether it asks for far more memory than it takes, so that this cannot be bounded.

    Raises:
        EngineError: it did not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="eqcirc-") as folder:
        for name, content in (files or {}).items():
            (Path(folder) / name).write_bytes(content)

        process = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": folder, "LC_ALL": "C.UTF-8", **(variables or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            _bound(process.pid, seconds, None if reserves_memory else MOST_MEMORY)
            out, err = process.communicate(stdin, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"{Path(command[0]).name} did not end within {seconds:g} s") from error
        finally:
            _end(process)
        paths = {name: Path(folder) / name for name in wanted}
        left = {
            name: path.read_bytes()
            for name, path in paths.items()
            if path.is_file() and not path.is_symlink()
        }
    return Finished(process.returncode, out, err, left)


def _bound(process: int, seconds: float, memory: int | None) -> None:
    """Limit what a process may take; not by a function that runs in it before it begins, which threads rule out."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: MOST_BYTES,
        resource.RLIMIT_CPU: int(seconds) + 1,
    }
    if memory is not None:
        limits[resource.RLIMIT_AS] = memory
    with suppress(ProcessLookupError):  # it has ended already
        for kind, most in limits.items():
            resource.prlimit(process, kind, (most, most))


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and what it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
