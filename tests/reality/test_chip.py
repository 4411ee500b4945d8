"""Chips: what is drawn, how it is written down, and that every kind keeps both solvers and learning exact."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry_or_none
from eqcirc.circuit.store import load_circuit, save_circuit
from eqcirc.costs import SquaredError
from eqcirc.devices import Bounds, ShockleyDiode
from eqcirc.errors import CircuitError, ConfigError, SymmetryError
from eqcirc.experiment.provenance import fingerprint
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.choice import choose_rule
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.eqprop import EqProp
from eqcirc.reality import (
    AmplifierErrors,
    DiodeMismatch,
    Drift,
    Mismatch,
    ProgrammingNoise,
    Reality,
    StuckAt,
    Temperature,
    Window,
    Wires,
)
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from eqcirc.verify.gradients import adjoint_gradient, finite_differences
from tests.case import S
from tests.catalogue import random_layered

INPUTS = np.array([[-1.0, 0.5], [0.3, 0.3], [0.9, -0.4], [1.0, 1.0]])
TARGETS = np.array([[0.1, -0.1], [0.0, 0.1], [-0.1, 0.1], [0.1, 0.1]])

REALITIES = {
    "nothing": Reality(),
    "temperature": Reality(temperature=Temperature(85.0)),
    "diodes": Reality(diodes=DiodeMismatch(0.3)),
    "amplifiers": Reality(amplifiers=AmplifierErrors(0.05)),
    "output resistance": Reality(amplifiers=AmplifierErrors(output_ohms=1e3)),
    "offset": Reality(amplifiers=AmplifierErrors(0.05, offset=0.05, output_ohms=50.0)),
    "saturation": Reality(amplifiers=AmplifierErrors(offset=0.02, output_ohms=2e4, saturation=0.4)),
    "window": Reality(window=Window(0.05 * S, 3 * S)),
    "programming": Reality(programming=ProgrammingNoise(0.05, 0.01 * S)),
    "mismatch": Reality(mismatch=Mismatch(0.2)),
    "drift": Reality(drift=Drift(1e5, exponent=0.05, spread=0.02)),
    "stuck": Reality(window=Window(0.05 * S, 3 * S), stuck=StuckAt(0.1, 0.1)),
    "wires": Reality(wires=Wires(1e3)),
    "wires of both ends": Reality(wires=Wires(1e3, "both", "both")),
    "all": Reality(
        Temperature(60.0),
        DiodeMismatch(0.2),
        AmplifierErrors(0.03, offset=0.02, output_ohms=2e4, saturation=0.4),
        Window(0.05 * S, 3 * S),
        ProgrammingNoise(0.03, 0.01 * S),
        Mismatch(0.1),
        Drift(1e4, 10.0, 0.05, 0.02),
        StuckAt(0.05, 0.05),
        Wires(500.0, "right", "top"),
    ),
}
each = pytest.mark.parametrize("reality", REALITIES.values(), ids=REALITIES)


def network() -> Circuit:
    """Two layers of crossbars, diodes and amplifiers, all of them groups."""
    rng = np.random.default_rng(0)
    b = CircuitBuilder("network")
    x = np.concatenate([b.input("x", 2, gain=2.0), b.input("xn", 2, gain=-2.0), b.rail("bias", 1.0)])
    h, y, out = b.nodes("h", 3), b.nodes("y", 3), b.nodes("o", 2)
    b.crossbar("w1", x, h, rng.uniform(0.2 * S, 2 * S, (5, 3)), bounds=Bounds(0.01 * S, 10 * S))
    b.device("up", h, GROUND, ShockleyDiode())
    b.device("down", GROUND, h, ShockleyDiode(), trainable=True, bounds=Bounds(0.1, 10))
    b.amplifier("amp", h, y, 4.0)
    b.crossbar("w2", y, out, rng.uniform(0.2 * S, 2 * S, (3, 2)), bounds=Bounds(0.01 * S, 10 * S))
    b.conductance("load", out, GROUND, S)
    return b.build(out)


def one_way() -> Circuit:
    """Signed weights that nothing comes back by, and a signed crossbar."""
    b = CircuitBuilder("one way")
    x, h, out = b.input("x", 2), b.nodes("h", 2), b.nodes("o", 2)
    bounds = Bounds(-10 * S, 10 * S)
    b.one_way_crossbar("w1", x, h, np.array([[1, -2], [0.5, 0.0]]) * S, bounds=bounds)
    b.device("diode", h, GROUND, ShockleyDiode(), trainable=True)
    b.one_way_crossbar("w2", h, out, np.array([[-1, 2], [0.7, 1]]) * S, bounds=bounds)
    b.signed_crossbar("w3", x, out, np.array([[-1, 2], [0.7, -1]]) * S, bounds=bounds)
    b.transconductor("gm", (out[:1], GROUND), (h[1:], GROUND), 0.6 * S, trainable=True)
    b.conductance("leak", np.concatenate([h, out]), GROUND, 2 * S)
    return b.build(out)


def worst(found: dict[str, Array], expected: dict[str, Array]) -> float:
    """Largest difference in parts of the largest entry of its element."""
    return max(float(np.abs(found[k] - v).max() / np.abs(v).max()) for k, v in expected.items())


@each
def test_both_solvers_and_both_netlists_agree_on_a_chip(
    reality: Reality, spice: Callable[..., NgspiceSolver]
) -> None:
    chip = reality.chip(network(), number=3)
    ideal = IdealSolver(chip.circuit).solve(chip.parameters, INPUTS).require().free
    for netlist in ("reduced", "full"):
        found = spice(chip.circuit, netlist=netlist).solve(chip.parameters, INPUTS).require().free
        np.testing.assert_allclose(found, ideal, rtol=0, atol=1e-9)


@each
def test_learning_through_a_chip_is_the_gradient_of_what_is_asked_for(reality: Reality) -> None:
    """EqProp against finite differences of the imperfect circuit, over what is programmed into it."""
    chip = reality.chip(network(), number=3)
    solver, cost = IdealSolver(chip.circuit), SquaredError()
    rule = EqProp(chip.circuit, cost, 1e-8)
    found = rule.measure(solver, chip.parameters, INPUTS, TARGETS).gradient()
    entries = [(name, index) for name, v in chip.parameters.items() for index in np.ndindex(v.shape)]
    differences = finite_differences(solver, chip.parameters, INPUTS, TARGETS, cost, entries)
    expected = {name: np.zeros_like(v) for name, v in chip.parameters.items()}
    for (name, index), value in zip(entries, differences, strict=True):
        expected[name][index] = value
    assert worst(found, expected) < 1e-6


@pytest.mark.parametrize("kind", ["nothing", "programming", "mismatch", "stuck", "diodes"])
@pytest.mark.parametrize("rule", [AsymEP, Dyadic])
def test_rules_for_one_way_circuits_learn_through_chips_too(
    kind: str, rule: type[AsymEP] | type[Dyadic]
) -> None:
    chip = REALITIES[kind].chip(one_way(), number=3)
    solver, cost = IdealSolver(chip.circuit), SquaredError()
    measured = rule(chip.circuit, cost, 1e-8).measure(solver, chip.parameters, INPUTS, TARGETS)
    free = measured.points.free
    exact = adjoint_gradient(chip.circuit, chip.parameters, INPUTS, TARGETS, cost, free)
    assert worst(measured.gradient(), exact) < 1e-6
    name, index = "w1", (1, 0)
    if kind != "stuck" or np.isnan(chip.draws["stuck"][name][index]):
        found = finite_differences(solver, chip.parameters, INPUTS, TARGETS, cost, [(name, index)])
        assert exact[name][index] == pytest.approx(found[0], rel=1e-6)


def test_a_chip_is_made_again_from_its_number() -> None:
    circuit, reality = network(), REALITIES["all"]
    one, same, other = (reality.chip(circuit, number=k, seed=5) for k in (7, 7, 8))
    assert fingerprint(one.circuit) == fingerprint(same.circuit) != fingerprint(other.circuit)
    assert one.circuit.like(same.circuit)
    assert not one.circuit.like(other.circuit)
    assert not np.array_equal(one.values["w1"], other.values["w1"])
    assert not np.array_equal(one.values["w1"], reality.chip(circuit, number=7, seed=6).values["w1"])


def test_a_draw_depends_on_no_other_kind_and_no_other_element() -> None:
    alone = Reality(mismatch=Mismatch(0.1)).chip(network(), number=4).draws["mismatch"]
    among = REALITIES["all"].chip(network(), number=4).draws["mismatch"]
    assert alone.keys() == among.keys() == {"w1", "w2"}
    for name, drawn in alone.items():
        np.testing.assert_array_equal(drawn, among[name])
    assert not np.array_equal(alone["w1"][:3, :2], alone["w2"])


def test_the_ideal_circuit_is_left_as_it_was() -> None:
    circuit = network()
    before = fingerprint(circuit)
    chip = REALITIES["all"].chip(circuit)
    assert fingerprint(circuit) == before
    assert chip.parameters.keys() == circuit.parameters.keys()
    for name, value in circuit.parameters.items():
        np.testing.assert_array_equal(chip.parameters[name], value)


def test_what_was_drawn_is_listed_and_exported(tmp_path: Path) -> None:
    chip = REALITIES["all"].chip(network(), number=2, seed=9)
    chip.save(tmp_path / "chip.json")
    content = json.loads((tmp_path / "chip.json").read_text())
    assert (content["number"], content["seed"]) == (2, 9)
    assert content["reality"]["wires"] == {"ohms": 500.0, "rows": "right", "columns": "top"}
    np.testing.assert_array_equal(content["values"]["w1"], chip.values["w1"])
    stuck = np.array(content["draws"]["stuck"]["w1"], float)
    np.testing.assert_array_equal(stuck, chip.draws["stuck"]["w1"])
    kinds = {(row["kind"], row["element"]) for row in chip.rows()}
    assert {("mismatch", "w1"), ("diodes", "up"), ("amplifiers", "amp"), ("stuck", "w2")} <= kinds


def test_a_chip_is_a_circuit_that_a_file_holds(tmp_path: Path) -> None:
    chip = REALITIES["all"].chip(network(), number=2)
    save_circuit(chip.circuit, tmp_path / "chip.npz")
    read = load_circuit(tmp_path / "chip.npz")
    assert fingerprint(read) == fingerprint(chip.circuit)
    for name, value in chip.circuit.values(chip.parameters).items():
        np.testing.assert_array_equal(read.values(chip.parameters)[name], value)


def array(lowest: float = S, highest: float = S, shape: tuple[int, int] = (200, 100)) -> Circuit:
    """A large crossbar, for statistics."""
    b = CircuitBuilder("array")
    out = b.nodes("o", shape[1])
    g = np.random.default_rng(0).uniform(lowest, highest, shape)
    b.crossbar("w", b.input("x", shape[0]), out, g, bounds=Bounds(0.1 * S, 10 * S))
    return b.build(out)


def test_mismatch_and_noise_have_the_spread_that_was_asked_for() -> None:
    ratio = Reality(mismatch=Mismatch(0.05)).chip(array()).values["w"] / S
    assert np.log(ratio).std() == pytest.approx(0.05, rel=0.03)
    assert np.median(ratio) == pytest.approx(1, abs=2e-3)
    wild = Reality(mismatch=Mismatch(2.0)).chip(array()).values["w"]
    assert (wild > 0).all()
    error = Reality(programming=ProgrammingNoise(0.03, 0.04 * S)).chip(array()).values["w"] / S - 1
    assert error.std() == pytest.approx(0.05, rel=0.03)
    assert abs(error.mean()) < 2e-3
    floored = Reality(programming=ProgrammingNoise(1.0)).chip(array()).values["w"]
    assert floored.min() == 1e-12


def test_levels_are_the_nearest_ones() -> None:
    circuit = array(0.2 * S, 5 * S)
    asked = circuit.parameters["w"]
    six = Reality(window=Window(0.5 * S, 4 * S, bits=6)).chip(circuit).values["w"]
    step = 3.5 * S / 63
    inside = np.clip(asked, 0.5 * S, 4 * S)
    assert np.abs(six - inside).max() <= step / 2 * (1 + 1e-9)
    assert len(np.unique(six)) == 64
    listed = Reality(window=Window(0.5 * S, 4 * S, levels=(3 * S, S))).chip(circuit).values["w"]
    np.testing.assert_array_equal(listed, np.where(asked < 2 * S, S, 3 * S))
    clipped = Reality(window=Window(0.5 * S, 4 * S)).chip(circuit).values["w"]
    np.testing.assert_array_equal(clipped, inside)


def test_levels_of_a_potentiometer_are_even_in_resistance() -> None:
    circuit = array(0.2 * S, 5 * S)
    found = Reality(window=Window(0.2 * S, 5 * S, bits=3, even="resistance")).chip(circuit).values["w"]
    ohms = np.unique(1 / found)
    np.testing.assert_allclose(ohms, np.linspace(1 / (5 * S), 1 / (0.2 * S), 8))


def test_learning_goes_on_between_levels() -> None:
    """What is asked for is kept unrounded, and its gradient is that of the level it is rounded to."""
    circuit = network()
    rounded = Reality(window=Window(0.1 * S, 5 * S, bits=4)).chip(circuit)
    rule = EqProp(rounded.circuit, SquaredError(), 1e-8)
    found = rule.measure(IdealSolver(rounded.circuit), rounded.parameters, INPUTS, TARGETS).gradient()
    there = circuit.parameters | rounded.values
    ideal = EqProp(circuit, SquaredError(), 1e-8)
    expected = ideal.measure(IdealSolver(circuit), there, INPUTS, TARGETS).gradient()
    assert worst(found, expected) < 1e-9


def test_finite_differences_see_no_steps() -> None:
    """So that `eqcirc check` can hold them against the gradient: of rounded values, and of values at an end."""
    circuit = network()
    asked = {name: value.copy() for name, value in circuit.parameters.items()}
    asked["w1"][0, 0], asked["w2"][0, 0], asked["w2"][1, 0] = 0.1 * S, 5 * S, 7 * S
    cost, entries = SquaredError(), [("w1", (0, 0)), ("w1", (2, 1)), ("w2", (0, 0)), ("w2", (1, 0))]
    for bits in (4, None):
        reality = Reality(window=Window(0.1 * S, 5 * S, bits=bits), mismatch=Mismatch(0.1))
        chip = reality.chip(circuit, asked)
        solver = IdealSolver(chip.circuit)
        free = solver.solve(chip.parameters, INPUTS).require().free
        exact = adjoint_gradient(chip.circuit, chip.parameters, INPUTS, TARGETS, cost, free)
        found = finite_differences(solver, chip.parameters, INPUTS, TARGETS, cost, entries)
        np.testing.assert_allclose(found, [exact[name][index] for name, index in entries], rtol=1e-6)
        assert found[3] == 0, "what is asked for beyond the range changes nothing"
        assert found[2] != 0


def test_stuck_devices_stand_at_the_ends_whatever_is_asked_for() -> None:
    chip = Reality(stuck=StuckAt(0.1, 0.2)).chip(array())
    w = chip.values["w"]
    assert (w == 0.1 * S).mean() == pytest.approx(0.1, abs=0.01)
    assert (w == 10 * S).mean() == pytest.approx(0.2, abs=0.01)
    moved = chip.circuit.values({"w": 2 * chip.parameters["w"]})["w"]
    faulty = np.isfinite(chip.draws["stuck"]["w"])
    np.testing.assert_array_equal(moved[faulty], w[faulty])
    np.testing.assert_array_equal(moved[~faulty], 2 * w[~faulty])


def test_drift_is_a_power_law_of_the_time_since() -> None:
    def left(seconds: float) -> Array:
        chip = Reality(drift=Drift(seconds, 20.0, 0.05, 0.01)).chip(array(), number=2)
        return np.log(chip.values["w"] / S)

    day, year = left(86400.0), left(3.15e7)
    np.testing.assert_array_equal(left(20.0), 0)
    nu = -day / np.log(86400.0 / 20)
    assert nu.mean() == pytest.approx(0.05, abs=2e-4)
    assert nu.std() == pytest.approx(0.01, rel=0.03)
    np.testing.assert_allclose(year / day, np.log(3.15e7 / 20) / np.log(86400 / 20))
    nobody_grows = Reality(drift=Drift(1e6, exponent=0.0, spread=0.1)).chip(array()).values["w"]
    assert nobody_grows.max() <= S


def test_signs_of_weights_are_wiring() -> None:
    reality = replace(REALITIES["all"], wires=None, amplifiers=None, mismatch=Mismatch(2.0))
    values = reality.chip(one_way()).values
    for name, asked in one_way().parameters.items():
        np.testing.assert_array_equal(np.sign(values[name]), np.sign(asked))


def test_amplifiers_that_do_not_track_can_be_measured_but_not_trained_through() -> None:
    deep = random_layered(np.random.default_rng(0), (3, 3)).circuit
    for tracking in (True, False):
        chip = Reality(amplifiers=AmplifierErrors(0.05, tracking=tracking)).chip(deep)
        assert IdealSolver(chip.circuit).solve(chip.parameters, np.eye(3)).converged.all()
        assert (symmetry_or_none(chip.circuit) is not None) == tracking
    with pytest.raises(SymmetryError):
        choose_rule(chip.circuit, SquaredError(), 1e-8)


@pytest.mark.parametrize(
    ("celsius", "current", "emission"),
    [(-40.0, 1e-12, 1.3), (27.0, 1e-12, 1.3), (125.0, 1e-12, 1.3), (-55.0, 1e-16, 1.0)],
)
def test_a_diode_at_another_temperature_is_that_of_spice(
    celsius: float, current: float, emission: float, batch: Callable[[str], tuple[str, dict[str, Array]]]
) -> None:
    """Against ngspice's own temperature equations: the diode in series with a resistor, to 1e-9 V."""
    law, at = ShockleyDiode(current, emission), Temperature(celsius, gap=0.9, exponent=2.5)
    deck = [
        "* diode at a temperature",
        "v1 a 0 0",
        "r1 a b 100k",
        "d1 b 0 m",
        f".model m d is={current:g} n={emission:g} eg=0.9 xti=2.5",
        f".options tnom=27 temp={celsius:g} gmin=1e-18 reltol=1e-12 abstol=1e-18 vntol=1e-14",
        ".dc v1 -2 5 0.1",
        ".end",
        "",
    ]
    _, found = batch("\n".join(deck))
    b = CircuitBuilder("diode")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("r", x, out, 1e-5, trainable=True)
    b.device("d", out, GROUND, law)
    chip = Reality(temperature=at).chip(b.build(out))
    ours = IdealSolver(chip.circuit).solve(chip.parameters, found["v(a)"][:, None]).require().free
    np.testing.assert_allclose(ours[:, out[0]], found["v(b)"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Window(2 * S, S), "highest must be between"),
        (lambda: Window(S, 2 * S, bits=4, levels=(S,)), "bits or levels"),
        (lambda: Window(S, 2 * S, levels=(3 * S,)), "a level must be between"),
        (lambda: Window(S, 2 * S, bits=2.5), "whole number"),  # type: ignore[arg-type]
        (lambda: Window(S, 2 * S, bits=2, even="ohms"), "even to be"),  # type: ignore[arg-type]
        (lambda: Mismatch(-0.1), "sigma must be between"),
        (lambda: StuckAt(0.6, 0.6), "highest must be between"),
        (lambda: Drift(1.0, 2.0), "seconds must be between 2"),
        (lambda: Wires(0.0), "ohms must be between"),
        (lambda: Wires(1.0, "top"), "rows to be one of"),  # type: ignore[arg-type]
        (lambda: Temperature(1e3), "celsius must be between"),
        (
            lambda: Temperature(290).law(ShockleyDiode(1e-9)),
            r"reality.temperature: at 290 °C a diode with IS = 1e-09 A.* ask for a temperature nearer",
        ),
        (lambda: Reality(amplifiers=AmplifierErrors(0.1)).chip(array()), "has no amplifiers"),
        (lambda: Reality(temperature=Temperature(50)).chip(array()), "has no Shockley diodes"),
        (lambda: Reality(wires=Wires(1.0)).chip(one_way()), "has no crossbars"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make: Callable[[], object], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        make()


@pytest.mark.parametrize("number", [-1, 1.5, True])
def test_chips_are_counted_from_0(number: int) -> None:
    with pytest.raises(ConfigError, match="whole number from 0 on"):
        Reality().chip(array(), number=number)
