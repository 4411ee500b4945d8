"""The format of a picture is the one that its name asks for, whatever draws it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.devices import EsakiDiode, ShockleyDiode
from eqcirc.devices.fit import fit
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.devices.plain_fit import fit_diode, fit_polynomial
from eqcirc.errors import ConfigError
from eqcirc.report.figures import learning_figure
from eqcirc.report.fit import fit_figure, plain_figure
from eqcirc.report.gradients import gradient_figure
from eqcirc.report.picture import picture_format
from eqcirc.verify.trials import Curve

V = np.linspace(0, 0.52, 53)
CURVE = IVCurve(V, EsakiDiode().evaluate(V)[0])
DIODE = IVCurve(V, ShockleyDiode(1e-9).evaluate(V)[0])
ERRORS = Curve(np.array([1e-8, 1e-7]), np.array([[1e-3], [1e-4]]), 1, 1e4, 0.0)
STARTS = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
DRAWN: dict[str, Callable[[Any], None]] = {
    "tunnel": lambda path: fit_figure(path, fit(CURVE, leave_out=(0.1, 0.2)), title="a"),
    "diode": lambda path: plain_figure(path, fit_diode(DIODE, leave_out=(0.1, 0.2)), title="b"),
    "polynomial": lambda path: plain_figure(path, fit_polynomial(DIODE, 7)),
    "run": lambda path: learning_figure(path, [{"train_loss": 1.0, "train_accuracy": 0.5}]),
    "gradients": lambda path: gradient_figure(path, {"ideal": (V, V)}, {"ideal": ERRORS}),
}


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("name", DRAWN)
def test_the_name_decides_on_the_format(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{kind.upper()}"
    DRAWN[name](path)
    assert path.read_bytes().startswith(STARTS[kind])


def test_an_open_file_gets_a_png() -> None:
    file = io.BytesIO()
    DRAWN["run"](file)
    assert file.getvalue().startswith(STARTS["png"])


@pytest.mark.parametrize("name", ["picture.jpeg", "picture", "picture.toml"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.png, \.pdf, \.svg"):
        picture_format(name)


def test_a_picture_that_cannot_be_written_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot write .*No such file"):
        DRAWN["run"](tmp_path / "no" / "picture.png")
