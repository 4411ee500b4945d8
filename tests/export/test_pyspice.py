"""A PySpice circuit made from ours has the same operating point, simulated by the ngspice program."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from eqcirc import Circuit, ClampDiode, IdealSolver, LayerDiodes, Layered, ShockleyDiode
from eqcirc.circuit.layers import Biases
from eqcirc.devices import Bounds
from eqcirc.export import pyspice
from eqcirc.export.pyspice import to_pyspice
from tests.catalogue import case

PLANS = {
    "diodes and amplifiers": Layered(hidden=(5, 4), diodes=LayerDiodes(ShockleyDiode(), rail=0.2), gain=4.0),
    "clamps, no amplifiers": Layered(hidden=(6,), diodes=LayerDiodes(ClampDiode(), "one_sided", 0.0)),
    "signed": Layered(hidden=(4,), weights="signed", bounds=Bounds(-1e-4, 1e-4)),
    "dual rail": Layered(hidden=(3,), weights="dual_rail", gain=4.0),
    "current biases": Layered(hidden=(4,), biases=Biases("current"), differential=False),
}


def operating_point(netlist: str, names: list[str], folder: Path) -> np.ndarray:
    deck = folder / "deck.sp"
    shown = " ".join(f"v({name})" for name in names)
    deck.write_text(f"{netlist.rstrip()}\n.op\n.print op {shown}\n.end\n", encoding="ascii")
    done = subprocess.run(
        ["ngspice", "-n", "-b", str(deck)], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [re.search(rf"^\s*{name}\s+(\S+)\s*$", done.stdout, re.MULTILINE) for name in names]
    assert all(lines), done.stdout
    return np.array([float(line.group(1)) for line in lines if line])


def check_same(circuit: Circuit, sample: np.ndarray, folder: Path) -> None:
    nodes = circuit.readout.nodes
    names = [circuit.node_names[n] for n in nodes.tolist()]
    expected = IdealSolver(circuit).solve(None, sample[None]).require().free[0, nodes]
    found = operating_point(str(to_pyspice(circuit, None, sample)), names, folder)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)  # the program prints six digits


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
def test_operating_point_is_the_same(plan: Layered, tmp_path: Path) -> None:
    circuit = plan.build("net", 3, 2, np.random.default_rng(1))
    check_same(circuit, np.array([0.7, -0.4, 1.0]), tmp_path)


def test_large_crossbars_are_cut_into_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyspice, "TILE", 3)
    plan = Layered(hidden=(7,), gain=4.0)
    circuit = plan.build("tiles", 4, 2, np.random.default_rng(2))
    text = str(to_pyspice(circuit, None, np.ones(4)))
    assert text.count(".subckt w1_tile") == 3 * 3  # 8 driven rows and 7 columns in threes
    check_same(circuit, np.array([1.0, -1.0, 0.5, 0.2]), tmp_path)


def test_amplifiers_are_one_cell() -> None:
    circuit = PLANS["diodes and amplifiers"].build("net", 3, 2, np.random.default_rng(1))
    text = str(to_pyspice(circuit, None, np.zeros(3)))
    assert text.count(".subckt amplifier_a1 ") == 1
    assert len(re.findall(r"^Xa1_", text, re.MULTILINE)) == 5


@pytest.mark.parametrize("name", ["tunnel", "neurons", "coupled_neurons", "gyrator"])
def test_neurons_have_a_pyspice_form(name: str, tmp_path: Path) -> None:
    """Devices whose law stands in their line, coils that share a resistance, gyrators, capacitors."""
    example = case(name)
    check_same(example.circuit, example.inputs[1], tmp_path)


def test_a_name_stays_in_the_title(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    name = f"net\n*# shell touch {trap}\nrmine 1 0 1k\r\n.control\nshell touch {trap}\n.endc"
    circuit = Layered(hidden=(2,)).build(name, 2, 2, np.random.default_rng(0))
    text = str(to_pyspice(circuit, None, np.zeros(2)))
    assert text.splitlines()[0].startswith(".title net *# shell touch")
    assert "rmine" not in "\n".join(text.splitlines()[1:])
    operating_point(text, [circuit.node_names[circuit.readout.nodes[0]]], tmp_path)
    assert not trap.exists()
