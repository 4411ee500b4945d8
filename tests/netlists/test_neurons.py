"""The subcircuits of netlists/neurons.lib, in plain `ngspice -b`, against laws, the ideal solver and the equations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from eqcirc import GROUND, CircuitBuilder, IdealSolver
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery
from eqcirc.devices import CubicDevice, EsakiDiode
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.typing import Array

LIBRARY = (Path(__file__).resolve().parents[2] / "netlists" / "neurons.lib").read_text(encoding="ascii")
TIGHT = ".options reltol=1e-11 vntol=1e-13 abstol=1e-16 itl1=500"

Batch = Callable[[str], tuple[str, dict[str, Array]]]


def deck(*lines: str) -> str:
    return "\n".join(["* test", LIBRARY, *lines, TIGHT, ".end", ""])


def given(**values: float) -> str:
    return " ".join(f"{name}={value!r}" for name, value in values.items())


@pytest.mark.parametrize("values", [{}, {"g1": 3e-3, "v0": 0.25, "area": 1.7}])
def test_cubic_is_its_law(values: dict[str, float], batch: Batch) -> None:
    found = batch(deck("v1 a 0 0", f"x1 a 0 cubic {given(**values)}", ".dc v1 -2 2 0.1"))[1]
    law = CubicDevice(values.get("g1", 1e-3), values.get("v0", 1.0))
    expected = values.get("area", 1.0) * law.evaluate(found["v(a)"])[0]
    np.testing.assert_allclose(-found["i(v1)"], expected, rtol=1e-10, atol=1e-17)


@pytest.mark.parametrize(
    ("values", "law"),
    [
        ({}, EsakiDiode()),
        ({"area": 2.5, "rs": 3.0}, EsakiDiode()),
        (
            {"ip": 1e-3, "vp": 0.09, "ix": 2e-4, "a2": 6.0, "vv": 0.3, "is": 1e-11, "vs": 0.03, "m": 1.6},
            EsakiDiode(1e-3, 0.09, 2e-4, 6.0, 0.3, 1e-11, 0.03, 1.6),
        ),
    ],
)
def test_esaki_is_its_law_behind_a_resistor(values: dict[str, float], law: EsakiDiode, batch: Batch) -> None:
    lines = ("v1 a 0 0", f"x1 a 0 esaki {given(**values)}", ".dc v1 -0.05 0.55 0.01")
    found = batch(deck(*lines))[1]
    area, current = values.get("area", 1.0), -found["i(v1)"]
    junction = found["v(a)"] - values.get("rs", 1.0) / area * current
    expected = area * law.evaluate(junction)[0]
    np.testing.assert_allclose(current, expected, rtol=1e-8, atol=1e-14)


def two(neuron: Neuron, areas: Array) -> Array:
    """Operating points of two coupled neurons by the ideal solver: membranes, then recovery nodes if any."""
    b = CircuitBuilder("two")
    x, v = b.input("x"), b.nodes("v", 2)
    b.conductance("drive", x, v[0], 1e-3)
    b.conductance("between", v[0], v[1], 5e-4)
    recovery = neuron.add(b, "n", v, area=areas)
    if recovery is not None:
        b.conductance("inhibitor", recovery[0], recovery[1], 2e-4)
    circuit = b.build(v)
    free = IdealSolver(circuit).solve(None, np.array([[1.5]])).require().free[0]
    return free[v if recovery is None else np.concatenate([v, recovery])]


COUPLED = ("vx x 0 1.5", "rdrive x v1 1000", "rbetween v1 v2 2000")


def test_rl_neurons_rest_where_the_ideal_solver_says(batch: Batch) -> None:
    values = {"g1": 2e-3, "v0": 0.5, "c": 1e-9, "r": 300.0, "l": 1e-5, "bias": 1e-4}
    lines = [f"xn{k} v{k} e fhn_rl {given(**values, area=area)}" for k, area in ((1, 1.0), (2, 1.4))]
    found = batch(deck(*COUPLED, "ve e 0 0.1", *lines, ".op"))[1]
    neuron = Neuron(CubicDevice(2e-3, 0.5), RLRecovery(300.0, 1e-5), 1e-9, rest=0.1, bias=1e-4)
    expected = two(neuron, np.array([1.0, 1.4]))
    np.testing.assert_allclose([found["v(v1)"][0], found["v(v2)"][0]], expected, rtol=1e-9)


def test_gyrator_neurons_rest_where_the_ideal_solver_says(batch: Batch) -> None:
    values = {"g1": 2e-3, "v0": 0.5, "gm": 3e-3, "gw": 2e-3, "cw": 1e-10, "bias": 1e-4}
    lines = [
        f"xn{k} v{k} w{k} e fhn_gyrator {given(**values, area=area)}" for k, area in ((1, 1.0), (2, 1.4))
    ]
    found = batch(deck(*COUPLED, "ve e 0 0.1", "rh w1 w2 5000", *lines, ".op"))[1]
    neuron = Neuron(CubicDevice(2e-3, 0.5), GyratorRecovery(3e-3, 2e-3, 1e-10), 1e-9, rest=0.1, bias=1e-4)
    expected = two(neuron, np.array([1.0, 1.4]))
    names = ("v(v1)", "v(v2)", "v(w1)", "v(w2)")
    np.testing.assert_allclose([found[n][0] for n in names], expected, rtol=1e-9)


def test_tunnel_neurons_rest_where_the_ideal_solver_says(batch: Batch) -> None:
    """A lone neuron of a whole diode, its membrane pulled to 0.15 V through a branch of less than |dv/di|."""
    found = batch(deck("ve e 0 0.15", f"xn v e tunnel_rl {given(r=20.0, rs=1.5)}", ".op"))[1]
    b = CircuitBuilder("lone")
    rest, v = b.rail("rest", 0.15), b.nodes("v")
    b.rl_branches("recovery", v, rest, 20.0, 2e-8)
    b.device("td", v, GROUND, TunnelDiode(EsakiDiode(), 1.5, 1e-11))
    b.capacitor("membrane", v, GROUND, 1e-9)
    circuit = b.build(v)
    expected = IdealSolver(circuit).solve(None, np.empty((1, 0))).require().free[0, v[0]]
    assert found["v(v)"][0] == pytest.approx(expected, rel=1e-9)


def oscillation(recovery: Callable[[Array], Array]) -> Any:
    """The lone neuron's equations: c·dv/dt = −i_cubic(v) − i, with its recovery."""
    law = CubicDevice(2e-3, 0.5)

    def rate(_: float, x: Array) -> Array:
        current, _ = law.evaluate(x[:1])
        return np.concatenate([(-current - x[1:]) / 1e-9, recovery(x)])

    return solve_ivp(rate, (0.0, 2e-5), [0.1, 0.0], rtol=1e-9, atol=1e-12, dense_output=True).sol


