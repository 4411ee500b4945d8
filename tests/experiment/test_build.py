from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.costs import SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import (
    Amplifier,
    ClampDiode,
    CurrentSource,
    DualRailCrossbar,
    ShockleyDiode,
    SignedCrossbar,
    TwoTerminal,
)
from eqcirc.errors import CircuitError, ConfigError, DataError, EngineError
from eqcirc.experiment.build import (
    build_circuit,
    build_cost,
    build_data,
    build_optimizer,
    build_rule,
    build_solver,
    build_trainer,
)
from eqcirc.experiment.load import load_experiment, parse
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.optimizers import SGD, Adam
from eqcirc.solvers.ideal.solver import IdealSolver

CIRCUITS = Path(__file__).parents[2] / "circuits"


def experiment(**sections: Any) -> Experiment:
    return parse({"data": {"name": "xor"}, **sections}, "test")


@pytest.mark.parametrize("file", sorted(CIRCUITS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_experiments_that_come_along_can_be_built(file: Path) -> None:
    e = load_experiment(file)
    if e.data.name in ("mnist", "fashion-mnist"):  # would be downloaded
        circuit = build_circuit(e, 784, 10)
        build_rule(e, circuit)
        return
    data, _ = build_data(e)
    circuit = build_circuit(e, data.train.n_features, data.train.n_outputs)
    trainer = build_trainer(e, data, build_rule(e, circuit), IdealSolver(circuit), None)
    assert trainer.steps == e.learning.epochs * -(-data.train.n_samples // e.learning.batch_size)


def test_the_keys_of_the_network_reach_the_circuit() -> None:
    circuit = build_circuit(
        experiment(
            network={
                "hidden": [3, 2],
                "input_gain": 3.0,
                "differential": False,
                "skips": [[0, 2]],
                "bounds": [2e-7, 2e-5],
                "initial": [1e-6, 1.5e-6],
                "biases": {"kind": "current", "current": 2e-6},
                "diodes": [
                    {"law": "clamp", "conductance": 1e-3, "knee": 0.02, "rail": 0.2},
                    {"kind": "none"},
                ],
                "amplifiers": {"gain": 2.0, "kappa": 0.3},
            }
        ),
        2,
        2,
    )
    w1, b1, up, amplifier = (circuit.element(name) for name in ("w1", "b1", "up1", "a2"))
    assert circuit.fixed_voltages(np.array([[1.0, 0.0]])).max() == 3
    assert circuit.readout.plain
    assert tuple(w1.bounds) == (2e-7, 2e-5)
    assert 1e-6 <= w1.value.min() <= w1.value.max() <= 1.5e-6
    assert isinstance(b1, CurrentSource)
    assert b1.bounds.upper == 2e-6
    assert isinstance(up, TwoTerminal)
    assert up.law == ClampDiode(1e-3, 0.02)
    assert [r.voltage for r in circuit.rails] == [0.2, -0.2]
    assert isinstance(amplifier, Amplifier)
    assert (amplifier.gain, amplifier.current_gain) == (2.0, 0.3)
    assert {"skip0to2", "up1", "down1"} < {e.name for e in circuit.elements}
    assert not {"up2", "down2"} & {e.name for e in circuit.elements}


def test_weights_of_either_sign_reach_the_circuit() -> None:
    network = {"weights": "signed", "bounds": [-2e-5, 1e-5], "initial": [-1e-6, 1e-6], "leak": 3e-6}
    circuit = build_circuit(experiment(network=network | {"loaded": False}), 2, 2)
    w1 = circuit.element("w1")
    assert isinstance(w1, SignedCrossbar)
    assert (tuple(w1.bounds), w1.loaded) == ((-2e-5, 1e-5), False)
    assert -1e-6 <= w1.value.min() < 0 < w1.value.max() <= 1e-6
    assert (circuit.element("leak1").value == 3e-6).all()
    dual = build_circuit(experiment(network={"weights": "dual_rail"}), 2, 2)
    assert isinstance(dual.element("w1"), DualRailCrossbar)
    with pytest.raises(CircuitError, match="expected a range of signed weights around 0"):
        build_circuit(experiment(network={"weights": "signed"}), 2, 2)


def test_without_diodes_and_amplifiers_the_network_is_linear() -> None:
    circuit = build_circuit(experiment(network={"diodes": {"kind": "none"}}), 2, 2)
    assert not any(isinstance(e, TwoTerminal | Amplifier) for e in circuit.elements)


def test_diodes_are_shockley_diodes_unless_said_otherwise() -> None:
    circuit = build_circuit(
        experiment(network={"diodes": {"saturation_current": 1e-12, "emission": 1.5}}), 2, 2
    )
    assert circuit.element("up1").law == ShockleyDiode(1e-12, 1.5)  # type: ignore[attr-defined]


def test_the_seed_decides_the_initial_conductances() -> None:
    one, same, other = (build_circuit(experiment(seed=s), 2, 2).parameters["w1"] for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_the_keys_of_learning_reach_cost_rule_optimizer_and_plan() -> None:
    e = experiment(
        learning={
            "cost": "squared_error",
            "high": 0.2,
            "low": -0.05,
            "beta": 3e-8,
            "variant": "positive",
            "optimizer": "sgd",
            "momentum": 0.5,
            "learning_rate": {"w1": 1e-12, "b1": 2e-12, "w2": 3e-12, "b2": 4e-12},
            "schedule": "exponential",
            "decay": 0.8,
            "batch_size": 3,
            "epochs": 7,
            "keep": "best",
            "failed_limit": 0.25,
        },
        audit={
            "every": 5,
            "samples": 2,
            "warn_voltage": 1e-5,
            "stop_voltage": 1e-4,
            "warn_cosine": 0.8,
            "stop_cosine": 0.7,
        },
        seed=11,
    )
    assert build_cost(e) == SquaredError(0.2, -0.05)
    data, _ = build_data(e)
    circuit = build_circuit(e, 2, 2)
    trainer = build_trainer(e, data, build_rule(e, circuit), IdealSolver(circuit), IdealSolver(circuit))
    assert (trainer.rule.beta, trainer.rule.variant) == (3e-8, "positive")
    assert isinstance(trainer.optimizer, SGD)
    assert trainer.optimizer.momentum == 0.5
    plan = trainer.plan
    assert plan.learning_rate == {"w1": 1e-12, "b1": 2e-12, "w2": 3e-12, "b2": 4e-12}
    assert (plan.schedule, plan.decay) == ("exponential", 0.8)
    assert (plan.batch_size, plan.epochs, plan.keep, plan.failed_limit, plan.seed) == (3, 7, "best", 0.25, 11)
    audit = trainer.audit
    assert audit is not None
    assert (audit.every, audit.samples) == (5, 2)
    limits = audit.limits
    assert (limits.warn_voltage, limits.stop_voltage, limits.warn_cosine, limits.stop_cosine) == (
        1e-5,
        1e-4,
        0.8,
        0.7,
    )


def test_defaults_are_adam_and_cross_entropy() -> None:
    e = experiment(learning={"sharpness": 3.0, "final": 0.1})
    assert build_cost(e) == SoftmaxCrossEntropy(3.0)
    assert isinstance(build_optimizer(e), Adam)
    circuit = build_circuit(e, 2, 2)
    plan = build_trainer(e, build_data(e)[0], build_rule(e, circuit), IdealSolver(circuit), None).plan
    assert (plan.schedule, plan.final) == ("cosine", 0.1)


def test_no_audits_if_none_are_wanted_or_possible() -> None:
    for every, other in ((0, True), (5, False)):
        e = experiment(audit={"every": every})
        circuit = build_circuit(e, 2, 2)
        solver = IdealSolver(circuit)
        assert (
            build_trainer(
                e, build_data(e)[0], build_rule(e, circuit), solver, solver if other else None
            ).audit
            is None
        )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "csv"}, r"^data\.path: expected the file to read for data 'csv'"),
        ({"name": "iris", "path": "x.csv"}, r"^data\.path: data 'iris' is built in and reads no file"),
        ({"name": "iris", "test": 0.0}, r"^data\.test: expected a share above 0"),
        (
            {"name": "iris", "test": 0.6, "validation": 0.5},
            r"^data\.validation \+ test: expected shares below 1 in sum",
        ),
        ({"name": "moons", "samples": 1}, r"^data\.samples: expected at least 2 for two moons"),
    ],
)
def test_keys_of_the_data_that_do_not_fit_are_named(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_data(parse({"data": data}, "test"))


def test_inputs_are_scaled_by_the_training_part() -> None:
    data, scaler = build_data(parse({"data": {"name": "iris", "scaling": "standard"}}, "test"))
    np.testing.assert_allclose(data.train.inputs.mean(axis=0), 0, atol=1e-12)
    assert np.abs(data.test.inputs.mean(axis=0)).max() > 1e-3
    raw, _ = build_data(parse({"data": {"name": "iris", "scaling": "none"}}, "test"))
    np.testing.assert_array_equal(scaler.apply(raw.test.inputs), data.test.inputs)


def test_data_that_are_too_few_are_the_fault_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("a,label\n1,0\n2,1\n")
    with pytest.raises(DataError, match=r"few\.csv: "):
        build_data(parse({"data": {"name": "csv", "path": str(tmp_path / "few.csv")}}, "test"))


def test_another_engine_can_be_asked_for(no_ngspice: None) -> None:
    e = experiment()
    circuit = build_circuit(e, 2, 2)
    assert build_solver(e, circuit, "ideal").name == "ideal"
    with pytest.raises(EngineError, match=r"sudo apt-get install ngspice libngspice0"):
        build_solver(e, circuit)


def test_columns_of_a_table_are_not_squeezed_by_the_widest(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [f"{rng.uniform(0, 1):.4f},{rng.uniform(300, 1500):.1f},{k % 2}" for k in range(40)]
    (tmp_path / "wine.csv").write_text("\n".join(["hue,proline,label", *rows]))
    data, _ = build_data(parse({"data": {"name": "csv", "path": "wine.csv"}}, "x", tmp_path))
    np.testing.assert_allclose(data.train.inputs.std(axis=0), 1.0)


@pytest.mark.parametrize("key", ["high", "low", "target_cosine"])
def test_targets_of_classes_are_refused_in_a_regression(key: str, tmp_path: Path) -> None:
    rows = [f"{k / 40},{k / 80}" for k in range(40)]
    (tmp_path / "line.csv").write_text("\n".join(["x,y", *rows]))
    data = {"name": "csv", "path": "line.csv", "targets": ["y"]}
    content = {"data": data, "learning": {"cost": "squared_error"}}
    if key == "target_cosine":
        content = {"data": data, "network": {"kind": "oscillators"}, "learning": {"cost": "phase_error"}}
    build_data(parse(content, "x", tmp_path))
    content["learning"][key] = 0.05  # type: ignore[index]
    with pytest.raises(ConfigError, match=rf"^learning\.{key}: does nothing in a regression"):
        build_data(parse(content, "x", tmp_path))
