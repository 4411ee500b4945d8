"""Files: written whole or not at all, and never through a link."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.files import check_folder_writable, check_writable, open_plain, write_atomically, write_output


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_that_cannot_be_written_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        CheckpointError, match=r"cannot write .*file: No space left on device; what was there before is"
    ):
        write_atomically(path, b"new")
    assert files(tmp_path) == ["file"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["file", "file.tmp"])
def test_a_link_is_replaced_and_not_followed(tmp_path: Path, name: str) -> None:
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_text("precious")
    folder.mkdir()
    (folder / name).symlink_to(victim)
    write_atomically(folder / "file", b"new")
    assert victim.read_text() == "precious"
    assert (folder / "file").read_bytes() == b"new"
    assert files(folder) == ["file"]


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file.tmp").mkdir()
    with pytest.raises(CheckpointError, match=r"cannot write .*file: Is a directory"):
        write_atomically(tmp_path / "file", b"new")


def test_nothing_is_appended_through_a_link_or_to_a_pipe(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "link").symlink_to(victim)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match="link is a link, which is not followed; remove it"):
        open_plain(tmp_path / "link")
    with pytest.raises(OSError, match="pipe is no plain file; remove it"):
        open_plain(tmp_path / "pipe")
    os.close(reader)
    with pytest.raises(
        OSError, match="No such device"
    ):  # nobody reads there: who opened it would wait for ever
        open_plain(tmp_path / "pipe")
    assert not victim.exists()
    for text in ("a", "b"):
        with os.fdopen(open_plain(tmp_path / "file"), "a") as file:
            file.write(text)
    assert (tmp_path / "file").read_text() == "ab"


def test_what_cannot_be_written_is_said_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_writable(None, tmp_path / "new")
    with pytest.raises(ConfigError, match="it is a folder; name a file in it"):
        check_writable(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no folder .*missing; make it first"):
        check_writable(tmp_path / "missing" / "new")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(ConfigError, match="Permission denied"):
        check_writable(tmp_path / "new")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """A full disk, here a limit on the size of files."""
    path = tmp_path / "old.csv"
    path.write_text("old")
    program = (
        "import resource, signal, sys; from pathlib import Path; from eqcirc.files import write_output\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "write_output(Path(sys.argv[1]), b'x' * 5000)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    assert "ConfigError: cannot write" in done.stderr
    assert "what was there before is untouched" in done.stderr
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["old.csv"]


def test_a_link_of_the_users_own_and_a_device_are_written_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_output(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    write_output(Path("/dev/null"), b"new")


def test_a_folder_that_cannot_be_written_is_refused_and_none_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError, match="cannot write into"):
            check_folder_writable(folder)
    check_folder_writable(tmp_path / "new" / "below")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
