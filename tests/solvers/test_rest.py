"""Where circuits come to rest: cases in which an answer was wrong without a word, or refused falsely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.neuron import Neuron, RLRecovery
from eqcirc.devices import CubicDevice, EsakiDiode, ShockleyDiode
from eqcirc.devices.presets import find_diode
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice import solver as module
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Evidence, Status
from eqcirc.solvers.waveforms import Course
from eqcirc.verify.stability import stability_report
from eqcirc.verify.states import operating_points

Make = Callable[..., Solver]


@pytest.fixture(params=["ideal", "ngspice"])
def engine(request: pytest.FixtureRequest, spice: Callable[..., NgspiceSolver]) -> Make:
    return IdealSolver if request.param == "ideal" else spice


def series(load: float) -> Circuit:
    """Two tunnel diodes in series from the input to ground, a load at the node between them."""
    law = find_diode("1n3716").law
    b = CircuitBuilder("series")
    x, y = b.input("x"), b.nodes("y")
    b.device("upper", x, y, law, area=1.0)
    b.device("lower", y, GROUND, law, area=1.2)
    b.conductance("load", y, GROUND, load)
    return b.build(y)


@pytest.mark.parametrize("load", [1e-5, 1e-3])
def test_tunnel_diodes_in_series(engine: Make, load: float) -> None:
    """The slopes of the devices, not the load, say how fast the node is; 0.01714 V at 1e-5 S, by Radau."""
    points = engine(series(load)).solve(None, np.array([[0.3]])).require()
    assert points.evidence == Evidence.REACHED
    expected = {1e-5: 0.01714, 1e-3: 0.01692}[load]
    assert points.free[0, -1] == pytest.approx(expected, abs=5e-5)


def neuron(ohms: float, henries: float, amperes: float) -> Circuit:
    """FitzHugh-Nagumo: i = g(v³/3 − v) with g = 1 mS, 1 nF, an R-L branch, a constant drive."""
    b = CircuitBuilder("fhn")
    v = b.nodes("v")
    b.device("n", v, GROUND, CubicDevice(1e-3, 1.0))
    b.capacitor("c", v, GROUND, 1e-9)
    b.rl_branches("recovery", v, GROUND, [ohms], [henries])
    b.current_source("drive", v, amperes)
    return b.build(v)


@pytest.mark.parametrize(
    ("ohms", "henries", "amperes"), [(952.76, 2.98e-3, 0.24743e-3), (1027.93, 3.853e-3, 0.208206e-3)]
)
def test_a_neuron_that_spikes_for_ever_is_not_at_rest(
    engine: Make, ohms: float, henries: float, amperes: float
) -> None:
    """It has a stable operating point, but switched on it never gets there; both are said."""
    circuit, sample = neuron(ohms, henries, amperes), np.zeros((1, 0))
    assert engine(circuit).solve(None, sample).status[0] == Status.NO_EQUILIBRIUM
    late = IdealSolver(circuit).transient(Course(3e-4))
    assert np.ptp(late.voltages[late.times > 2e-4, -1]) > 2
    found = operating_points(circuit, None, sample[0], np.random.default_rng(0))
    assert found.stability.stable.any()
    assert found.reached is None


def test_what_is_only_locally_stable_is_said_to_be_so(engine: Make) -> None:
    circuit, sample = neuron(952.76, 2.98e-3, 0.24743e-3), np.zeros((1, 0))
    cold = engine(circuit, start="cold").solve(None, sample).require()
    assert cold.evidence == Evidence.LOCAL
    (root,) = (r.real for r in np.roots([1e-3 / 3, 0, 1 / 952.76 - 1e-3, -0.24743e-3]) if abs(r.imag) < 1e-9)
    assert cold.free[0, -1] == pytest.approx(root, abs=1e-9)
    assert stability_report(circuit, None, sample, cold.free).stable.all()


def test_two_capacitors_that_a_small_resistance_joins(engine: Make) -> None:
    """Time constants 1e5 apart: the pair is fast against each other and slow together."""
    b = CircuitBuilder("pair")
    x, a, c = b.input("x"), b.nodes("a"), b.nodes("c")
    b.conductance("w", x, a, 1e-6)
    b.conductance("tie", a, c, 0.1)
    b.capacitor("store", np.concatenate([a, c]), GROUND, [1e-9, 1e-9])
    b.device("n", a, GROUND, CubicDevice(1e-6, 1.0))
    circuit, sample = b.build(np.concatenate([a, c])), np.array([[0.3]])
    points = engine(circuit, start="relax").solve(None, sample).require()
    end = IdealSolver(circuit).transient(Course(0.1, inputs=sample[0])).end
    np.testing.assert_allclose(points.free[0, 2:], end[2:], atol=1e-5)


def test_time_constants_twelve_decades_apart_are_not_degenerate() -> None:
    """A slow and a fast RC pair beside a falling device: −1/RC of the slow one is the growth."""
    b = CircuitBuilder("spread")
    v, slow = b.nodes("v"), b.nodes("slow")
    b.device("n", v, GROUND, CubicDevice(1e-3, 1.0))
    b.conductance("g", v, GROUND, 2e-3)
    b.conductance("far", slow, GROUND, 1.34e-6 - 1e-12)
    b.conductance("tie", v, slow, 1e-12)
    b.capacitor("c", np.concatenate([v, slow]), GROUND, [1e-15, 1e-6])
    circuit = b.build(v)
    found = stability_report(circuit, None, np.zeros((1, 0)), np.zeros((1, circuit.n_nodes)))
    assert not found.degenerate[0]
    assert found.growth[0] == pytest.approx(-1.34, rel=1e-6)


def latch() -> Circuit:
    """Transconductors that hold each other, and diodes that hold them: 0 V is a saddle."""
    b = CircuitBuilder("latch")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("load", n, GROUND, 1e-5)
    b.conductance("drive", x, n[:1], 1e-6, trainable=True)
    b.transconductor("cross", (n, GROUND), (n[::-1], GROUND), 1e-4)
    b.device("up", n, GROUND, ShockleyDiode())
    b.device("down", GROUND, n, ShockleyDiode())
    return b.build(n)


def test_a_latch_leaves_its_saddle(engine: Make) -> None:
    circuit, inputs = latch(), np.array([[0.1], [-0.1]])
    points = engine(circuit).solve(None, inputs).require()
    outputs = circuit.readout.read(points.free)
    assert (np.abs(outputs) > 0.1).all()
    assert (np.sign(outputs[:, 0]) == -np.sign(outputs[:, 1])).all()
    assert stability_report(circuit, None, inputs, points.free).stable.all()


def test_all_states_of_a_bistable_circuit() -> None:
    """i = g(v³/3 − v) with a load of g/4: 0 and ±v0·√(9/4), of which 0 is unstable; drive tilts it."""
    b = CircuitBuilder("bistable")
    x, v = b.input("x"), b.nodes("v")
    b.device("n", v, GROUND, CubicDevice(1e-3, 1.0))
    b.conductance("load", v, GROUND, 0.25e-3 - 1e-9)
    b.conductance("drive", x, v, 1e-9)
    b.capacitor("c", v, GROUND, 1e-9)
    circuit = b.build(v)
    found = operating_points(circuit, None, np.array([1e-3]), np.random.default_rng(0))
    order = np.argsort(found.voltages[:, -1])
    np.testing.assert_allclose(found.voltages[order, -1], [-1.5, 0, 1.5], atol=1e-6)
    assert found.stability.stable[order].tolist() == [True, False, True]
    assert found.reached == order[2]


def test_an_esaki_diode_on_a_load_line_has_three_states() -> None:
    b = CircuitBuilder("load line")
    x, v = b.input("x"), b.nodes("v")
    law = EsakiDiode()
    b.device("d", v, GROUND, law)
    b.conductance("w", x, v, 1e-2)
    b.capacitor("c", v, GROUND, 1e-12)
    circuit, volts = b.build(v), 0.45
    found = operating_points(circuit, None, np.array([volts]), np.random.default_rng(0))
    grid = np.linspace(0, volts, 200_001)
    left = law.evaluate(grid)[0] - 1e-2 * (volts - grid)
    crossings = grid[:-1][np.sign(left[1:]) != np.sign(left[:-1])]
    assert len(crossings) == 3
    np.testing.assert_allclose(np.sort(found.voltages[:, -1]), crossings, atol=5e-6)
    assert found.reached == int(found.voltages[:, -1].argmin())


def test_recovery_that_is_slow_makes_a_neuron_oscillate(engine: Make) -> None:
    """Arrival means all states: with v within 2 % of rest, the current of the branch may be 20 % off."""
    b = CircuitBuilder("driven")
    x, v = b.input("x"), b.nodes("v")
    b.conductance("w", x, v, 1e-4)
    Neuron(CubicDevice(1e-3), RLRecovery(500.0, 1e-4)).add(b, "cell", v)
    circuit, sample = b.build(v), np.array([[3.0]])
    points = engine(circuit, start="relax").solve(None, sample).require()
    end = IdealSolver(circuit).transient(Course(1e-3, inputs=sample[0])).require_rest().end
    np.testing.assert_allclose(points.free[0], end, atol=1e-5)


def pushed(amperes: float, feature: float, store: str) -> Circuit:
    """An odd circuit with two stable states, pushed to one side by `amperes` for a feature of `feature`."""
    b = CircuitBuilder("pushed")
    o = b.nodes("o", 2)
    b.conductance("load", o, GROUND, 4e-4)
    b.conductance("between", o[0], o[1], 2e-4)
    b.current_input("push", o[:1], gain=amperes / feature)
    b.device("cubic", o[0], GROUND, CubicDevice(1e-3, 1.0))
    if store == "coil":
        b.rl_branches("coil", o[1], GROUND, 1e4, 1e-6)
    else:
        b.capacitor("far", o[1], GROUND, 1e-8)
    return b.build(o)


@pytest.mark.parametrize("store", ["coil", "capacitor"])
@pytest.mark.parametrize("feature", [1.0, 100.0])
@pytest.mark.parametrize("amperes", [-1e-9, 1e-11])
def test_a_nanoampere_decides_the_side(engine: Make, amperes: float, feature: float, store: str) -> None:
    """Whatever the voltage of the node that controls the current, and though the saddle is 2 uV from the start."""
    circuit = pushed(amperes, feature, store)
    inputs = np.zeros((1, circuit.inputs.n_features))
    inputs[0, 0] = feature
    points = engine(circuit).solve(None, inputs).require()
    size = {"coil": 1.17108, "capacitor": 1.18322}[store]  # by Radau
    assert points.free[0, circuit.readout.nodes[0]] == pytest.approx(np.sign(amperes) * size, abs=1e-4)


@pytest.mark.parametrize(("volts", "expected"), [(-1.0, -0.993405), (-2.0, -1.98501)])
def test_a_junction_at_an_input_that_is_overdriven_when_it_is_switched_on(
    engine: Make, volts: float, expected: float
) -> None:
    """It asks for a first step of 1e-30 s; values by LSODA."""
    b = CircuitBuilder("overdriven")
    x, o = b.input("x"), b.nodes("o")
    b.conductance("series", o, x, 2.4e-7)
    b.conductance("load", o, GROUND, 2.2e-7)
    b.device("diode", o, x, EsakiDiode(), area=2.3e-3)
    b.rl_branches("coil", o, GROUND, 4e5, 1e-6)
    points = engine(b.build(o)).solve(None, np.array([[volts]])).require()
    assert points.free[0, -1] == pytest.approx(expected, abs=1e-4)


def test_where_the_engines_come_to_rest_apart_ngspice_refuses(
    spice: Callable[..., NgspiceSolver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the plan says wrongly where the ideal circuit ends: on the other side."""
    plan = module.plan_settling

    def mirrored(*arguments: object) -> object:
        capacitors, settling = plan(*arguments)  # type: ignore[arg-type]
        assert settling.known is not None
        return capacitors, replace(settling, known=-settling.known)

    monkeypatch.setattr(module, "plan_settling", mirrored)
    circuit = pushed(1e-6, 1.0, "capacitor")
    points = spice(circuit).solve(None, np.ones((1, circuit.inputs.n_features)))
    assert points.status.tolist() == [Status.NO_EQUILIBRIUM]
    assert "2.4 V apart" in points.messages[0]
