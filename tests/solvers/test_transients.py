"""Transients by both solvers against formulas and against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.lattice import Lattice
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery
from eqcirc.devices import CubicDevice, EsakiDiode, ShockleyDiode
from eqcirc.errors import CircuitError, ConfigError, DataError, EngineError, SolverError
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.pool import Limits, Pool
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.ngspice.transient import follow, transient_netlist
from eqcirc.solvers.ngspice.workers import LocalWorkers
from eqcirc.solvers.waveforms import Course, Waveforms, at_rest
from eqcirc.typing import Array
from eqcirc.verify.stability import stability_report

R, C = 1e3, 1e-9
Engine = Callable[[Circuit], Solver]


@pytest.fixture(params=["ngspice", "ideal"])
def engine(request: pytest.FixtureRequest, spice: Callable[..., NgspiceSolver]) -> Engine:
    return spice if request.param == "ngspice" else IdealSolver


def low_pass() -> Circuit:
    b = CircuitBuilder("lowpass")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("r", x, out, 1 / R)
    b.capacitor("c", out, GROUND, C)
    return b.build(out)


def ring(ohms: float = 100.0, henries: float = 1e-5) -> Circuit:
    b = CircuitBuilder("ring")
    out = b.nodes("out")
    b.capacitor("c", out, GROUND, C)
    b.rl_branches("coil", out, GROUND, ohms, henries)
    return b.build(out)


def hopf(ratio: float) -> Circuit:
    """One neuron with Cw/C = ratio; its operating point 0 V is the same for all ratios."""
    b = CircuitBuilder("hopf")
    v = b.nodes("v")
    Neuron(CubicDevice(1e-3, 1.0), GyratorRecovery(0.987e-3, 0.872e-3, ratio * C), C).add(b, "n", v)
    b.conductance("load", v, GROUND, 0.282e-3)
    return b.build(v)


def started(circuit: Circuit, **volts: float) -> Array:
    start = np.zeros(circuit.n_nodes)
    for name, value in volts.items():
        start[circuit.node_names.index(name)] = value
    return start


def test_rc_step(engine: Engine) -> None:
    circuit = low_pass()
    course = Course(5 * R * C, inputs=np.array([2.0]), start=started(circuit, out=0.5))
    waves = engine(circuit).transient(course)
    assert waves.times[0] == 0
    assert waves.times[-1] == pytest.approx(course.duration, rel=1e-9)
    assert np.diff(waves.times).max() <= course.duration / course.steps * (1 + 1e-9)
    x, out = waves.voltages[:, 1], waves.voltages[:, 2]
    np.testing.assert_array_equal(x, 2.0)
    np.testing.assert_allclose(out, 2 - 1.5 * np.exp(-waves.times / (R * C)), atol=1e-4)


def test_rlc_ring(engine: Engine) -> None:
    """C·v' = −i, L·i' = v − R·i: a damped oscillation."""
    ohms, henries = 30.0, 1e-5
    circuit = ring(ohms, henries)
    start, current = started(circuit, out=1.0), np.array([2e-3])
    waves = engine(circuit).transient(Course(2e-6, start=start, currents=current, accuracy=1e-7))
    damping = ohms / (2 * henries)
    omega = np.sqrt(1 / (henries * C) - damping**2)
    t = waves.times
    slope = -current[0] / C + damping  # v' + damping·v at the start
    v = np.exp(-damping * t) * (np.cos(omega * t) + slope / omega * np.sin(omega * t))
    np.testing.assert_allclose(waves.voltages[:, 1], v, atol=1e-3)
    i = -C * np.gradient(v, t, edge_order=2)
    np.testing.assert_allclose(waves.currents[:, 0], i, atol=2e-3 * np.abs(i).max())


def test_a_transient_goes_on_from_its_end(engine: Engine) -> None:
    circuit = ring()
    solver, whole = engine(circuit), Course(4e-7, start=started(circuit, out=1.0), accuracy=1e-8)
    half = replace(whole, duration=2e-7)
    first = solver.transient(half)
    second = solver.transient(replace(half, start=first.end, currents=first.end_currents))
    np.testing.assert_allclose(second.end, solver.transient(whole).end, atol=1e-5)
    forgotten = solver.transient(replace(half, start=first.end))
    assert np.abs(forgotten.end - second.end).max() > 0.1


@pytest.mark.parametrize("recovery", ["rl", "gyrator"])
@pytest.mark.parametrize("device", ["cubic", "esaki"])
def test_engines_agree_on_a_small_chain(
    device: str, recovery: str, spice: Callable[..., NgspiceSolver]
) -> None:
    law, unit = (CubicDevice(1e-3, 1.0), 1.0) if device == "cubic" else (EsakiDiode(), 25.0)
    branch = (
        RLRecovery(250 / unit, 25e-6 / unit**2)
        if recovery == "rl"
        else GyratorRecovery(2e-3 * unit, 1e-3 * unit, 1e-10)
    )
    middle = 0.0 if device == "cubic" else 0.125
    neuron = Neuron(law, branch, C, rest=middle, bias=float(law.evaluate(np.array(middle))[0]))
    inhibitor = (5e3 / unit) if recovery == "rl" else 20e-3 * unit
    circuit = Lattice((9,), neuron, 1.2e-3 * unit, inhibitor).build("chain")
    start = np.zeros(circuit.n_nodes)
    start[circuit.readout.nodes] = middle + 0.02 / np.sqrt(unit) * np.cos(np.arange(9) ** 2)
    course = Course(200e-6 / unit, start=start)
    one, other = spice(circuit).transient(course), IdealSolver(circuit).transient(course)
    grid = np.linspace(0, course.duration, 50)
    swing = np.ptp(one.voltages[:, circuit.readout.nodes])
    np.testing.assert_allclose(one.at(grid), other.at(grid), rtol=0, atol=2e-3 * swing)
    np.testing.assert_allclose(one.end, other.end, rtol=0, atol=1e-4 * swing)
    if recovery == "rl":
        size = np.abs(other.currents).max()
        np.testing.assert_allclose(one.end_currents, other.end_currents, rtol=0, atol=1e-3 * size)
    assert np.ptp(one.end[circuit.readout.nodes]) > 0.1 * middle  # it is a pattern


def test_a_stable_neuron_comes_to_rest(engine: Engine) -> None:
    circuit = hopf(1.0)
    waves = engine(circuit).transient(Course(300e-6, start=started(circuit, v=0.3)))
    assert at_rest(waves)
    assert waves.require_rest() is waves
    np.testing.assert_allclose(waves.end, 0, atol=1e-6)
    growth = stability_report(circuit, None, np.zeros((1, 0)), np.zeros((1, circuit.n_nodes))).growth
    assert growth[0] == pytest.approx(-0.077e6, rel=1e-9)


def test_the_same_operating_point_with_slower_recovery_is_left_for_ever(engine: Engine) -> None:
    circuit = hopf(2.0)
    waves = engine(circuit).transient(Course(300e-6, start=started(circuit, v=0.01)))
    assert not at_rest(waves)
    with pytest.raises(SolverError, match=r"does not come to rest.*node 'v' moved by 2\.\d+ V"):
        waves.require_rest()
    report = stability_report(circuit, None, np.zeros((1, 0)), np.zeros((1, circuit.n_nodes)))
    assert report.growth[0] == pytest.approx(0.141e6, rel=1e-9)
    assert 2 * np.pi * report.frequency[0] == pytest.approx(0.393e6, rel=1e-3)


def test_engines_agree_on_the_limit_cycle(spice: Callable[..., NgspiceSolver]) -> None:
    circuit = hopf(2.0)
    course = Course(200e-6, start=started(circuit, v=0.5), accuracy=1e-7)
    periods, swings = [], []
    for solver in (spice(circuit), IdealSolver(circuit)):
        waves = solver.transient(course)
        t = np.linspace(100e-6, 200e-6, 20001)
        v = waves.at(t, circuit.readout.nodes)[:, 0]
        up = np.flatnonzero((v[:-1] < 0) & (v[1:] >= 0))
        periods.append(np.diff(t[up]).mean())
        swings.append(np.ptp(v))
    assert periods[0] == pytest.approx(periods[1], rel=1e-3)
    assert swings[0] == pytest.approx(swings[1], rel=1e-3)


def test_the_start_is_taken_as_it_is(engine: Engine) -> None:
    """Also where Kirchhoff's law would have something else at once."""
    circuit = Lattice((4,), Neuron(recovery=RLRecovery()), 1e-3, 100.0).build("chain")
    rng = np.random.default_rng(1)
    start, currents = rng.normal(size=circuit.n_nodes), rng.normal(size=4) * 1e-3
    start[0] = 0
    waves = engine(circuit).transient(Course(1e-9, start=start, currents=currents))
    np.testing.assert_allclose(waves.voltages[0], start, rtol=1e-12)
    np.testing.assert_allclose(waves.currents[0], currents, rtol=1e-12)


