"""Samples with their labels or targets, checked once so that the rest of the package can trust them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.data.checks import Labels, class_numbers, equal_length, matrix
from eqcirc.errors import DataError
from eqcirc.typing import Array


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples of one task: classification (`labels`) or regression (`targets`), never both.

    The arrays are converted to float64 / int64 and held as read-only views.

    Attributes:
        name: What messages and reports call this data.
        inputs: (n_samples, n_features), finite, dimensionless; the circuit turns them into volts.
        labels: (n_samples,), integers in 0..n_classes-1; None for regression.
        targets: (n_samples, n_outputs), finite, dimensionless; None for classification.
        n_classes: Number of classes, at least 2; 0 for regression.
        names: What each input column is called in its file; () where columns have no names.
        classes: What each class is called; their numbers where nothing is given; () for regression.

    Raises:
        DataError: The arrays are empty, not numeric, not finite, of unequal length or of a wrong shape; a
            label lies outside 0..n_classes-1; or not exactly one of labels and targets is given.
    """

    name: str
    inputs: Array
    labels: Labels | None = None
    targets: Array | None = None
    n_classes: int = 0
    names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check and convert the arrays."""
        object.__setattr__(self, "inputs", matrix(self.name, "inputs", self.inputs))
        if self.names and len(self.names) != self.n_features:
            raise DataError(
                f"{self.name}: expected a name for each of {self.n_features} features, got {len(self.names)}"
            )
        if (self.labels is None) == (self.targets is None):
            given = "neither" if self.labels is None else "both"
            raise DataError(f"{self.name}: expected exactly one of labels and targets, got {given}")
        if self.labels is not None:
            object.__setattr__(self, "labels", class_numbers(self.name, self.labels, self.n_classes))
            equal_length(self.name, self.inputs, "labels", self.labels)
            object.__setattr__(self, "classes", self.classes or tuple(map(str, range(self.n_classes))))
        if self.targets is not None:
            if self.n_classes != 0:
                raise DataError(
                    f"{self.name}: targets mean regression: expected n_classes 0, got {self.n_classes}"
                )
            object.__setattr__(self, "targets", matrix(self.name, "targets", self.targets))
            equal_length(self.name, self.inputs, "targets", self.targets)
        if len(self.classes) != self.n_classes:
            raise DataError(
                f"{self.name}: expected a name for each of {self.n_classes} classes, got {len(self.classes)}"
            )

    def __repr__(self) -> str:
        """Say how much of what; the numbers are in the attributes."""
        return f"Dataset({self.name!r}: {self.n_samples} samples, {_shape(self)})"

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.inputs)

    @property
    def n_features(self) -> int:
        """Number of input columns."""
        return int(self.inputs.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of classes, or of target columns for regression."""
        return self.n_classes if self.targets is None else int(self.targets.shape[1])

    def take(self, indices: ArrayLike) -> Dataset:
        """Return the samples at `indices` (integers in 0..n_samples-1; repeats allowed), in that order.

        Raises:
            DataError: `indices` is empty, not a list of integers, or out of range.
        """
        rows = np.asarray(indices)
        if rows.ndim != 1 or len(rows) == 0 or rows.dtype.kind not in "iu":
            raise DataError(f"{self.name}: expected a list of at least 1 row number, got {indices!r}")
        if rows.min() < 0 or rows.max() >= self.n_samples:
            wrong = rows[(rows < 0) | (rows >= self.n_samples)][0]
            raise DataError(f"{self.name}: expected row numbers in 0..{self.n_samples - 1}, got {wrong}")
        labels = None if self.labels is None else self.labels[rows]
        targets = None if self.targets is None else self.targets[rows]
        return replace(self, inputs=self.inputs[rows], labels=labels, targets=targets)


@dataclass(frozen=True, eq=False)
class Splits:
    """The parts of one task: what is learnt from, what choices are made on, what is reported.

    Raises:
        DataError: The parts differ in features or outputs.
    """

    train: Dataset
    validation: Dataset | None
    test: Dataset

    def __repr__(self) -> str:
        """Say how much of what."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        sizes = ", ".join(f"{name} {0 if part is None else part.n_samples}" for name, part in parts.items())
        return f"Splits({self.train.name!r}: {sizes} samples, {_shape(self.train)})"

    def __post_init__(self) -> None:
        """Check that the parts fit one circuit."""
        expected = (self.train.n_features, self.train.n_outputs)
        for part in (self.validation, self.test):
            if part is not None and (part.n_features, part.n_outputs) != expected:
                raise DataError(
                    f"{part.name}: expected {expected[0]} features and {expected[1]} outputs "
                    f"as in the training part, got {part.n_features} and {part.n_outputs}"
                )


def _shape(part: Dataset) -> str:
    """Return how wide inputs and answers are, in words."""
    answers = "classes" if part.targets is None else "targets"
    return f"{part.n_features} features, {part.n_outputs} {answers}"
