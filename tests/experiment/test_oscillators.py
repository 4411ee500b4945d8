"""Oscillator networks as experiments: what a file says, and a run from training to prediction."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.costs import PhaseError
from eqcirc.errors import CircuitError, ConfigError
from eqcirc.experiment.build import build_cost
from eqcirc.experiment.load import load_experiment, parse
from eqcirc.experiment.opened import open_run
from eqcirc.experiment.run import Run
from eqcirc.learning.evaluate import evaluate
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.ideal.solver import IdealSolver

FILE: dict[str, Any] = {
    "name": "iris-oscillators",
    "data": {"name": "iris"},
    "network": {"kind": "oscillators", "hidden": [4], "oscillators": {"initial": 0.5, "coupling": 0.5}},
    "learning": {"cost": "phase_error", "beta": 1e-3, "learning_rate": 0.1, "epochs": 12, "batch_size": 32},
    "solver": {"engine": "ideal", "workers": 1},
    "audit": {"every": 0},
}


def changed(**tables: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {**value, **tables.get(key, {})} if isinstance(value, dict) else value
        for key, value in FILE.items()
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "iris"
    with Run.start(parse(FILE, "file"), folder) as run:
        run.train()
        summary = run.finish()
    assert summary["test_accuracy"] > 0.85
    assert summary["max_dv"] < 1e-9  # by ngspice, against the matrix form
    return folder


def test_a_run_knows_where_its_phases_started(run: Path) -> None:
    opened = open_run(run)
    assert opened.experiment.solver.begins.everywhere == math.pi / 2  # type: ignore[union-attr]
    assert "everywhere = 1.57" in (run / "config.toml").read_text("utf-8")
    deck = (run / "netlist.sp").read_text("ascii")
    assert re.search(r"sin\(v\(h1_0\)\)", deck)


def test_targets_are_cosines_of_either_sign() -> None:
    cost = build_cost(parse(changed(learning={"target_cosine": 0.9}), "file"))
    assert cost.targets(np.array([1]), 3).tolist() == [[-0.9, 0.9, -0.9]]
    for wrong in (0.0, -0.5, 1.1):
        with pytest.raises(ConfigError, match=r"learning\.target_cosine"):
            parse(changed(learning={"target_cosine": wrong}), "file")


def test_answers_are_cosines(run: Path) -> None:
    """What predict says is what evaluate scores."""
    opened = open_run(run)
    part = opened.part("test")
    with IdealSolver(opened.circuit, start=opened.experiment.solver.begins) as solver:
        phases = opened.circuit.readout.read(solver.solve(opened.parameters, part.inputs).free)
        score = evaluate(solver, opened.parameters, part, PhaseError(), None)
    assert score.accuracy == pytest.approx(np.mean(np.cos(phases).argmax(axis=1) == part.labels))


def test_noise_makes_answers_worse(run: Path) -> None:
    """And one that is hardly there changes no answer."""
    opened = open_run(run)
    quiet, *noisy = (
        opened.score(bath=None if watts is None else Bath(watts, chains=1, length=4.0))
        for watts in (None, 1e-9, 10.0)
    )
    assert noisy[0].accuracy == quiet.accuracy
    assert noisy[0].loss == pytest.approx(quiet.loss, rel=1e-2)
    assert noisy[0].loss != quiet.loss
    assert noisy[1].accuracy < 0.6 < quiet.accuracy


@pytest.mark.parametrize("rule", ["free_energy", "free_energy_path"])
def test_oscillators_learn_in_white_noise(rule: str, tmp_path: Path) -> None:
    """Contrasts of averages, with phases that drift all the while; a checkpoint is enough to go on."""
    bath = {"temperature": 0.03, "chains": 1, "length": 6.0, "draws": 2}
    learning = {"rule": rule, "bath": bath, "beta": 0.05, "epochs": 8}
    asked = parse(changed(learning=learning), "file")
    with Run.start(asked, tmp_path / "run") as run:
        run.train(stop=lambda: run.trainer.state.epoch == 4)
    with Run.resume(tmp_path / "run") as run:
        run.train()
        assert run.trainer.score("test").accuracy > 0.8
        assert run.trainer.score("train").accuracy > 0.8


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (
            {"learning": {"cost": "cross_entropy"}},
            r'cost = "cross_entropy" with network.kind = "oscillators"',
        ),
        (
            {"network": {"kind": "layered", "oscillators": None}},
            r'"layered": expected another cost',
        ),
        (
            {"network": {"kind": "oscilators"}},
            r"network.kind: unknown value 'oscilators': did you mean 'oscillators'",
        ),
        ({"network": {"weights": "signed"}}, r'network.weights: does nothing with kind = "oscillators"'),
        ({"network": {"oscillators": {"bounds": [1.0, -1.0]}}}, "expected a lower value, then a higher one"),
    ],
)
def test_what_does_not_fit_is_refused(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(changed(**tables), "file")


def test_a_coupling_beyond_the_bounds_is_refused(tmp_path: Path) -> None:
    file = changed(network={"oscillators": {"coupling": 5.0}})
    with pytest.raises(CircuitError, match="coupling = 5 A"):
        Run.start(parse(file, "file"), tmp_path / "run")


@pytest.mark.parametrize("name", ["digits-oscillators", "mnist-oscillators"])
def test_the_ready_experiments_are_oscillators(name: str) -> None:
    experiment = load_experiment(Path(__file__).parents[2] / "circuits" / f"{name}.toml")
    assert experiment.network.kind == "oscillators"
    assert experiment.learning.cost == "phase_error"
