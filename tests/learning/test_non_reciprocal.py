"""Rules for circuits that are not reciprocal: against the adjoint gradient, by both engines, and against each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import CubicDevice
from eqcirc.errors import CircuitError, SymmetryError
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.rule import Rule, flat
from eqcirc.learning.vector_field import VectorField
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient, finite_differences, relative_error
from tests import cells
from tests.case import Case
from tests.catalogue import NAMES, case
from tests.circuit.test_turned import APPLIES, moved

NOT_HERE = ("no_inputs", "predictive")  # nothing to learn; bidirectional sources have no image
TRAINED = [name for name in APPLIES if case(name).circuit.trainable and name not in NOT_HERE]
COSTS: list[Cost] = [SquaredError(), SoftmaxCrossEntropy(20.0)]


def targets(example: Case, cost: Cost) -> Array:
    return example.nudge(cost).targets


def adjoint(example: Case, cost: Cost) -> Array:
    circuit, values = example.circuit, moved(example.circuit)
    free = IdealSolver(circuit).solve(values, example.inputs).require().free
    return flat(adjoint_gradient(circuit, values, example.inputs, targets(example, cost), cost, free))


def measured(rule: Rule, example: Case, solver: Solver) -> Array:
    found = rule.measure(solver, moved(example.circuit), example.inputs, targets(example, rule.cost))
    found.points.require()
    return flat(found.gradient())


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("name", TRAINED)
def test_dyadic_gradients_are_exact_whatever_beta(name: str, cost: Cost) -> None:
    example = case(name)
    solver, exact = IdealSolver(example.circuit), adjoint(example, cost)
    for beta in (1e-9, 1e-6, 1e-3):
        assert relative_error(measured(Dyadic(example.circuit, cost, beta), example, solver), exact) < 1e-10


@pytest.mark.parametrize("name", ["feedforward", "all_cells", "asymmetric", "mixture", "gyrator", "signed"])
@pytest.mark.parametrize("form", ["reduced", "full"])
def test_dyadic_gradients_of_ngspice_are_exact(name: str, form: str) -> None:
    example, cost = case(name), SquaredError()
    with NgspiceSolver(example.circuit, netlist=form) as solver:  # type: ignore[arg-type]
        found = [
            measured(Dyadic(example.circuit, cost, beta), example, solver) for beta in (1e-9, 1e-6, 1e-3)
        ]
    for gradient in found:
        assert relative_error(gradient, adjoint(example, cost)) < 1e-9


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("name", TRAINED)
def test_the_error_of_asym_ep_falls_with_the_square_of_beta(name: str, cost: Cost) -> None:
    example = case(name)
    solver, exact = IdealSolver(example.circuit), adjoint(example, cost)
    small = 1e-9
    assert relative_error(measured(AsymEP(example.circuit, cost, small), example, solver), exact) < 1e-5
    coarse, fine = (
        relative_error(measured(AsymEP(example.circuit, cost, beta), example, solver), exact)
        for beta in (1e-7, 1e-8)
    )
    assert fine < 1e-6 or 80 < coarse / fine < 120


@pytest.mark.parametrize("name", ["feedforward", "all_cells", "asymmetric", "mixture", "gyrator"])
@pytest.mark.parametrize("form", ["reduced", "full"])
def test_engines_agree_on_asym_ep(name: str, form: str) -> None:
    example, cost = case(name), SquaredError()
    rule = AsymEP(example.circuit, cost, 1e-7)
    ideal = measured(rule, example, IdealSolver(example.circuit))
    with NgspiceSolver(example.circuit, netlist=form, sweep=2) as solver:  # type: ignore[arg-type]
        assert relative_error(measured(rule, example, solver), ideal) < 1e-6


@pytest.mark.parametrize(("variant", "order"), [("positive", 1), ("negative", 1), ("centred", 2)])
def test_one_sided_asym_ep_errs_in_proportion_to_beta(variant: str, order: int) -> None:
    example, cost = case("asymmetric"), SquaredError()
    solver, exact = IdealSolver(example.circuit), adjoint(example, cost)
    rule = AsymEP(example.circuit, cost, 1e-7, variant)  # type: ignore[arg-type]
    assert rule.order == order
    coarse, fine = (
        relative_error(measured(rule.with_beta(beta), example, solver), exact) for beta in (1e-7, 1e-8)
    )
    assert coarse / fine == pytest.approx(10**order, rel=0.1)


@pytest.mark.parametrize("make", [AsymEP, Dyadic, VectorField])
@pytest.mark.parametrize("name", ["bridge", "signed", "neurons", "current_outputs"])
def test_all_rules_are_equilibrium_propagation_where_that_applies(
    name: str, make: Callable[..., Rule]
) -> None:
    example, cost = case(name), SquaredError()
    solver = IdealSolver(example.circuit)
    expected = measured(EqProp(example.circuit, cost, 1e-8), example, solver)
    if name == "neurons" and make is VectorField:
        return  # the current of a coil counts negative there, which a vector field does not know
    assert relative_error(measured(make(example.circuit, cost, 1e-8), example, solver), expected) < 1e-5


def test_a_vector_field_trains_the_last_layer_of_a_feedforward_network_only() -> None:
    example, cost = case("feedforward"), SquaredError()
    rule = VectorField(example.circuit, cost, 1e-7)
    found = rule.measure(
        IdealSolver(example.circuit), None, example.inputs, targets(example, cost)
    ).gradient()
    last = {"w3"}
    assert all(np.abs(found[name]).max() > 0 for name in last)
    hidden = [found[name] for name in found if name not in last]
    assert max(float(np.abs(g).max()) for g in hidden) <= 1e-12 * float(np.abs(found["w3"]).max())


def test_both_agree_with_finite_differences_of_a_circuit_with_everything() -> None:
    example, cost = cells.mixture(), SquaredError()
    circuit, values = example.circuit, moved(example.circuit)
    solver = IdealSolver(circuit)
    entries = [(e.name, index) for e in circuit.trainable for index in np.ndindex(e.value.shape)]
    wanted = targets(example, cost)
    exact = finite_differences(solver, values, example.inputs, wanted, cost, entries)
    for rule in (AsymEP(circuit, cost, 1e-9), Dyadic(circuit, cost, 1e-7)):
        gradient = rule.measure(solver, values, example.inputs, wanted).gradient()
        found = np.array([gradient[name][index] for name, index in entries])
        np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-7 * np.abs(exact).max())


@pytest.mark.parametrize("name", [name for name in NAMES if not case(name).symmetric])
def test_equilibrium_propagation_refuses_what_these_are_for(name: str) -> None:
    with pytest.raises(SymmetryError):
        EqProp(case(name).circuit, SquaredError(), 1e-7)


@pytest.mark.parametrize("make", [AsymEP, Dyadic])
def test_samples_without_a_free_phase_fail_alone(make: Callable[..., Rule]) -> None:
    example, cost = case("asymmetric"), SquaredError()
    inputs = example.inputs.copy()
    inputs[1] = 1e30
    found = make(example.circuit, cost, 1e-7).measure(
        IdealSolver(example.circuit), None, inputs, targets(example, cost)
    )
    assert found.points.converged.tolist() == [True, False, True, True, True]
    assert 1 in found.points.messages or not np.isfinite(found.points.free[1]).all()
    kept = np.delete(np.arange(5), 1)
    alone = make(example.circuit, cost, 1e-7).measure(
        IdealSolver(example.circuit), None, inputs[kept], targets(example, cost)[kept]
    )
    np.testing.assert_allclose(flat(found.gradient()), flat(alone.gradient()), rtol=1e-12)
    np.testing.assert_allclose(flat(found.take(kept).gradient()), flat(alone.gradient()), rtol=1e-12)


def test_a_law_without_a_slope_for_spice_has_no_image() -> None:
    class Mine:
        """A law of a user's own, as docs/add-a-device.md asks for it."""

        def __getattr__(self, name: str) -> object:
            if name == "slope_expression":
                raise AttributeError(name)
            return getattr(CubicDevice(1e-6), name)

        def __dir__(self) -> list[str]:
            return [name for name in dir(CubicDevice) if name != "slope_expression"]

    b = CircuitBuilder("own law")
    x, n = b.input("x"), b.nodes("n")
    b.conductance("series", x, n, 1e-5, trainable=True)
    b.device("mine", n, GROUND, Mine())  # type: ignore[arg-type]
    with pytest.raises(CircuitError, match="'mine': the law Mine has no slope_expression"):
        Dyadic(b.build(n), SquaredError(), 1e-7)


