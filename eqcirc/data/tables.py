"""A user's own data: CSV with a header, or NPZ with the arrays `inputs` and `labels` or `targets`."""

from __future__ import annotations

import io
import logging
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eqcirc.data.classes import number_classes
from eqcirc.data.dataset import Dataset
from eqcirc.data.scaling import Scaler
from eqcirc.data.text_table import TextTable, read_table
from eqcirc.errors import DataError, nearest
from eqcirc.text import one_line
from eqcirc.typing import Array

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger("eqcirc")

MANY_CLASSES, FEW_SAMPLES = 10, 5  # more classes with fewer samples each are likely no classes
_NUMBERS = "biuf"  # kinds of columns that pandas found only numbers in, or true and false
_MOST_LISTED = 20  # columns; an image has hundreds


def load_csv(
    path: Path,
    label: str = "label",
    targets: tuple[str, ...] = (),
    *,
    columns: tuple[str, ...] = (),
    drop: tuple[str, ...] = (),
    classes: tuple[str, ...] = (),
) -> Dataset:
    """Read a table of text with a header (see `text_table`); every column that is not asked for is a feature.

    Args:
        path: The file.
        label: Column with the class of each row, whole numbers or text. Not looked at when `targets` is given.
        targets: Columns to be predicted by a regression.
        columns: The features, in this order; () for all other columns.
        drop: Columns that are no features, such as a number of the sample; only without `columns`.
        classes: Names of classes, in their order, if they are known, as those of a trained circuit are; () for those
            of the file.

    Raises:
        DataError: The file is missing, empty or ragged, a column is missing, unnamed or named twice, a
            cell is not a finite number, or there are not at least 2 classes.
    """
    table = _read_frame(path)
    wanted = list(targets) or [label]
    _require_columns(path, table.names, [*wanted, *columns, *drop])
    features = list(columns) or [name for name in table.names if name not in (*wanted, *drop)]
    if len(set(features)) < len(features):
        raise DataError(f"{path}: expected different columns as features, got {_listed(features)}")
    if twice := [name for name in features if name in wanted]:
        raise DataError(f"{path}: expected columns beside {', '.join(wanted)} as features, got {twice[0]!r}")
    if not features:
        raise DataError(f"{path}: expected at least 1 feature column beside {', '.join(wanted)}, got none")
    inputs, names = table.numbers(features), tuple(features)
    if targets:
        return Dataset(path.name, inputs, targets=table.numbers(wanted), names=names)
    labels, called = number_classes(path, f"column {label!r}", table.texts(label), classes)
    if len(labels) < FEW_SAMPLES * len(called) and len(called) > MANY_CLASSES and not classes:
        log.warning(
            "%s: column %r has %d classes in %d rows; if it holds numbers to predict, name it as a target instead",
            *(path, label, len(called), len(labels)),
        )
    return Dataset(path.name, inputs, labels=labels, n_classes=len(called), names=names, classes=called)


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
    labels, classes = number_classes(path, "labels", _flat(path, arrays["labels"]))
    return Dataset(path.name, arrays["inputs"], labels=labels, n_classes=len(classes), classes=classes)


def read_samples(path: Path, scaler: Scaler, *, scaled: bool = False, label: str = "label") -> Array:
    """Read samples (n, n_features) from a table of text with a header; what they belong to may stand there, too.

    Args:
        path: The file.
        scaler: Its names, if it has any, say which column is which feature, and other columns are not looked at;
            else features go by position.
        scaled: The values are inputs already; else they are raw, and the scaler is applied to them.
        label: Column that is no feature, if it is there; only where features go by position.

    Raises:
        DataError: The file is missing or damaged, a cell is not a finite number, or the columns are others.
    """
    table = _read_frame(path)
    given, n_features = list(table.names), len(scaler.offset)
    if missing := [name for name in scaler.names if name not in given]:
        raise DataError(
            f"{path}: expected the features that the circuit was made for{_called(scaler.names)}, no column is "
            f"called {_listed(missing)}; got {_listed(given)}; rename or add it (order and other columns do not matter)"
        )
    chosen = list(scaler.names) or given
    if not scaler.names and len(given) == n_features + 1:
        chosen = [name for name in given if name != label]
    if len(chosen) != n_features:
        raise DataError(
            f"{path}: expected {n_features} columns, one for each feature, got {len(given)}: {_listed(given)}"
        )
    values = table.numbers(chosen)
    return values if scaled else scaler.apply(values)


def _called(names: tuple[str, ...]) -> str:
    return f" ({_listed(names)})" if names else ""


def _listed(names: Sequence[str]) -> str:
    rest = f", … ({len(names)} in all)" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + rest


def _flat(path: Path, labels: NDArray[Any]) -> NDArray[Any]:
    if labels.ndim != 1:
        raise DataError(f"{path}: expected labels of shape (samples,), got {labels.shape}; reshape them")
    return labels


