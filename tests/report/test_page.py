"""The page about a run: whole, self-contained, and what its figures show is what their data say."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import eqcirc as eq
from eqcirc.errors import CheckpointError, ConfigError
from eqcirc.experiment.load import parse
from eqcirc.experiment.run import Run
from eqcirc.report.page import answers, circuits, page, training
from eqcirc.report.page.evidence import Evidence, gather
from eqcirc.report.page.page import SECTIONS, Report, write_report
from eqcirc.report.page.schematic import schematic_figure
from eqcirc.report.page.section import Section
from tests.experiment.conftest import make_up, no_ngspice, one_worker

__all__ = ["no_ngspice", "one_worker"]

pytestmark = pytest.mark.usefixtures("one_worker")

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; refuses what is not nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def train(folder: Path, **sections: Any) -> Path:
    content: dict[str, Any] = {
        "name": "tiny",
        "data": {"name": "moons", "samples": 60},
        "network": {"hidden": [3], "input_gain": 1.0, "amplifiers": {"gain": 4.0}},
        "learning": {"epochs": 2, "batch_size": 8, "learning_rate": 4e-7},
        "solver": {"engine": "ideal"},
        "audit": {"every": 4},
    }
    content |= sections
    with Run.start(parse(content, "test"), folder) as run:
        assert run.train()
        run.finish()
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def moons(made: Path) -> Path:
    return made / "moons" if (made / "moons").exists() else train(made / "moons")


@pytest.fixture
def report(made: Path, moons: Path) -> Report:
    """Of the moons; made once."""
    folder = made / "report"
    if not folder.exists():
        write_report(moons, folder=folder, pdf=False)
    figures = tuple(sorted((folder / "figures").iterdir()))
    return Report(folder / "report.html", None, "", figures)


@pytest.fixture
def sections(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of the sections that a test looks at; drawing the others takes most of the time."""
    monkeypatch.setattr(page, "SECTIONS", request.param)


