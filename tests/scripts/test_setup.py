"""The lock, the project file and the scripts agree with each other."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = {
    canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.M)
}
SHELL_SCRIPTS = ["scripts/bootstrap", "scripts/demo", "scripts/lock", "scripts/test"]


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["dev"]
    return [
        Requirement(line)
        for line in [*project["project"]["dependencies"], *extra, *project["build-system"]["requires"]]
    ]


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_the_lock_pins_every_requirement(requirement: Requirement) -> None:
    pin = PINS.get(canonicalize_name(requirement.name))
    assert pin is not None, f"{requirement.name} is not in requirements.lock: run scripts/lock"
    assert requirement.specifier.contains(pin), f"{pin} does not meet {requirement}: run scripts/lock"


def test_the_lock_names_no_place() -> None:
    assert not re.search(r"://|index-url|find-links|@ |\s/", LOCK)


def test_every_pin_has_a_hash() -> None:
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(PINS)
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize("script", [*SHELL_SCRIPTS, "scripts/claims", ".ci/run"])
def test_scripts_are_executable(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("script", SHELL_SCRIPTS)
def test_shell_scripts_are_posix_and_stop_at_errors(script: str) -> None:
    text = (ROOT / script).read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -eu\n" in text
    subprocess.run(["sh", "-n", ROOT / script], check=True)
