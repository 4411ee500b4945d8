from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from eqcirc.data.iv_table import read_curve
from eqcirc.devices import CubicDevice, EsakiDiode, ShockleyDiode
from eqcirc.devices.iv_curve import IVCurve
from eqcirc.errors import DataError

V = np.linspace(-0.05, 0.45, 101)
I, _ = EsakiDiode().evaluate(V)


def table(
    path: Path, header: str = "V,I", separator: str = ",", volt: float = 1.0, ampere: float = 1.0
) -> Path:
    rows = [f"{v / volt!r}{separator}{i / ampere!r}" for v, i in zip(V.tolist(), I.tolist(), strict=True)]
    path.write_text("\n".join([*header.splitlines(), *rows, ""]), "utf-8")
    return path


def test_peak_and_valley_of_a_cubic_are_known() -> None:
    v = np.linspace(0, 6, 601)
    current, _ = CubicDevice(1e-3, 1.0).evaluate(v - 3)
    curve = IVCurve(v[::-1], current[::-1] + 1e-3)
    np.testing.assert_allclose(curve.peak, (2.0, 1e-3 + 2e-3 / 3), rtol=5e-3)
    np.testing.assert_allclose(curve.valley, (4.0, 1e-3 / 3), rtol=5e-3)


def test_noise_moves_peak_and_valley_little() -> None:
    noise = np.random.default_rng(0).normal(size=(2, len(V)))
    curve = IVCurve(V + 5e-4 * noise[0], I + 4e-5 * noise[1])
    np.testing.assert_allclose(curve.peak, (0.0665, 4.73e-3), rtol=0.08)
    np.testing.assert_allclose(curve.valley, (0.372, 0.634e-3), rtol=0.08)


