from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqcirc.errors import ConfigError
from eqcirc.experiment.load import (
    decisive,
    differences,
    flatten,
    in_words,
    load_experiment,
    parse,
    to_toml,
)
from eqcirc.experiment.network import Diodes
from eqcirc.experiment.schema import Experiment

CIRCUITS = Path(__file__).parents[2] / "circuits"
NAN = float("nan")


def nested(key: str, value: Any) -> dict[str, Any]:
    """The tables that hold a value at a dotted key."""
    *sections, last = key.split(".")
    content: dict[str, Any] = {last: value}
    for section in reversed(sections):
        content = {section: content}
    return content


def text(tmp_path: Path, content: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n"])
def test_an_empty_file_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.toml is empty: expected at least the data to train on"):
        load_experiment(text(tmp_path, content))


def test_what_is_left_out_is_the_default(tmp_path: Path) -> None:
    assert load_experiment(text(tmp_path, "seed = 0")) == Experiment()


def test_a_mark_of_the_byte_order_in_front_is_no_mistake(tmp_path: Path) -> None:
    assert load_experiment(text(tmp_path, "\ufeffseed = 7\n")).seed == 7


@pytest.mark.parametrize("file", sorted(CIRCUITS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_experiments_that_come_along_are_valid(file: Path) -> None:
    assert load_experiment(file).name == file.stem


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("seed", -1, "expected a number of at least 0, got -1"),
        ("seed", 1.5, "expected a whole number, got 1.5"),
        ("seed", True, "expected a whole number, got True"),
        ("seed", "1", "expected a whole number, got '1'"),
        (
            "name",
            "a b",
            "expected letters, digits, '.', '_' and '-', the first one a letter or digit, got 'a b'",
        ),
        (
            "name",
            "../up",
            "expected letters, digits, '.', '_' and '-', the first one a letter or digit, got '../up'",
        ),
        ("name", 3, "expected text in quotes, got 3"),
        ("data", 3, "expected a table, got 3"),
        ("data.path", 4, "expected a path, got 4"),
        ("data.validation", 1.0, "expected a number below 1, got 1.0"),
        ("data.test", -0.1, "expected a number of at least 0, got -0.1"),
        ("data.noise", NAN, "expected a finite number, got nan"),
        ("data.limit", 0, "expected a number of at least 1, got 0"),
        ("network.hidden", 64, "expected a list, got 64"),
        ("network.hidden.0", [0], "expected a number of at least 1, got 0"),
        ("network.input_gain", float("inf"), "expected a finite number, got inf"),
        ("network.double_inputs", "yes", "expected true or false, got 'yes'"),
        ("network.double_inputs", 1, "expected true or false, got 1"),
        ("network.bounds", [1e-6], "expected one more value, got [1e-06]"),
        ("network.bounds", [1e-6, 1e-5, 1e-4], "expected at most 2 values, got [1e-06, 1e-05, 0.0001]"),
        ("network.bounds", [1e-5, 1e-6], "expected a lower value, then a higher one, got [1e-05, 1e-06]"),
        ("network.bounds", [1e-5, 1e-5], "expected a lower value, then a higher one, got [1e-05, 1e-05]"),
        ("network.bounds.0", [0, 1e-5], "expected a number of at least 1e-12, got 0"),
        ("network.bounds.0", [-1e-6, 1e-5], "expected a number of at least 1e-12, got -1e-06"),
        ("network.bounds.1", [1e-6, 1e6], "expected a number of at most 1000, got 1000000.0"),
        ("network.initial.1", [1e-6, NAN], "expected a finite number, got nan"),
        ("network.skips.0", [[0]], "expected one more value, got [0]"),
        ("network.skips.0.1", [[0, -2]], "expected a number of at least 0, got -2"),
        ("network.diodes", 3, "expected a table, got 3"),
        ("network.amplifiers", [], "expected a table, got []"),
        ("network.amplifiers.gain", 0, "expected a number above 0, got 0"),
        ("learning.beta", 0, "expected a number above 0, got 0"),
        ("learning.beta", "1e-7", "expected a number, got '1e-7'"),
        ("learning.learning_rate", -1, "expected a number above 0, got -1"),
        ("learning.learning_rate", "fast", "expected a number, got 'fast'"),
        ("learning.learning_rate.w1", {"w1": 0.0}, "expected a number above 0, got 0.0"),
        ("learning.decay", 1.1, "expected a number of at most 1, got 1.1"),
        ("learning.decay", NAN, "expected a finite number, got nan"),
        ("learning.failed_limit", 1, "expected a number below 1, got 1"),
        ("audit.stop_cosine", 2.0, "expected a number of at most 1, got 2.0"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(key: str, value: Any, problem: str) -> None:
    plain = re.sub(r"\.\d+", "", key) if isinstance(value, list) else key
    if isinstance(value, dict):
        plain = key.rpartition(".")[0]
    with pytest.raises(ConfigError) as caught:
        parse(nested(plain, value), "mine.toml")
    assert str(caught.value) == f"mine.toml: {key}: {problem}"


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [
        (
            "data.name",
            "irs",
            "did you mean 'iris'? Valid: csv, digits, fashion-mnist, iris, mnist, moons, npz, xor.",
        ),
        ("data.scaling", "units", "did you mean 'unit'? Valid: auto, none, standard, unit."),
        (
            "network.diodes.kind",
            "one-sided",
            "did you mean 'one_sided'? Valid: antiparallel, none, one_sided.",
        ),
        ("network.biases.kind", "rails", "did you mean 'rail'? Valid: current, none, rail."),
        ("learning.optimizer", "Adam", "did you mean 'adam'? Valid: adam, sgd."),
        ("learning.cost", 5, "Valid: cross_entropy, phase_error, squared_error."),
        ("solver.engine", "spice", "did you mean 'ngspice'? Valid: ideal, ngspice."),
    ],
)
def test_a_misspelt_value_gets_the_nearest_one(key: str, value: Any, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(nested(key, value), "mine.toml")
    assert str(caught.value) == f"mine.toml: {key}: unknown value {value!r}: {hint}"


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("nam", "name"),
        ("netwrok", "network"),
        ("data.nois", "noise"),
        ("network.hiden", "hidden"),
        ("network.diodes.rial", "rail"),
        ("network.amplifiers.gian", "gain"),
        ("network.biases.volts", "voltage"),
        ("learning.bta", "beta"),
        ("solver.worker", "workers"),
        ("audit.evry", "every"),
    ],
)
def test_a_misspelt_key_gets_the_nearest_one(key: str, nearest: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(nested(key, 1), "mine.toml")
    assert str(caught.value).startswith(f"mine.toml: unknown key '{key}': did you mean '{nearest}'? Valid: ")


def test_keys_in_a_list_of_tables_are_named_by_their_place() -> None:
    diodes = [{"rail": 0.1}, {"rail": -0.1, "knie": 1.0}]
    with pytest.raises(ConfigError) as caught:
        parse({"network": {"diodes": diodes}}, "mine.toml")
    assert str(caught.value).splitlines() == [
        "mine.toml: 2 problems",
        "  network.diodes.1.rail: expected a number of at least 0, got -0.1",
        "  unknown key 'network.diodes.1.knie': did you mean 'knee'? Valid: conductance, emission, kind, knee, law, "
        "rail, saturation_current.",
    ]


def test_all_problems_are_told_at_once() -> None:
    content = {
        "sed": 1,
        "seed": -1,
        "learning": {"beta": 0, "epochs": 0},
        "data": {"name": "xor", "tset": 0.1},
    }
    with pytest.raises(ConfigError) as caught:
        parse(content, "mine.toml")
    first, *rest = str(caught.value).splitlines()
    assert first == "mine.toml: 5 problems"
    for key in ("'sed'", "seed", "learning.beta", "learning.epochs", "'data.tset'"):
        assert sum(key in line.partition(": ")[0] for line in rest) == 1


def test_the_diodes_are_one_table_or_a_list() -> None:
    assert parse({"network": {"diodes": {"rail": 0.1}}}, "x").network.diodes == Diodes(rail=0.1)
    both = parse({"network": {"diodes": [{"rail": 0.1}, {"kind": "none"}]}}, "x").network.diodes
    assert both == (Diodes(rail=0.1), Diodes(kind="none"))
    assert parse({"network": {"diodes": []}}, "x").network.diodes == ()


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(ConfigError, match=r"^x: learning.beta: expected a number, got 10{17}\.\.\.0{19}$"):
        parse({"learning": {"beta": 10**400}}, "x")


def test_whole_numbers_are_numbers() -> None:
    assert parse({"network": {"input_gain": 5}}, "x").network.input_gain == 5.0


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no experiment file .*no\.toml; write one with 'eqcirc init', or see"
    ):
        load_experiment(tmp_path / "no.toml")
    with pytest.raises(ConfigError, match=r"got the folder .*; a run in it goes on with 'eqcirc resume /"):
        load_experiment(tmp_path)
    with pytest.raises(ConfigError, match=r"mine\.toml is not valid TOML: .* \(at line 2, column 8\)"):
        load_experiment(text(tmp_path, "\nseed = ?\n"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"binary\.toml cannot be read: 'utf-8' codec"):
        load_experiment(tmp_path / "binary.toml")


def test_a_path_counts_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = text(tmp_path, '[data]\npath = "sub/my.csv"')
    assert load_experiment(file).data.path == tmp_path / "sub" / "my.csv"
    monkeypatch.chdir(tmp_path)
    assert load_experiment("mine.toml").data.path == tmp_path / "sub" / "my.csv"
    assert parse({"data": {"path": "my.csv"}}, "--set").data.path == tmp_path / "my.csv"
    assert parse({"data": {"path": "/abs/my.csv"}}, "x", tmp_path).data.path == Path("/abs/my.csv")


numbers = st.floats(1e-9, 1e-3)
experiments = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,8}\Z"),
        "seed": st.integers(0, 2**40),
        "data": st.fixed_dictionaries(
            {
                "name": st.just("csv"),
                "label": st.text(max_size=5).filter(str.isprintable),
                "targets": st.lists(st.text("ab\"'\\ü∑", max_size=4)),
            },
            optional={"limit": st.integers(1, 10**6), "path": st.sampled_from(["/a b/c.csv", '/"q"/x'])},
        ),
        "network": st.fixed_dictionaries(
            {
                "hidden": st.lists(st.integers(1, 99), min_size=1, max_size=3),
                "skips": st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)).map(list), max_size=2),
                "diodes": st.fixed_dictionaries({"rail": st.floats(0, 9)})
                | st.lists(st.just({"kind": "none"})),
            },
            optional={"initial": st.tuples(numbers, numbers).map(list), "amplifiers": st.just({"gain": 2.5})},
        ),
        "learning": st.fixed_dictionaries(
            {"learning_rate": numbers | st.dictionaries(st.text(min_size=1, max_size=4), numbers)}
        ),
        "solver": st.fixed_dictionaries({}, optional={"workers": st.integers(1, 8)}),
    }
)


