from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from eqcirc.devices import EsakiDiode
from eqcirc.devices.fit import Shape, fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.report.fit import curves, fit_figure


@pytest.mark.parametrize("shape", ["esaki", "cubic"])
@pytest.mark.parametrize("peak", [4.7e-3, 2e-7, 30.0])
def test_points_and_law_are_drawn(shape: Shape, peak: float, tmp_path: Path) -> None:
    law = EsakiDiode().scaled(1.0, peak / 4.7e-3)
    v = np.linspace(-0.05, 0.53, 117)
    found = fit(IVCurve(v, law.evaluate(v)[0]), shape)
    fit_figure(tmp_path / "fit.png", found, title="diode 7")
    picture = imread(tmp_path / "fit.png")[:, :, :3]
    red = (picture[:, :, 0] > 0.7) & (picture[:, :, 1] < 0.4)
    half = len(red) * 2 // 3
    assert red[:half].sum() > 300, "the law"
    assert red[half:].sum() > 50, "the residual"


@pytest.mark.parametrize("shape", ["esaki", "cubic"])
def test_the_legend_names_every_mark_and_what_is_out_of_the_frame(shape: Shape) -> None:
    v = np.linspace(0, 0.56, 113)
    law = EsakiDiode()
    current, _ = law.evaluate(v)
    found = fit(IVCurve(v, current), shape)
    axis = Figure().subplots()
    curves(axis, found, 1e3)
    handles, labels = axis.get_legend_handles_labels()
    assert len(handles) == len(axis.lines), "every line has a name"
    low, high = axis.get_ylim()
    out = int(np.count_nonzero((1e3 * current < low) | (1e3 * current > high)))
    assert out > 0
    assert labels[0] == f"measured ({out} of 113 points are out of this frame)"
    assert axis.get_xlim()[1] < 0.55, "no empty space beyond the last point shown"
    assert labels[2:4] == ["peak and valley, measured", "peak and valley, of the law"]
    assert labels[4].startswith(
        "centre: steepest" if shape == "cubic" else "steepest fall, 0.0259 S at 0.13 V"
    )
    tangent = axis.lines[-1].get_xydata()
    assert np.diff(tangent[[0, 2]], axis=0)[0] @ [found.law.steepest_fall * 1e3, 1] == pytest.approx(0)


def test_a_curve_within_the_frame_needs_no_note() -> None:
    v = np.linspace(0, 0.45, 91)
    axis = Figure().subplots()
    curves(axis, fit(IVCurve(v, EsakiDiode().evaluate(v)[0])), 1e3)
    assert axis.get_legend_handles_labels()[1][0] == "measured"
