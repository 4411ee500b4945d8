"""Whatever goes wrong: one message that says what to do, the exit code of its kind, no traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("one_worker")

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        # options and arguments
        ("train", 2, r"Missing argument 'config'"),
        ("tarin tiny.toml", 2, r"No such command 'tarin'.*[Dd]id you mean 'train'"),
        ("train tiny.toml --ouput x", 2, r"No such option: --ouput"),
        ("train tiny.toml --workers 0", 2, r"Invalid value for '--workers'"),
        ("train tiny.toml --seed one", 2, r"Invalid value for '--seed'"),
        ("evaluate run --part all", 2, r"'all' is not one of 'train', 'validation', 'test'"),
        ("solve tiny.toml --samples 0", 2, r"'--samples': it should be greater than or equal to 1, got 0"),
        (
            "solve tiny.toml --engine spice",
            2,
            r"'--engine': 'spice' is not one of 'both', 'ngspice', 'ideal'",
        ),
        ("turing --noise nan", 2, r"'--noise': it should be greater than or equal to 0, got nan"),
        (
            "solve tiny.toml --scaled",
            2,
            r"^error: --scaled says that the values of --inputs are scaled already",
        ),
        (
            "init x.toml --data digit",
            2,
            r"^error: init: data\.name: unknown value 'digit': did you mean 'digits'\?",
        ),
        (
            "init no/where.toml",
            2,
            r"^error: cannot write no/where\.toml: there is no folder no; make it first",
        ),
        ("init . --force", 2, r"^error: cannot write \.: it is a folder; name a file in it"),
        # the experiment
        (
            "train no.toml",
            2,
            r"^error: no experiment file no\.toml; write one with 'eqcirc init', or see circuits",
        ),
        (
            "train .",
            2,
            r"^error: expected an experiment file, got the folder \.; a run in it goes on with 'eqcirc resume \.'",
        ),
        (
            "train tiny.toml --set epochs",
            2,
            r"^error: --set 'epochs': expected key=value, for example learning",
        ),
        ("train tiny.toml --set =5", 2, r"^error: --set '=5': expected key=value"),
        (
            "train tiny.toml --set learning.epoch=5",
            2,
            r"unknown key 'learning\.epoch': did you mean 'epochs'\?",
        ),
        ("train tiny.toml --set learning.epochs.x=5", 2, r"^error: --set .*'epochs' is a value, not a table"),
        (
            "train tiny.toml --set learning.epochs=many",
            2,
            r"learning\.epochs: expected a whole number, got 'many'",
        ),
        ("train tiny.toml --set data.name=irs", 2, r"data\.name: unknown value 'irs': did you mean 'iris'\?"),
        (
            "train tiny.toml --set network.bounds=[0,1e-5]",
            2,
            r"network\.bounds\.0: expected a number of at least 1e-12",
        ),
        (
            "train tiny.toml --set network.initial=[-1e-6,1e-6]",
            2,
            r"network\.initial\.0: expected .* got -1e-06",
        ),
        ("train tiny.toml --set learning.beta=0", 2, r"learning\.beta: expected a number above 0, got 0"),
        ("train tiny.toml --set learning.beta=nan", 2, r"learning\.beta: expected a finite number, got nan"),
        ("train tiny.toml --seed -1", 2, r"^error: --seed: seed: expected a number of at least 0, got -1"),
        ("check tiny.toml --beta 0", 2, r"^error: --beta: learning\.beta: expected a number above 0, got 0"),
        ("check tiny.toml --beta=-1e-7", 2, r"beta: expected a number above 0, got -1e-07"),
        (
            "train tiny.toml --set learning.learning_rate={w1=1e-7}",
            2,
            r"learning_rate: no rate for b1, b2, w2",
        ),
        (
            "train tiny.toml --set learning.learning_rate={w1=1e-7,b1=1,w2=1,b2=1,w3=1}",
            2,
            r"no trainable element 'w3'",
        ),
        (
            "train tiny.toml --set learning.cost=squared_error --set learning.high=50.0",
            2,
            r"^error: target 50 V is out of reach: .* no output exceeds .* V in magnitude, .*; lower the targets",
        ),
        (
            "train tiny.toml --set data.path=x.csv",
            2,
            r"^error: data\.path: data 'xor' is built in and reads no file",
        ),
        (
            "train tiny.toml --set data.name=csv",
            2,
            r"^error: data\.path: expected the file to read for data 'csv'",
        ),
        # data
        ("train csv.toml --set data.path=no.csv", 3, r"^error: .*no\.csv: expected a file here, found none"),
        (
            "train csv.toml --set data.path=nan.csv",
            3,
            r"nan\.csv: expected a finite number, got an empty cell or NaN",
        ),
        ("train csv.toml --set data.path=inf.csv", 3, r"inf\.csv: expected a finite number, got '?-?inf"),
        (
            "train csv.toml --set data.path=text.csv",
            3,
            r"text\.csv: expected a finite number, got 'warm' in column 'a'",
        ),
        (
            "train csv.toml --set data.path=fractions.csv",
            3,
            r"fractions\.csv: expected whole numbers or text as classes in column 'label', got 0\.5",
        ),
        ("train csv.toml --set data.path=tiny.toml", 3, r"tiny\.toml: expected "),
        ("train csv.toml --set data.label=kind", 3, r"good\.csv: expected a column 'kind' in the header"),
        (
            "train csv.toml --set data.name=npz --set data.path=broken.npz",
            3,
            r"broken\.npz: expected an undamaged NPZ",
        ),
        ("solve tiny.toml --inputs numbers.csv", 3, r"names the columns, got only numbers: 0\.5, 1"),
        (
            "solve csv.toml --inputs renamed.csv",
            3,
            r"the circuit was made for \(a, b\), no column is called a; got b, c",
        ),
        (
            "stability csv.toml --inputs renamed.csv --scaled",
            3,
            r"was made for \(a, b\), no column is called a; got b, c",
        ),
        ("solve tiny.toml --inputs no.csv", 3, r"no\.csv: expected a file here, found none"),
        (
            "solve tiny.toml --inputs wide.csv",
            3,
            r"wide\.csv: expected 2 columns, one for each feature, got 3",
        ),
        (
            "netlist tiny.toml --inputs nan.csv",
            3,
            r"nan\.csv: expected 2 columns|nan\.csv: expected a finite number",
        ),
        # the circuit
        (
            "train tiny.toml --set network.initial=[1e-9,1e-6]",
            4,
            r"initial conductances 1e-09 to 1e-06 S: expected a",
        ),
        (
            "train tiny.toml --set network.input_gain=0",
            4,
            r"input 'x': expected a finite gain other than 0 V",
        ),
        (
            "train tiny.toml --set network.amplifiers.gain=1e9",
            4,
            r"amplifier 'a1': voltage gain A, in magnitude, must be between",
        ),
        (
            "train tiny.toml --set network.skips=[[0,1]]",
            4,
            r"skip connection from layer 0 to layer 1: expected",
        ),
        (
            "train tiny.toml --set network.hidden=[2,2] --set network.skips=[[1,3]]",
            4,
            r"closes a loop that asks for two scalings at node .*use ideal transformers \(kappa = gain\)",
        ),
        # solving
        (
            "train tiny.toml --set learning.beta=1e-3 --out x",
            5,
            r"step 0: 2 of 2 samples have no usable .*beta = 0\.001",
        ),
        ("check tiny.toml --beta 1e-3", 5, r"4 of 4 samples failed: sample 0: .*beta"),
        # runs
        ("resume nothing", 6, r"^error: nothing is not a run directory: it has no config\.toml"),
        ("resume .", 6, r"is not a run directory"),
        (
            "evaluate tiny.toml",
            6,
            r"^error: tiny\.toml is not a run directory; train one with 'eqcirc train'",
        ),
        ("evaluate .", 6, r"is not a run directory"),
        ("solve .", 6, r"is not a run directory"),
        *(
            (
                f"{command} nothing",
                2,
                r"^error: no run directory and no experiment file nothing; 'eqcirc train' makes",
            )
            for command in ("solve", "check", "netlist", "stability")
        ),
        (
            "train tiny.toml --out good.csv",
            2,
            r"^error: cannot make the run directory good\.csv: File exists",
        ),
        (
            "train tiny.toml --out good.csv/run",
            2,
            r"^error: cannot make the run directory good\.csv/run: Not a dir",
        ),
        (
            "train tiny.toml --out .",
            2,
            r"^error: \. is not empty and not a run directory; choose another one with --out",
        ),
        ("train tiny.toml --out . --overwrite", 2, r"is not empty and not a run directory"),
        # output files
        (
            "solve tiny.toml --engine ideal --csv no/x.csv",
            2,
            r"^error: cannot write no/x\.csv: there is no folder no;",
        ),
        ("netlist tiny.toml --out no/x.sp", 2, r"^error: cannot write no/x\.sp: there is no folder no;"),
    ],
)
def test_a_mistake_is_one_message_and_the_exit_code_of_its_kind(
    eqcirc: Command, files: None, arguments: str, code: int, message: str
) -> None:
    result = eqcirc(*arguments.split(" "))
    assert result.out == ""
    assert re.search(message, result.err, re.DOTALL), result.err
    assert result.code == code


def test_running_out_of_memory_is_one_message(eqcirc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """numpy's own error, of an array that no machine has room for."""

    def too_large(*_: object, **__: object) -> None:
        np.empty(2**52)

    monkeypatch.setattr("eqcirc.experiment.opened.build_circuit", too_large)
    result = eqcirc("check", "tiny.toml")
    assert result.code == 5
    assert re.search(
        r"^error: out of memory \(Unable to allocate .*take a smaller batch_size", result.err, re.DOTALL
    )


