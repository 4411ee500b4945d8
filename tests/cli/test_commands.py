from __future__ import annotations

import csv
import json
import math
import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eqcirc.solvers.base import OperatingPoints
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array

pytestmark = pytest.mark.usefixtures("one_worker")

Command = Callable[..., Any]


@pytest.fixture
def trained(eqcirc: Command) -> str:
    """The directory of a tiny run."""
    assert eqcirc("train", "tiny.toml", "--out", "run", "--set", "audit.every=0").code == 0
    return "run"


def test_version(eqcirc: Command) -> None:
    assert eqcirc("--version").out == f"eqcirc {version('eqcirc')}\n"


def test_without_a_command_the_help_is_shown(eqcirc: Command) -> None:
    result = eqcirc()
    assert result.code == 2
    for command in (
        "init",
        "train",
        "resume",
        "evaluate",
        "runs",
        "compare",
        "report",
        "solve",
        "check",
        "netlist",
        "stability",
        "turing",
        "fit",
        "doctor",
    ):
        assert f" {command} " in result.out + result.err


@pytest.mark.parametrize(
    "command",
    [
        "init",
        "train",
        "resume",
        "evaluate",
        "runs",
        "compare",
        "report",
        "solve",
        "check",
        "netlist",
        "stability",
        "turing",
        "fit",
        "doctor",
    ],
)
def test_every_command_explains_itself(eqcirc: Command, command: str) -> None:
    for flag in ("--help", "-h"):
        result = eqcirc(command, flag)
        assert (result.code, result.err) == (0, "")
        assert f"eqcirc {command}" in result.out
        assert "<" not in result.out.partition("Example")[2].partition("\n")[0]
    assert "Exit codes: 0 done, 1 a check failed" in " ".join(eqcirc("--help").out.split())


# init


def test_init_writes_an_experiment_that_trains(eqcirc: Command) -> None:
    result = eqcirc("init", "mine.toml", "--data", "xor")
    assert (result.code, result.out) == (0, "wrote mine.toml; train it with: eqcirc train mine.toml\n")
    assert tomllib.loads(Path("mine.toml").read_text())["data"]["name"] == "xor"
    done = eqcirc(
        "train", "mine.toml", "--set", "solver.engine=ideal", "--set", "learning.epochs=1", "--json"
    )
    assert done.json["run"] == "runs/xor"


@pytest.mark.parametrize("data", ["csv", "npz"])
def test_init_for_own_data_says_what_is_missing(eqcirc: Command, data: str) -> None:
    result = eqcirc("init", "mine.toml", "--data", data)
    assert result.out == "wrote mine.toml; set data.path in it, then train it with: eqcirc train mine.toml\n"
    missing = eqcirc("train", "mine.toml").err
    assert missing.startswith(f"error: {Path.cwd() / 'data'}.{data}: expected a file here")


def test_init_replaces_a_file_only_if_told_to(eqcirc: Command) -> None:
    assert eqcirc("init").out.startswith("wrote experiment.toml")
    refused = eqcirc("init")
    assert refused.code == 2
    assert refused.err == "error: experiment.toml exists; choose another name or use --force\n"
    assert eqcirc("init", "--data", "iris", "--force").code == 0
    assert 'name = "iris"' in Path("experiment.toml").read_text()


# train, resume, evaluate


def test_train_reports_epochs_and_a_summary(eqcirc: Command) -> None:
    result = eqcirc("train", "tiny.toml")
    assert result.code == 0
    epochs = result.err.splitlines()
    assert [line.split()[:3] for line in epochs] == [["epoch", str(k), "loss"] for k in (1, 2, 3)]
    assert all(line.endswith(" samples/s") for line in epochs)
    summary = dict(line.split("  ", 1) for line in result.out.splitlines())
    assert summary.keys() == {
        *("trained", "test accuracy", "test cost", "ngspice − ideal", "audits", "run", "picture")
    }
    assert summary["trained"].strip() == "6 steps, 3 epochs, by ideal"
    assert summary["test accuracy"].strip().endswith("% of 4 samples")
    assert summary["test cost"].strip().endswith(" V, mean of 4 samples")
    assert summary["run"].strip() == "runs/tiny"
    assert Path("runs/tiny/run.png").exists()


