"""How a run ends: fitted exactly, out of patience, or because beta is too small to measure anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import Biases
from eqcirc.costs import SoftmaxCrossEntropy, SquaredError
from eqcirc.data import Dataset, Splits
from eqcirc.devices import Bounds
from eqcirc.errors import ConfigError, SolverError
from eqcirc.learning.audit import Audit
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.plan import Plan
from eqcirc.learning.trainer import Trainer
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.verify.check import check
from tests.learning.networks import blobs, small_network

EXACT = np.array([[0.05, 0.02], [0.0, 0.05]])


def linear_map(n: int = 24) -> tuple[Circuit, Splits]:
    """A linear network, and a linear map that it can learn exactly."""
    plan = Layered(hidden=(), biases=Biases("none"), bounds=Bounds(1e-7, 1e-5), initial=(1e-6, 3e-6))
    circuit = plan.build("line", 2, 2, np.random.default_rng(0))
    inputs = np.random.default_rng(1).uniform(-1, 1, (n, 2))
    part = Dataset("line", inputs, targets=inputs @ EXACT.T)
    return circuit, Splits(part, part, part)


@pytest.mark.parametrize("engine", ["ideal", "ngspice"])
def test_a_run_that_fits_exactly_ends_as_converged(engine: str, spice: Callable[..., NgspiceSolver]) -> None:
    circuit, data = linear_map()
    ideal, simulator = IdealSolver(circuit), spice(circuit)
    solver, other = (ideal, simulator) if engine == "ideal" else (simulator, ideal)
    plan = Plan(epochs=400, batch_size=24, learning_rate=1e-7)
    rule = EqProp(circuit, SquaredError(), 1e-7)
    trained = Trainer(solver, rule, data, plan=plan, audit=Audit(other, every=5, samples=8))
    assert trained.run() and trained.done
    assert trained.state.ended.startswith("converged") and trained.state.epoch < 400
    assert trained.score("test").loss < 1e-15
    inputs, targets = data.train.inputs[:4], data.train.inputs[:4] @ EXACT.T
    assert all(finding.holds for finding in check(rule, trained.parameters, inputs, targets, simulator))


def test_a_converged_run_has_nothing_left_to_do() -> None:
    circuit, data = linear_map()
    plan = Plan(epochs=400, batch_size=24, learning_rate=1e-7)
    trained = Trainer(IdealSolver(circuit), EqProp(circuit, SquaredError(), 1e-7), data, plan=plan)
    trained.run()
    before = trained.state.epoch
    assert trained.run() and trained.state.epoch == before


def test_a_run_that_gets_no_better_ends_early() -> None:
    circuit, data = small_network(), blobs()
    plan = Plan(epochs=50, batch_size=24, learning_rate=1e-30, keep="best", patience=3)
    trained = Trainer(IdealSolver(circuit), EqProp(circuit, SoftmaxCrossEntropy(), 1e-8), data, plan=plan)
    assert trained.run()
    assert trained.state.epoch == 4 and trained.state.best_epoch == 1
    assert trained.state.ended == "no better score of the validation part for 3 epochs"


def test_patience_needs_something_to_wait_for() -> None:
    circuit, data = small_network(), replace(blobs(), validation=None)
    with pytest.raises(ConfigError, match="patience needs a validation part"):
        Trainer(
            IdealSolver(circuit), EqProp(circuit, SoftmaxCrossEntropy(), 1e-8), data, plan=Plan(patience=1)
        )


@pytest.mark.parametrize("patience", [0, -1, 1.5])
def test_patience_is_a_number_of_epochs(patience: Any) -> None:
    with pytest.raises(ConfigError, match="patience"):
        Plan(patience=patience)


def test_a_beta_that_moves_nothing_is_named_as_such() -> None:
    circuit, data = small_network(), blobs()
    trained = Trainer(IdealSolver(circuit), EqProp(circuit, SoftmaxCrossEntropy(), 1e-30), data)
    with pytest.raises(SolverError, match=r"beta = 1e-30 is too small"):
        trained.run()
    assert trained.step == 0
