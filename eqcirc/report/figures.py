"""Pictures of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eqcirc.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAIN, VALIDATION, POINTS = "#1f6feb", "#d1242f", "#1f6feb"


def learning_figure(
    path: Path | str,
    metrics: list[dict[str, Any]],
    pairs: tuple[Array, Array] | None = None,
    *,
    title: str = "",
    cost_unit: str = "V",
) -> None:
    """Draw the learning curve and, if given, SPICE against ideal voltages.

    Args:
        path: PNG file to write.
        metrics: rows of the run.
        pairs: node voltages (sample, free node) by ngspice and by the ideal solver.
        title: of the picture.
        cost_unit: unit of the loss.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = 2 if pairs is None else 3
    figure = Figure(figsize=(4.2 * panels, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    axes: list[Axes] = list(figure.subplots(1, panels))
    epochs = [row["epoch"] for row in metrics]
    _curve(axes[0], epochs, metrics, "accuracy", "error (%)", lambda a: 100 * (1 - a))
    _curve(axes[1], epochs, metrics, "loss", f"cost ({cost_unit})", lambda a: a)
    axes[1].set_yscale("log")
    if pairs is not None:
        agreement(axes[2], *pairs)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=130)


def _curve(
    axis: Axes, epochs: list[int], metrics: list[dict[str, Any]], key: str, label: str, change: Any
) -> None:
    for part, colour in (("train", TRAIN), ("validation", VALIDATION)):
        values = [change(row[f"{part}_{key}"]) for row in metrics if f"{part}_{key}" in row]
        if values and np.isfinite(values).any():
            axis.plot(
                epochs[: len(values)], values, color=colour, label=part, marker="o", markersize=2.5, lw=1.4
            )
    axis.set_xlabel("epoch")
    axis.set_ylabel(label)
    axis.grid(alpha=0.25)
    if axis.lines:
        axis.legend(frameon=False)


def agreement(axis: Axes, spice: Array, ideal: Array) -> None:
    """Draw ideal minus SPICE over the SPICE voltage, one point for each node and sample."""
    difference = np.abs(ideal - spice).ravel()
    floor = 1e-17  # V, where equal doubles are drawn
    axis.scatter(spice.ravel(), np.maximum(difference, floor), s=2, alpha=0.3, color=POINTS, rasterized=True)
    axis.set_yscale("log")
    axis.set_ylim(floor / 2, max(1e-6, 10 * difference.max()))
    axis.axhline(1e-9, color="0.4", lw=1, ls="--")
    axis.text(0.02, 1.3e-9, "1 nV", transform=axis.get_yaxis_transform(), color="0.3", fontsize=8)
    axis.set_xlabel("node voltage by ngspice (V)")
    axis.set_ylabel("|ideal − ngspice| (V)")
    axis.set_title(f"largest difference {difference.max():.1e} V", fontsize=9)
    axis.grid(alpha=0.25)
