"""What runs there are, how far they have come, and what they scored; without building or solving anything.

A run directory may come from somebody else, so what its files say is checked before it is shown. One that cannot be
read is listed, too, with the reason.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eqcirc.errors import CheckpointError, ConfigError, EqcircError
from eqcirc.experiment.directory import LOCK, RunDirectory
from eqcirc.experiment.progress import check_progress
from eqcirc.experiment.schema import Experiment
from eqcirc.learning import checkpoint
from eqcirc.text import one_line

if TYPE_CHECKING:
    import pandas as pd

State = Literal["running", "finished", "finished early", "not scored", "unfinished", "damaged"]

_Text = Annotated[str, Field(max_length=1000)]


class Summary(BaseModel):
    """What summary.json says; older versions said less."""

    model_config = ConfigDict(extra="ignore")

    engine: _Text = ""
    rule: _Text = ""
    rule_is_exact: bool = True
    rule_why: _Text = ""
    test_accuracy: float | None = None
    test_loss: float | None = None
    test_failed: int = 0
    test_samples: int = 0
    epochs: int = 0
    steps: int = 0
    ended: _Text = ""
    max_dv: float | None = None
    audit_worst_dv: float | None = None
    audit_worst_cosine: float | None = None
    audit_worst_bias: float | None = None


@dataclass(frozen=True)
class RunFacts:
    """A run in one row.

    Attributes:
        run: its folder.
        name: of the experiment.
        data: that it learns.
        state: "running" (a process trains in it), "unfinished", "not scored" (trained to the end), "finished",
            "finished early", or "damaged".
        detail: why it ended, how to go on, or what is damaged.
        epoch: epochs that are done.
        epochs: that there are to be.
        rule: learning rule.
        exact: whether its updates are the gradient.
        engine: that solved it.
        seed: of the experiment.
        test_accuracy: share of right answers in the test part, 0 to 1; None for a regression, or without a score.
        test_loss: mean cost of the test part, in the unit of the cost; None without a score.
        test_samples: that were scored.
        test_failed: of these, without an operating point.
        max_dv: largest difference between ngspice and the ideal solver at the end, in volts; None if not compared.
        changed: time of the last checkpoint, ISO 8601.
    """

    run: str
    name: str = ""
    data: str = ""
    state: State = "damaged"
    detail: str = ""
    epoch: int | None = None
    epochs: int | None = None
    rule: str = ""
    exact: bool = True
    engine: str = ""
    seed: int | None = None
    test_accuracy: float | None = None
    test_loss: float | None = None
    test_samples: int | None = None
    test_failed: int | None = None
    max_dv: float | None = None
    changed: str = ""


def find_runs(folder: Path | str) -> list[Path]:
    """Return the run directories in a folder and below it, or the folder itself if it is one; links are not followed.

    Raises:
        ConfigError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ConfigError(f"expected a folder with runs, got {folder}; 'eqcirc train' makes runs in runs/")
    found: list[Path] = []
    for place, below, files in os.walk(folder):
        if {"config.toml", "run.json"} <= set(files):
            found.append(Path(place))
            below.clear()
        below[:] = sorted(name for name in below if not name.startswith("."))
    return found


def runs_frame(folder: Path | str = "runs") -> pd.DataFrame:
    """Return a table of the runs in a folder and below it, with the columns of `RunFacts`.

    Raises:
        ConfigError: there is no such folder.
    """
    import pandas as pd

    rows = [asdict(run_facts(path)) for path in find_runs(folder)]
    return pd.DataFrame(rows, columns=list(RunFacts.__dataclass_fields__))


def run_facts(path: Path) -> RunFacts:
    """Return what a run says of itself; never raises an `EqcircError`, for one damaged run must not hide the others."""
    try:
        return _facts(path)
    except (EqcircError, OSError) as error:
        return RunFacts(str(path), detail=one_line(error))


def read_summary(folder: Path, epoch: int | None = None) -> Summary | None:
    """Return the scores of a run; None if it has none, or only some of an earlier epoch.

    Args:
        folder: of the run.
        epoch: epochs that are done, by its checkpoint; None takes any.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = folder / "summary.json"
    try:
        summary = Summary.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        first = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise CheckpointError(
            f"{path} is damaged ({first}); write it anew with 'eqcirc finish {folder}'"
        ) from error
    return summary if epoch is None or summary.epochs == epoch else None


def _facts(path: Path) -> RunFacts:
    experiment = RunDirectory(path).config()
    progress = checkpoint.read_json(path)
    check_progress(path / checkpoint.JSON_NAME, progress)
    epoch, summary = int(progress["epoch"]), read_summary(path, progress["epoch"])
    state, detail = _state(path, experiment, epoch, str(progress.get("ended", "")), summary)
    rule = summary.rule if summary and summary.rule else experiment.learning.rule
    changed = datetime.fromtimestamp((path / checkpoint.JSON_NAME).stat().st_mtime, UTC)
    score = summary or Summary()
    return RunFacts(
        str(path),
        experiment.name,
        experiment.data.name if experiment.data.path is None else experiment.data.path.name,
        state,
        one_line(detail),
        epoch,
        experiment.learning.epochs,
        one_line(rule),
        score.rule_is_exact,
        experiment.solver.engine,
        experiment.seed,
        score.test_accuracy,
        score.test_loss,
        score.test_samples if summary else None,
        score.test_failed if summary else None,
        score.max_dv,
        changed.isoformat(timespec="seconds"),
    )


def _state(
    path: Path, experiment: Experiment, epoch: int, ended: str, summary: Summary | None
) -> tuple[State, str]:
    """Return the state of a run, and what to say of it."""
    if _is_locked(path / LOCK):
        return "running", ""
    done = bool(ended) or epoch >= experiment.learning.epochs
    if summary is None:
        return ("not scored", "eqcirc finish scores it") if done else ("unfinished", "eqcirc resume goes on")
    return ("finished" if done else "finished early"), ended or summary.ended


def _is_locked(path: Path) -> bool:
    """Whether a process of this machine holds a lock on a file; not asked by locking it, which could be in the way."""
    try:
        inode = path.lstat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    return any(f":{inode} " in line and "FLOCK" in line for line in held.splitlines())
