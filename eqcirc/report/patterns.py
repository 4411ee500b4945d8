"""Pictures of patterns: a chain over site and time, a grid at several instants, theory and measured spectrum beside."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from scipy.fft import dct

from eqcirc.analysis.pattern import Pattern
from eqcirc.analysis.wavelength import spectrum
from eqcirc.circuit.neuron import RLRecovery
from eqcirc.errors import ConfigError
from eqcirc.typing import Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.image import AxesImage
    from matplotlib.ticker import EngFormatter

COLOURS = "RdBu_r"  # red above the uniform state, blue below
THEORY, MEASURED = "#57606a", "#1f6feb"
ROWS = 500  # instants of a space-time picture
EARLIEST = 0.2  # e-foldings of the fastest mode; before, there is noise only
SNAPSHOTS = (0.3, 0.9)  # of the final spread; shown between the start and the end
LEAST = 1e-9  # V, half width of the colours of a flat pattern


def pattern_figure(path: Path | str | BinaryIO, pattern: Pattern, title: str = "") -> None:
    """Draw a pattern.

    Args:
        path: PNG file to write.
        pattern: of a chain or a grid.
        title: of the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    chain = len(pattern.lattice.shape) == 1
    figure = Figure(figsize=(11.5, 5.6) if chain else (15, 3.9), layout="constrained")
    FigureCanvasAgg(figure)
    draw_chain(figure, pattern) if chain else draw_grid(figure, pattern)
    figure.suptitle(title, fontsize=12)
    figure.savefig(path, format="png", dpi=130)


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
        axis.set_title(_seconds(float(t)), fontsize=10)
    figure.colorbar(image, ax=axes[:-1], format=_volts(), fraction=0.015, pad=0.01, shrink=0.85)
    ring(axes[-1], pattern)


def space_time(axis: Axes, pattern: Pattern) -> None:
    """Draw membrane voltages over site and time, on a logarithmic time axis."""
    waves, sites = pattern.waveforms, pattern.lattice.shape[0]
    times = np.geomspace(_first(pattern), waves.times[-1], ROWS)
    volts = waves.at(times, waves.circuit.readout.positive)
    low, high = _range(pattern, volts)
    edges = np.sqrt(np.concatenate([times[:1] ** 2, times[:-1] * times[1:], times[-1:] ** 2]))
    image = axis.pcolormesh(
        np.arange(sites + 1) - 0.5, edges, volts, cmap=COLOURS, vmin=low, vmax=high, rasterized=True
    )
    axis.set_yscale("log")
    axis.invert_yaxis()
    axis.yaxis.set_major_formatter(_engineering("s"))
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
    span = max(float(np.ptp(v)), LEAST)
    axis.set_ylim(v.min() - 0.1 * span, v.max() + 0.42 * span)
    axis.yaxis.set_major_formatter(_volts())
    axis.set_xlabel("neuron")
    axis.set_ylabel("membrane voltage")
    measured = "flat" if math.isnan(pattern.wavelength) else f"wavelength {pattern.wavelength:.2f} neurons"
    axis.set_title(f"{measured}, {_ending(pattern)}", fontsize=10)
    axis.legend(frameon=False, ncols=2, loc="upper right", fontsize=9)
    axis.grid(alpha=0.25)


def growth_rates(axis: Axes, pattern: Pattern) -> None:
    """Draw the growth of every mode of a chain by linear theory, and the spectrum of the end state."""
    theory, v = pattern.theory, pattern.membranes
    power = dct(v - v.mean(), norm="ortho") ** 2
    turn = 2 if pattern.lattice.periodic else 1
    modes = turn * theory.modes[:, 0]
    shown = slice(1, max(8, 5 * theory.fastest // 2))
    beside = axis.twinx()
    if pattern.amplitude > LEAST:
        share = power[modes[shown]] / power.sum()
        beside.bar(modes[shown], 100 * share, color=MEASURED, alpha=0.55, width=0.7)
    beside.set_ylim(0, 105)
    beside.set_ylabel("power of the end state (%)", color=MEASURED)
    beside.tick_params(axis="y", colors=MEASURED)
    axis.set_zorder(beside.get_zorder() + 1)
    axis.patch.set_visible(False)
    axis.axhline(0, color="0.75", lw=0.8)
    for mode in modes[theory.unstable]:
        axis.axvspan(mode - 0.5 * turn, mode + 0.5 * turn, color="#d4a72c", alpha=0.18, lw=0)
    axis.plot(modes[shown], theory.growth[shown], color=THEORY, lw=1.4, marker="o", ms=2.8)
    axis.set_ylim(*_growth_limits(theory.growth[shown]))
    axis.yaxis.set_major_formatter(_engineering(""))
    axis.set_xlabel("half waves on the chain")
    axis.set_ylabel("growth by theory (1/s)")
    axis.set_title(f"linear theory: {theory.wavelength:.2f} neurons; shaded modes grow", fontsize=10)


def snapshot(axis: Axes, pattern: Pattern, time: float) -> AxesImage:
    """Draw the membrane voltages of a grid at an instant, in colours of that instant's own range."""
    volts = pattern.on_lattice(pattern.waveforms.at(np.array([time])))[0]
    low, high = _range(pattern, pattern.membranes)
    image = axis.imshow(volts, cmap=COLOURS, vmin=low, vmax=high)
    axis.set_xticks([])
    axis.set_yticks([])
    return image


def ring(axis: Axes, pattern: Pattern) -> None:
    """Draw the spectrum of a grid at the end, and the ring of the wavelength that grows fastest by theory."""
    along, power = spectrum(pattern.membranes)
    limit = 2.2 * 2 * math.pi / pattern.theory.wavelength
    half = (along[1] - along[0]) / 2
    ends = (along[0] - half, along[-1] + half)
    axis.imshow(np.sqrt(power), cmap="Greys", extent=(*ends, *ends), origin="lower")
    angle = np.linspace(0, 2 * math.pi, 200)
    q = 2 * math.pi / pattern.theory.wavelength
    axis.plot(q * np.cos(angle), q * np.sin(angle), color="#d1242f", lw=1, ls="--")
    axis.set_xlim(-limit, limit)
    axis.set_ylim(-limit, limit)
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(
        f"spectrum: {pattern.wavelength:.2f} neurons\n(dashed: theory, {pattern.theory.wavelength:.2f})",
        fontsize=10,
    )


def snapshot_times(pattern: Pattern) -> Array:
    """Return instants (snapshot,): the start, when the pattern first has some parts of its final spread, the end."""
    waves = pattern.waveforms
    spread = pattern.on_lattice(waves.voltages).reshape(len(waves.times), -1).std(axis=1)
    later = waves.times > EARLIEST / abs(pattern.theory.rate)  # smoothed noise, no longer the noise itself
    reached = [int(np.argmax(later & (spread >= part * spread[-1]))) for part in SNAPSHOTS]
    return np.asarray(waves.times[[0, *reached, -1]])


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


def _range(pattern: Pattern, volts: Array) -> tuple[float, float]:
    """Return the ends of the colours: white is the uniform state."""
    reach = max(float(np.abs(volts - pattern.uniform).max()), LEAST)
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
    return "at rest and stable" if pattern.stable else "at rest, stability not shown"


def _engineering(unit: str) -> EngFormatter:
    from matplotlib.ticker import EngFormatter

    return EngFormatter(unit=unit)


def _volts() -> EngFormatter:
    return _engineering("V")


def _seconds(t: float) -> str:
    """Return a time with two digits."""
    from matplotlib.ticker import EngFormatter

    return str(EngFormatter(unit="s")(float(f"{t:.2g}")))
