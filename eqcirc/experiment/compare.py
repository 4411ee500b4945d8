"""Several runs side by side: what differs in configuration and result, and whether the scores truly differ.

The first run is the one that the others are held against.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eqcirc.analysis.paired import Paired, mcnemar, paired_errors
from eqcirc.data import Dataset
from eqcirc.errors import CheckpointError, ConfigError, DataError, EqcircError
from eqcirc.experiment import data_record
from eqcirc.experiment.build import build_cost, build_solver, raw_data
from eqcirc.experiment.listing import RunFacts, run_facts
from eqcirc.experiment.load import decisive, flatten
from eqcirc.experiment.opened import Opened, open_run
from eqcirc.experiment.progress import check_progress
from eqcirc.learning import checkpoint
from eqcirc.learning.evaluate import outputs_of
from eqcirc.text import one_line

if TYPE_CHECKING:
    import pandas as pd

RESULTS = {
    "state": "state",
    "epoch": "epochs done",
    "rule": "rule",
    "engine": "engine",
    "test_accuracy": "test accuracy",
    "test_loss": "test cost",
    "test_samples": "test samples",
    "test_failed": "test samples without an operating point",
    "max_dv": "ngspice − ideal (V)",
}
"""Facts of a run that are results, and what tables call them."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs side by side.

    Attributes:
        names: a short name for each run: its folder, as far as the runs differ there.
        facts: of each run.
        configuration: a row for each dotted key whose values differ, a column for each run; None where it is not set.
        results: a row for each figure, a column for each run.
        curves: a row for each run and epoch, with the columns of metrics.csv.
        tests: each run but the first against the first, by the name of the other one.
        predictions: a row for each test sample: what is right, and the answer of each run; None without a test.
        refused: why there is no paired test of some runs, by name.
    """

    names: tuple[str, ...]
    facts: tuple[RunFacts, ...]
    configuration: pd.DataFrame
    results: pd.DataFrame
    curves: pd.DataFrame
    tests: dict[str, Paired]
    predictions: pd.DataFrame | None
    refused: dict[str, str]

    def sentences(self) -> list[str]:
        """Return what the paired tests say, and why some are missing."""
        said = [test.words(self.names[0], name) for name, test in self.tests.items()]
        said += [f"{self.names[0]} and {name}: no paired test: {why}" for name, why in self.refused.items()]
        if len(self.tests) > 1:
            said.append(
                f"The p-values are those of {len(self.tests)} single tests, not corrected for their number."
            )
        return said


def compare_runs(*folders: Path | str, engine: str | None = None, seed: int = 0) -> Comparison:
    """Hold runs against the first one.

    Args:
        *folders: run directories, two or more.
        engine: "ngspice" or "ideal" for the predictions; that of each run by default.
        seed: of the bootstrap.

    Raises:
        ConfigError: fewer than two runs, or one of them twice.
        CheckpointError: one is no run directory, or damaged.
    """
    import pandas as pd

    paths = [Path(folder) for folder in folders]
    if len(paths) < 2:
        raise ConfigError(f"expected two runs or more to compare, got {len(paths)}")
    if len({path.resolve() for path in paths}) < len(paths):
        raise ConfigError("expected different runs to compare, got one of them twice")
    names = short_names(paths)
    opened = [open_run(path) for path in paths]
    facts = tuple(run_facts(path) for path in paths)
    tests, answers, refused = _paired(names, opened, engine, seed)
    rows = {word: [getattr(fact, key) for fact in facts] for key, word in RESULTS.items()}
    rows["trained values"] = [sum(value.size for value in run.parameters.values()) for run in opened]
    return Comparison(
        names,
        facts,
        _configuration(names, opened),
        pd.DataFrame.from_dict(rows, orient="index", columns=list(names), dtype=object).rename_axis("figure"),
        pd.concat([progress_of(path)[0].assign(run=name) for name, path in zip(names, paths, strict=True)]),
        tests,
        answers,
        refused,
    )


def short_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return a name for each folder: what is left of the paths without the folders that they share."""
    whole = [path.absolute() for path in paths]
    common = Path(os.path.commonpath([path.parent for path in whole]))
    return tuple(one_line(path.relative_to(common)) for path in whole)


