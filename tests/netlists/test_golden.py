"""Exported netlists and reusable cells stay what they are, and mean what they say."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from eqcirc import ClampDiode, IdealSolver

ROOT = Path(__file__).resolve().parents[2]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_netlists", ROOT / "scripts" / "golden_netlists.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(deck: Path) -> str:
    done = subprocess.run(
        ["ngspice", "-n", "-b", str(deck)], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.mark.parametrize("form", ["full", "reduced"])
def test_export_equals_the_golden_netlist(form: str) -> None:
    name = f"golden_{form}.sp"
    assert script().decks()[name] == (ROOT / "netlists" / name).read_text(encoding="ascii")


@pytest.mark.parametrize("form", ["full", "reduced"])
def test_golden_netlist_gives_the_ideal_voltages(form: str) -> None:
    circuit = script().golden_circuit()
    points = IdealSolver(circuit).solve(None, np.array([[1.0, 0.0], [-0.5, 0.25]])).require()
    rows = re.findall(r"^[01]\t.*$", run(ROOT / "netlists" / f"golden_{form}.sp"), re.MULTILINE)
    printed = np.array([[float(x) for x in row.split()[4:6]] for row in rows])
    np.testing.assert_allclose(printed, points.free[:, circuit.readout.nodes], rtol=1e-6)


@pytest.mark.parametrize("name", ["golden_full.sp", "golden_reduced.sp", "cells.lib"])
def test_netlists_hold_no_commands(name: str) -> None:
    """A netlist that a stranger runs executes nothing: no .control, no `*#` line, no back-quote, no .include."""
    text = (ROOT / "netlists" / name).read_text(encoding="ascii").lower()
    lines = [line for line in text.splitlines() if not line.startswith("* ")]
    assert not any(
        line.lstrip().startswith((".control", "*#", ".include", ".lib", ".exec")) for line in lines
    )
    assert "`" not in text


def test_amplifier_cell(tmp_path: Path) -> None:
    """1 V through 1 kOhm into a cell of gain 4, kappa 1/4, loaded by 1 kOhm at its output.

    v_b = 4·v_a and the input draws v_b/1k/4 = v_a/1k, so v_a = 0.5 V and v_b = 2 V.
    """
    deck = tmp_path / "amplifier.sp"
    cells = (ROOT / "netlists" / "cells.lib").read_text(encoding="ascii")
    body = "* test\n" + cells + "v1 x 0 1\nr1 x a 1000\nx1 a b amplifier gain=4 kappa=0.25\nr2 b 0 1000\n"
    deck.write_text(body + ".op\n.print op v(a) v(b)\n.end\n", encoding="ascii")
    out = run(deck)
    assert re.search(r"a\s+5\.000000e-01", out)
    assert re.search(r"b\s+2\.000000e\+00", out)


def test_clamp_cell_is_the_clamp_law(tmp_path: Path) -> None:
    deck = tmp_path / "clamp.sp"
    cells = (ROOT / "netlists" / "cells.lib").read_text(encoding="ascii")
    body = (
        "* test\n"
        + cells
        + "v1 a 0 0\nx1 a 0 clamp g=1e-3 w=0.1\n.dc v1 -0.2 0.3 0.05\n.print dc i(v1)\n.end\n"
    )
    deck.write_text(body, encoding="ascii")
    rows = re.findall(r"^\d+\t(\S+)\t(\S+)", run(deck), re.MULTILINE)
    volts, amperes = np.array(rows, float).T
    current, _ = ClampDiode(1e-3, 0.1).evaluate(volts)
    np.testing.assert_allclose(-amperes, current, atol=1e-9)
