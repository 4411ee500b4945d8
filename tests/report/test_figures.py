from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread

from eqcirc.errors import ConfigError
from eqcirc.learning.evaluate import Score
from eqcirc.report.figures import learning_figure
from eqcirc.typing import Array


def rows(epochs: int, validation: bool = True, accuracy: bool = True) -> list[dict[str, Any]]:
    parts = ["train", "validation"] if validation else ["train"]
    return [
        {"epoch": k + 1}
        | {f"{p}_loss": 1 / (k + 1) for p in parts}
        | {f"{p}_accuracy": k / epochs if accuracy else math.nan for p in parts}
        for k in range(epochs)
    ]


def pairs() -> tuple[Array, Array]:
    spice = np.random.default_rng(0).normal(size=(5, 7))
    return spice, spice + 1e-12


def size(png: bytes) -> tuple[int, int]:
    """Width and height in pixels of a whole PNG file."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[-8:-4] == b"IEND"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def draw(*args: Any, **options: Any) -> tuple[int, int]:
    file = io.BytesIO()
    learning_figure(file, *args, **options)
    return size(file.getvalue())


def test_a_figure_is_a_picture_of_sensible_size(tmp_path: Path) -> None:
    path = tmp_path / "run.png"
    learning_figure(path, rows(20), pairs(), title="net: 3 free nodes", cost_unit="V²")
    width, height = size(path.read_bytes())
    assert 1200 < width < 2500
    assert 400 < height < 800
    assert 20_000 < path.stat().st_size < 500_000


def test_there_is_a_panel_for_each_thing_there_is_to_show() -> None:
    panel = draw(rows(3))[0] // 2
    assert draw(rows(3), pairs())[0] == pytest.approx(3 * panel, abs=2)
    assert draw(rows(3, validation=False))[0] == pytest.approx(2 * panel, abs=2)
    assert draw(rows(3, accuracy=False))[0] == pytest.approx(panel, abs=2)
    assert draw(rows(3, accuracy=False), pairs())[0] == pytest.approx(2 * panel, abs=2)


@pytest.mark.parametrize(
    ("metrics", "given", "panels"),
    [
        (rows(5), pairs(), 3),
        (rows(5), None, 2),
        (rows(5, accuracy=False), pairs(), 2),
        (rows(5, accuracy=False), None, 1),
    ],
)
def test_every_panel_shows_something(
    metrics: list[dict[str, Any]], given: tuple[Array, Array] | None, panels: int
) -> None:
    file = io.BytesIO()
    learning_figure(file, metrics, given)
    file.seek(0)
    picture = imread(file)[:, :, :3]
    coloured = picture.max(axis=2) - picture.min(axis=2) > 0.2  # axes, grid and text are grey
    for panel in np.array_split(coloured, panels, axis=1):
        assert panel.sum() > 50


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Axes]]:
    """Draw, and return the panels."""
    drawn: list[Axes] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.extend(figure.axes))

    def panels(*args: Any, **options: Any) -> list[Axes]:
        learning_figure(io.BytesIO(), *args, **options)
        return drawn

    return panels


def legend(axis: Axes) -> list[str]:
    found = axis.get_legend()
    return [text.get_text() for text in found.get_texts()] if found else []


@pytest.mark.parametrize("epochs", [1, 2, 5, 7, 30])
def test_epochs_are_counted_in_whole_numbers(axes: Callable[..., list[Axes]], epochs: int) -> None:
    for axis in axes(rows(epochs)):
        low, high = axis.get_xlim()
        shown = [tick for tick in axis.get_xticks() if low <= tick <= high]
        assert shown
        assert all(tick == round(tick) for tick in shown), shown


def test_the_score_on_the_test_part_is_marked_at_the_end(axes: Callable[..., list[Axes]]) -> None:
    error, cost = axes(rows(6), test=Score(0.0123, 0.972, 0, 40), cost_unit="V²")
    assert legend(error) == ["train", "validation", "test, trained circuit: 2.8 %"]
    assert legend(cost) == ["train", "validation", "test, trained circuit: 0.012 V²"]
    for axis, value in ((error, 2.8), (cost, 0.0123)):
        (x,), (y,) = axis.lines[-1].get_data()
        assert (x, y) == (6, pytest.approx(value))


def test_a_test_part_that_says_nothing_is_not_marked(axes: Callable[..., list[Axes]]) -> None:
    nothing = Score(math.nan, math.nan, 40, 40)
    assert [legend(axis) for axis in axes(rows(3), test=nothing)] == [["train", "validation"]] * 2


def test_a_regression_marks_the_cost_alone(axes: Callable[..., list[Axes]]) -> None:
    (cost,) = axes(rows(3, accuracy=False), test=Score(0.5, math.nan, 0, 40))
    assert legend(cost)[-1] == "test, trained circuit: 0.5 V"


@pytest.mark.parametrize(
    "metrics",
    [
        [],
        rows(1),
        [row | {"train_loss": 0.0, "validation_loss": 0.0} for row in rows(3)],
        [row | {"train_loss": math.nan} for row in rows(3, validation=False)],
        [row | {"validation_loss": math.nan} for row in rows(3)],
    ],
    ids=["no epoch", "one epoch", "no loss left", "nothing converged", "validation did not converge"],
)
def test_unusual_runs_are_drawn_too(metrics: list[dict[str, Any]]) -> None:
    draw(metrics, pairs(), test=Score(0.0, 1.0, 0, 40))


def test_solvers_that_agree_to_the_last_bit_are_drawn() -> None:
    draw(rows(2), (np.ones((2, 3)), np.ones((2, 3))))


def test_a_figure_is_returned_with_its_panels_and_need_not_be_written() -> None:
    figure = learning_figure(None, rows(4), pairs(), title="net")
    assert isinstance(figure, Figure)
    assert [axis.get_ylabel() for axis in figure.axes] == [
        "error (%)",
        "cost (V)",
        "|ideal − ngspice| (V)",
    ]
    assert len(figure.axes[0].lines) == 2


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.png", b"\x89PNG"), ("a.PDF", b"%PDF"), ("a.svg", b"<?xml"), ("a.b.png", b"\x89PNG")],
)
def test_a_picture_has_the_format_that_its_name_asks_for(tmp_path: Path, name: str, begins: bytes) -> None:
    for path in (tmp_path / name, str(tmp_path / name)):
        learning_figure(path, rows(3))
        assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["a", "a.doc", "a.png.txt"])
def test_a_name_of_no_picture_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.png"):
        learning_figure(tmp_path / name, rows(3))
    assert not list(tmp_path.iterdir())
