"""Picture of what rules measure: gradients against exact ones, and errors over the nudging strength."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from eqcirc.report.picture import save_picture
from eqcirc.report.style import CYCLE
from eqcirc.typing import Array
from eqcirc.verify.trials import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 4000  # of one solver in the scatter plot


def gradient_figure(
    path: Path | str | BinaryIO,
    pairs: Mapping[str, tuple[Array, Array]],
    curves: Mapping[str, Curve],
    *,
    title: str = "",
    unit: str = "",
) -> None:
    """Draw entries of measured gradients over exact ones, and the errors over beta with their bias and noise.

    Args:
        path: file to write, .png, .pdf or .svg.
        pairs: by solver, exact and measured entries, each (entry,), those of a trial in parts of its largest one.
        curves: by solver.
        title: of the picture.
        unit: of beta.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.4, 4.1), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for colour, (name, (exact, measured)) in zip(CYCLE, pairs.items(), strict=False):
        some = np.random.default_rng(0).permutation(len(exact))[:MOST_POINTS]
        left.plot(exact[some], measured[some], ".", ms=2.5, alpha=0.5, color=colour, label=name)
    left.plot([-1, 1], [-1, 1], color="0.4", lw=0.8)
    left.set_xlabel("exact gradient, of its largest entry")
    left.set_ylabel("measured gradient, of the same")
    left.legend(frameon=False, fontsize=8)
    for colour, (name, curve) in zip(CYCLE, curves.items(), strict=False):
        _errors(right, name, curve, colour)
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xlabel(f"beta ({unit})" if unit else "beta")
    right.set_ylabel("error of the gradient, relative")
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.25)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save_picture(figure, path)


def _errors(axes: Axes, name: str, curve: Curve, colour: str) -> None:
    known = np.isfinite(curve.errors).any(axis=1)
    betas, errors = curve.betas[known], curve.errors[known]
    if not betas.size:
        return
    axes.fill_between(
        betas, np.nanmin(errors, axis=1), np.nanmax(errors, axis=1), color=colour, alpha=0.15, lw=0
    )
    axes.plot(betas, curve.median[known], "o-", ms=3, lw=1.2, color=colour, label=f"{name}, median")
    low, high = np.nanmin(errors[errors > 0], initial=1.0), np.nanmax(errors)
    lines = (
        [(curve.bias * curve.betas**curve.order, f"bias, beta^{curve.order}", "--")] if curve.order else []
    )
    lines += [(curve.noise / curve.betas, "noise, 1/beta", ":")] if curve.noise else []
    for values, label, style in lines:
        inside = (values > low / 3) & (values < high * 3)
        if inside.sum() > 1:
            axes.plot(curve.betas[inside], values[inside], style, color=colour, lw=1, label=label)
    if np.isfinite(curve.predicted_best):
        axes.axvline(curve.predicted_best, color=colour, lw=0.8, alpha=0.6)
