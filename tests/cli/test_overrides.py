"""A choice made with --set drops what belongs to the choice of the file."""

from __future__ import annotations

from typing import Any

import pytest

from eqcirc.cli.overrides import changed
from eqcirc.errors import ConfigError
from eqcirc.experiment.load import parse

ESAKI = {"neurons": {"device": "esaki", "diode": {"peak_current": 1e-3}, "resistance": 36.0}}


@pytest.mark.parametrize(
    ("network", "changes", "left"),
    [
        ({"biases": {"voltage": 2.0}}, ["biases.kind=current"], {"biases": {"kind": "current"}}),
        (
            {"biases": {"voltage": 2.0}},
            ["biases.current=1e-6", "biases.kind=current"],
            {"biases": {"kind": "current", "current": 1e-6}},
        ),
        (
            {"double_inputs": False, "differential": False},
            ["weights=dual_rail"],
            {"weights": "dual_rail"},
        ),
        ({"diodes": {"rail": 0.1}}, ["neurons.device=none"], {"neurons": {"device": "none"}}),
        ({"diodes": [{"rail": 0.1}]}, ["neurons={}"], {"neurons": {}}),
        (
            ESAKI,
            ["neurons.device=cubic", "neurons.recovery=none"],
            {"neurons": {"device": "cubic", "recovery": "none"}},
        ),
        (ESAKI, ["neurons.device=ESAKI"], ESAKI),
        (
            {"neurons": {"g1": 5e-3}},
            ["neurons.device=CUBIC"],
            {"neurons": {"g1": 5e-3, "device": "cubic"}},
        ),
    ],
)
def test_keys_of_the_branch_left_behind_go(
    network: dict[str, Any], changes: list[str], left: dict[str, Any]
) -> None:
    found = changed(parse({"network": network}, "mine.toml"), [f"network.{change}" for change in changes])
    assert found == parse({"network": left}, "expected")


@pytest.mark.parametrize(
    ("network", "changes", "key"),
    [
        ({}, ["biases.kind=current", "biases.voltage=2.0"], "biases.voltage"),
        ({}, ["diodes={kind='none', rail=0.3}"], "diodes.rail"),
        (ESAKI, ["neurons.device=cubic", "neurons.diode.peak_current=2e-3"], "neurons.diode"),
    ],
)
def test_keys_that_were_asked_for_are_refused(network: dict[str, Any], changes: list[str], key: str) -> None:
    with pytest.raises(ConfigError, match=rf"--set: network\.{key}: does nothing with"):
        changed(parse({"network": network}, "mine.toml"), [f"network.{change}" for change in changes])
