"""The solvers agree with one another and with Kirchhoff's laws written part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases
from eqcirc.circuit.neuron import LayerNeurons, Neuron, RLRecovery
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import Bounds, ShockleyDiode
from eqcirc.devices.presets import PRESETS
from eqcirc.errors import CircuitError
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import reduced_netlist
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from tests.catalogue import NAMES, WITHOUT_IMAGE, Case, S, case, random_layered
from tests.kirchhoff import nudge_current, residual

AGREEMENT = 1e-9  # V

LAYERED = {
    f"{hidden}, {'amplifiers' if amplifiers else 'bare'}, {'differential' if differential else 'single'}": (
        hidden,
        amplifiers,
        differential,
    )
    for hidden, amplifiers, differential in product(((5,), (4, 3), (4, 3, 3)), (False, True), (False, True))
}
COSTS = {"squared": SquaredError(), "softmax": SoftmaxCrossEntropy()}
costs = pytest.mark.parametrize("cost", COSTS.values(), ids=COSTS)


def layered(name: str) -> Case:
    hidden, amplifiers, differential = LAYERED[name]
    return random_layered(np.random.default_rng(len(name)), hidden, amplifiers, differential)


@pytest.fixture(params=[*NAMES, *WITHOUT_IMAGE, *LAYERED])
def example(request: pytest.FixtureRequest) -> Case:
    return layered(request.param) if request.param in LAYERED else case(request.param)


@costs
@pytest.mark.parametrize("netlist", ["reduced", "full"])
def test_ngspice_and_ideal_solver_agree(
    example: Case, cost: Cost, netlist: str, spice: Callable[..., NgspiceSolver]
) -> None:
    nudge = example.nudge(cost)
    ideal = IdealSolver(example.circuit).solve(None, example.inputs, nudge).require()
    found = spice(example.circuit, netlist=netlist).solve(None, example.inputs, nudge).require()
    assert found.voltages.shape == (3, len(example.inputs), example.circuit.n_nodes)
    np.testing.assert_allclose(found.voltages, ideal.voltages, rtol=0, atol=AGREEMENT)


def test_two_layers_of_tunnel_diodes_behind_high_gains_agree(spice: Callable[..., NgspiceSolver]) -> None:
    """Seen through both amplifiers, their numbers are far from what a tunnel diode may have."""
    neurons = LayerNeurons(Neuron(recovery=RLRecovery(30.0, 1e-8), diode=PRESETS["1n3716"]))
    plan = Layered(
        hidden=(2, 2),
        gain=40.0,
        input_gain=0.3,
        biases=Biases(voltage=1.0),
        neurons=neurons,
        bounds=Bounds(1e-3, 2e-2),
    )
    rng = np.random.default_rng(0)
    circuit, inputs = plan.build("high", 2, 2, rng), rng.uniform(-1, 1, (3, 2))
    ideal = IdealSolver(circuit).solve(None, inputs).require()
    found = spice(circuit, netlist="reduced").solve(None, inputs).require()
    np.testing.assert_allclose(found.voltages, ideal.voltages, rtol=0, atol=AGREEMENT)


@costs
def test_kirchhoffs_laws_hold_in_every_phase(example: Case, cost: Cost) -> None:
    nudge = example.nudge(cost)
    points = IdealSolver(example.circuit).solve(None, example.inputs, nudge).require()
    for phase, factor in enumerate((0.0, *nudge.factors)):
        for sample, v in enumerate(points.voltages[phase]):
            pull = nudge_current(example.circuit, v, nudge, sample, factor)
            np.testing.assert_allclose(residual(example.circuit, v, None, pull), 0, atol=1e-8 * S)


@pytest.mark.parametrize("volts", [(0.0, 0.5, 0.7), (0.7, 0.0, 0.5), (0.5, 0.7, 0.0)])
def test_outputs_far_above_another_one_do_not_tie(
    volts: tuple[float, ...], spice: Callable[..., NgspiceSolver]
) -> None:
    """Sharpness times 0.5 V is 500: the gradient was halved while a cap made alike what lay above it."""
    b = CircuitBuilder("three levels")
    rails, out = (
        [int(b.rail(f"rail{k}", 2 * v + 0.1)[0]) for k, v in zip("abc", volts, strict=True)],
        b.nodes("out", 3),
    )
    b.conductance("series", rails, out, 1e-6, trainable=True)
    b.conductance("load", out, GROUND, 1e-6)
    circuit = b.build(out)
    rule = EqProp(circuit, SoftmaxCrossEntropy(1000.0), 1e-4 * 2e-6 / 1000.0)
    targets = np.eye(3)
    ours, ideal = (
        s.solve(None, np.empty((3, 0)), rule.nudge(targets, None))
        for s in (spice(circuit), IdealSolver(circuit))
    )
    found, expected = (rule.gradient(p.require(), None)["series"] for p in (ours, ideal))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7 * np.abs(expected).max())


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_outputs_far_apart_agree_too(seed: int, spice: Callable[..., NgspiceSolver]) -> None:
    """The exponents of the cross-entropy are hundreds, and change between samples by as much."""
    rng = np.random.default_rng(seed)
    circuit = Layered((), input_gain=8.0, biases=Biases(voltage=1.0)).build("far", 2, 2, rng)
    cost = SoftmaxCrossEntropy(100.0)
    inputs, targets = rng.normal(size=(64, 2)), cost.targets(rng.integers(0, 2, 64), 2)
    nudge = EqProp(circuit, cost, 1e-7).nudge(targets, None)
    ideal = IdealSolver(circuit).solve(None, inputs, nudge).require()
    assert np.abs(np.diff(circuit.readout.read(ideal.free))).max() > 1.0
    found = spice(circuit).solve(None, inputs, nudge).require()
    np.testing.assert_allclose(found.voltages, ideal.voltages, rtol=0, atol=1e-11)


def test_one_sided_nudges_and_other_factors(spice: Callable[..., NgspiceSolver]) -> None:
    example = case("two_stages")
    centred = IdealSolver(example.circuit).solve(None, example.inputs, example.nudge()).require()
    for factors, phases in (((1.0,), [0, 1]), ((-1.0,), [0, 2]), ((-1.0, 1.0), [0, 2, 1])):
        nudge = replace(example.nudge(), factors=factors)
        for solver in (IdealSolver(example.circuit), spice(example.circuit)):
            found = solver.solve(None, example.inputs, nudge).require()
            np.testing.assert_allclose(found.voltages, centred.voltages[phases], rtol=0, atol=AGREEMENT)


def test_a_nudge_moves_outputs_towards_their_targets() -> None:
    """And by beta·(target − output)/g at a node of conductance g."""
    example = case("divider")
    nudge = example.nudge()
    free, plus, minus = IdealSolver(example.circuit).solve(None, example.inputs, nudge).require().voltages
    out = example.circuit.readout.nodes
    np.testing.assert_allclose(
        (plus - minus)[:, out] / 2,
        nudge.beta / (4 * S) * (nudge.targets - free[:, out]),
        rtol=1e-4,
        atol=1e-15,
    )


def test_parameters_replace_values_in_both_solvers(spice: Callable[..., NgspiceSolver]) -> None:
    example = case("amplifier")
    changed = {"first": np.array([3 * S, 0.5 * S])}
    before = IdealSolver(example.circuit).solve(None, example.inputs).require()
    ideal = IdealSolver(example.circuit).solve(changed, example.inputs).require()
    assert np.abs(ideal.voltages - before.voltages).max() > 1e-3
    for netlist in ("reduced", "full"):
        found = spice(example.circuit, netlist=netlist).solve(changed, example.inputs).require()
        np.testing.assert_allclose(found.voltages, ideal.voltages, rtol=0, atol=AGREEMENT)


def test_a_device_across_an_amplifier_needs_the_full_netlist(spice: Callable[..., NgspiceSolver]) -> None:
    b = CircuitBuilder("across")
    x, a, y = b.input("x"), b.nodes("a"), b.nodes("y")
    b.conductance("w", x, a, S)
    b.amplifier("amp", a, y, 2.0, 2.0)  # with kappa = 1/2 the diode would be a negative resistor
    b.conductance("load", y, GROUND, S)
    b.device("across", y, a, ShockleyDiode())
    circuit, inputs = b.build(y), np.array([[0.4], [-0.4], [2.0]])
    ideal = IdealSolver(circuit).solve(None, inputs).require()
    for netlist in ("full", "reduced"):
        found = spice(circuit, netlist=netlist).solve(None, inputs).require()
        np.testing.assert_allclose(found.voltages, ideal.voltages, rtol=0, atol=AGREEMENT)
    system = ReducedSystem(Reduction(circuit))
    with pytest.raises(CircuitError, match=r"'across' has no reduced netlist: .*use the full netlist"):
        reduced_netlist(system, circuit.fixed_voltages(inputs))


def test_coils_without_resistance(spice: Callable[..., NgspiceSolver]) -> None:
    """They are shorts at an operating point, weakly fed ones included; the reduced netlist cannot hold them."""
    b = CircuitBuilder("coils")
    x, (a, c, y) = b.input("x"), b.nodes("inner", 3)
    b.conductance("feed", x, a, 1e-9)
    b.rl_branches("coil", np.array([a, c]), np.array([c, y]), np.array([0.0, 0.0]), np.array([1e-3, 1e-6]))
    b.conductance("load", y, GROUND, 3e-9)
    circuit, inputs = b.build(y), np.array([[4.0], [-40.0]])
    for solver in (IdealSolver(circuit), spice(circuit), spice(circuit, netlist="full")):
        volts = solver.solve(None, inputs).require().free
        np.testing.assert_allclose(volts[:, [a, c, y]], inputs / 4 * np.ones(3), rtol=1e-9)


@pytest.mark.parametrize("shift", [-0.9, 0.9])
@pytest.mark.parametrize("sharpness", [10.0, 300.0])
def test_cross_entropy_holds_far_from_ground(
    shift: float, sharpness: float, spice: Callable[..., NgspiceSolver]
) -> None:
    """The sum of exponentials must neither vanish in the simulator's tolerances nor overflow."""
    b = CircuitBuilder("far")
    x, far, out = b.input("x", 3, gain=0.01), b.rail("far", shift), b.nodes("out", 3)
    b.conductance("top", x, out, S)
    b.conductance("pull", far, out, 100 * S)
    example = Case(b.build(out), np.array([[-1.0, 0.0, 1.0], [1.0, 0.5, 0.0]]))
    nudge = example.nudge(SoftmaxCrossEntropy(sharpness))
    ideal = IdealSolver(example.circuit).solve(None, example.inputs, nudge).require()
    for netlist in ("reduced", "full"):
        found = spice(example.circuit, netlist=netlist).solve(None, example.inputs, nudge).require()
        np.testing.assert_allclose(found.voltages, ideal.voltages, rtol=0, atol=AGREEMENT)
