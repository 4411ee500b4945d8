"""Devices given by measured points."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.costs import SquaredError
from eqcirc.devices import ShockleyDiode, TableDevice
from eqcirc.devices.tunnel_diode import TunnelDiode, read_diode, save_diode
from eqcirc.errors import CircuitError
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from eqcirc.verify.gradients import finite_differences
from tests.case import S


def silicon(points: int) -> TableDevice:
    """A diode as it would be measured."""
    v = np.linspace(-0.3, 0.5, points)
    return TableDevice.measured(v, ShockleyDiode(1e-9).evaluate(v)[0])


def test_it_goes_through_its_points_and_never_between_beyond_them() -> None:
    law = silicon(41)
    v, i = np.array(law.voltages), np.array(law.currents)
    np.testing.assert_allclose(law.evaluate(v)[0], i, rtol=1e-12, atol=1e-24)
    fine = np.linspace(-0.4, 0.6, 10_001)
    current, slope = law.evaluate(fine)
    assert (np.diff(current) >= 0).all()
    assert (slope >= 0).all()
    assert np.abs(np.diff(slope)).max() < 0.02 * slope.max(), "the slope has no steps"
    assert law.steepest_fall == 0


def test_many_points_of_a_law_are_that_law() -> None:
    v = np.linspace(-0.25, 0.45, 1001)
    exact = ShockleyDiode(1e-9).evaluate(v)[0]
    size = np.abs(exact) + 1e-9
    coarse, fine = (np.abs(silicon(n).evaluate(v)[0] - exact) / size for n in (25, 97))
    assert fine.max() < 0.01
    assert fine.max() < 0.1 * coarse.max()


def test_beyond_the_table_it_goes_on_straight() -> None:
    law = TableDevice((-1.0, 0.0, 1.0), (-1e-6, 0.0, 1e-3))
    v = np.array([-4.0, -3.0, -2.0, 2.0, 3.0, 4.0])
    current, slope = law.evaluate(v)
    np.testing.assert_allclose(np.diff(current[:3]), slope[0], rtol=1e-12)
    np.testing.assert_allclose(np.diff(current[3:]), slope[-1], rtol=1e-12)


def test_measured_points_are_put_in_order_averaged_and_shifted_to_nothing_at_0_volts() -> None:
    law = TableDevice.measured([0.2, -0.1, 0.1, 0.1, 0.0], [4e-3, -1e-3, 1e-3, 3e-3, 1e-9])
    assert law.voltages == (-0.1, 0.0, 0.1, 0.2)
    assert law.currents == pytest.approx((-1e-3, 0.0, 2e-3, 4e-3))
    assert 0.0 in TableDevice.measured([-0.1, 0.1], [-1e-3, 1e-3]).voltages


def test_where_the_current_is_constant_it_holds_no_node() -> None:
    assert TableDevice((0.0, 0.3, 0.6), (0.0, 0.0, 1e-3)).blocks
    assert not silicon(25).blocks


def divider(law: TableDevice) -> tuple[IdealSolver, dict[str, Array]]:
    b = CircuitBuilder("table")
    x, out = b.input("x"), b.nodes("o", 2)
    b.crossbar("w", x, out, [[S, 2 * S]])
    b.device("d", out, GROUND, law, area=[1.0, 3.0], trainable=True)
    b.conductance("across", out[0], out[1], S, trainable=True)
    circuit = b.build(out)
    return IdealSolver(circuit), circuit.parameters


X = np.array([[-0.5], [0.2], [0.4], [0.9], [3.0]])


def test_learning_through_a_table_is_the_gradient() -> None:
    solver, values = divider(silicon(30))
    targets = np.full((len(X), 2), 0.05)
    cost = SquaredError()
    for rule in (EqProp(solver.circuit, cost, 1e-9), Dyadic(solver.circuit, cost, 1e-9)):
        found = rule.measure(solver, values, X, targets).gradient()
        for name, value in values.items():
            entries = [(name, index) for index in np.ndindex(value.shape)]
            expected = finite_differences(solver, values, X, targets, cost, entries)
            np.testing.assert_allclose(found[name].ravel(), expected, rtol=1e-5)


def test_ngspice_solves_a_table_of_many_points_and_its_slopes(spice: Callable[..., NgspiceSolver]) -> None:
    """The doubled circuit has the slopes of the table as conductances."""
    solver, values = divider(silicon(99))
    rule = Dyadic(solver.circuit, SquaredError(), 1e-9)
    targets = np.full((len(X), 2), 0.05)
    ideal, found = (rule.measure(s, values, X, targets) for s in (solver, spice(solver.circuit)))
    np.testing.assert_allclose(found.points.free, ideal.points.free, rtol=0, atol=1e-9)
    for name, part in ideal.gradient().items():
        np.testing.assert_allclose(found.gradient()[name], part, rtol=1e-6)


def test_the_file_of_a_diode_can_be_a_table(tmp_path: Path) -> None:
    diode = TunnelDiode(TableDevice((0.0, 0.05, 0.3, 0.5), (0.0, 1e-3, 2e-4, 5e-3)), source="bench 3")
    save_diode(tmp_path / "d.toml", diode)
    assert read_diode(tmp_path / "d.toml") == diode
    assert 0.05 < diode.fall.voltage < 0.3


@pytest.mark.parametrize(
    ("voltages", "currents", "message"),
    [
        ((0.0,), (0.0,), "2 to 100, got 1"),
        ((0.0, 1.0), (0.0,), "as many voltages as currents"),
        ((0.0, 0.2, 0.1), (0.0, 1.0, 2.0), "ascending order"),
        ((0.0, 0.1, 0.2), (1e-9, 1.0, 2.0), "the point 0 V, 0 A"),
        ((-0.1, 0.0), (-1.0, 0.0), "and one above it"),
        ((0.0, 0.1, 0.2), (0.0, 1e-3, 0.5e-3), "does not fall at the ends"),
        ((0.0, float("nan")), (0.0, 1.0), "a voltage must be between"),
        ((0.0, 0.1), (0.0, 1e6), "a current must be between"),
    ],
)
def test_what_is_no_table_is_refused(
    voltages: tuple[float, ...], currents: tuple[float, ...], message: str
) -> None:
    with pytest.raises(CircuitError, match=message):
        TableDevice(voltages, currents)


@pytest.mark.parametrize(
    ("voltages", "currents", "message"),
    [
        ([0.1, 0.2], [1e-3, 2e-3], "from 0 V or below to above"),
        ([], [], "from 0 V or below to above"),
        ([0.0, np.nan], [0.0, 1.0], "finite numbers"),
        (np.linspace(-1, 1, 300), np.linspace(-1, 1, 300), "take fewer points"),
    ],
)
def test_measurements_that_are_no_device_are_refused(
    voltages: list[float], currents: list[float], message: str
) -> None:
    with pytest.raises(CircuitError, match=message):
        TableDevice.measured(voltages, currents)
