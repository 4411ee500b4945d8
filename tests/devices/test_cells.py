"""Laws of one-way cells, and the sources that stand for them in netlists."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import CellLaw, Clipped, CubicDevice, DiodeLimited, Law, Probit, SlopeLaw, Tangent, Tanh
from eqcirc.errors import CircuitError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from tests.case import S
from tests.cells import LAWS
from tests.devices.test_laws import LAWS as TWO_TERMINAL
from tests.devices.test_laws import N_SHAPED, grid

laws = pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
V = np.linspace(-0.73, 0.81, 41)


@laws
def test_the_slope_is_the_derivative_of_the_current_and_bounded(law: CellLaw) -> None:
    current, slope = law.evaluate(V)
    h = 1e-6
    differences = (law.evaluate(V + h)[0] - law.evaluate(V - h)[0]) / (2 * h)
    np.testing.assert_allclose(slope, differences, atol=1e-8 * law.steepest)
    assert (slope >= 0).all()
    assert slope.max() <= law.steepest * (1 + 1e-12)
    assert (np.diff(current) >= 0).all()


def test_odd_laws_are_odd_and_one_sided_ones_let_nothing_through_below_zero() -> None:
    far = np.array([50.0])
    for law in (Tanh(), Clipped(), DiodeLimited(), Probit()):
        np.testing.assert_allclose(law.evaluate(-V)[0], -law.evaluate(V)[0], atol=1e-20)
    for one_sided in (
        Tanh(one_sided=True),
        Clipped(one_sided=True),
        DiodeLimited(one_sided=True),
        Probit(one_sided=True),
    ):
        assert float(one_sided.evaluate(-far)[0][0]) == pytest.approx(0.0, abs=1e-20)
        assert float(one_sided.evaluate(far)[0][0]) > 0.9e-6
    for law in (Tanh(S, 2e-6), Clipped(S, 2e-6), Probit(S, 2e-6)):
        assert float(law.evaluate(far)[0][0]) == pytest.approx(2e-6)
    assert float(DiodeLimited(S, 1e-6).evaluate(far)[0][0]) == pytest.approx(
        1e-6 * np.log(2 * 50 / 0.1), rel=1e-5
    )


def test_the_probit_law_is_the_normal_distribution_of_its_noise() -> None:
    """Against the error function of the standard library; noise and slope are two ways to say one thing."""
    for one_sided in (True, False):
        law = Probit.of_noise(0.25, 2e-6, one_sided=one_sided)
        assert law.noise == pytest.approx(0.25, rel=1e-14)
        for v in (-0.6, 0.0, 0.1, 0.9):
            fired = 0.5 * (1 + math.erf(v / 0.25 / math.sqrt(2)))
            current = float(law.evaluate(np.array([v]))[0][0])
            assert current == pytest.approx(2e-6 * (fired if one_sided else 2 * fired - 1), rel=1e-13)


def through(law: CellLaw, volts: Array, engine: str) -> Array:
    """Currents that a cell carries at some voltages, as the voltage across a resistor tells."""
    b = CircuitBuilder("cell")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("load", out, GROUND, S)
    b.cell("cell", (GROUND, out), (x, GROUND), law, area=0.7)
    circuit = b.build(out)
    inputs = volts[:, None]
    if engine == "ideal":
        return IdealSolver(circuit).solve(None, inputs).require().free[:, out[0]] * S / 0.7
    with NgspiceSolver(circuit, netlist="full" if engine == "full" else "reduced") as solver:
        return solver.solve(None, inputs).require().free[:, out[0]] * S / 0.7


@pytest.mark.parametrize("engine", ["ideal", "reduced", "full"])
@laws
def test_engines_carry_the_current_of_the_law(law: CellLaw, engine: str) -> None:
    expected, _ = law.evaluate(V)
    # an expression of ngspice keeps 11 digits of a number
    np.testing.assert_allclose(through(law, V, engine), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("engine", ["reduced", "full"])
@pytest.mark.parametrize(
    "law", (LAWS | TWO_TERMINAL | N_SHAPED).values(), ids=(LAWS | TWO_TERMINAL | N_SHAPED).keys()
)
def test_ngspice_knows_the_slope_of_every_law(law: CellLaw | Law, engine: str) -> None:
    """A tangent of the device at a held voltage, as a conductance in a divider."""
    assert isinstance(law, SlopeLaw)
    volts = V if law in LAWS.values() else grid(law)  # type: ignore[arg-type]
    _, slope = law.evaluate(volts)
    volts, slope = volts[np.abs(slope) > 1e-12], slope[np.abs(slope) > 1e-12]
    b = CircuitBuilder("tangent")
    x, one, out = b.input("x"), b.rail("one", 1.0), b.nodes("out")
    load = float(np.abs(slope).max())
    b.conductance("load", out, GROUND, min(load, 1e3))
    node = out.copy()
    b._add(
        Tangent(
            name="tangent",
            value=np.ones(1),
            out_p=np.zeros(1, np.intp),
            out_n=node,
            cp=one,
            cn=np.zeros(1, np.intp),
            at_p=x,
            at_n=np.zeros(1, np.intp),
            law=law,
        )
    )
    circuit = b.build(out)
    with NgspiceSolver(circuit, netlist="full" if engine == "full" else "reduced") as solver:
        found = solver.solve(None, volts[:, None]).require().free[:, out[0]] * min(load, 1e3)
    np.testing.assert_allclose(found, slope, rtol=1e-8, atol=1e-9 * load)


@pytest.mark.parametrize(
    ("law", "what"),
    [
        (lambda: Tanh(0.0), "siemens"),
        (lambda: Tanh(float("nan")), "siemens"),
        (lambda: DiodeLimited(1e-5, -1e-6), "saturation"),
        (lambda: Clipped(1e-5, 1e-6, knee=2.0), "knee"),
    ],
)
def test_ranges_are_checked(law: object, what: str) -> None:
    with pytest.raises(CircuitError, match=what):
        law()  # type: ignore[operator]


def test_a_law_of_a_device_is_none_of_a_cell() -> None:
    b = CircuitBuilder("wrong law")
    n = b.nodes("n", 2)
    with pytest.raises(CircuitError, match="has no expression, steepest"):
        b.cell("cell", (n[0], GROUND), (n[1], GROUND), CubicDevice())  # type: ignore[arg-type]


def test_areas_may_be_many_for_one_pair_of_nodes() -> None:
    b = CircuitBuilder("many")
    x, n = b.input("x"), b.nodes("n", 3)
    b.conductance("load", n, GROUND, S)
    b.cell("cell", (GROUND, n), (x, GROUND), Tanh(S, 1e-6), area=[0.5, 1.0, 2.0])
    v = IdealSolver(b.build(n)).solve(None, np.array([[0.1]])).require().free[0]
    np.testing.assert_allclose(v[n], np.tanh(1) * 0.1 * np.array([0.5, 1, 2]), rtol=1e-12)
