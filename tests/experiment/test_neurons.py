"""Experiments on FitzHugh-Nagumo networks: keys, training through ngspice, resumption, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.devices import CubicDevice, Gyrator, RLMesh, TwoTerminal
from eqcirc.errors import CircuitError, ConfigError, SolverError
from eqcirc.experiment.build import build_circuit, build_data, build_rule, build_solver, build_trainer
from eqcirc.experiment.load import load_experiment, parse
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.verify.stability import stability_certificate

CIRCUITS = Path(__file__).parents[2] / "circuits"
NETWORK = {"hidden": [2, 2], "input_gain": 3.0, "bounds": [1e-6, 1e-2], "initial": [1e-4, 1e-3]}
RATES = {name: 1e-5 for name in ("w1", "b1", "w2", "b2", "w3", "b3")}
GYRATOR = {"recovery": "gyrator", "gyration": 2.5e-3, "leak": 2e-3, "recovery_capacitance": 2e-10}


def experiment(neurons: dict[str, Any], **sections: Any) -> Experiment:
    """XOR in 2 epochs of 2 batches, audited at every step."""
    content: dict[str, Any] = {
        "name": "neurons",
        "data": {"name": "xor", "scaling": "none"},
        "network": NETWORK | {"neurons": neurons},
        "learning": {"beta": 1e-6, "epochs": 2, "batch_size": 2, "learning_rate": RATES},
        "solver": {"sweep": 2},
        "audit": {"every": 1, "samples": 2},
    }
    for name, table in sections.items():
        content[name] = content[name] | table
    return parse(content, "test")


def test_the_keys_of_neurons_reach_the_circuit() -> None:
    keys = {"g1": 2e-3, "v0": 0.5, "inhibition": 3e-5, "capacitance": 3e-9, "rest": 0.1, "bias": 1e-5}
    e = experiment(GYRATOR | keys | {"train": ["leak"], "span": 4.0}, network={"residual": 2e-4})
    circuit = build_circuit(e, 2, 2)
    device, gyrator = circuit.element("n1_device"), circuit.element("n2_gyrator")
    assert isinstance(device, TwoTerminal)
    assert device.law == CubicDevice(2e-3, 0.5)
    assert isinstance(gyrator, Gyrator)
    assert (gyrator.value == 2.5e-3).all()
    values = {"n1_inhibition": 3e-5, "n1_membrane": 3e-9, "n1_bias": 1e-5, "n1_store": 2e-10, "res1": 2e-4}
    for name, value in values.items():
        assert (circuit.element(name).value == value).all(), name
    assert 0.1 in {rail.voltage for rail in circuit.rails}
    assert tuple(circuit.element("n2_leak").bounds) == (5e-4, 8e-3)
    assert {e.name for e in circuit.trainable} == {*RATES, "n1_leak", "n2_leak", "res1"}


def test_neurons_have_an_rl_branch_or_none() -> None:
    circuit = build_circuit(experiment({"resistance": 200.0, "inductance": 1e-6}), 2, 2)
    branch = circuit.element("n1_recovery")
    assert isinstance(branch, RLMesh)
    assert (branch.value == 200).all()
    assert (branch.inductance == 1e-6).all()
    bare = build_circuit(experiment({"recovery": "none", "device": "none"}), 2, 2)
    assert not any(isinstance(e, RLMesh | Gyrator | TwoTerminal) for e in bare.elements)


@pytest.mark.parametrize(
    ("neurons", "message"),
    [
        (
            {"device": "cubik"},
            "network.neurons.device: unknown value 'cubik', and no .toml file: did you mean 'cubic'",
        ),
        ({"rest": "fal"}, "network.neurons.rest: unknown value 'fal': did you mean 'fall'"),
        ({"bias": [1]}, r"network.neurons.bias: expected a number, got \[1\]"),
        ({"train": ["leek"]}, "network.neurons.train.0: unknown value 'leek': did you mean 'leak'"),
        ({"span": 1.0}, "network.neurons.span: expected a number above 1"),
        ({"g1": -1e-3}, "network.neurons.g1: expected a number above 0"),
    ],
)
def test_wrong_keys_are_named(neurons: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment(neurons)


def test_trained_parts_have_to_exist() -> None:
    with pytest.raises(CircuitError, match="cannot train 'leak'; these neurons have area, bias, resistance"):
        build_circuit(experiment({"train": ["leak"]}), 2, 2)


def test_the_start_of_the_free_phase_reaches_both_solvers(one_worker: None) -> None:
    """Without a certificate a cold start is refused, and the other two follow the circuit in time."""
    doubtful = {"g1": 3e-3, "resistance": 400.0, "inductance": 4e-7}
    x = np.array([[0.2, -0.3]])
    found = []
    for start in ("cold", "auto", "relax"):
        e = experiment(doubtful, network={"initial": [1e-6, 2e-6]}, solver={"start": start})
        circuit = build_circuit(e, 2, 2)
        assert not stability_certificate(circuit).unique
        for engine in ("ideal", "ngspice"):
            with build_solver(e, circuit, engine) as solver:
                if start == "cold":
                    with pytest.raises(SolverError, match="cannot start cold: nothing proves"):
                        solver.solve(None, x)
                else:
                    found.append(solver.solve(None, x).require().free)
    assert np.ptp(found, axis=0).max() < 1e-9


@pytest.mark.parametrize(
    "neurons",
    [
        GYRATOR | {"inhibition": 1e-4, "train": ["inhibition", "leak"]},
        {"resistance": 300.0, "train": ["area", "resistance"], "span": 1.05},
    ],
    ids=["gyrator", "rl"],
)
def test_a_run_through_ngspice_is_audited_and_resumed_to_the_same_bits(
    neurons: dict[str, Any], tmp_path: Path, one_worker: None
) -> None:
    kinds = (
        {"inhibition": 1e-6, "leak": 1e-6} if "inhibition" in neurons else {"device": 1e-2, "recovery": 1.0}
    )
    rates = (
        RATES
        | {f"n{layer}_{kind}": rate for kind, rate in kinds.items() for layer in (1, 2)}
        | {"res1": 1e-6}
    )
    e = experiment(neurons, network={"residual": 2e-4}, learning={"learning_rate": rates})
    with Run.start(e, tmp_path / "whole") as run:
        first = {name: value.copy() for name, value in run.trainer.parameters.items()}
        assert run.train()
        whole, summary = run.trainer.parameters, run.finish()
    assert summary["engine"] == "ngspice"
    assert summary["audit_worst_dv"] < 1e-9
    assert summary["audit_worst_cosine"] > 1 - 1e-9
    assert summary["test_failed"] == 0
    assert all((whole[name] != first[name]).any() for name in rates)
    with Run.start(e, tmp_path / "halves") as run:
        left = iter(range(3))
        assert not run.train(stop=lambda: next(left, None) is None)
    with Run.resume(tmp_path / "halves") as run:
        assert run.train()
        for name, value in run.trainer.parameters.items():
            np.testing.assert_array_equal(value, whole[name])


@pytest.mark.parametrize(("device", "low", "high"), [("cubic", 0.97, 1.0), ("none", 0.8, 0.9)])
def test_the_device_makes_the_difference_on_the_moons(device: str, low: float, high: float) -> None:
    content = load_experiment(CIRCUITS / "moons-fhn.toml").model_dump(mode="json", exclude_unset=True)
    content["network"]["neurons"]["device"] = device
    content["learning"]["epochs"] = 15
    e = parse(content, "test")
    data, _ = build_data(e)
    circuit = build_circuit(e, data.train.n_features, data.train.n_outputs)
    trainer = build_trainer(e, data, build_rule(e, circuit), IdealSolver(circuit), None)
    trainer.run()
    assert low <= trainer.score("validation").accuracy <= high
    assert stability_certificate(circuit, trainer.parameters).attracting


def test_an_exported_netlist_gives_the_trained_outputs(
    batch: Callable[[str], tuple[str, dict[str, np.ndarray]]],
) -> None:
    from eqcirc.solvers.ngspice.decks import export_deck

    circuit = build_circuit(experiment(GYRATOR | {"inhibition": 1e-4}, network={"residual": 2e-4}), 2, 2)
    inputs = np.array([[0.3, -0.2], [1.0, 0.5]])
    free = IdealSolver(circuit).solve(None, inputs).require().free
    for form in ("full", "reduced"):
        _, vectors = batch(export_deck(circuit, None, inputs, form))  # type: ignore[arg-type]
        for node in circuit.readout.nodes.tolist():
            name = circuit.node_names[node]
            np.testing.assert_allclose(vectors[f"v({name})"], free[:, node], rtol=1e-9, atol=1e-12)
