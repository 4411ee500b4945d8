"""Boards: what KiCad makes of a bundle, and mistakes that it would not notice."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from faults import copy_with

import eqcirc as eq
from eqcirc.signoff.check import Verdict
from eqcirc.signoff.devices import devices_of
from eqcirc.signoff.verify import verify_bundle

Change = Callable[[Mapping[str, bytes]], Path]


@pytest.fixture(scope="session")
def kicad() -> None:
    """KiCad's Python module, which comes with no Python of ours."""
    python = "/usr/bin/python3"
    if (
        shutil.which(python) is None
        or subprocess.run([python, "-c", "import pcbnew"], capture_output=True, check=False).returncode
    ):
        pytest.skip("KiCad is not installed")


@pytest.fixture(scope="module")
def mixed_board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parts of every kind."""
    b = eq.CircuitBuilder("mixed")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("w", [x[0], n[0]], n, 1e-4, trainable=True)
    b.device("d", n, [eq.GROUND] * 2, eq.ShockleyDiode(), area=[1.0, 2.5])
    b.transconductor("t", (n[1], eq.GROUND), (n[0], eq.GROUND), 2e-6)
    b.capacitor("c", n[0], eq.GROUND, 1e-9)
    b.rl_branches("rl", n[1], eq.GROUND, 4e3, 1e-4)
    folder = tmp_path_factory.mktemp("bundles") / "mixed"
    return eq.export_bundle(b.build(n), folder, inputs=np.ones((1, 1)), target="board")


def problems(folder: Path) -> list[str]:
    (result,) = verify_bundle(folder, ["board-kicad"]).results
    assert (result.verdict is Verdict.FAILED) == bool(result.problems)
    return result.problems


def test_kicad_builds_the_board(bundle: Path, kicad: None) -> None:
    (result,) = verify_bundle(bundle, ["board-kicad"]).results
    assert result.verdict is Verdict.PASSED, result.problems
    rows = list(csv.DictReader(io.StringIO((bundle / "board/parts.csv").read_text())))
    assert result.found.startswith(f"{len(rows)} footprints")
    assert result.files["board.kicad_pcb"].count(b"(footprint ") == len(rows)
    assert b"<svg" in result.files["board.svg"]


def swap(text: str, a: str, b: str) -> bytes:
    assert a in text
    assert b in text
    return text.replace(a, "@").replace(b, a).replace("@", b).encode()


@pytest.mark.parametrize(
    ("file", "a", "b", "said"),
    [
        ("board/board.net", '(ref "D1") (pin "1")', '(ref "D1") (pin "2")', "pads of D1 are at"),
        ("board/board.net", '(ref "R1") (pin "2")', '(ref "R2") (pin "2")', "pads of R1 are at"),
        ("board/board.net", '(code "1")', '(code "2")', "net 2 stands where"),
        ("board/parts.csv", "x_0 h1_0\n", "x_0 h1_1\n", "R1 is at"),
        ("dut.sp", "r_0_0 r0 c0 ", "r_1_1 r1 c1 ", "R1 is"),
    ],
)
def test_pads_at_other_nets_are_found(
    bundle: Path, changed: Change, kicad: None, file: str, a: str, b: str, said: str
) -> None:
    found = problems(changed({file: swap((bundle / file).read_text(), a, b)}))
    assert any(said in problem for problem in found), found


def test_a_part_that_is_left_out_is_found(bundle: Path, changed: Change, kicad: None) -> None:
    text = (bundle / "board/parts.csv").read_text()
    line = next(line for line in text.splitlines() if line.startswith("R3,"))
    found = problems(changed({"board/parts.csv": text.replace(line + "\n", "").encode()}))
    assert any("is not on the board" in problem for problem in found)
    assert any("footprints, expected" in problem for problem in found)


def test_a_bill_of_materials_has_every_part_once(bundle: Path) -> None:
    bom = list(csv.DictReader(io.StringIO((bundle / "board/bom.csv").read_text())))
    parts = [
        row["designator"] for row in csv.DictReader(io.StringIO((bundle / "board/parts.csv").read_text()))
    ]
    listed = [name for row in bom for name in row["Designator"].split(",")]
    assert sorted(listed) == sorted(parts)
    assert [int(row["Qty"]) for row in bom] == [len(row["Designator"].split(",")) for row in bom]
    assert list(bom[0])[:4] == ["Comment", "Designator", "Footprint", "LCSC Part #"]


def test_devices_are_seen_through_their_tiles(bundle: Path) -> None:
    found = devices_of((bundle / "dut.sp").read_text(), "small")
    nets, ohms, _ = found["x_w1_r0_c0.r_1_2"]
    assert nets == ["x_1", "h1_2"]
    assert ohms is not None
    assert ohms > 0
    assert found["x_a1_0"][0] == ["h1_0", "y1_0", "vss"]


def test_every_part_is_held_against_its_device(mixed_board: Path, tmp_path: Path, kicad: None) -> None:
    assert problems(mixed_board) == []
    text = (mixed_board / "board/parts.csv").read_text()
    net = (mixed_board / "board/board.net").read_text()
    for k, (a, b) in enumerate(
        [("1nF", "1uF"), ("100uH", "10uH"), ("m_d area=2.5", "m_d"), ("cell_t", "cell_u")]
    ):
        contents = {
            "board/parts.csv": text.replace(a, b).encode(),
            "board/board.net": net.replace(a, b).encode(),
        }
        found = problems(copy_with(mixed_board, tmp_path / str(k), contents))
        assert any(f" is {b}, " in problem for problem in found), found
