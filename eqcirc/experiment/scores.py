"""Figures of a circuit on labelled data, class by class or output by output."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support, r2_score, root_mean_squared_error

from eqcirc.costs import Cost, PhaseError
from eqcirc.data import Dataset
from eqcirc.data.tables import load_csv
from eqcirc.errors import DataError
from eqcirc.experiment.data_record import Known
from eqcirc.experiment.opened import Opened
from eqcirc.typing import Array


def details(
    outputs: Array, converged: np.ndarray, dataset: Dataset, known: Known, cost: Cost
) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of a table: precision, recall and F1 of each class, or R² and RMSE of each output.

    Args:
        outputs: (n, n_outputs) in volts.
        converged: (n,) whether each sample has an operating point; one without is no prediction of any class.
        dataset: the samples, with labels or targets.
        known: names.
        cost: of the experiment, which says how outputs are meant.
    """
    names = known.output_names()
    if dataset.targets is not None:
        true, found = dataset.targets[converged], cost.preference(outputs[converged])
        rows: list[list[Any]] = []
        for k, name in enumerate(names):
            enough = len(found) > 1
            r2 = float(r2_score(true[:, k], found[:, k])) if enough else float("nan")
            rmse = float(root_mean_squared_error(true[:, k], found[:, k])) if len(found) else float("nan")
            rows.append([name, r2, rmse])
        return ["output", "R²", "RMSE" if isinstance(cost, PhaseError) else "RMSE (V)"], rows
    assert dataset.labels is not None
    winner = np.where(converged, cost.preference(np.nan_to_num(outputs)).argmax(axis=1), -1)
    order = np.arange(known.n_outputs)
    figures = precision_recall_fscore_support(dataset.labels, winner, labels=order, zero_division=0.0)
    precision, recall, f1, support = (np.asarray(column).tolist() for column in figures)
    rows = [list(row) for row in zip(names, precision, recall, f1, map(int, support), strict=True)]
    return ["class", "precision", "recall", "F1", "samples"], rows


def read_labelled(opened: Opened, path: Path) -> Dataset:
    """Return new samples with their labels or targets, scaled as the training data were.

    Raises:
        DataError: the file cannot be used, has other features, or classes that the circuit was not trained on.
        ConfigError: the run's data had no columns with names.
    """
    section, known, scaler = opened.experiment.data, opened.known, opened.scaler
    given = load_csv(path, section.label, section.targets, columns=scaler.names, classes=known.classes)
    if given.n_features != known.n_features:
        raise DataError(f"{path}: expected {known.n_features} features, got {', '.join(given.names)}")
    outputs = 0 if known.is_regression else known.n_outputs
    return replace(given, inputs=scaler.apply(given.inputs), n_classes=outputs)