@pytest.mark.parametrize("kind", ["rl", "gyrator"])
def test_neurons_oscillate_as_their_equations_do(kind: str, batch: Batch) -> None:
    """Recovery, equally strong in both, is too slow to hold the fall: a limit cycle."""
    if kind == "rl":
        cell = f"xn v 0 fhn_rl {given(g1=2e-3, v0=0.5, r=250.0, l=5e-4)}"
    else:
        cell = f"xn v w 0 fhn_gyrator {given(g1=2e-3, v0=0.5, gm=2e-3, gw=1e-3, cw=2e-9)}"
    lines = (cell, ".ic v(v)=0.1", ".tran 2e-8 2e-5 0 1e-8 uic", ".options method=gear")
    found = batch(deck(*lines))[1]
    course = oscillation(lambda x: (x[:1] - 250.0 * x[1:]) / 5e-4)
    expected = course(found["time"])[0]
    late = found["time"] > 1e-5
    assert np.ptp(expected[late]) > 1.0, "it oscillates"
    assert np.abs(found["v(v)"] - expected).max() < 2e-3


def test_the_library_is_documented_and_holds_no_commands() -> None:
    lines = LIBRARY.lower().splitlines()
    code = [line for line in lines if not line.startswith("*")]
    assert not any(line.startswith((".control", ".include", ".lib", ".exec")) or "`" in line for line in code)
    assert not any("^" in line for line in code), "^ takes the absolute value"
    for k, line in enumerate(lines):
        if line.startswith(".subckt"):
            assert lines[k - 1].startswith("* "), f"{line}: a cell has a header"
