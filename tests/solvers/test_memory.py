"""Circuits that remember: the state that charges or a write pulse lead to, in both engines, and learning there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import SquaredError
from eqcirc.devices import CubicDevice
from eqcirc.errors import CircuitError, ConfigError, DataError, SolverError
from eqcirc.experiment.load import parse
from eqcirc.export.pyspice import to_pyspice
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.rule import flat
from eqcirc.reality import AmplifierErrors, Reality
from eqcirc.solvers.base import Solver
from eqcirc.solvers.free_phase import InitialState, carried
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.decks import export_deck
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Evidence
from eqcirc.solvers.waveforms import Course
from eqcirc.typing import Array
from eqcirc.verify.check import check

Make = Callable[..., Solver]
Batch = Callable[[str], tuple[str, dict[str, Array]]]

INPUTS = np.array([[0.05], [-0.1], [0.1]])


@pytest.fixture(params=["ideal", "ngspice", "full"])
def engine(request: pytest.FixtureRequest, spice: Callable[..., NgspiceSolver]) -> Make:
    if request.param == "ideal":
        return IdealSolver
    netlist = "full" if request.param == "full" else "reduced"
    return lambda circuit, start: spice(circuit, start=start, netlist=netlist)


def memory(*, coil: bool = True) -> Circuit:
    """Two cells of i = g(v³/3 − v) with loads, coupled by a resistor, one behind an amplifier: four stable states."""
    b = CircuitBuilder("memory")
    x, p, q, r = b.input("x"), b.nodes("p"), b.nodes("q"), b.nodes("r")
    both = np.concatenate([p, q])
    b.conductance("w", x, p, 2e-4, trainable=True)
    b.conductance("between", p, q, 1e-5, trainable=True)
    b.conductance("load", both, GROUND, [1e-4, 2e-4], trainable=True)
    b.device("cells", both, GROUND, CubicDevice(1e-3, 1.0), area=np.array([1.0, 0.8]))
    b.capacitor("c", both, GROUND, 1e-9)
    b.amplifier("amp", q, r, -2.0)
    if coil:
        b.rl_branches("slow", p, GROUND, [2e3], [1e-4])
    return b.build(both)


CIRCUIT = memory()
STARTS = (
    InitialState({"p": 1.5, "q": 1.5}),
    InitialState({"p": 1.5, "r": 3.0}),  # the amplifier makes q −1.5 V
    InitialState({"p": -1.5, "q": 1.5}),
    InitialState({"q": -1.0}, pulse=[8.0]),
    InitialState({"q": 1.0}, pulse=[-8.0]),
)
SIGNS = ((1, 1), (1, -1), (-1, 1), (1, -1), (-1, 1))


@pytest.mark.parametrize(("start", "signs"), list(zip(STARTS, SIGNS, strict=True)))
def test_charges_and_pulses_choose_the_state(engine: Make, start: InitialState, signs: Sequence[int]) -> None:
    points = engine(CIRCUIT, start=start).solve(None, INPUTS).require()
    assert points.evidence == Evidence.WRITTEN
    outputs = CIRCUIT.readout.read(points.free)
    assert (np.sign(outputs) == signs).all()
    assert (np.abs(outputs) > 0.5).all()


@pytest.mark.parametrize("start", STARTS)
def test_another_circuit_starts_from_the_same_state(engine: Make, start: InitialState) -> None:
    """A chip of the circuit, say: the state is asked for once, and not forgotten."""
    load = replace(CIRCUIT.element("load"), value=np.array([1.1e-4, 1.9e-4]))
    other = replace(CIRCUIT, elements=tuple(load if e.name == "load" else e for e in CIRCUIT.elements))
    there = engine(CIRCUIT, start=start).on(other).solve(None, INPUTS).require()
    assert there.evidence == Evidence.WRITTEN
    np.testing.assert_allclose(
        there.free, engine(other, start=start).solve(None, INPUTS).require().free, atol=1e-12
    )


def test_a_state_of_nodes_that_are_not_there_is_refused() -> None:
    b = CircuitBuilder("divider")
    x, y = b.input("x"), b.nodes("y")
    b.conductance("g", np.concatenate([x, y]), np.concatenate([y, [GROUND]]), 1e-6)
    divider = b.build(y)
    plan = Reduction(CIRCUIT)
    assert carried("cold", plan, divider) == "auto"
    with pytest.raises(CircuitError, match="there is no node 'p'"):
        IdealSolver(divider, start=carried(STARTS[0], plan, divider)).solve(None, INPUTS)
    with pytest.raises(CircuitError, match="there is no node 'pp'"):
        IdealSolver(CIRCUIT, start=InitialState({"pp": 1.0})).on(divider)
    assert carried(STARTS[0], plan, CIRCUIT) == STARTS[0]


def test_a_state_behind_an_amplifier_is_that_of_what_it_follows(engine: Make) -> None:
    """Of chips, too, whose amplifiers have other gains, and an output resistor before their outputs."""
    start = STARTS[1]
    for reality in (
        Reality(amplifiers=AmplifierErrors(output_ohms=100.0)),
        Reality(amplifiers=AmplifierErrors(0.02)),
    ):
        chip = reality.chip(CIRCUIT, number=1)
        for written in (start, InitialState({"p": 1.5, "q": -1.5, "r": 3.0})):
            there = engine(CIRCUIT, start=written).on(chip.circuit).solve(chip.parameters, INPUTS).require()
            outputs = chip.circuit.readout.read(there.free)
            assert (np.sign(outputs) == SIGNS[1]).all()
            assert there.evidence == Evidence.WRITTEN


@pytest.mark.parametrize("start", STARTS)
def test_the_state_is_that_of_a_transient(start: InitialState) -> None:
    """Backward differences (scipy), not the relaxation, follow charge, pulse and input."""
    ideal = IdealSolver(CIRCUIT)
    state, currents = np.zeros(CIRCUIT.n_nodes), np.zeros(1)
    for name, volts in start.voltages.items():
        state[CIRCUIT.node_names.index(name)] = volts
    p, q, r = (CIRCUIT.node_names.index(name) for name in "pqr")
    state[r], state[q] = (-2 * state[q], state[q]) if state[q] else (state[r], -state[r] / 2)
    if start.pulse is not None:
        written = ideal.transient(Course(1e-4, state, currents, np.array(start.pulse))).require_rest()
        state, currents = written.end, written.end_currents
    for sample in INPUTS:
        end = ideal.transient(Course(1e-4, state, currents, sample)).require_rest().end
        found = IdealSolver(CIRCUIT, start=start).solve(None, sample[None]).require().free[0]
        np.testing.assert_allclose(end[[p, q, r]], found[[p, q, r]], atol=1e-4)


def test_engines_agree_at_the_written_state(engine: Make) -> None:
    for start in STARTS[1::2]:
        expected = IdealSolver(CIRCUIT, start=start).solve(None, INPUTS).require().free
        found = engine(CIRCUIT, start=start).solve(None, INPUTS).require().free
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_learning_goes_on_at_the_written_state() -> None:
    """Against differences of the loss at states that the same pulse leads to."""
    start, targets, cost = STARTS[3], np.tile([1.6, -1.2], (3, 1)), SquaredError()
    solver, rule = IdealSolver(CIRCUIT, start=start), EqProp(CIRCUIT, cost, 1e-8)
    parameters = CIRCUIT.parameters
    points = solver.solve(parameters, INPUTS, rule.nudge(targets, parameters)).require()
    gradient = flat(rule.gradient(points, parameters))

    def loss(changed: dict[str, Array]) -> float:
        outputs = CIRCUIT.readout.read(solver.solve(changed, INPUTS).require().free)
        return float(cost.value(outputs, targets).mean())

    expected = []
    for name in sorted(parameters):
        for k in range(parameters[name].size):
            losses = []
            for sign in (1, -1):
                moved = {n: v.copy() for n, v in parameters.items()}
                moved[name].ravel()[k] *= 1 + 1e-5 * sign
                losses.append(loss(moved))
            expected.append((losses[0] - losses[1]) / (2e-5 * parameters[name].ravel()[k]))
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_a_deck_carries_the_written_state(batch: Batch) -> None:
    for start, signs in zip(STARTS, SIGNS, strict=True):
        deck = export_deck(CIRCUIT, None, INPUTS[:1], start=start)
        assert "* written: from the state that it was brought to" in deck
        _, vectors = batch(deck)
        assert [np.sign(vectors[f"v({name})"][0]) for name in "pq"] == list(signs)


def test_what_a_proof_leaves_no_choice_of_is_not_written() -> None:
    b = CircuitBuilder("plain")
    x, y = b.input("x"), b.nodes("y")
    b.conductance("w", x, y, 1e-3)
    points = IdealSolver(b.build(y), start=InitialState({"y": 5.0})).solve(None, np.array([[1.0]])).require()
    assert points.evidence == Evidence.PROVEN
    assert points.free[0, y] == pytest.approx(1.0)
    with pytest.raises(CircuitError, match="there is no node 'yy'; did you mean 'y'"):
        IdealSolver(b.build(y), start=InitialState({"yy": 5.0})).solve(None, np.array([[1.0]]))


@pytest.mark.parametrize(
    ("start", "error", "words"),
    [
        (InitialState({"pp": 1.0}), CircuitError, "there is no node 'pp'; did you mean 'p'?"),
        (InitialState({"x": 1.0}), CircuitError, "node 'x' cannot be charged to 1 V"),
        (InitialState({"p": np.nan}), CircuitError, "node 'p' cannot be charged to nan V"),
        (InitialState({"q": 1.0, "r": 1.0}), CircuitError, "an amplifier holds node 'r' at -2 V"),
        (InitialState(pulse=[1.0, 2.0]), DataError, "expected"),
        (InitialState(pulse=[np.inf]), DataError, "finite"),
    ],
)
def test_what_cannot_be_written_is_refused(start: InitialState, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words.replace("?", r"\?")):
        IdealSolver(CIRCUIT, start=start).solve(None, INPUTS)


def test_a_pulse_under_which_nothing_rests(engine: Make) -> None:
    b = CircuitBuilder("oscillator")
    x, v = b.input("x"), b.nodes("v")
    b.conductance("w", x, v, 1e-4)
    b.device("cell", v, GROUND, CubicDevice(1e-3, 1.0))
    b.capacitor("c", v, GROUND, 1e-9)
    b.rl_branches("recovery", v, GROUND, [800.0], [3e-3])
    with pytest.raises(SolverError, match=r"does not come to rest under the write pulse \[0.0\]"):
        engine(b.build(v), start=InitialState(pulse=[0.0])).solve(None, np.array([[20.0]]))


def test_an_initial_state_that_writes_nothing_is_rest() -> None:
    points = IdealSolver(CIRCUIT, start=InitialState()).solve(None, INPUTS).require()
    assert points.evidence == Evidence.REACHED
    np.testing.assert_array_equal(points.voltages, IdealSolver(CIRCUIT).solve(None, INPUTS).voltages)


def test_a_rule_is_checked_at_the_written_state(spice: Callable[..., NgspiceSolver]) -> None:
    """Two bistable cells have other voltages when they start from rest, so the check has to write, too."""
    start, rule = STARTS[3], EqProp(CIRCUIT, SquaredError(), 1e-7)
    targets = np.tile([0.8, -1.2], (3, 1))
    found = check(
        rule, CIRCUIT.parameters, INPUTS, targets, spice(CIRCUIT, start=start), entries=4, start=start
    )
    assert all(f.holds for f in found), found


def test_pyspice_circuits_carry_the_written_state() -> None:
    for start, signs in zip(STARTS, SIGNS, strict=True):
        deck = str(to_pyspice(CIRCUIT, None, INPUTS[0], start=start))
        for name, sign in zip("pq", signs, strict=True):
            (volts,) = re.findall(rf"\.nodeset v\({name}\)=(\S+)", deck)
            assert np.sign(float(volts)) == sign


def test_the_experiment_file_says_what_is_written() -> None:
    e = parse({"solver": {"initial": {"voltages": {"h1_0": 1.0}, "pulse": [0.5, -0.5]}}}, "mine.toml")
    assert e.solver.begins == InitialState({"h1_0": 1.0}, (0.5, -0.5))
    assert parse({"solver": {"start": "relax"}}, "mine.toml").solver.begins == "relax"
    with pytest.raises(ConfigError, match=r"solver.start.* does nothing with a table initial"):
        parse({"solver": {"start": "relax", "initial": {"pulse": [0.0]}}}, "mine.toml")