def test_parameters_take_part(engine: Engine) -> None:
    circuit = low_pass()
    slow = {"r": np.array([0.1 / R])}
    course = Course(R * C, inputs=np.array([1.0]), parameters=slow)
    assert engine(circuit).transient(course).end[2] == pytest.approx(1 - np.exp(-0.1), abs=1e-4)


def test_nothing_moves_in_a_circuit_of_resistors(engine: Engine) -> None:
    b = CircuitBuilder("divider")
    out = b.nodes("out")
    b.conductance("load", out, GROUND, 1e-3)
    with pytest.raises(CircuitError, match="neither capacitors nor R-L branches"):
        engine(b.build(out)).transient(Course(1e-6))


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"duration": -1.0}, ConfigError, "positive duration"),
        ({"duration": np.inf}, ConfigError, "positive duration"),
        ({"accuracy": 0.0}, ConfigError, "accuracy"),
        ({"steps": 3}, ConfigError, "steps"),
        ({"start": np.zeros(7)}, CircuitError, r"3 nodes, got shape \(7,\)"),
        ({"start": np.full(3, np.nan)}, CircuitError, "finite"),
        ({"currents": np.zeros(2)}, CircuitError, "R-L branches"),
        ({"inputs": None}, DataError, "one sample of 1 features, got none"),
        ({"inputs": np.zeros((1, 1))}, DataError, "one sample"),
    ],
)
def test_unusable_courses_are_refused(wrong: dict[str, Any], error: type[Exception], words: str) -> None:
    good: dict[str, Any] = {"duration": 1e-6, "inputs": np.ones(1)}
    with pytest.raises(error, match=words):
        IdealSolver(low_pass()).transient(Course(**good | wrong))


