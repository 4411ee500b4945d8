"""Commands that look at a circuit take a run directory (trained values) or an experiment file (initial values)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Dataset, Scaler, Splits
from eqcirc.data.tables import read_samples
from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.experiment.build import build_circuit, build_data
from eqcirc.experiment.data_record import recorded_scaler
from eqcirc.experiment.directory import RunDirectory
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.plausible import elsewhere, warn_of_volts
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")


@dataclass(frozen=True)
class Source:
    """A circuit with values, and the experiment that it comes from.

    Attributes:
        path: what was opened.
        experiment: of the run, or as the file says.
        data: its parts, scaled.
        fitted: the scaling that the training part asks for now; a run keeps its own.
        circuit: the circuit.
        parameters: trained values by element name, or initial ones.
    """

    path: Path
    experiment: Experiment
    data: Splits
    fitted: Scaler
    circuit: Circuit
    parameters: dict[str, Array]

    def samples(self, inputs: Path | None, count: int, *, scaled: bool = False) -> Array:
        """Return inputs of the circuit (n, n_features).

        Args:
            inputs: CSV file of raw values, or of inputs if `scaled`; None takes the test part.
            count: how many samples of the test part; fewer, with a warning, if it has fewer.
            scaled: whether the values of the file are scaled already.

        Raises:
            ConfigError: `scaled`, but no file.
            DataError: the file cannot be used.
            CheckpointError: the run does not say how raw values are scaled.
        """
        if inputs is not None:
            is_run = self.path.is_dir()
            scaler = recorded_scaler(self.path) if is_run and not scaled else self.fitted
            read = read_samples(inputs, scaler, scaled=scaled)
            if strange := elsewhere(read, self.data.train.inputs):
                other = "raw? Then leave out --scaled" if scaled else "scaled already? Then say --scaled"
                log.warning("%s: %s; are they %s", inputs, strange, other)
            warn_of_volts(self.circuit, read)
            return read
        if scaled:
            raise ConfigError(
                "--scaled says that the values of --inputs are scaled already; name the file, too"
            )
        return first(self.data.test, count).inputs


def first(part: Dataset, count: int) -> Dataset:
    """Return the first samples of a part of the data; say so if there are fewer than were asked for."""
    if count > part.n_samples:
        log.warning("%d samples were asked for, this part of %s has %d", count, part.name, part.n_samples)
    return part.take(range(min(count, part.n_samples)))


def open_source(path: Path, *, must_be_run: bool = False) -> Source:
    """Open a run directory or an experiment file.

    Raises:
        CheckpointError: not a run directory, or its checkpoint is damaged or of another experiment.
        ConfigError: not an experiment file.
    """
    is_run = path.is_dir()
    if must_be_run and not is_run:
        raise CheckpointError(f"{path} is not a run directory; train one with 'eqcirc train'")
    if not path.exists():
        raise ConfigError(
            f"no run directory and no experiment file {path}; 'eqcirc train' makes the one, 'eqcirc init' the other"
        )
    folder = RunDirectory(path)
    experiment = folder.experiment() if is_run else load_experiment(path)
    data, scaler = build_data(experiment)
    circuit = build_circuit(experiment, data.train.n_features, data.train.n_outputs)
    warn_of_volts(circuit, data.train.inputs)
    parameters = folder.trained(circuit, experiment) if is_run else circuit.parameters
    return Source(path, experiment, data, scaler, circuit, parameters)
