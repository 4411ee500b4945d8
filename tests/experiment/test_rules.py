"""Experiments with rules of their own: from the file to a run that says what it was trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.layered import Layered
from eqcirc.circuit.layers import LayerCells
from eqcirc.cli.scores import predict
from eqcirc.devices import Bounds, OneWayCrossbar
from eqcirc.errors import CircuitError, ConfigError, SymmetryError
from eqcirc.experiment.build import build_circuit, build_rule
from eqcirc.experiment.chips import score_chips
from eqcirc.experiment.load import parse
from eqcirc.experiment.opened import open_run
from eqcirc.experiment.run import Run
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.stoch_ep import StochEP
from eqcirc.reality import Reality
from eqcirc.solvers.ensemble import Bath

NETWORK: dict[str, Any] = {
    "hidden": [4],
    "weights": "one_way",
    "leak": 1e-5,
    "bounds": [-1e-5, 1e-5],
    "biases": {"kind": "none"},
}
CELLS = {"cells": {"siemens": 2e-5, "saturation": 1e-5}}
LEARNING = {"epochs": 2, "batch_size": 4}


def experiment(**sections: Any) -> dict[str, Any]:
    return {
        "data": {"name": "xor", "scaling": "none"},
        "network": NETWORK | CELLS,
        "learning": LEARNING,
        "solver": {"engine": "ideal"},
    } | sections


def test_a_feedforward_network_is_one_way_all_along() -> None:
    circuit = build_circuit(parse(experiment(network=NETWORK | CELLS | {"hidden": [4, 3]}), "test"), 2, 2)
    assert [e.name for e in circuit.elements] == [
        *("w1", "leak1", "c1", "load1", "w2", "leak2", "c2", "load2", "w3", "leak3"),
    ]


@pytest.mark.parametrize("kind", ["antisymmetric", "rotated"])
def test_feedback_begins_symmetric_or_as_asymmetric_as_asked(kind: str) -> None:
    found = {}
    for asymmetry in (0.0, 0.5, 1.0):
        network = NETWORK | {"feedback": {"kind": kind, "asymmetry": asymmetry}, "initial": [-4e-6, 4e-6]}
        circuit = build_circuit(parse(experiment(network=network), "test"), 2, 2)
        w, back = (circuit.element(name).value for name in ("w2", "back2"))
        found[asymmetry] = w, back.T
        assert "back1" not in [e.name for e in circuit.elements], "nothing can come back to an input"
    np.testing.assert_array_equal(*found[0.0])
    w, back = found[1.0]
    if kind == "antisymmetric":  # W + R and W − R, of the same W and R
        half, half_back = found[0.5]
        np.testing.assert_allclose(half - half_back, 0.5 * (w - back), rtol=1e-12)
        np.testing.assert_allclose(half + half_back, w + back, rtol=1e-12)
    else:  # by 90 degrees: nothing of W is left
        half, half_back = found[0.5]
        np.testing.assert_array_equal(half, w)
        np.testing.assert_allclose(half_back, (w + back) / np.sqrt(2), rtol=1e-12)


def test_rules_of_the_file_reach_the_trainer() -> None:
    for name, kind in (("auto", AsymEP), ("asym_ep", AsymEP), ("dyadic", Dyadic)):
        e = parse(
            experiment(learning=LEARNING | {"rule": name, "reading": {"noise": 1e-4, "bits": 10}}), "test"
        )
        choice = build_rule(e, build_circuit(e, 2, 2))
        assert type(choice.rule) is kind
        assert choice.rule.reading is not None
        assert (choice.rule.reading.noise, choice.rule.reading.bits) == (1e-4, 10)


def test_what_does_nothing_is_refused() -> None:
    for wrong in ({"feedback": {}}, {"cells": {}}):
        with pytest.raises(ConfigError, match='does nothing with weights = "signed"'):
            parse(experiment(network={"weights": "signed", "bounds": [-1e-5, 1e-5]} | wrong), "test")
    with pytest.raises(ConfigError, match=r"learning\.variant: does nothing with rule"):
        parse(experiment(learning={"rule": "dyadic", "variant": "positive"}), "test")
    with pytest.raises(CircuitError, match="expected gain = None"):
        Layered(weights="one_way", cells=LayerCells(), gain=4.0, bounds=Bounds(-1e-5, 1e-5)).build(
            "x", 2, 2, 0
        )


def test_a_forced_rule_is_marked_everywhere(tmp_path: Path) -> None:
    learning = LEARNING | {"rule": "vector_field"}
    with (
        pytest.raises(SymmetryError, match="would not measure the gradient"),
        Run.start(parse(experiment(learning=learning), "test"), tmp_path / "refused"),
    ):
        pass
    with Run.start(parse(experiment(learning=learning | {"force": True}), "test"), tmp_path / "run") as run:
        run.train()
        summary = run.finish()
        assert run.trainer.state.metrics[-1]["no_gradient"] == "vector field"
    assert summary["rule_is_exact"] is False
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["rule"] == "vector field"


def test_a_run_with_noise_resumes_to_the_same_values(tmp_path: Path) -> None:
    learning = LEARNING | {"epochs": 3, "reading": {"noise": 1e-3}, "variant": "random"}
    e = parse(experiment(learning=learning, audit={"every": 0}), "test")
    with Run.start(e, tmp_path / "whole") as run:
        run.train()
        whole = run.trainer.parameters
    calls = iter([False, True])
    with Run.start(e, tmp_path / "parts") as run:
        run.train(stop=lambda: next(calls))
    with Run.resume(tmp_path / "parts") as run:
        assert run.trainer.step == 1
        run.train()
        for name, value in run.trainer.parameters.items():
            np.testing.assert_array_equal(value, whole[name])


def test_tied_weights_come_back_from_behind_the_cells_into_the_sums() -> None:
    network = NETWORK | CELLS | {"hidden": [4, 3], "feedback": {"kind": "tied", "strength": 0.5}}
    circuit = build_circuit(parse(experiment(network=network), "test"), 2, 2)
    back = circuit.element("back2")
    assert isinstance(back, OneWayCrossbar)
    assert [circuit.node_names[k][:2] for k in (back.rows[0], back.columns[0])] == ["h1", "y2"]
    moved = {"w2": 2 * circuit.element("w2").value}
    np.testing.assert_array_equal(circuit.values(moved)["back2"], 0.5 * moved["w2"])
    assert "back2" not in circuit.parameters


def test_a_run_of_spikes_is_trained_and_resumed(tmp_path: Path) -> None:
    """From the file to a run that says what it descends; a window is of this rule alone."""
    cells = {"law": "probit", "one_sided": True, "siemens": 2e-5, "saturation": 1e-5}
    network = NETWORK | {"cells": cells, "feedback": {"kind": "tied"}}
    window = {"decisions": 10, "memory": 5.0, "begin": "rest"}
    learning = LEARNING | {"rule": "stoch_ep", "window": window, "batch_size": 2}
    asked = parse(experiment(network=network, learning=learning, audit={"every": 0}), "test")
    with Run.start(asked, tmp_path / "run") as run:
        assert isinstance(run.trainer.rule, StochEP)
        assert run.trainer.rule.window.decisions == 10
        run.train(stop=lambda: run.trainer.state.epoch == 1)
    with Run.resume(tmp_path / "run") as run:
        run.train()
        summary = run.finish()
        assert "rates of the mean field" in summary["rule_why"]
        rates = run.solver.spikes(run.trainer.parameters, run.data.test.inputs, run.trainer.rule.window)
    outputs = run.circuit.readout.read(rates.mean[0])
    labels = run.data.test.labels
    assert summary["test_accuracy"] == (outputs.argmax(axis=1) == labels).mean(), "it answers by spikes"
    opened = open_run(tmp_path / "run")
    assert opened.score().accuracy == summary["test_accuracy"]
    with pytest.raises(ConfigError, match="averages of spikes, which have noise of their own"):
        opened.score(bath=Bath(1e-9))
    np.testing.assert_array_equal(opened.predict(run.data.test.inputs).outputs, outputs)
    np.savetxt(
        tmp_path / "asked.csv", run.data.test.inputs, delimiter=",", header="a,b", comments="", fmt="%.17g"
    )
    predict(tmp_path / "run", tmp_path / "asked.csv", tmp_path / "out.csv", scaled=True)
    written = np.loadtxt(tmp_path / "out.csv", delimiter=",", skiprows=1)
    assert (np.abs(written[:, -outputs.shape[1] :] - outputs) < 1e-12).all(), "on the command line, too"
    chips = score_chips(
        opened, opened.experiment, [Reality().chip(opened.circuit, opened.parameters)], run.data.test
    )
    assert next(iter(chips))[1].accuracy == summary["test_accuracy"]
    mean_field = opened.solver().solve(opened.parameters, run.data.test.inputs).free
    assert (run.circuit.readout.read(mean_field) != outputs).any(), "few decisions are not the mean field"
    with pytest.raises(ConfigError, match=r"learning.window: does nothing with rule"):
        parse(experiment(learning=LEARNING | {"window": window}), "test")
