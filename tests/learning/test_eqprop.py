from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered, Weights
from eqcirc.circuit.layers import Biases
from eqcirc.costs import SquaredError
from eqcirc.data import Dataset, Splits
from eqcirc.devices import Bounds, ClampDiode, ShockleyDiode, TwoTerminal
from eqcirc.errors import ConfigError, SymmetryError
from eqcirc.learning.audit import Audit
from eqcirc.learning.eqprop import EqProp, Variant
from eqcirc.learning.plan import Plan
from eqcirc.learning.rule import flat
from eqcirc.learning.trainer import Trainer
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, Parameters
from eqcirc.verify.gradients import adjoint_gradient, relative_error
from tests.catalogue import NAMES, case
from tests.learning.networks import BOUNDS, Problem, random_problem

SMALL = 1e-10  # beta (S or A): the error of a centred contrast grows with its square


def adjoint(problem: Problem) -> Array:
    free = IdealSolver(problem.circuit).solve(None, problem.inputs).require().free
    values = problem.circuit.parameters
    return flat(
        adjoint_gradient(problem.circuit, values, problem.inputs, problem.targets, problem.cost, free)
    )


def error(problem: Problem, solver: Solver, beta: float, variant: Variant = "centred") -> float:
    """Relative error of the EqProp gradient."""
    rule = EqProp(problem.circuit, problem.cost, beta, variant)
    points = solver.solve(None, problem.inputs, rule.nudge(problem.targets, None)).require()
    return relative_error(flat(rule.gradient(points, None)), adjoint(problem))


def test_the_random_networks_have_every_feature_between_them() -> None:
    plans = [random_problem(seed).plan for seed in range(60)]
    diodes = [d for plan in plans for d in plan.diodes or ()]  # type: ignore[union-attr]
    assert {len(plan.hidden) for plan in plans} == {0, 1, 2}
    assert {plan.biases.kind for plan in plans} == {"rail", "current", "none"}
    assert {type(d.law) for d in diodes if d} == {ShockleyDiode, ClampDiode}
    assert {d.kind for d in diodes if d} == {"antiparallel", "one_sided"}
    assert None in diodes
    assert {skip for plan in plans for skip in plan.skips} == {(0, 2), (0, 3), (1, 3)}
    assert {True, False} == {plan.differential for plan in plans} == {plan.double_inputs for plan in plans}
    deep = [plan for plan in plans if plan.hidden and plan.gain is not None]
    assert any(plan.kappa is None for plan in deep)  # the usual amplifier, 1/A
    assert any(plan.kappa == plan.gain for plan in deep)  # the ideal transformer
    assert any(plan.kappa not in (None, plan.gain) for plan in deep)


@pytest.mark.parametrize("seed", range(60))
def test_the_contrast_is_the_exact_gradient(seed: int) -> None:
    problem = random_problem(seed)
    assert error(problem, IdealSolver(problem.circuit), SMALL) < 1e-6


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("netlist", ["reduced", "full"])
def test_ngspice_measures_the_exact_gradient_too(
    spice: Callable[..., NgspiceSolver], seed: int, netlist: str
) -> None:
    problem = random_problem(seed)
    assert error(problem, spice(problem.circuit, netlist=netlist), SMALL) < 1e-6


@pytest.mark.parametrize("weights", ["signed", "dual_rail"])
@pytest.mark.parametrize("seed", range(16))
def test_the_contrast_of_signed_weights_is_the_exact_gradient(seed: int, weights: Weights) -> None:
    problem = random_problem(seed, weights)
    assert error(problem, IdealSolver(problem.circuit), SMALL) < 1e-6


