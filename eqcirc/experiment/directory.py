"""A run directory: everything that a run leaves behind, and how to take it up again.

config.toml        resolved experiment, all defaults written out
run.json           versions, machine, command, seed, fingerprint of the circuit
data.json          names and scaling of the features, checksum of the data file
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Scaler
from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.experiment import data_record
from eqcirc.experiment.load import decisive, differences, in_words, load_experiment, parse, to_toml
from eqcirc.experiment.provenance import environment, fingerprint
from eqcirc.experiment.schema import Experiment
from eqcirc.learning import checkpoint
from eqcirc.learning.trainer import State, Trainer
from eqcirc.typing import Array

FILES = (
    *("config.toml", "run.json", data_record.NAME, checkpoint.JSON_NAME),
    *("metrics.csv", "audit.csv", "timing.csv", "netlist.sp", "run.png", "summary.json"),
)
LOCK = ".lock"
_PROGRESS = ("epoch", "batch", "sums", "metrics", "audits")  # fields of State that go into the JSON

log = logging.getLogger("eqcirc")


class RunDirectory:
    """One run on disk."""

    def __init__(self, path: Path | str) -> None:
        """Refer to a folder, which need not exist yet."""
        self.path = Path(path)

    def create(self, experiment: Experiment, circuit: Circuit, scaler: Scaler) -> None:
        """Write what is known before training into an empty folder.

        Raises:
            CheckpointError: it cannot be written.
        """
        self.write("config.toml", to_toml(experiment))
        self.write_json(
            "run.json", environment() | {"seed": experiment.seed, "circuit": fingerprint(circuit)}
        )
        self.describe_data(experiment, scaler)

    def describe_data(self, experiment: Experiment, scaler: Scaler) -> None:
        """Write how raw values become inputs."""
        self.write_json(data_record.NAME, data_record.data_record(experiment, scaler))

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
                f"{self.path} holds a run already: go on with 'eqcirc resume {self.path}', choose another "
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
            file = (self.path / LOCK).open("w")
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

    def experiment(self) -> Experiment:
        """Return the resolved experiment of the run, which must be the one that its checkpoint was made with.

        Raises:
            CheckpointError: this is not a run directory, its checkpoint is damaged, config.toml was edited, or the
                data file is another one.
        """
        path = self.path / "config.toml"
        if not path.exists():
            raise CheckpointError(f"{self.path} is not a run directory: it has no config.toml")
        experiment = load_experiment(path)
        made_with = checkpoint.load(self.path)[1].get("experiment")  # runs of an older version do not have it
        if made_with is not None:
            changed = differences(parse(made_with, str(self.path / checkpoint.JSON_NAME)), experiment)
            if changed:
                raise CheckpointError(
                    f"{path} was edited after the run had begun: {in_words(changed)}. A run goes on with the "
                    f"experiment it began with: put the old values back, or train anew ('eqcirc train {path} "
                    "--out FOLDER')"
                )
        data_record.check_data(self.path, experiment)
        return experiment

    def scaler(self) -> Scaler:
        """Return what turned raw values into the inputs that the run was trained on.

        Raises:
            CheckpointError: the run does not say, or data.json is damaged.
        """
        return data_record.recorded_scaler(self.path)

    def save(self, trainer: Trainer, experiment: Experiment) -> None:
        """Write checkpoint, metrics and audits.

        Raises:
            CheckpointError: the disk is full; the previous checkpoint is whole.
        """
        state = trainer.state
        arrays = {f"parameter.{k}": v for k, v in state.parameters.items()}
        arrays |= {f"best.{k}": v for k, v in state.best.items()}
        arrays |= {f"optimizer.{k}": v for k, v in trainer.optimizer.state.items()}
        meta = {key: getattr(state, key) for key in _PROGRESS}
        meta |= {"best_score": list(state.best_score), "circuit": fingerprint(trainer.circuit)}
        checkpoint.save(self.path, arrays, meta | {"experiment": decisive(experiment)})
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
            **{key: meta[key] for key in _PROGRESS},
        )
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
        if done < epochs:
            log.warning(
                "the run is unfinished: %d of %d epochs; go on with: eqcirc resume %s",
                done,
                epochs,
                self.path,
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
        if meta["circuit"] != fingerprint(circuit):
            raise CheckpointError(
                f"the checkpoint in {self.path} belongs to another circuit (its nodes, elements or fixed "
                "values differ); use the experiment that made it"
            )
        groups: dict[str, dict[str, Array]] = {"parameter": {}, "best": {}, "optimizer": {}}
        for key, value in arrays.items():
            kind, _, name = key.partition(".")
            groups[kind][name] = value
        circuit.check(groups["parameter"])
        return groups, meta

    def write(self, name: str, content: str | bytes) -> None:
        """Replace a file atomically."""
        checkpoint.write_atomically(
            self.path / name, content.encode() if isinstance(content, str) else content
        )

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
            with path.open("a", encoding="utf-8") as file:
                file.write(text if file.tell() == 0 else text.partition("\n")[2])
        except OSError as error:
            raise CheckpointError(
                f"cannot write {path}: {error.strerror}; free some space and resume"
            ) from error


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
