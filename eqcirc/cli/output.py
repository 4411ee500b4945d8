"""What commands print: JSON, pairs, tables, a progress bar. Text goes to stdout, progress to stderr."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import typer

from eqcirc.cli.stopping import Patience
from eqcirc.files import check_writable, write_output
from eqcirc.learning.trainer import Trainer
from eqcirc.report.progress import ProgressBar as Bar
from eqcirc.text import lines, quantity


def write_text(path: Path, text: str) -> None:
    """Write a file, all or nothing.

    Raises:
        ConfigError: it cannot be written.
    """
    check_writable(path)
    write_output(path, text.encode())


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
    pairs["cost"] = f"{quantity(f'{loss:.6g}', unit)}, mean of {samples - failed} samples"
    if failed:
        pairs["failed"] = f"{failed} of {samples} samples have no operating point"
    return pairs


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


class ProgressBar(Bar):
    """The bar of the command line: it is there before the first batch, and says what it waits for if none comes."""

    def __init__(self, trainer: Trainer, *, quiet: bool = False) -> None:
        """Prepare the bar; `quiet` shows nothing."""
        super().__init__(quiet=quiet)
        self._trainer = trainer
        self._patience = Patience(self._waiting_for)

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """Move the bar."""
        self._patience.start_again()
        super().on_batch(trainer, samples)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Print the epoch's line."""
        self._patience.start_again()
        super().on_epoch(trainer, row)

    def _waiting_for(self) -> str:
        trainer, state = self._trainer, self._trainer.state
        what = f"batch {state.batch + 1} of {trainer.n_batches}"
        if state.batch == trainer.n_batches:
            what = "the validation part"
        return (
            f"{what} in epoch {state.epoch + 1}, solved by {trainer.solver.name}; a unit mistake can make it endless "
            "(Ctrl-C twice stops at once)"
        )

    def __enter__(self) -> Self:
        """Show the bar."""
        self._patience.start()
        self.begin(self._trainer)
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the bar."""
        super().__exit__(*error)
        self._patience.stop()
