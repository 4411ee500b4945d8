"""What a run remembers of its data: names and scaling of the features, and a checksum of the file.

Without them a trained circuit could not be given new raw values, and nobody would notice that a file has changed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from eqcirc.data import Scaler
from eqcirc.errors import CheckpointError, DataError
from eqcirc.experiment.schema import Experiment
from eqcirc.text import shell

NAME = "data.json"


def data_record(experiment: Experiment, scaler: Scaler) -> dict[str, Any]:
    """Return the content of `NAME`: inputs are (raw value - centre)·factor, feature by feature.

    Raises:
        DataError: the data file cannot be read.
    """
    return {
        "names": list(scaler.names) or None,
        "centre": scaler.offset.tolist(),
        "factor": scaler.factor.tolist(),
        "sha256": _checksum(experiment),
    }


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
