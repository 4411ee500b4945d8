"""What commands print: JSON, pairs, tables, a progress bar. Text goes to stdout, progress to stderr."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from eqcirc.learning.trainer import Trainer


def print_json(content: dict[str, Any]) -> None:
    """Print one JSON object; NaN becomes null."""
    plain = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in content.items()}
    typer.echo(json.dumps(plain, indent=1))


def print_pairs(content: dict[str, Any]) -> None:
    """Print one `name  value` line for each entry."""
    width = max(len(name) for name in content)
    for name, value in content.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {_shown(value)}")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, numbers right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for k, column in enumerate(columns):
        numeric = bool(rows) and isinstance(rows[0][k], int | float)
        table.add_column(column, justify="right" if numeric else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(_shown(value) for value in row))
    Console(soft_wrap=True).print(table)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


class ProgressBar:
    """Shows epoch, loss, accuracy and samples/s while a trainer runs, and a line for each epoch."""

    def __init__(self, trainer: Trainer, *, quiet: bool = False) -> None:
        """Prepare the bar; `quiet` shows nothing."""
        self._trainer, self._quiet = trainer, quiet
        self._console = Console(stderr=True)
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

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """Move the bar."""
        self._samples += samples
        state, sums = trainer.state, trainer.state.sums
        good = max(1.0, sums["seen"] - sums["failed"])
        news = f"loss {sums['loss'] / good:.4g}  {self._rate():.0f} samples/s"
        if trainer.data.train.labels is not None:
            news = f"accuracy {sums['right'] / max(1.0, sums['seen']):.1%}  {news}"
        done = state.epoch * trainer.n_batches + state.batch
        self._progress.update(self._task, completed=done, epoch=state.epoch + 1, news=news)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Print the epoch's line."""
        if self._quiet:
            return
        parts = [f"epoch {row['epoch']:>3}", f"loss {row['train_loss']:.4g}"]
        if not math.isnan(row["train_accuracy"]):
            parts.append(f"train {row['train_accuracy']:.2%}")
            if "validation_accuracy" in row:
                parts.append(f"validation {row['validation_accuracy']:.2%}")
        elif "validation_loss" in row:
            parts.append(f"validation loss {row['validation_loss']:.4g}")
        if row["failed"]:
            parts.append(f"{row['failed']} samples failed")
        del trainer
        self._console.print("  ".join([*parts, f"{self._rate():.0f} samples/s"]), highlight=False)

    def _rate(self) -> float:
        return self._samples / max(time.perf_counter() - self._began, 1e-9)

    def __enter__(self) -> ProgressBar:
        """Show the bar."""
        plan, state = self._trainer.plan, self._trainer.state
        total = plan.epochs * self._trainer.n_batches
        done = state.epoch * self._trainer.n_batches + state.batch
        self._progress.start()
        self._task = self._progress.add_task(
            "", total=total, completed=done, epoch=state.epoch + 1, epochs=plan.epochs, news=""
        )
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        self._progress.stop()