@given(experiments)
def test_an_experiment_survives_the_file_unchanged(content: dict[str, Any]) -> None:
    import tomllib

    if content["data"]["targets"]:  # then no column holds the classes
        del content["data"]["label"]
    experiment = parse(content, "x")
    assert parse(tomllib.loads(to_toml(experiment)), "y") == experiment


def test_differences_name_the_keys_that_matter() -> None:
    one = Experiment()
    other = parse(
        {
            "seed": 1,
            "network": {"diodes": [{}], "amplifiers": {"gain": 2.0}},
            "learning": {"learning_rate": {"w1": 1e-7}},
            "solver": {"workers": 3, "deadline": 5.0},
            "data": {"path": "elsewhere"},
        },
        "x",
    )
    assert differences(one, one) == {}
    found = differences(one, other)
    assert found["seed"] == (0, 1)
    assert found["network.amplifiers.gain"] == (None, 2.0)
    assert found["learning.learning_rate"] == (2e-7, None)
    assert found["learning.learning_rate.w1"] == (None, 1e-7)
    assert not {"data.path", "solver.workers", "solver.deadline"} & found.keys()
    assert any(key.startswith("network.diodes") for key in found)
    assert in_words({"a.b": (None, 2.0), "c": ("x", "y")}) == "a.b = 2.0 (was not set), c = y (was x)"


def test_what_decides_a_result_can_be_read_back() -> None:
    one = parse(
        {"name": "x", "data": {"path": "a"}, "network": {"neurons": {}}, "solver": {"workers": 2}}, "x"
    )
    again = parse(json.loads(json.dumps(decisive(one))), "y")
    assert differences(one, again) == {}
    assert (again.data.path, again.solver.workers, again.name) == (None, None, "x")


def test_nested_tables_become_dotted_keys() -> None:
    assert flatten({"a": 1, "b": {"c": {"d": [2]}}}) == {"a": 1, "b.c.d": [2]}
