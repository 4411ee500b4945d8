"""Measured contrasts are held against the linear response of the free state, sample by sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.neuron import GyratorRecovery, Neuron
from eqcirc.costs import SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import CubicDevice, EsakiDiode, ShockleyDiode
from eqcirc.learning.eqprop import EqProp, Variant
from eqcirc.learning.rule import flat
from eqcirc.solvers.base import Nudge, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import Tolerances
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.precision import FreeState
from eqcirc.solvers.response import Response
from eqcirc.solvers.status import Status
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient, relative_error
from tests.catalogue import NAMES, case, random_layered

Make = Callable[..., Solver]


@pytest.fixture(params=["ideal", "ngspice"])
def engine(request: pytest.FixtureRequest, spice: Callable[..., NgspiceSolver]) -> Make:
    return IdealSolver if request.param == "ideal" else spice


def response(expected: Array, pull: float = 0.1, typical: float = 0.1) -> Response:
    rows = len(expected)
    return Response(expected, np.full(rows, pull), np.full(rows, typical))


def judged(
    found: Response, u: Array, noise: float = 1e-15, factors: tuple[float, ...] = (1.0, -1.0)
) -> list[int]:
    status, messages = np.zeros(u.shape[1], np.int8), {}
    nudge = Nudge(SquaredError(), np.zeros((u.shape[1], 1)), 1e-6, factors)
    found.judge(u, status, messages, nudge, np.full(u.shape[1], noise))
    assert set(messages) == set(np.flatnonzero(status).tolist())
    return status.tolist()  # type: ignore[no-any-return]


def test_odd_answers_of_the_expected_size_are_right() -> None:
    free, step = np.zeros((2, 3)), np.full((2, 3), 1e-3)
    expected = response(step)
    assert judged(expected, np.stack([free, step, -step])) == [0, 0]
    assert judged(expected, np.stack([free, 1.4 * step, -step])) == [0, 0], "curved, but a derivative"
    wrong = [Status.WRONG_BRANCH] * 2
    assert judged(expected, np.stack([free, step, step])) == wrong, "even"
    assert judged(expected, np.stack([free, 2 * step, -2 * step])) == wrong, "odd, and too far"
    assert judged(expected, np.stack([free, free, free])) == wrong, "no answer"
    assert judged(expected, np.stack([free, -step, step])) == wrong, "the other way"


def test_one_sided_answers_are_judged_as_well() -> None:
    free, step = np.zeros((1, 3)), np.full((1, 3), 1e-3)
    for factor in (1.0, -1.0):
        assert judged(response(step), np.stack([free, factor * step]), factors=(factor,)) == [0]
        far = judged(response(step), np.stack([free, 1.8 * factor * step]), factors=(factor,))
        assert far == [Status.WRONG_BRANCH]


def test_answers_below_the_noise_are_unresolved_unless_there_is_nothing_to_learn() -> None:
    free, step = np.zeros((1, 3)), np.full((1, 3), 1e-12)
    points = np.stack([free, 3 * step, 0 * step])
    assert judged(response(step), points, noise=1e-11) == [Status.UNRESOLVED]
    assert judged(response(step, pull=1e-9), points, noise=1e-11) == [0], "the output is at its target"
    assert judged(response(0 * step, pull=0.0), np.stack([free, free, free])) == [0]
    flipped = np.stack([free, free + 0.3, free])
    assert judged(response(step, pull=1e-9), flipped, noise=1e-11) == [Status.WRONG_BRANCH]


@pytest.mark.parametrize("name", [name for name in NAMES if case(name).symmetric])
def test_small_nudges_answer_linearly(name: str, engine: Make) -> None:
    example = case(name)
    for cost in (SquaredError(), SoftmaxCrossEntropy()):
        points = engine(example.circuit).solve(None, example.inputs, example.nudge(cost, 1e-9)).require()
        assert points.nonlinearity is not None
        assert np.nan_to_num(points.nonlinearity).max() < 1e-3


def test_the_expected_answer_is_the_derivative_of_the_states_by_beta() -> None:
    """Central differences of fourth order, through states that are solved anew."""
    example = random_layered(np.random.default_rng(5), (5, 4), True, True)
    solver = IdealSolver(example.circuit)
    h = 1e-9

    def state(factor: float) -> Array:
        nudge = example.nudge(SquaredError(), h)
        one = Nudge(nudge.cost, nudge.targets, h, (factor,), nudge.weight)
        return solver._plan.collect(solver.solve(None, example.inputs, one).require().voltages[1])

    slope = (8 * (state(1) - state(-1)) - (state(2) - state(-2))) / 12
    from eqcirc.circuit.reduced_system import ReducedSystem
    from eqcirc.solvers.equations import Equations

    equations = Equations(ReducedSystem(solver._plan), example.circuit.fixed_voltages(example.inputs))
    free = solver._plan.collect(solver.solve(None, example.inputs).require().free)
    looked_at = FreeState.of(equations, solver._linear, free, example.nudge(SquaredError(), h))
    found = Response.of(looked_at, example.nudge(SquaredError(), h))
    np.testing.assert_allclose(found.expected, slope, rtol=1e-5, atol=1e-6 * np.abs(slope).max())


def narrow() -> Circuit:
    """A tunnel diode whose current falls over less than a quarter of the jump from one branch to the other."""
    law = EsakiDiode(
        10e-3, 0.1, 0.5e-3, 3.0, 0.45, saturation_current=1.4e-13, slope_voltage=0.04, fall_exponent=3.0
    )
    b = CircuitBuilder("narrow")
    x, v = b.input("x"), b.nodes("v")
    b.conductance("series", x, v, 8e-3, trainable=True)
    b.device("diode", v, GROUND, law)
    b.capacitor("store", v, GROUND, 1e-12)
    return b.build(v)


@pytest.mark.parametrize("variant", ["centred", "positive", "negative"])
def test_a_flip_between_free_and_nudged_state_is_seen(variant: Variant, engine: Make) -> None:
    """Just below the drive at which the lower branch ends, a nudge of 1 % flips the diode."""
    circuit = narrow()
    drive = np.linspace(1.2, 1.5, 61)[:, None]
    free = IdealSolver(circuit).solve(None, drive).require().free[:, -1]
    last = int(np.flatnonzero(free < 0.15).max())
    edge = drive[last - 1 : last + 1]
    rule = EqProp(circuit, SquaredError(), 8e-3, variant)
    for target in (3.0, -3.0):
        targets = np.full((2, 1), target)
        points = engine(circuit).solve(None, edge, rule.nudge(targets, None))
        gradient = flat(rule.gradient(points, None))
        exact = flat(adjoint_gradient(circuit, circuit.parameters, edge, targets, rule.cost, points.free))
        if points.converged.all():
            assert relative_error(gradient, exact) < 0.6
        else:
            assert set(points.status) <= {Status.CONVERGED, Status.WRONG_BRANCH, Status.NOT_CONVERGED}


@pytest.mark.parametrize("beta", [3e-4, 1e-3])
def test_flips_to_both_sides_that_look_like_an_answer_are_seen(beta: float, engine: Make) -> None:
    """With a nudge as strong as the device, ±beta may flip a bistable neuron to where the linear response points.

    A neuron flipped if the nudge, as a conductance to the target and followed in time, takes it to the other side.
    """
    rng = np.random.default_rng(0)
    b = CircuitBuilder("memories")
    x, v = b.input("x"), b.nodes("v", 8)
    b.crossbar("w", x, v, rng.uniform(0.02e-3, 0.2e-3, (1, 8)))
    b.conductance("ring", v, np.roll(v, 1), 0.05e-3, trainable=True)
    b.current_source("bias", v, rng.normal(0, 0.05e-3, 8))
    Neuron(CubicDevice(), GyratorRecovery(1e-3, 4e-3, 1e-10)).add(b, "cell", v)
    circuit, inputs = b.build(v[:3]), rng.uniform(-0.5, 0.5, (6, 1))
    free = IdealSolver(circuit).solve(None, inputs).require().free
    rule, targets = EqProp(circuit, SquaredError(), beta), -circuit.readout.read(free)
    points = engine(circuit).solve(None, inputs, rule.nudge(targets, None))
    sides = np.sign(points.voltages[:, :, v])
    flipped = (sides[1:] != sides[0]).any(axis=(0, 2))
    assert flipped.any()
    assert not points.converged[flipped].any()


@pytest.mark.parametrize("variant", ["positive", "negative"])
def test_a_one_sided_beta_that_is_too_large_is_found_out(variant: Variant, engine: Make) -> None:
    example = random_layered(np.random.default_rng(1), (6,))
    targets = np.tile([0.3, -0.3], (5, 1))
    rule = EqProp(example.circuit, SquaredError(), 1e-4, variant)
    points = engine(example.circuit).solve(None, example.inputs, rule.nudge(targets, None))
    assert not points.converged.any()
    assert "beta is too large" in points.explain()


def test_a_beta_below_the_solvers_precision_is_named(spice: Callable[..., NgspiceSolver]) -> None:
    example = case("diode")
    coarse = spice(example.circuit, tolerances=Tolerances(reltol=1e-6, vntol=1e-9, abstol=1e-12))
    nudge = example.nudge(beta=1e-16)
    points = coarse.solve(None, example.inputs, nudge)
    assert (points.status == Status.UNRESOLVED).any()
    assert "beta = 1e-16 is too small" in points.explain()
    ideal = IdealSolver(example.circuit).solve(None, example.inputs, example.nudge(beta=1e-10))
    assert ideal.converged.all(), "it is sure to 1e-15 V"
    hopeless = IdealSolver(example.circuit).solve(None, example.inputs, example.nudge(beta=1e-24))
    assert (hopeless.status == Status.UNRESOLVED).any()


def tied(tie: float, feed: float) -> Circuit:
    """A strong wire between two weakly fed nodes: which voltage they share is for the small conductances to say."""
    b = CircuitBuilder("tied")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("tie", n[0], n[1], tie)
    b.conductance("feed", x, n[0], 1.1 * feed, trainable=True)
    b.conductance("leak", n[1], GROUND, 0.9 * feed)
    return b.build(n[1])


@pytest.mark.parametrize(("tie", "feed"), [(1.0, 1e-9), (1e3, 1e-9), (100.0, 1e-10), (1e-3, 2e-12)])
def test_weakly_fed_nodes_behind_a_strong_wire_are_right(tie: float, feed: float) -> None:
    """v = 1.1/(1.1 + 0.9 + their product over the tie), up to which the two share one voltage."""
    circuit = tied(tie, feed)
    rule = EqProp(circuit, SquaredError(), 1e-4 * feed)
    inputs, targets = np.array([[1.0], [-3.0]]), np.array([[0.2], [0.1]])
    points = IdealSolver(circuit).solve(None, inputs, rule.nudge(targets, None)).require()
    exact = inputs[:, 0] * 1.1 / (2.0 + 1.1 * 0.9 * feed / tie)
    np.testing.assert_allclose(points.free[:, -1], exact, rtol=1e-10)
    # dv/dfeed = x·leak/(feed + leak)², to first order in feed over tie
    slope = (points.free[:, -1] - targets[:, 0]) * inputs[:, 0] * 0.9 * feed / (2.0 * feed) ** 2
    np.testing.assert_allclose(rule.gradient(points, None)["feed"], slope.mean(), rtol=1e-6)


def test_ngspice_says_when_conductances_lie_too_far_apart_for_it(spice: Callable[..., NgspiceSolver]) -> None:
    circuit = tied(1e3, 1e-9)
    for form in ("reduced", "full"):
        points = spice(circuit, netlist=form).solve(None, np.array([[1.0]]))
        right = abs(points.free[0, -1] - 0.55) <= 1e-8
        assert right == points.converged[0]
        assert right or "off Kirchhoff's law" in points.explain()


def test_strong_crossbars_between_weakly_fed_nodes_are_right() -> None:
    """Sums of large currents are rounded; the solver notices, and takes the crossbar apart."""
    rng = np.random.default_rng(0)
    b = CircuitBuilder("strong crossbar")
    x, rows, columns = b.input("x"), b.nodes("r", 4), b.nodes("c", 4)
    b.crossbar("w", rows, columns, rng.uniform(1, 10, (4, 4)))
    feeds = rng.uniform(1, 2, 4) * 1e-9
    b.conductance("feed", x, rows, feeds)
    b.device("diode", columns, GROUND, ShockleyDiode(1e-12))
    b.conductance("leak", columns, GROUND, 1e-9)
    circuit = b.build(columns[:1])
    solver = IdealSolver(circuit)
    points = solver.solve(None, np.array([[0.05], [1.0]])).require()
    for v, drive in zip(points.free[:, -1], (0.05, 1.0), strict=True):  # all nodes share one voltage
        current, _ = ShockleyDiode(1e-12).evaluate(np.array([v]))
        left = feeds.sum() * (drive - v) - 4 * 1e-9 * v - 4 * current[0]
        assert abs(left) <= 1e-8 * feeds.sum() * drive
