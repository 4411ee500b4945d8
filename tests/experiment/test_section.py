"""Keys that would do nothing are refused; what a file with all keys says by default may stand."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from eqcirc.errors import ConfigError
from eqcirc.experiment.load import parse, to_toml
from eqcirc.experiment.section import Section

SIGNED = {"bounds": [-1e-5, 1e-5], "initial": [-1e-6, 1e-6]}


@pytest.mark.parametrize(
    ("network", "key", "chosen", "right"),
    [
        ({"loaded": False}, "loaded", 'weights = "conductance"', 'weights = "signed"'),
        (
            SIGNED | {"weights": "signed", "differential": False},
            "differential",
            'weights = "signed"',
            'weights = "conductance"',
        ),
        ({"neurons": {}, "diodes": {"rail": 0.1}}, "diodes", "a table neurons", "no neurons"),
        ({"neurons": {}, "diodes": []}, "diodes", "a table neurons", "no neurons"),
        (
            {"neurons": {"device": "mbd1057", "g1": 5e-3}},
            "neurons.g1",
            'device = "mbd1057"',
            'device = "cubic"',
        ),
        (
            {"neurons": {"device": "cubic", "diode": {"peak_current": 1e-3}}},
            "neurons.diode",
            'device = "cubic"',
            'device = "esaki"',
        ),
        ({"neurons": {"gyration": 1e-3}}, "neurons.gyration", 'recovery = "rl"', 'recovery = "gyrator"'),
        (
            {"neurons": {"recovery": "none", "rest": 0.1}},
            "neurons.rest",
            'recovery = "none"',
            'recovery = "rl" or recovery = "gyrator"',
        ),
        (
            {"diodes": {"kind": "none", "rail": 0.3}},
            "diodes.rail",
            'kind = "none"',
            'kind = "antiparallel" or kind = "one_sided"',
        ),
        ({"diodes": [{"knee": 0.1}]}, "diodes.0.knee", 'law = "shockley"', 'law = "clamp"'),
        (
            {"biases": {"kind": "current", "voltage": 5.0}},
            "biases.voltage",
            'kind = "current"',
            'kind = "rail"',
        ),
    ],
)
def test_a_key_of_a_branch_that_is_not_chosen_is_refused(
    network: dict[str, Any], key: str, chosen: str, right: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"network": network}, "mine.toml")
    message = (
        f"mine.toml: network.{key}: does nothing with {chosen}, only with {right}; leave it out (or at its "
    )
    assert str(caught.value).startswith(message)


def test_the_default_is_told_where_a_key_cannot_be_left_out() -> None:
    """A resolved file has all keys."""
    with pytest.raises(ConfigError, match=r"leave it out \(or at its default, 330\.0\), or choose that$"):
        parse({"network": {"neurons": {"recovery": "none", "resistance": 36.0}}}, "--set")
    parse({"network": {"neurons": {"recovery": "none", "resistance": 330}}}, "--set")


@pytest.mark.parametrize(
    "network",
    [
        SIGNED | {"weights": "signed", "loaded": False},
        {"neurons": {"device": "mbd1057", "recovery": "gyrator"}},
        {"neurons": {"device": "none", "recovery": "none"}},
        {"diodes": {"kind": "none"}, "biases": {"kind": "none"}},
        {"diodes": [{"law": "clamp"}, {"kind": "one_sided"}]},
    ],
)
def test_a_resolved_experiment_with_all_keys_is_read_back(network: dict[str, Any]) -> None:
    """The config.toml of a run holds the defaults of every branch."""
    experiment = parse({"network": network}, "mine.toml")
    everything = tomllib.loads(to_toml(experiment))
    assert {"loaded", "differential", "diodes"} <= everything["network"].keys()
    assert parse(everything, "config.toml") == experiment


def test_a_wrong_choice_is_the_only_complaint() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"network": {"biases": {"kind": "rial", "current": 1e-6}}}, "mine.toml")
    assert "network.biases.kind: unknown value 'rial'" in str(caught.value)
    assert "does nothing" not in str(caught.value)


@pytest.mark.parametrize("section", Section.__subclasses__(), ids=lambda section: section.__name__)
def test_branches_name_keys_of_their_table_behind_the_choice(section: type[Section]) -> None:
    """A key before its choice would never be looked at."""
    order = list(section.model_fields)
    for branch in section.branches:
        assert set(branch.keys) <= set(order[order.index(branch.choice) + 1 :])
