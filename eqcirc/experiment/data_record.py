"""What a run remembers of its data, so that it can be used when they are gone, and nobody mistakes others for them.

data.json    names, scaling and number of the features, classes, checksum of the data file
samples.csv  the first samples of the test part, raw: something to solve, and an example of a file to predict
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eqcirc.data import Dataset, Scaler, Splits
from eqcirc.errors import CheckpointError, DataError
from eqcirc.experiment.schema import Experiment
from eqcirc.text import control_character, one_line, shell
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
    return Scaler(np.array(content.centre), np.array(content.factor), tuple(content.names or ()))


def recorded_names(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of a run's features and of its classes; () for those that it does not know.

    Raises:
        CheckpointError: they are damaged.
    """
    content = _read(folder)
    return ((), ()) if content is None else (tuple(content.names or ()), tuple(content.classes or ()))


def recorded_shape(folder: Path, experiment: Experiment) -> Known | None:
    """Return what a run knows of its data; None for a run of a version that did not write it down.

    Raises:
        CheckpointError: it is damaged.
    """
    content = _read(folder)
    if content is None or content.outputs is None or content.limits is None:
        return None
    limits, classes = np.array(content.limits), tuple(content.classes or ())
    kind = bool(content.regression)
    return Known(limits.shape[1], content.outputs, limits, kind, classes, experiment.data.targets)


def digest(folder: Path) -> str | None:
    """Return the SHA-256 of a run's `NAME`, which its checkpoints keep; None if it has none."""
    try:
        return hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    except OSError:
        return None


def check_data(folder: Path, experiment: Experiment) -> None:
    """Refuse a data file that is not the one that a run was trained on, wherever it lies now.

    Raises:
        CheckpointError: its content is another one.
        DataError: it cannot be read.
    """
    record = _read(folder)
    known = record.sha256 if record else None
    if known is not None and known != _checksum(experiment):
        raise CheckpointError(
            f"{experiment.data.path}: expected the data that the run in {folder} began with, got others, whose parts "
            "for training and test are others, too; name or put back the old file, or train anew"
        )


Names = list[Annotated[str, Field(max_length=1000)]]
Numbers = list[Annotated[float, Field(allow_inf_nan=False)]]


class _Record(BaseModel):
    """The content of `NAME`; what older versions did not write may be missing."""

    model_config = ConfigDict(strict=True)

    names: Names | None
    centre: Numbers
    factor: Numbers
    limits: Annotated[list[Numbers], Field(min_length=2, max_length=2)] | None = None
    outputs: Annotated[int, Field(ge=1, le=10**6)] | None = None
    regression: bool | None = None
    classes: Names | None = None
    sha256: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """See that there is one of everything for each feature and output."""
        wanted = len(self.centre)
        for name in ("names", "factor"):
            value = getattr(self, name)
            if value is not None and len(value) != wanted:
                raise ValueError(f"expected {wanted} {name}, got {len(value)}")
        if any(len(row) != wanted for row in self.limits or ()):
            raise ValueError(f"expected limits of {wanted} features")
        if self.classes is not None and (len(self.classes) != self.outputs or self.regression):
            raise ValueError(f"expected {self.outputs} classes, got {len(self.classes)}")
        return self


def _read(folder: Path) -> _Record | None:
    path = folder / NAME
    try:
        content = path.read_text(encoding="utf-8")
        record = _Record.model_validate(json.loads(content))
        if (found := control_character(record.model_dump())) is not None:
            raise ValueError(f"control character U+{ord(found):04X}")
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise CheckpointError(f"{path} is damaged: {where}: {first['msg']}; {_RESTORE}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is damaged ({one_line(error)}); {_RESTORE}") from error
    return record


_RESTORE = "restore it from a backup"


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
