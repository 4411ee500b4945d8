from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from eqcirc.errors import ConfigError
from eqcirc.experiment.build import build_circuit
from eqcirc.experiment.load import differences, model_in, parse
from eqcirc.experiment.schema import Data, Experiment
from eqcirc.experiment.template import starting_point, template

DATA = get_args(Data.model_fields["name"].annotation)
NAMED_FILES = {"csv": Path("data.csv"), "npz": Path("data.npz")}


def keys(model: type[BaseModel]) -> Iterator[str]:
    """All keys of a schema, without their tables."""
    for name, info in model.model_fields.items():
        inner = model_in(info.annotation)
        if inner is None:
            yield name
        else:
            yield from keys(inner)


def uncommented(text: str) -> str:
    """The file with every optional key in use."""
    return re.sub(r"^(# )+(?=[\[a-z])", "", text.partition("\n\n")[2], flags=re.MULTILINE)


@pytest.mark.parametrize("data", DATA)
def test_a_template_says_what_its_experiment_says(data: str) -> None:
    experiment = starting_point(data)
    assert experiment.data.name == data
    read = parse(tomllib.loads(template(experiment)), "template")
    assert differences(read, experiment) == {}
    assert (read.solver, experiment.data.path) == (experiment.solver, NAMED_FILES.get(data))


@pytest.mark.parametrize("data", NAMED_FILES)
def test_a_template_for_own_data_has_a_path_to_fill_in(data: str) -> None:
    read = tomllib.loads(template(starting_point(data)))
    assert read["data"]["path"] == f"data.{data}"  # from the folder of the file, wherever it will be


@pytest.mark.parametrize("data", DATA)
def test_a_template_mentions_every_key_with_its_meaning(data: str) -> None:
    text = template(starting_point(data))
    for name in keys(Experiment):
        assert re.search(rf"^(# )*{name} = .+  # \S.+$", text, re.MULTILINE), name


def test_every_optional_key_is_valid_once_its_mark_is_removed() -> None:
    for experiment in (Experiment(), starting_point("csv")):
        text = uncommented(template(experiment)).replace('recovery = "rl"', 'recovery = "gyrator"')
        content = tomllib.loads(text)
        assert content.pop("circuit")  # in place of the network
        with pytest.raises(ConfigError, match=r"solver\.workers: does nothing with cluster"):
            parse({"solver": content["solver"]}, "template")
        assert content["solver"].pop("cluster")
        one_way = {key: content["network"].pop(key) for key in ("feedback", "cells")}
        assert content["network"].pop("oscillators")  # of another kind of network
        assert content["learning"].pop("window")  # of another rule
        full = parse(content, "template")
        assert full.data.limit
        assert full.data.path
        assert full.network.initial
        assert full.network.amplifiers
        assert full.network.amplifiers.kappa
        assert full.network.residual
        assert full.network.neurons
        assert full.network.neurons.inhibition
        assert full.solver.workers
        assert full.learning.reading
        assert full.learning.reading.bits
        for key in ("neurons", "diodes"):
            del content["network"][key]
        content["network"] |= one_way | {"weights": "one_way", "bounds": [-1e-5, 1e-5]}
        other = parse(content, "template")
        assert other.network.feedback
        assert other.network.cells


def test_unusual_values_are_written_on_one_line_and_read_back() -> None:
    experiment = parse(
        {
            "data": {
                "name": "csv",
                "targets": ["y", 'a "b" \\', "ü, z"],
                "path": "/some where/x.csv",
            },
            "network": {
                "hidden": [3, 2],
                "skips": [[0, 2], [1, 3]],
                "diodes": [{"rail": 0.1}, {"kind": "none"}],
                "biases": {"kind": "none"},
            },
            "learning": {"learning_rate": {"w1": 1e-7, "b 1": 2.5e-12}},
        },
        "x",
    )
    text = template(experiment)
    assert 'learning_rate = { w1 = 1e-7, "b 1" = 2.5e-12 }  # one if' in text
    assert "skips = [[0, 2], [1, 3]]" in text
    assert text.count("\n[[network.diodes]]  # ") == 2
    assert parse(tomllib.loads(text), "template") == experiment
    nothing = parse({"network": {"diodes": []}}, "x")
    assert parse(tomllib.loads(template(nothing)), "template") == nothing


def test_comments_are_aligned_within_a_table() -> None:
    for block in template(Experiment()).split("\n\n")[1:]:
        lines = [line for line in block.splitlines() if "=" in line.partition("  #")[0]]
        entries = [line.partition("  # ")[0] for line in lines]
        short = {len(entry) for entry in entries if len(entry.rstrip()) <= 40}
        assert len(short) <= 1, block


@pytest.mark.parametrize("data", DATA)
def test_starting_points_can_be_built(data: str) -> None:
    build_circuit(starting_point(data), 3, 2)


def test_there_is_no_starting_point_for_unknown_data() -> None:
    with pytest.raises(ConfigError, match=r"data\.name: unknown value 'digit': did you mean 'digits'\?"):
        starting_point("digit")
