"""Where the free phase starts: certificates, relaxation, branches, samples that must not see each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases
from eqcirc.circuit.neuron import GyratorRecovery, LayerNeurons, Neuron, RLRecovery
from eqcirc.costs import SquaredError
from eqcirc.devices import Bounds, CubicDevice, EsakiDiode, ShockleyDiode
from eqcirc.devices.presets import find_diode
from eqcirc.errors import SolverError
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Status
from eqcirc.solvers.waveforms import Course
from eqcirc.typing import Array
from eqcirc.verify.stability import stability_report

Make = Callable[..., Solver]


@pytest.fixture(params=["ideal", "ngspice"])
def engine(request: pytest.FixtureRequest, spice: Callable[..., NgspiceSolver]) -> Make:
    return IdealSolver if request.param == "ideal" else spice


def ring(gyration: float, leak: float, store: float = 1e-10, n: int = 5) -> Circuit:
    rng = np.random.default_rng(0)
    b = CircuitBuilder("ring")
    x, v = b.input("x"), b.nodes("v", n)
    b.crossbar("w", x, v, rng.uniform(0.05e-3, 0.2e-3, (1, n)))
    b.conductance("ring", v, np.roll(v, 1), 0.05e-3, trainable=True)
    Neuron(CubicDevice(), GyratorRecovery(gyration, leak, store)).add(b, "cell", v)
    return b.build(v[:2])


BISTABLE = ring(1e-3, 4e-3)
UNIQUE = ring(1.5e-3, 1.5e-3)
OSCILLATING = ring(1.5e-3, 1.5e-3, store=4e-9, n=3)
INPUTS = np.array([[0.4], [-0.3], [0.15], [-0.45]])


def nudged(
    circuit: Circuit, solver: Solver, inputs: Array, beta: float = 1e-6
) -> tuple[EqProp, Array, np.ndarray]:
    rule = EqProp(circuit, SquaredError(), beta)
    points = solver.solve(None, inputs, rule.nudge(np.zeros((len(inputs), circuit.readout.n_outputs)), None))
    return rule, points.voltages, points.status


def test_a_cold_start_needs_a_certificate(engine: Make) -> None:
    with pytest.raises(SolverError, match="nothing proves that there is one"):
        engine(BISTABLE, start="cold").solve(None, INPUTS)
    cold = engine(UNIQUE, start="cold").solve(None, INPUTS).require()
    relaxed = engine(UNIQUE, start="relax").solve(None, INPUTS).require()
    np.testing.assert_allclose(cold.voltages, relaxed.voltages, rtol=0, atol=1e-10)


def test_relaxation_finds_stable_states_where_newton_from_0_volts_does_not(engine: Make) -> None:
    points = engine(BISTABLE).solve(None, INPUTS).require()
    assert stability_report(BISTABLE, None, INPUTS, points.free).stable.all()
    membranes = points.free[:, [k for k, name in enumerate(BISTABLE.node_names) if name.startswith("v_")]]
    assert (np.abs(membranes) > 0.5).all(), "every neuron has taken a side"
    assert (np.sign(INPUTS[:, 0]) == np.sign(membranes).T).all(), "the side that its input pulls to"


def test_both_engines_relax_to_the_same_states(spice: Callable[..., NgspiceSolver]) -> None:
    one, other = (nudged(BISTABLE, solver, INPUTS)[1] for solver in (IdealSolver(BISTABLE), spice(BISTABLE)))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_samples_do_not_see_their_neighbours(engine: Make) -> None:
    solver = engine(BISTABLE)
    _, together, _ = nudged(BISTABLE, solver, INPUTS)
    order = [2, 0, 3, 1]
    _, shuffled, _ = nudged(BISTABLE, solver, INPUTS[order])
    np.testing.assert_allclose(shuffled, together[:, order], rtol=0, atol=1e-10)
    for k in range(len(INPUTS)):
        np.testing.assert_allclose(
            nudged(BISTABLE, solver, INPUTS[k : k + 1])[1][:, 0], together[:, k], rtol=0, atol=1e-10
        )


def test_nudged_states_stay_on_the_branch_of_their_free_state(engine: Make) -> None:
    _, v, status = nudged(BISTABLE, engine(BISTABLE), INPUTS, beta=1e-5)
    assert (status == Status.CONVERGED).all()
    assert (np.sign(v[1:]) == np.sign(v[0])).all()


def test_a_nudge_that_flips_neurons_is_noticed(engine: Make) -> None:
    """Targets at the other side, and a beta that overpowers the neurons."""
    rule = EqProp(BISTABLE, SquaredError(), 5e-3)
    targets = -np.sign(INPUTS) * np.ones((4, 2))
    assert not engine(BISTABLE).solve(None, INPUTS, rule.nudge(targets, None)).converged.any()


def test_a_circuit_that_oscillates_has_no_equilibrium(engine: Make) -> None:
    points = engine(OSCILLATING, start="relax").solve(None, INPUTS[:1])
    assert points.status.tolist() == [Status.NO_EQUILIBRIUM]
    with pytest.raises(SolverError, match="does not come to rest"):
        points.require()


def test_an_operating_point_that_the_circuit_would_leave_is_refused(engine: Make) -> None:
    """It is the only one, so a cold start is allowed and finds it; but it is unstable."""
    points = engine(OSCILLATING, start="cold").solve(None, INPUTS[:2])
    assert (points.status == Status.UNSTABLE).all()
    with pytest.raises(SolverError, match=r"unstable.*oscillates.*grow at .* Hz"):
        points.require()


def test_a_sample_that_stays_on_the_fence_is_told_why(engine: Make) -> None:
    """Without an input nothing pushes the neurons off 0 V, where none of them would stay."""
    points = engine(BISTABLE, start="relax").solve(None, np.array([[0.0], [0.4]]))
    assert points.status.tolist() == [Status.UNSTABLE, Status.CONVERGED]
    assert "perturbations grow at" in points.messages[0]


def test_without_capacitors_all_nodes_count_as_equal(engine: Make) -> None:
    b = CircuitBuilder("memory")
    x, v = b.input("x"), b.nodes("v", 2)
    b.conductance("w", x, v, 0.2e-3, trainable=True)
    b.conductance("load", v, GROUND, 0.2e-3)
    b.device("cell", v, GROUND, CubicDevice())
    circuit = b.build(v)
    points = engine(circuit).solve(None, np.array([[0.3], [-0.3]])).require()
    assert (np.sign(points.free[:, v]) == [[1, 1], [-1, -1]]).all()
    assert (np.abs(points.free[:, v]) > 1).all()


def test_r_l_neurons_relax_through_the_coil_of_the_netlist(spice: Callable[..., NgspiceSolver]) -> None:
    b = CircuitBuilder("coils")
    x, v = b.input("x"), b.nodes("v", 3)
    b.crossbar("w", x, v, 0.2e-3)
    cell = Neuron(CubicDevice(), RLRecovery(2e3, 1e-4))
    cell.add(b, "cell", v, trainable=["resistance"], shared=[(0, 1)], shared_ohms=500.0)
    circuit = b.build(v)
    one, other = (nudged(circuit, solver, INPUTS)[1] for solver in (IdealSolver(circuit), spice(circuit)))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


def test_a_neuron_whose_device_outweighs_its_load_is_solved(engine: Make) -> None:
    """The slope at the membrane is −1 mS against a load of 10 uS; what holds it is the gyrator."""
    b = CircuitBuilder("steep")
    x, v = b.input("x"), b.nodes("v")
    b.conductance("w", x, v, 1e-5, trainable=True)
    Neuron(CubicDevice(), GyratorRecovery(0.5e-3, 0.1e-3, 1e-11)).add(b, "cell", v)
    circuit = b.build(v)
    points = engine(circuit).solve(None, np.array([[0.5], [-0.2]])).require()
    assert stability_report(circuit, None, np.array([[0.5], [-0.2]]), points.free).stable.all()
    np.testing.assert_allclose(points.free[:, v].ravel() / [0.5, -0.2], 1e-5 / (1e-5 + 1.5e-3), rtol=1e-3)


def test_a_bare_inner_node_takes_a_side_in_both_engines(engine: Make) -> None:
    """A falling device behind a resistance of 2 kohm, no capacitor at it."""
    b = CircuitBuilder("inner")
    x, v, inner = b.input("x"), b.nodes("v"), b.nodes("inner")
    b.conductance("w", x, v, 1e-4, trainable=True)
    b.conductance("lead", v, inner, 0.5e-3)
    b.device("cell", inner, GROUND, CubicDevice())
    b.capacitor("store", v, GROUND, 1e-9)
    circuit = b.build(v)
    points = engine(circuit).solve(None, np.array([[0.5], [-0.2]])).require()
    assert (np.abs(points.free[:, inner]) > 1).all()
    assert (np.sign(points.free[:, inner].ravel()) == [1, -1]).all()


def test_a_sample_that_overdrives_a_device_does_not_hurry_the_others(engine: Make) -> None:
    b = CircuitBuilder("overdriven")
    x, v = b.input("x", 2), b.nodes("v")
    b.conductance("w", x[:1], v, 1e-4, trainable=True)
    b.device("clamp", x[1:], v, ShockleyDiode())
    Neuron(CubicDevice(), None).add(b, "cell", v)
    inputs = np.array([[0.5, 2.0], [0.5, 0.0]])
    assert engine(b.build(v)).solve(None, inputs).converged.all()


def test_a_high_voltage_elsewhere_does_not_blur_where_a_neuron_is(engine: Make) -> None:
    b = CircuitBuilder("high")
    x, v, high, rail = b.input("x"), b.nodes("v"), b.nodes("high"), b.rail("supply", 100.0)
    b.conductance("w", x, v, 0.8e-3, trainable=True)
    b.conductance("up", rail, high, 1e-2)
    b.capacitor("at", high, GROUND, 1e-9)
    Neuron(CubicDevice(), None).add(b, "cell", v)
    points = engine(b.build(v)).solve(None, np.logspace(-4, -1, 5)[:, None]).require()
    assert (points.free[:, v] > 0.7).all()


def test_passive_circuits_start_cold_without_a_certificate(engine: Make) -> None:
    b = CircuitBuilder("passive")
    x, v = b.input("x"), b.nodes("v")
    b.conductance("w", x, v, 1e-4, trainable=True)
    assert engine(b.build(v), start="cold").solve(None, INPUTS).converged.all()


@pytest.mark.parametrize("ohms", [1.0, 5.0])
def test_a_slow_circuit_is_followed_until_it_rests(engine: Make, ohms: float) -> None:
    """A small resistance before the junction makes its node a thousand times faster than the membrane."""
    b = CircuitBuilder("leads")
    x, v = b.input("x"), b.nodes("v")
    b.conductance("w", x, v, 3e-4)
    diode = replace(find_diode("mbd1057"), series_resistance=ohms)
    Neuron(None, None, 1e-9, diode=diode).add(b, "cell", v)
    circuit = b.build(v)
    inputs = np.array([[0.3], [1.0], [2.0]])
    solver = engine(circuit, start="relax")
    points = solver.solve(None, inputs).require()
    ends = [solver.transient(Course(1e-4, inputs=x)).require_rest().end for x in inputs]
    np.testing.assert_allclose(points.free, ends, rtol=0, atol=1e-4)


def test_high_voltages_before_a_junction_do_not_stop_the_ideal_transient() -> None:
    """The rate of the first instant, carried on, would put volts across the diode: exp(200) and more."""
    b = CircuitBuilder("high")
    x, v = b.input("x"), b.nodes("v", 2)
    b.conductance("w", x, v, [1e-3, 5e-4])
    b.conductance("pair", v[0], v[1], 1e-3)
    Neuron(EsakiDiode(), RLRecovery(400.0, 2e-6)).add(b, "cell", v)
    circuit = b.build(v)
    inputs = np.array([[0.2], [100.0]])
    points = IdealSolver(circuit, start="relax").solve(None, inputs).require()
    assert stability_report(circuit, None, inputs, points.free).stable.all()


def test_a_sample_that_oscillates_does_not_keep_others_from_rest(engine: Make) -> None:
    """The slow node asks for long transients, and the oscillation for many steps in them."""
    b = CircuitBuilder("mixed")
    x, v, slow = b.input("x"), b.nodes("v"), b.nodes("slow")
    b.conductance("w", x, v, 1e-3)
    b.conductance("aside", x, slow, 1e-3)
    b.capacitor("large", slow, GROUND, 1e-7)
    Neuron(CubicDevice(3e-3), RLRecovery(400.0, 4e-4)).add(b, "cell", v)
    points = engine(b.build(v), start="relax").solve(None, np.array([[0.0001], [4.0]]))
    assert points.status.tolist() == [Status.NO_EQUILIBRIUM, Status.CONVERGED]


def test_many_bistable_samples_relax_in_one_sweep(spice: Callable[..., NgspiceSolver]) -> None:
    """Nodes at many volts, held in phase −1 without a difference that rounding decides."""
    neurons = LayerNeurons(Neuron(CubicDevice(3e-3), RLRecovery(500.0, 1e-4)))
    network = Layered((5,), gain=4.0, biases=Biases(voltage=1.0), neurons=neurons, bounds=Bounds(1e-5, 1e-4))
    circuit = network.build("layered", 3, 2, 1)
    inputs = np.random.default_rng(1).normal(size=(12, 3))
    one, other = (
        s.solve(None, inputs).require().free for s in (IdealSolver(circuit), spice(circuit, sweep=12))
    )
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
