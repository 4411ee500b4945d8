from __future__ import annotations

import copy
import logging
import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.data import Dataset, Splits
from eqcirc.devices import CubicDevice
from eqcirc.errors import AuditError, ConfigError, SolverError
from eqcirc.learning.audit import Audit, AuditLimits
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.evaluate import evaluate, targets_of
from eqcirc.learning.optimizers import SGD, Adam, Optimizer
from eqcirc.learning.plan import Plan
from eqcirc.learning.schedules import ScheduleName
from eqcirc.learning.trainer import SUMS, State, Trainer
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, Parameters
from tests.learning.networks import BOUNDS, blobs, small_network

PLAN = Plan(epochs=3, batch_size=10, learning_rate=4e-7)  # 24 samples: batches of 10, 10 and 4


class Faulty(Solver):
    """An ideal solver some of whose samples fail, or which raises an error at some call."""

    def __init__(
        self,
        circuit: Circuit,
        fails: Callable[[int, int], bool] = lambda call, sample: False,
        raises: Callable[[int], bool] = lambda call: False,
    ) -> None:
        super().__init__(circuit)
        self.inner, self.fails, self.raises, self.calls = IdealSolver(circuit), fails, raises, 0

    def solve(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None
    ) -> OperatingPoints:
        self.calls += 1
        if self.raises(self.calls):
            raise SolverError("on purpose")
        points = self.inner.solve(parameters, inputs, nudge)
        bad = [k for k in range(len(inputs)) if self.fails(self.calls, k)]
        points.status[bad] = Status.NOT_CONVERGED
        points.voltages[:, bad] = np.nan
        return points


def trainer(
    plan: Plan = PLAN,
    *,
    data: Splits | None = None,
    solver: Solver | None = None,
    circuit: Circuit | None = None,
    cost: Cost | None = None,
    optimizer: Optimizer | None = None,
    audit: Audit | None = None,
) -> Trainer:
    solver = solver or IdealSolver(circuit or small_network())
    rule = EqProp(solver.circuit, cost or SoftmaxCrossEntropy(10.0), 1e-8)
    return Trainer(solver, rule, data or blobs(), optimizer=optimizer or Adam(), plan=plan, audit=audit)


def assert_same(one: Trainer, other: Trainer) -> None:
    """The same bits in everything that a run leaves behind."""
    for first, second in ((one.state.parameters, other.state.parameters), (one.state.best, other.state.best)):
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    assert one.state.metrics == other.state.metrics
    assert one.state.audits == other.state.audits


def after(batches: int) -> Callable[[], bool]:
    """A wish to stop after so many batches."""
    left = iter(range(batches))
    return lambda: next(left, None) is None


# what training does


def test_training_separates_two_blobs() -> None:
    t = trainer(replace(PLAN, epochs=8))
    before = t.score("test")
    assert t.run()
    assert t.score("test").accuracy > max(before.accuracy, 0.9)
    assert t.score("test").loss < before.loss / 2
    losses = [row["train_loss"] for row in t.state.metrics]
    assert losses[-1] < losses[0] / 2


def test_a_step_is_minus_rate_times_gradient() -> None:
    t = trainer(
        replace(PLAN, epochs=1, batch_size=24, learning_rate=1e-18, schedule="constant"), optimizer=SGD()
    )
    inputs, targets = t.data.train.inputs, targets_of(t.data.train, t.rule.cost)
    points = t.solver.solve(None, inputs, t.rule.nudge(targets, None)).require()
    gradient, start = t.rule.gradient(points, None), t.circuit.parameters
    t.run()
    for name, value in t.state.parameters.items():
        np.testing.assert_allclose(value - start[name], -1e-18 * gradient[name], rtol=1e-3, atol=1e-19)


def test_the_first_row_of_metrics_is_the_score_of_the_free_phase() -> None:
    t = trainer(replace(PLAN, epochs=1, batch_size=24))
    before = t.score("train")
    t.run()
    row = t.state.metrics[0]
    assert row["train_loss"] == pytest.approx(before.loss, rel=1e-12)
    assert row["train_accuracy"] == before.accuracy
    assert (row["epoch"], row["failed"], row["retried"]) == (1, 0, 0)
    after_training = evaluate(t.solver, t.parameters, t.data.validation, t.rule.cost, None)  # type: ignore[arg-type]
    assert (row["validation_loss"], row["validation_accuracy"]) == (
        after_training.loss,
        after_training.accuracy,
    )