def progress_of(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the metrics of a run as its checkpoint has them, a row for each epoch, and its audits.

    Raises:
        CheckpointError: it is damaged.
    """
    progress = checkpoint.read_json(folder)
    path = folder / checkpoint.JSON_NAME
    check_progress(path, progress)
    return (
        _numbers(path, progress["metrics"], ("epoch", "train_loss", "failed")),
        _numbers(path, progress["audits"], ("step", "max_dv", "cosine")),
    )


def _numbers(path: Path, rows: list[dict[str, Any]], needed: tuple[str, ...]) -> pd.DataFrame:
    """Return rows as a table of numbers; what should be one and is not is missing."""
    import pandas as pd

    table = pd.DataFrame(rows)
    if missing := set(needed) - set(table if rows else needed):
        raise CheckpointError(f"{path} is damaged: its tables have no {', '.join(sorted(missing))}")
    for name in set(table) - {"no_gradient"}:
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def _configuration(names: Sequence[str], opened: Sequence[Opened]) -> pd.DataFrame:
    import pandas as pd

    tables = [flatten(decisive(run.experiment)) for run in opened]
    keys = sorted(set().union(*tables))
    rows = {key: [table.get(key) for table in tables] for key in keys}
    differing = {key: row for key, row in rows.items() if any(value != row[0] for value in row)}
    return pd.DataFrame.from_dict(differing, orient="index", columns=list(names), dtype=object).rename_axis(
        "key"
    )


def _paired(
    names: Sequence[str], opened: Sequence[Opened], engine: str | None, seed: int
) -> tuple[dict[str, Paired], pd.DataFrame | None, dict[str, str]]:
    """Return the paired tests, the answers that they are made of, and why some are missing."""
    import pandas as pd

    try:
        part, outputs = _answers(opened[0], engine)
    except EqcircError as error:
        why = f"{names[0]}: {one_line(error, 400)}"
        return {}, None, dict.fromkeys(names[1:], why)
    tests: dict[str, Paired] = {}
    refused: dict[str, str] = {}
    truth = {"target": part.labels} if part.labels is not None else _columns("target", part.targets)
    table: dict[str, Any] = dict(truth) | _meant(names[0], part, outputs)
    for name, other in zip(names[1:], opened[1:], strict=True):
        try:
            theirs, found = _answers(other, engine)
            if why := _apart(part, theirs):
                raise DataError(why)
            tests[name] = _test(part, outputs, found, seed)
        except EqcircError as error:
            refused[name] = one_line(error, 400)
        else:
            table |= _meant(name, part, found)
    return tests, (pd.DataFrame(table).rename_axis("sample") if tests else None), refused


def _answers(opened: Opened, engine: str | None) -> tuple[Dataset, np.ndarray]:
    """Return the raw test part, and the outputs of the run for it; of classes, what is largest for the answer."""
    data_record.check_data(opened.path, opened.experiment)
    raw = raw_data(opened.experiment).test
    inputs = opened.scaler.apply(raw.inputs)
    with build_solver(opened.experiment, opened.circuit, engine) as solver:
        outputs = outputs_of(solver, opened.parameters, inputs, opened.window)[0]
    return raw, outputs if raw.labels is None else build_cost(opened.experiment).preference(outputs)


def _apart(one: Dataset, other: Dataset) -> str:
    """Say why two test parts are not the same samples; "" if they are."""
    advice = "train both on the same data with the same seed, data.test and data.limit"
    if (one.labels is None) != (other.labels is None):
        return "the one tells classes, the other predicts values"
    if one.inputs.shape != other.inputs.shape:
        return (
            f"the test parts differ: {one.n_samples} samples of {one.n_features} features, and {other.n_samples} of "
            f"{other.n_features}; {advice}"
        )
    answers = (one.labels, other.labels) if one.labels is not None else (one.targets, other.targets)
    if not np.array_equal(one.inputs, other.inputs) or not np.array_equal(*answers):
        return f"the test parts differ: other samples, or other answers to them; {advice}"
    return ""


def _test(part: Dataset, first: np.ndarray, second: np.ndarray, seed: int) -> Paired:
    if part.labels is not None:  # a sample without an operating point is a wrong answer
        return mcnemar(*(_winner(outputs) == part.labels for outputs in (first, second)))
    assert part.targets is not None
    both = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    if not both.any():
        raise DataError("no sample has an operating point in both runs")
    one, two = (((outputs - part.targets)[both] ** 2).mean(axis=1) for outputs in (first, second))
    return paired_errors(one, two, seed)


def _winner(outputs: np.ndarray) -> np.ndarray:
    good = np.isfinite(outputs).all(axis=1)
    return np.where(good, np.nan_to_num(outputs).argmax(axis=1), -1)


def _meant(name: str, part: Dataset, outputs: np.ndarray) -> dict[str, Any]:
    return {name: _winner(outputs)} if part.labels is not None else _columns(name, outputs)


def _columns(name: str, values: np.ndarray | None) -> dict[str, Any]:
    assert values is not None
    return {f"{name} {k}": column for k, column in enumerate(values.T)}


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values."""
    by_run = {
        "configuration": comparison.configuration.to_dict("index"),
        "results": comparison.results.to_dict("index"),
    }
    return {
        "runs": [asdict(fact) for fact in comparison.facts],
        "names": list(comparison.names),
        **by_run,
        "tests": {name: asdict(test) for name, test in comparison.tests.items()},
        "refused": comparison.refused,
    }