@pytest.mark.parametrize("weights", ["signed", "dual_rail"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("netlist", ["reduced", "full"])
def test_ngspice_measures_the_gradient_of_signed_weights(
    spice: Callable[..., NgspiceSolver], seed: int, netlist: str, weights: Weights
) -> None:
    problem = random_problem(seed, weights)
    assert error(problem, spice(problem.circuit, netlist=netlist), SMALL) < 1e-6


@pytest.mark.parametrize(
    "name", [name for name in NAMES if case(name).symmetric and case(name).circuit.parameters]
)
def test_the_contrast_is_the_exact_gradient_of_any_symmetrizable_circuit(name: str) -> None:
    some = case(name)
    nudge = some.nudge()
    problem = Problem(Layered(), some.circuit, some.inputs, nudge.cost, nudge.targets)
    assert error(problem, IdealSolver(some.circuit), SMALL) < 1e-6


def slope(problem: Problem, variant: Variant) -> float:
    """Order of the error in beta, over two decades."""
    solver = IdealSolver(problem.circuit)
    betas = np.logspace(-9, -7, 5)
    errors = [error(problem, solver, beta, variant) for beta in betas]
    return float(np.polyfit(np.log(betas), np.log(errors), 1)[0])


@pytest.mark.parametrize("seed", [0, 4, 6, 8, 17])
@pytest.mark.parametrize(("variant", "order"), [("positive", 1), ("negative", 1), ("centred", 2)])
def test_the_error_grows_with_the_order_of_the_variant(seed: int, variant: Variant, order: int) -> None:
    assert slope(random_problem(seed), variant) == pytest.approx(order, abs=0.1)


def test_without_the_scaling_the_gradient_of_early_layers_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The factor s of a layer behind a usual amplifier (kappa = 1/A) is A²."""
    gain = 3.0
    plan = Layered(
        (4,), input_gain=1.0, biases=Biases(voltage=1.0), gain=gain, bounds=BOUNDS, initial=(3e-7, 3e-6)
    )
    circuit = plan.build("scaled", 2, 2, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    inputs, targets = rng.uniform(-1, 1, (4, 2)), rng.uniform(-0.1, 0.1, (4, 2))
    rule = EqProp(circuit, SquaredError(), SMALL)
    points = IdealSolver(circuit).solve(None, inputs, rule.nudge(targets, None)).require()
    right = rule.gradient(points, None)
    monkeypatch.setattr(rule, "scaling", lambda parameters: np.ones(circuit.n_nodes))
    wrong = rule.gradient(points, None)
    np.testing.assert_array_equal(wrong["w2"], right["w2"])
    np.testing.assert_allclose(right["w1"], gain**2 * wrong["w1"], rtol=1e-12)
    reference = adjoint(Problem(plan, circuit, inputs, SquaredError(), targets))
    assert relative_error(flat(right), reference) < 1e-6
    assert relative_error(wrong["w1"], right["w1"]) > 0.8
    assert relative_error(flat(wrong), reference) > 0.1


def test_a_nudge_pulls_with_one_over_s() -> None:
    some = case("gyrator")  # s has opposite signs at the two outputs
    rule = EqProp(some.circuit, SquaredError(), 1e-7)
    weight = rule.nudge(np.zeros((5, 2)), None).strengths(2)
    np.testing.assert_allclose(weight, 1 / rule.scaling(None)[some.circuit.readout.nodes])
    assert weight[0] * weight[1] < 0


def leaning() -> Circuit:
    """A gyrator beside a transconductor: s at the second output is −gm/(gm + 0.5 mS)."""
    b = CircuitBuilder("leaning")
    x, v, w = b.input("x", 2), b.nodes("v"), b.nodes("w")
    wide = Bounds(1e-6, 1)
    b.conductance("drive", x, v, 1e-3, trainable=True, bounds=wide)
    b.conductance("leak", w, GROUND, 1e-3, trainable=True, bounds=wide)
    b.gyrator("gy", v, w, 1e-3, trainable=True, bounds=wide)
    b.transconductor("t", (w, GROUND), (v, GROUND), -0.5e-3)
    return b.build(np.concatenate([v, w]))


@pytest.mark.parametrize("gm", [1e-3, 3e-3])
def test_the_scaling_is_that_of_the_present_values(gm: float) -> None:
    circuit, rng = leaning(), np.random.default_rng(0)
    values = circuit.parameters | {"gy": np.array([gm])}
    inputs, targets = rng.uniform(-1, 1, (4, 2)), rng.uniform(-0.1, 0.1, (4, 2))
    rule, solver = EqProp(circuit, SquaredError(), 1e-7), IdealSolver(circuit)
    nudge = rule.nudge(targets, values)
    assert nudge.strengths(2) == pytest.approx([1, -(gm + 0.5e-3) / gm])
    points = solver.solve(values, inputs, nudge).require()
    exact = adjoint_gradient(circuit, values, inputs, targets, rule.cost, points.free)
    assert relative_error(flat(rule.gradient(points, values)), flat(exact)) < 1e-6


def test_a_scaling_that_training_ends_is_an_error() -> None:
    """A gyrator of 0.5 mS and the transconductor beside it cancel one way."""
    circuit = leaning()
    backward = replace(circuit.element("t"), value=np.array([0.5e-3]))
    elements = tuple(backward if e.name == "t" else e for e in circuit.elements)
    rule = EqProp(replace(circuit, elements=elements), SquaredError(), 1e-7)
    with pytest.raises(SymmetryError, match="nothing carries it back"):
        rule.nudge(np.zeros((1, 2)), circuit.parameters | {"gy": np.array([0.5e-3])})


def test_a_pair_of_which_one_is_trained_to_zero_is_one_way() -> None:
    """The other one would be learnt from a scaling that is next to infinite, and the zero one never again."""
    b = CircuitBuilder("pair")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("drive", x, n, 1e-5)
    b.conductance("leak", n, GROUND, 2e-5)
    b.transconductor("t", (n[0], GROUND), (n[1], GROUND), -5e-6, trainable=True)
    b.transconductor("u", (n[1], GROUND), (n[0], GROUND), -5e-6, trainable=True)
    circuit = b.build(n[1])
    rule, zero = EqProp(circuit, SquaredError(), 1e-8), circuit.parameters | {"t": np.zeros(1)}
    with pytest.raises(SymmetryError, match="'u' carries 'n_0' to 'n_1' and nothing carries it back"):
        rule.measure(IdealSolver(circuit), zero, np.array([[0.3]]), np.array([[0.1]]))


@pytest.mark.parametrize("call", [EqProp.nudge, EqProp.gradient])
def test_the_rule_has_to_be_told_at_which_values(call: Callable[..., object]) -> None:
    """With the circuit's first values by default, training would go on with a scaling that holds no more."""
    with pytest.raises(TypeError, match="parameters"):
        call(EqProp(leaning(), SquaredError(), 1e-7), np.zeros((1, 2)))


def test_training_and_audits_follow_the_scaling() -> None:
    circuit, rng = leaning(), np.random.default_rng(0)
    rule, other = EqProp(circuit, SquaredError(), 1e-7), Watched(circuit)
    data = Dataset("d", rng.uniform(-1, 1, (8, 2)), rng.integers(0, 2, 8), n_classes=2)
    plan = Plan(epochs=2, batch_size=8, learning_rate=1e-4)
    solver = Watched(circuit)
    Trainer(solver, rule, Splits(data, None, data), plan=plan, audit=Audit(other, 1, 4)).run()
    assert len(solver.seen) > 2
    for seen in (solver.seen, other.seen):
        assert len({float(values["gy"][0]) for values, _ in seen}) > 1
        for values, nudge in seen:
            np.testing.assert_array_equal(nudge.strengths(2), rule.nudge(nudge.targets, values).strengths(2))


class Watched(IdealSolver):
    """Remembers values and nudge of every solve that has one."""

    def __init__(self, circuit: Circuit) -> None:
        super().__init__(circuit)
        self.seen: list[tuple[Parameters, Nudge]] = []

    def solve(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None
    ) -> OperatingPoints:
        if parameters is not None and nudge is not None:
            self.seen.append((parameters, nudge))
        return super().solve(parameters, inputs, nudge)


def test_a_lone_transconductor_is_refused_by_name() -> None:
    with pytest.raises(
        SymmetryError, match="transconductor 'forth' carries 'v' to 'w' and nothing carries it back"
    ):
        EqProp(case("lone_transconductor").circuit, SquaredError(), 1e-7)


def test_a_skip_over_a_usual_amplifier_is_refused_and_over_a_transformer_is_not() -> None:
    def network(kappa: float | None) -> Circuit:
        plan = Layered(hidden=(3, 3), gain=4.0, kappa=kappa, skips=((1, 3),))
        return plan.build("skip", 2, 2, np.random.default_rng(0))

    with pytest.raises(
        SymmetryError, match=r"amplifier 'a2' closes a loop that asks for two scalings at node 'y1_0'"
    ):
        EqProp(network(None), SquaredError(), 1e-7)
    EqProp(network(4.0), SquaredError(), 1e-7)


@pytest.mark.parametrize("beta", [0.0, -1e-7, np.nan, np.inf, True])
def test_a_nudge_needs_a_strength(beta: float) -> None:
    for make in (
        lambda: EqProp(case("divider").circuit, SquaredError(), beta),
        lambda: Nudge(SquaredError(), np.zeros((1, 1)), beta),
    ):
        with pytest.raises(ConfigError, match="expected a positive, finite nudging strength"):
            make()


@pytest.mark.parametrize("variant", ["centred", "positive", "negative"])
def test_failed_samples_are_left_out_of_the_mean(variant: Variant) -> None:
    problem = random_problem(4)
    rule = EqProp(problem.circuit, problem.cost, 1e-8, variant)
    points = (
        IdealSolver(problem.circuit).solve(None, problem.inputs, rule.nudge(problem.targets, None)).require()
    )
    voltages, status = points.voltages.copy(), points.status.copy()
    voltages[:, 1], status[1] = np.nan, Status.NOT_CONVERGED
    partly = rule.gradient(OperatingPoints(voltages, status), None)
    keep = [0, 2, 3]
    alone = rule.gradient(OperatingPoints(points.voltages[:, keep], points.status[keep]), None)
    np.testing.assert_allclose(flat(partly), flat(alone), rtol=1e-13)


def test_without_any_sample_the_gradient_is_zero() -> None:
    problem = random_problem(4)
    rule = EqProp(problem.circuit, problem.cost, 1e-8)
    nothing = OperatingPoints(
        np.full((3, 4, problem.circuit.n_nodes), np.nan), np.full(4, Status.NOT_CONVERGED, np.int8)
    )
    np.testing.assert_array_equal(flat(rule.gradient(nothing, None)), 0)


def test_a_circuit_without_trainable_parts_has_no_gradient() -> None:
    assert flat({}).shape == (0,)


def test_a_gradient_is_local_to_the_element() -> None:
    """dC/dg of one resistor from its own voltages in the nudged phases: s·(v₊² − v₋²)/2/(2·beta)."""
    some = case("divider")
    rule = EqProp(some.circuit, SquaredError(), 1e-8)
    points = (
        IdealSolver(some.circuit).solve(None, some.inputs, rule.nudge(np.full((5, 1), 0.2), None)).require()
    )
    a, b = some.circuit.element("top").terminals()
    plus, minus = (points.voltages[k][:, a] - points.voltages[k][:, b] for k in (1, 2))
    squares = ((plus**2 - minus**2) / 2 / (2 * 1e-8)).mean()
    assert rule.gradient(points, None)["top"][0] == pytest.approx(squares, rel=1e-9)


def test_areas_contrast_the_cocontent_between_the_phases() -> None:
    """[Phi(v+) − Phi(v−)]/(2·beta) at any beta, as docs/theory.md says; the current at the mean voltage is not that."""
    example = case("tunnel")
    rule = EqProp(example.circuit, SquaredError(), 4e-6)
    targets = np.linspace(0.1, 0.2, 5)[:, None]
    points = IdealSolver(example.circuit).solve(None, example.inputs, rule.nudge(targets, None)).require()
    device = example.circuit.element("diode")
    assert isinstance(device, TwoTerminal)
    node = device.anode[0]
    plus, minus = (device.law.cocontent(points.voltages[k][:, node]) for k in (1, 2))
    expected = (plus - minus).mean() / (2 * rule.beta)
    assert rule.gradient(points, None)["diode"] == pytest.approx(expected, rel=1e-9)
    at_mean = device.sensitivity(
        device.value,
        (points.voltages[1] - points.voltages[2]) / (2 * rule.beta * 5),
        (points.voltages[1] + points.voltages[2]) / 2,
    )
    assert at_mean != pytest.approx(expected, rel=1e-4)