@pytest.fixture
def files(tmp_path: Path) -> None:
    """Data files, good and bad ones, and an experiment that reads them."""
    rows = [f"{k / 10},{(-1) ** k},{k % 3}" for k in range(12)]
    for name, row in {
        "good": "1,2,0",
        "nan": "nan,2,0",
        "inf": "1,-inf,0",
        "text": "warm,2,0",
        "fractions": "1,2,0.5",
    }.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,label", *rows, row]))
    (tmp_path / "wide.csv").write_text("a;b;c\n1;2;0\n")
    (tmp_path / "numbers.csv").write_text("0.5,1\n1,0\n")
    (tmp_path / "renamed.csv").write_text("b,c\n1,0\n")
    np.savez(tmp_path / "broken.npz", inputs=np.ones((4, 2)), labels=np.arange(4) % 2)
    whole = (tmp_path / "broken.npz").read_bytes()
    (tmp_path / "broken.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "csv.toml").write_text(
        'data = { name = "csv", path = "good.csv" }\nsolver = { engine = "ideal" }'
    )


def test_every_mistake_in_a_file_is_told_at_once(eqcirc: Command) -> None:
    Path("bad.toml").write_text('nmae = "x"\n[learning]\nbeta = 0\n[network.diodes]\nkind = "both"\n')
    result = eqcirc("train", "bad.toml")
    assert result.code == 2
    assert [line.split(":")[0] for line in result.err.splitlines()] == [
        "error",
        "  network.diodes.kind",
        "  learning.beta",
        "  unknown key 'nmae'",
    ]


