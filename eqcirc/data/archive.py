"""Data that have been divided already, as one npz archive: `inputs`, `labels` or `targets`, `part` of each sample."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eqcirc.data.dataset import Dataset, Splits
from eqcirc.errors import DataError

PARTS = ("train", "validation", "test")
"""What the numbers 0, 1, 2 in `part` mean."""


def splits_bytes(splits: Splits) -> bytes:
    """Return parts of data as the content of an archive, which `read_splits` reads."""
    parts = [(k, part) for k, name in enumerate(PARTS) if (part := getattr(splits, name)) is not None]
    train = splits.train
    arrays: dict[str, NDArray[Any]] = {
        "inputs": np.concatenate([part.inputs for _, part in parts]),
        "part": np.concatenate([np.full(part.n_samples, k, np.int8) for k, part in parts]),
    }
    answers = "labels" if train.targets is None else "targets"
    arrays[answers] = np.concatenate([getattr(part, answers) for _, part in parts])
    for field in ("names", "classes"):
        if getattr(train, field, ()):
            arrays[field] = np.array(getattr(train, field))
    if train.n_classes:
        arrays["n_classes"] = np.array(train.n_classes)
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    return packed.getvalue()


def read_splits(path: Path) -> Splits | None:
    """Return the parts that an archive says itself; None if it does not say any, or is no archive.

    Raises:
        DataError: what it says cannot be used.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            if "part" not in archive.files:
                return None
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile):
        return None  # whoever reads archives without parts says what is wrong
    part = arrays["part"]
    if (
        "inputs" not in arrays
        or part.shape != arrays["inputs"].shape[:1]
        or not np.isin(part, (0, 1, 2)).all()
    ):
        raise DataError(
            f"{path}: expected in part a 0 (training), 1 (validation) or 2 (test) for each row of inputs"
        )
    options = {name: arrays[name] for name in ("labels", "targets") if name in arrays}
    rest: dict[str, Any] = {
        name: tuple(map(str, arrays[name])) for name in ("names", "classes") if name in arrays
    }
    if "labels" in options:
        rest["n_classes"] = int(arrays.get("n_classes", len(np.unique(options["labels"]))))
    found = {
        name: Dataset(
            path.name,
            arrays["inputs"][part == k],
            **{key: a[part == k] for key, a in options.items()},
            **rest,
        )
        for k, name in enumerate(PARTS)
        if (part == k).any() or name != "validation"
    }
    return Splits(found["train"], found.get("validation"), found["test"])
