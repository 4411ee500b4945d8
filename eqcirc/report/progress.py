"""A progress bar for training runs, on standard error."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eqcirc.learning.trainer import RETRIED_BY, Trainer
from eqcirc.text import counted


class ProgressBar:
    """Shows epoch, loss, accuracy and samples/s while a trainer runs, and leaves a line for each epoch.

        trainer.run(ProgressBar())

    It begins with the first batch and ends with the last one. As a context manager it is removed, too, when something
    goes wrong on the way.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        """Prepare the bar; `quiet` shows nothing."""
        self._quiet = quiet
        self._console = Console(stderr=True, soft_wrap=True)
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[news]}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=quiet or not self._console.is_terminal,
        )
        self._task: Any = None
        self._began, self._samples = time.perf_counter(), 0
        self._started, self._first = self._began, 0

    def begin(self, trainer: Trainer) -> None:
        """Show where a trainer is, before its first batch is done."""
        self._progress.start()
        self._began, self._samples = time.perf_counter(), 0
        self._started, self._first = self._began, trainer.step
        self._task = self._progress.add_task(
            "",
            total=trainer.steps,
            completed=trainer.step,
            epoch=trainer.state.epoch + 1,
            epochs=trainer.plan.epochs,
            news="",
        )

    def end(self) -> None:
        """Remove the bar."""
        self._progress.stop()
        self._task = None

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """Move the bar."""
        if self._task is None:
            self.begin(trainer)
        self._samples += samples
        state, sums = trainer.state, trainer.state.sums
        good = max(1.0, sums["seen"] - sums["failed"])
        news = f"loss {sums['loss'] / good:.4g}  {self._rate():.0f} samples/s"
        if trainer.data.train.labels is not None:
            news = f"accuracy {sums['right'] / max(1.0, sums['seen']):.1%}  {news}"
        news += f"  epoch: {self._left(trainer, trainer.n_batches - state.batch)} left, run:"
        self._progress.update(self._task, completed=trainer.step, epoch=state.epoch + 1, news=news)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Print the epoch's line."""
        if not self._quiet:
            width = len(str(trainer.plan.epochs))
            more = trainer.plan.epochs - row["epoch"]
            left = ""
            if more > 0 and not self._console.is_terminal:  # where there is one, the bar says it
                left = f"{self._left(trainer, more * trainer.n_batches)} left  "
            line = f"epoch {row['epoch']:>{width}}  {epoch_news(row)}  {left}{self._rate():.0f} samples/s"
            self._console.print(line, highlight=False)
        self._began, self._samples = time.perf_counter(), 0
        if row["epoch"] >= trainer.plan.epochs:
            self.end()

    def _left(self, trainer: Trainer, batches: int) -> str:
        """Return the time that so many batches take, as those since the beginning did."""
        done = max(trainer.step - self._first, 1)
        return duration((time.perf_counter() - self._started) * batches / done)

    def _rate(self) -> float:
        """Return samples/s of the present epoch."""
        return self._samples / max(time.perf_counter() - self._began, 1e-9)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self.end()


def duration(seconds: float) -> str:
    """Return a time in words: 42 s, 5 min, 2.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def epoch_news(row: dict[str, Any]) -> str:
    """Return what an epoch's row of the metrics says, in short."""
    parts = [f"loss {row['train_loss']:<9.4g}"]
    if not math.isnan(row["train_accuracy"]):
        parts.append(f"train {row['train_accuracy']:7.2%}")
        if "validation_accuracy" in row and not math.isnan(row["validation_accuracy"]):
            parts.append(f"validation {row['validation_accuracy']:7.2%}")
    elif "validation_loss" in row and not math.isnan(row["validation_loss"]):
        parts.append(f"validation loss {row['validation_loss']:<9.4g}")
    if math.isnan(row.get("validation_loss", 0.0)):
        parts.append("validation not measured")
    if row["failed"]:
        parts.append(f"{row['failed']} samples failed")
    rungs = {key.removeprefix(RETRIED_BY): row[key] for key in row if key.startswith(RETRIED_BY)}
    parts += retries(rungs)
    return "  ".join(parts)


def retries(rungs: Mapping[str, int]) -> list[str]:
    """Return a phrase for each rung of the ladder of retries that solved so many samples."""
    return [f"{counted(won, 'sample')} needed {rung}" for rung, won in rungs.items()]
