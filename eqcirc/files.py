"""Writing files: all or nothing, and never through a link.

A folder may come from somebody else, and hold a link, a pipe or a device under a name that we write to: whatever
stands there is replaced, or refused, but not followed.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from eqcirc.errors import CheckpointError, ConfigError

_SAFELY = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file by new content, all or nothing.

    Raises:
        CheckpointError: the disk is full or not writable; the old file is untouched.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a crash, or a link that leads elsewhere
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, 0o666), "wb"
        ) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if not temporary.is_dir():
            temporary.unlink(missing_ok=True)
        raise CheckpointError(
            f"cannot write {path}: {error.strerror or error}; what was there before is untouched. If the disk is "
            "full, free some space; a run goes on with 'eqcirc resume'"
        ) from error


def write_output(path: Path, content: bytes) -> None:
    """Write a file that a user asked for, all or nothing; what is no plain file, such as /dev/stdout, is written to.

    Raises:
        ConfigError: it cannot be written; a file that was there before is untouched.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            write_atomically(path.resolve(), content)  # a link of the user's own is followed
    except CheckpointError as error:
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else str(error)
        raise ConfigError(f"cannot write {path}: {reason}; what was there before is untouched") from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def open_plain(path: Path) -> int:
    """Open a file to append to it, made if there is none; return its descriptor.

    Raises:
        OSError: it cannot be opened, or is no plain file but a link, a pipe or a device.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _SAFELY, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, f"{path.name} is a link, which is not followed; remove it") from error
        raise
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, f"{path.name} is no plain file; remove it")
    return number


def check_writable(*paths: Path | None) -> None:
    """See that files can be written, before the work whose results they are to hold; None is no file.

    Raises:
        ConfigError: one cannot.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise ConfigError(f"cannot write {path}: it is a folder; name a file in it")
        if not path.parent.is_dir():
            raise ConfigError(f"cannot write {path}: there is no folder {path.parent}; make it first")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ConfigError(f"cannot write {path}: Permission denied")


def check_folder_writable(folder: Path) -> None:
    """See that files can be written into a folder, made if there is none, before the work whose results it is to hold.

    Raises:
        ConfigError: they cannot.
    """
    try:
        above = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    except OSError as error:
        raise ConfigError(f"cannot write into {folder}: {error.strerror}") from error
    if not above.is_dir():
        raise ConfigError(f"cannot write into {folder}: {above} is no folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write into {folder}: {above} is not writable")
