"""What bundles say of parts that can be bought, of corners and chips, and of simulators that are not here."""

from __future__ import annotations

import importlib.util
import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import eqcirc as eq
from eqcirc import reality
from eqcirc.devices import EsakiDiode
from eqcirc.experiment.handoff import design_of
from eqcirc.experiment.opened import open_source
from eqcirc.export.bundle import bands
from eqcirc.export.bundle.build import build
from eqcirc.export.bundle.corners import Corner, at, corners
from eqcirc.export.bundle.flavours import spectre
from eqcirc.export.bundle.parts import E24, E96, POTENTIOMETERS, levelled, preferred
from eqcirc.export.bundle.scoring import Scorer
from eqcirc.export.bundle.spice import models
from eqcirc.export.bundle.verilog import module
from eqcirc.learning.evaluate import evaluate
from tests import catalogue
from tests.export.bundles import ngspice, rows

CIRCUITS = Path(__file__).parents[2] / "circuits"


@pytest.fixture(scope="module")
def moons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of FitzHugh-Nagumo neurons."""
    folder = tmp_path_factory.mktemp("bundles") / "moons"
    eq.export_bundle(CIRCUITS / "moons-fhn.toml", folder, vectors=2, target="spice")
    return folder


@pytest.fixture(scope="module")
def xor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "xor"
    eq.export_bundle(CIRCUITS / "xor.toml", folder, target="spice")
    return folder


def test_preferred_values_are_those_of_the_series() -> None:
    asked = np.array([4.6e3, 99e3, 1.0, 0.0134, 3.32e6])
    assert preferred(asked, E24) == pytest.approx([4.7e3, 100e3, 1.0, 0.013, 3.3e6], rel=1e-12)
    assert preferred(asked, E96) == pytest.approx([4.64e3, 100e3, 1.0, 0.0133, 3.32e6], rel=1e-12)
    # a quarter of the published table of IEC 60063
    assert E96[:48:4] == (100, 110, 121, 133, 147, 162, 178, 196, 215, 237, 261, 287)
    assert E96[48::4] == (316, 348, 383, 422, 464, 511, 562, 619, 681, 750, 825, 909)
    many = np.geomspace(1, 1e6, 20000)
    for series, worst in ((E24, 0.072), (E96, 0.015)):
        error = np.abs(preferred(many, series) / many - 1).max()
        assert 0.6 * worst < error < 1.05 * worst


def test_codes_of_potentiometers_are_the_nearest_ones() -> None:
    ad, mcp = POTENTIOMETERS
    ohms = np.geomspace(2e3, 19e3, 50)
    assert ad.end(ohms) == (20e3, 1.0)
    assert mcp.end(ohms) == (50e3, 1.0)
    assert ad.end(np.array([1e7])) == (100e3, 100.0)
    for pot in POTENTIOMETERS:
        end, _ = pot.end(ohms)
        every = pot.ohms(np.arange(1, pot.steps), end)
        nearest = 1 + np.abs(every[None] - ohms[:, None]).argmin(axis=1)
        assert np.array_equal(pot.codes(ohms, end), nearest)
    assert mcp.ohms(np.array([128]), 10e3)[0] == 5052.0
    level, siemens = levelled(np.array([1e-6, 3.1e-6, 9e-6]), 1e-6, 5e-6, 5)
    assert level.tolist() == [0, 2, 4]
    assert siemens == pytest.approx([1e-6, 3e-6, 5e-6])


def test_scores_of_rounded_values_are_those_of_the_circuit_with_them(xor: Path) -> None:
    opened = open_source(CIRCUITS / "xor.toml")
    values = {name: value.copy() for name, value in opened.parameters.items()}
    for row in rows(xor / "rounding.csv"):
        name, _, rest = row["edge"].partition("[")
        values[name][tuple(map(int, rest.rstrip("]").split(",")))] = 1 / float(row["e24_ohm"])
    with opened.solver("ideal") as solver:
        score = evaluate(
            solver,
            values,
            opened.part("test"),
            eq.SoftmaxCrossEntropy(opened.experiment.learning.sharpness),
            None,
        )
    said = next(row for row in rows(xor / "scores.csv") if row["case"] == "resistors of E24")
    assert float(said["loss"]) == pytest.approx(score.loss, rel=1e-9)
    assert float(said["accuracy"]) == score.accuracy


def test_scaled_codes_leave_the_voltages(xor: Path) -> None:
    """What the potentiometers achieve, scaled back, is near what was asked."""
    table = [row for row in rows(xor / "programming.csv") if row["part"].startswith("AD5292")]
    asked = {row["device"]: float(row["ohm"]) for row in rows(xor / "weights.csv")}
    assert len(table) == len(asked)
    for row in table:
        step = 100e3 / 1024
        assert abs(float(row["achieved_ohm"]) - asked[row["device"]] / float(row["scale"])) <= 1.001 * step


def test_corners_scale_what_they_name() -> None:
    circuit = design_of(open_source(CIRCUITS / "iris.toml")).circuit
    listed = list(corners(circuit))
    assert listed[0] == Corner()
    assert len(set(listed)) == len(listed) == 1 + 2 + 2 + 2 + 2 + 8
    inputs = np.full((1, circuit.inputs.n_features), 0.5)
    off = at(circuit, Corner(supply=1.05, resistance=0.8))
    assert [r.voltage for r in off.rails] == pytest.approx([1.05 * r.voltage for r in circuit.rails])
    values, before = off.values(), circuit.values()
    assert values["w1"] == pytest.approx(before["w1"] / 0.8)
    hot = at(circuit, Corner(celsius=70.0))
    cold = eq.Reality(temperature=reality.Temperature(celsius=70.0)).chip(circuit).circuit
    one, other = (eq.IdealSolver(c).solve(None, inputs).free for c in (hot, cold))
    assert np.array_equal(one, other)
    assert not np.allclose(one, eq.IdealSolver(circuit).solve(None, inputs).free, atol=1e-6)


def test_monte_carlo_samples_are_the_chips(xor: Path) -> None:
    opened = open_source(CIRCUITS / "xor.toml")
    design = design_of(opened)
    description = eq.Reality(mismatch=reality.Mismatch(0.05), diodes=reality.DiodeMismatch(0.1))
    chip = description.chip(opened.circuit, opened.parameters, 3, 0)
    values = chip.circuit.values(chip.parameters)
    sampled = {row["device"]: (row["unit"], float(row["chip_3"])) for row in rows(xor / "mc_samples.csv")}
    seen = 0
    for (name, index), paths in design.structure.places.items():
        for path in paths:
            if path in sampled and sampled[path][0] == "ohm":
                seen += 1
                assert sampled[path][1] == 1 / values[name][index]
    assert seen == sum(value.size for value in opened.parameters.values())
    assert {unit for unit, _ in sampled.values()} == {"ohm", "A"}
    assert len(rows(xor / "mc_results.csv")) == 10


def test_ngspice_draws_chips_of_its_own(xor: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(xor, tmp_path / "xor")
    exact = next(
        float(r["value"]) for r in rows(xor / "golden.csv") if r["kind"] == "node" and r["name"] == "op_0"
    )
    one, same = (ngspice(folder, "mc_native.sp")["v(op_0)"][0] for _ in range(2))
    deck = folder / "mc_native.sp"
    deck.write_text(deck.read_text().replace("seed=1", "seed=2"))
    other = ngspice(folder, "mc_native.sp")["v(op_0)"][0]
    assert one == same != other
    assert abs(one - exact) > 1e-6
    assert abs(one - exact) < 0.5


def test_neurons_export_their_tunnel_diodes_three_ways(moons: Path) -> None:
    law = open_source(CIRCUITS / "moons-fhn.toml").circuit.element("n1_device").law  # type: ignore[attr-defined]
    v = 0.7
    current = float(law.evaluate(np.array(v))[0])
    text = (moons / "models_poly.sp").read_text()
    numbers = re.search(r"poly\(1\) anode vss (.*)", text)
    assert numbers is not None
    assert sum(float(c) * v**k for k, c in enumerate(numbers[1].split())) == pytest.approx(current, rel=1e-12)
    assert "b_n1_device_0" in (moons / "models.sp").read_text()
    assert "l_n1_recovery_0" in (moons / "dut.sp").read_text()
    assert (moons / "va" / "cell_n1_device.va").is_file()
    assert "gyrator" in (moons / "README.txt").read_text()


def test_neurons_that_are_switched_on_come_to_rest_at_the_golden_vector(moons: Path) -> None:
    found = ngspice(moons, "tb_tran.sp")
    expected = {
        r["name"]: float(r["value"])
        for r in rows(moons / "golden.csv")
        if r["kind"] == "node" and r["vector"] == "0"
    }
    assert len(expected) > 20
    for name, value in expected.items():
        course = found.get(f"v({name})", found.get(f"v(x_dut.{name})"))
        assert course is not None
        assert course[-1] == pytest.approx(value, abs=1e-6)
    assert np.ptp(found["v(op_0)"]) > 0.01


BUILDER_LAWS = {
    "esaki": EsakiDiode(),
    "esaki with another exponent": EsakiDiode(fall_exponent=2.0),
    "cubic": eq.CubicDevice(1e-3, 0.5),
    "clamp": eq.ClampDiode(),
    "published polynomial": eq.find_diode("mbd1057").law,
    "table": eq.TableDevice.measured([-1, 0, 0.2, 0.5, 1.0], [-1e-3, 0, 2e-3, 1e-3, 4e-3]),
}


def one_device(law: object) -> eq.Circuit:
    b = eq.CircuitBuilder("one")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, 1.0)
    b.device("device", out, eq.GROUND, law, area=1.5)  # type: ignore[arg-type]
    return b.build(out)


@pytest.mark.parametrize("name", BUILDER_LAWS)
def test_verilog_a_says_the_same_current(name: str) -> None:
    """The expression, evaluated as Python: V and pow by name, `c ? a : b` turned around."""
    law = BUILDER_LAWS[name]
    text = module(build(one_device(law)).blocks[0], ["x"])
    contribution = re.search(r"<\+ (.*);", text)
    assert contribution is not None
    for v in (-0.3, 0.04, 0.21, 0.6, 1.2):

        def volts(*_: str, at: float = v) -> float:
            return at

        words = {"V": volts, "anode": "", "vss": "", "exp": math.exp, "pow": pow, "max": max, "min": min}
        said = eval(python(contribution[1]), {"__builtins__": {}}, words)
        assert said == pytest.approx(1.5 * float(law.evaluate(np.array(v))[0]), rel=1e-9, abs=1e-15)


def python(text: str) -> str:
    """Turn `(c?a:b)`, however nested, into Python."""
    while "?" in text:
        at = text.rindex("?")
        start = opening(text, at)
        colon, end = separator(text, at)
        condition, yes, no = text[start + 1 : at], text[at + 1 : colon], text[colon + 1 : end]
        text = f"{text[:start]}(({yes}) if ({condition}) else ({no})){text[end + 1 :]}"
    return text


def opening(text: str, at: int) -> int:
    depth = 0
    for k in range(at, -1, -1):
        depth += {")": 1, "(": -1}.get(text[k], 0)
        if depth < 0:
            return k
    raise AssertionError(text)


def separator(text: str, at: int) -> tuple[int, int]:
    depth, colon = 0, -1
    for k in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[k], 0)
        if text[k] == ":" and depth == 0:
            colon = k
        if depth < 0:
            return colon, k
    raise AssertionError(text)


@pytest.mark.parametrize("name", ["all_cells", "measured", "clamp", "feedforward"])
def test_compilers_read_the_verilog_a(name: str, tmp_path: Path) -> None:
    known = importlib.util.find_spec("verilogae"), shutil.which("admsXml")
    if known == (None, None):
        pytest.skip("neither verilogae nor adms is installed")
    blocks = [
        b for b in build(catalogue.CASES[name]().circuit).blocks if any(c.startswith("b_") for c in b.cards)
    ]
    assert blocks
    path = tmp_path / "x.va"
    for text, good in [(module(b, ["x"]), True) for b in blocks] + [
        (module(blocks[0], []).replace(";", "", 1), False)
    ]:
        path.write_text(text)
        if known[1] is not None:
            done = subprocess.run(
                ["admsXml", "x.va"], cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert (done.returncode == 0) == good, done.stdout
        if known[0] is not None:
            import verilogae

            if good:
                verilogae.load(str(path))
            else:
                with pytest.raises(Exception, match=r"."):
                    verilogae.load(str(path))


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_spectre_gets_every_device_and_block(name: str) -> None:
    structure = build(catalogue.CASES[name]().circuit)
    lines = spectre(structure, ["x"]).splitlines()
    defined = {line.split()[1] for line in lines if line.startswith("subckt ")}
    defined |= {Path(line.split('"')[1]).stem for line in lines if line.startswith("ahdl_include")}
    masters = {"resistor", "capacitor", "inductor", "vcvs", "vccs", "cccs", "ccvs", "vsource", "isource"}
    masters |= {line.split()[1] for line in lines if line.startswith("model ")}
    instances = [line for line in lines if re.match(r"[rcldxevgfhi]_", line)]
    assert len(instances) >= sum(1 for _ in structure.devices())
    for line in instances:
        assert line.partition(") ")[2].split()[0] in defined | masters


def test_poly_is_said_to_hold_only_where_it_does() -> None:
    structure = build(one_device(BUILDER_LAWS["published polynomial"]))
    assert "holds from" in models(structure, [], poly=True)
    assert structure.blocks[0].poly is not None
    assert build(one_device(BUILDER_LAWS["esaki"])).blocks[0].poly is None


def test_chips_within_the_bands_keep_to_the_allowance() -> None:
    """Chips that the bands never met: as many keep to it as is promised, where four draws were not enough."""
    assert bands.SHARE**bands.TRIALS <= 1 - bands.CONFIDENCE
    scorer = Scorer.of(design_of(open_source(CIRCUITS / "moons-fhn.toml")))
    assert scorer is not None
    found = bands.bands(scorer)
    rng, beyond = np.random.default_rng(99), 0
    for _ in range(100):
        moved = {n: v + found.half[n] * rng.uniform(-1, 1, v.shape) for n, v in scorer.values.items()}
        beyond += scorer.score(moved).loss > found.allowed
    assert beyond <= 100 * (1 - bands.SHARE)