@dataclass(frozen=True, eq=False)
class _Frame:
    """Cells under a header.

    Attributes:
        names: of the columns.
        frame: whose columns go by position; numbers where pandas found only such, else text.
        source: the text that it was read from.
    """

    names: tuple[str, ...]
    frame: pd.DataFrame
    source: TextTable

    def texts(self, column: str) -> list[str]:
        """Return the cells of a column as text.

        Raises:
            DataError: One is empty.
        """
        cells = [str(cell).strip() for cell in self._column(column)]
        empty = [row for row, cell in enumerate(cells) if cell.lower() in ("", "nan")]
        if empty:
            raise self._unusable(column, empty[0], len(empty), "a class", "")
        return cells

    def numbers(self, columns: Sequence[str]) -> Array:
        """Return the numbers in columns (n, columns).

        Raises:
            DataError: A cell is not a finite number.
        """
        frame = self.frame.iloc[:, [self.names.index(column) for column in columns]]
        if all(kind.kind in _NUMBERS for kind in frame.dtypes):
            values = frame.to_numpy(dtype=np.float64)
        else:
            values = np.stack([self._values(column) for column in columns], axis=1)
        wrong = np.argwhere(~np.isfinite(values))
        if len(wrong):
            row, k = wrong[0].tolist()
            cell = str(self._column(columns[k]).iloc[row]).strip()
            raise self._unusable(columns[k], row, len(wrong), "a finite number", cell)
        return values

    def _column(self, name: str) -> pd.Series[Any]:
        return self.frame.iloc[:, self.names.index(name)]

    def _values(self, name: str) -> Array:
        column = self._column(name)
        if column.dtype.kind in _NUMBERS:
            return column.to_numpy(dtype=np.float64)
        numbers = (self.source.number(str(cell)) for cell in column)
        return np.array([np.nan if number is None else number for number in numbers])

    def _unusable(self, column: str, row: int, count: int, expected: str, cell: str) -> DataError:
        found = "an empty cell or NaN" if cell.lower() in ("", "nan") else repr(one_line(cell))
        line = next(islice(self.source.rows(), row + 1, None), (row + 2, []))[0]
        return DataError(
            f"{self.source.path}: expected {expected}, got {found} in column {column!r}, line {line}, "
            f"{count} such cell(s) in all; repair or drop these rows"
        )


def _read_frame(path: Path) -> _Frame:
    import pandas as pd

    table = _without_ends(_with_header(read_table(path)))
    names = [one_line(cell) for cell in next(table.rows(), (0, []))[1]]
    try:
        # the header is read apart: pandas renames columns that are named twice or not at all
        frame: pd.DataFrame = pd.read_csv(
            io.StringIO(table.text),
            sep=r"\s+" if table.separator == " " else table.separator,
            keep_default_na=False,
            skipinitialspace=True,
            low_memory=False,
        )
    except ValueError as error:  # empty or ragged
        raise DataError(f"{path}: expected a table with a header: {one_line(error)}") from error
    # pandas takes surplus cells at the start of each row for a row index
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(f"{path}: expected {len(names)} cells in each row, as in the header, got more")
    used = [k for k, name in enumerate(names) if name or not _idle(frame.iloc[:, k], k, len(names))]
    names, frame = [names[k] for k in used], frame.iloc[:, used]
    _check_header(table, names)
    if frame.empty:
        raise DataError(f"{path}: expected at least 1 row below the header, got none")
    return _Frame(tuple(names), frame, table)


def _with_header(table: TextTable) -> TextTable:
    """Return a table that begins with its header, which some programs write as a comment above numbers."""
    line, first = next(table.rows(), (0, []))
    above = [(k, text) for k, text in table.comments if k < line]
    if not above or any(table.number(cell) is None for cell in first):
        return table
    k, text = above[-1]
    if len(table.cells(text)) != len(first):
        return table
    lines = table.text.split("\n")
    lines[k - 1] = text
    return replace(table, text="\n".join(lines))


def _without_ends(table: TextTable) -> TextTable:
    """Return a table without the separators that end its rows, if they do and do not end its header."""
    (_, header), (_, row) = (*islice(table.rows(), 2), (0, []), (0, []))[:2]
    if table.separator == " " or len(row) != len(header) + 1 or row[-1]:
        return table
    return replace(table, text=re.sub(rf"(?m){re.escape(table.separator)}[ ]*$", "", table.text))


def _idle(column: pd.Series[Any], k: int, width: int) -> bool:
    """Return whether a column without a name holds nothing: the number of its row, or what follows a last separator."""
    if k == 0 and column.dtype.kind == "i" and len(column):
        return bool((column - column.iloc[0] == np.arange(len(column))).all() and column.iloc[0] in (0, 1))
    return k == width - 1 and all(str(cell) in ("", "nan") for cell in column)


def _check_header(table: TextTable, names: list[str]) -> None:
    if all(table.number(name) is not None for name in names):
        raise DataError(
            f"{table.path}: expected a first line that names the columns, got only numbers: {_listed(names)}; "
            f"put a line of names above them"
        )
    if "" in names:
        raise DataError(
            f"{table.path}: expected a name for each column, column {names.index('')} (counted from 0) has none; "
            f"name or remove it (a row index is not a feature)"
        )
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise DataError(
            f"{table.path}: expected different column names, got {twice[0]!r} {names.count(twice[0])} times"
        )


def _require_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if column not in names:
            raise DataError(f"{path}: expected a column {column!r} in the header; {nearest(column, names)}")


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
