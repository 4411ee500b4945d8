"""A run or an experiment, opened to be looked at: its circuit with values, its data if they are needed, predictions.

A run needs nothing outside its folder, but for what truly asks for the training data. Opening one takes no lock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Dataset, Scaler, Splits
from eqcirc.data.tables import read_samples
from eqcirc.errors import CheckpointError, ConfigError, DataError
from eqcirc.experiment import data_record
from eqcirc.experiment.build import answering, build_circuit, build_cost, build_data, build_solver
from eqcirc.experiment.data_record import Known
from eqcirc.experiment.directory import RunDirectory
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.predict import Prediction, predict
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import Look, Score, evaluate
from eqcirc.learning.plausible import elsewhere, warn_of_volts
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.spiking import Window
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")


@dataclass(frozen=True, eq=False)
class Opened:
    """A circuit with values, and the experiment that it comes from.

    Attributes:
        path: what was opened.
        experiment: of the run, or as the file says.
        circuit: the circuit.
        parameters: trained values by element name, or initial ones.
        known: what is known of the data without them.
    """

    path: Path
    experiment: Experiment
    circuit: Circuit
    parameters: dict[str, Array]
    known: Known

    @property
    def is_run(self) -> bool:
        """Whether this is a run, not an experiment file."""
        return self.path.is_dir()

    @cached_property
    def _data(self) -> tuple[Splits, Scaler]:
        if self.is_run:
            data_record.check_data(self.path, self.experiment)
        return build_data(self.experiment)

    @property
    def data(self) -> Splits:
        """The parts of the data, scaled.

        Raises:
            DataError: the file is gone.
            CheckpointError: its content is another one than the run was trained on.
        """
        return self._data[0]

    @property
    def scaler(self) -> Scaler:
        """What makes inputs of raw values.

        Raises:
            CheckpointError: the run does not say.
        """
        return data_record.recorded_scaler(self.path) if self.is_run else self._data[1]

    @property
    def window(self) -> Window | None:
        """The window whose average spikes are the circuit's answer; None: its operating points are."""
        return answering(self.experiment)

    def look(self, bath: Bath | None) -> Look:
        """Return how answers are seen: in a bath, if there is one, or as the circuit was trained to give them.

        Raises:
            ConfigError: a bath, and a circuit that answers by its spikes.
        """
        if bath is None:
            return self.window
        if self.window is not None:
            raise ConfigError(
                f"{self.path}: answers are averages of spikes, which have noise of their own; expected no temperature "
                "of a bath"
            )
        return bath

    def solver(self, engine: str | None = None) -> Solver:
        """Return the solver of the experiment, or "ngspice" or "ideal"; a context manager.

        Raises:
            EngineError: libngspice is missing.
        """
        return build_solver(self.experiment, self.circuit, engine)

    def part(self, name: str) -> Dataset:
        """Return "train", "validation" or "test", scaled.

        Raises:
            DataError: there is no such part, or the data are gone.
        """
        if name not in ("train", "validation", "test"):
            raise ConfigError(f"expected the part train, validation or test of the data, got {name!r}")
        found: Dataset | None = getattr(self.data, name)
        if found is None:
            raise DataError(f"the run has no {name} part: data.{name} = 0 in its experiment")
        return found

    def samples(self, inputs: Path | None, count: int, *, scaled: bool = False) -> Array:
        """Return inputs of the circuit (n, n_features).

        Args:
            inputs: CSV file of raw values, or of inputs if `scaled`; None takes the test part.
            count: how many samples of the test part; fewer, with a warning, if it has fewer.
            scaled: whether the values of the file are scaled already.

        Raises:
            ConfigError: `scaled`, but no file.
            DataError: the file cannot be used, or the data are gone and the run keeps fewer samples.
            CheckpointError: the run does not say how raw values are scaled.
        """
        if inputs is not None:
            scaler = self._nothing() if scaled else self.scaler
            read = read_samples(inputs, scaler, scaled=scaled, label=self.experiment.data.label)
            if strange := elsewhere(read, self.known.limits):
                other = "raw? Then leave out --scaled" if scaled else "scaled already? Then say --scaled"
                log.warning("%s: %s; are they %s", inputs, strange, other)
            warn_of_volts(self.circuit, read)
            return read
        if scaled:
            raise ConfigError(
                "--scaled says that the values of --inputs are scaled already; name the file, too"
            )
        own = self.path / data_record.SAMPLES
        if self.is_run and own.exists() and count <= data_record.KEPT:
            kept = read_samples(own, self.scaler)
            if count <= len(kept):
                return kept[:count]
        return first(self.data.test, count).inputs

    def _nothing(self) -> Scaler:
        """Return a scaling that changes nothing, with the names of the features if they are known."""
        try:
            names = self.scaler.names
        except CheckpointError:
            names = ()
        n = self.known.n_features
        return Scaler(np.zeros(n), np.ones(n), names)

    def predict(self, raw: ArrayLike, engine: str | None = None, *, scaled: bool = False) -> Prediction:
        """Solve samples and say what the outputs mean; a sample that fails costs only itself.

        Args:
            raw: (n, n_features) values as in the data file; columns of a data frame are found by their names.
            engine: "ngspice" or "ideal"; that of the experiment by default.
            scaled: whether the values are inputs of the circuit already.

        Raises:
            DataError: the wrong number of features, or values that are not finite.
        """
        values = self._by_name(raw) if hasattr(raw, "columns") else np.asarray(raw, np.float64)
        values = np.atleast_2d(values)
        inputs = values if scaled else self.scaler.apply(values)
        with self.solver(engine) as solver:
            return predict(
                solver, self.parameters, inputs, build_cost(self.experiment), self.known, self.window
            )

    def _by_name(self, frame: Any) -> Array:
        """Return the columns of a data frame that are the features, in their order."""
        names, given = self._nothing().names, [str(name) for name in frame.columns]
        if not names:
            return np.asarray(frame, np.float64)
        if missing := [name for name in names if name not in given]:
            raise DataError(
                f"expected the columns {', '.join(names)}, got a frame without {', '.join(missing)}"
            )
        return np.asarray(frame.iloc[:, [given.index(name) for name in names]], np.float64)

    def __repr__(self) -> str:
        """Show what was opened."""
        return f"<{'run' if self.is_run else 'experiment'} {self.path}: {self.circuit!r}>"

    def score(self, part: str = "test", engine: str | None = None, bath: Bath | None = None) -> Score:
        """Score the circuit on a part of its data.

        Args:
            part: "train", "validation" or "test".
            engine: "ngspice" or "ideal"; that of the experiment by default.
            bath: of white noise, in which each sample is looked at once, when the first chain ends; None scores what
                the circuit answers otherwise.

        Raises:
            ConfigError: a bath, and a circuit that answers by its spikes.
        """
        look, dataset, cost = self.look(bath), self.part(part), build_cost(self.experiment)
        with self.solver(engine) as solver:
            return evaluate(solver, self.parameters, dataset, cost, look)


