"""Tables that are bought, fitted and programmed from, and files that no tool here runs: faults in them are found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from faults import copy_with

import eqcirc as eq
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.ratings import ratings
from eqcirc.export.bundle.write import write_bundle
from eqcirc.signoff.check import Verdict
from eqcirc.signoff.verify import verify_bundle
from tests.export.bundles import rows

Change = Callable[[Mapping[str, bytes]], Path]


def problems(folder: Path, key: str) -> list[str]:
    (result,) = verify_bundle(folder, [key]).results
    assert (result.verdict is Verdict.FAILED) == bool(result.problems)
    return result.problems


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blocks of every form: a tunnel diode, one-way and signed weights, coils that share a resistance."""
    b = eq.CircuitBuilder("cells")
    x, n = b.input("x", 2), b.nodes("n", 2)
    b.conductance("w", x, n, [1e-3, 2e-3], trainable=True)
    b.device("td", n, [eq.GROUND] * 2, eq.CubicDevice(g1=1e-3, v0=0.2), area=[1.0, 1.5], trainable=True)
    b.capacitor("c", n, [eq.GROUND] * 2, 1e-9)
    b.signed_crossbar("s", x, n, [[0.0, 1e-4], [-2e-4, 3e-4]])
    b.one_way_crossbar("o", x, n, [[1e-5, -1e-5], [2e-5, 0.0]])
    b.rl_branches("rl", n, [eq.GROUND] * 2, 400.0, 1e-4, shared=[(0, 1)], shared_ohms=[50.0], trainable=True)
    folder = tmp_path_factory.mktemp("bundles") / "cells"
    return eq.export_bundle(b.build(n), folder, inputs=np.array([[0.1, 0.2]]), target="spice")


@pytest.mark.parametrize("key", ["tables", "twins", "text"])
def test_nothing_is_wrong_with_what_was_exported(bundle: Path, cells: Path, key: str) -> None:
    assert problems(bundle, key) == problems(cells, key) == []


@pytest.mark.parametrize(
    ("file", "pattern", "by", "said"),
    [
        ("weights.csv", r'^("w1.0,0.".*?,S,.*?,.*?),[^,]+', r"\1,12345.0", "is 12345, x_w1_r0"),
        ("weights.csv", r"r_0_0,S", "r_0_1,S", "w1[0,0] is "),
        ("rounding.csv", r'^("w1\[0,0\]",.*?),[^,]+', r"\1,1000.0", "aims at 1000.0 ohm"),
        ("rounding.csv", r"(?<=[0-9]),[^,]+,[^,]+$", ",4990.0,0.0", "is not off by"),
        ("programming.csv", r"(AD5292 \d+k,0),\d+", r"\1,17", "code 17"),
        ("limits.csv", r"^(x_w1_r0_c0.r_0_0,w1),[^,]+", r"\1,0.001", "v_max_V is 0.001"),
        ("pins.csv", r"^1,x_0,input,[^,]+", "1,x_0,input,-9.0", "v_min_V is -9.0"),
        ("pins.csv", r"^1,x_0,input", "1,x_0,output", "x_0 is output"),
        ("golden.csv", r"^\d,\d,free,node,h1_2,.*\n", "", "no voltage of net h1_2"),
        ("weights.csv", r'^"w1.1,2.".*\n', "", "is missing beside rounding.csv"),
        ("programming.csv", r'^"w1.1,2.".*\n', "", "is missing beside rounding.csv"),
        ("layout/layers.csv", r"metal1,4", "metal1,14", "metal1 is"),
        ("board/bom.csv", r",D_SOD-123", ",D_SOD-323", "in parts.csv"),
        ("board/bom.csv", r'"R\d+,', '"', " of R"),
        ("board/bom.csv", r"RC0603FR-07(\d+)", r"RC0603FR-079\1", "ordered is"),
    ],
)
def test_a_fault_in_a_table_is_found(
    bundle: Path, changed: Change, file: str, pattern: str, by: str, said: str
) -> None:
    text = (bundle / file).read_text()
    other = re.sub(pattern, by, text, count=0 if file == "golden.csv" else 1, flags=re.MULTILINE)
    assert other != text
    found = problems(changed({file: other.encode()}), "tables")
    assert any(problem.startswith(file) and said in problem for problem in found), found