def test_values_stay_within_their_bounds() -> None:
    t = trainer(replace(PLAN, learning_rate=1.0, schedule="constant"))
    t.run()
    for value in t.parameters.values():
        assert np.isin(value, BOUNDS).all()
    assert t.state.metrics[-1]["at_bounds"] == 1


def test_every_element_has_its_own_rate() -> None:
    rates = dict.fromkeys(("w1", "b1", "b2"), 1e-30) | {"w2": 1e-7}
    t = trainer(replace(PLAN, learning_rate=rates))
    t.run()
    moved = {name for name, value in t.parameters.items() if (value != t.circuit.parameters[name]).any()}
    assert moved == {"w2"}


@pytest.mark.parametrize(
    ("schedule", "factors", "recorded"),
    [
        ("constant", [1, 1, 1], [1, 1, 1]),
        ("exponential", [1, 0.5, 0.25], [0.5, 0.25, 0.125]),
        ("cosine", [1, 0.775, 0.325], [0.775, 0.325, 0.1]),
    ],
)
def test_the_schedule_scales_the_steps(
    schedule: ScheduleName, factors: list[float], recorded: list[float]
) -> None:
    """One batch in each of three epochs, and steps so small that the gradient stays what it is."""
    plan = Plan(epochs=3, batch_size=24, learning_rate=1e-16, schedule=schedule, final=0.1, decay=0.5)
    t = trainer(plan, optimizer=SGD())
    values = [t.parameters["w2"]]
    while not t.run(stop=after(1)):
        values.append(t.parameters["w2"])
    steps = np.diff([*values, t.parameters["w2"]][:4], axis=0)
    for step, factor in zip(steps, factors, strict=True):
        np.testing.assert_allclose(step, factor * steps[0], rtol=1e-3, atol=1e-15)
    np.testing.assert_allclose([row["rate_factor"] for row in t.state.metrics], recorded)


def test_training_does_not_change_the_circuit() -> None:
    circuit = small_network()
    before = copy.deepcopy(circuit.parameters)
    trainer(circuit=circuit).run()
    for name, value in circuit.parameters.items():
        np.testing.assert_array_equal(value, before[name])


def test_the_seed_decides_the_order_of_samples() -> None:
    one, same, other = trainer(), trainer(), trainer(replace(PLAN, seed=1))
    for t in (one, same, other):
        t.run()
    assert_same(one, same)
    assert (one.parameters["w1"] != other.parameters["w1"]).any()


def test_every_sample_is_used_once_in_an_epoch() -> None:
    t = trainer()
    orders = [t._order(epoch) for epoch in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(24))
    assert (orders[0] != orders[1]).any()


def test_a_regression_has_no_accuracy() -> None:
    x = np.linspace(-1, 1, 12)[:, None] * np.ones(2)
    part = Dataset("line", x, targets=0.05 * x)
    t = trainer(data=Splits(part, part, part), cost=SquaredError())
    t.run()
    assert math.isnan(t.state.metrics[0]["train_accuracy"])
    assert t.state.metrics[-1]["train_loss"] < t.state.metrics[0]["train_loss"]


# failures


def test_a_failed_sample_is_left_out_and_counted() -> None:
    """Exactly the run without that sample, if it fails in every epoch."""
    data = blobs()
    lost = 5
    whole = Splits(data.train, None, data.test)
    t = trainer(replace(PLAN, epochs=1, batch_size=24), data=whole, solver=Faulty(small_network()))
    position = int(np.flatnonzero(t._order(0) == lost)[0])
    t.solver.fails = lambda call, sample: sample == position  # type: ignore[attr-defined]
    t.run()
    rest = Splits(data.train.take(np.delete(np.arange(24), lost)), None, data.test)
    expected = trainer(replace(PLAN, epochs=1, batch_size=24), data=rest)
    expected.run()
    for name, value in t.parameters.items():
        np.testing.assert_allclose(value, expected.parameters[name], rtol=1e-6)
    row, good = t.state.metrics[0], expected.state.metrics[0]
    assert row["failed"] == 1
    assert row["train_loss"] == pytest.approx(good["train_loss"], rel=1e-12)
    assert row["train_accuracy"] == pytest.approx(good["train_accuracy"] * 23 / 24)  # a failure is not right


HARD = 1.0  # V


class Laborious(Faulty):
    """Some samples are solved only by a retry, and some of these not even so."""

    def solve(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None
    ) -> OperatingPoints:
        points = super().solve(parameters, inputs, nudge)
        points.rungs.update({k: "small steps" for k in np.flatnonzero(inputs[:, 0] > HARD).tolist()})
        points.rungs.update({k: "relaxation" for k in np.flatnonzero(inputs[:, 0] < -HARD).tolist()})
        return points


