"""Keys of [data] and [learning] that belong to a choice which is not made are refused."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from eqcirc.cli.overrides import changed
from eqcirc.errors import ConfigError
from eqcirc.experiment.load import load_experiment, parse, to_toml
from eqcirc.experiment.template import starting_point, template

SHIPPED = sorted(Path(__file__).parents[2].glob("circuits/*.toml"))


@pytest.mark.parametrize(
    ("section", "content", "key", "chosen"),
    [
        ("learning", {"momentum": 0.9}, "momentum", 'optimizer = "adam"'),
        ("learning", {"final": 0.1, "schedule": "constant"}, "final", 'schedule = "constant"'),
        ("learning", {"decay": 0.9}, "decay", 'schedule = "cosine"'),
        ("learning", {"high": 0.2}, "high", 'cost = "cross_entropy"'),
        ("learning", {"low": -0.2}, "low", 'cost = "cross_entropy"'),
        ("learning", {"target_cosine": 0.9}, "target_cosine", 'cost = "cross_entropy"'),
        (
            "learning",
            {"cost": "squared_error", "sharpness": 5.0},
            "sharpness",
            'cost = "squared_error"',
        ),
        ("data", {"name": "iris", "noise": 0.2}, "noise", 'name = "iris"'),
        ("data", {"name": "csv", "samples": 100}, "samples", 'name = "csv"'),
        ("data", {"name": "npz", "label": "class"}, "label", 'name = "npz"'),
        ("data", {"name": "npz", "targets": ["y"]}, "targets", 'name = "npz"'),
        ("data", {"name": "mnist", "test": 0.5}, "test", 'name = "mnist"'),
    ],
)
def test_a_key_of_a_choice_that_is_not_made_is_refused(
    section: str, content: dict[str, Any], key: str, chosen: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({section: content}, "mine.toml")
    assert str(caught.value).startswith(f"mine.toml: {section}.{key}: does nothing with {chosen}, only with ")


def test_a_key_of_the_choice_that_is_made_holds() -> None:
    content: dict[str, dict[str, Any]] = {
        "data": {"name": "moons", "noise": 0.2, "samples": 50, "test": 0.5},
        "learning": {"cost": "squared_error", "high": 0.2, "low": -0.2, "optimizer": "sgd", "momentum": 0.9}
        | {"schedule": "exponential", "decay": 0.9},
    }
    experiment = parse(content, "mine.toml")
    for section, table in content.items():
        assert {key: getattr(getattr(experiment, section), key) for key in table} == table


@pytest.mark.parametrize("engine", ["ngspice", "ideal"])
def test_keys_of_the_other_engine_may_stand(engine: str) -> None:
    parse({"solver": {"engine": engine, "netlist": "full", "reltol": 1e-8, "workers": 2}}, "mine.toml")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
@pytest.mark.parametrize(
    "change",
    [
        "learning.optimizer=sgd",
        "learning.cost=squared_error",
        "learning.schedule=constant",
        "data.name=iris",
        "data.name=mnist",
        "solver.engine=ideal",
    ],
)
def test_shipped_experiments_take_any_choice_from_the_command_line(file: Path, change: str) -> None:
    experiment = load_experiment(file)
    if change == "learning.cost=squared_error" and experiment.network.kind == "oscillators":
        with pytest.raises(ConfigError, match='expected cost = "phase_error"'):
            changed(experiment, [change])
        return
    changed(experiment, [change])


def test_a_template_whose_choice_is_changed_names_the_keys_to_mend() -> None:
    """What stands at its default may stand, the sharpness of images may not."""
    content = tomllib.loads(template(starting_point("mnist")))
    content["learning"] |= {"optimizer": "sgd", "schedule": "constant"}
    parse(content, "mine.toml")
    with pytest.raises(ConfigError, match=r"learning\.sharpness: does nothing with cost"):
        parse(content | {"learning": content["learning"] | {"cost": "squared_error"}}, "mine.toml")


@pytest.mark.parametrize(
    ("content", "key", "chosen"),
    [
        ({"audit": {"every": 0, "samples": 4}}, "audit.samples", "every = 0"),
        ({"audit": {"every": 0, "stop_cosine": 0.5}}, "audit.stop_cosine", "every = 0"),
        ({"solver": {"cluster": "tcp://a:1", "workers": 2}}, "solver.workers", 'cluster = "tcp://a:1"'),
        ({"solver": {"initial": {}, "start": "cold"}}, "solver.start", "a table initial"),
        ({"data": {"name": "xor", "validation": 0.2}}, "data.validation", 'name = "xor"'),
        (
            {"data": {"name": "csv", "targets": ["y"], "label": "kind"}},
            "data.label",
            "targets = ['y']",
        ),
        ({"learning": {"reading": {"full_scale": 0.5}}}, "learning.reading.full_scale", "no bits"),
        ({"network": {"hidden": [], "amplifiers": {}}}, "network.amplifiers", "hidden = []"),
        ({"network": {"neurons": {"span": 3.0}}}, "network.neurons.span", "train = []"),
    ],
)
def test_keys_that_do_nothing_are_refused_in_every_table(
    content: dict[str, Any], key: str, chosen: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(content, "mine.toml")
    assert str(caught.value).startswith(f"mine.toml: {key}: does nothing with {chosen}")


def test_a_run_that_recorded_such_a_key_before_is_still_read() -> None:
    content = {"audit": {"every": 0, "samples": 4}, "data": {"name": "iris", "noise": 0.3}}
    experiment = parse(content, "config.toml", recorded=True)
    assert experiment == parse({"audit": {"every": 0}, "data": {"name": "iris"}}, "mine.toml")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("xor", "none"),
        *((name, "standard") for name in ("moons", "iris", "csv", "npz")),
        *((name, "unit") for name in ("digits", "mnist", "fashion-mnist")),
    ],
)
def test_scaling_left_out_is_what_the_data_need(name: str, kind: str) -> None:
    for given in ({}, {"scaling": "auto"}):
        experiment = parse({"data": {"name": name, **given}}, "mine.toml")
        assert experiment.data.scaling == kind
        assert tomllib.loads(to_toml(experiment))["data"]["scaling"] == kind  # as a run records it
    assert parse({"data": {"name": name, "scaling": "unit"}}, "mine.toml").data.scaling == "unit"


def test_another_data_set_gets_the_scaling_that_it_needs() -> None:
    iris = parse({"data": {"name": "iris"}}, "mine.toml")
    assert changed(iris, ["data.name=digits"]).data.scaling == "unit"


def test_the_rate_left_out_is_written_out_for_adam_and_missing_for_sgd() -> None:
    adam = parse({"learning": {"optimizer": "adam"}}, "mine.toml")
    assert tomllib.loads(to_toml(adam))["learning"]["learning_rate"] == 2e-7
    assert changed(adam, ["learning.optimizer=sgd"]).learning.learning_rate is None
