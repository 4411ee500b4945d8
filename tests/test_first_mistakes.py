"""What people write first in Python: it works, or one sentence says at once what would."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import eqcirc as eq
from eqcirc.errors import EqcircError
from eqcirc.experiment.load import parse
from eqcirc.learning.rule import Rule
from tests.learning.networks import blobs, small_network

CIRCUIT = small_network()
DATA = blobs()
COST = eq.SoftmaxCrossEntropy()
IDEAL = eq.IdealSolver(CIRCUIT)
RULE = eq.EqProp(CIRCUIT, COST, 1e-8)


def conductance(**options: Any) -> eq.Circuit:
    b = eq.CircuitBuilder("divider")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("g", x, out, 1e-5, trainable=True, **options)
    b.conductance("load", out, eq.GROUND, 1e-5)
    return b.build(out)


def score(part: Any) -> object:
    return eq.Trainer(IDEAL, RULE, DATA, plan=eq.Plan(epochs=1)).score(part)


def twice() -> object:
    adam = eq.Adam()
    return [eq.Trainer(IDEAL, RULE, DATA, optimizer=adam) for _ in range(2)]


X, Y = DATA.train.inputs, DATA.train.labels
ANY: Any = None
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "american": (
        lambda: eq.EqProp(CIRCUIT, COST, 1e-8, "centered"),  # type: ignore[arg-type]
        "did you mean 'centred'",
    ),
    "american, chosen": (
        lambda: eq.choose_rule(CIRCUIT, COST, 1e-8, variant="centered"),  # type: ignore[arg-type]
        "did you mean 'centred'",
    ),
    "nan bound": (lambda: conductance(bounds=(np.nan, 1e-5)), "expected a lower value, then a higher one"),
    "nan bounds": (lambda: eq.Layered(bounds=(np.nan, np.nan)), "expected two numbers"),  # type: ignore[arg-type]
    "nan initial": (lambda: eq.Layered(initial=(1e-7, np.nan)), "expected two numbers"),
    "one bound": (lambda: conductance(bounds=1e-5), "expected a lower and an upper value"),
    "optimizer": (
        lambda: eq.Trainer(IDEAL, RULE, DATA, optimizer="adam"),  # type: ignore[arg-type]
        r"optimizer = 'adam': expected an optimizer, such as Adam\(\)",
    ),
    "plan": (lambda: eq.Trainer(IDEAL, RULE, DATA, plan={"epochs": 3}), r"plan = .*expected a Plan"),  # type: ignore[arg-type]
    "audit": (lambda: eq.Trainer(IDEAL, RULE, DATA, audit=IDEAL), r"expected an Audit"),  # type: ignore[arg-type]
    "rule": (lambda: eq.Trainer(IDEAL, "eqprop", DATA), "rule = 'eqprop': expected a learning rule"),  # type: ignore[arg-type]
    "solver": (lambda: eq.Trainer("ideal", RULE, DATA), "solver = 'ideal': expected a solver"),  # type: ignore[arg-type]
    "rule and solver swapped": (lambda: eq.Trainer(RULE, IDEAL, DATA), "expected a solver"),  # type: ignore[arg-type]
    "X, y": (lambda: eq.Trainer(IDEAL, RULE, (X, Y)), r"expected Splits\(train, validation, test\)"),  # type: ignore[arg-type]
    "one data set": (lambda: eq.Trainer(IDEAL, RULE, DATA.train), r"expected Splits"),  # type: ignore[arg-type]
    "workers 0": (
        lambda: eq.NgspiceSolver(CIRCUIT, workers=0),
        "workers = 0: expected a whole number from 1",
    ),
    "workers true": (lambda: eq.NgspiceSolver(CIRCUIT, workers=True), "workers = True: expected a whole"),
    "workers text": (lambda: eq.NgspiceSolver(CIRCUIT, workers="2"), "workers = '2': expected a whole"),  # type: ignore[arg-type]
    "sweep 0": (lambda: eq.NgspiceSolver(CIRCUIT, sweep=0), "sweep = 0: expected a whole number from 1"),
    "sweep 2.5": (lambda: eq.NgspiceSolver(CIRCUIT, sweep=2.5), r"sweep = 2\.5: expected"),  # type: ignore[arg-type]
    "netlist": (
        lambda: eq.NgspiceSolver(CIRCUIT, netlist="ltspice"),  # type: ignore[arg-type]
        "netlist = 'ltspice'.* Valid: full, reduced",
    ),
    "start": (lambda: eq.IdealSolver(CIRCUIT, start="warm"), "start = 'warm'.*Valid: auto, cold, relax"),  # type: ignore[arg-type]
    "solver of a plan": (lambda: eq.IdealSolver(eq.Layered()), r"expected a Circuit, as Layered\(\.\.\.\)"),  # type: ignore[arg-type]
    "deck": (
        lambda: eq.export_deck(CIRCUIT, None, X[:1], "ltspice"),  # type: ignore[arg-type]
        "form = 'ltspice': there is no such deck; .*Valid: full, reduced",
    ),
    "score": (lambda: score("Test"), "part = 'Test': did you mean 'test'"),
    "score of nothing": (lambda: score(None), "part = None: "),
    "cost": (lambda: eq.EqProp(CIRCUIT, "mse", 1e-8), r"cost = 'mse': expected a cost, SquaredError\(\)"),  # type: ignore[arg-type]
    "cost's class": (lambda: eq.EqProp(CIRCUIT, eq.SquaredError, 1e-8), r"expected a cost, SquaredError\(\)"),  # type: ignore[arg-type]
    "cost, chosen": (lambda: eq.choose_rule(CIRCUIT, "mse", 1e-8), "expected a cost"),  # type: ignore[arg-type]
    "cost, dyadic": (lambda: eq.Dyadic(CIRCUIT, "mse", 1e-8), "expected a cost"),  # type: ignore[arg-type]
    "cost, holomorphic": (lambda: eq.Holomorphic(CIRCUIT, "mse", 1e-8), "expected a cost"),  # type: ignore[arg-type]
    "beta": (lambda: eq.EqProp(CIRCUIT, COST, "1e-8"), "beta = '1e-8': expected a positive"),  # type: ignore[arg-type]
    "beta 0": (lambda: eq.VectorField(CIRCUIT, COST, 0.0), "beta = 0: expected a positive"),
    "targets that are none": (lambda: eq.SquaredError(high=np.nan), "squared error: high must be between"),
    "momentum": (lambda: eq.SGD(momentum="0.9"), "SGD: momentum must be between 0 and 0.9999, got '0.9'"),  # type: ignore[arg-type]
    "sharpness": (lambda: eq.SoftmaxCrossEntropy("5"), "sharpness K must be between .* got '5'"),  # type: ignore[arg-type]
    "optimizer of two": (twice, "this Adam belongs to another trainer"),
    "audit 0": (lambda: eq.Audit(IDEAL, every=0), "audit: every = 0: expected a whole number from 1"),
    "audit of none": (lambda: eq.Audit(IDEAL, samples=0), "audit: samples = 0"),
    "value": (lambda: IDEAL.solve({"w1": "large"}, X), "element 'w1': expected numbers, got 'large'"),  # type: ignore[dict-item]
    "value too small": (lambda: IDEAL.solve({"w1": -1.0}, X), "element 'w1': "),  # type: ignore[dict-item]
    "targets": (lambda: RULE.measure(IDEAL, None, X, [["a", "b"]]), "rows of numbers"),  # type: ignore[arg-type]
    "observer": (
        lambda: eq.Trainer(IDEAL, RULE, DATA).run(3),  # type: ignore[arg-type]
        "observer = 3: expected a function",
    ),
    "scaling": (lambda: eq.scale(DATA, "minmax"), "unknown kind 'minmax'"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_refused_at_once_in_one_sentence(name: str) -> None:
    attempt, message = REFUSED[name]
    with pytest.raises(EqcircError, match=message) as caught:
        attempt()
    assert "\n" not in str(caught.value)


def test_a_rule_of_another_circuit_is_refused() -> None:
    other = small_network(hidden=(4,))
    rule = eq.EqProp(other, COST, 1e-8)
    targets = COST.targets(np.zeros(2, int), 2)
    for attempt in (
        lambda: eq.Trainer(IDEAL, rule, DATA),
        lambda: rule.measure(IDEAL, None, X[:2], targets),
        lambda: eq.check(rule, other.parameters, X[:2], targets, IDEAL),
    ):
        with pytest.raises(EqcircError, match=r"the rule is for Circuit\('small': .*expected one circuit"):
            attempt()


def test_a_circuit_that_was_built_twice_is_one_circuit_and_other_numbers_make_another() -> None:
    again = small_network()
    assert CIRCUIT.like(again)
    eq.Trainer(eq.IdealSolver(again), RULE, DATA)
    diode = next(e for e in CIRCUIT.elements if not e.trainable)
    changed = replace(diode, value=2 * diode.value)
    elements = tuple(changed if e is diode else e for e in CIRCUIT.elements)
    assert not CIRCUIT.like(replace(CIRCUIT, elements=elements))


def test_tuples_and_lists_are_bounds() -> None:
    for bounds in ((1e-7, 1e-5), [1e-7, 1e-5]):
        assert conductance(bounds=bounds).element("g").bounds == eq.Bounds(1e-7, 1e-5)
        assert eq.Layered(bounds=bounds).bounds == eq.Bounds(1e-7, 1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [2e-5, [2e-5], np.float64(2e-5), np.array(2e-5), np.array([2e-5])])
def test_one_number_is_a_value(value: Any) -> None:
    circuit = conductance()
    for solver in (eq.IdealSolver(circuit), eq.NgspiceSolver(circuit)):
        with solver:
            volts = solver.solve({"g": value}, np.ones((1, 1))).require().free
        assert circuit.readout.read(volts)[0, 0] == pytest.approx(2 / 3, rel=1e-9)
    assert "1" in eq.export_deck(circuit, {"g": value}, np.ones((1, 1)))
    findings = eq.check(eq.EqProp(circuit, eq.SquaredError(), 1e-9), {"g": value}, [[1.0]], [[0.5]])  # type: ignore[arg-type]
    assert all(f.holds for f in findings)


@pytest.mark.parametrize("kind", [eq.EqProp, eq.VectorField, eq.AsymEP, eq.Dyadic, eq.Holomorphic])
def test_lists_are_inputs_and_targets(kind: Callable[..., Rule]) -> None:
    rule = kind(CIRCUIT, COST, 1e-8)
    targets = COST.targets(np.array([0, 1]), 2)
    given = rule.measure(IDEAL, None, X[:2].tolist(), targets.tolist()).gradient()  # type: ignore[arg-type]
    wanted = rule.measure(IDEAL, None, X[:2], targets).gradient()
    assert {k: v.tobytes() for k, v in given.items()} == {k: v.tobytes() for k, v in wanted.items()}


def test_parameters_are_copies() -> None:
    circuit = small_network()
    before = circuit.element("w1").value.copy()
    circuit.parameters["w1"][:] = 1.0
    np.testing.assert_array_equal(circuit.parameters["w1"], before)
    np.testing.assert_array_equal(circuit.element("w1").value, before)


def test_what_the_package_offers_is_there() -> None:
    assert eq.__version__ == version("eqcirc")
    for name in (*eq.__all__, "__version__"):
        assert getattr(eq, name) is not None
        assert name in dir(eq)
    assert {"to_pyspice", "export_deck", "Observer", "ProgressBar"} <= set(eq.__all__)
    assert str(eq.to_pyspice(CIRCUIT, None, X[0])).startswith(".title")


def test_what_is_shown_says_what_it_is() -> None:
    points = RULE.measure(IDEAL, None, X[:3], COST.targets(np.zeros(3, int), 2)).points
    bad = replace(points, status=np.array([0, 1, 0], np.int8))
    circuit = (
        r"Circuit\('small': 2 features, \d+ free nodes, 2 outputs; trained values: w1 12, b1 6, w2 12, b2 8\)"
    )
    for shown, wanted in {
        CIRCUIT: circuit,
        IDEAL: rf"IdealSolver\({circuit}\)",
        RULE: rf"EqProp\({circuit}, SoftmaxCrossEntropy\(.*\), beta = 1e-08, variant = 'centred'\)",
        DATA.train: r"Dataset\('blobs': 24 samples, 2 features, 2 classes\)",
        DATA: r"Splits\('blobs': train 24, validation 8, test 12 samples, 2 features, 2 classes\)",
        eq.Trainer(
            IDEAL, RULE, DATA
        ): r"Trainer\('small' by ideal and EqProp, Adam\(.*\): epoch 0 of 30, batch 0 of 1\)",
        points: r"OperatingPoints\(3 samples, 3 phases, \d+ nodes: all converged\)",
        bad: r"OperatingPoints\(3 samples, .* nodes: 1 failed \(sample 1: no operating point found; .*\)\)",
    }.items():
        assert re.fullmatch(wanted, repr(shown)), repr(shown)


def test_a_plain_function_hears_of_every_epoch() -> None:
    heard: list[dict[str, Any]] = []
    trainer = eq.Trainer(IDEAL, RULE, DATA, plan=eq.Plan(epochs=2))
    trainer.run(heard.append)
    assert [row["epoch"] for row in heard] == [1, 2]
    assert heard == trainer.state.metrics
    heard[0].clear()  # which is the listener's own
    assert trainer.state.metrics[0]["epoch"] == 1


def test_a_run_directory_hears_a_plain_function_as_well(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    content = {"data": {"name": "xor"}, "solver": {"engine": "ideal"}, "audit": {"every": 0}}
    experiment = parse(content | {"learning": {"epochs": 2}, "network": {"hidden": [2]}}, "x")
    with eq.Run.start(experiment, tmp_path / "run") as run:
        run.train(heard.append)
    assert [row["epoch"] for row in heard] == [1, 2]


def test_a_bar_is_an_observer_that_needs_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    trainer = eq.Trainer(IDEAL, RULE, DATA, plan=eq.Plan(epochs=2, batch_size=8))
    trainer.run(eq.ProgressBar())
    said = capsys.readouterr().err
    assert len(re.findall(r"epoch \d  loss", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said))) == 2
    assert said.rstrip().endswith("\x1b[?25h") or said.count("\x1b[?25l") == said.count("\x1b[?25h")


def test_variants_are_those_that_are_said() -> None:
    from eqcirc.learning.phases import PHASES, Variant

    assert set(get_args(Variant)) == set(PHASES)
