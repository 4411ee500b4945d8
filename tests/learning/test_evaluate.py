from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from eqcirc.costs import SoftmaxCrossEntropy, SquaredError
from eqcirc.data import Dataset
from eqcirc.errors import UnmeasuredError
from eqcirc.learning import evaluate as module
from eqcirc.learning.evaluate import evaluate, outputs_of, score, targets_of
from eqcirc.solvers.base import OperatingPoints
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.status import Status
from tests.learning.networks import blobs, small_network


def test_a_score_by_hand() -> None:
    data = Dataset("hand", np.zeros((3, 1)), labels=np.array([0, 1, 0]), n_classes=2)
    outputs = np.array([[0.1, -0.1], [0.2, 0.1], [math.nan, math.nan]])
    result = score(outputs, np.array([True, True, False]), data, SquaredError(0.1, -0.1))
    assert result.loss == pytest.approx((0 + (0.3**2 + 0) / 2) / 2)
    assert result.accuracy == pytest.approx(1 / 3)  # the failed sample is not right
    assert (result.failed, result.samples) == (1, 3)


def test_a_regression_has_no_accuracy() -> None:
    data = Dataset("line", np.zeros((2, 1)), targets=np.array([[0.1], [0.2]]))
    result = score(np.array([[0.1], [0.4]]), np.ones(2, bool), data, SquaredError())
    assert math.isnan(result.accuracy)
    assert result.loss == pytest.approx(0.01)


def test_without_any_solution_there_is_no_loss() -> None:
    data = Dataset("lost", np.zeros((2, 1)), labels=np.array([0, 1]), n_classes=2)
    result = score(np.full((2, 2), math.nan), np.zeros(2, bool), data, SoftmaxCrossEntropy())
    assert math.isnan(result.loss)
    assert (result.accuracy, result.failed) == (0, 2)


def test_targets_are_those_of_the_data_or_made_from_labels() -> None:
    targets = np.array([[0.3], [0.1]])
    assert (
        targets_of(Dataset("r", np.zeros((2, 1)), targets=targets), SquaredError()).tolist()
        == targets.tolist()
    )
    labels = Dataset("c", np.zeros((2, 1)), labels=np.array([1, 0]), n_classes=2)
    assert targets_of(labels, SoftmaxCrossEntropy()).tolist() == [[0, 1], [1, 0]]


def test_large_sets_are_solved_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    data, circuit = blobs().train, small_network()
    whole = evaluate(IdealSolver(circuit), circuit.parameters, data, SoftmaxCrossEntropy(), None)
    monkeypatch.setattr(module, "CHUNK", 7)
    outputs, converged = outputs_of(IdealSolver(circuit), circuit.parameters, data.inputs, None)
    assert outputs.shape == (24, 2)
    assert converged.all()
    pieces = evaluate(IdealSolver(circuit), circuit.parameters, data, SoftmaxCrossEntropy(), None)
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-12)
    assert pieces.accuracy == whole.accuracy


def test_samples_whose_simulator_died_are_no_part_of_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    data, circuit = blobs().train, small_network()
    solver = IdealSolver(circuit)
    solve = solver.solve

    def dying(*arguments: Any) -> OperatingPoints:
        points = solve(*arguments)
        points.status[3:5] = Status.ENGINE_DIED
        points.messages[3] = "the ngspice process died"
        return points

    monkeypatch.setattr(solver, "solve", dying)
    with pytest.raises(
        UnmeasuredError,
        match="no score, since 2 of 24 samples could not be measured: the ngspice process died; with",
    ):
        evaluate(solver, circuit.parameters, data, SoftmaxCrossEntropy(), None)
