"""Metrics for TensorBoard, written while a circuit is trained; `tensorboard --logdir FOLDER` shows them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eqcirc.errors import ConfigError

if TYPE_CHECKING:
    from eqcirc.learning.trainer import Trainer


class TensorBoard:
    """An observer that writes every number of the metrics, epoch by epoch; and loss and accuracy batch by batch.

    trainer.run(TensorBoard("logs/mine"))
    """

    def __init__(self, folder: Path | str) -> None:
        """Open an event file in a folder.

        Raises:
            ConfigError: tensorboardX is not installed, or the folder cannot be written.
        """
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ConfigError(
                "TensorBoard files need tensorboardX: pip install 'eqcirc[tensorboard]'"
            ) from error
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._writer: Any = SummaryWriter(str(folder))
        except OSError as error:
            raise ConfigError(f"cannot write {folder}: {error.strerror}") from error

    def on_batch(self, trainer: Trainer, samples: int) -> None:
        """Write what the epoch has come to so far."""
        del samples
        sums = trainer.state.sums
        good = max(1.0, sums["seen"] - sums["failed"])
        self._write("epoch_so_far/loss", sums["loss"] / good, trainer.step)
        if trainer.data.train.labels is not None:
            self._write("epoch_so_far/accuracy", sums["right"] / max(1.0, sums["seen"]), trainer.step)

    def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        """Write the line of the metrics."""
        del trainer
        for name, value in row.items():
            if name != "epoch" and isinstance(value, int | float):
                part, _, what = name.partition("_")
                known = part in ("train", "validation")
                self._write(f"{what}/{part}" if known else f"run/{name}", value, row["epoch"])
        self._writer.flush()

    def _write(self, name: str, value: float, at: int) -> None:
        if math.isfinite(value):
            self._writer.add_scalar(name, value, at)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()
