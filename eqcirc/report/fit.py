"""Picture of a fit: measured points, law, and what is between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from eqcirc.devices.diode import ShockleyDiode
from eqcirc.devices.fit import Fit
from eqcirc.devices.plain_fit import PlainFit
from eqcirc.devices.tunnel import CubicDevice
from eqcirc.report.picture import save_picture
from eqcirc.report.style import BLUE, GREY, VERMILION
from eqcirc.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DATA, LAW, FALL = GREY, VERMILION, BLUE
SHOWN_ABOVE, SHOWN_BELOW = 1.3, 0.2  # peak currents: what is beyond would squeeze the rest


def fit_figure(path: Path | str | BinaryIO, fit: Fit, *, title: str = "") -> None:
    """Draw the curve with its turning points, and the residual below.

    Args:
        path: file to write, .png, .pdf or .svg.
        fit: what to draw.
        title: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    scale, unit = _unit(fit.measured.peak.current)
    curves(above, fit, scale)
    above.legend(frameon=False, fontsize=8)
    above.set_ylabel(f"current ({unit})")
    _residual(below, fit, scale)
    below.set_ylabel(f"law − data ({unit})")
    below.set_xlabel("junction voltage (V)" if fit.series_resistance else "voltage (V)")
    figure.suptitle(title, fontsize=11, parse_math=False)
    save_picture(figure, path)


def plain_figure(path: Path | str | BinaryIO, fit: PlainFit, *, title: str = "") -> None:
    """Draw the curve of an ordinary diode (logarithmic) or a polynomial, and the residual below.

    Args:
        path: file to write, .png, .pdf or .svg.
        fit: what to draw.
        title: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    v, i = fit.measured.voltage, fit.measured.current
    scale, unit = _unit(float(np.abs(i).max()))
    logarithmic = isinstance(fit.law, ShockleyDiode)
    shown = i > 0 if logarithmic else np.ones(len(i), bool)
    above.plot(v[shown], i[shown] * scale, "o", ms=3, color=DATA, alpha=0.7, label="measured")
    if fit.left_out.size:
        above.plot(*_left_out(fit, scale), "x", ms=4, color=DATA, alpha=0.5, label="left out")
    fine = np.linspace(*fit.within, 1001)
    name = "Shockley's law" if logarithmic else f"polynomial of degree {len(fit.errors)}"
    above.plot(fine, fit.current(fine) * scale, color=LAW, lw=1.5, label=f"{name}, error {fit.misfit:.2%}")
    if logarithmic:
        above.set_yscale("log")
    above.legend(frameon=False, fontsize=8)
    above.set_ylabel(f"current ({unit})")
    below.axhline(0, color="0.4", lw=1)
    part = (v >= fit.within[0]) & (v <= fit.within[1]) & shown
    rest = fit.current(v[part]) - i[part]
    below.plot(v[part], 100 * rest / i[part] if logarithmic else rest * scale, "o", ms=3, color=LAW)
    below.set_ylabel("law − data (%)" if logarithmic else f"law − data ({unit})")
    below.set_xlabel("voltage (V)")
    for axis in (above, below):
        axis.grid(alpha=0.25)
    figure.suptitle(title, fontsize=11, parse_math=False)
    save_picture(figure, path)


def _unit(amperes: float) -> tuple[float, str]:
    """Return what turns amperes into a unit that suits a current, and its name."""
    exponent = 3 * int(np.floor(np.log10(amperes) / 3)) if amperes > 0 else 0
    return 10.0**-exponent, {0: "A", -3: "mA", -6: "µA", -9: "nA"}.get(exponent, f"1e{exponent} A")


def _left_out(fit: Fit | PlainFit, scale: float) -> tuple[Array, Array]:
    return fit.left_out[0], fit.left_out[1] * scale


def curves(axis: Axes, fit: Fit, scale: float) -> None:
    """Draw points, law, both pairs of turning points and the steepest fall.

    Args:
        axis: to draw on.
        fit: what to draw.
        scale: turns amperes into the unit of the axis.
    """
    v, i = fit.measured.voltage, fit.measured.current
    least, most = _frame(fit)
    shown = (i >= least) & (i <= most)
    beyond = "" if shown.all() else f" ({np.count_nonzero(~shown)} of {len(v)} points are out of this frame)"
    axis.plot(v[shown], i[shown] * scale, "o", ms=3, color=DATA, alpha=0.7, label=f"measured{beyond}")
    if fit.left_out.size:
        axis.plot(*_left_out(fit, scale), "x", ms=4, color=DATA, alpha=0.5, label="left out")
    fine = np.linspace(fit.within[0], min(fit.within[1], v[shown][-1]), 1001)
    name = "cubic" if isinstance(fit.law, CubicDevice) else "Esaki law"
    error = f"rms error up to the valley {fit.misfit:.2%} of the peak current"
    axis.plot(fine, fit.current(fine) * scale, color=LAW, lw=1.5, label=f"{name}, {error}")
    pairs = (fit.measured.peak, fit.measured.valley), fit.turns
    for pair, marker, colour, of in zip(pairs, "Dx", (DATA, LAW), ("measured", "of the law"), strict=True):
        points = np.array(pair)
        label = f"peak and valley, {of}"
        axis.plot(points[:, 0], points[:, 1] * scale, marker, ms=8, mfc="none", color=colour, label=label)
    _tangent(axis, fit, scale)
    axis.set_ylim((least - 0.03 * most) * scale, most * scale)
    axis.grid(alpha=0.25)


def _tangent(axis: Axes, fit: Fit, scale: float) -> None:
    """Draw the tangent where the law falls most steeply."""
    peak, valley = fit.turns
    ends = np.array([-0.25, 0.0, 0.25]) * (valley.voltage - peak.voltage)
    centre = "centre: " if isinstance(fit.law, CubicDevice) else ""
    label = f"{centre}steepest fall, {fit.law.steepest_fall:.3g} S at {fit.fall.voltage:.3g} V"
    current = (fit.fall.current - fit.law.steepest_fall * ends) * scale
    axis.plot(fit.fall.voltage + ends, current, "--o", markevery=[1], ms=5, lw=1, color=FALL, label=label)


def _frame(fit: Fit) -> tuple[float, float]:
    """Return the least and the largest current to show."""
    most = SHOWN_ABOVE * max(fit.measured.peak.current, fit.turns[0].current)
    return min(0.0, max(float(fit.measured.current.min()), -SHOWN_BELOW * most)), most


def _residual(axis: Axes, fit: Fit, scale: float) -> None:
    v, i = fit.measured.voltage, fit.measured.current
    least, most = _frame(fit)
    shown = (v >= fit.within[0]) & (v <= fit.within[1]) & (i >= least) & (i <= most)
    axis.axhline(0, color="0.4", lw=1)
    axis.plot(v[shown], (fit.current(v[shown]) - i[shown]) * scale, "o", ms=3, color=LAW)
    axis.grid(alpha=0.25)