def first(part: Dataset, count: int) -> Dataset:
    """Return the first samples of a part of the data; say so if there are fewer than were asked for."""
    if count > part.n_samples:
        log.warning("%d samples were asked for, this part of %s has %d", count, part.name, part.n_samples)
    return part.take(range(min(count, part.n_samples)))


def open_run(path: Path | str) -> Opened:
    """Open a run directory: its circuit with the trained values.

    Raises:
        CheckpointError: not a run directory, or its checkpoint is damaged or of another experiment.
    """
    path = Path(path)
    if not path.is_dir():
        raise CheckpointError(f"{path} is not a run directory; train one with 'eqcirc train'")
    return open_source(path)


def open_source(path: Path) -> Opened:
    """Open a run directory (trained values) or an experiment file (initial ones).

    Raises:
        CheckpointError: not a run directory, or its checkpoint is damaged or of another experiment.
        ConfigError: not an experiment file.
    """
    if not path.exists():
        raise ConfigError(
            f"no run directory and no experiment file {path}; 'eqcirc train' makes the one, 'eqcirc init' the other"
        )
    folder, is_run = RunDirectory(path), path.is_dir()
    experiment = folder.experiment()[0] if is_run else load_experiment(path)
    known = data_record.recorded_shape(path, experiment) if is_run else None
    if known is None:
        if is_run:
            data_record.check_data(path, experiment)
        known = Known.of(experiment, build_data(experiment)[0].train)
    circuit = build_circuit(experiment, known.n_features, known.n_outputs)
    warn_of_volts(circuit, known.limits)
    parameters = folder.trained(circuit, experiment) if is_run else circuit.parameters
    return Opened(path, experiment, circuit, parameters, known)
