"""Pictures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from eqcirc.learning.evaluate import Score
from eqcirc.report.picture import save_picture
from eqcirc.report.style import BLUE, PARTS
from eqcirc.text import quantity
from eqcirc.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_figure(
    path: Path | str | BinaryIO | None,
    metrics: list[dict[str, Any]],
    pairs: tuple[Array, Array] | None = None,
    *,
    test: Score | None = None,
    title: str = "",
    cost_unit: str = "V",
) -> Figure:
    """Draw the learning curves and, if given, the score on the test part and SPICE against ideal voltages.

    Args:
        path: file to write, .png, .pdf or .svg (PNG for an open file); None for none.
        metrics: rows of the run; those of a regression have no accuracy (NaN), and then no such panel is drawn.
        pairs: node voltages (sample, free node) by ngspice and by the ideal solver.
        test: score of the trained circuit on the test part, marked at the last epoch.
        title: of the picture.
        cost_unit: unit of the loss.

    Returns:
        The figure, with its panels as axes.

    Raises:
        ConfigError: there is no such format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    error = {part: [100 * (1 - a) for a in values] for part, values in _series(metrics, "accuracy").items()}
    panels = bool(error) + 1 + (pairs is not None)
    figure = Figure(figsize=(4.2 * panels, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes: list[Axes] = list(figure.subplots(1, panels, squeeze=False)[0])
    if error:
        _curves(axes[0], error, "error (%)")
        _mark_test(axes[0], metrics, np.nan if test is None else 100 * (1 - test.accuracy), "{:.1f} %")
    loss = _series(metrics, "loss")
    at = axes[bool(error)]
    _curves(at, loss, f"cost ({cost_unit})")
    _mark_test(at, metrics, np.nan if test is None else test.loss, quantity("{:.2g}", cost_unit))
    if any(value > 0 for values in loss.values() for value in values):
        at.set_yscale("log")
    if pairs is not None:
        agreement(axes[-1], *pairs)
    figure.suptitle(title, fontsize=11, parse_math=False)
    if path is not None:
        save_picture(figure, path)
    return figure


def _series(metrics: list[dict[str, Any]], key: str) -> dict[str, list[float]]:
    """Return what the epochs say of training and validation part, where they say anything."""
    parts = ("train", "validation")
    series = {part: [float(row.get(f"{part}_{key}", np.nan)) for row in metrics] for part in parts}
    return {part: values for part, values in series.items() if np.isfinite(values).any()}


def _curves(axis: Axes, series: dict[str, list[float]], label: str) -> None:
    from matplotlib.ticker import MaxNLocator

    for part, values in series.items():
        epochs = range(1, len(values) + 1)
        axis.plot(epochs, values, color=PARTS[part], label=part, marker="o", markersize=2.5, lw=1.4)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    axis.set_xlabel("epoch")
    axis.set_ylabel(label)
    axis.grid(alpha=0.25)
    if series:
        axis.legend(frameon=False)


def _mark_test(axis: Axes, metrics: list[dict[str, Any]], value: float, form: str) -> None:
    """Mark what the trained circuit does on the test part, if that is known."""
    if metrics and np.isfinite(value):
        label = f"test, trained circuit: {form.format(value)}"
        axis.plot(len(metrics), value, "*", color=PARTS["test"], markersize=10, label=label)
        axis.legend(frameon=False)


def agreement(axis: Axes, spice: Array, ideal: Array) -> None:
    """Draw ideal minus SPICE over the SPICE voltage, one point for each node and sample."""
    difference = np.abs(ideal - spice).ravel()
    floor = 1e-17  # V, where equal doubles are drawn
    axis.scatter(spice.ravel(), np.maximum(difference, floor), s=2, alpha=0.3, color=BLUE, rasterized=True)
    axis.set_yscale("log")
    axis.set_ylim(floor / 2, max(1e-6, 10 * difference.max()))
    axis.axhline(1e-9, color="0.4", lw=1, ls="--")
    axis.text(0.02, 1.3e-9, "1 nV", transform=axis.get_yaxis_transform(), color="0.3", fontsize=8)
    axis.set_xlabel("node voltage by ngspice (V)")
    axis.set_ylabel("|ideal − ngspice| (V)")
    axis.set_title(f"largest difference {difference.max():.1e} V", fontsize=9)
    axis.grid(alpha=0.25)
