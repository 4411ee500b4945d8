"""What is left out means the same in an experiment file and in Python."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases, Feedback, LayerCells, LayerDiodes
from eqcirc.circuit.neuron import LayerNeurons
from eqcirc.devices import ClampDiode, Clipped, CubicDevice, DiodeLimited, EsakiDiode, Probit, ShockleyDiode
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import ConfigError
from eqcirc.experiment.build import (
    build_circuit,
    build_cost,
    build_optimizer,
    build_plan,
    build_solver,
    build_trainer,
)
from eqcirc.experiment.load import parse
from eqcirc.experiment.network import Network
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.audit import Audit, AuditLimits
from eqcirc.learning.choice import Choice, choose_rule
from eqcirc.learning.coupled import Coupled
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.optimizers import SGD, Adam
from eqcirc.learning.plan import ADAM_RATE, Plan
from eqcirc.learning.vector_field import VectorField
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import Tolerances
from eqcirc.solvers.ngspice.pool import Limits
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from tests.learning.networks import blobs


def plan(**network: object) -> Layered:
    content = {"bounds": [-1e-5, 1e-5]} if network.get("weights") == "one_way" else {}
    return build_plan(parse({"network": content | network}, "x").network)


def test_a_network_of_which_nothing_is_said() -> None:
    assert build_plan(Network()) == Layered()
    assert fields(Layered)  # all of them are compared


@pytest.mark.parametrize("kind", ["antiparallel", "one_sided"])
def test_diodes(kind: str) -> None:
    assert plan(diodes={"kind": kind}).diodes == LayerDiodes(kind=kind)  # type: ignore[arg-type]
    assert plan(diodes={"law": "clamp"}).diodes == LayerDiodes(ClampDiode())
    assert plan(diodes={"law": "shockley"}).diodes == LayerDiodes(ShockleyDiode())


@pytest.mark.parametrize("kind", ["rail", "current", "none"])
def test_biases(kind: str) -> None:
    assert plan(biases={"kind": kind}).biases == Biases(kind)  # type: ignore[arg-type]


def test_neurons() -> None:
    cubic = plan(neurons={}).neurons
    assert cubic is not None
    assert cubic.neuron.diode == TunnelDiode(
        CubicDevice(3e-3)
    )  # the same device, without leads or capacitance
    assert replace(cubic, neuron=replace(cubic.neuron, diode=None)) == LayerNeurons()
    esaki = plan(neurons={"device": "esaki"}).neurons
    assert esaki is not None
    assert esaki.neuron.diode is not None
    assert esaki.neuron.diode.law == EsakiDiode()


def test_one_way_parts() -> None:
    assert plan(weights="one_way", cells={}).cells == LayerCells()
    assert plan(weights="one_way", feedback={}).feedback == Feedback()
    assert plan(weights="one_way", feedback={"kind": "tied"}).feedback == Feedback("tied")
    for name, law in (("clipped", Clipped()), ("diode_limited", DiodeLimited()), ("probit", Probit())):
        cells = plan(weights="one_way", cells={"law": name}).cells
        assert cells is not None
        assert cells.law == law


@pytest.mark.parametrize(
    ("cost", "kind"),
    [("cross_entropy", "layered"), ("squared_error", "layered"), ("phase_error", "oscillators")],
)
def test_costs(cost: str, kind: str) -> None:
    built = build_cost(parse({"network": {"kind": kind}, "learning": {"cost": cost}}, "x"))
    assert built == type(built)()


def test_optimizers() -> None:
    sgd, adam = (build_optimizer(parse({"learning": {"optimizer": o}}, "x")) for o in ("sgd", "adam"))
    assert vars(sgd) == vars(SGD())
    assert vars(adam) == vars(Adam())


def test_training_and_audits() -> None:
    experiment = parse({"network": {"hidden": [3]}}, "x")
    circuit = build_circuit(experiment, 2, 2)
    choice = choose_rule(circuit, build_cost(experiment), experiment.learning.beta)
    ideal, other = IdealSolver(circuit), IdealSolver(circuit)
    built = build_trainer(experiment, blobs(), Choice(choice.rule, choice.exact, ""), ideal, other)
    assert built.plan == Plan(learning_rate=ADAM_RATE)  # which is what Adam takes if nothing is said
    assert built.audit is not None
    assert vars(built.audit) == vars(Audit(other))
    assert built.audit.limits == AuditLimits()


@pytest.mark.parametrize("make", [choose_rule, EqProp, AsymEP, VectorField, Coupled])
def test_rules_take_the_variant_of_the_file(make: Callable[..., object]) -> None:
    """Only beta has no default in Python: its unit is that of the cost."""
    assert inspect.signature(make).parameters["variant"].default == Experiment().learning.variant


def test_solvers() -> None:
    experiment = Experiment()
    asked = {k: v.default for k, v in inspect.signature(NgspiceSolver.__init__).parameters.items()}
    solver = experiment.solver
    assert (asked["sweep"], asked["netlist"], asked["start"]) == (solver.sweep, solver.netlist, solver.begins)
    assert Tolerances().reltol == solver.reltol
    assert Limits() == Limits(solver.deadline, solver.memory)
    circuit = build_circuit(experiment, 4, 3)
    with build_solver(experiment, circuit, "ideal") as built:
        assert vars(built)["_start"] == inspect.signature(IdealSolver.__init__).parameters["start"].default


def test_a_generator_like_that_of_the_file_gives_the_same_circuit() -> None:
    ours = build_circuit(Experiment(), 4, 3)
    theirs = Layered().build("digits", 4, 3, np.random.default_rng([0, 1]))
    for one, other in zip(ours.elements, theirs.elements, strict=True):
        assert (one.name, one.value.tobytes()) == (other.name, other.value.tobytes())


def test_parameters_are_compared_at_all() -> None:
    with pytest.raises(ConfigError):
        parse({"network": {"rail": 1.0}}, "x")
    assert plan(diodes={"rail": 0.3}) != Layered()
