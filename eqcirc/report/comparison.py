"""Several runs side by side, for people: tables as text, and learning curves over one another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from eqcirc.experiment.compare import Comparison
from eqcirc.report.picture import save_picture
from eqcirc.report.style import CYCLE, grid, new_figure, plain, styled, whole_epochs
from eqcirc.text import one_line

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def comparison_figure(path: Path | str | BinaryIO | None, comparison: Comparison) -> Figure:
    """Draw error and cost of every run over the epochs: training part dashed, validation part solid, test part a star.

    Args:
        path: file to write, .png, .pdf or .svg (PNG for an open file); None for none.
        comparison: the runs.

    Raises:
        ConfigError: there is no such format, or the file cannot be written.
    """
    curves = comparison.curves
    known = "train_accuracy" in curves and bool(np.isfinite(curves["train_accuracy"].astype(float)).any())
    with styled():
        figure = new_figure(3.6 * (1 + known) + 0.4, 3.6 + 0.17 * len(comparison.names))
        axes = figure.subplots(1, 1 + known, squeeze=False)[0]
        if known:
            _curves(axes[0], comparison, "accuracy", "error (%)")
        _curves(axes[-1], comparison, "loss", "cost (in the unit of each run's cost)")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left")
        figure.suptitle("dashed: training, solid: validation, star: test part", fontsize=9)
        if path is not None:
            save_picture(figure, path)
    return figure


def _curves(axis: Axes, comparison: Comparison, key: str, label: str) -> None:
    from matplotlib.lines import Line2D

    def drawn(values: np.ndarray) -> np.ndarray:
        return 100 * (1 - values) if key == "accuracy" else values

    positive = True
    for k, (name, fact) in enumerate(zip(comparison.names, comparison.facts, strict=True)):
        colour = CYCLE[k % len(CYCLE)]
        rows = comparison.curves[comparison.curves["run"] == name]
        for part, style in (("train", "--"), ("validation", "-")):
            if f"{part}_{key}" in rows:
                values = drawn(rows[f"{part}_{key}"].to_numpy(dtype=float))
                axis.plot(rows["epoch"], values, style, color=colour, lw=1.3)
                positive &= not (values <= 0).any()
        score = fact.test_accuracy if key == "accuracy" else fact.test_loss
        if score is not None and fact.epoch:
            at = float(drawn(np.array(score)))
            axis.plot(fact.epoch, at, "*", color=colour, ms=10, markeredgecolor="white", zorder=5)
            positive &= at > 0
        axis.add_line(Line2D([], [], color=colour, label=plain(name)))
    if positive and key == "loss":
        axis.set_yscale("log")
    whole_epochs(axis)
    axis.set_ylabel(label)
    grid(axis)


def cells(table: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the rows of a table of a comparison as text; what is not set is a dash."""

    def shown(key: str, value: Any) -> str:
        if value is None or value == "":
            return "–"
        if key == "test accuracy":
            return f"{value:.2%}"
        return f"{value:.6g}" if isinstance(value, float) else one_line(value)

    rows = zip(map(str, table.index), table.to_numpy(), strict=True)
    return [(one_line(key), *(shown(key, value) for value in row)) for key, row in rows]
