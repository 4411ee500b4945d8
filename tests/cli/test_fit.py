"""`eqcirc fit`: what it prints, writes and refuses."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eqcirc.devices import CubicDevice, EsakiDiode
from eqcirc.devices.presets import find_diode
from tests.cli.conftest import Result

DIODE = EsakiDiode(fall_exponent=1.2)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    v = np.linspace(-0.05, 0.52, 115)
    noise = 1 + 0.005 * np.random.default_rng(0).normal(size=len(v))
    columns = np.stack([1e3 * v, 1e3 * DIODE.evaluate(v)[0] * noise], axis=1)
    np.savetxt(tmp_path / "diode.csv", columns, delimiter=",", header="V (mV), I (mA)")
    return tmp_path / "diode.csv"


def test_fit_writes_a_diode_and_draws_it(eqcirc: Callable[..., Result], table: Path) -> None:
    result = eqcirc("fit", table, "-o", "diode.toml", "--plot", "diode.png")
    assert result.code == 0
    assert "peak_current" in result.out
    assert "rms error" in result.out
    assert "wrote diode.png" in result.out
    assert Path("diode.png").read_bytes().startswith(b"\x89PNG")
    diode = find_diode("diode.toml")
    v = np.linspace(0, 0.45, 46)
    np.testing.assert_allclose(diode.law.evaluate(v)[0], DIODE.evaluate(v)[0], rtol=0.02, atol=1e-6)
    facts = tomllib.loads(Path("diode.toml").read_text())["fit"]
    assert facts["points"] == 115
    assert facts["measured_peak"][1] == pytest.approx(4.73e-3, rel=0.01)


def test_json_says_the_same(eqcirc: Callable[..., Result], table: Path) -> None:
    content = eqcirc("fit", table, "--json").json
    value, error = content["values"]["peak_current"], content["standard_errors"]["peak_current"]
    assert abs(value - DIODE.peak_current) < 4 * error < 0.01 * value
    assert content["rms_to_valley"] < 5e-5


def test_a_cubic_is_written_too(eqcirc: Callable[..., Result], table: Path) -> None:
    assert eqcirc("fit", table, "--law", "cubic", "-o", "cubic.toml").code == 0
    diode = find_diode("cubic.toml")
    assert isinstance(diode.law, CubicDevice)
    assert "around 0.2" in diode.source


def test_undetermined_values_are_called_so(eqcirc: Callable[..., Result], table: Path) -> None:
    lines = [x for x in table.read_text().splitlines() if x[0] == "#" or float(x.split(",")[0]) < 410]
    table.write_text("\n".join(lines))
    result = eqcirc("fit", table)
    assert "not determined by this table" in result.out
    assert eqcirc("fit", table, "--json").json["standard_errors"]["saturation_current"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.csv"], 3, "expected a file here"),
        (["diode.csv", "--series-ohms", "50"], 3, "expected less than"),
        (["diode.csv", "-o", "no/such/folder.toml"], 2, "cannot write"),
        (["diode.csv", "--plot", "no/such/folder.png"], 2, "cannot write"),
    ],
)
def test_mistakes_have_exit_codes(
    eqcirc: Callable[..., Result], table: Path, arguments: list[str], code: int, message: str
) -> None:
    result = eqcirc("fit", *arguments)
    assert result.code == code
    assert message in result.err
