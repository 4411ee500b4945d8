from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import TINY, eqcirc, process
from tests.experiment.conftest import one_worker

__all__ = ["eqcirc", "one_worker", "process"]

STUDY = """
name = "tiny-study"
experiment = "tiny.toml"
chips = 3
arms = ["transfer", "in-situ", "fine-tuned"]
trained = 2
target = 0.5
ranking = true
[fine_tuning]
epochs = 2
rate = 0.5
[[corners]]
supply = 0.8
[[corners]]
celsius = 85.0
[reality]
seed = 3
[reality.window]
lowest = 1e-7
highest = 1e-5
bits = 3
[reality.mismatch]
sigma = 0.5
[reality.diodes]
sigma = 0.3
"""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and its experiment."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "tiny.toml").write_text(TINY.replace("every = 4", "every = 0"))
    (folder / "study.toml").write_text(STUDY)
    return folder