def test_train_as_json_prints_one_object_and_nothing_else(eqcirc: Command) -> None:
    result = eqcirc("train", "tiny.toml", "--json", "--out", "x")
    assert result.err == ""
    assert result.json["run"] == "x"
    assert 0 <= result.json["test_accuracy"] <= 1
    assert result.json["steps"] == 6


def test_a_single_step_is_told_in_the_singular(eqcirc: Command) -> None:
    options = ["--set", "learning.epochs=1", "--set", "learning.batch_size=4"]
    assert "1 step, 1 epoch, by ideal" in eqcirc("train", "tiny.toml", *options).out


def test_keys_and_seed_can_be_replaced(eqcirc: Command) -> None:
    options = ["--seed", 4, "--set", "network.hidden=[2, 2]", "--set", 'learning.optimizer = "sgd"']
    options += ["--set", "learning.variant=positive", "--set", "learning.learning_rate=1e-17"]
    assert eqcirc("train", "tiny.toml", "--out", "x", "--workers", 1, *options).code == 0
    config = tomllib.loads(Path("x/config.toml").read_text())
    assert (config["seed"], config["network"]["hidden"], config["solver"]["workers"]) == (4, [2, 2], 1)
    assert (config["learning"]["optimizer"], config["learning"]["variant"]) == ("sgd", "positive")
    assert config["learning"]["epochs"] == 3


def test_resume_of_a_finished_run_reports_it_again(eqcirc: Command, trained: str) -> None:
    first = Path("run/summary.json").read_bytes()
    again = eqcirc("resume", trained, "--json")
    assert again.json["steps"] == 6
    assert again.err == "nothing left to train: all epochs are done; the run is scored once more\n"
    assert eqcirc("resume", trained, "--workers", 3).code == 0
    assert Path("run/summary.json").read_bytes() == first


def test_a_resume_with_another_experiment_names_the_keys(eqcirc: Command, trained: str) -> None:
    text = Path("tiny.toml").read_text()
    Path("other.toml").write_text(text.replace("batch_size = 2", "batch_size = 4"))
    result = eqcirc("resume", trained, "--config", "other.toml")
    assert result.code == 6
    assert (
        "does not match the run in run: learning.batch_size = 4 (was 2). A run may change audit.*"
        in result.err
    )


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_evaluate_scores_a_part(eqcirc: Command, trained: str, part: str) -> None:
    content = eqcirc("evaluate", trained, "--part", part, "--json").json
    assert content.keys() == {"part", "engine", "loss", "accuracy", "failed", "samples", "columns", "rows"}
    assert content["columns"] == ["class", "precision", "recall", "F1", "samples"]
    assert sum(row[2] * row[4] for row in content["rows"]) == pytest.approx(4 * content["accuracy"])
    assert (content["part"], content["engine"], content["samples"], content["failed"]) == (
        part,
        "ideal",
        4,
        0,
    )
    lines = eqcirc("evaluate", trained, "--part", part).out.splitlines()
    assert lines[:2] == [f"part      {part}", "engine    ideal"]
    assert lines[2] == f"accuracy  {content['accuracy']:.2%} of 4 samples"


def test_evaluate_gives_the_same_with_both_engines(eqcirc: Command, trained: str) -> None:
    ideal, spice = (eqcirc("evaluate", trained, "--engine", e, "--json").json for e in ("ideal", "ngspice"))
    assert spice["engine"] == "ngspice"
    assert spice["loss"] == pytest.approx(ideal["loss"], rel=1e-9)


# solve


def test_solve_shows_both_solvers_side_by_side(eqcirc: Command, trained: str) -> None:
    lines = eqcirc("solve", trained, "--samples", 2).out.splitlines()
    assert lines[0].split() == ["sample", "node", "ngspice", "(V)", "ideal", "(V)", "difference", "(V)"]
    nodes, outputs = lines[1 : lines.index("")], lines[lines.index("") + 1 :]
    assert outputs[0] == "outputs, by ideal; output 0 is v(op_0) - v(on_0), and so on"
    assert outputs[1].split() == [
        *["sample", "class", "probability", "output", "0", "(V)", "output", "1", "(V)"]
    ]
    for line in outputs[2:]:
        _, winner, probability, first, second = line.split()
        assert int(winner) == (float(second) > float(first)) and 0.5 <= float(probability) <= 1
    assert [line.split()[:2] for line in nodes] == [
        [str(k), node] for k in range(2) for node in ("op_0", "op_1", "on_0", "on_1")
    ]
    for line in nodes:
        spice, ideal, difference = map(float, line.split()[2:])
        assert spice == pytest.approx(ideal, rel=1e-5)
        assert abs(difference) < 1e-9


