"""Bundles for fabrication: every part of the circuit is in them, and other programs find what golden.csv says."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import eqcirc as eq
from eqcirc.analysis.flows import leaving
from eqcirc.cli.app import app
from eqcirc.errors import ConfigError, DataError
from eqcirc.experiment.handoff import design_of
from eqcirc.experiment.opened import open_source
from eqcirc.export.bundle.build import build
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.golden import golden
from eqcirc.export.bundle.names import word
from eqcirc.export.bundle.targets import files_of
from eqcirc.export.bundle.write import write_bundle
from tests import catalogue
from tests.export.bundles import deviations, gnucap, ngspice, rows

CIRCUITS = Path(__file__).parents[2] / "circuits"
NEAR = 0.01  # of the tolerance that golden.csv grants


def design(name: str) -> Design:
    case = catalogue.CASES[name]()
    return Design(case.circuit, case.circuit.parameters, np.atleast_2d(case.inputs)[:4])


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of an experiment with everything: data, two learning phases, diodes, amplifiers."""
    folder = tmp_path_factory.mktemp("bundles") / "iris"
    eq.export_bundle(CIRCUITS / "iris.toml", folder)
    return folder


@pytest.fixture(scope="module")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of an imperfect chip."""
    folder = tmp_path_factory.mktemp("bundles") / "chip"
    eq.export_bundle(CIRCUITS / "iris-chip.toml", folder, vectors=2, target="spice")
    return folder


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_currents_obey_kirchhoff_at_every_node(name: str) -> None:
    case = catalogue.CASES[name]()
    circuit = case.circuit
    found = golden(circuit, None, np.atleast_2d(case.inputs)[:4])
    left = leaving(circuit, None, found.voltages)
    typical = 1e-5  # A; pins of one-way circuits carry nothing
    assert np.abs(left[:, circuit.free_nodes]).max() <= 1e-9 * typical
    assert np.abs(left.sum(axis=1)).max() <= 1e-9 * typical


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_plain_ngspice_finds_the_golden_vectors_of_every_kind_of_part(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    write_bundle(design(name), folder, "spice")
    off = dict(deviations(folder, ngspice(folder, "tb_op.sp")))
    assert len(off) >= 4
    assert max(off.values()) < NEAR


def test_plain_ngspice_finds_free_and_nudged_phases_of_an_experiment(iris: Path) -> None:
    vectors = rows(iris / "golden.csv")
    assert {row["phase"] for row in vectors} == {"free", "phase +1", "phase -1"}
    fed = [float(row["value"]) for row in vectors if row["kind"] == "feed"]
    assert max(map(abs, fed)) > 0
    off = dict(deviations(iris, ngspice(iris, "tb_op.sp")))
    assert len(off) == sum(row["kind"] in ("node", "branch") for row in vectors)
    assert max(off.values()) < NEAR


def test_nudged_vectors_are_what_the_learning_rule_sees(iris: Path) -> None:
    opened = open_source(CIRCUITS / "iris.toml")
    exported = design_of(opened)
    assert exported.nudge is not None
    points = opened.solver("ideal").solve(opened.parameters, exported.inputs, exported.nudge)
    node = int(opened.circuit.readout.nodes[0])
    net = exported.structure.nets[node]
    said = [
        float(row["value"])
        for row in rows(iris / "golden.csv")
        if (row["kind"], row["name"]) == ("node", net)
    ]
    expected = points.voltages[:, :, node].T.ravel()
    assert np.abs(np.array(said) - expected).max() < 1e-12
    assert np.ptp(points.voltages[:, 0, node]) > 1e-9


def test_gnucap_finds_them_too(iris: Path) -> None:
    if shutil.which("gnucap") is None:
        pytest.skip("gnucap is not installed")
    found = gnucap(iris)
    checked = 0
    for row in rows(iris / "golden.csv"):
        shown = found[int(row["vector"])].get(f"v({row['name']})")
        if row["kind"] == "node" and shown is not None:
            checked += 1
            assert abs(shown - float(row["value"])) < 2e-4
    assert checked == 6 * len(found)


def test_a_changed_resistor_is_seen(iris: Path, tmp_path: Path) -> None:
    changed = shutil.copytree(iris, tmp_path / "changed")
    lines = (changed / "dut.sp").read_text().split("\n")
    k = next(k for k, line in enumerate(lines) if line.startswith("r_0_3 "))
    name, a, b, ohms = lines[k].split()
    lines[k] = f"{name} {a} {b} {1.01 * float(ohms)!r}"
    (changed / "dut.sp").write_text("\n".join(lines))
    assert max(x for _, x in deviations(changed, ngspice(changed, "tb_op.sp"))) > 1


def test_circuits_with_several_operating_points_are_held_first(tmp_path: Path) -> None:
    b = eq.CircuitBuilder("latch")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("load", x, out, 1e-4, trainable=True)
    b.conductance("leak", out, eq.GROUND, 1e-5)
    b.device("device", out, eq.GROUND, eq.CubicDevice(1e-3, 1.0))
    b.capacitor("membrane", out, eq.GROUND, 1e-9)
    folder = eq.export_bundle(b.build(out), tmp_path / "latch", inputs=np.array([[-0.4], [0.6]]))
    assert json.loads((folder / "MANIFEST.json").read_text())["held"]
    expected = [float(r["value"]) for r in rows(folder / "golden.csv") if r["kind"] == "node"]
    assert min(np.abs(expected)) > 1
    assert max(x for _, x in deviations(folder, ngspice(folder, "tb_op.sp"))) < NEAR


def test_the_same_run_gives_the_same_bytes(iris: Path, tmp_path: Path) -> None:
    again = eq.export_bundle(CIRCUITS / "iris.toml", tmp_path / "again")
    one, other = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in (iris, again)
    )
    assert len(one) > 20
    assert one == other


def test_the_manifest_names_every_file_with_its_checksum(iris: Path) -> None:
    content = json.loads((iris / "MANIFEST.json").read_text())
    assert (content["schema"], content["version"]) == ("eqcirc-bundle", 1)
    listed = {f["path"]: f["sha256"] for f in content["files"]}
    there = {p.relative_to(iris).as_posix() for p in iris.rglob("*") if p.is_file()} - {"MANIFEST.json"}
    assert set(listed) == there
    for path, digest in listed.items():
        assert hashlib.sha256((iris / path).read_bytes()).hexdigest() == digest
    header = (iris / "dut.sp").read_text().partition(f".subckt {content['top']} ")[2].split("\nr_")[0]
    ports = [port["name"] for port in content["ports"]]
    assert header.replace("\n+", " ").split("\n")[0].split() == ports
    assert [row["pin"] for row in rows(iris / "pins.csv")] == ports


def test_the_page_to_read_first_says_what_is_there(iris: Path) -> None:
    page = (iris / "README.txt").read_text(encoding="ascii")
    assert "nothing was trained" in page
    for row in rows(iris / "pins.csv"):
        assert f"  {row['pin']} " in page
    for f in json.loads((iris / "MANIFEST.json").read_text())["files"]:
        if f["path"] != "README.txt":
            line = next(line for line in page.splitlines() if line.split()[:1] == [f["path"]])
            assert ("not run here" in line) == (not f["run"])
    assert "class of output 0: setosa" in page


def test_an_imperfect_chip_is_exported_as_it_is(chip: Path) -> None:
    opened = open_source(CIRCUITS / "iris-chip.toml")
    values = opened.circuit.values(opened.parameters)
    table = rows(chip / "weights.csv")
    assert any(row["asked"] != row["value"] for row in table)
    ohms = {}
    for line in (chip / "dut.sp").read_text().splitlines():
        words = line.split()
        if words[0].startswith("r_"):
            ohms[words[0]] = float(words[3])
    for row in table:
        index = tuple(map(int, row["edge"].partition("[")[2].rstrip("]").split(",")))
        value = values[row["element"]][index]
        assert float(row["value"]) == value
    w1 = [row for row in table if row["element"] == "w1"]
    tile = (chip / "dut.sp").read_text().partition("tile_w1")[2].partition(".ends")[0]
    for row in w1[:20]:
        assert f"{row['device'].partition('.')[2]} " in tile
        assert repr(1 / float(row["value"])) in tile
    assert max(x for _, x in deviations(chip, ngspice(chip, "tb_op.sp"))) < NEAR


def test_sensitivities_are_slopes_of_the_loss(iris: Path) -> None:
    opened = open_source(CIRCUITS / "iris.toml")
    data = opened.part("test")
    cost = eq.SoftmaxCrossEntropy(sharpness=opened.experiment.learning.sharpness)

    def loss(parameters: dict[str, np.ndarray]) -> float:
        read = opened.circuit.readout.read(opened.solver("ideal").solve(parameters, data.inputs).free)
        return float(cost.value(read, eq.targets_of(data, cost)).mean())

    table = rows(iris / "weights.csv")
    for row in (table[3], table[-1]):
        name = row["element"]
        index = tuple(map(int, row["edge"].partition("[")[2].rstrip("]").split(",")))
        h = 1e-3 * opened.parameters[name][index]
        ends = []
        for sign in (1, -1):
            moved = {k: v.copy() for k, v in opened.parameters.items()}
            moved[name][index] += sign * h
            ends.append(loss(moved))
        assert float(row["sensitivity"]) == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-4)
        assert float(row["allowed_low"]) < float(row["value"]) < float(row["allowed_high"])


def test_limits_are_ohms_law_at_the_golden_vectors(iris: Path) -> None:
    vectors: dict[tuple[int, str], float] = {}
    for row in rows(iris / "golden.csv"):
        if row["kind"] in ("apply", "node"):
            vectors[int(row["vector"]), row["name"]] = float(row["value"])
    text = (iris / "dut.sp").read_text()
    instance = next(line for line in text.split("\nx_w1_r0_c0 ")[1].replace("\n+", " ").splitlines())
    header = text.partition(".subckt tile_w1_r0_c0 ")[2].replace("\n+", " ").splitlines()[0]
    nets = dict(zip(header.split(), instance.split(), strict=False))
    row = next(r for r in rows(iris / "limits.csv") if r["device"] == "x_w1_r0_c0.r_2_5")
    ohms = float(text.partition("r_2_5 r2 c5 ")[2].split()[0])
    count = 1 + max(k for k, _ in vectors)
    across = [abs(vectors[k, nets["r2"]] - vectors[k, nets["c5"]]) for k in range(count)]
    assert float(row["v_max_V"]) == pytest.approx(max(across))
    assert float(row["i_max_A"]) == pytest.approx(max(across) / ohms)
    assert float(row["p_max_W"]) == pytest.approx(max(across) ** 2 / ohms)
    assert int(row["worst_vector"]) == int(np.argmax(across))


@pytest.mark.parametrize("name", ["xor", "=1+1", "a\n.control\nshell id\n.endc", "1é `id` *#", "gnd", "eq_x"])
def test_hostile_names_are_harmless_everywhere(name: str, tmp_path: Path) -> None:
    case = catalogue.CASES["antiparallel"]()
    names = list(case.circuit.node_names)
    names[-1] = names[-2] = name  # twice the same
    elements = tuple(replace(e, name=name) for e in case.circuit.elements[:1]) + case.circuit.elements[1:]
    circuit = replace(case.circuit, name=name, node_names=tuple(names), elements=elements)
    made = Design(
        circuit, circuit.parameters, np.atleast_2d(case.inputs)[:2], outputs=(name,), notes=(name, f"#{name}")
    )
    structure = build(circuit)
    assert len(set(structure.nets)) == len(structure.nets)
    assert all(net == word(net) for net in structure.nets)
    folder = tmp_path / "bundle"
    write_bundle(made, folder)
    for path in folder.rglob("*"):
        content = path.read_text(encoding="ascii") if path.is_file() else ""
        for line in content.splitlines():
            assert not line.lower().lstrip().startswith((".control", "*#", "shell", ".endc"))
            assert "`" not in line or "`include" in line or path.suffix not in (".sp", ".cdl", ".ckt", ".cir")
            if path.suffix == ".csv":
                assert not line.startswith(("=", "+", "-", "@"))
                assert ",=" not in line
    assert max(x for _, x in deviations(folder, ngspice(folder, "tb_op.sp"))) < NEAR


def test_a_folder_with_something_else_is_refused(iris: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"thesis\.txt"):
        eq.export_bundle(CIRCUITS / "xor.toml", mine)
    copy = shutil.copytree(iris, tmp_path / "copy")
    (copy / "verify").mkdir()
    (copy / "verify" / "report.json").write_text("{}")
    write_bundle(design("divider"), copy)  # replaced, with its report
    assert not (copy / "verify").exists()
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        write_bundle(design("divider"), copy)
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="inputs"):
        eq.export_bundle(catalogue.CASES["divider"]().circuit, tmp_path / "new")
    with pytest.raises(ConfigError, match="target 'gds'"):
        eq.export_bundle(CIRCUITS / "xor.toml", tmp_path / "new", target="gds")
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_wrote_and_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["export", str(CIRCUITS / "xor.toml"), "--to", str(tmp_path / "b"), "--target", "cdl"]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "b" / "dut.cdl").is_file()
    assert not (tmp_path / "b" / "tb_op.sp").exists()


def test_large_circuits_stand_flat_in_their_benches(tmp_path: Path) -> None:
    """ngspice 39 takes no instance of 1,000 ports, gnucap none of 100."""
    b = eq.CircuitBuilder("wide")
    x, out = b.input("x", 1200), b.nodes("out", 2)
    b.crossbar("w", x, out, np.linspace(1e-6, 2e-6, 2400).reshape(1200, 2), trainable=True)
    inputs = np.linspace(-1, 1, 2400).reshape(2, 1200)
    folder = tmp_path / "bundle"
    eq.export_bundle(b.build(out), folder, inputs=inputs, target="spice")
    assert max(x for _, x in deviations(folder, ngspice(folder, "tb_op.sp"))) < NEAR
    assert len(files_of(design("divider"))) > 5


def test_margins_are_ratings_over_loads(tmp_path: Path) -> None:
    case = catalogue.CASES["divider"]()
    folder = tmp_path / "b"
    eq.export_bundle(case.circuit, folder, inputs=case.inputs[:3], rating=["r:W=1e-6", "r:V=50"])
    table = rows(folder / "limits.csv")
    assert {row["device"][:1] for row in table} == {"r"}
    for row in table:
        loads = float(row["v_max_V"]), float(row["p_max_W"])
        assert float(row["margin"]) == pytest.approx(min(50 / loads[0], 1e-6 / loads[1]))
        assert row["rating_A"] == ""


@pytest.mark.parametrize(
    ("word", "lacking"), [("c:V=1", "capacitors"), ("x:A=1", "blocks"), ("l:A=1", "coils")]
)
def test_a_rating_that_rates_nothing_is_refused_before_the_work(
    word: str, lacking: str, tmp_path: Path
) -> None:
    circuit = catalogue.CASES["divider"]().circuit
    with pytest.raises(ConfigError, match=rf"no {lacking} .* it has r \(resistors\)$"):
        eq.export_bundle(
            circuit, tmp_path / "b", inputs=np.ones((1, circuit.inputs.n_features)), rating=[word]
        )
    assert not list(tmp_path.iterdir())


def test_amplifiers_have_no_rating(iris: Path, tmp_path: Path) -> None:
    """They are blocks, but what they bear depends on what realises them."""
    assert "x" not in {row["device"].rpartition(".")[2][0] for row in rows(iris / "limits.csv")}
    with pytest.raises(ConfigError, match="no blocks"):
        eq.export_bundle(CIRCUITS / "iris.toml", tmp_path / "b", rating=["x:W=1"])


def test_inputs_beyond_all_reason_are_refused(tmp_path: Path) -> None:
    case = catalogue.CASES["divider"]()
    inputs = np.full((2, case.circuit.inputs.n_features), 1e300)
    with pytest.raises(DataError, match=r"1e\+300 V at sample 0; expected at most 1e\+09 V"):
        eq.export_bundle(case.circuit, tmp_path / "b", inputs=inputs, target="spice")


@pytest.mark.parametrize("word", ["r:W=-1", "r:W=nan", "q:W=1", "r:kg=1", "W=1", "r:W=0.1; rm", ""])
def test_what_is_no_rating_is_refused_before_anything_is_written(word: str, tmp_path: Path) -> None:
    circuit = catalogue.CASES["divider"]().circuit
    with pytest.raises(ConfigError, match="rating"):
        eq.export_bundle(circuit, tmp_path / "b", inputs=np.ones((1, 1)), rating=[word])
    assert not list(tmp_path.iterdir())
