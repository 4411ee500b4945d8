"""Mistakes of unit and scale are said, and what people build is not."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.costs import SoftmaxCrossEntropy
from eqcirc.data import load_splits, scale
from eqcirc.experiment.build import build_circuit, build_data
from eqcirc.experiment.load import load_experiment
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.plausible import elsewhere, warn_of_volts
from eqcirc.learning.trainer import Trainer
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.learning.networks import blobs, small_network

CIRCUITS = sorted((Path(__file__).parents[2] / "circuits").glob("[!m]*.toml"))  # without MNIST, a download


@pytest.mark.parametrize("path", CIRCUITS, ids=lambda path: path.stem)
def test_nothing_is_said_of_the_experiments_that_come_along(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    experiment = load_experiment(path)
    data, _ = build_data(experiment)
    circuit = build_circuit(experiment, data.train.n_features, data.train.n_outputs)
    warn_of_volts(circuit, data.train.inputs)
    assert not caplog.records
    assert elsewhere(data.test.inputs, data.train.inputs) is None


def test_a_gain_in_the_wrong_unit_is_named_before_training(caplog: pytest.LogCaptureFixture) -> None:
    circuit, data = small_network(), blobs()
    wild = type(data)(*(type(p)(p.name, 1e6 * p.inputs, p.labels, None, 2) for p in (data.train,) * 3))
    with caplog.at_level(logging.WARNING):
        Trainer(IdealSolver(circuit), EqProp(circuit, SoftmaxCrossEntropy(), 1e-8), wild)
    (record,) = caplog.records
    assert "V, which is implausible: feature 0 is up to" in record.getMessage()
    assert "times input_gain = 1 V; are the inputs scaled" in record.getMessage()


def test_a_rail_is_named_too(caplog: pytest.LogCaptureFixture) -> None:
    b = CircuitBuilder("high")
    x, rail, out = b.input("x"), b.rail("supply", 5000.0), b.nodes("out")
    b.conductance("g", [int(x[0]), int(rail[0])], [int(out[0])] * 2, 1e-5)
    b.conductance("load", out, GROUND, 1e-5)
    warn_of_volts(b.build(out), np.ones((1, 1)))
    assert [r.getMessage() for r in caplog.records] == [
        "a source holds node supply at 5e+03 V, which is implausible: a rail; is its voltage in volts?"
    ]


def test_raw_values_passed_as_scaled_are_noticed_and_the_other_way_round() -> None:
    raw = load_splits("iris", seed=0)
    scaled, scaler = scale(raw, "standard")
    for rows in (slice(0, 1), slice(0, 5), slice(None)):
        few = raw.test.inputs[rows]
        assert elsewhere(scaler.apply(few), scaled.train.inputs) is None
    assert "of the values lie outside" in str(elsewhere(raw.test.inputs, scaled.train.inputs))
    assert "feature 0 is" in str(elsewhere(raw.test.inputs, scaled.train.inputs))
    assert elsewhere(scaler.apply(scaled.test.inputs), scaled.train.inputs)
