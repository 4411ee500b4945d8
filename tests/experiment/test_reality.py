"""[reality] in the experiment file: what is trained, saved and resumed is one chip."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.data import Dataset, Splits
from eqcirc.errors import CheckpointError, CircuitError, ConfigError
from eqcirc.experiment.build import build_circuit, build_data, build_ideal, build_rule, build_trainer
from eqcirc.experiment.chips import Yield, chips_of, distribution, reality_of, score_chips
from eqcirc.experiment.load import load_experiment, parse, to_toml
from eqcirc.experiment.opened import open_run
from eqcirc.experiment.provenance import fingerprint
from eqcirc.experiment.python import train
from eqcirc.experiment.reality import _KINDS, Reality, build_reality
from eqcirc.experiment.run import Run
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import evaluate
from eqcirc.learning.writing import Writing
from eqcirc.reality import Reality as Kinds
from eqcirc.solvers.ideal.solver import IdealSolver

pytestmark = pytest.mark.usefixtures("one_worker")

CHIP: dict[str, Any] = {
    "chip": 2,
    "seed": 5,
    "temperature": {"celsius": 60.0},
    "diodes": {"sigma": 0.2},
    "amplifiers": {"sigma": 0.02},
    "window": {"lowest": 1e-7, "highest": 1e-5, "bits": 6},
    "programming": {"relative": 0.02, "absolute": 1e-8},
    "mismatch": {"sigma": 0.1},
    "drift": {"seconds": 1e4, "exponent": 0.05, "spread": 0.01},
    "stuck": {"lowest": 0.02, "highest": 0.02},
    "wires": {"ohms": 100.0, "columns": "top"},
}


def experiment(reality: dict[str, Any] | None = None, **learning: Any) -> Experiment:
    content: dict[str, Any] = {
        "name": "iris",
        "data": {"name": "iris"},
        "network": {"hidden": [4], "input_gain": 2.0, "amplifiers": {"gain": 4.0}, "initial": [1e-7, 3e-6]},
        "learning": {"epochs": 2, "batch_size": 16, "learning_rate": 4e-7} | learning,
        "solver": {"engine": "ideal"},
        "audit": {"every": 5},
    }
    return parse(content | ({} if reality is None else {"reality": reality}), "test")


def test_the_table_is_the_description_in_python() -> None:
    section = experiment(CHIP).reality
    assert section is not None
    made = build_reality(section)
    assert [kind.name for kind in made.kinds] == list(_KINDS)
    assert _KINDS.keys() == vars(Kinds()).keys()
    assert made.wires is not None
    assert (made.wires.ohms, made.wires.rows, made.wires.columns) == (100.0, "left", "top")
    assert made.window is not None
    assert made.window.bits == 6


def test_a_table_that_is_written_is_read_again(tmp_path: Path) -> None:
    e = experiment(CHIP)
    (tmp_path / "e.toml").write_text(to_toml(e))
    assert load_experiment(tmp_path / "e.toml") == e


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"mismatch": {"sigma": -0.1}}, "reality.mismatch.sigma"),
        ({"mismatch": {"sigmas": 0.1}}, "reality.mismatch.sigmas"),
        ({"wires": {"rows": "top"}}, "reality.wires.rows"),
        ({"chip": -1}, "reality.chip"),
        ({"window": {"bits": 40}}, "reality.window.bits"),
        ({"drift": {"seconds": 1e4}}, "reality.drift: expected exponent or spread: without it"),
        ({"drift": {"exponent": 0.1}}, "reality.drift: expected seconds"),
        ({"programming": {}}, "reality.programming: expected relative or absolute"),
        ({"stuck": {}}, "reality.stuck: expected lowest or highest"),
    ],
)
def test_a_wrong_key_is_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        experiment(table)


def test_a_kind_that_concerns_nothing_is_refused() -> None:
    content = {"network": {"diodes": {"kind": "none"}}, "reality": {"diodes": {"sigma": 0.1}}}
    with pytest.raises(CircuitError, match=r"reality.diodes: .* has no diodes, so it would change nothing"):
        build_circuit(parse(content, "test"), 2, 2)


def test_an_experiment_without_the_table_is_ideal() -> None:
    e = experiment()
    assert fingerprint(build_circuit(e, 4, 3)) == fingerprint(build_ideal(e, 4, 3))
    assert all(element.programming is None for element in build_circuit(e, 4, 3).elements)


def test_what_is_trained_is_the_chip_and_its_values_are_those_of_the_ideal_circuit(tmp_path: Path) -> None:
    """Audited by ngspice on the way, which stops at a difference of the updates."""
    e = experiment(CHIP)
    with Run.start(e, tmp_path / "run") as run:
        assert run.train()
        summary = run.finish()
        audits = run.trainer.state.audits
    assert audits
    assert summary["audit_worst_cosine"] > 0.999999
    assert summary["max_dv"] < 1e-9
    opened = open_run(tmp_path / "run")
    ideal = build_ideal(e, 4, 3)
    assert {k: v.shape for k, v in opened.parameters.items()} == {
        k: v.shape for k, v in ideal.parameters.items()
    }
    section = reality_of(opened)
    (same, score), (_, other) = score_chips(opened, e, chips_of(opened, section, (2, 3)), opened.part("test"))
    assert fingerprint(same.circuit) == fingerprint(opened.circuit)
    assert score.loss == pytest.approx(summary["test_loss"], rel=1e-9)
    assert abs(other.loss - score.loss) > 1e-6


def test_a_run_on_a_chip_resumes_to_the_same_bits_and_on_no_other_chip(tmp_path: Path) -> None:
    e = experiment(CHIP)
    with Run.start(e, tmp_path / "whole") as run:
        run.train()
    with Run.start(e, tmp_path / "cut") as run:
        left = iter([False, False])
        assert not run.train(stop=lambda: next(left, True))
    with Run.resume(tmp_path / "cut", e) as run:
        assert run.train()
    whole, cut = (open_run(tmp_path / name).parameters for name in ("whole", "cut"))
    for name, value in whole.items():
        np.testing.assert_array_equal(cut[name], value)
    with pytest.raises(CheckpointError, match=r"reality.chip = 3 \(was 2\)"):
        Run.resume(tmp_path / "whole", experiment(CHIP | {"chip": 3}))


def test_training_on_the_chip_wins_back_what_programming_it_loses(tmp_path: Path) -> None:
    """Transfer against fine-tuning in situ, on a chip whose mismatch hurts."""
    hard: dict[str, Any] = {"chip": 1, "mismatch": {"sigma": 0.6}, "stuck": {"lowest": 0.05}}
    with Run.start(experiment(epochs=20), tmp_path / "ideal") as run:
        run.train()
    opened = open_run(tmp_path / "ideal")
    e = experiment(hard, epochs=10)
    assert e.reality is not None
    data = opened.part("train")
    ((_, transfer),) = score_chips(opened, e, chips_of(opened, e.reality, [1]), data)
    with Run.start(e, tmp_path / "tuned", begin=tmp_path / "ideal") as run:
        run.train()
    ideal, tuned = (open_run(tmp_path / name).score("train").loss for name in ("ideal", "tuned"))
    assert transfer.loss > 2 * ideal
    assert tuned - ideal < 0.2 * (transfer.loss - ideal)


def test_circuits_and_data_of_python_are_trained_on_chips(tmp_path: Path) -> None:
    ideal = build_ideal(experiment(), 4, 3)
    rng = np.random.default_rng(0)
    parts = [Dataset("p", rng.normal(size=(12, 4)), labels=np.arange(12) % 3, n_classes=3) for _ in range(3)]
    table = {"mismatch": {"sigma": 0.1}, "chip": 4}
    options: dict[str, Any] = {
        "learning": {"epochs": 1},
        "solver": {"engine": "ideal"},
        "audit": {"every": 0},
    }
    opened = train(ideal, Splits(*parts), tmp_path / "run", reality=table, **options)
    chip = build_reality(Reality.model_validate(table)).chip(ideal, opened.parameters, 4)
    assert fingerprint(opened.circuit) == fingerprint(chip.circuit)
    with IdealSolver(chip.circuit) as solver, Run.resume(tmp_path / "run") as run:
        cost = run.trainer.rule.cost
        expected = evaluate(solver, opened.parameters, opened.part("test"), cost, None)
        assert opened.score("test") == expected


def test_a_yield_has_wilsons_interval() -> None:
    """Against the closed formula, z = 1.959964."""
    passed, n, z = 23, 30, 1.959963984540054
    p = passed / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    found = Yield.of(passed, n)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), rel=1e-9)
    assert Yield.of(30, 30).low > 0.85


def test_the_distribution_of_one_chip_has_no_deviation() -> None:
    assert np.isnan(distribution(np.array([0.5]))["deviation"])
    spread = distribution(np.linspace(0, 1, 101))
    assert (spread["5 %"], spread["median"], spread["most"]) == pytest.approx((0.05, 0.5, 1.0))


def test_amplifiers_drift_and_pulses_stand_in_a_file() -> None:
    """As tables of the experiment, through the circuit and the trainer that are built of it."""
    text = """
    [data]
    name = "xor"
    [network]
    hidden = [3]
    input_gain = 1.0
    amplifiers = { gain = 4.0 }
    [reality.amplifiers]
    sigma = 0.0
    offset = 0.1
    output_ohms = 1e3
    saturation = 2.0
    [reality.drift]
    seconds = 1e4
    exponent = 0.05
    [reality.window]
    lowest = 1e-7
    highest = 1e-5
    bits = 4
    even = "resistance"
    [learning.writing]
    pulses_up = 50
    bend_down = 3.0
    [audit]
    every = 0
    """
    experiment = parse(tomllib.loads(text), "test")
    data, _ = build_data(experiment)
    circuit = build_circuit(experiment, 2, 2)
    names = {e.name for e in circuit.elements}
    assert {"eq_a1_out", "eq_a1_offset", "eq_a1_clamp"} <= names
    drifted = circuit.values({"w1": np.full(circuit.parameters["w1"].shape, 1e-5)})["w1"]
    np.testing.assert_allclose(drifted, 1e-5 * 1e4**-0.05)
    with IdealSolver(circuit) as solver:
        trainer = build_trainer(experiment, data, build_rule(experiment, circuit), solver, None)
    assert trainer.writing == Writing(pulses_up=50, bend_down=3.0)
