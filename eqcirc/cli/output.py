"""What commands print: JSON, pairs, tables, a progress bar. Text goes to stdout, progress to stderr."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from eqcirc.cli.stopping import Patience
from eqcirc.errors import ConfigError
from eqcirc.learning.trainer import RETRIED_BY, Trainer
from eqcirc.text import lines


def write_text(path: Path, text: str) -> None:
    """Write a file.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"cannot write {path}: there is no folder {path.parent}; make it first") from error
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object; NaN and infinity become null."""
    typer.echo(json.dumps(_plain(content), indent=1, allow_nan=False))


def print_pairs(pairs: dict[str, str]) -> None:
    """Print one `name  value` line for each entry."""
    width = max(len(name) for name in pairs)
    for name, value in pairs.items():
        typer.echo(f"{name:<{width}}  {lines(value)}")


def score_pairs(accuracy: float, loss: float, failed: int, samples: int, unit: str) -> dict[str, str]:
    """Return a score as pairs for `print_pairs`; a regression has no accuracy."""
    pairs = {} if math.isnan(accuracy) else {"accuracy": f"{accuracy:.2%} of {samples} samples"}
    pairs["cost"] = f"{loss:.6g} {unit}, mean of {samples - failed} samples"
    if failed:
        pairs["failed"] = f"{failed} of {samples} samples have no operating point"
    return pairs


def retries(rungs: Mapping[str, int]) -> list[str]:
    """Return a phrase for each rung of the ladder of retries that solved so many samples."""
    return [f"{counted(won, 'sample')} needed {rung}" for rung, won in rungs.items()]


def counted(number: int, what: str) -> str:
    """Return a number of things in words: 1 step, 2 steps."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, numbers right-aligned; nothing is cut off, however narrow the terminal."""
    cells = [list(columns), *([_shown(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [bool(rows) and isinstance(value, int | float) for value in (rows or [columns])[0]]
    for k, line in enumerate(cells):
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        typer.secho("  ".join(padded).rstrip(), bold=k == 0)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else lines(value)


def _plain(value: Any) -> Any:
    """Return what JSON knows."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class ProgressBar:
    """Shows epoch, loss, accuracy and samples/s while a trainer runs, and a line for each epoch."""

    def __init__(self, trainer: Trainer, *, quiet: bool = False) -> None:
        """Prepare the bar; `quiet` shows nothing."""
        self._trainer, self._quiet = trainer, quiet
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
        self._began, self._samples = time.perf_counter(), 0
        self._patience = Patience(self._waiting_for)

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """Move the bar."""
        self._patience.start_again()
        self._samples += samples
        state, sums = trainer.state, trainer.state.sums
        good = max(1.0, sums["seen"] - sums["failed"])
        news = f"loss {sums['loss'] / good:.4g}  {self._rate():.0f} samples/s"
        if trainer.data.train.labels is not None:
            news = f"accuracy {sums['right'] / max(1.0, sums['seen']):.1%}  {news}"
        self._progress.update(self._task, completed=trainer.step, epoch=state.epoch + 1, news=news)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Print the epoch's line."""
        self._patience.start_again()
        if not self._quiet:
            width = len(str(trainer.plan.epochs))
            line = f"epoch {row['epoch']:>{width}}  {_epoch_news(row)}  {self._rate():.0f} samples/s"
            self._console.print(line, highlight=False)
        self._began, self._samples = time.perf_counter(), 0

    def _waiting_for(self) -> str:
        trainer, state = self._trainer, self._trainer.state
        what = f"batch {state.batch + 1} of {trainer.n_batches}"
        if state.batch == trainer.n_batches:
            what = "the validation part"
        return (
            f"{what} in epoch {state.epoch + 1}, solved by {trainer.solver.name}; a unit mistake can make it endless "
            "(Ctrl-C twice stops at once)"
        )

    def _rate(self) -> float:
        """Return samples/s of the present epoch."""
        return self._samples / max(time.perf_counter() - self._began, 1e-9)

    def __enter__(self) -> ProgressBar:
        """Show the bar."""
        self._patience.start()
        trainer = self._trainer
        self._progress.start()
        self._task = self._progress.add_task(
            "",
            total=trainer.steps,
            completed=trainer.step,
            epoch=trainer.state.epoch + 1,
            epochs=trainer.plan.epochs,
            news="",
        )
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self._progress.stop()
        self._patience.stop()


def _epoch_news(row: dict[str, Any]) -> str:
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