@pytest.mark.parametrize(
    ("file", "a", "b", "key"),
    [
        ("va/cell_td_no2.va", "1.5 *", "2.5 *", "twins"),
        ("models_xyce.sp", "1.5*", "2.5*", "twins"),
        ("models_ltspice.sp", "1.5*", "2.5*", "twins"),
        ("mc_dut.sp", "{1000.0*", "{1100.0*", "twins"),
        ("tb_xyce.cir", " 0 0.1", " 0 0.2", "twins"),
        ("weights.csv", "td[1],td,0,1,x_td_1,1,1.5,1.5", "td[1],td,0,1,x_td_1,1,1.5,1.6", "tables"),
        ("weights.csv", "S,-0.0002,-0.0002", "S,-0.0002,-0.0005", "tables"),
        ("dut.scs", "r_w_1 (x_1 n_1) resistor r=500.0", "r_w_1 (x_1 n_1) resistor r=501.0", "twins"),
        ("dut.scs", "r_w_1 (x_1 n_1)", "r_w_1 (x_0 n_1)", "twins"),
        ("dut.scs", "r_w_1 (x_1 n_1) resistor r=500.0\n", "", "twins"),
        ("dut.scs", "c_c_1 (n_1 vss) capacitor c=", "c_c_1 (n_1 vss) inductor l=", "twins"),
        ("dut.scs", "x_td_1 (n_1 vss) cell_td_no2", "x_td_1 (n_1 vss) cell_td", "twins"),
        ("dut.scs", "vccs gm=1e-05", "vccs gm=2e-05", "twins"),
        ("dut.scs", "ccvs probe=v_eq_rl_0", "ccvs probe=v_eq_rl_1", "twins"),
        ("dut.scs", "subckt cells (x_0 x_1", "subckt cells (x_1 x_0", "twins"),
        ("dut.scs", "cell_td.va", "cell_other.va", "twins"),
        ("mc_spectre.scs", "synapse ohms=1000.0", "synapse ohms=1001.0", "twins"),
        ("mc_spectre.scs", "r=ohms*exp(mm)", "r=ohms*exp(2*mm)", "twins"),
        ("mc_spectre.scs", "std=0.05", "std=0.06", "tables"),
        ("mc_spectre.scs", "synapse ohms=1000.0", "resistor r=1000.0", "tables"),
        ("mc_dut.sp", "agauss(0,0.05,1)", "agauss(0,0.5,1)", "tables"),
        ("tb_xyce.cir", "x_dut x_0 x_1", "x_dut x_1 x_0", "twins"),
        ("tb_ltspice.cir", "v_x_0 eq_x_0 x_0", "v_x_0 eq_x_0 x_1", "twins"),
        ("tb_ltspice.cir", ".include models_ltspice.sp", ".include models.sp", "twins"),
        ("mc_native.sp", ".temp 27", ".temp 37", "twins"),
        ("va/cell_td_no2.va", "module cell_td_no2(anode, ", "module cell_td_no2(", "twins"),
        ("mc_samples.csv", "r_w_0,ohm", "r_w_0,kohm", "tables"),
        ("mc_samples.csv", "r_w_0,ohm,", "r_w_0,ohm,2", "tables"),
        ("mc_samples.csv", "chip_9", "chip_10", "tables"),
        ("golden.csv", "apply,x_0,0.1,V", "apply,x_0,0.1,mV", "tables"),
        ("weights.csv", "w[0],w,0,0,r_w_0,S", "w[0],w,0,1,r_w_0,S", "tables"),
        ("limits.csv", "r_w_0,w,", "r_w_0,w,9", "tables"),
        ("tb_ltspice.cir", ".end\n", ".control\nshell id\n.endc\n.end\n", "text"),
        ("tb_xyce.cir", ".end\n", "*# shell id\n.end\n", "text"),
        ("models_xyce.sp", "* cells", "* cells\n.lib /etc/passwd\n*", "text"),
    ],
)
def test_a_fault_in_what_nothing_here_runs_is_found(
    cells: Path, tmp_path: Path, file: str, a: str, b: str, key: str
) -> None:
    text = (cells / file).read_text()
    assert a in text
    found = problems(copy_with(cells, tmp_path / "changed", {file: text.replace(a, b, 1).encode()}), key)
    assert any(file in problem for problem in found), found


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with scores: a small network, its data and its cost, and ratings."""
    rng = np.random.default_rng(0)
    circuit = Layered(hidden=(2,), input_gain=1.0, biases=Biases(voltage=1.0), bounds=(1e-7, 1e-5)).build(
        "scored", 2, 2, 0
    )
    x = rng.normal(size=(8, 2))
    data = eq.Dataset("some", x, np.arange(8) % 2, n_classes=2)
    design = Design(
        circuit,
        circuit.parameters,
        x[:2],
        cost=eq.SoftmaxCrossEntropy(sharpness=10.0),
        data=data,
        ratings=ratings(["r:W=0.1", "r:V=75", "d:A=0.1"]),
    )
    folder = tmp_path_factory.mktemp("bundles") / "scored"
    write_bundle(design, folder)
    return folder


@pytest.mark.parametrize(
    ("file", "pattern", "by", "key"),
    [
        ("README.txt", r"circuit of \d+ resistors", "circuit of 7 resistors", "readme"),
        ("README.txt", r"as exported: loss 0", "as exported: loss 1", "readme"),
        ("README.txt", r"   1  x_0   ", "   1  x_1   ", "readme"),
        ("README.txt", r"(biasp: )\S+", r"\g<1>1e-3", "readme"),
        (
            "README.txt",
            r"the most that a resistor bears is \S+",
            "the most that a resistor bears is 9",
            "readme",
        ),
        ("README.txt", r"10 chips", "20 chips", "readme"),
        ("README.txt", r" \(not run here\)", "", "readme"),
        ("README.txt", r"design [0-9a-f]{4}", "design 0000", "readme"),
        ("dut.sp", r"design [0-9a-f]{4}", "design 0000", "readme"),
        ("MANIFEST.json", r'"r": \d+', '"r": 7', "readme"),
        ("MANIFEST.json", r'"phases": \[\n  "free"', '"phases": ["phase +1"', "readme"),
        ("scores.csv", r"^(as exported,8,0),[^,]+", r"\1,0.5", "tables"),
        ("scores.csv", r"^(resistors of E24),8", r"\1,9", "tables"),
        ("corners.csv", r"^(nominal,.*,8,0),[^,]+", r"\1,0.5", "tables"),
        ("corners.csv", r"^70 C,70.0", "70 C,75.0", "tables"),
        ("mc_results.csv", r"^3,", "13,", "tables"),
        ("mc_results.csv", r",8,0,([^,]+),[^,\n]+$", r",8,0,\1,0.55", "tables"),
        ("weights.csv", r"[^,]+$", "1.0", "tables"),
        ("programming.csv", r",[01]$", ",2", "tables"),
        ("programming.csv", r"^(.*MCP41xxx.*,)[^,]+(,[^,]+,[^,]+)$", r"\g<1>9.0\2", "tables"),
        ("programming.csv", r"^(.*memristor 64 levels,0),\d+", r"\1,99", "tables"),
        ("limits.csv", r"^(d_.*),0.1,,[^,]+$", r"\1,0.1,,2.0", "tables"),
        ("limits.csv", r"^(d_[^,]*,[^,]*,[^,]*),[^,]+", r"\1,2.0", "tables"),
        ("limits.csv", r"(,75.0,,)0.1", r"\g<1>0.2", "tables"),
        ("pins.csv", r"1 V \* feature 0", "2 V * feature 0", "tables"),
        ("pins.csv", r"feature 0", "feature 1", "tables"),
        ("layout/layers.csv", r"rows", "columns", "tables"),
        ("board/bom.csv", r"1 %", "5 %", "tables"),
        ("layout/crossbars.csv", r"^(xbar_w1,)4", r"\g<1>5", "layout-lvs"),
    ],
)
def test_no_number_stands_alone(
    scored: Path, tmp_path: Path, file: str, pattern: str, by: str, key: str
) -> None:
    text = (scored / file).read_text()
    other = re.sub(pattern, by, text, count=1, flags=re.MULTILINE)
    assert other != text
    folder = copy_with(
        scored, tmp_path / "changed", {} if file == "MANIFEST.json" else {file: other.encode()}
    )
    if file == "MANIFEST.json":
        (folder / file).write_text(other)
    assert problems(folder, key)


@pytest.mark.parametrize("key", ["readme", "tables", "twins", "layout-lvs"])
def test_nothing_is_wrong_with_what_has_scores(scored: Path, key: str) -> None:
    assert problems(scored, key) == []


def test_any_number_of_any_file_is_held_by_another_file(scored: Path, tmp_path: Path) -> None:
    """But for scores, which are of data that are not there, and draws."""
    ours = ["tables", "readme"]
    keys = {
        ".csv": ours,
        ".txt": ours,
        ".cdl": ["readme", "cadence", "graph-klayout"],
        ".sp": ["tables", "graph-klayout"],
    }
    rng = np.random.default_rng(0)
    alone = ("tb_op.sp", "golden.csv", "crossbars", "extracted", "board.net", "mc_samples", "mc_results")
    names = [
        f.relative_to(scored).as_posix()
        for f in sorted(scored.rglob("*.*"))
        if f.suffix not in (".gds", ".png")
    ]
    names = [n for n in names if not any(x in n for x in (*alone, "corners", "scores", "MANIFEST"))]
    assert len(names) > 15
    for k, name in enumerate(names):
        text = (scored / name).read_text()
        found = list(re.finditer(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.])", text))
        if not found:
            continue
        at = found[rng.integers(len(found))]
        other = f"{text[: at.start()]}{1.01 * float(at[0]) or 1e-3!r}{text[at.end() :]}"
        folder = copy_with(scored, tmp_path / str(k), {name: other.encode()})
        result = verify_bundle(folder, [*keys.get(Path(name).suffix, ()), "twins", "readme"])
        line = other[other.rfind("\n", 0, at.start()) + 1 :].partition("\n")[0]
        seen = [r for r in result.results if r.verdict is Verdict.FAILED]
        assert seen or ".options" in line, (name, at[0], line)


def test_a_page_of_another_version_is_left_out(scored: Path, tmp_path: Path) -> None:
    folder = copy_with(scored, tmp_path / "old", {})
    text = (folder / "MANIFEST.json").read_text()
    (folder / "MANIFEST.json").write_text(re.sub(r'"eqcirc": "[^"]+"', '"eqcirc": "0.0.1"', text))
    (result,) = verify_bundle(folder, ["readme"]).results
    assert result.verdict is Verdict.SKIPPED
    assert "0.0.1" in result.found


def test_every_resistance_of_coils_has_one_row_of_its_own(cells: Path) -> None:
    """Own ones are in the resistor of their branch, shared ones in the sources of both branches."""
    trained = [row for row in rows(cells / "weights.csv") if row["element"] == "rl"]
    assert [(row["edge"], float(row["ohm"])) for row in trained] == [
        ("rl[0]", 400),
        ("rl[1]", 400),
        ("rl[2]", 50),
    ]
    assert [row["device"] for row in trained] == ["x_rl.r_rl_0", "x_rl.r_rl_1", "x_rl.h_rl_0_0 x_rl.h_rl_1_0"]
    limits = {row["device"]: row for row in rows(cells / "limits.csv")}
    assert len(limits) == len(rows(cells / "limits.csv"))
    golden = {row["name"]: float(row["value"]) for row in rows(cells / "golden.csv")}
    currents = [float(limits[f"x_rl.l_rl_{k}"]["i_max_A"]) for k in range(2)]
    own = [float(limits[f"x_rl.r_rl_{k}"]["v_max_V"]) for k in range(2)]
    shared = float(limits["x_rl.h_rl_0_0"]["v_max_V"])
    assert own == pytest.approx([400 * i for i in currents])
    assert shared == pytest.approx(50 * abs(currents[0] - currents[1]))
    for k, (sign, name) in enumerate(
        [(1, "n_0"), (-1, "n_1")]
    ):  # both nets are positive: Kirchhoff's voltage law
        cross = sign * 50 * (currents[0] - currents[1])
        assert own[k] + cross == pytest.approx(golden[name])


@pytest.mark.parametrize(
    ("a", "b"),
    [("rl[0],rl,0,0,x_rl.r_rl_0", "rl[0],rl,0,0,x_rl.h_rl_0_0"), ("50.0,50.0,50.0", "51.0,51.0,51.0")],
)
def test_another_resistance_of_a_coil_is_found(cells: Path, tmp_path: Path, a: str, b: str) -> None:
    text = (cells / "weights.csv").read_text()
    assert a in text
    folder = copy_with(cells, tmp_path / "changed", {"weights.csv": text.replace(a, b, 1).encode()})
    assert any("rl[" in problem for problem in problems(folder, "tables"))


def test_a_resistor_that_bears_another_load_is_found(tmp_path: Path) -> None:
    b = eq.CircuitBuilder("hot")
    x, out = b.input("x", 2, gain=20.0), b.nodes("o", 2)
    b.crossbar("w", x, out, np.full((2, 2), 1e-3))
    b.conductance("leak", out, [eq.GROUND] * 2, 1e-3)
    folder = eq.export_bundle(
        b.build(out), tmp_path / "hot", inputs=np.array([[1.0, -1.0], [1.0, 1.0]]), target="board"
    )
    assert problems(folder, "tables") == []
    text = (folder / "board/bom.csv").read_text()
    said = re.search(r"bears ([0-9.]+) W", text)
    assert said is not None
    line = next(line for line in text.splitlines() if said[0] in line)
    load = re.search(r"bears [^,]*", line)
    assert load is not None
    ordered = line.replace(",,,1k,", ",RC0603FR-071KL,Yageo,1k,").replace(load[0], "0.1 W")
    assert "Yageo" in ordered
    others = (
        text.replace(said[0], f"bears {1.01 * float(said[1]):.4g} W", 1),
        text.replace(said[0], "Bears 9 W", 1),
        text.replace(line, line.replace(load[0], ""), 1),
        text.replace(line, ordered, 1),
    )
    for k, other in enumerate(others):
        found = problems(copy_with(folder, tmp_path / str(k), {"board/bom.csv": other.encode()}), "tables")
        assert any("by limits.csv it bears" in problem for problem in found), found
