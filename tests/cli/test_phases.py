"""Decks of learning phases: what plain ngspice prints is what the rule measured."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.experiment.build import build_rule
from eqcirc.experiment.load import parse
from eqcirc.experiment.run import Run
from tests.experiment.test_rules import LEARNING, experiment

Command = Callable[..., Any]


@pytest.mark.parametrize(("phase", "points"), [("turned", 3), ("doubled", 2)])
def test_a_learning_phase_is_a_deck_for_plain_ngspice(
    phase: str, points: int, eqcirc: Command, tmp_path: Path
) -> None:
    with Run.start(parse(experiment(), "test"), tmp_path / "run") as run:
        run.train()
        rule = {"turned": "asym_ep", "doubled": "dyadic"}[phase]
        e = parse(experiment(learning=LEARNING | {"rule": rule}), "test")
        some = run.data.train.take([0, 1])
        targets = run.trainer._targets[:2]
        found = build_rule(e, run.circuit).rule.measure(
            run.solver, run.trainer.parameters, some.inputs, targets
        )
    deck = tmp_path / "phase.sp"
    result = eqcirc("netlist", tmp_path / "run", "--phase", phase, "--samples", 2, "--out", deck)
    assert result.code == 0, result.err
    assert "* sources B_eq_hold keep phase 0 where the circuit rests" in deck.read_text()
    printed = subprocess.run(
        ["ngspice", "-n", "-b", str(deck)], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    rows = [line.split() for line in printed.splitlines() if line[:1].isdigit()]
    table = np.array([[float(x) for x in row] for row in rows])
    assert len(table) == 2 * points, "two samples in every phase"
    outputs = run.circuit.readout.nodes
    expected = found.points.voltages[:, :, outputs].transpose(1, 0, 2).reshape(-1, len(outputs))
    np.testing.assert_allclose(table[:, 4 : 4 + len(outputs)], expected, rtol=1e-5, atol=1e-8)


def test_the_nudged_phase_of_a_large_network_runs_too(eqcirc: Command, tmp_path: Path) -> None:
    """From 0 V ngspice would not find the first point, held by large conductances; the deck says where it is."""
    deck = tmp_path / "digits.sp"
    source = Path(__file__).parents[2] / "circuits" / "digits.toml"
    assert eqcirc("netlist", source, "--phase", "nudged", "--samples", 2, "--out", deck).code == 0
    printed = subprocess.run(
        ["ngspice", "-n", "-b", str(deck)], capture_output=True, text=True, check=False, timeout=120
    ).stdout
    rows = [line for line in printed.splitlines() if line[:1].isdigit()]
    assert len(rows) == 2 * 3


def test_a_phase_of_a_rule_that_does_not_apply_is_refused(eqcirc: Command, tmp_path: Path) -> None:
    with Run.start(parse(experiment(), "test"), tmp_path / "run") as run:
        run.train()
    result = eqcirc("netlist", tmp_path / "run", "--phase", "nudged")
    assert result.code == 4
    assert "cell 'c1' carries" in result.err
    result = eqcirc("netlist", tmp_path / "run", "--phase", "turned", "--form", "reduced")
    assert result.code == 2
    assert "--phase takes samples of the training part" in result.err


def test_a_beta_that_is_no_nudge_makes_no_deck(eqcirc: Command, tmp_path: Path) -> None:
    path = tmp_path / "clamps.toml"
    path.write_text('name = "clamps"\n[data]\nname = "xor"\n[learning]\nrule = "coupled"\nbeta = 0.5\n')
    result = eqcirc("netlist", path, "--phase", "nudged")
    assert result.code == 2
    assert "beta = 0.5 of rule = 'coupled' is no small nudge" in result.err


def test_windows_of_spikes_make_no_deck(eqcirc: Command) -> None:
    result = eqcirc(
        "netlist", Path(__file__).parents[2] / "circuits/digits-spiking.toml", "--phase", "nudged"
    )
    assert result.code == 2
    assert "are windows in time, and no operating points" in result.err
