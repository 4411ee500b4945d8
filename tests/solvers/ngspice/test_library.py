from __future__ import annotations

from pathlib import Path

import pytest

from eqcirc.errors import EngineError
from eqcirc.solvers.ngspice import library
from eqcirc.solvers.ngspice.library import library_path, require_library
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from tests.catalogue import case


def test_a_path_to_nothing_is_refused_before_any_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "/nowhere/libngspice.so")
    with pytest.raises(
        EngineError, match=r"'/nowhere/libngspice.so', which does not exist.*apt-get install ngspice"
    ):
        NgspiceSolver(case("divider").circuit)


@pytest.mark.parametrize("name", ["libnonsense.so", "file"])
def test_a_library_that_cannot_be_opened_is_an_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "file":
        name = str(tmp_path / "libngspice.so")
        Path(name).write_text("no library")
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", name)
    example = case("divider")
    with (
        NgspiceSolver(example.circuit) as solver,
        pytest.raises(EngineError, match=r"cannot be opened: .*apt-get install ngspice"),
    ):
        solver.solve(None, example.inputs)


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NGSPICE_LIBRARY_PATH", raising=False)
    monkeypatch.setattr(library.ctypes.util, "find_library", lambda name: None)
    assert library_path() is None
    with pytest.raises(
        EngineError, match=r"libngspice was not found. Install it \(sudo apt-get install ngspice"
    ):
        require_library()


def test_relative_paths_survive_a_change_of_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libngspice.so").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NGSPICE_LIBRARY_PATH", "lib/libngspice.so")
    assert require_library() == str(tmp_path / "lib" / "libngspice.so")