@pytest.mark.parametrize(
    ("v", "i", "message"),
    [
        (V, np.where(V > 0.2, np.nan, I), r"got 0\.205 V, nan A at point 51 .*, 50 such"),
        (V[:9], I[:9], "expected at least 12 points, got 9"),
        (V, I[:-1], "as many voltages as currents"),
        (V, ShockleyDiode().evaluate(V)[0], "expected a falling part"),
        (V, 1e-3 * V, "expected a falling part"),
        (V[:45], I[:45], "still falls at the last voltage, 0.17 V; measure beyond the valley"),
        (-V - 0.06, -I, "connected the other way"),
    ],
)
def test_curves_that_cannot_be_used_are_refused(v: np.ndarray, i: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        _ = IVCurve(v, i).peak


@pytest.mark.parametrize(
    ("header", "separator", "volt", "ampere"),
    [
        ("", ",", 1, 1),
        ("V,I", ", ", 1, 1),
        ("# diode 7, 300 K\n# V (mV), I (uA)", ",", 1e-3, 1e-6),
        ("voltage_mV current_mA", " ", 1e-3, 1e-3),
        ("\ufeffVoltage [V]\tCurrent [µA]", "\t", 1, 1e-6),
        ("curve 7\nV_d/mV;I_d/mA", ";", 1e-3, 1e-3),
        ("v(a)   i(v1)", "   ", 1, 1),
    ],
)
def test_headers_separators_and_units_are_understood(
    header: str, separator: str, volt: float, ampere: float, tmp_path: Path
) -> None:
    curve = read_curve(table(tmp_path / "iv.csv", header, separator, volt, ampere))
    np.testing.assert_allclose(curve.voltage, V, rtol=1e-12)
    np.testing.assert_allclose(curve.current, I, rtol=1e-12)


def written(path: Path, header: str, row: str) -> Path:
    """A table of v and i in volts and amperes, written by a format."""
    rows = [
        row.format(v=v, i=i, mv=1e3 * v, ua=1e6 * i, less=-i)
        for v, i in zip(V.tolist(), I.tolist(), strict=True)
    ]
    path.write_text("\n".join([*header.splitlines(), *rows, ""]), "utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ('"Voltage (mV)","Current (uA)"', '"{mv!r}","{ua!r}"'),
        ("V,I", "{mv!r}m,{ua!r}u"),
        ("", "{mv!r}mV;{ua!r} µA"),
        ("", "{ua!r}uA {mv!r}mV"),
        ("V (mV),I (uA)", "{v!r}V,{i!r}A"),
        ("time (s);V_d (mV);I_d (uA);note", "7;{mv!r};{ua!r};fine"),
        ("# sample 9\nIndex\tV (V)\tI (A)", "3\t{v!r}\t{i!r}\t"),
    ],
)
def test_cells_and_columns_are_understood(header: str, row: str, tmp_path: Path) -> None:
    curve = read_curve(written(tmp_path / "iv.csv", header, row))
    np.testing.assert_allclose(curve.voltage, V, rtol=1e-12, atol=1e-18)
    np.testing.assert_allclose(curve.current, I, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_table_may_have_any_encoding(encoding: str, tmp_path: Path) -> None:
    path = written(tmp_path / "iv.csv", "V (mV);I (µA)", "{mv!r};{ua!r}")
    path.write_text(path.read_text("utf-8"), encoding)
    np.testing.assert_allclose(read_curve(path).current, I, rtol=1e-12, atol=1e-18)


def test_columns_are_chosen_by_name_or_number(tmp_path: Path) -> None:
    path = written(tmp_path / "iv.csv", "Vg,Vd,Id,Ig", "0.5,{v!r},{less!r},1e-9")
    for voltage, current in (("Vd", "-Id"), ("vd", "-3"), ("2", "-id")):
        np.testing.assert_allclose(read_curve(path, voltage, current).current, I, rtol=1e-12, atol=1e-18)
    with pytest.raises(DataError, match=r"got the columns Vg, Vd, Id, Ig; choose them by name"):
        read_curve(path)
    with pytest.raises(DataError, match=r"expected a column 'Vdd'; did you mean"):
        read_curve(path, "Vdd", "Id")
    with pytest.raises(DataError, match="expected different columns"):
        read_curve(path, "2", "Vd")


@pytest.mark.parametrize(
    ("output", "asked"),
    [
        (".print dc v(a) i(v1)", ()),
        (".control\ndc v1 -0.05 0.45 5m\nprint v(a) i(v1)\n.endc", ()),
        (".control\ndc v1 -0.05 0.45 5m\nset wr_vecnames\nwrdata iv.txt i(v1)\n.endc", ()),
        (".control\ndc v1 -0.05 0.45 5m\nwrdata iv.txt v(a) i(v1)\n.endc", ("1", "-4")),
    ],
)
def test_tables_of_ngspice_are_read(output: str, asked: tuple[str, ...], tmp_path: Path) -> None:
    """All that `ngspice -b` prints, over two pages with their headers, or what wrdata writes."""
    card = EsakiDiode().card("d", "a", "0", "", 1.0)
    deck = f"* curve\nv1 a 0 0\n{card}\n.dc v1 -0.05 0.45 5m\n{output}\n.end\n"
    (tmp_path / "d.sp").write_text(deck)
    done = subprocess.run(
        ["ngspice", "-n", "-b", "d.sp"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    if not (tmp_path / "iv.txt").exists():
        (tmp_path / "iv.txt").write_text(done.stdout)
    curve = read_curve(tmp_path / "iv.txt", *asked)
    np.testing.assert_allclose(curve.voltage, V, atol=1e-9)
    np.testing.assert_allclose(curve.current, I, rtol=2e-3, atol=1e-8)


def test_columns_may_be_the_other_way_round_and_numbers_have_a_decimal_comma(tmp_path: Path) -> None:
    rows = [f"{i * 1e3!r};{v!r};".replace(".", ",") for v, i in zip(V.tolist(), I.tolist(), strict=True)]
    (tmp_path / "iv.txt").write_text("\n".join(["I (mA); V (V);", *rows]))
    curve = read_curve(tmp_path / "iv.txt")
    np.testing.assert_allclose(curve.current, I, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected lines of two numbers, a voltage and a current, found none"),
        ("V,I\n", "found none"),
        ("V,I\n0.0,1.0\n0.1,2.0,3.0\n", r"line 3: expected two numbers.*got '0\.1,2\.0,3\.0'"),
        ("V,I\n0.0,1.0\n0.1,\n", "line 3: expected two numbers"),
        ("V,I\n0.1,x\n0.2,1.0\n", "line 2: expected two numbers"),
        ("V,I\n0,05 1,2\n", "expected one column of voltages and one of currents, got the columns 1 … 3"),
        (
            "V (mV),I (mA)\n" + "10,500u\n" * 20,
            "line 2: expected a plain number, as its header names a unit, in col",
        ),
        ("V,I,T\n0.1,1,x\n0.2,y,3\n", "line 3: expected a number, in column I, got another"),
        (
            "".join(f"{k},-{k}\n" for k in range(20)),
            "mostly of the other sign than the voltages, as those of a s",
        ),
        ("V,I\n" + "0.1,nan\n" * 20, "expected finite numbers, got 0.1 V, nan A"),
    ],
)
def test_bad_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "iv.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"iv.csv.*{message}"):
        read_curve(path)


def test_a_missing_table_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected a file here, found none"):
        read_curve(tmp_path / "iv.csv")


@pytest.mark.parametrize(("volt", "ampere"), [(1e-3, 1), (1, 1e-3), (1e-3, 1e-3), (1e3, 1), (1e3, 1e3)])
def test_unnamed_units_are_noticed(volt: float, ampere: float, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is that of no tunnel diode.*V \(mV\), I \(mA\)"):
        read_curve(table(tmp_path / "iv.csv", "V,I", ",", volt, ampere))


def swapped(path: Path, header: str, noise: float = 0.0) -> Path:
    """The current first, the voltage second."""
    i = I * (1 + noise * np.random.default_rng(0).normal(size=len(I)))
    np.savetxt(path, np.stack([i, V], axis=1), delimiter=",", header=header, comments="")
    return path


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_unnamed_columns_that_are_swapped_are_noticed(noise: float, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"iv.csv: are the columns swapped\?.*\"I \(A\), V \(V\)\""):
        read_curve(swapped(tmp_path / "iv.csv", "", noise))
    named = read_curve(swapped(tmp_path / "iv.csv", "I (A), V (V)", noise))
    np.testing.assert_allclose(named.voltage, V, atol=1e-12)
    as_told = read_curve(swapped(tmp_path / "iv.csv", "V (V), I (A)", noise))
    assert as_told.voltage.max() < 0.01, "who names both units is believed"


def test_noise_is_not_taken_for_swapped_columns(tmp_path: Path) -> None:
    v = np.linspace(0, 0.45, 2000)
    i = EsakiDiode().evaluate(v)[0] * (1 + 0.05 * np.random.default_rng(0).normal(size=len(v)))
    np.savetxt(tmp_path / "iv.csv", np.stack([v, i], axis=1))
    np.testing.assert_allclose(read_curve(tmp_path / "iv.csv").current, i, rtol=1e-12)
