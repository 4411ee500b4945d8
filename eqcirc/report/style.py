"""One style for figures: legible in print, safe for the colour-blind (Okabe and Ito, jfly.uni-koeln.de/color, 2008)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from eqcirc.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
CYCLE = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
PARTS = {"train": BLUE, "validation": VERMILION, "test": GREEN}
GREY = "#777777"

SEQUENTIAL = "cividis"
"""Colours of maps: the same order for everybody, and in grey."""

_SETTINGS: Any = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "svg.hashsalt": "eqcirc",  # the same file for the same figure
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in this style; matplotlib's settings of the user are left as they are."""
    import matplotlib as mpl
    from cycler import cycler

    with mpl.rc_context({**_SETTINGS, "axes.prop_cycle": cycler(color=CYCLE)}):
        yield


def new_figure(width: float = 6.4, height: float = 3.2) -> Figure:
    """Return an empty figure, in inches, that needs no window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain(text: object, most: int = 60) -> str:
    """Return somebody else's text as a figure may show it: no formula, and in legends whatever it begins with."""
    line = one_line(text, most).replace("$", r"\$")
    return f"\u200a{line}" if line.startswith("_") else line


def grid(axis: Axes) -> None:
    """Draw the grid that all figures have."""
    axis.grid(alpha=0.25, lw=0.6)


def whole_numbers(axis: Axis) -> None:
    """Count in whole numbers along an axis."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def whole_epochs(axis: Axes) -> None:
    """Count epochs in whole numbers."""
    whole_numbers(axis.xaxis)
    axis.set_xlabel("epoch")


def picture_bytes(figure: Figure, kind: str) -> bytes:
    """Return a figure as a file, "svg" or "png", of the same bytes every time."""
    file = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    with styled():
        figure.savefig(file, format=kind, dpi=150, metadata=metadata)
    return file.getvalue()