def test_a_file_that_is_not_toml_is_named_with_the_line(eqcirc: Command) -> None:
    Path("bad.toml").write_text("seed = 1\nname == 2\n")
    result = eqcirc("train", "bad.toml")
    assert result.code == 2
    assert "experiment file bad.toml is not valid TOML: " in result.err
    assert "(at line 2, column 7)" in result.err


def test_a_run_in_use_is_refused(eqcirc: Command) -> None:
    assert eqcirc("train", "tiny.toml").code == 0
    result = eqcirc("train", "tiny.toml")
    assert result.code == 2
    assert result.err == (
        "error: runs/tiny holds a run already: go on with 'eqcirc resume runs/tiny', choose another folder with "
        "--out, or replace it with --overwrite\n"
    )
    assert eqcirc("train", "tiny.toml", "--overwrite").code == 0


def test_damage_of_a_run_is_named(eqcirc: Command) -> None:
    assert eqcirc("train", "tiny.toml", "--out", "run").code == 0
    arrays = next(Path("run").glob("*.npz"))
    arrays.write_bytes(arrays.read_bytes()[:-9])
    for command in ("resume", "evaluate", "solve", "check", "netlist"):
        result = eqcirc(command, "run")
        assert result.code == 6
        assert "was damaged: its checksum is not the one in checkpoint.json; restore the folder" in result.err
    Path("run/checkpoint.json").write_text("{}")
    assert "checkpoint.json is damaged" in eqcirc("evaluate", "run").err
    Path("run/checkpoint.json").unlink()
    result = eqcirc("resume", "run")
    assert (result.code, result.err) == (
        6,
        "error: no checkpoint in run: expected checkpoint.json; is this a run directory?\n",
    )
    Path("run/config.toml").write_text("name = ")
    assert eqcirc("resume", "run").code == 2