def test_samples_that_a_retry_solved_are_counted_by_rung() -> None:
    data = replace(blobs(), validation=None)
    x = data.train.inputs[:, 0]
    small, relaxed = int((x > HARD).sum()), int((x < -HARD).sum())
    assert small > 0 < relaxed < 24 - small
    t = trainer(replace(PLAN, epochs=2), data=data, solver=Laborious(small_network()))
    t.run()
    for row in t.state.metrics:
        counted = (row["retried"], row["retried by small steps"], row["retried by relaxation"])
        assert counted == (small + relaxed, small, relaxed)


def test_a_retry_that_did_not_help_is_a_failure() -> None:
    data = replace(blobs(), validation=None)
    plan = replace(PLAN, epochs=1, batch_size=24, failed_limit=1.0)
    hopeless = data.train.inputs[trainer(plan, data=data)._order(0), 0] < -HARD
    t = trainer(plan, data=data, solver=Laborious(small_network(), lambda call, k: bool(hopeless[k])))
    t.run()
    (row,) = t.state.metrics
    assert row["failed"] == hopeless.sum() > 0
    assert row["retried"] == row["retried by small steps"] == (data.train.inputs[:, 0] > HARD).sum()
    assert "retried by relaxation" not in row


def test_too_many_failures_stop_the_run() -> None:
    solver = Faulty(small_network(), lambda call, sample: call == 2 and sample in (3, 7))
    t = trainer(solver=solver)
    with pytest.raises(
        SolverError,
        match=r"step 1: 2 of 10 samples have no usable operating point \(limit 10%, beta = 1e-08\): "
        r"sample 3: no operating point found; .* or a smaller beta; sample 7: ",
    ):
        t.run()
    trainer(replace(PLAN, failed_limit=0.2), solver=Faulty(small_network(), solver.fails)).run()


def test_a_beta_that_is_too_large_is_named() -> None:
    t = trainer()
    t.rule.beta = 1e-3
    with pytest.raises(SolverError, match=r"beta = 0\.001"):
        t.run()


@pytest.mark.parametrize(("sharpness", "named"), [(10.0, False), (1000.0, True)])
def test_a_sharpness_that_makes_steps_is_named(sharpness: float, named: bool) -> None:
    t = trainer(solver=Faulty(small_network(), lambda call, k: k < 5), cost=SoftmaxCrossEntropy(sharpness))
    with pytest.raises(SolverError) as error:
        t.run()
    found = re.search(
        r"\. sharpness = 1000 1/V times outputs ([\d.]+) V apart is (\d+); lower", str(error.value)
    )
    assert (found is not None) == named
    if found:
        assert int(found[2]) == pytest.approx(1000 * float(found[1]), rel=1e-2)


# stop and go on


def experiments() -> list[Any]:
    def audited() -> Audit:
        return Audit(IdealSolver(small_network(seed=1)), 2, 4, AuditLimits(9, 9, -1, -1))

    return [
        pytest.param(lambda: trainer(replace(PLAN, keep="best"), audit=audited()), id="adam, best, audits"),
        pytest.param(
            lambda: trainer(
                replace(PLAN, schedule="exponential", decay=0.5, learning_rate=1e-16),
                optimizer=SGD(momentum=0.9),
            ),
            id="momentum, exponential",
        ),
        pytest.param(lambda: trainer(solver=Laborious(small_network())), id="retries"),
    ]


@pytest.mark.parametrize("make", experiments())
@pytest.mark.parametrize("batches", range(9))
def test_a_run_taken_up_at_any_batch_ends_with_the_same_bits(
    make: Callable[[], Trainer], batches: int
) -> None:
    whole, first, second = make(), make(), make()
    assert whole.run()
    assert not first.run(stop=after(batches))
    assert first.step == batches
    second.state, second.optimizer.state = copy.deepcopy(first.state), copy.deepcopy(first.optimizer.state)
    assert second.run()
    assert_same(whole, second)


@pytest.mark.parametrize("call", [1, 2, 5])
def test_an_error_leaves_the_state_as_it_was(call: int) -> None:
    whole = trainer(data=replace(blobs(), validation=None))
    whole.run()
    t = trainer(
        data=replace(blobs(), validation=None), solver=Faulty(small_network(), raises=lambda k: k == call)
    )
    with pytest.raises(SolverError, match="on purpose"):
        t.run()
    assert t.step == call - 1
    assert t.run()
    assert_same(whole, t)


