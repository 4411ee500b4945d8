from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from eqcirc.devices import EsakiDiode
from eqcirc.devices.fit import Shape, fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.report.fit import fit_figure


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