def test_a_part_that_does_not_exist_is_named(eqcirc: Command) -> None:
    Path("iris.toml").write_text(
        'data = { name = "iris", validation = 0.0, limit = 6 }\nsolver = { engine = "ideal" }'
    )
    assert eqcirc("train", "iris.toml", "--out", "run", "--set", "learning.epochs=1").code == 0
    result = eqcirc("evaluate", "run", "--part", "validation")
    assert result.code == 3
    assert result.err == "error: the run has no validation part: data.validation = 0 in its experiment\n"


# without libngspice


def test_without_ngspice_the_ideal_solver_trains_with_a_warning(eqcirc: Command, no_ngspice: None) -> None:
    result = eqcirc("train", "tiny.toml")
    assert result.code == 0
    first, *_ = result.err.splitlines()
    assert first.startswith(
        "warning: no audits and no comparison with ngspice: NGSPICE_LIBRARY_PATH names '/nonex"
    )
    assert "sudo apt-get install ngspice" in first
    assert "audits" not in result.out


@pytest.mark.parametrize(
    "command", ["train --set solver.engine=ngspice", "solve", "evaluate --engine ngspice"]
)
def test_without_ngspice_nothing_else_pretends_to_work(
    eqcirc: Command, no_ngspice: None, command: str
) -> None:
    name, *options = command.split()
    source = "tiny.toml"
    if name == "evaluate":
        assert eqcirc("train", "tiny.toml", "--out", "run").code == 0
        source = "run"
    result = eqcirc(name, source, *options)
    assert (result.code, result.out) == (5, "")
    assert "sudo apt-get install ngspice libngspice0 libngspice0-dev" in result.err
    assert not Path("runs").exists()


def test_what_files_say_does_not_command_the_terminal(eqcirc: Command) -> None:
    """Names of columns, values and other words of files are shown in errors and warnings."""
    Path("evil.toml").write_text('name = "x"\n[data]\n"na\\u001b]0;owned\\u0007\\u001b[2Jme" = 1\n')
    done = eqcirc("train", "evil.toml")
    assert done.code == 2
    assert "unknown key 'data.na?]0;owned??[2Jme'" in done.err
    assert "\x1b" not in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        "solve missing.toml --csv there",
        "netlist missing.toml -o there",
        "check missing.toml --trials 2 --picture there",
        "fit missing.csv -o there.toml",
        "fit missing.csv --plot there",
        "turing --device missing.toml -o there.png",
    ],
)
def test_where_results_go_is_looked_at_before_anything_is_read(eqcirc: Command, arguments: str) -> None:
    for name in ("there", "there.toml", "there.png"):
        Path(name).mkdir()
    done = eqcirc(*arguments.split())
    assert done.code == 2
    assert re.match(r"error: cannot write there[.a-z]*: it is a folder; name a file in it", done.err)
