"""Train on tables from scikit-learn with experiments that `eqcirc init` wrote, untouched, against logistic regression.

    OPENBLAS_NUM_THREADS=1 python scripts/train_tables.py

Iris, wine, breast cancer, digits and moons are written as CSV files with named classes. For each, `eqcirc init` is
given the file and its label, `eqcirc train` the experiment that it wrote. The rival is scikit-learn's logistic
regression on the same parts, scaled alike. Every line on standard error that is a warning is recorded.

Writes results/train_tables.json. Some ten minutes on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import Report
from sklearn import datasets
from sklearn.linear_model import LogisticRegression

from eqcirc import open_run

TABLES = ("iris", "wine", "breast_cancer", "digits", "moons")


def table(name: str) -> pd.DataFrame:
    """Return a table with the column `kind`."""
    if name == "moons":
        points, kinds = datasets.make_moons(400, noise=0.2, random_state=0)
        return pd.DataFrame(
            {"x": points[:, 0], "y": points[:, 1], "kind": np.array(["upper", "lower"])[kinds]}
        )
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    names = np.asarray(bunch.target_names).astype(str)
    frame: pd.DataFrame = bunch.data.assign(kind=names[bunch.target])
    return frame


def trained(name: str, folder: Path) -> dict[str, Any]:
    """Train on a table; return scores."""
    table(name).to_csv(folder / f"{name}.csv", index=False)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    said: list[str] = []
    for words in (
        ["init", f"{name}.toml", "--data", f"{name}.csv", "--label", "kind"],
        ["train", f"{name}.toml", "--out", name, "--json"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "eqcirc", *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        said += [line for line in done.stderr.splitlines() if "warning" in line.lower()]
    run = open_run(folder / name)
    train, test = run.part("train"), run.part("test")
    assert train.labels is not None
    assert test.labels is not None
    rival = LogisticRegression(max_iter=5000).fit(train.inputs, train.labels)
    accuracy = json.loads(done.stdout)["test_accuracy"]
    return {
        "table": name,
        "accuracy": accuracy,
        "logistic regression": float(rival.score(test.inputs, test.labels)),
        "samples": [train.n_samples, test.n_samples],
        "warnings": said,
    }


def main() -> None:
    """Train on all tables."""
    report = Report(__file__)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in TABLES:
            rows.append(row := trained(name, Path(folder)))
            print(row, flush=True)
            ratio = row["accuracy"] / row["logistic regression"]
            report.claim(f"{name}: accuracy over that of logistic regression", ratio, ">= 0.9")
    report.claim("warnings while these were trained", sum(len(row["warnings"]) for row in rows), "<= 0")
    report.content["tables"] = rows
    report.write()


if __name__ == "__main__":
    main()
