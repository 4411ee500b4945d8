from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from eqcirc.cli.app import main
from tests.experiment.conftest import no_ngspice, one_worker

__all__ = ["no_ngspice", "one_worker"]

TINY = """
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
epochs = 3
batch_size = 2
learning_rate = 4e-7
[solver]
engine = "ideal"
[audit]
every = 4
"""


@dataclass(frozen=True)
class Result:
    """What a command left: exit code and output."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output, without NaN."""

        def refuse(text: str) -> None:
            raise AssertionError(f"{text} is not JSON")

        content = json.loads(self.out, parse_constant=refuse)
        assert isinstance(content, dict)
        return content


@pytest.fixture
def eqcirc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Run a command in this process, in an empty folder that holds tiny.toml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("tiny.toml").write_text(TINY)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["eqcirc", *map(str, arguments)])
        capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as left:
            code = left.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert isinstance(code, int)
        return Result(code, out, err)

    return run


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a command as a process of its own, in a process group of its own as in a terminal."""
    (tmp_path / "tiny.toml").write_text(TINY)

    def start(*arguments: object, before: str = "", **environment: str) -> subprocess.Popen[str]:
        code = f"{before}\nfrom eqcirc.cli.app import main\nmain()"
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"COLUMNS": "200"} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start
