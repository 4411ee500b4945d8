"""A user's own data: CSV with a header, or NPZ with the arrays `inputs` and `labels` or `targets`."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eqcirc.data.dataset import Dataset
from eqcirc.data.scaling import Scaler
from eqcirc.errors import DataError, nearest
from eqcirc.typing import Array

if TYPE_CHECKING:
    import pandas as pd

# utf-8-sig skips the mark that spreadsheet programs put at the start of a file.
_DIALECT: dict[str, Any] = {"skipinitialspace": True, "encoding": "utf-8-sig", "compression": None}
_MOST_LISTED = 20  # columns; an image has hundreds
_NUMBER_THEM = "number the classes 0, 1, 2, … without gaps"


def load_csv(path: Path, label: str = "label", targets: tuple[str, ...] = ()) -> Dataset:
    """Read a comma-separated UTF-8 file with a header; every column that is not asked for is a feature.

    Args:
        path: The file.
        label: Column with the class of each row: 0, 1, … without gaps. Not looked at when `targets` is given.
        targets: Columns to be predicted by a regression.

    Raises:
        DataError: The file is missing, empty or ragged, a column is missing, unnamed or named twice, or a
            cell is not a finite number.
    """
    frame = _read_frame(path)
    wanted = list(targets) or [label]
    for column in wanted:
        if column not in frame.columns:
            raise DataError(
                f"{path}: expected a column {column!r} in the header; {nearest(column, frame.columns)}"
            )
    features = [column for column in frame.columns if column not in wanted]
    if not features:
        raise DataError(f"{path}: expected at least 1 feature column beside {', '.join(wanted)}, got none")
    inputs, names = _numbers(path, frame, features), tuple(features)
    if targets:
        return Dataset(path.name, inputs, targets=_numbers(path, frame, wanted), names=names)
    labels = _numbers(path, frame, wanted, _NUMBER_THEM)[:, 0]
    return _classification(path, inputs, labels, names)


def load_npz(path: Path) -> Dataset:
    """Read `inputs` (n, n_features) and `labels` (n,) or `targets` (n, n_outputs) from a numpy archive.

    Raises:
        DataError: The file is missing or damaged, an array is missing, or its values cannot be used.
    """
    arrays = _read_archive(path)
    if "inputs" not in arrays or ("labels" in arrays) == ("targets" in arrays):
        found = ", ".join(arrays) or "none"
        raise DataError(f"{path}: expected the arrays inputs and one of labels and targets, got {found}")
    if "targets" in arrays:
        return Dataset(path.name, arrays["inputs"], targets=arrays["targets"])
    return _classification(path, arrays["inputs"], arrays["labels"])


def read_samples(path: Path, scaler: Scaler, *, scaled: bool = False) -> Array:
    """Read samples (n, n_features) without labels from a CSV file with a header.

    Args:
        path: The file.
        scaler: Its names, if it has any, say which column is which feature; else they go by position.
        scaled: The values are inputs already; else they are raw, and the scaler is applied to them.

    Raises:
        DataError: The file is missing or damaged, a cell is not a finite number, or the columns are others.
    """
    frame = _read_frame(path)
    given, n_features = list(frame.columns), len(scaler.offset)
    if len(given) != n_features:
        raise DataError(
            f"{path}: expected {n_features} columns, one for each feature{_called(scaler.names)}, "
            f"got {len(given)}: {_listed(given)}"
        )
    if scaler.names and set(given) != set(scaler.names):
        raise DataError(
            f"{path}: expected the features that the circuit was made for{_called(scaler.names)}, "
            f"got {_listed(given)}; rename or replace the columns (their order does not matter)"
        )
    values = _numbers(path, frame, list(scaler.names) or given)
    return values if scaled else scaler.apply(values)


def _called(names: tuple[str, ...]) -> str:
    return f" ({_listed(names)})" if names else ""


def _listed(names: Sequence[str]) -> str:
    rest = f", … ({len(names)} in all)" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + rest


def _classification(path: Path, inputs: Array, labels: NDArray[Any], names: tuple[str, ...] = ()) -> Dataset:
    # With as many classes as different labels, a gap in the numbering leaves some label out of range.
    return Dataset(path.name, inputs, labels=labels, n_classes=len(np.unique(labels)), names=names)


def _read_frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    _require_file(path)
    try:
        # pandas renames columns that are named twice or not at all; the header as written shows them.
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, **_DIALECT)
        names = [str(name) for name in header.iloc[0]]
        _check_header(path, names)
        frame: pd.DataFrame = pd.read_csv(path, low_memory=False, **_DIALECT)
    except (ValueError, OSError) as error:  # ValueError includes empty, ragged and wrongly encoded files
        raise DataError(f"{path}: expected comma-separated UTF-8 text with a header: {error}") from error
    if frame.empty:
        raise DataError(f"{path}: expected at least 1 row below the header, got none")
    # pandas takes surplus cells at the start of each row for a row index.
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{path}: expected {len(names)} cells in each row, as in the header, got more")
    frame.columns = pd.Index(names)
    return frame


def _check_header(path: Path, names: list[str]) -> None:
    separators = [sign for sign in (";", "\t", "|") if sign in names[0]]
    if len(names) == 1 and separators:
        raise DataError(
            f"{path}: expected commas between the cells, got {names[0]!r} as the first line; separate the cells "
            f"by commas instead of {separators[0]!r}, and write numbers with a point"
        )
    if all(_is_number(name) for name in names):
        raise DataError(
            f"{path}: expected a first line that names the columns, got only numbers: {_listed(names)}; "
            f"put a line of names above them"
        )
    if "" in names:
        raise DataError(
            f"{path}: expected a name for each column, column {names.index('')} (counted from 0) has none; "
            f"name or remove it (a row index is not a feature)"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(
            f"{path}: expected different column names, got {twice[0]!r} {names.count(twice[0])} times"
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(
    path: Path, frame: pd.DataFrame, columns: list[str], remedy: str = "repair or drop these rows"
) -> Array:
    import pandas as pd

    chosen = frame[columns]
    values: Array = chosen.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        row, column = wrong[0]
        cell = str(chosen.iat[row, column])
        found = "an empty cell or NaN" if cell == "nan" else repr(cell)
        raise DataError(
            f"{path}: expected a finite number, got {found} in column {columns[column]!r}, "
            f"line {_line(path, int(row))}, {len(wrong)} such cell(s) in all; {remedy}"
        )
    return values


def _line(path: Path, row: int) -> int:
    """Return the line of the file, counted from 1, where a row below the header ends; pandas skips blank lines."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, skipinitialspace=True)
        filled = (reader.line_num for cells in reader if "".join(cells).strip() or len(cells) > 1)
        return next(islice(filled, row + 1, None), row + 2)


def _read_archive(path: Path) -> dict[str, NDArray[Any]]:
    _require_file(path)
    try:
        with path.open("rb") as file:  # given a path, numpy leaves a damaged file open
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.ndarray):
                return dict(loaded)
    # numpy's own text would advise unpickling, which runs code from the file. RuntimeError: encrypted.
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{path}: expected an undamaged NPZ archive of numeric arrays, as numpy.savez writes it, "
            f"but reading it failed ({type(error).__name__})"
        ) from error
    raise DataError(f"{path}: expected an NPZ archive, got a single array; write it with numpy.savez")


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: expected a file here, found none; check the path")