def of(*sections: Callable[[Evidence], Section]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sections", [sections], indirect=True, ids=[""])


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of all sections, whose figures are made, but written as nothing: for tests that read text alone."""
    monkeypatch.setattr(page, "picture_bytes", lambda figure, kind: b"")


def test_the_page_is_whole_and_holds_every_section(report: Report) -> None:
    shown = Page(report.page.read_text())
    assert shown.tags["html"] == shown.tags["main"] == 1
    for title in (
        "What was trained",
        "Learning curves",
        "Answers to the test part",
        "SPICE against ideal",
        "Updates against the gradient",
        "Trained values",
        "Hidden voltages",
        "How to make it again",
    ):
        assert title in shown.text
    assert shown.tags["h3"] == len(SECTIONS) + 1
    assert shown.tags["figure"] == shown.tags["figcaption"] == shown.tags["img"] == len(report.figures) / 3
    assert all(shown.values("alt"))
    ids = shown.values("id")
    assert len(ids) == len(set(ids))


def test_the_page_asks_for_nothing_from_anywhere(report: Report) -> None:
    text = report.page.read_text()
    shown = Page(text)
    assert shown.tags["script"] == shown.tags["iframe"] == 0
    assert all(source.startswith("data:image/svg+xml;base64,") for source in shown.values("src"))
    for link in shown.values("href"):
        assert link == "data:," or link.removeprefix("#") in shown.values("id")
    assert not re.search(r"https?://|url\(|@import", text)
    assert not [name for name, _ in shown.attributes if name.startswith("on")]
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in shown.values("content")
    assert len(text) < 5e6


def test_every_figure_is_there_as_svg_png_and_csv(report: Report) -> None:
    by_stem: dict[str, set[str]] = {}
    for path in report.figures:
        by_stem.setdefault(path.stem, set()).add(path.suffix)
    assert set(by_stem) >= {
        *("circuit", "learning", "confusion", "regions", "agreement", "audits", "gradient", "beta"),
        *("values", "map-w1", "hidden", "nonlinearities"),
    }
    assert all(endings == {".svg", ".png", ".csv"} for endings in by_stem.values())
    inline = {base64.b64decode(s.partition(",")[2]) for s in Page(report.page.read_text()).values("src")}
    assert inline == {path.read_bytes() for path in report.figures if path.suffix == ".svg"}
    for svg in inline:
        root = ElementTree.fromstring(svg)
        links = [v for e in root.iter() for k, v in e.attrib.items() if k.endswith("href")]
        assert all(link.startswith(("#", "data:")) for link in links)
    for path in report.figures:
        if path.suffix == ".csv":
            assert len(pd.read_csv(path)) > 0


def test_the_data_of_figures_are_those_of_the_run(report: Report, moons: Path) -> None:
    def table(name: str) -> pd.DataFrame:
        return pd.read_csv(report.page.parent / "figures" / f"{name}.csv")

    opened = eq.open_run(moons)
    metrics = pd.read_csv(moons / "metrics.csv")
    pd.testing.assert_frame_equal(table("learning")[list(metrics)], metrics)
    pd.testing.assert_frame_equal(table("audits"), pd.read_csv(moons / "audit.csv"))
    counts = table("confusion").pivot(index="true", columns="answer", values="samples").to_numpy()
    test = opened.part("test")
    assert counts.sum() == test.n_samples
    summary = json.loads((moons / "summary.json").read_text())
    assert np.trace(counts) / counts.sum() == pytest.approx(summary["test_accuracy"])
    shown = table("map-w1")
    w1, first = opened.parameters["w1"], opened.circuit.parameters["w1"]
    assert np.array_equal(shown["after"].to_numpy().reshape(w1.shape), w1)
    assert np.array_equal(shown["before"].to_numpy().reshape(w1.shape), first)
    spread = table("values")
    assert spread[spread["element"] == "w1"]["after"].sum() == w1.size
    assert table("agreement")["difference_V"].max() < 1e-9
    regions = table("regions").dropna()
    answers = opened.predict(regions.iloc[:50, :2].to_numpy()).classes
    assert regions["answer"].iloc[:50].astype(int).astype(str).tolist() == answers


def test_updates_are_held_against_the_adjoint_gradient(moons: Path) -> None:
    found = gather(moons).gradients
    assert found is not None
    assert set(found.measured) == {"ideal", "ngspice"}
    assert all(1 - found.cosine(name) < 1e-6 for name in found.measured)
    errors = found.sweep[:, 1]
    assert np.nanmin(errors) < 1e-6 < np.nanmax(errors)


@pytest.mark.usefixtures("undrawn")
def test_a_run_whose_data_are_gone_leaves_out_what_needs_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    table = pd.DataFrame(x, columns=["one", "two", "three"]).assign(label=np.where(x[:, 0] > 0, "yes", "no"))
    table.to_csv(tmp_path / "mine.csv", index=False)
    run = train(tmp_path / "run", data={"name": "csv", "path": str(tmp_path / "mine.csv")})
    (tmp_path / "mine.csv").unlink()
    shown = Page(write_report(run, folder=tmp_path / "report", pdf=False).page.read_text())
    assert "Left out, for the test part is gone" in shown.text
    assert "No gradients at the trained values" in shown.text
    names = {path.stem for path in (tmp_path / "report/figures").iterdir()}
    assert {"agreement", "hidden", "values", "learning"} <= names
    assert not names & {"confusion", "gradient", "worst"}


@pytest.mark.usefixtures("undrawn")
def test_without_ngspice_the_page_says_so(
    moons: Path, tmp_path: Path, no_ngspice: None, monkeypatch: Any
) -> None:
    from eqcirc.experiment import build
    from eqcirc.solvers.ngspice.solver import NgspiceSolver

    monkeypatch.setattr(build, "NgspiceSolver", NgspiceSolver)
    shown = Page(write_report(moons, folder=tmp_path / "report", pdf=False).page.read_text())
    assert "No comparison:" in shown.text and "Updates against the gradient" in shown.text


def test_names_of_somebody_else_are_text_and_no_tags(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    labels = np.where(x[:, 0] > 0, EVIL, "$\\frac{")
    pd.DataFrame({EVIL: x[:, 0], "_$x": x[:, 1], "label": labels}).to_csv(tmp_path / "mine.csv", index=False)
    run = train(
        tmp_path / "<img src=x onerror=alert(2)>", data={"name": "csv", "path": str(tmp_path / "mine.csv")}
    )
    facts = json.loads((run / "run.json").read_text())
    facts |= {"command": EVIL + "\x1b[2J", "versions": {EVIL: EVIL}, "changes": [EVIL], "processor": [EVIL]}
    (run / "run.json").write_text(json.dumps(facts))
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"rule": EVIL, "rule_why": EVIL, "ended": EVIL}))
    text = write_report(run, folder=tmp_path / "report", pdf=False).page.read_text()
    shown = Page(text)
    assert shown.tags["script"] == 0 and "onerror" not in dict(shown.attributes)
    assert all(source.startswith("data:") for source in shown.values("src"))
    assert EVIL in shown.text and "\x1b" not in text
    for path in (tmp_path / "report/figures").glob("*.svg"):
        assert "<script" not in path.read_text()


@of(circuits.values)
@pytest.mark.usefixtures("sections", "undrawn")
@pytest.mark.parametrize("damage", ["{", "[]", '{"versions": 3, "begun_from": {"run": "x"}}'])
def test_a_damaged_run_json_costs_only_what_it_says(moons: Path, tmp_path: Path, damage: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(moons, run)
    (run / "run.json").write_text(damage)
    text = write_report(run, folder=tmp_path / "report", pdf=False).page.read_text()
    assert ("Values before training are not shown" in text) == ("begun_from" in damage)


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"metrics": [{"epoch": 1.0}]}, "have no failed, train_loss"),
        ({"audits": [{"step": 1.0}]}, "have no cosine, max_dv"),
    ],
)
def test_made_up_tables_are_refused(moons: Path, tmp_path: Path, tables: dict[str, Any], says: str) -> None:
    shutil.copytree(moons, tmp_path / "run")
    make_up(tmp_path / "run", **tables)
    with pytest.raises(CheckpointError, match=says):
        write_report(tmp_path / "run", folder=tmp_path / "report", pdf=False)
    assert not (tmp_path / "report").exists()


@of(training.learning)
@pytest.mark.usefixtures("sections")
def test_words_where_numbers_belong_are_not_drawn(moons: Path, tmp_path: Path) -> None:
    shutil.copytree(moons, tmp_path / "run")
    row = {"epoch": 2.0, "train_loss": EVIL, "failed": None, "train_accuracy": "much", "validation_loss": 0.1}
    make_up(tmp_path / "run", metrics=[row])
    (tmp_path / "run/netlist.sp").unlink()
    os.mkfifo(tmp_path / "run/netlist.sp")
    assert write_report(tmp_path / "run", folder=tmp_path / "report", pdf=False).page.is_file()


@of(circuits.values)
@pytest.mark.usefixtures("sections", "undrawn")
def test_nothing_is_written_through_a_link(moons: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "precious"
    target.write_text("mine")
    for name in ("report", "figures"):
        folder = tmp_path / name
        if name == "report":
            folder.symlink_to(tmp_path / "elsewhere")
        else:
            folder.mkdir()
            (folder / "report.html").symlink_to(target)
            (folder / "figures").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(ConfigError, match="it is a link, which is not followed"):
            write_report(moons, folder=folder, pdf=False)
    (tmp_path / "figures/figures").unlink()
    write_report(moons, folder=tmp_path / "figures", pdf=False)
    assert target.read_text() == "mine" and not list((tmp_path / "elsewhere").iterdir())


@of(circuits.values)
@pytest.mark.usefixtures("sections", "undrawn")
def test_a_folder_of_something_else_is_refused_and_an_old_report_replaced(
    moons: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no report"):
        write_report(moons, folder=folder, pdf=False)
    (folder / "report.html").write_text("old")
    (folder / "figures").mkdir()
    (folder / "figures/old.svg").write_text("old")
    write_report(moons, folder=folder, pdf=False)
    assert not (folder / "figures/old.svg").exists()
    assert (folder / "thesis.tex").read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_found_out_before_the_work(
    moons: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*given: object) -> None:
        raise AssertionError("the run was looked at")

    monkeypatch.setattr("eqcirc.report.page.page.gather", worked)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ConfigError, match=r"cannot write into .*: .*file is no folder"):
        write_report(moons, folder=tmp_path / "file" / "report", pdf=False)


@of(training.learning)
@pytest.mark.usefixtures("sections")
def test_several_runs_are_compared_on_one_page(moons: Path, tmp_path: Path) -> None:
    other = train(tmp_path / "other", network={"hidden": [2], "input_gain": 1.0, "amplifiers": {"gain": 4.0}})
    made = write_report(moons, other, folder=tmp_path / "report", pdf=False)
    shown = Page(made.page.read_text())
    assert shown.tags["article"] == 2
    assert "McNemar, exact" in shown.text and "network.hidden" in shown.text
    ids = shown.values("id")
    assert len(ids) == len(set(ids))
    names = {path.stem for path in made.figures}
    assert {"comparison", "run0-learning", "run1-learning"} <= names
    assert shown.tags["img"] == len(made.figures) / 3


@of(answers.answers)
@pytest.mark.usefixtures("sections")
def test_images_are_shown_as_images(tmp_path: Path) -> None:
    run = train(tmp_path / "run", data={"name": "digits", "limit": 60}, audit={"every": 0})
    write_report(run, folder=tmp_path / "report", engine="ideal", pdf=False)
    worst = pd.read_csv(tmp_path / "report/figures/worst.csv", dtype={"true": str, "answer": str})
    assert len(worst) == 12 and {"pixel 0", "pixel 63"} <= set(worst)
    opened = eq.open_run(run)
    inputs = opened.part("test").inputs[worst["sample"]]
    assert np.allclose(worst.filter(like="pixel").to_numpy(), inputs)
    assert opened.predict(inputs, scaled=True).classes == worst["answer"].tolist()


@of(answers.answers)
@pytest.mark.usefixtures("sections")
def test_a_regression_shows_outputs_over_targets(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = 0.1 * x[:, 0] - 0.05 * x[:, 1]
    pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "volts": y}).to_csv(tmp_path / "mine.csv", index=False)
    learning = {"cost": "squared_error", "beta": 1e-7, "epochs": 2, "batch_size": 8, "learning_rate": 4e-7}
    data = {"name": "csv", "path": str(tmp_path / "mine.csv"), "targets": ["volts"]}
    run = train(tmp_path / "run", data=data, learning=learning)
    made = write_report(run, folder=tmp_path / "report", pdf=False)
    found = pd.read_csv(tmp_path / "report/figures/regression.csv")
    assert np.array_equal(found["target volts (V)"], eq.open_run(run).part("test").targets[:, 0])
    shown = Page(made.page.read_text())
    assert "R²" in shown.text and "The largest errors." in shown.text and "confusion" not in shown.text


@pytest.mark.usefixtures("undrawn")
def test_an_unfinished_run_has_a_page_too(tmp_path: Path) -> None:
    experiment = parse({"name": "new", "data": {"name": "xor"}, "solver": {"engine": "ideal"}}, "test")
    with Run.start(experiment, tmp_path / "run"):
        pass
    shown = Page(write_report(tmp_path / "run", folder=tmp_path / "report", pdf=False).page.read_text())
    assert "No epoch is done yet." in shown.text and "unfinished" in shown.text
    assert "The run made no audits" in shown.text


@of(training.learning)
@pytest.mark.usefixtures("sections")
def test_the_same_page_as_pdf(moons: Path, tmp_path: Path) -> None:
    made = write_report(moons, folder=tmp_path / "report")
    if made.pdf is None:  # a system without Pango; then the reason is named
        assert "weasyprint" in made.why_no_pdf and "apt install" in made.why_no_pdf
    else:
        assert made.pdf.read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("name", "left_out"),
    [("digits", []), ("digits-fhn-deep", ["res1"]), ("digits-asymmetric", ["back2"]), ("mnist-signed", [])],
)
def test_networks_are_drawn_and_what_is_left_out_is_named(name: str, left_out: list[str]) -> None:
    from eqcirc.experiment.build import build_circuit

    root = Path(__file__).resolve().parents[2]
    circuit = build_circuit(eq.load_experiment(root / f"circuits/{name}.toml"), 16, 4)
    figure, missing = schematic_figure(circuit)
    assert figure is not None and missing == left_out
    texts = {text.get_text() for text in figure.axes[0].texts}
    size = circuit.element("w1").value.shape
    assert f"w1: {size[0]} × {size[1]}" in texts
    assert {"x_0", "x_15", "h1_0"} <= texts


def test_a_circuit_without_layers_is_listed_not_drawn() -> None:
    b = eq.CircuitBuilder("chain")
    nodes = b.nodes("n", 5)
    b.conductance("g", nodes[:-1], nodes[1:], 1e-5)
    b.conductance("leak", nodes, eq.GROUND, 1e-5)
    assert schematic_figure(b.build(nodes[-1:]))[0] is None


def test_a_wheel_carries_the_template(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    root = Path(__file__).resolve().parents[2]
    (wheel,) = WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    assert "eqcirc/report/page/templates/report.html" in zipfile.ZipFile(wheel).namelist()


def test_maps_of_large_crossbars_show_averages_of_neighbours() -> None:
    values = np.random.default_rng(0).normal(size=(1568, 100))
    found = circuits._reduced(values)
    assert found.shape == (224, 100)
    assert np.allclose(found[3], values[21:28].mean(axis=0))
    assert np.allclose(circuits._reduced(values[:1567])[-1], values[1561:1567].mean(axis=0))
    assert np.array_equal(circuits._reduced(values[:256]), values[:256])
