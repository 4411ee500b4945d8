from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eqcirc.errors import SolverError
from eqcirc.experiment.build import build_circuit, build_data, build_rule
from eqcirc.experiment.load import load_experiment
from eqcirc.learning.eqprop import EqProp, Variant
from eqcirc.learning.evaluate import targets_of
from eqcirc.solvers.base import Nudge, OperatingPoints
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.check import Finding, check
from tests.learning.networks import random_problem

ROOT = Path(__file__).resolve().parents[2]


def findings(beta: float, solver: NgspiceSolver | None = None) -> list[Finding]:
    p = random_problem(4)  # two hidden layers, amplifiers, cross-entropy
    solvers = [] if solver is None else [solver]
    rule = EqProp(p.circuit, p.cost, beta)
    return wholes(check(rule, p.circuit.parameters, p.inputs, p.targets, *solvers))


def wholes(found: list[Finding]) -> list[Finding]:
    """Those of whole gradients."""
    return [f for f in found if "worst element" not in f.name]


def test_everything_holds_at_a_small_beta(spice: Callable[..., NgspiceSolver]) -> None:
    found = findings(1e-9, spice(random_problem(4).circuit))
    assert [f.name for f in found] == [
        "adjoint against finite differences",
        "EqProp (ideal) against adjoint",
        "ngspice against ideal voltages",
        "EqProp (ngspice) against adjoint",
    ]
    assert all(f.holds for f in found), found
    assert [f.unit for f in found] == ["", "", "V", ""]


def test_a_large_beta_fails_the_check_of_the_contrast_only() -> None:
    found = findings(1e-7)
    assert [f.holds for f in found] == [True, False]
    assert 1e-3 < found[1].measured < 1


def test_every_element_is_looked_at_by_itself() -> None:
    """What a layer of little gradient is off by, the whole hardly shows."""
    p = random_problem(4)
    found = check(EqProp(p.circuit, p.cost, 1e-9), p.circuit.parameters, p.inputs, p.targets)
    worst = next(f for f in found if "worst element" in f.name)
    assert worst.name.startswith("EqProp (ideal), worst element: ")
    assert worst.bound == 0.1
    assert worst.holds


def test_a_beta_that_leaves_the_branch_is_an_error_that_names_it() -> None:
    with pytest.raises(SolverError, match=r"beta is too large|a smaller beta"):
        findings(1e-4)


def test_a_one_sided_contrast_is_held_to_what_it_can_do() -> None:
    p = random_problem(4)
    bounds: dict[Variant, float] = {"centred": 1e-3, "positive": 0.1, "negative": 0.1}
    for variant, bound in bounds.items():
        rule = EqProp(p.circuit, p.cost, 1e-8, variant)
        found = check(rule, p.circuit.parameters, p.inputs, p.targets)
        assert found[1].bound == bound
        assert found[1].holds


LONG = ("mnist", "fashion")  # large networks of data that need not be there
CIRCUITS = sorted(path for path in (ROOT / "circuits").glob("*.toml") if not path.stem.startswith(LONG))


@pytest.mark.parametrize("path", CIRCUITS, ids=lambda path: path.stem)
def test_every_experiment_passes_the_check_with_room(path: Path, spice: Callable[..., NgspiceSolver]) -> None:
    e = load_experiment(path)
    data, _ = build_data(e)
    circuit = build_circuit(e, data.train.n_features, data.train.n_outputs)
    rule, some = build_rule(e, circuit).rule, data.train.take(np.arange(4))
    targets, start = targets_of(some, rule.cost), e.solver.begins
    simulator = spice(circuit, start=start)
    found = check(rule, circuit.parameters, some.inputs, targets, simulator, entries=4, start=start)
    assert [f for f in found if f.bound is not None and f.measured > f.bound / 2] == []


class Detuned(IdealSolver):
    """Solves for inputs that are 1 % larger."""

    def solve(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None
    ) -> OperatingPoints:
        return super().solve(parameters, 1.01 * inputs, nudge)


def test_a_solver_of_something_else_is_noticed() -> None:
    p = random_problem(4)
    rule = EqProp(p.circuit, p.cost, 1e-9)
    found = wholes(check(rule, p.circuit.parameters, p.inputs, p.targets, Detuned(p.circuit)))
    assert [f.holds for f in found] == [True, True, False, False]


def test_what_could_not_be_measured_does_not_hold() -> None:
    assert not Finding("x", math.nan, 1.0).holds
    assert Finding("x", 1.0, 1.0).holds
