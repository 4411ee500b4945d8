"""A study directory: one file for each unit of work, written whole, so that whatever is there counts.

study.toml      the study, all defaults written out
study.json      versions, machine, command
ideal/          run directory of the ideal circuit, unless the study names a run
units/*.json    scores of each unit, or why there are none
chips.csv       all scores in one table
summary.json    distributions, yields, ranking
report/         what `eqcirc report` writes, if no other folder is named
.lock           held by the process that works
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.experiment.directory import LOCK, RunDirectory
from eqcirc.experiment.load import flatten, in_words, read_toml, validated
from eqcirc.experiment.provenance import environment
from eqcirc.files import write_atomically
from eqcirc.study.schema import Study, to_toml
from eqcirc.study.work import Unit
from eqcirc.text import shell
from eqcirc.typing import Parameters

STUDY, FACTS, UNITS, IDEAL = "study.toml", "study.json", "units", "ideal"
GROWS = ("name", "experiment", "chips", "trained", "arms", "target", "ranking")
"""Keys that a study may go on with other values of: no unit depends on them, but which ones there are."""


class _Content(BaseModel):
    """What the file of a unit says."""

    model_config = ConfigDict(extra="ignore")

    rows: list[dict[str, float | int | str | None]]
    problem: str


def values_digest(parameters: Parameters) -> str:
    """Return a digest of values by element."""
    digest = hashlib.sha256()
    for name in sorted(parameters):
        digest.update(name.encode() + np.ascontiguousarray(parameters[name], np.float64).tobytes())
    return digest.hexdigest()


class StudyDirectory:
    """A study on disk."""

    def __init__(self, path: Path | str) -> None:
        """Refer to a folder, which need not exist yet."""
        self.path = Path(path)

    @property
    def is_study(self) -> bool:
        """Whether a study is there."""
        return (self.path / STUDY).is_file()

    @contextmanager
    def claimed(self, study: Study) -> Iterator[None]:
        """Make the folder or go on in it, and keep other processes out.

        Raises:
            ConfigError: it cannot be made, holds something else, or a study that differs in what its results are of.
            CheckpointError: another process works in it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            strange = [p for p in self.path.iterdir() if p.name not in (LOCK, UNITS)]
            if strange and not self.is_study:
                raise ConfigError(
                    f"{self.path} is not empty and holds no study; choose another folder with --out"
                )
            (self.path / UNITS).mkdir(exist_ok=True)
        except OSError as error:
            raise ConfigError(f"cannot make the study directory {self.path}: {error.strerror}") from error
        with RunDirectory(self.path).locked():
            if self.is_study:
                self._same(study)
            else:
                self.write_json(FACTS, environment())
            write_atomically(self.path / STUDY, to_toml(study).encode())
            yield

    def study(self) -> Study:
        """Return the study.

        Raises:
            CheckpointError: there is none, or its file is damaged.
        """
        path = self.path / STUDY
        try:
            return validated(
                Study, read_toml(path, "study", "'eqcirc study' makes one"), str(path), self.path
            )
        except ConfigError as error:
            raise CheckpointError(f"{self.path} is not a study directory: {error}") from error

    def _same(self, study: Study) -> None:
        old, new = (flatten(s.model_dump(mode="json", exclude_none=True)) for s in (self.study(), study))
        changes = {k: (old.get(k), new.get(k)) for k in sorted(old.keys() | new.keys()) if k not in GROWS}
        changes = {k: pair for k, pair in changes.items() if pair[0] != pair[1]}
        if changes:
            raise ConfigError(
                f"{self.path} holds another study: {in_words(changes)}. A study may change {', '.join(GROWS)}; put the "
                "old values back, or choose another folder with --out"
            )

    def pin(self, digest: str) -> None:
        """Write down which values chips are programmed with, or see that they are the same as before.

        Raises:
            ConfigError: the run has others now.
        """
        facts = self.facts() or environment()
        if facts.setdefault("values", digest) != digest:
            raise ConfigError(
                f"the values that {self.path} programs into chips are not those that it began with: the run was "
                "trained further, or anew. Choose another folder with --out"
            )
        self.write_json(FACTS, facts)

    def facts(self) -> dict[str, Any]:
        """Return the content of study.json; nothing if it is damaged."""
        try:
            return dict(json.loads((self.path / FACTS).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, RecursionError):
            return {}

    def save(self, unit: Unit, rows: list[dict[str, Any]], problem: str) -> None:
        """Write what came of a unit.

        Raises:
            CheckpointError: the disk is full; all that was there before is whole.
        """
        self.write_json(f"{UNITS}/{unit.key}.json", {"unit": asdict(unit), "rows": rows, "problem": problem})

    def load(self, unit: Unit) -> tuple[list[dict[str, Any]], str] | None:
        """Return rows and problem of a unit; None if it is not done, or its file is damaged."""
        path = self.path / UNITS / f"{unit.key}.json"
        try:
            found = _Content.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            return None
        return list(found.rows), found.problem

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Replace a file, all or nothing; NaN becomes null."""
        write_atomically(self.path / name, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())

    @property
    def again(self) -> str:
        """How to go on."""
        return f"eqcirc study {shell(self.path / STUDY)} --out {shell(self.path)}"
