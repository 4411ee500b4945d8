"""The program of a worker process: it takes jobs from its standard input and gives answers to its standard output.

Started as `python -I worker.py PARENT PACKAGE FOLDER …`, before anything of eqcirc is imported: it ties its life to
that of its parent first. Then it takes eqcirc from where the parent has it, not another one that is installed, too;
other modules it finds in the interpreter's own folders, and behind those in the given ones, nowhere else.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from typing import IO

PR_SET_PDEATHSIG = 1
LENGTH = 8  # bytes in front of a message: how many follow
OUT_OF_MEMORY = 12
"""Exit code when a job does not fit into memory: half of it is read, and nobody knows where the next one begins."""


def send(target: IO[bytes], content: bytes) -> None:
    """Write a message."""
    target.write(len(content).to_bytes(LENGTH, "little"))
    target.write(content)
    target.flush()


def receive(source: IO[bytes]) -> bytes:
    """Read a message.

    Raises:
        EOFError: nobody writes any more.
    """
    head = source.read(LENGTH)
    size = int.from_bytes(head, "little")
    content = source.read(size)
    if len(head) < LENGTH or len(content) < size:
        raise EOFError
    return content


def main() -> None:
    """Do jobs until there are no more."""
    parent, package, *folders = sys.argv[1:]
    _follow(int(parent))
    sys.path += [folder for folder in folders if folder not in sys.path]
    _take("eqcirc", package)
    source, target = os.fdopen(_taken(0), "rb"), os.fdopen(_taken(1), "wb")
    while (answer := _answer(source)) is not None:
        send(target, answer)


def _follow(parent: int) -> None:
    """End when the parent ends, however it does, also in the middle of a job; at once if it has ended already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _take(name: str, folder: str) -> None:
    """Import a package from a folder, without making anything else findable there."""
    path = os.path.join(folder, "__init__.py")  # noqa: PTH118  pathlib is not needed otherwise, and slow to import
    spec = spec_from_file_location(name, path, submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def _taken(stream: int) -> int:
    """Return a copy of a standard stream and lead the stream itself nowhere, for libraries print and read there."""
    copy, nowhere = os.dup(stream), os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, stream)
    os.close(nowhere)
    return copy


def _answer(source: IO[bytes]) -> bytes | None:
    """Do the next job; return whether it succeeded, and its result or what it raised; None if there is none."""
    try:
        job: Callable[..., object]
        job, arguments = pickle.loads(receive(source))
    except EOFError:
        return None
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # such as a module that is missing here
        return _packed(False, error)
    try:
        return _packed(True, job(*arguments))
    except BaseException as error:
        return _packed(False, error)


def _packed(good: bool, value: object) -> bytes:
    """Return an answer as bytes; an error that has none, in words."""
    try:
        return pickle.dumps((good, value))
    except Exception as error:
        if good:
            raise
        return pickle.dumps((False, RuntimeError(f"{type(value).__name__}: {value} ({error})")))


if __name__ == "__main__":
    main()
