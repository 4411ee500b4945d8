"""What the README shows works, and what it says is so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np

from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.run import Run

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs_and_every_check_holds(tmp_path: Path) -> None:
    """And it is the experiment of the file that stands beside it: the same values, to the last bit."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    script = tmp_path / "example.py"
    script.write_text(f'{code}\nnp.savez("python.npz", **trainer.parameters)\n', encoding="utf-8")
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    score = re.search(r"accuracy=([\d.]+)", done.stdout)
    assert score
    assert float(score.group(1)) >= 0.85
    assert "EqProp (ngspice) against adjoint" in done.stdout
    assert (tmp_path / "iris.png").read_bytes().startswith(b"\x89PNG")
    (file,) = re.findall(r"This is `(circuits/\w+\.toml)`", README)
    with Run.start(load_experiment(ROOT / file), tmp_path / "run") as run:
        assert run.train()
        trained = run.trainer.parameters
    with np.load(tmp_path / "python.npz") as python:
        assert {k: python[k].tobytes() for k in python.files} == {k: v.tobytes() for k, v in trained.items()}


def test_every_command_it_shows_exists() -> None:
    shown = set(re.findall(r"eqcirc (\w+)", " ".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))))
    done = subprocess.run(
        [sys.executable, "-m", "eqcirc", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    assert shown
    assert all(re.search(rf"\b{command}\b", done.stdout) for command in shown)


def test_every_file_it_links_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_experiment_it_names_exists() -> None:
    names = ",".join(re.findall(r"circuits/\{([^}]+)\}\.toml", README))
    for name in names.split(","):
        assert tomllib.loads((ROOT / "circuits" / f"{name}.toml").read_text())["name"] == name


def test_recorded_claims_name_bound_and_measurement() -> None:
    for path in (ROOT / "results").glob("*.json"):
        for claim in json.loads(path.read_text())["claims"]:
            assert claim.keys() == {"claim", "bound", "measured", "holds"}, path
