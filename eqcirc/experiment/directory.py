"""A run directory: everything that a run leaves behind, and how to take it up again.

config.toml        resolved experiment, all defaults written out
diode.toml         copy of the file that network.neurons.device names, if it names one
circuit.npz        the circuit, if it was built in Python, and data.npz its data
run.json           versions, machine, command, seed, fingerprint of the circuit; what the values began with, and which
                   keys were changed later
data.json          names and scaling of the features, classes, checksum of the data file
samples.csv        some samples of the test part, raw
checkpoint.json, checkpoint-*.npz
metrics.csv        a row for each epoch; the same bits on every machine of one kind and after a resume
audit.csv          a row for each audit
timing.csv         wall time and samples/s for each epoch (not repeatable, hence apart)
netlist.sp         the trained circuit, full, ready for `ngspice -b`
run.png            learning curve; SPICE against ideal voltages
summary.json       final scores
.lock              held by the process that trains
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eqcirc.circuit.circuit import Circuit
from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.experiment import data_record
from eqcirc.experiment.load import (
    CHANGEABLE,
    CIRCUIT,
    DIODE,
    changeable,
    decisive,
    differences,
    diode_file,
    in_words,
    load_experiment,
    parse,
    to_toml,
)
from eqcirc.experiment.progress import check_progress, grouped
from eqcirc.experiment.provenance import environment, fingerprint
from eqcirc.experiment.schema import Experiment
from eqcirc.files import open_plain, write_atomically
from eqcirc.learning import checkpoint
from eqcirc.learning.trainer import SUMS, State, Trainer
from eqcirc.text import shell
from eqcirc.typing import Array

DATA = "data.npz"
"""What a run calls its copy of data that came from Python."""

FILES = (
    *("config.toml", "run.json", CIRCUIT, DATA, data_record.NAME, data_record.SAMPLES, checkpoint.JSON_NAME),
    *("metrics.csv", "audit.csv", "timing.csv", "netlist.sp", "run.png", "summary.json"),
)
LOCK = ".lock"
_PROGRESS = ("epoch", "batch", "sums", "metrics", "audits")  # fields of State that go into the JSON
_ENDING = ("best_epoch", "ended")  # further ones, which older versions did not write

log = logging.getLogger("eqcirc")


class RunDirectory:
    """One run on disk."""

    def __init__(self, path: Path | str) -> None:
        """Refer to a folder, which need not exist yet."""
        self.path = Path(path)

    def create(self, experiment: Experiment, files: Mapping[str, str | bytes], facts: dict[str, Any]) -> None:
        """Write what is known before training into a claimed folder.

        Args:
            experiment: for config.toml.
            files: further ones, by name.
            facts: for run.json, beside those of the machine.

        Raises:
            CheckpointError: it cannot be written.
        """
        diode = diode_file(experiment)  # perhaps that of the run which was here before
        if diode is None:
            (self.path / DIODE).unlink(missing_ok=True)
        else:
            self.write(DIODE, diode.read_bytes())
        for name, content in files.items():
            self.write(name, content)
        self.write("config.toml", to_toml(experiment, self.path))
        self.write_json("run.json", environment() | {"seed": experiment.seed} | facts)

    @contextmanager
    def claimed(self, *, overwrite: bool = False) -> Iterator[None]:
        """Make the folder and keep other processes from training in it.

        Args:
            overwrite: remove a run that is there; files that are not a run's stay.

        Raises:
            ConfigError: the folder cannot be made, holds something else than a run, or a run and not `overwrite`.
            CheckpointError: another process trains in it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            is_run = all((self.path / name).is_file() for name in ("config.toml", "run.json"))
            in_use = any(name.name != LOCK for name in self.path.iterdir())
        except OSError as error:
            raise ConfigError(f"cannot make the run directory {self.path}: {error.strerror}") from error
        if in_use and not is_run:
            raise ConfigError(
                f"{self.path} is not empty and not a run directory; choose another one with --out"
            )
        if in_use and not overwrite:
            raise ConfigError(
                f"{self.path} holds a run already: go on with 'eqcirc resume {shell(self.path)}', choose another "
                "folder with --out, or replace it with --overwrite"
            )
        with self.locked():
            for path in [*(self.path / name for name in FILES), *self.path.glob("checkpoint-*")]:
                path.unlink(missing_ok=True)
            yield

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from training in this folder.

        Raises:
            CheckpointError: another one does, or the folder cannot be written.
        """
        try:
            file = os.fdopen(open_plain(self.path / LOCK), "w")
        except OSError as error:
            raise CheckpointError(f"cannot write in {self.path}: {error.strerror}") from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointError(
                    f"another process is training in {self.path}; wait for it, or choose another folder"
                ) from error
            except OSError as error:
                log.warning("no lock on %s (%s): do not train in it twice", self.path, error.strerror)
            yield

    def config(self) -> Experiment:
        """Return the resolved experiment as config.toml says it, not checked against anything.

        Raises:
            CheckpointError: this is not a run directory.
        """
        path = self.path / "config.toml"
        if not path.exists():
            raise CheckpointError(f"{self.path} is not a run directory: it has no config.toml")
        return load_experiment(path, recorded=True)

    def experiment(self, given: Experiment | None = None) -> tuple[Experiment, Changes]:
        """Return the experiment that the run goes on with, that of config.toml or `given`, and what is new in it.

        Args:
            given: may differ in what changes no result, such as the place of the data, and in `load.CHANGEABLE` keys.

        Raises:
            CheckpointError: this is not a run directory, its checkpoint is damaged, or config.toml was edited, or
                `given` is another one, in keys that no run may change.
        """
        config = self.config()
        meta = checkpoint.load(self.path)[1]
        made_with = self._made_with(meta) or config
        self._check_record(meta)
        if forbidden := _forbidden(differences(made_with, config)):
            path = self.path / "config.toml"
            raise CheckpointError(
                f"{path} was edited after the run had begun: {in_words(forbidden)}. A run goes on with the "
                f"experiment it began with, but for {_CHANGEABLE}: put the old values back, or train anew "
                f"('eqcirc train {shell(path)} --out FOLDER')"
            )
        experiment = given or config
        changes = differences(made_with, experiment)
        if forbidden := _forbidden(changes):
            raise CheckpointError(
                f"the experiment does not match the run in {self.path}: {in_words(forbidden)}. A run may change "
                f"{_CHANGEABLE}; resume with its own config, or start a new run"
            )
        done = meta.get("epoch", 0)
        if "learning.epochs" in changes and experiment.learning.epochs < done:
            raise CheckpointError(
                f"learning.epochs = {experiment.learning.epochs}: expected at least {done}, the epochs that the run in "
                f"{self.path} has done"
            )
        return experiment, changes

    def _check_record(self, meta: dict[str, Any]) -> None:
        """Refuse what is known of the data if it is not what the checkpoint was made with."""
        known, there = meta.get("data_record"), data_record.digest(self.path)
        if None not in (known, there) and known != there:
            raise CheckpointError(
                f"{self.path / data_record.NAME} was edited or damaged: its checksum is not the one in "
                f"{checkpoint.JSON_NAME}; restore it from a backup"
            )

    def note_changes(self, experiment: Experiment, changes: Changes, trainer: Trainer) -> None:
        """Write down that the run goes on with other values of some keys.

        Raises:
            CheckpointError: it cannot be written, or run.json is damaged.
        """
        path = self.path / "run.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            known = list(content.get("changes", []))
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise CheckpointError(f"{path} is damaged ({error!r}); restore it from a backup") from error
        state = trainer.state
        row = {"epoch": state.epoch, "batch": state.batch, "keys": changes}
        self.write_json("run.json", content | {"changes": [*known, row]})
        self.write("config.toml", to_toml(experiment, self.path))

    def _made_with(self, meta: dict[str, Any]) -> Experiment | None:
        """Return the experiment that a checkpoint was made with; those of an older version do not say."""
        content = meta.get("experiment")
        try:
            return None if content is None else parse(content, "experiment", recorded=True)
        except ConfigError as error:
            raise CheckpointError(
                f"{self.path / checkpoint.JSON_NAME} is damaged: {error}; restore it from a backup"
            ) from error

    def save(self, trainer: Trainer, experiment: Experiment) -> None:
        """Write checkpoint, metrics and audits.

        Raises:
            CheckpointError: the disk is full; the previous checkpoint is whole.
        """
        state = trainer.state
        arrays = {f"parameter.{k}": v for k, v in state.parameters.items()}
        arrays |= {f"best.{k}": v for k, v in state.best.items()}
        arrays |= {f"optimizer.{k}": v for k, v in trainer.optimizer.state.items()}
        meta = {key: getattr(state, key) for key in (*_PROGRESS, *_ENDING)}
        meta |= {"best_score": list(state.best_score), "circuit": fingerprint(trainer.circuit)}
        meta |= {"data_record": data_record.digest(self.path), "experiment": decisive(experiment)}
        checkpoint.save(self.path, arrays, meta)
        for name, text in _tables(state).items():
            self.write(name, text)

    def restore(self, trainer: Trainer) -> None:
        """Put a trainer into the state of the last checkpoint, and the tables, should they say something else.

        Raises:
            CheckpointError: there is none, it is damaged, or it belongs to another circuit.
        """
        groups, meta = self._read(trainer.circuit)
        trainer.optimizer.state = groups["optimizer"]
        trainer.state = State(
            parameters=groups["parameter"],
            best=groups["best"],
            best_score=(meta["best_score"][0], meta["best_score"][1]),
            **{key: meta[key] for key in (*_PROGRESS, *_ENDING) if key in meta},
        )
        # a run of an older version did not count what it left to learn, and had something
        trainer.state.sums = dict.fromkeys(SUMS, 0.0) | {"open": 1.0} | trainer.state.sums
        for name, text in _tables(trainer.state).items():
            path = self.path / name
            if not path.exists() or path.read_bytes() != text.encode():
                log.warning("%s was cut, edited or lost; it is written anew from the checkpoint", path)
                self.write(name, text)

    def trained(self, circuit: Circuit, experiment: Experiment) -> dict[str, Array]:
        """Return the values that the run keeps: of the last epoch or of the best one; warn if it is unfinished.

        Raises:
            CheckpointError: as for `restore`.
        """
        groups, meta = self._read(circuit)
        done, epochs = meta["epoch"], experiment.learning.epochs
        if done < epochs and not meta.get("ended"):
            log.warning(
                "the run is unfinished: %d of %d epochs; go on with: eqcirc resume %s",
                done,
                epochs,
                shell(self.path),
            )
        return (
            groups["best"] if experiment.learning.keep == "best" and groups["best"] else groups["parameter"]
        )

    def _read(self, circuit: Circuit) -> tuple[dict[str, dict[str, Array]], dict[str, Any]]:
        """Return the checkpoint's arrays by kind, and its other content."""
        arrays, meta = checkpoint.load(self.path)
        missing = {"circuit", "best_score", *_PROGRESS} - meta.keys()
        if missing:
            raise CheckpointError(
                f"{self.path / checkpoint.JSON_NAME} is damaged: no {', '.join(sorted(missing))}"
            )
        check_progress(self.path / checkpoint.JSON_NAME, meta)
        if meta["circuit"] != fingerprint(circuit):
            raise CheckpointError(
                f"the checkpoint in {self.path} belongs to another circuit (its nodes, elements or fixed "
                "values differ); use the experiment that made it"
            )
        return grouped(self.path, arrays, circuit), meta

    def write(self, name: str, content: str | bytes) -> None:
        """Replace a file atomically."""
        write_atomically(self.path / name, content.encode() if isinstance(content, str) else content)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Replace a JSON file atomically."""
        self.write(name, json.dumps(content, indent=1) + "\n")

    def append_timing(self, row: dict[str, Any]) -> None:
        """Add a line to timing.csv.

        Raises:
            CheckpointError: the disk is full.
        """
        path, text = self.path / "timing.csv", _csv([row])
        try:
            with os.fdopen(open_plain(path), "a", encoding="utf-8") as file:
                file.write(text if file.tell() == 0 else text.partition("\n")[2])
        except OSError as error:
            raise CheckpointError(
                f"cannot write {path}: {error.strerror}; once that is mended, the run goes on with 'eqcirc resume'"
            ) from error


Changes = dict[str, tuple[Any, Any]]
"""Old and new values by dotted key."""

_CHANGEABLE = ", ".join(f"{key}*" if key.endswith(".") else key for key in CHANGEABLE)


def _forbidden(changes: Changes) -> Changes:
    return {key: values for key, values in changes.items() if not changeable(key)}


def _tables(state: State) -> dict[str, str]:
    """Return the tables that repeat what the checkpoint holds, by file name."""
    audits = {"audit.csv": _csv(state.audits)} if state.audits else {}
    return {"metrics.csv": _csv(state.metrics), **audits}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as CSV; floats are written so that they read back to the same bits."""
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