def test_solve_as_json_and_csv_has_full_precision(eqcirc: Command, trained: str) -> None:
    result = eqcirc("solve", trained, "--nodes", "all", "--engine", "ideal", "--csv", "out.csv", "--json")
    content = result.json
    assert content["columns"] == ["sample", "node", "ideal (V)"]
    assert len(content["rows"]) == 3 * (3 + 3 + 4)  # hidden nodes, amplifier outputs, outputs
    with Path("out.csv").open() as file:
        head, *rows = csv.reader(file)
    assert head == content["columns"]
    assert [[int(s), n, float(v)] for s, n, v in rows] == content["rows"]


def test_solve_tells_of_retries(eqcirc: Command, trained: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert eqcirc("solve", trained, "--json").json["retried"] == {}
    solve = NgspiceSolver.solve

    def after_a_retry(self: NgspiceSolver, *arguments: Any) -> OperatingPoints:
        return replace(solve(self, *arguments), rungs={1: "small steps"})

    monkeypatch.setattr(NgspiceSolver, "solve", after_a_retry)
    assert eqcirc("solve", trained, "--json").json["retried"] == {"1": "small steps"}
    said = eqcirc("solve", trained).err
    assert said == "sample 1 needed small steps before ngspice found an operating point\n"
    assert eqcirc("solve", trained, "--engine", "ideal").err == ""


def test_solve_takes_samples_from_a_file(eqcirc: Command, trained: str) -> None:
    Path("x.csv").write_text("a,b\n0.5,-0.25\n")
    one = eqcirc("solve", trained, "--inputs", "x.csv", "--engine", "ideal", "--json").json["rows"]
    assert len(one) == 4
    Path("x.csv").write_text("a,b\n1,1\n")
    rows = eqcirc("solve", trained, "--inputs", "x.csv", "--engine", "ideal", "--json").json["rows"]
    same = eqcirc("solve", trained, "--samples", 4, "--engine", "ideal", "--json").json["rows"][-4:]
    for row, other in zip(rows, same, strict=True):  # the last sample of XOR, unscaled
        assert row[1] == other[1]
        assert row[2] == pytest.approx(other[2], rel=1e-12)  # a batch of one is summed in another order


@pytest.mark.parametrize(("command", "most"), [("solve", 4), ("check", 4), ("netlist", 4), ("stability", 4)])
def test_fewer_samples_than_asked_for_are_told(eqcirc: Command, command: str, most: int) -> None:
    assert eqcirc(command, "tiny.toml", "--samples", most).err == ""
    said = eqcirc(command, "tiny.toml", "--samples", most + 1).err
    assert said == "warning: 5 samples were asked for, this part of xor has 4\n"


def test_a_folder_that_is_missing_is_named(eqcirc: Command, trained: str) -> None:
    result = eqcirc("solve", trained, "--engine", "ideal", "--csv", "no/v.csv")
    assert (result.code, result.err) == (
        2,
        "error: cannot write no/v.csv: there is no folder no; make it first\n",
    )


@pytest.fixture
def scaled_run(eqcirc: Command) -> str:
    """A run on a file of raw values, far from what its circuit is given."""
    lines = [f"{100 + 7 * k},{0.001 * (k * k % 11)},{k % 2}" for k in range(20)]
    Path("mine.csv").write_text("\n".join(["warm,thin,label", *lines]))
    Path("mine.toml").write_text(
        """
        data = { name = "csv", path = "mine.csv", scaling = "standard" }
        network = { hidden = [2], input_gain = 0.5, biases = { voltage = 1.0 } }
        learning = { epochs = 1 }
        solver = { engine = "ideal" }
        audit = { every = 0 }
        """
    )
    assert eqcirc("train", "mine.toml", "--out", "scaled").code == 0
    return "scaled"


def inputs_of(deck: str) -> list[float]:
    """The voltages of the driven nodes x_0 and x_1 of an exported deck."""
    lines = dict(line.split(" ", 1) for line in deck.splitlines() if line.startswith("V_x_"))
    return [float(lines[f"V_x_{k}"].split()[-1]) for k in range(2)]


@pytest.mark.parametrize("source", ["scaled", "mine.toml"])
def test_raw_values_are_scaled_and_found_by_name(eqcirc: Command, scaled_run: str, source: str) -> None:
    kept = json.loads(Path(scaled_run, "data.json").read_text())
    raw = (121.0, 0.004)
    inputs = [(v - c) * f for v, c, f in zip(raw, kept["centre"], kept["factor"], strict=True)]
    assert max(map(abs, inputs)) < 3
    Path("raw.csv").write_text(f"thin,warm\n{raw[1]},{raw[0]}\n")
    Path("inputs.csv").write_text(f"warm,thin\n{inputs[0]!r},{inputs[1]!r}\n")
    given = ["--inputs", "raw.csv"]
    deck = eqcirc("netlist", source, *given).out
    assert inputs_of(deck) == pytest.approx([0.5 * x for x in inputs], rel=1e-12)
    scaled = ["--inputs", "inputs.csv", "--scaled"]
    assert eqcirc("netlist", source, *scaled).out == deck
    for command in ("solve", "stability"):
        one, other = (eqcirc(command, source, *o, "--engine", "ideal", "--json") for o in (given, scaled))
        assert (one.code, one.err) == (0, "")
        assert one.out == other.out
    assert eqcirc("solve", source, "--inputs", "inputs.csv", "--engine", "ideal").out != one.out


def test_values_that_were_not_meant_so_are_noticed(eqcirc: Command, scaled_run: str) -> None:
    Path("scaled.csv").write_text("warm,thin\n-1.2,0.4\n0.3,-0.7\n")
    Path("raw.csv").write_text("warm,thin\n121.0,4.0\n105.0,6.0\n")
    for name, options, other in (
        ("scaled.csv", [], "scaled already? Then say --scaled"),
        ("raw.csv", ["--scaled"], "raw? Then leave out --scaled"),
    ):
        for command in ("solve", "netlist"):
            said = eqcirc(command, scaled_run, "--inputs", name, *options).err
            assert (
                f"warning: {name}: 100% of the values lie outside of what the circuit was trained on" in said
            )
            assert f"are they {other}" in said
    assert eqcirc("solve", scaled_run, "--inputs", "scaled.csv", "--scaled").err == ""


def test_a_gain_in_the_wrong_unit_is_noticed(eqcirc: Command) -> None:
    said = eqcirc("train", "tiny.toml", "--set", "network.input_gain=1e5", "--set", "learning.epochs=1").err
    assert (
        "warning: a source holds node x_0 at 1e+05 V, which is implausible: feature 0 is up to 1, times"
        in said
    )


def test_a_run_without_its_scaling_asks_for_it(eqcirc: Command, scaled_run: str) -> None:
    Path("raw.csv").write_text("warm,thin\n121,0.004\n")
    Path(scaled_run, "data.json").unlink()
    result = eqcirc("solve", scaled_run, "--inputs", "raw.csv", "--engine", "ideal")
    assert result.code == 6
    assert "scaled has no data.json, so the scaling of its training data is not known" in result.err
    assert eqcirc("solve", scaled_run, "--inputs", "raw.csv", "--scaled", "--engine", "ideal").code == 0
    assert eqcirc("resume", scaled_run).code == 0
    assert eqcirc("solve", scaled_run, "--inputs", "raw.csv", "--engine", "ideal").code == 0


@pytest.mark.parametrize("command", ["resume", "evaluate", "solve", "check", "netlist", "stability"])
def test_an_edited_run_is_refused(eqcirc: Command, trained: str, command: str) -> None:
    path = Path(trained, "config.toml")
    path.write_text(path.read_text().replace("batch_size = 2", "batch_size = 4"))
    result = eqcirc(command, trained)
    assert result.code == 6
    assert "config.toml was edited after the run had begun: learning.batch_size = 4 (was 2)." in result.err


def test_a_path_given_as_an_option_counts_from_the_working_directory(
    eqcirc: Command, scaled_run: str
) -> None:
    Path("sub").mkdir()
    Path("mine.toml").rename("sub/mine.toml")
    assert eqcirc("solve", "sub/mine.toml", "--engine", "ideal").code == 3
    assert eqcirc("train", "sub/mine.toml", "--out", "x", "--set", "data.path=mine.csv").code == 0


def test_solve_of_an_experiment_shows_initial_values(eqcirc: Command, trained: str) -> None:
    initial, final = (
        eqcirc("solve", source, "--engine", "ideal", "--json").json["rows"]
        for source in ("tiny.toml", trained)
    )
    assert [row[:2] for row in initial] == [row[:2] for row in final]
    assert initial != final


# check


def test_check_of_a_good_circuit(eqcirc: Command, trained: str) -> None:
    result = eqcirc("check", trained, "--entries", 4)
    assert result.code == 0, result.out
    lines = result.out.splitlines()
    assert lines[0] == (
        "rule: a scaling s makes the Jacobian symmetric: Equilibrium Propagation is exact up to its beta"
    )
    rows = [line for line in lines if "worst element" not in line and not line.startswith("reciprocity")]
    assert [line.split("  ")[0] for line in rows[2:]] == [
        "adjoint against finite differences",
        "EqProp (ideal) against adjoint",
        "ngspice against ideal voltages",
        "EqProp (ngspice) against adjoint",
    ]
    assert all(line.rstrip().endswith("yes") for line in rows[2:])
    measured = [line for line in lines if line.startswith("reciprocity, measured by")]
    assert len(measured) == 2, "by both engines"


def test_check_fails_where_beta_is_large(eqcirc: Command, trained: str) -> None:
    result = eqcirc("check", trained, "--beta", 3e-7, "--samples", 2, "--json")
    assert result.code == 1
    holds = {f["name"]: f["holds"] for f in result.json["findings"] if "worst element" not in f["name"]}
    assert holds == {
        "adjoint against finite differences": True,
        "EqProp (ideal) against adjoint": False,
        "ngspice against ideal voltages": True,
        "EqProp (ngspice) against adjoint": False,
    }
    text = eqcirc("check", trained, "--beta", 3e-7).out
    assert " NO" in text
    advice = text.splitlines()[-1]
    assert advice.startswith("beta = 3e-07 is too large: its nudge bends the circuit (error of the gradient ")
    assert eqcirc("check", trained, "--beta", advice.split()[-1]).code == 0
    assert result.json["advice"]["side"] == "above"
    assert eqcirc("check", trained, "--json").json["advice"] is None


@pytest.mark.parametrize("beta", ["1e-15", "1e-30"])
def test_check_of_a_beta_that_is_too_small_says_so_and_advises_one_that_holds(
    eqcirc: Command, beta: str
) -> None:
    result = eqcirc("check", "tiny.toml", "--beta", beta, "--json")
    assert result.code in (1, 5)
    advice = result.json["advice"]
    assert advice["side"] == "below"
    assert f"beta = {beta} is too small: its nudge drowns in rounding" in advice["sentence"]
    assert eqcirc("check", "tiny.toml", "--beta", advice["beta"]).code == 0
    assert f"try learning.beta = {advice['beta']:.0e}" in eqcirc("check", "tiny.toml", "--beta", beta).err


def test_check_without_ngspice_checks_the_rest(eqcirc: Command, no_ngspice: None) -> None:
    result = eqcirc("check", "tiny.toml", "--json")
    assert result.code == 0
    assert len(result.json["findings"]) == 3
    assert result.err.startswith(
        "warning: no comparison with ngspice: NGSPICE_LIBRARY_PATH names '/nonexistent'"
    )


# netlist


@pytest.mark.parametrize("form", ["full", "reduced"])
def test_plain_ngspice_gives_the_voltages_that_solve_prints(
    eqcirc: Command, trained: str, form: str, batch: Callable[[str], tuple[str, dict[str, Array]]]
) -> None:
    result = eqcirc("netlist", trained, "--form", form, "--samples", 3, "--out", "deck.sp")
    lines = Path("deck.sp").read_text().count("\n")
    assert result.out == f"wrote deck.sp ({lines} lines); run it with: ngspice -b deck.sp\n"
    deck = Path("deck.sp").read_text()
    assert eqcirc("netlist", trained, "--form", form, "--samples", 3).out == deck
    table, vectors = batch(deck)
    rows = eqcirc("solve", trained, "--samples", 3, "--engine", "ideal", "--json").json["rows"]
    printed = [line.split() for line in table.splitlines() if line[:1].isdigit()]
    for sample in range(3):
        for node in ("op_0", "op_1", "on_0", "on_1"):
            volts = next(v for s, n, v in rows if (s, n) == (sample, node))
            assert vectors[f"v({node})"][sample] == pytest.approx(volts, abs=1e-9)
            assert any(math.isclose(float(x), volts, rel_tol=1e-5) for x in printed[sample])


def test_a_netlist_takes_samples_from_a_file(eqcirc: Command, trained: str) -> None:
    Path("x.csv").write_text("a,b\n0.125,-0.25\n")
    deck = eqcirc("netlist", trained, "--inputs", "x.csv").out
    assert "V_x_0 x_0 0 0.125\n" in deck
    assert "V_xn_1 xn_1 0 0.25\n" in deck


def test_a_netlist_says_where_it_comes_from(eqcirc: Command) -> None:
    rows = "".join(f"{k % 7 / 2:.1f};{k % 5};{('frog', 'newt', 'toad')[k % 3]}\n" for k in range(40))
    Path("my data.csv").write_text(
        "length (mm);width;kind\n".replace(".", ",") + rows.replace(".", ","), "latin-1"
    )
    Path("my net.toml").write_text(
        'name = "animals"\nseed = 3\ndata = { name = "csv", path = "my data.csv", label = "kind", '
        'scaling = "standard" }\nnetwork = { hidden = [3] }\n'
    )
    done = eqcirc("netlist", "my net.toml", "-o", "my deck.sp")
    assert done.out.endswith("run it with: ngspice -b 'my deck.sp'\n")
    head = Path("my deck.sp").read_text("ascii").partition(".subckt")[0]
    assert "* experiment animals, seed 3, by eqcirc" in head
    assert re.search(r"^\* feature 0: \(length \(mm\) - 1\.\d+\) \* [01]\.\d+$", head, re.MULTILINE)
    assert "* class of output 2: toad" in head
    alone = eqcirc("netlist", "my net.toml", "--form", "subckt").out
    assert alone.splitlines()[-1] == ".ends animals"
    refused = eqcirc("netlist", "my net.toml", "--form", "subckt", "--phase", "nudged")
    assert (refused.code, "--form subckt is of the circuit alone" in refused.err) == (2, True)


def test_commands_to_copy_are_quoted_for_the_shell(eqcirc: Command) -> None:
    made = eqcirc("init", "my net.toml", "--data", "xor")
    assert made.out.endswith("train it with: eqcirc train 'my net.toml'\n")
    change = ["--set", "learning.epochs=1", "--set", "solver.engine=ideal", "--set", "network.hidden=[3]"]
    assert eqcirc("train", "my net.toml", *change, "--out", "my run").code == 0
    again = eqcirc("train", "my net.toml", *change, "--out", "my run")
    assert "eqcirc resume 'my run'" in again.err


# doctor


def test_doctor_finds_everything(eqcirc: Command) -> None:
    result = eqcirc("doctor")
    assert result.code == 0, result.out
    assert "libngspice: " in result.out
    assert "a 1 V divider gives 0.500000000 V" in result.out
    assert all(line.startswith("ok   ") for line in result.out.splitlines())


def test_doctor_says_what_to_install(
    eqcirc: Command, no_ngspice: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = eqcirc("doctor")
    assert result.code == 1
    bad = [line for line in result.out.splitlines() if line.startswith("FAIL")]
    assert bad == ["FAIL ngspice program: missing", "FAIL libngspice: missing"]
    assert result.out.count("sudo apt-get install ngspice libngspice0") >= 2
    content = eqcirc("doctor", "--json").json
    assert content["ok"] is False
    assert [c["what"] for c in content["checks"] if not c["ok"]] == ["ngspice program", "libngspice"]


# regression end to end


def test_a_regression_from_a_csv_file(
    eqcirc: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (40, 2))
    y = 0.05 * x[:, 0] - 0.03 * x[:, 1]
    lines = ["a,b,y", *(f"{a!r},{b!r},{c!r}" for a, b, c in np.column_stack([x, y]).tolist())]
    Path("line.csv").write_text("\n".join(lines))
    Path("line.toml").write_text(
        """
        name = "line"
        data = { name = "csv", path = "line.csv", targets = ["y"], scaling = "none" }
        solver = { engine = "ideal" }
        audit = { every = 0 }
        [network]
        hidden = []
        input_gain = 1.0
        biases = { voltage = 0.5 }
        [learning]
        cost = "squared_error"
        epochs = 60
        batch_size = 7
        """
    )
    result = eqcirc("train", "line.toml", "--json")
    assert result.code == 0
    assert result.json["test_accuracy"] is None
    assert result.json["test_loss"] < 0.1 * 0.5 * np.var(y)
    lines = eqcirc("evaluate", "runs/line").out.splitlines()
    assert [line.split()[0] for line in lines] == ["part", "engine", "cost", "output", "y"]
    assert lines[2].endswith(" V², mean of 8 samples")
    assert float(lines[4].split()[1]) > 0.9  # R²
    assert eqcirc("evaluate", "runs/line", "--json").json["accuracy"] is None
    assert eqcirc("check", "runs/line").code == 0
    monkeypatch.chdir("/")  # the run knows where its data are
    assert eqcirc("evaluate", tmp_path / "runs" / "line").code == 0
    monkeypatch.chdir(tmp_path)
    text = eqcirc("train", "line.toml", "--out", "again", "--set", "learning.epochs=1")
    assert "test cost" in text.out
    assert "accuracy" not in text.out
    assert "validation loss" in text.err


# stability


NEURONS = """
name = "neurons"
[data]
name = "xor"
scaling = "none"
[network]
hidden = [2]
bounds = [1e-7, 1e-5]
[network.neurons]
g1 = 3e-3
resistance = 300.0
inductance = {inductance}
[solver]
engine = "ideal"
"""


def test_stability_tells_growth_and_certificate(eqcirc: Command) -> None:
    Path("neurons.toml").write_text(NEURONS.format(inductance=1e-6))
    result = eqcirc("stability", "neurons.toml", "--samples", "3", "--engine", "ideal")
    assert result.code == 0
    assert result.out.count("  stable\n") == 3
    assert "one operating point, where the circuit comes to rest" in result.out
    told = json.loads(eqcirc("stability", "neurons.toml", "--engine", "ideal", "--json").out)
    assert told["certificate"] == {"unique": True, "attracting": True}
    assert told["assumed_capacitance"] is None
    assert "stores energy" not in result.out
    assert all(row[1] < 0 < row[3] for row in told["rows"])


def test_stability_without_capacitors_says_which_it_assumes(eqcirc: Command) -> None:
    out = eqcirc("stability", "tiny.toml", "--engine", "ideal").out
    assert (
        "nothing in the circuit stores energy: growth is that with 1e-09 F to ground from every node" in out
    )
    assert eqcirc("stability", "tiny.toml", "--engine", "ideal", "--json").json["assumed_capacitance"] == 1e-9


def test_stability_fails_when_a_circuit_oscillates(eqcirc: Command) -> None:
    Path("neurons.toml").write_text(NEURONS.format(inductance=1e-2))
    result = eqcirc("stability", "neurons.toml", "--samples", "2", "--engine", "ideal")
    assert result.code == 1
    assert "perturbations grow at" in result.out
    assert "that the circuit comes to rest there is not certified" in result.out


def test_stability_lists_samples_that_never_rest(eqcirc: Command) -> None:
    """Above 1/g1 nothing is certified: the samples are followed in time, and have no state to judge."""
    text = NEURONS.format(inductance=6e-4).replace("resistance = 300.0", "resistance = 350.0")
    text = text.replace("[network]", "[network]\ninput_gain = 0.01\nbiases.voltage = 0.01")
    Path("neurons.toml").write_text(text)
    result = eqcirc("stability", "neurons.toml", "--samples", "2", "--engine", "ideal")
    assert result.code == 1
    assert result.out.count("does not come to rest") == 2
    assert "not certified: there may be several operating points" in result.out