def test_decks_of_the_phases_are_circuits_as_others() -> None:
    """Names of their own do not collide with those of users, and every value has one home."""
    example = case("all_cells")
    for circuit in (
        AsymEP(example.circuit, SquaredError(), 1e-7).turned.circuit,
        Dyadic(example.circuit, SquaredError(), 1e-7).doubled.circuit,
    ):
        names = [e.name for e in circuit.elements]
        assert len(names) == len(set(names))
        assert len(set(circuit.node_names)) == circuit.n_nodes
        own = {e.name for e in example.circuit.elements}
        assert all(name.startswith("eq_") for name in names if name not in own)


@pytest.mark.parametrize("kind", ["crossbar", "one_way_crossbar", "signed_crossbar"])
@pytest.mark.parametrize("make", [AsymEP, Dyadic])
def test_blocks_may_have_held_nodes_on_both_sides(make: Callable[..., Rule], kind: str) -> None:
    b = CircuitBuilder("held on both sides")
    x, n, o = b.input("x", 2), b.nodes("n", 2), b.nodes("o", 2)
    b.conductance("series", x, n, 1e-5)
    weights = 1e-5 * np.array([[1, 0.5], [0.3, 0.8]])
    getattr(b, kind)("block", [x[0], n[0]], [x[1], o[0]], weights)
    b.one_way_crossbar("w", n, o, weights)
    b.conductance("load", np.concatenate([n, o]), GROUND, 1e-5, trainable=True)
    example = Case(b.build(o), np.array([[1.0, 0.3], [-0.5, 0.2]]), symmetric=False)
    cost = SquaredError()
    rule = make(example.circuit, cost, 1e-9)
    exact = adjoint(example, cost)
    assert relative_error(measured(rule, example, IdealSolver(example.circuit)), exact) < 1e-6
    with NgspiceSolver(example.circuit, netlist="full") as solver:
        assert relative_error(measured(rule, example, solver), exact) < 1e-5


