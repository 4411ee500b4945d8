"""Bundles of circuits that somebody built element by element: every table says what a part is, and what it is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eqcirc as eq
from eqcirc.errors import CircuitError
from tests.export.bundles import rows


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of resistors, diodes of two areas, a transconductor, a coil and a capacitor, fixed and trained."""
    b = eq.CircuitBuilder("mixed")
    x, n, out = b.input("x", 2), b.nodes("n", 2), b.nodes("out")
    b.conductance("w", x, n, [1e-4, 2e-4], trainable=True)
    b.device("d", n, [eq.GROUND] * 2, eq.ShockleyDiode(), area=[1.0, 2.5])
    b.transconductor("t", (out, eq.GROUND), (n[0], eq.GROUND), 2e-6, trainable=True)
    b.signed_crossbar("s", n, out, [[3e-6], [-2e-6]])
    b.conductance("load", out, eq.GROUND, 1e-5)
    b.capacitor("c", n[0], eq.GROUND, 1e-9)
    b.rl_branches("rl", n[1], eq.GROUND, 4e3, 1e-4)
    b.current_source("i", n, [1e-6, -2e-6])
    folder = tmp_path_factory.mktemp("bundles") / "mixed"
    x_of = np.array([[1.0, 0.5], [-0.4, 0.8]])
    return eq.export_bundle(b.build(out), folder, inputs=x_of, target="board", rating=["c:V=2", "l:A=1"])


def test_only_resistors_become_resistors(mixed: Path) -> None:
    for name in ("rounding.csv", "programming.csv"):
        assert {row["edge"] for row in rows(mixed / name)} == {"w[0]", "w[1]"}, name
    assert {row["scale"] for row in rows(mixed / "programming.csv")} == {"1.0"}
    ohm = {row["edge"]: row["ohm"] for row in rows(mixed / "weights.csv")}
    assert float(ohm["w[1]"]) == pytest.approx(5e3)
    assert (ohm["t[0]"], ohm["s[0,0]"], ohm["s[1,0]"]) == ("", "", "")


def test_samples_of_one_kind_have_one_unit(mixed: Path) -> None:
    unit = {row["device"]: row["unit"] for row in rows(mixed / "mc_samples.csv")}
    assert unit.pop("d_d_0") == unit.pop("d_d_1") == "A"
    assert {k: u for k, u in unit.items() if u == "ohm"} == {"r_w_0": "ohm", "r_w_1": "ohm"}
    assert set(unit.values()) == {"ohm", "S"}


def test_limits_list_capacitors_and_coils_too(mixed: Path) -> None:
    load = {row["device"]: row for row in rows(mixed / "limits.csv")}
    volts = [
        abs(float(row["value"]))
        for row in rows(mixed / "golden.csv")
        if row["name"] == "n_0" and row["value"]
    ]
    assert float(load["c_c_0"]["v_max_V"]) == pytest.approx(max(volts))
    assert float(load["c_c_0"]["margin"]) == pytest.approx(2 / max(volts))
    assert load["l_rl_0"]["i_max_A"] == load["r_rl_0"]["i_max_A"] != "0.0"
    assert float(load["l_rl_0"]["v_max_V"]) == 0


def test_diodes_of_different_areas_are_different_parts(mixed: Path) -> None:
    bom = {row["Designator"]: row["Value"] for row in rows(mixed / "board" / "bom.csv")}
    assert (bom["D1"], bom["D2"]) == ("m_d", "m_d area=2.5")


def test_no_name_of_a_block_reads_as_a_factor(mixed: Path) -> None:
    listed = {row["device"]: row["value"] for row in rows(mixed / "board" / "parts.csv")}
    assert (listed["x_i_0"], listed["x_i_1"]) == ("cell_i", "cell_i_no2")


def test_a_board_brings_the_netlist_that_it_is_checked_against(mixed: Path) -> None:
    assert {"dut.sp", "models.sp", "tb_op.sp"} <= {path.name for path in mixed.iterdir()}


def test_a_layout_of_nothing_is_refused(tmp_path: Path) -> None:
    b = eq.CircuitBuilder("bare")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("g", x, out, 1e-5)
    b.conductance("load", out, eq.GROUND, 1e-5)
    with pytest.raises(eq.EqcircError, match="no crossbar of resistors to draw"):
        eq.export_bundle(b.build(out), tmp_path / "bare", inputs=np.ones((1, 1)), target="layout")
    assert not (tmp_path / "bare").exists()


def test_a_resistor_that_bears_more_than_its_part_has_no_order_number(tmp_path: Path) -> None:
    b = eq.CircuitBuilder("hot")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("g", x, out, 1e-2)
    b.conductance("load", out, eq.GROUND, 1e-4)
    folder = eq.export_bundle(b.build(out), tmp_path / "hot", inputs=np.array([[80.0]]), target="board")
    order = {row["Designator"]: (row["MPN"], row["Power"]) for row in rows(folder / "board" / "bom.csv")}
    volts = 80 * 1e4 / 10100
    assert order["R1"] == ("RC0603FR-07100RL", "0.1 W")
    assert order["R2"] == ("", f"bears {volts**2 / 1e4:.3g} W and {volts:.3g} V")
    page = (folder / "README.txt").read_text()
    assert f"a resistor bears is {volts**2 / 1e4:.3g} W and {volts:.3g} V" in page
    assert "corners.csv" not in page


def test_a_circuit_of_phases_is_nothing_to_build(tmp_path: Path) -> None:
    b = eq.CircuitBuilder("phases")
    node = b.nodes("phi", 2)
    b.phase_coupling("j", node[:1], node[1:], [[1.0]])
    b.phase_device("h", node, 1.0)
    b.capacitor("c", node, eq.GROUND, 1.0)
    with pytest.raises(CircuitError, match="no parts to build"):
        eq.export_bundle(b.build(node), tmp_path / "bundle", inputs=np.zeros((1, 0)))
