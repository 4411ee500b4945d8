"""Data sets by name, split into training, validation and test parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eqcirc.data import archive, builtin, images, tables
from eqcirc.data.dataset import Dataset, Splits
from eqcirc.data.scaling import Scaler, Scaling, scale
from eqcirc.data.split import hold_out, stratified_order
from eqcirc.data.split import split as _split
from eqcirc.errors import ConfigError, nearest

__all__ = ["NAMES", "Dataset", "Scaler", "Scaling", "Splits", "load_splits", "scale"]

NAMES = ("xor", "moons", "iris", "digits", "mnist", "fashion-mnist", "csv", "npz")
"""What `load_splits` knows."""


def load_splits(
    name: str,
    *,
    path: Path | str | None = None,
    label: str = "label",
    targets: tuple[str, ...] = (),
    columns: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    validation: float = 0.1,
    test: float = 0.2,
    seed: int = 0,
    limit: int | None = None,
    samples: int = 400,
    noise: float = 0.1,
) -> Splits:
    """Load a data set and split it; everything random follows from `seed`.

    Args:
        name: One of `NAMES`. 'xor' has no parts: training, validation and test are all four points, whatever
            the shares. 'mnist' and 'fashion-mnist' keep their official test part, whatever the share `test`.
        path: The file of 'csv' or 'npz'; the folder with the four files of 'mnist' or 'fashion-mnist', or
            None to download them once; None for the others.
        label: Column with the classes; only for 'csv' without `targets`.
        targets: Columns to be predicted by a regression; only for 'csv'.
        columns: Columns that are the features, in this order; () for all others. Only for 'csv'.
        drop: Columns that are no features; only for 'csv' without `columns`.
        validation: Share in [0, 1) of the whole (of the official training part for the image sets; of no
            meaning for 'npz' that says itself which part each sample is of).
        test: Share in (0, 1) of the whole.
        seed: Non-negative.
        limit: Train on this many samples at most, drawn with the class proportions of the training part.
        samples: Number of points; only for 'moons'.
        noise: Standard deviation of the points; only for 'moons'.

    Raises:
        ConfigError: An argument is unknown, out of range, missing, or has no meaning for this data set.
        DataError: The data are missing, damaged, or too few for the shares.
    """
    path = None if path is None else Path(path)
    _check_arguments(name, path, seed, limit)
    _check_columns(name, {"targets": targets, "columns": columns, "drop": drop})
    if name == "xor":
        points = builtin.xor()
        splits = Splits(points, points, points)
    elif name == "npz" and path is not None and (given := archive.read_splits(path)) is not None:
        splits = given
    elif name in images.SOURCES:
        official, test_part = images.load_images(name, path)
        train, (validation_part,) = hold_out(official, {"validation": validation}, seed)
        splits = Splits(train, validation_part, test_part)
    else:
        is_file = name in ("csv", "npz")
        if is_file:
            dataset = _read(name, path, label=label, targets=targets, columns=columns, drop=drop)
        else:
            dataset = _make(name, samples, noise, seed)
        splits = _split(dataset, validation, test, seed)
    return splits if limit is None else _limited(splits, limit, seed)


def _make(name: str, samples: int, noise: float, seed: int) -> Dataset:
    if name == "moons":
        return builtin.moons(samples, noise, seed)
    return builtin.iris() if name == "iris" else builtin.digits()


def _read(name: str, path: Path | None, **choice: Any) -> Dataset:
    if path is None:
        raise ConfigError(f"path: expected the file to read for data {name!r}, got nothing")
    return tables.load_npz(path) if name == "npz" else tables.load_csv(path, **choice)


def _limited(splits: Splits, limit: int, seed: int) -> Splits:
    rows = stratified_order(splits.train, seed)[:limit]
    return Splits(splits.train.take(rows), splits.validation, splits.test)


def _check_arguments(name: str, path: Path | None, seed: int, limit: int | None) -> None:
    if name not in NAMES:
        raise ConfigError(f"unknown data {name!r}; {nearest(name, NAMES)}")
    if path is not None and name in ("xor", "moons", "iris", "digits"):
        raise ConfigError(f"path: data {name!r} is built in and reads no file, got {path}; remove it")
    if seed < 0:
        raise ConfigError(f"seed: expected at least 0, got {seed}")
    if limit is not None and limit < 1:
        raise ConfigError(f"limit: expected at least 1 training sample, got {limit}")


def _check_columns(name: str, chosen: dict[str, tuple[str, ...]]) -> None:
    for key, columns in chosen.items():
        if columns and name != "csv":
            raise ConfigError(f"{key}: names columns of 'csv' data, got {columns} for {name!r}; remove it")
    if chosen["columns"] and chosen["drop"]:
        raise ConfigError(
            "drop: all but the chosen columns are dropped already; name columns or drop, not both"
        )
