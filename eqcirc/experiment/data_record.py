"""What a run remembers of its data, so that it can be used when they are gone, and nobody mistakes others for them.

data.json    names, scaling and number of the features, classes, checksum of the data file
samples.csv  the first samples of the test part, raw: something to solve, and an example of a file to predict
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eqcirc.data import Dataset, Scaler, Splits
from eqcirc.errors import CheckpointError, DataError
from eqcirc.experiment.schema import Experiment
from eqcirc.text import shell
from eqcirc.typing import Array

NAME = "data.json"
SAMPLES = "samples.csv"
KEPT = 16  # samples


@dataclass(frozen=True, eq=False)
class Known:
    """What a run knows of its data.

    Attributes:
        n_features: of a sample.
        n_outputs: of the circuit: classes, or columns of targets.
        is_regression: whether outputs are predicted values, not classes.
        classes: their names, by output; () where they are just numbers.
        targets: names of the columns that are predicted; () where they have none.
        limits: (2, n_features) smallest and largest inputs of the training part, scaled.
    """

    n_features: int
    n_outputs: int
    limits: Array
    is_regression: bool = False
    classes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()

    @classmethod
    def of(cls, experiment: Experiment, part: Dataset) -> Known:
        """Return what the training part of the data says."""
        limits = np.stack([part.inputs.min(axis=0), part.inputs.max(axis=0)])
        names = part.classes, experiment.data.targets
        return cls(part.n_features, part.n_outputs, limits, part.targets is not None, *names)

    def output_names(self) -> list[str]:
        """Return a name for each output: of its class or target, or its number."""
        return list(self.classes or self.targets) or [str(k) for k in range(self.n_outputs)]


def data_record(experiment: Experiment, scaler: Scaler, train: Dataset) -> dict[str, Any]:
    """Return the content of `NAME`: inputs are (raw value - centre)·factor, feature by feature.

    Raises:
        DataError: the data file cannot be read.
    """
    known = Known.of(experiment, train)
    return {
        "names": list(scaler.names) or None,
        "centre": scaler.offset.tolist(),
        "factor": scaler.factor.tolist(),
        "limits": known.limits.tolist(),
        "outputs": known.n_outputs,
        "regression": known.is_regression,
        "classes": list(known.classes) or None,
        "sha256": _checksum(experiment),
    }


def samples_table(raw: Splits) -> str:
    """Return the content of `SAMPLES`; numbers read back to the same bits."""
    part = raw.test.take(range(min(KEPT, raw.test.n_samples)))
    names = [*(part.names or (f"x{k}" for k in range(part.n_features)))]
    lines = [",".join(_quoted(name) for name in names)]
    lines += [",".join(map(repr, row)) for row in part.inputs.tolist()]
    return "\n".join(lines) + "\n"


def _quoted(name: str) -> str:
    return f'"{name.replace(chr(34), chr(34) * 2)}"' if set(name) & set(',"\n;\t ') else name


def recorded_scaler(folder: Path) -> Scaler:
    """Return the scaling that a run was trained with.

    Raises:
        CheckpointError: the run has none, or it is damaged.
    """
    content = _read(folder)
    if content is None:
        raise CheckpointError(
            f"{folder} has no {NAME}, so the scaling of its training data is not known (the run is of an older "
            f"version): write it with 'eqcirc resume {shell(folder)}', or scale the values yourself and say --scaled"
        )
    try:
        centre, factor = (np.array(content[key], dtype=np.float64) for key in ("centre", "factor"))
        return Scaler(centre, factor, tuple(content["names"] or ()))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / NAME} is damaged ({error!r}); restore it from a backup") from error


def recorded_shape(folder: Path, experiment: Experiment) -> Known | None:
    """Return what a run knows of its data; None for a run of a version that did not write it down.

    Raises:
        CheckpointError: it is damaged.
    """
    content = _read(folder)
    if content is None or "outputs" not in content:
        return None
    try:
        classes = tuple(str(name) for name in content["classes"] or ())
        limits = np.array(content["limits"], dtype=np.float64)
        if limits.shape != (2, len(content["centre"])):
            raise ValueError(f"limits of shape {limits.shape}")
        kind = bool(content["regression"])
        outputs = int(content["outputs"])
        return Known(limits.shape[1], outputs, limits, kind, classes, experiment.data.targets)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / NAME} is damaged ({error!r}); restore it from a backup") from error


def check_data(folder: Path, experiment: Experiment) -> None:
    """Refuse a data file that is not the one that a run was trained on, wherever it lies now.

    Raises:
        CheckpointError: its content is another one.
        DataError: it cannot be read.
    """
    known = (_read(folder) or {}).get("sha256")
    if known is not None and known != _checksum(experiment):
        raise CheckpointError(
            f"{experiment.data.path}: expected the data that the run in {folder} began with, got others, whose parts "
            "for training and test are others, too; name or put back the old file, or train anew"
        )


def _read(folder: Path) -> dict[str, Any] | None:
    path = folder / NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise TypeError("not an object")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); restore it from a backup") from error
    return content


def _checksum(experiment: Experiment) -> str | None:
    """Return that of a user's own file; what is built in or published does not change."""
    path = experiment.data.path
    if path is None or experiment.data.name not in ("csv", "npz"):
        return None
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path}: expected the data file of the run here, got {error.strerror!r}; if it has moved, change "
            "data.path in the run's config.toml"
        ) from error
