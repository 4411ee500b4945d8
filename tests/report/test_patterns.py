from __future__ import annotations

import io
import math
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from eqcirc.analysis.pattern import Pattern, grow
from eqcirc.analysis.turing import LATTICES, with_inductors
from eqcirc.circuit.lattice import Lattice
from eqcirc.errors import ConfigError
from eqcirc.report.patterns import draw_chain, draw_grid, pattern_figure, snapshot_times, write_pattern
from eqcirc.solvers.ideal.solver import IdealSolver

CHAIN = replace(LATTICES["esaki"], shape=(24,))
CASES = {
    "chain": CHAIN,
    "coils": with_inductors(CHAIN),
    "ring": replace(CHAIN, periodic=True),
    "flat": replace(CHAIN, inhibitor=None),
    "grid": replace(LATTICES["cubic"], shape=(9, 10)),
    "torus": replace(LATTICES["cubic"], shape=(9, 10), periodic=True),
    "flat grid": replace(LATTICES["cubic"], shape=(9, 10), inhibitor=None),
}


def grown(lattice: Lattice) -> Pattern:
    return grow(lattice, IdealSolver(lattice.build("lattice")), duration=20e-6, accuracy=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_pattern_can_be_drawn(name: str) -> None:
    file = io.BytesIO()
    pattern_figure(file, grown(CASES[name]), title=name)
    png = file.getvalue()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    assert width > 1000
    assert height > 400


def test_the_picture_of_a_chain_shows_what_was_found() -> None:
    pattern = grown(CHAIN)
    figure = Figure()
    draw_chain(figure, pattern)
    space_time, profile, theory = figure.axes[0], figure.axes[2], figure.axes[3]
    np.testing.assert_array_equal(profile.lines[1].get_ydata(), pattern.membranes)
    assert f"{pattern.wavelength:.2f} neurons" in profile.get_title()
    assert f"{pattern.theory.wavelength:.2f} neurons" in theory.get_title()
    volts = np.ma.getdata(space_time.collections[0].get_array())
    np.testing.assert_allclose(volts[-1], pattern.membranes, atol=1e-12)
    low, high = space_time.collections[0].get_clim()
    assert (low + high) / 2 == pytest.approx(pattern.uniform)  # white
    assert low <= volts.min()
    assert volts.max() <= high


def test_the_picture_of_a_ring_counts_whole_waves() -> None:
    pattern = grown(CASES["ring"])
    figure = Figure()
    draw_chain(figure, pattern)
    theory, power = figure.axes[3], figure.axes[4]
    assert theory.get_xlabel() == "waves on the ring"
    heights = np.array([bar.get_height() for bar in power.patches])
    assert heights.sum() == pytest.approx(100, abs=1)
    assert 24 / (1 + heights.argmax()) == pytest.approx(pattern.wavelength, rel=0.2)


def test_the_picture_of_a_flat_end_says_so() -> None:
    figure = Figure()
    draw_chain(figure, grown(CASES["flat"]))
    profile, theory = figure.axes[2], figure.axes[3]
    assert profile.get_title().startswith("flat")
    low, high = profile.get_ylim()
    assert high - low > 10e-3  # volts: rounding errors look flat
    assert theory.get_title() == "linear theory: no pattern"


@pytest.mark.parametrize("shape", [(8,), (11,), (4, 5), (9, 10)])
def test_neurons_are_counted_in_whole_numbers(shape: tuple[int, ...]) -> None:
    pattern, figure = grown(replace(LATTICES["cubic"], shape=shape)), Figure()
    draw_chain(figure, pattern) if len(shape) == 1 else draw_grid(figure, pattern)
    for axis in figure.axes:
        if axis.get_xlabel() in {"neuron", "column", "half waves on the chain"}:
            ticks = axis.get_xticks()
            np.testing.assert_array_equal(ticks, np.rint(ticks))


@pytest.mark.parametrize("name", ["grid", "torus"])
def test_the_picture_of_a_grid_names_its_axes(name: str) -> None:
    pattern, figure = grown(CASES[name]), Figure()
    draw_grid(figure, pattern)
    pictures = [axis for axis in figure.axes if axis.images]
    assert {axis.get_xlabel() for axis in pictures} == {"column"}
    assert pictures[0].get_ylabel() == "row"
    assert {axis.get_ylabel() for axis in figure.axes} >= {"membrane voltage", "power (%)"}
    (spectrum,) = (axis for axis in figure.axes if "rad/neuron" in axis.get_xlabel())
    assert "rad/neuron" in spectrum.get_ylabel()
    mesh = spectrum.collections[0]
    share = np.ma.getdata(mesh.get_array())
    assert share.sum() == pytest.approx(100)
    assert f"{pattern.wavelength:.2f} neurons" in spectrum.get_title()


def test_snapshots_go_from_noise_to_the_end() -> None:
    pattern = grown(replace(LATTICES["esaki"], shape=(12, 12)))
    times = snapshot_times(pattern)
    assert times[0] == 0
    assert times[-1] == pattern.waveforms.times[-1]
    assert (np.diff(times) > 0).all()
    spread = pattern.on_lattice(pattern.waveforms.at(times)).std(axis=(1, 2))
    assert spread[2] == pytest.approx(0.9 * spread[-1], rel=0.1)


@pytest.mark.parametrize(("name", "unit"), [("chain", "V"), ("coils", "A")])
def test_the_end_of_a_chain_as_a_table(tmp_path: Path, name: str, unit: str) -> None:
    pattern = grown(CASES[name])
    write_pattern(tmp_path / "end.csv", pattern)
    table = pd.read_csv(tmp_path / "end.csv")
    assert list(table.columns) == ["site", "membrane (V)", f"recovery ({unit})"]
    np.testing.assert_array_equal(table["site"], np.arange(24))
    np.testing.assert_allclose(table["membrane (V)"], pattern.membranes, rtol=1e-15)
    np.testing.assert_allclose(table[f"recovery ({unit})"], pattern.recovery, rtol=1e-15)


def test_the_end_of_a_grid_as_a_table(tmp_path: Path) -> None:
    pattern = grown(CASES["grid"])
    write_pattern(tmp_path / "end.csv", pattern)
    table = pd.read_csv(tmp_path / "end.csv")
    for row, column, volts in table[["row", "column", "membrane (V)"]].to_numpy()[::17]:
        assert pattern.membranes[int(row), int(column)] == pytest.approx(volts, rel=1e-12)


def test_the_whole_course_as_npz(tmp_path: Path) -> None:
    pattern = grown(CASES["coils"])
    write_pattern(tmp_path / "course.npz", pattern)
    with np.load(tmp_path / "course.npz") as file:
        np.testing.assert_array_equal(file["times"], pattern.waveforms.times)
        np.testing.assert_array_equal(file["voltages"], pattern.waveforms.voltages)
        np.testing.assert_array_equal(file["currents"], pattern.waveforms.currents)
        assert file["membranes"].shape == (len(file["times"]), 24)
        assert str(file["node_names"][1]) == "v_0"


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    pattern = grown(CASES["flat"])
    assert math.isnan(pattern.wavelength)
    with pytest.raises(ConfigError, match=r"ends in \.csv .* or \.npz"):
        write_pattern(tmp_path / "end.txt", pattern)
    with pytest.raises(ConfigError, match="cannot write"):
        write_pattern(tmp_path / "missing" / "end.csv", pattern)
