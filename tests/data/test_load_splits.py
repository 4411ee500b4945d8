from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.data import NAMES, Splits, load_splits, scale
from eqcirc.errors import ConfigError, DataError


def load(name: str, **changes: Any) -> Splits:
    arguments = {"path": None, "validation": 0.2, "test": 0.2, "seed": 0} | changes
    return load_splits(name, **arguments)


def sizes(splits: Splits) -> tuple[int, int, int]:
    validation = 0 if splits.validation is None else splits.validation.n_samples
    return splits.train.n_samples, validation, splits.test.n_samples


def test_xor_is_all_four_points_in_every_part() -> None:
    splits = load("xor")
    assert sizes(splits) == (4, 4, 4)
    assert splits.train is splits.test


def test_built_in_sets_are_cut_by_the_shares() -> None:
    assert sizes(load("moons", samples=50, noise=0.0)) == (30, 10, 10)
    assert sizes(load("iris", validation=0)) == (120, 0, 30)
    assert sizes(load("digits", test=0.1)) == (1258, 359, 180)


def test_moons_take_noise_and_seed() -> None:
    quiet, noisy = load("moons", noise=0.0).train.inputs, load("moons", noise=0.3).train.inputs
    assert np.ptp(noisy) > np.ptp(quiet)
    np.testing.assert_array_equal(noisy, load("moons", noise=0.3).train.inputs)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_image_sets_keep_their_official_test_part(mnist_folder: Callable[..., Path], name: str) -> None:
    folder = mnist_folder(n_train=40, n_test=20)
    splits = load(name, path=folder, validation=0.25)
    assert sizes(splits) == (30, 10, 20)
    assert splits.test.labels is not None
    assert splits.test.labels.tolist() == [*range(10), *range(10)]
    assert sizes(load(name, path=folder, validation=0)) == (40, 0, 20)


def test_files_of_the_user_are_cut_by_the_shares(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("a,class\n" + "1,0\n2,1\n" * 10)
    assert sizes(load("csv", path=table, label="class")) == (12, 4, 4)
    assert load("csv", path=table, targets=("class",)).train.n_classes == 0
    archive = tmp_path / "mine.npz"
    np.savez(archive, inputs=np.ones((10, 3)), targets=np.ones((10, 2)))
    assert load("npz", path=archive).train.n_outputs == 2


def test_names_of_classes_and_features_survive_all_that_is_done_to_data(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("id;a;b;kind\n" + "s1;1,5;2;frog\ns2;3;4;newt\n" * 10)
    splits, scaler = scale(load("csv", path=table, label="kind", drop=("id",), limit=4), "standard")
    assert splits.validation is not None
    for part in (splits.train, splits.validation, splits.test.take([0])):
        assert (part.names, part.classes) == (("a", "b"), ("frog", "newt"))
    assert scaler.names == ("a", "b")
    assert load("csv", path=table, label="kind", columns=("b",)).train.names == ("b",)
    assert load("iris").test.classes == ("setosa", "versicolor", "virginica")
    assert load("digits").train.classes[3] == "3"


def test_limit_cuts_the_training_part_alone_and_keeps_the_classes_balanced() -> None:
    whole, limited = load("iris"), load("iris", limit=30)
    assert sizes(limited) == (30, 30, 30)
    assert limited.train.labels is not None
    assert np.bincount(limited.train.labels).tolist() == [10, 10, 10]
    np.testing.assert_array_equal(limited.test.inputs, whole.test.inputs)
    assert sizes(load("iris", limit=10_000)) == sizes(whole)


@pytest.mark.parametrize("name", ["moons", "iris"])
def test_the_seed_decides_everything_random(name: str) -> None:
    first, again, other = (load(name, seed=seed, limit=20) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.train.inputs, again.train.inputs)
    assert (first.train.inputs != other.train.inputs).any()


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("minst", {}, "unknown data 'minst'; did you mean 'mnist'? Valid: csv, digits, fashion-mnist, iris,"),
        ("csv", {}, "path: expected the file to read for data 'csv', got nothing"),
        ("npz", {}, "path: expected the file to read for data 'npz', got nothing"),
        (
            "iris",
            {"path": Path("a.csv")},
            "path: data 'iris' is built in and reads no file, got a.csv; remove it",
        ),
        (
            "iris",
            {"targets": ("y",)},
            "targets: names columns of 'csv' data, got ('y',) for 'iris'; remove it",
        ),
        ("npz", {"drop": ("y",)}, "drop: names columns of 'csv' data, got ('y',) for 'npz'; remove it"),
        (
            "csv",
            {"columns": ("a",), "drop": ("b",)},
            "drop: all but the chosen columns are dropped already; name columns or drop, not both",
        ),
        ("iris", {"seed": -1}, "seed: expected at least 0, got -1"),
        ("iris", {"limit": 0}, "limit: expected at least 1 training sample, got 0"),
        ("iris", {"test": 0.9}, "validation + test: expected shares below 1 in sum, got 1.1"),
        ("moons", {"samples": 0}, "samples: expected at least 2 for two moons, got 0"),
    ],
)
def test_wrong_arguments_are_refused(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        load(name, **changes)


def test_a_folder_without_the_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"{tmp_path}: expected train-images-idx3-ubyte.gz")):
        load("mnist", path=tmp_path)


def test_every_name_is_known() -> None:
    assert len(NAMES) == 8


def test_importing_the_package_loads_no_slow_library() -> None:
    code = "import sys, eqcirc.data; print({'sklearn', 'pandas', 'pooch', 'scipy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