def test_solvers_without_transients_say_so() -> None:
    class Static(Solver):
        def solve(self, *_: object) -> OperatingPoints:
            raise NotImplementedError

    with pytest.raises(SolverError, match="Static solver has no transients"):
        Static(low_pass()).transient(Course(1e-6))


class Stub:
    """A pool whose worker answers with given points and words."""

    def __init__(self, points: Array, words: str) -> None:
        self.answer = points, words

    def call(self, *_: object) -> tuple[Array, str]:
        return self.answer


@pytest.mark.parametrize("points", [np.empty((0, 2)), np.array([[0.0, 0.0], [5e-7, 0.1]])])
def test_a_transient_that_ngspice_gives_up_is_an_error(points: Array) -> None:
    course, stub = Course(1e-6, inputs=np.ones(1)), Stub(points, "timestep too small")
    with pytest.raises(SolverError, match=r"stopped at (0|5e-07) of 1e-06 s: ngspice: timestep too small"):
        follow(low_pass(), course, stub)  # type: ignore[arg-type]


def test_a_transient_ends_at_its_deadline() -> None:
    circuit = hopf(2.0)
    pool = Pool(LocalWorkers(1), Limits(deadline=0.5))
    try:
        with pytest.raises(EngineError, match=r"no answer within 0\.5 s"):
            follow(circuit, Course(1.0, start=started(circuit, v=0.5), steps=10**9), pool)
    finally:
        pool.close()


