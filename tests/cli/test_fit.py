"""`eqcirc fit`: what it prints, writes and refuses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eqcirc import GROUND, CircuitBuilder, IdealSolver
from eqcirc.constants import THERMAL_VOLTAGE
from eqcirc.devices import CubicDevice, EsakiDiode, ShockleyDiode
from eqcirc.devices.presets import find_diode
from eqcirc.experiment.load import load_experiment
from tests.cli.conftest import TINY, Result

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


def test_what_is_printed_next_goes_into_an_experiment(eqcirc: Callable[..., Result], table: Path) -> None:
    """Pasted as it is, the neurons have one stable operating point at the steepest fall."""
    out = eqcirc("fit", table, "-o", "diode.toml").out
    assert re.search(r"steepest fall 0\.0\d+ S, at a voltage of 0\.1\d+ V and 0\.00\d+ A; a load below", out)
    section = re.search(r"^\[network\.neurons\](\n\w+ = .+)+", out, re.MULTILINE)
    assert section
    Path("elsewhere").mkdir()
    mine = Path("elsewhere", "mine.toml")
    mine.write_text(TINY.replace("[learning]", f"{section[0]}\n[learning]"))
    neurons = load_experiment(mine).network.neurons
    assert neurons
    assert (neurons.device, neurons.rest, neurons.bias) == (str(table.parent / "diode.toml"), "fall", "fall")
    load = eqcirc("fit", table, "--json").json["largest_load"]
    assert neurons.resistance == pytest.approx(0.9 * load, rel=0.02)
    assert load == pytest.approx(1 / find_diode("diode.toml").law.steepest_fall)
    result = eqcirc("stability", mine, "--json")
    assert result.code == 0


def test_a_diode_folded_by_its_leads_has_no_load(eqcirc: Callable[..., Result]) -> None:
    """A slow rise of the voltage across 45 ohm and a junction that falls by 1/38 S: it jumps down the fall."""
    v = np.linspace(0, 0.55, 301)
    current = DIODE.evaluate(v)[0]
    across = v + 45 * current
    seen = across >= np.maximum.accumulate(across)
    np.savetxt("leads.csv", np.stack([across, current], axis=1)[seen], header="V (V) I (A)")
    out = eqcirc("fit", "leads.csv", "--series-ohms", "45").out
    assert "has several states at any load" in out
    assert "[network.neurons]" not in out


def test_a_cubic_counts_from_its_centre(eqcirc: Callable[..., Result], table: Path) -> None:
    out = eqcirc("fit", table, "--law", "cubic").out
    assert "counts voltage and current from there" in out
    assert "once -o has written the diode" in out


def test_a_law_that_does_not_fit_is_refused(eqcirc: Callable[..., Result], table: Path) -> None:
    """Swapped columns under a header that swears to them."""
    v = np.linspace(0, 0.52, 105)
    np.savetxt(
        "swapped.csv", np.stack([DIODE.evaluate(v)[0], v], axis=1), delimiter=",", header="V (V), I (A)"
    )
    result = eqcirc("fit", "swapped.csv", "-o", "bad.toml", "--plot", "bad.png")
    assert result.code == 1
    assert "rms error" in result.out
    assert re.search(
        r"swapped\.csv: this law does not fit: .* \d\d% of the peak current, .*voltage, then", result.err
    )
    assert "wrote" not in result.out
    assert not {"bad.toml", "bad.png"} & {path.name for path in Path().iterdir()}
    assert eqcirc("fit", "swapped.csv", "--json").code == 1
    forced = eqcirc("fit", "swapped.csv", "-o", "bad.toml", "--force")
    assert forced.code == 0
    assert "error" not in forced.err
    assert Path("bad.toml").exists()


def shelf(path: Path) -> Path:
    """A diode of 72.8 ohm, measured in a circuit that oscillates from 0.07 V to 0.3 V: 0.7 mA there."""
    diode = EsakiDiode(2.5e-3, 65e-3, 0.25e-3)
    v = np.linspace(0, 0.52, 105)
    current = np.where((v > 0.07) & (v < 0.3), 0.7e-3, diode.evaluate(v)[0])
    np.savetxt(path, np.stack([v, current], axis=1), delimiter=",", header="V (V), I (A)")
    return path


def test_a_shelf_is_found_and_left_out_on_request(eqcirc: Callable[..., Result], tmp_path: Path) -> None:
    table = shelf(tmp_path / "shelf.csv")
    found = eqcirc("fit", table, "-o", "bad.toml")
    assert found.code == 1
    assert not Path("bad.toml").exists()
    assert "the current hardly falls on part of its way" in found.err
    assert "the peak of the law is at" in found.err
    option = re.search(r"fit the rest with (--leave-out) (\S+:\S+);", found.err)
    assert option
    result = eqcirc("fit", table, *option.groups(), "-o", "good.toml", "--plot", "good.pdf", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.json["largest_load"] == pytest.approx(72.8, rel=0.01)
    assert (result.json["left_out"], result.json["flaw"]) == (45, "")
    assert Path("good.pdf").read_bytes().startswith(b"%PDF")
    assert eqcirc("fit", table, "-o", "bad.toml", "--force").code == 0
    assert find_diode("bad.toml").largest_load > 90


def test_a_law_that_does_not_even_fall_is_written_by_force(eqcirc: Callable[..., Result]) -> None:
    v = np.linspace(0, 0.5, 101)
    dip = np.where((v > 0.2) & (v < 0.23), 0.6, 1.0) * 1e-2 * v
    np.savetxt("dip.csv", np.stack([v, dip], axis=1), delimiter=",", header="V (V), I (A)")
    refused = eqcirc("fit", "dip.csv", "-o", "dip.toml")
    assert refused.code == 1
    assert "does not fall as an N-shaped device does" in refused.err
    assert not Path("dip.toml").exists()
    assert eqcirc("fit", "dip.csv", "-o", "dip.toml", "--plot", "dip.svg", "--force").code == 0
    assert find_diode("dip.toml").law.steepest_fall == 0
    assert "<svg" in Path("dip.svg").read_text()


def test_an_ordinary_diode_is_fitted_for_experiments_and_python(eqcirc: Callable[..., Result]) -> None:
    v = np.linspace(-0.5, 0.9, 141)
    law = ShockleyDiode(3e-9, 1.8)
    current = law.evaluate(v)[0]
    np.savetxt("d.csv", np.stack([v + 0.6 * current, current], axis=1), header="V (V) I (A)")
    result = eqcirc("fit", "d.csv", "--device", "diode", "-o", "d.toml", "--plot", "d.png")
    assert (result.code, result.err) == (0, "")
    section = re.search(r"^\[network\.diodes\](\n\w+ = .+)+", result.out, re.MULTILINE)
    assert section
    Path("mine.toml").write_text(TINY.replace("[learning]", f"{section[0]}\n[learning]"))
    diodes = load_experiment(Path("mine.toml")).network.diodes
    assert diodes.saturation_current == pytest.approx(3e-9, rel=1e-3)  # type: ignore[union-attr]
    assert diodes.emission == pytest.approx(1.8, rel=1e-3)  # type: ignore[union-attr]
    diode = find_diode("d.toml")
    assert diode.series_resistance == pytest.approx(0.6, rel=1e-3)
    b = CircuitBuilder("leads")
    n = b.nodes("n", 1)
    b.device("d", b.rail("top", 0.9), n, diode)
    b.conductance("load", n, GROUND, 1e-2)
    points = IdealSolver(b.build(n)).solve(None, np.empty((1, 0))).require()
    drop = 0.9 - float(points.free[0, n[0]])
    current = (0.9 - drop) * 1e-2
    assert drop == pytest.approx(1.8 * THERMAL_VOLTAGE * np.log1p(current / 3e-9) + 0.6 * current, rel=1e-3)


def test_a_polynomial_is_fitted(eqcirc: Callable[..., Result], table: Path) -> None:
    v = np.linspace(-0.06, 0.47, 107)
    np.savetxt("m.csv", np.stack([v, find_diode("mbd2057").law.evaluate(v)[0]], axis=1), header="V (V) I (A)")
    result = eqcirc("fit", "m.csv", "--device", "polynomial", "-o", "m.toml")
    assert (result.code, result.err) == (0, "")
    assert "[network.neurons]" in result.out
    assert find_diode("m.toml").largest_load == pytest.approx(find_diode("mbd2057").largest_load)
    np.savetxt("d.csv", np.stack([v, ShockleyDiode(1e-9).evaluate(v)[0]], axis=1), header="V (V) I (A)")
    rough = eqcirc("fit", "d.csv", "--device", "polynomial", "--degree", 1)
    assert rough.code == 1
    assert "% of the largest current, expected at most 10%" in rough.err


def test_columns_are_chosen(eqcirc: Callable[..., Result], table: Path) -> None:
    rows = [f"7,{line},3" for line in table.read_text().splitlines()[1:]]
    table.write_text("\n".join(["Vg (V),Vd (mV),Id (mA),Ig (A)", *rows]))
    assert "choose them by name or number (--voltage and --current)" in eqcirc("fit", table).err
    assert eqcirc("fit", table, "--voltage", "Vd (mV)", "--current", "3").code == 0


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
        (["diode.csv", "--series-ohms", "5"], 3, "diode.csv: 5 ohm of series resistance fold the curve back"),
        (["diode.csv", "--leave-out", "0.1"], 2, "--leave-out 0.1: expected two voltages, LOW:HIGH"),
        (["diode.csv", "--leave-out", "0.2:0.1"], 3, "the lower one first, got 0.2, 0.1"),
        (["diode.csv", "--degree", "3"], 2, "--degree does nothing with --device tunnel"),
        (["diode.csv", "--device", "diode", "--law", "cubic"], 2, "--law does nothing with --device diode"),
        (["diode.csv", "--plot", "fit.jpeg"], 2, "expected a name that ends in .png, .pdf, .svg"),
        (["diode.csv", "-o", "sub.txt"], 2, "--out sub.txt: expected a name that ends in .toml"),
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


def test_the_name_of_a_table_is_no_formula(eqcirc: Callable[..., Result], table: Path) -> None:
    """matplotlib would take what stands between two dollar signs for one, and refuse it."""
    table.rename("a$\\frac$.csv")
    assert eqcirc("fit", "a$\\frac$.csv", "--plot", "a.png").code == 0
    assert Path("a.png").exists()
