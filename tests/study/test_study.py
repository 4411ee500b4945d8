"""eqcirc study: every number of it, made in another way; and what is left of one that is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

import eqcirc as eq
from eqcirc.cli.overrides import changed
from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.experiment.build import build_circuit
from eqcirc.experiment.chips import chips_of, score_chips
from eqcirc.experiment.reality import Reality
from eqcirc.learning.evaluate import Score
from eqcirc.reality.supply import at_supply
from eqcirc.study.directory import StudyDirectory
from eqcirc.study.results import COLUMNS, Results
from eqcirc.study.work import Unit, units
from tests.cli.conftest import Result
from tests.study.conftest import STUDY

ROOT = Path(__file__).parents[2]
Command = Callable[..., Result]
Process = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="session")
def found(files: Path) -> Results:
    """The study, by two processes."""
    return eq.run_study(files / "study.toml", files / "done", workers=2)


def scored(
    found: Results, kinds: tuple[str, ...], engine: str = "ideal", **corner: dict[str, float]
) -> list[Score]:
    """Scores of transferred chips as `eqcirc chips` makes them."""
    opened = eq.open_run(found.folder / "ideal")
    tables = found.study.reality.model_dump(exclude_none=True)
    section = Reality.model_validate({"seed": 3} | {k: tables[k] for k in kinds} | corner)
    chips = chips_of(opened, section, range(3))
    return [score for _, score in score_chips(opened, opened.experiment, chips, opened.part("test"), engine)]


def losses(found: Results, arm: str, kinds: str = "all", **corner: float) -> list[float]:
    f = found.frame
    there = (f["arm"] == arm) & (f["kinds"] == kinds)
    for name in ("celsius", "supply"):
        there &= f[name] == corner[name] if name in corner else f[name].isna()
    return f[there].sort_values("chip")["loss"].tolist()


def test_all_units_are_done(found: Results) -> None:
    assert (found.done, found.total, found.problems) == (
        26,
        26,
        {},
    )  # 1 ideal, 3 + 2 + 2 of the arms, 6·3 ranked
    assert len(found.frame) == 8 * 3 + 18  # those of the arms under three conditions
    written = pd.read_csv(found.folder / "chips.csv")
    assert written["loss"].tolist() == found.frame["loss"].tolist()
    assert json.loads((found.folder / "summary.json").read_text()) == found.content()


def test_transfer_scores_are_those_of_the_command_chips(found: Results) -> None:
    every = ("window", "mismatch", "diodes")
    assert losses(found, "transfer") == [s.loss for s in scored(found, every)]
    assert losses(found, "transfer", celsius=85.0) == [
        s.loss for s in scored(found, every, temperature={"celsius": 85.0})
    ]
    assert losses(found, "transfer", "only mismatch") == [s.loss for s in scored(found, ("mismatch",))]
    assert losses(found, "transfer", "without mismatch") == [
        s.loss for s in scored(found, ("window", "diodes"))
    ]
    assert len(set(losses(found, "transfer"))) == 3


@pytest.mark.parametrize(("arm", "begin"), [("in-situ", None), ("fine-tuned", "ideal")])
def test_training_through_a_chip_is_that_of_the_command_train(
    arm: str, begin: str | None, found: Results, files: Path, tmp_path: Path
) -> None:
    table = found.study.reality.model_copy(update={"chip": 1})
    experiment = eq.load_experiment(files / "tiny.toml").model_copy(update={"reality": table})
    if begin is not None:
        experiment = changed(experiment, ["learning.epochs=2", "learning.learning_rate=2e-7"])
    with eq.Run.start(experiment, tmp_path / "run", begin=begin and found.folder / begin) as run:
        run.train()
    score = eq.open_run(tmp_path / "run").score("test", "ideal")
    assert score.loss == losses(found, arm)[1]


def test_the_ideal_circuit_is_scored_without_chips(found: Results) -> None:
    opened = eq.open_run(found.folder / "ideal")
    assert losses(found, "ideal", "nothing") == [opened.score("test", "ideal").loss]


def test_another_supply_is_a_circuit_with_other_rails(files: Path, found: Results) -> None:
    experiment = eq.load_experiment(files / "tiny.toml")
    weak = changed(experiment, ["network.biases.voltage=0.8"])
    one, other = (build_circuit(e, 2, 2) for e in (weak, experiment))
    assert at_supply(other, 0.8).rails == one.rails
    opened = eq.open_run(found.folder / "ideal")
    with eq.IdealSolver(one) as solver:
        points = solver.solve(opened.parameters, opened.data.test.inputs).require().free
    outputs = one.readout.read(points)
    exponents = np.exp(10 * outputs - (10 * outputs).max(axis=1, keepdims=True))
    chosen = exponents[np.arange(4), opened.data.test.labels] / exponents.sum(axis=1)
    assert losses(found, "ideal", "nothing", supply=0.8)[0] == pytest.approx(
        -np.log(chosen).mean() / 10, rel=1e-9
    )


def test_distribution_yield_and_recovery_are_what_the_scores_say(found: Results) -> None:
    arms = found.arms().query("celsius.isna() and supply.isna()").set_index("arm")
    scores = {arm: found.of(arm).to_numpy() for arm in found.study.arms}
    for arm, values in scores.items():
        row = arms.loc[arm]
        assert row["mean"] == pytest.approx(values.mean())
        n, passed = len(values), int((values >= 0.5).sum())
        assert (row["chips"], row["yield passed"]) == (n, passed)
        z = norm.ppf(0.975)  # Wilson's interval, written out
        middle = (passed + z**2 / 2) / (n + z**2)
        half = z / (n + z**2) * np.sqrt(passed * (n - passed) / n + z**2 / 4)
        assert [row["yield low"], row["yield high"]] == pytest.approx([middle - half, middle + half])
    ideal, moved, tuned = found.ideal(), scores["transfer"][:2].mean(), scores["fine-tuned"].mean()
    if ideal > moved:
        assert arms.loc["fine-tuned", "recovered"] == pytest.approx((tuned - moved) / (ideal - moved))


def test_a_chip_that_fails_samples_counts_in_the_yield_of_a_loss(found: Results) -> None:
    """One with a good loss of half the samples, and one with none at all; neither may vanish or pass."""
    study = found.study.model_copy(update={"target": 0.05, "corners": (), "ranking": False})
    row = {"arm": "transfer", "kinds": "all", "engine": "ideal", "samples": 4}
    rows = [{"loss": 0.01, "failed": 0}, {"loss": 0.01, "failed": 2}, {"loss": None, "failed": 4}]
    frame = pd.DataFrame([row | {"chip": k} | one for k, one in enumerate(rows)], columns=list(COLUMNS))
    (arm,) = Results(found.folder, study, frame, {}, 3, 3).arms().to_dict("records")
    assert (arm["chips"], arm["yield passed"], arm["yield chips"]) == (3, 1, 3)
    assert (arm["mean"], arm["failed"]) == (0.01, 6)


def test_the_ranking_is_of_what_each_kind_costs(found: Results) -> None:
    ranking = found.ranking().set_index("kind")
    alone, without = found.of("transfer", "only window"), found.of("transfer", "without window")
    assert ranking.loc["window", "alone"] == pytest.approx(found.ideal() - alone.mean())
    assert ranking.loc["window", "left out"] == pytest.approx((without - found.of("transfer")).mean())
    assert ranking["alone"].is_monotonic_decreasing


def test_one_that_is_killed_goes_on_to_the_same_table(
    files: Path, found: Results, process: Process, tmp_path: Path
) -> None:
    started = process("study", files / "study.toml", "-o", tmp_path / "killed", "-w", 1)
    place = tmp_path / "killed/units"
    deadline = time.monotonic() + 120
    while len(list(place.glob("*.json"))) < 3:
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    partial = eq.open_study(tmp_path / "killed")
    assert 3 <= partial.done < partial.total
    (place / next(place.glob("*.json")).name).write_text('{"rows": [')  # half a file of a dying disk
    again = eq.run_study(files / "study.toml", tmp_path / "killed", workers=1)
    pd.testing.assert_frame_equal(again.frame, found.frame, check_exact=True)
    assert again.content() | {"folder": ""} == found.content() | {"folder": ""}


def test_what_is_there_is_not_done_again_and_a_study_may_grow(
    files: Path, found: Results, tmp_path: Path
) -> None:
    small = found.study.model_copy(update={"ranking": False, "arms": ("transfer",), "chips": 2})
    eq.run_study(small, tmp_path / "grown", workers=1)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "grown/units").iterdir()}
    assert len(before) == 3
    grown = eq.run_study(small.model_copy(update={"chips": 3}), tmp_path / "grown", workers=1)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert losses(grown, "transfer") == losses(found, "transfer")
    other = small.model_copy(update={"reality": small.reality.model_copy(update={"seed": 4})})
    with pytest.raises(ConfigError, match=r"holds another study: reality.seed = 4 \(was 3\)"):
        eq.run_study(other, tmp_path / "grown")


def test_a_run_that_was_trained_further_is_refused(files: Path, found: Results, tmp_path: Path) -> None:
    experiment = changed(eq.load_experiment(files / "tiny.toml"), ["learning.epochs=1"])
    with eq.Run.start(experiment, tmp_path / "run") as run:
        run.train()
    study = found.study.model_copy(
        update={"experiment": tmp_path / "run", "chips": 1, "ranking": False, "arms": ("transfer",)}
    )
    assert eq.run_study(study, tmp_path / "study", workers=1).done == 2
    with eq.Run.resume(tmp_path / "run", changed(experiment, ["learning.epochs=2"])) as run:
        run.train()
    with pytest.raises(ConfigError, match="not those that it began with"):
        eq.run_study(study, tmp_path / "study")


def test_ngspice_scores_the_same_chips(files: Path, found: Results, tmp_path: Path) -> None:
    study = found.study.model_copy(
        update={
            "scored_by": ("ngspice", "ideal"),
            "chips": 1,
            "ranking": False,
            "arms": ("transfer",),
            "corners": (),
        }
    )
    frame = eq.run_study(study, tmp_path / "both", workers=1).frame
    by = {engine: frame[frame["engine"] == engine]["loss"].to_numpy() for engine in ("ngspice", "ideal")}
    np.testing.assert_allclose(by["ngspice"], by["ideal"], rtol=1e-6)
    assert (by["ngspice"] != by["ideal"]).any()  # they are two


def test_a_unit_that_fails_costs_only_itself(files: Path, found: Results, tmp_path: Path) -> None:
    """The others count, the reason is kept and shown; the unit is tried again."""
    directory = StudyDirectory(shutil.copytree(found.folder, tmp_path / "study"))
    bad = Unit("transfer", "all", 2)
    directory.save(bad, [], "it broke")
    partial = eq.open_study(directory.path)
    assert partial.problems == {bad.key: "it broke"}
    assert partial.arms().query("arm == 'transfer'")["chips"].tolist() == [2, 2, 2]
    report = eq.write_report(directory.path, folder=tmp_path / "page", pdf=False)
    assert f"No result of {bad.key}: it broke" in report.page.read_text()
    again = eq.run_study(files / "study.toml", directory.path, workers=1)
    pd.testing.assert_frame_equal(again.frame, found.frame, check_exact=True)


def test_tables_and_page_of_the_command(eqcirc: Command, files: Path, found: Results) -> None:
    result = eqcirc("study", files / "study.toml", "-o", found.folder)
    assert result.code == 0
    assert "100% of the work is there already" in result.err
    for word in (
        "transfer",
        "in-situ",
        "fine-tuned",
        "recovered",
        "yield (95 % interval)",
        "26 of 26 units done",
    ):
        assert word in result.out
    told = eqcirc("study", files / "study.toml", "-o", found.folder, "--json").json
    assert [row["kind"] for row in told["ranking"]] == found.ranking()["kind"].tolist()
    made = eqcirc("report", found.folder, "-o", "page", "--json").json
    figures = {Path(path).name for path in made["figures"]}
    assert {
        f"{name}.{end}" for name in ("chips", "yield", "ranking", "corners") for end in ("svg", "csv")
    } < figures
    page = Path(made["page"]).read_text()
    for title in (
        "What the chips score",
        "Yield",
        "What each non-ideality costs",
        "Corners",
        "study.toml, with all",
    ):
        assert title in page
    drawn = pd.read_csv("page/figures/chips.csv")
    assert sorted(drawn["accuracy (%)"]) == pytest.approx(
        sorted(100 * x for arm in found.study.arms for x in found.of(arm))
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"tiny.toml"', '"none.toml"', "no experiment file"),
        ("target = 0.5", "target = 50", "expected an accuracy from 0 to 1"),
        ('"transfer", ', '"transfer", "transfer", ', "arms: expected each value once"),
        ("chips = 3", "chip = 3", "unknown key 'chip': did you mean 'chips'?"),
        ("sigma = 0.3", "sigma = 0.3\n[reality.amplifiers]\nsigma = 7", "sigma must be between 0 and 1"),
        ("celsius = 85.0", "celsius = 8500.0", "celsius must be between"),
        ("experiment =", "experiments =", "unknown key 'experiments'"),
    ],
)
def test_what_cannot_be_is_said_before_the_work(
    eqcirc: Command, found: Results, files: Path, old: str, new: str, message: str
) -> None:
    run = "experiment = " + repr(str(found.folder / "ideal"))  # nothing is trained for these
    text = STUDY.replace(old, new)
    Path("wrong.toml").write_text(
        text if "tiny" in old or "experiment" in old else text.replace('experiment = "tiny.toml"', run)
    )
    result = eqcirc("study", "wrong.toml", "-o", "out")
    assert result.code in (2, 4)
    assert message in result.err
    assert not list(Path("out/units").glob("*")) if Path("out/units").exists() else True


def test_folders_that_hold_something_else_are_left_alone(eqcirc: Command, files: Path) -> None:
    Path("full").mkdir()
    Path("full/letter.txt").write_text("dear")
    result = eqcirc("study", files / "study.toml", "-o", "full")
    assert (result.code, [p.name for p in Path("full").iterdir()]) == (2, ["letter.txt"])
    assert "holds no study" in result.err
    with pytest.raises(CheckpointError, match="not a study directory"):
        eq.open_study("full")


@pytest.mark.parametrize(
    "path", sorted((ROOT / "circuits/studies").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_studies_that_come_along_are_valid(path: Path) -> None:
    study = eq.load_study(path)
    assert eq.load_experiment(study.experiment).reality is None
    assert len(units(study)) > study.chips
