"""Commands that look at a circuit take a run directory (trained values) or an experiment file (initial values)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Splits
from eqcirc.errors import CheckpointError
from eqcirc.experiment.build import build_circuit, build_data
from eqcirc.experiment.directory import RunDirectory
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.schema import Experiment
from eqcirc.typing import Array


@dataclass(frozen=True)
class Source:
    """A circuit with values, and the experiment that it comes from."""

    experiment: Experiment
    data: Splits
    circuit: Circuit
    parameters: dict[str, Array]


def open_source(path: Path, *, must_be_run: bool = False) -> Source:
    """Open a run directory or an experiment file.

    Raises:
        CheckpointError: not a run directory, or its checkpoint is damaged or of another circuit.
        ConfigError: not an experiment file.
    """
    is_run = path.is_dir()
    if must_be_run and not is_run:
        raise CheckpointError(f"{path} is not a run directory; train one with 'eqcirc train'")
    folder = RunDirectory(path)
    experiment = folder.experiment() if is_run else load_experiment(path)
    data = build_data(experiment)
    circuit = build_circuit(experiment, data.train.n_features, data.train.n_outputs)
    parameters = folder.trained(circuit, experiment) if is_run else circuit.parameters
    return Source(experiment, data, circuit, parameters)
