"""Pictures of patterns: a chain over site and time, a grid at several instants, theory and measured spectrum beside."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from eqcirc.analysis.pattern import Pattern
from eqcirc.analysis.wavelength import mode_power, modes
from eqcirc.circuit.neuron import RLRecovery
from eqcirc.errors import ConfigError
from eqcirc.report.picture import save_picture
from eqcirc.report.style import BLUE, GREY, ORANGE, VERMILION
from eqcirc.typing import Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.ticker import EngFormatter

COLOURS = "RdBu_r"  # red above the uniform state, blue below
THEORY, MEASURED = GREY, BLUE
ROWS = 500  # instants of a space-time picture
EARLIEST = 0.2  # e-foldings of the fastest mode; before, there is noise only
SNAPSHOTS = (0.3, 0.9)  # of the final spread; shown between the start and the end
LEAST = 10e-3  # V, half of the voltages shown of a flat pattern: its rounding errors are no news


def pattern_figure(path: Path | str | BinaryIO, pattern: Pattern, title: str = "") -> None:
    """Draw a pattern.

    Args:
        path: file to write, .png, .pdf or .svg.
        pattern: of a chain or a grid.
        title: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chain = len(pattern.lattice.shape) == 1
    figure = Figure(figsize=(11.5, 5.6) if chain else (15, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    draw_chain(figure, pattern) if chain else draw_grid(figure, pattern)
    figure.suptitle(title, fontsize=12, parse_math=False)
    save_picture(figure, path)


def draw_chain(figure: Figure | SubFigure, pattern: Pattern) -> None:
    """Fill a figure with space-time picture, end profile and dispersion relation of a chain."""
    grid = figure.add_gridspec(2, 2, width_ratios=(1.25, 1))
    space_time(figure.add_subplot(grid[:, 0]), pattern)
    end_profile(figure.add_subplot(grid[0, 1]), pattern)
    growth_rates(figure.add_subplot(grid[1, 1]), pattern)


def draw_grid(figure: Figure | SubFigure, pattern: Pattern) -> None:
    """Fill a figure with a grid of neurons at several instants, and the spectrum at the end."""
    instants = snapshot_times(pattern)
    axes = figure.subplots(1, len(instants) + 1)
    for axis, t in zip(axes, instants, strict=False):
        image = snapshot(axis, pattern, float(t))
        axis.label_outer()
        axis.set_title(_seconds(float(t)), fontsize=10)
    figure.colorbar(
        image,
        ax=axes[:-1],
        format=_volts(),
        label="membrane voltage",
        fraction=0.015,
        pad=0.01,
        shrink=0.85,
    )
    mode_spectrum(axes[-1], pattern)


def space_time(axis: Axes, pattern: Pattern) -> None:
    """Draw membrane voltages over site and time, on a logarithmic time axis."""
    waves, sites = pattern.waveforms, pattern.lattice.shape[0]
    times = np.geomspace(_first(pattern), waves.times[-1], ROWS)
    volts = waves.at(times, waves.circuit.readout.nodes)
    low, high = _range(pattern, volts)
    edges = np.sqrt(np.concatenate([times[:1] ** 2, times[:-1] * times[1:], times[-1:] ** 2]))
    image = axis.pcolormesh(
        np.arange(sites + 1) - 0.5, edges, volts, cmap=COLOURS, vmin=low, vmax=high, rasterized=True
    )
    axis.set_yscale("log")
    axis.invert_yaxis()
    axis.yaxis.set_major_formatter(_engineering("s"))
    _whole_numbers(axis.xaxis)
    axis.set_xlabel("neuron")
    axis.set_ylabel("time")
    axis.figure.colorbar(image, ax=axis, format=_volts(), aspect=40, pad=0.015)
    axis.set_title("membrane voltage", fontsize=10)


def end_profile(axis: Axes, pattern: Pattern) -> None:
    """Draw membrane voltages at the end over the sites of a chain."""
    v = pattern.membranes
    axis.axhline(pattern.uniform, color=THEORY, lw=1, ls="--", label="uniform state")
    axis.plot(v, color=MEASURED, lw=1.4, marker="o", ms=2.8, label="end state")
    axis.set_xlim(-0.5, len(v) - 0.5)
    low, high = _range(pattern, v) if pattern.flat else (v.min(), v.max())
    axis.set_ylim(low - 0.1 * (high - low), high + 0.42 * (high - low))
    axis.yaxis.set_major_formatter(_volts())
    _whole_numbers(axis.xaxis)
    axis.set_xlabel("neuron")
    axis.set_ylabel("membrane voltage")
    measured = "flat" if pattern.flat else f"wavelength {pattern.wavelength:.2f} neurons"
    axis.set_title(f"{measured}, {_ending(pattern)}", fontsize=10)
    axis.legend(frameon=False, ncols=2, loc="upper right", fontsize=9)
    axis.grid(alpha=0.25)


def growth_rates(axis: Axes, pattern: Pattern) -> None:
    """Draw the growth of every mode of a chain by linear theory, and the spectrum of the end state."""
    theory, periodic = pattern.theory, pattern.lattice.periodic
    waves = theory.modes[:, 0]
    shown = slice(1, max(8, 5 * theory.fastest // 2))
    beside = axis.twinx()
    if not pattern.flat:
        beside.bar(waves[shown], _shares(pattern)[shown], color=MEASURED, alpha=0.55, width=0.7)
    beside.set_ylim(0, 105)
    beside.set_ylabel("power of the end state (%)", color=MEASURED)
    beside.tick_params(axis="y", colors=MEASURED)
    axis.set_zorder(beside.get_zorder() + 1)
    axis.patch.set_visible(False)
    axis.axhline(0, color="0.75", lw=0.8)
    for k in waves[theory.unstable]:
        axis.axvspan(k - 0.5, k + 0.5, color=ORANGE, alpha=0.18, lw=0)
    axis.plot(waves[shown], theory.growth[shown], color=THEORY, lw=1.4, marker="o", ms=2.8)
    axis.set_ylim(*_growth_limits(theory.growth[shown]))
    axis.yaxis.set_major_formatter(_engineering(""))
    _whole_numbers(axis.xaxis)
    axis.set_xlabel("waves on the ring" if periodic else "half waves on the chain")
    axis.set_ylabel("growth by theory (1/s)")
    expected = f"{theory.wavelength:.2f} neurons; shaded modes grow" if theory.patterns else "no pattern"
    axis.set_title(f"linear theory: {expected}", fontsize=10)


def snapshot(axis: Axes, pattern: Pattern, time: float) -> AxesImage:
    """Draw the membrane voltages of a grid at an instant, in the colours of its end state."""
    volts = pattern.on_lattice(pattern.waveforms.at(np.array([time])))[0]
    low, high = _range(pattern, pattern.membranes)
    image = axis.imshow(volts, cmap=COLOURS, vmin=low, vmax=high)
    _whole_numbers(axis.xaxis)
    _whole_numbers(axis.yaxis)
    axis.set_xlabel("column")
    axis.set_ylabel("row")
    return image


def mode_spectrum(axis: Axes, pattern: Pattern) -> None:
    """Draw the power of the modes of a grid at the end over their wave numbers, and what grows fastest by theory."""
    from matplotlib.colors import PowerNorm

    theory = pattern.theory
    counts = theory.modes.max(axis=0) + 1
    rows, columns = modes(pattern.lattice.shape, pattern.lattice.periodic)[1].T.reshape(2, *counts)
    fastest = 2 * math.pi / theory.wavelength
    if not pattern.flat:
        share = _shares(pattern).reshape(counts)
        image = axis.pcolormesh(columns, rows, share, cmap="Greys", norm=PowerNorm(0.5, 0), rasterized=True)
        axis.figure.colorbar(image, ax=axis, label="power (%)", shrink=0.7)
    if theory.patterns:
        angle = np.linspace(0, math.pi / 2, 100)
        axis.plot(fastest * np.cos(angle), fastest * np.sin(angle), color=VERMILION, lw=1, ls="--")
    axis.set_xlim(-columns[0, 1] / 2, 2 * fastest)
    axis.set_ylim(-rows[1, 0] / 2, 2 * fastest)
    axis.set_aspect("equal")
    axis.set_xlabel("along a row (rad/neuron)")
    axis.set_ylabel("along a column (rad/neuron)")
    measured = "flat" if pattern.flat else f"{pattern.wavelength:.2f} neurons"
    expected = f"dashed: theory, {theory.wavelength:.2f}" if theory.patterns else "theory: no pattern"
    axis.set_title(f"spectrum of the end: {measured}\n({expected})", fontsize=10)


def snapshot_times(pattern: Pattern) -> Array:
    """Return instants (snapshot,): the start, when the pattern first has some parts of its final spread, the end."""
    waves = pattern.waveforms
    spread = pattern.on_lattice(waves.voltages).reshape(len(waves.times), -1).std(axis=1)
    later = waves.times > EARLIEST / abs(pattern.theory.rate)  # smoothed noise, no longer the noise itself
    reached = [int(np.argmax(later & (spread >= part * spread[-1]))) for part in SNAPSHOTS]
    return np.unique(waves.times[[0, *reached, -1]])


def write_pattern(path: Path, pattern: Pattern) -> None:
    """Write the end state of every site as .csv, or all waveforms as .npz.

    Raises:
        ConfigError: another ending, or the file cannot be written.
    """
    waves = pattern.waveforms
    try:
        if path.suffix == ".npz":
            np.savez_compressed(
                path,
                times=waves.times,
                voltages=waves.voltages,
                currents=waves.currents,
                node_names=np.array(waves.circuit.node_names),
                membranes=pattern.on_lattice(waves.voltages),
            )
        elif path.suffix == ".csv":
            _end_table(pattern).to_csv(path, index=False)
        else:
            raise ConfigError(f"{path}: expected a name that ends in .csv (end state) or .npz (whole course)")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _end_table(pattern: Pattern) -> pd.DataFrame:
    """Return a row for every site: where, membrane, recovery."""
    import pandas as pd

    names = ("site",) if len(pattern.lattice.shape) == 1 else ("row", "column")
    places = (k.ravel() for k in np.indices(pattern.lattice.shape))
    unit = "A" if isinstance(pattern.lattice.neuron.recovery, RLRecovery) else "V"
    return pd.DataFrame(
        dict(zip(names, places, strict=True))
        | {"membrane (V)": pattern.membranes.ravel(), f"recovery ({unit})": pattern.recovery.ravel()}
    )


def _first(pattern: Pattern) -> float:
    """Return the first instant to show."""
    waves = pattern.waveforms
    return min(EARLIEST / abs(pattern.theory.rate), 0.1 * float(waves.times[-1]))


def _shares(pattern: Pattern) -> Array:
    """Return the power (mode,) of the modes at the end in percent, the uniform one aside."""
    power = mode_power(pattern.membranes - pattern.membranes.mean(), pattern.lattice.periodic)
    return np.asarray(100 * power / power.sum())


def _whole_numbers(axis: Axis) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(6, integer=True))


def _range(pattern: Pattern, volts: Array) -> tuple[float, float]:
    """Return the ends of the colours: white is the uniform state."""
    reach = max(float(np.abs(volts - pattern.uniform).max()), LEAST if pattern.flat else 0.0)
    return pattern.uniform - reach, pattern.uniform + reach


def _growth_limits(growth: Array) -> tuple[float, float]:
    """Return limits that show the modes that grow, and as much again of those that decay."""
    top = float(growth.max())
    if top <= 0:
        return 2 * top, -0.5 * top
    return -1.6 * top, 1.25 * top


def _ending(pattern: Pattern) -> str:
    if not pattern.at_rest:
        return "still moving"
    if pattern.stability is None:
        return "at rest, stability not judged"
    if pattern.stable:
        return "at rest and stable"
    return "at rest, degenerate" if pattern.stability.neutral[0] else "at rest, unstable"


def _engineering(unit: str) -> EngFormatter:
    from matplotlib.ticker import EngFormatter

    return EngFormatter(unit=unit)


def _volts() -> EngFormatter:
    return _engineering("V")


def _seconds(t: float) -> str:
    """Return a time with two digits."""
    from matplotlib.ticker import EngFormatter

    return str(EngFormatter(unit="s")(float(f"{t:.2g}")))