def test_the_netlist_starts_every_node_and_branch() -> None:
    circuit = ring()
    netlist, vectors = transient_netlist(
        circuit, Course(1e-6, start=started(circuit, out=0.25), currents=np.array([1e-3]))
    )
    assert ".ic v(out)=0.25" in netlist.lines
    assert any(line.startswith("l_coil_0 ") and line.endswith(" ic=0.001") for line in netlist.lines)
    assert vectors == ["time", "out", "l_coil_0#branch"]


@pytest.fixture
def wave() -> Iterator[Waveforms]:
    t = np.linspace(0, 1, 101)
    volts = np.stack([0 * t, 1 - t, np.exp(-20 * t)], axis=1)
    yield Waveforms(low_pass(), t, volts, np.zeros((101, 0)))


def test_movement_is_that_of_the_last_tenth(wave: Waveforms) -> None:
    np.testing.assert_allclose(wave.movement, [0, 0.1, np.exp(-18) - np.exp(-20)], atol=1e-15)
    assert not at_rest(wave)
    assert at_rest(wave, tolerance=0.11)
    with pytest.raises(SolverError, match=r"node 'x' moved by 0\.1 V"):
        wave.require_rest()


def test_waveforms_between_their_instants(wave: Waveforms) -> None:
    t = np.array([0.0, 0.1234, 1.0])
    np.testing.assert_allclose(wave.at(t)[:, 1], 1 - t, atol=1e-12)
    np.testing.assert_allclose(wave.at(t, np.array([2]))[:, 0], np.exp(-20 * t), atol=1e-3)


def test_a_start_that_contradicts_an_amplifier_is_refused(engine: Engine) -> None:
    b = CircuitBuilder("follower")
    x, a, out = b.input("x"), b.nodes("a"), b.nodes("out")
    b.conductance("w", x, a, 1e-3)
    b.capacitor("store", a, GROUND, C)
    b.amplifier("amp", a, out, 4.0)
    b.conductance("load", out, GROUND, 1e-5)
    circuit = b.build(out)
    start = np.zeros(circuit.n_nodes)
    start[a], start[out] = 0.5, 1.0
    with pytest.raises(CircuitError, match="node 'out' starts at 1 V, but amplifier 'amp' makes it 2 V"):
        engine(circuit).transient(Course(1e-5, start=start, inputs=np.ones(1)))


@pytest.mark.parametrize("volts", [1.35, 1.42, 5.0, 25.0])
def test_a_junction_that_is_switched_on_hard(volts: float) -> None:
    """At first there are volts across it, and its exponential is faster than anything else by many decades."""
    b = CircuitBuilder("overdriven")
    x, y = b.input("x"), b.nodes("y")
    b.device("d", x, y, ShockleyDiode())
    b.conductance("g", y, GROUND, 1e-6)
    b.capacitor("c", y, GROUND, 1e-9)
    circuit, sample = b.build(y), np.array([volts])
    rest = IdealSolver(circuit).solve(None, sample[None]).require().free[0]
    end = IdealSolver(circuit).transient(Course(20e-3, inputs=sample)).end
    np.testing.assert_allclose(end, rest, atol=1e-5)


def test_a_transient_of_too_many_steps_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eqcirc.solvers.ideal.transient.MOST_STEPS", 20)
    b = CircuitBuilder("rc")
    y = b.nodes("y")
    b.conductance("g", y, GROUND, 1e-6)
    b.capacitor("c", y, GROUND, 1e-9)
    circuit = b.build(y)
    with pytest.raises(
        SolverError, match=r"'rc' stopped at .* of 1 s after 20 steps: .* follow it for a shorter time"
    ):
        IdealSolver(circuit).transient(Course(1.0, start=np.array([0.0, 1.0])))
