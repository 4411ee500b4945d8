"""TensorBoard files say what the metrics say."""

from __future__ import annotations

import csv
import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

import eqcirc as eq
from eqcirc.learning.observer import Several
from eqcirc.report.tensorboard import TensorBoard
from tests.cli.conftest import TINY


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """All numbers of the event files, by name and step; a record is its length, a checksum, itself, a checksum."""
    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.glob("events.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
            at += 12 + length + 4
    return found


def test_every_epoch_and_batch_is_there(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    told: list[float] = []

    class Listens:
        def on_batch(self, trainer: eq.Trainer, samples: int) -> None:
            told.append(trainer.state.sums["loss"] / trainer.state.sums["seen"])

        def on_epoch(self, trainer: eq.Trainer, row: dict[str, object]) -> None:
            pass

    board = TensorBoard(tmp_path / "logs")
    with eq.Run.start(eq.load_experiment(tmp_path / "tiny.toml"), tmp_path / "run") as run:
        run.train(Several(board, Listens()))
    board.close()
    with (tmp_path / "run/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = scalars(tmp_path / "logs")
    for name, tag in (
        ("train_loss", "loss/train"),
        ("train_accuracy", "accuracy/train"),
        ("at_bounds", "run/at_bounds"),
    ):
        assert found[tag] == pytest.approx({int(row["epoch"]): float(row[name]) for row in rows}, rel=1e-6)
    assert list(found["epoch_so_far/loss"].values()) == pytest.approx(told, rel=1e-6)
    assert len(told) == 6  # two batches in each of three epochs