@pytest.mark.parametrize("make", [AsymEP, Dyadic])
def test_samples_may_be_lists(make: Callable[..., Rule]) -> None:
    example = case("lone_transconductor")
    rule = make(example.circuit, SquaredError(), 1e-7)
    found = rule.measure(IdealSolver(example.circuit), None, [[0.3], [0.1]], [[0.1], [0.2]])  # type: ignore[arg-type]
    assert found.points.converged.all()


@pytest.mark.parametrize("make", [AsymEP, Dyadic])
def test_a_trained_transconductance_may_be_zero(make: Callable[..., Rule]) -> None:
    """It can be driven there, and begin there; its derivative is not zero."""
    b = CircuitBuilder("zero")
    x, n = b.input("x", 2), b.nodes("n", 2)
    b.conductance("series", x, n, 1e-5, trainable=True)
    b.conductance("load", n, GROUND, 1e-5)
    b.transconductor("gm", (n[1], GROUND), (n[0], GROUND), 0.0, trainable=True)
    example = Case(b.build(n[1]), np.array([[1.0, 0.3], [-0.5, 0.2]]), symmetric=False)
    cost, solver = SquaredError(), IdealSolver(example.circuit)
    wanted = targets(example, cost)
    values = example.circuit.parameters
    exact = finite_differences(solver, values, example.inputs, wanted, cost, [("gm", (0,))])
    found = make(example.circuit, cost, 1e-9).measure(solver, values, example.inputs, wanted).gradient()
    np.testing.assert_allclose(found["gm"], exact, rtol=1e-6)
    assert exact[0] != 0


@pytest.mark.parametrize("form", ["ideal", "full"])
def test_gyrators_across_an_amplifier_have_an_image(form: str) -> None:
    """What they carry forth and back is scaled apart in the image, for s is another one at either end."""
    b = CircuitBuilder("gyrators across an amplifier")
    x, n, out = b.input("x", 2), b.nodes("n", 2), b.nodes("out", 2)
    b.conductance("feed", x, n, [1e-5, 2e-5])
    b.amplifier("a", n, out, 2.0)
    b.conductance("load", np.concatenate([n, out]), GROUND, 3e-5)
    b.gyrator_crossbar("g", n, out, [[4e-6, -7e-6], [9e-6, 2e-6]])
    circuit = b.build(out)
    inputs, wanted = np.array([[0.4, -0.2], [0.1, 0.3]]), np.array([[0.1, -0.2], [0.2, 0.1]])
    ideal = IdealSolver(circuit)
    index = [("g", k) for k in np.ndindex(2, 2)]
    exact = finite_differences(ideal, circuit.parameters, inputs, wanted, SquaredError(), index)
    with (
        ideal if form == "ideal" else NgspiceSolver(circuit, workers=1, netlist=form) as solver  # type: ignore[arg-type]
    ):
        found = Dyadic(circuit, SquaredError(), 1e-7).measure(solver, None, inputs, wanted).gradient()
    assert relative_error(found["g"].ravel(), exact) < 1e-7
