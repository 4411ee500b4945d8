"""Tables that are bought, fitted and programmed from, and files that no tool here runs: faults in them are found."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from faults import copy_with

import eqcirc as eq
from eqcirc.signoff.check import Verdict
from eqcirc.signoff.verify import verify_bundle

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
