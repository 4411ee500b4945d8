"""Bidirectional sources where outputs are not as the sources say, against laws written part by part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.reduced_system import ReducedSystem
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import SquaredError
from eqcirc.devices import BentLaw, Clipped, CubicDevice, DiodeLimited, Probit, Tanh
from eqcirc.errors import CircuitError
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.verify.gradients import adjoint_gradient
from tests.case import Case, S
from tests.kirchhoff import derivative, leaving, residual
from tests.predictive import bidirectional

LAWS: list[BentLaw] = [
    kind(2 * S, 3e-6, one_sided)
    for kind in (Tanh, Clipped, DiodeLimited, Probit)
    for one_sided in (False, True)
]


@pytest.fixture(scope="module")
def example() -> Case:
    return bidirectional()


@pytest.mark.parametrize("law", LAWS, ids=lambda law: f"{type(law).__name__}-{law.one_sided}")
def test_curvature_is_the_derivative_of_the_slope(law: BentLaw) -> None:
    v = np.linspace(-0.4, 0.4, 80)  # no corner of a knee is near one of these
    measured = (law.evaluate(v + 1e-6)[1] - law.evaluate(v - 1e-6)[1]) / 2e-6
    np.testing.assert_allclose(law.curvature(v), measured, rtol=1e-6, atol=1e-9 * np.abs(measured).max())


def test_kirchhoffs_laws_hold_and_ngspice_agrees(example: Case) -> None:
    inputs = example.inputs[:2]
    points = IdealSolver(example.circuit).solve(None, inputs).require()
    for v in points.free:
        assert np.abs(residual(example.circuit, v)).max() < 1e-15
    source, output = (example.circuit.node_names.index(name) for name in ("n_0", "out_0"))
    said = 4e-6 / (1.5 * S) * np.tanh(points.free[:, source] / 0.4)
    assert np.abs(points.free[:, output] - said).max() > 0.01, "else nothing would come back"
    for netlist in ("reduced", "full"):
        with NgspiceSolver(example.circuit, netlist=netlist, workers=1) as spice:
            found = spice.solve(None, inputs).require()
        np.testing.assert_allclose(found.free, points.free, rtol=0, atol=1e-9)


def test_the_jacobian_is_the_derivative_of_kirchhoffs_law_and_symmetric(example: Case) -> None:
    circuit, plan = example.circuit, Reduction(example.circuit)
    v = np.random.default_rng(0).normal(0, 0.3, circuit.n_nodes)
    fixed = circuit.fixed_voltages(example.inputs[:1])
    v[circuit.fixed_nodes] = fixed[0]
    found = Equations(ReducedSystem(plan, None), fixed).jacobian(plan.collect(v[None]))[0]
    measured = derivative(lambda x: leaving(circuit, x), v)
    free = circuit.free_nodes
    order = plan.unknown[free]
    np.testing.assert_allclose(found[np.ix_(order, order)], measured[np.ix_(free, free)], rtol=0, atol=1e-12)
    np.testing.assert_allclose(found, found.T, rtol=0, atol=1e-18)


def test_its_conductance_can_be_trained(example: Case) -> None:
    circuit, cost, inputs = example.circuit, SquaredError(), example.inputs[-1:]
    targets = np.array([[0.1, -0.1, 0.2, 0.0]])
    measured = EqProp(circuit, cost, 1e-9).measure(IdealSolver(circuit), None, inputs, targets)
    found = measured.gradient()
    exact = adjoint_gradient(circuit, {}, inputs, targets, cost, measured.points.free)
    for name in ("sa", "sb", "sc", "sd", "load"):
        np.testing.assert_allclose(found[name], exact[name], rtol=1e-5)


def _one(law: BentLaw | CubicDevice, same: bool = False) -> Callable[[], object]:
    def build() -> object:
        b = CircuitBuilder("one")
        n = b.nodes("n", 2)
        b.conductance("load", n, GROUND, S)
        b.bidirectional_source("source", n[0], n[0] if same else n[1], law, S)  # type: ignore[arg-type]
        return b.build(n)

    return build


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (_one(CubicDevice(S, 0.5)), "CubicDevice lacks a curvature"),
        (_one(Tanh(), same=True), "are one node"),
    ],
)
def test_what_it_cannot_be_is_refused(build: Callable[[], object], words: str) -> None:
    with pytest.raises(CircuitError, match=words):
        build()


def test_a_conductance_out_of_range_is_refused(example: Case) -> None:
    with pytest.raises(CircuitError, match="1e-12 and 1000 S"):
        replace(example.circuit.element("sa"), value=np.array([-S]))