def test_a_plan_that_is_done_does_nothing() -> None:
    t = trainer()
    t.run()
    state = copy.deepcopy(t.state)
    assert t.run()
    assert t.state.metrics == state.metrics


# the best epoch


def test_the_best_epoch_is_that_of_the_highest_validation_accuracy() -> None:
    kept: list[dict[str, Array]] = []

    class Watch:
        def on_batch(self, trainer: Trainer, samples: int) -> None: ...

        def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
            kept.append(trainer.state.parameters)

    t = trainer(replace(PLAN, epochs=6, keep="best", learning_rate=3e-6, schedule="constant"))
    t.run(Watch())
    ranks = [(row["validation_accuracy"], -row["validation_loss"]) for row in t.state.metrics]
    best = max(range(6), key=lambda k: ranks[k])
    assert best < 5, "the last epoch is the best one, which tests nothing"
    for name, value in t.parameters.items():
        np.testing.assert_array_equal(value, kept[best][name])


def test_the_best_epoch_never_looks_at_the_test_part() -> None:
    plan = replace(PLAN, epochs=6, keep="best", learning_rate=3e-6)
    data = blobs()
    wrong = replace(data.test, inputs=-data.test.inputs)
    one, other = trainer(plan, data=data), trainer(plan, data=replace(data, test=wrong))
    one.run()
    other.run()
    assert_same(one, other)


def test_without_an_epoch_the_present_values_are_the_best() -> None:
    t = trainer(replace(PLAN, keep="best"))
    assert t.parameters is t.state.parameters


# audits


def test_an_audit_by_the_same_equations_finds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    t = trainer(audit=Audit(IdealSolver(small_network()), 4, 3))
    t.run()
    assert [row["step"] for row in t.state.audits] == [0, 4, 8]
    for row in t.state.audits:
        assert (row["max_dv"], row["samples"]) == (0, 3)
        assert row["cosine"] == pytest.approx(1)
    assert not caplog.records


def leaky(siemens: float) -> Circuit:
    """The small network with one more resistor."""
    circuit = small_network()
    b = CircuitBuilder("leak")
    node = b.nodes("out")
    b.conductance("leak", node, GROUND, siemens)
    leak = replace(b._elements[0], a=circuit.readout.nodes[:1], b=np.array([0]))  # type: ignore[call-arg]
    return replace(circuit, elements=(*circuit.elements, leak))


def falling(siemens: float) -> Circuit:
    """The small network with a device whose current falls by so much."""
    circuit = small_network()
    b = CircuitBuilder("fall")
    b.device("fall", b.nodes("out"), GROUND, CubicDevice(siemens))
    out, ground = circuit.readout.nodes[:1], np.array([0])
    fall = replace(b._elements[0], anode=out, cathode=ground)  # type: ignore[call-arg]
    return replace(circuit, elements=(*circuit.elements, fall))


def test_a_slight_disagreement_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "eqcirc"):
        t = trainer(replace(PLAN, epochs=1), audit=Audit(IdealSolver(leaky(1e-10)), 1, 3))
        t.run()
    assert len(caplog.records) == 3
    assert "audit at step 0: the solvers differ by" in caplog.text
    assert "(warning beyond 1e-06 V, 0.9999, 1% and 10%)" in caplog.text
    assert 1e-6 < t.state.audits[0]["max_dv"] < 1e-3


def test_a_strong_disagreement_stops_the_run() -> None:
    t = trainer(audit=Audit(IdealSolver(leaky(1e-5)), 2, 3))
    with pytest.raises(
        AuditError, match=r"audit at step 0: the solvers differ by .* V, cosine of the updates .*; the"
    ):
        t.run()
    assert (t.step, t.state.audits) == (0, [])
    circuit, limits = leaky(1e-5), AuditLimits(stop_voltage=10.0, warn_cosine=-1, stop_cosine=1.0)
    with pytest.raises(AuditError, match="the run stops at 10 V, 1 and 50%"):
        trainer(audit=Audit(IdealSolver(circuit), 2, 3, limits)).run()


@pytest.mark.parametrize("other", [leaky(1e-5), falling(1e-6)])
def test_where_there_may_be_several_states_neither_solver_is_called_wrong(other: Circuit) -> None:
    with pytest.raises(AuditError) as error:
        trainer(audit=Audit(IdealSolver(other), 2, 3)).run()
    words = "Neither need be wrong: with active devices there may be several operating points"
    assert (words in str(error.value)) == ("fall" in {e.name for e in other.elements})


