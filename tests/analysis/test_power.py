"""Power of an inference: against ngspice's own figures, by hand, and by Tellegen's theorem."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.analysis import power as module
from eqcirc.analysis.flows import device_class, layer_of
from eqcirc.analysis.power import power
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.errors import CircuitError, DataError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import full_netlist
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from tests.case import ONE_INPUT, S
from tests.catalogue import CASES

Batch = Callable[[str], tuple[str, dict[str, Array]]]
SAMPLES = np.array([[0.4, -0.2], [0.1, 0.3], [-0.5, 0.2]])


def network() -> Circuit:
    return Layered(hidden=(3,), gain=4.0, input_gain=2.0).build("network", 2, 2, 0)


@pytest.mark.parametrize(
    "name", [name for name in CASES if name != "predictive"]
)  # where errors are 0, no power is
def test_what_sources_deliver_is_what_parts_dissipate(name: str) -> None:
    """Amplifiers, transconductors and cells count as sources."""
    case = CASES[name]()
    points = IdealSolver(case.circuit).solve(None, case.inputs).require()
    found = power(case.circuit, None, points.free)
    assert found.imbalance < 1e-10
    assert (found.dissipated > 0).all() or name in ("signed", "coupling") or not case.inputs.any(axis=1).all()


def test_a_voltage_that_breaks_kirchhoffs_law_breaks_the_balance() -> None:
    circuit = network()
    v = IdealSolver(circuit).solve(None, SAMPLES).free
    v[1, circuit.node_names.index("h1_1")] += 0.05
    assert power(circuit, None, v).imbalance > 1e-3


def test_the_figures_are_those_that_ngspice_gives_itself(batch: Batch) -> None:
    """Plain `ngspice -b` says what every resistor and diode takes, and what flows through every source."""
    circuit = network()
    v = IdealSolver(circuit).solve(None, SAMPLES[:1]).free
    found = power(circuit, None, v)
    lines = full_netlist(circuit, None, circuit.fixed_voltages(SAMPLES[:1])).lines
    names = [line.partition(" ")[0] for line in lines]
    wanted = [f"@{n}[p]" for n in names if n[:2] == "r_"] + [f"@{n}[id]" for n in names if n[:2] == "d_"]
    wanted += [f"i({n})" for n in names if n[:2] in ("v_", "b_", "e_")]
    _, vectors = batch("\n".join([*lines, *(f".save {w}" for w in wanted), ".save all", ".op", ".end", ""]))

    def total(start: str) -> float:
        return sum(float(x[0]) for name, x in vectors.items() if name.startswith(f"@{start}"))

    by_element = {e.element: float(e.watts[0]) for e in found.elements}
    for name in ("w1", "b1", "w2"):
        assert total(f"r_{name}_") == pytest.approx(by_element[name], rel=1e-6)
    for name, sign in (("up1", 1), ("down1", -1)):
        parts = (vectors[f"i(@d_{name}_{k}[id])"] * vectors[f"v(h1_{k})"] * sign for k in range(3))
        assert float(sum(parts)[0]) == pytest.approx(by_element[name], rel=1e-6)
    amplifiers = 0.0
    for k in range(3):
        current = float(vectors[f"i(e_a1_{k})"][0])  # into the output
        y, h = (float(vectors[f"v({node}_{k})"][0]) for node in ("y1", "h1"))
        amplifiers += current * y - current / 4 * h
    assert amplifiers == pytest.approx(by_element["a1"], rel=1e-6)
    rails = sum(-float(vectors[f"i(v_{n})"][0]) * v for n, v in (("biasp", 10.0), ("biasn", -10.0)))
    assert rails == pytest.approx(found.rails[0], rel=1e-6)


def test_a_divider_by_hand() -> None:
    case = CASES["divider"]()  # S above 3 S
    v = IdealSolver(case.circuit).solve(None, ONE_INPUT).free
    found = power(case.circuit, None, v, samples=np.arange(10, 15))
    x = ONE_INPUT[:, 0]
    np.testing.assert_allclose(found.dissipated, 0.75 * S * x**2, rtol=1e-12)
    np.testing.assert_allclose(found.inputs, found.dissipated, rtol=1e-12)
    assert found.worst == (pytest.approx(0.75 * S), 10)
    most = found.largest()["synapse"]
    assert (most["volts"].value, most["volts"].element, most["volts"].sample) == (
        pytest.approx(0.75),
        "top",
        10,
    )
    assert most["amperes"].value == pytest.approx(0.75 * S)
    assert most["watts"].value == pytest.approx(0.75**2 * S)
    table = found.by("element").set_index("element")
    assert table.loc["bottom", "mean (W)"] == pytest.approx(float(np.mean(3 * S * (x / 4) ** 2)))
    assert table.loc["inputs", "mean (W)"] == pytest.approx(-found.mean)


def test_both_engines_say_the_same(spice: Callable[..., NgspiceSolver]) -> None:
    circuit = network()
    ideal, other = (
        power(circuit, None, solver.solve(None, SAMPLES).require().free)
        for solver in (IdealSolver(circuit), spice(circuit))
    )
    np.testing.assert_allclose(other.dissipated, ideal.dissipated, rtol=1e-8)
    for one, two in zip(other.elements, ideal.elements, strict=True):
        np.testing.assert_allclose(one.watts, two.watts, rtol=1e-7)


def test_how_many_samples_are_looked_at_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = network()
    v = IdealSolver(circuit).solve(None, SAMPLES).free
    assert {e.element: e.devices for e in power(circuit, None, v).elements}["w1"] == 12
    whole = power(circuit, None, v)
    monkeypatch.setattr(module, "MOST_NUMBERS", 1)
    apart = power(circuit, None, v)
    np.testing.assert_allclose(apart.dissipated, whole.dissipated, rtol=1e-12)
    assert apart.largest() == whole.largest()


def test_layers_and_classes() -> None:
    circuit = Layered(hidden=(3, 3), gain=4.0, leak=1e-7, skips=((0, 2),)).build("network", 2, 2, 0)
    found = {e.name: (layer_of(e), device_class(e)) for e in circuit.elements}
    assert found["w1"] == ("1", "synapse")
    assert found["skip0to2"] == ("2", "synapse")
    assert found["up2"] == ("2", "shockley_diode")
    assert found["a2"] == ("2", "amplifier")
    assert found["leak1"] == ("1", "resistor")
    v = IdealSolver(circuit).solve(None, SAMPLES).free
    table = power(circuit, None, v).by("layer").set_index("layer")
    assert set(table.index) == {"inputs", "rails", "1", "2", "3"}
    assert table["mean (W)"].sum() == pytest.approx(0, abs=1e-12 * table["mean (W)"].abs().max())


def test_what_cannot_be_said() -> None:
    with pytest.raises(DataError, match="at least one sample"):
        power(network(), None, np.empty((0, 19)))
    b = CircuitBuilder("coil")
    x, out = b.input("x"), b.nodes("out")
    b.rl_branches("coil", x, out, 0.0, 1e-3)
    b.conductance("load", out, GROUND, S)
    circuit = b.build(out)
    v = IdealSolver(circuit).solve(None, ONE_INPUT).free
    with pytest.raises(CircuitError, match="'coil': a coil without resistance"):
        power(circuit, None, v)


def test_phases_of_oscillators_are_no_volts() -> None:
    b = CircuitBuilder("phases")
    node = b.nodes("phi", 2)
    b.phase_coupling("j", node[:1], node[1:], [[1.0]])
    b.phase_device("h", node, 1.0)
    b.capacitor("c", node, GROUND, 1.0)
    with pytest.raises(CircuitError, match="phases of oscillators"):
        power(b.build(node), None, np.zeros((1, 3)))
