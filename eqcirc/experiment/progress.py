"""What a checkpoint of a run must hold: a run directory may come from somebody else, its checksums included."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eqcirc.circuit.circuit import Circuit
from eqcirc.errors import CheckpointError, CircuitError
from eqcirc.typing import Array

_Count = Annotated[int, Field(ge=0, le=2**53)]
_Text = Annotated[str, Field(max_length=200)]
_Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class _Progress(BaseModel):
    """How far a run has come; its tables are written from here."""

    model_config = ConfigDict(strict=True)

    epoch: _Count
    batch: _Count
    sums: dict[_Text, float]
    metrics: list[dict[_Text, float | _Text | None]]
    audits: list[dict[_Text, float]]
    best_score: _Pair
    best_epoch: _Count = 0
    ended: _Text = ""
    circuit: _Text


def check_progress(path: Path, content: dict[str, Any]) -> None:
    """See that the JSON of a checkpoint has numbers where numbers belong, and short texts as names.

    Raises:
        CheckpointError: it has not.
    """
    try:
        _Progress.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(
            f"{path} is damaged: {where}: {first['msg']}; restore the folder from a copy"
        ) from error


def grouped(folder: Path, arrays: dict[str, Array], circuit: Circuit) -> dict[str, dict[str, Array]]:
    """Return the arrays of a checkpoint by kind: values, best values, what the optimizer remembers.

    Raises:
        CheckpointError: they are not those of the circuit.
    """
    groups: dict[str, dict[str, Array]] = {"parameter": {}, "best": {}, "optimizer": {}}
    shapes = {e.name: e.value.shape for e in circuit.trainable}
    try:
        for key, value in arrays.items():
            kind, _, name = key.partition(".")
            if kind not in groups:
                raise CircuitError(f"unknown kind of array {key!r}")
            # the optimizer remembers arrays `kind.element`, and numbers without a dot
            element = name.partition(".")[2] if kind == "optimizer" else name
            if value.shape != (shapes.get(element) if element else ()):
                raise CircuitError(f"{key!r} has the shape {value.shape}")
            if kind == "optimizer" and not np.isfinite(value).all():
                raise CircuitError(f"{key!r} holds values that are not finite")
            groups[kind][name] = value
        for values in (groups["parameter"], groups["best"]):
            circuit.check(values)
        if groups["parameter"].keys() != shapes.keys():
            raise CircuitError("values of some elements are missing")
    except CircuitError as error:
        raise CheckpointError(
            f"the arrays of the checkpoint in {folder} are damaged: {error}; restore the folder from a copy"
        ) from error
    return groups