def test_an_audit_without_a_solution_stops_the_run() -> None:
    failing = Faulty(small_network(), lambda call, sample: True)
    with pytest.raises(
        AuditError, match=r"audit at step 0: no sample converged in both solvers; ideal: ; : sample 0"
    ):
        trainer(audit=Audit(failing, 2, 3)).run()


def test_an_audit_compares_what_both_solvers_found() -> None:
    failing = Faulty(small_network(), lambda call, sample: sample == 1)
    t = trainer(replace(PLAN, epochs=1), audit=Audit(failing, 5, 3))
    t.run()
    assert t.state.audits[0]["samples"] == 2
    assert t.state.audits[0]["max_dv"] == 0


# what does not fit


def no_parameters() -> Circuit:
    b = CircuitBuilder("fixed")
    x, out = b.input("x", 2), b.nodes("out", 2)
    b.conductance("g", x, out, 1e-6)
    return b.build(out)


def odd(features: int, classes: int) -> Splits:
    part = Dataset("odd", np.zeros((4, features)), labels=np.arange(4) % classes, n_classes=classes)
    return Splits(part, None, part)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: trainer(replace(PLAN, learning_rate={"w1": 1.0, "b1": 1.0, "w3": 1.0})),
            r"learning_rate: no trainable element 'w3': did you mean 'w\d'\? Valid: b1, b2, w1, w2\.",
        ),
        (
            lambda: trainer(replace(PLAN, learning_rate={"w1": 1.0, "b1": 1.0})),
            r"learning_rate: no rate for b2, w2; give one to each",
        ),
        (lambda: trainer(circuit=no_parameters()), "circuit 'fixed' has no trainable element"),
        (
            lambda: trainer(data=odd(3, 4)),
            "the circuit takes 2 features and has 2 outputs, but data 'odd' has 3 features and 4 outputs",
        ),
        (
            lambda: trainer(replace(PLAN, keep="best"), data=odd(2, 2)),
            r'keep = "best" needs a validation part; give data\.validation a share above 0',
        ),
        (lambda: trainer(cost=SquaredError(50, -50)), r"target 50 V is out of reach: .* no output exceeds"),
        (lambda: trainer(data=odd(2, 2)).score("validation"), "there is no validation part"),
        (
            lambda: trainer(data=Splits(*[Dataset("line", np.ones((4, 2)), targets=np.ones((4, 2)))] * 3)),
            r'data \'line\' has targets that are no probabilities, .*; train with cost = "squared_error"',
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_soft_labels_are_fine_for_the_cross_entropy() -> None:
    part = Dataset("soft", np.ones((4, 2)), targets=np.full((4, 2), 0.5))
    trainer(data=Splits(part, part, part)).run()


def test_a_new_state_has_seen_nothing() -> None:
    assert set(State({}).sums) == set(SUMS) and not any(State({}).sums.values())


@pytest.mark.parametrize("status", [Status.ENGINE_DIED, Status.NOT_CONVERGED])
def test_a_validation_that_could_not_be_measured_is_no_number_and_no_best_epoch(
    caplog: pytest.LogCaptureFixture, status: Status
) -> None:
    """Neither if the simulator died, nor, as to the loss, if no sample had an operating point."""

    class Dying(Faulty):
        def solve(self, *arguments: Any) -> OperatingPoints:
            points = super().solve(*arguments)
            if self.calls == 4:  # after three batches
                points.status[:] = status
                points.voltages[:] = np.nan
            return points

    data, circuit = blobs(), small_network()
    plan = replace(PLAN, epochs=2, keep="best")
    t = Trainer(Dying(circuit), EqProp(circuit, SoftmaxCrossEntropy(), 1e-7), data, plan=plan)
    kept: list[dict[str, Array]] = []

    class Watch:
        def on_batch(self, trainer: Trainer, samples: int) -> None: ...

        def on_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
            kept.append(trainer.state.best)

    with caplog.at_level(logging.WARNING, "eqcirc"):
        t.run(Watch())
    first, second = t.state.metrics
    assert math.isnan(first["validation_loss"])
    assert math.isnan(second["validation_loss"]) is False
    assert kept[0] == {}
    assert kept[1] is t.state.best
    assert t.state.best
    if status is Status.ENGINE_DIED:
        assert math.isnan(first["validation_accuracy"])
        assert "epoch 1: " in caplog.text
        assert "could not be measured" in caplog.text
    else:
        assert first["validation_accuracy"] == 0  # what has no operating point is wrong
