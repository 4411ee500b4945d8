"""The training loop: solve the phases of a mini-batch, contrast, step, project. Deterministic and resumable.

A run's parameters and metrics are a function of circuit, data, plan and seed: batches are permuted by
(seed, epoch), and everything that carries over from step to step is in `State`.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from eqcirc.data import Dataset, Splits
from eqcirc.errors import ConfigError, SolverError, UnmeasuredError, expect, nearest
from eqcirc.learning.audit import Audit
from eqcirc.learning.evaluate import Score, evaluate, targets_of
from eqcirc.learning.first_rate import demand, warn_of_first_step
from eqcirc.learning.observer import Listener, Observer, observing
from eqcirc.learning.optimizers import SGD, Adam, Optimizer
from eqcirc.learning.plan import Plan, base_rates, warn_of_large_steps
from eqcirc.learning.plausible import warn_of_volts
from eqcirc.learning.reach import check_targets
from eqcirc.learning.rule import NOISE, Measurement, Rule
from eqcirc.learning.schedules import factor
from eqcirc.learning.writing import Writing
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.threads import one_thread
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")

# of an epoch; beside them stand the rungs of the retries that won
SUMS = ("loss", "right", "seen", "failed", "open")
FITTED = 1e-6  # of an ordinary error; what is left of it then, where its contrast is noise, is noise
RETRIED_BY = "retried by "  # before the name of a rung in a row of the metrics


@dataclass
class State:
    """Everything that a run needs to go on.

    Attributes:
        parameters: present values by element name.
        epoch: epochs completed.
        batch: batches of the present epoch completed.
        sums: running loss, right answers, samples seen and failed of the present epoch, and batches that left
            something to learn; and samples that only a retry solved, by the rung that won.
        metrics: a row for each completed epoch.
        audits: a row for each audit.
        best: parameters of the best epoch so far.
        best_score: its validation accuracy and negated loss.
        best_epoch: its number; 0 for none.
        ended: why the run ended before its last epoch; empty if it has not.
    """

    parameters: dict[str, Array]
    epoch: int = 0
    batch: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SUMS, 0.0))
    metrics: list[dict[str, Any]] = field(default_factory=list)
    audits: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Array] = field(default_factory=dict)
    best_score: tuple[float, float] = (-math.inf, -math.inf)
    best_epoch: int = 0
    ended: str = ""


PARTS = ("train", "validation", "test")


def _check_kinds(
    solver: Solver,
    rule: Rule,
    data: Splits,
    optimizer: Optimizer | None,
    plan: Plan | None,
    audit: Audit | None,
    writing: Writing | None,
) -> None:
    """Raise `ConfigError` for an argument that is something else, and `CircuitError` for two circuits."""
    none = type(None)
    expect("solver", solver, Solver, "a solver, such as IdealSolver(circuit)")
    expect("rule", rule, Rule, "a learning rule, such as EqProp(circuit, cost, beta)")
    expect(
        "data",
        data,
        Splits,
        'Splits(train, validation, test) of a Dataset("mine", X, labels=y, n_classes=n) each',
    )
    expect("optimizer", optimizer, (Optimizer, none), "an optimizer, such as Adam() or SGD()")
    expect("plan", plan, (Plan, none), "a Plan(...)")
    expect("audit", audit, (Audit, none), "an Audit(other_solver)")
    expect("writing", writing, (Writing, none), "a Writing(...)")
    rule.fits(solver)


class Trainer:
    """Trains the circuit of a solver on data."""

    def __init__(
        self,
        solver: Solver,
        rule: Rule,
        data: Splits,
        *,
        optimizer: Optimizer | None = None,
        plan: Plan | None = None,
        audit: Audit | None = None,
        exact: bool = True,
        writing: Writing | None = None,
    ) -> None:
        """Check that circuit and data fit, and start from the circuit's values.

        Rows of the metrics say so where the rule's updates are not `exact`, up to its beta. Updates are written exactly
        if `writing` does not say how.

        Raises:
            CircuitError: solver and rule are of two circuits.
            ConfigError: something of another kind, wrong number of features or outputs, targets out of reach, a rate
                for an unknown element or one for elements of different units, none for gradient descent.
        """
        _check_kinds(solver, rule, data, optimizer, plan, audit, writing)
        self.solver, self.rule, self.data = solver, rule, data
        self.circuit = solver.circuit
        self.optimizer = optimizer or Adam()
        self.plan = plan or Plan()
        self.audit = audit
        self.exact = exact
        self.writing = writing
        self.state = State(parameters=self.circuit.parameters)
        self._bounds = {e.name: e.bounds for e in self.circuit.trainable}
        self._pulsed = {e.name for e in self.circuit.trainable if e.resistors(e.value).size}
        self._rates = base_rates(self.plan, self.circuit.trainable, self.optimizer)
        self._check_fit()
        self._targets = targets_of(data.train, rule.cost)
        check_targets(self.circuit, self.rule.cost, self.data.train, self._targets)
        self._check_rate()
        warn_of_volts(self.circuit, data.train.inputs)
        self.optimizer.take()

    def __repr__(self) -> str:
        """Say what is trained, by what, and how far it is."""
        return (
            f"Trainer({self.circuit.name!r} by {self.solver.name} and {self.rule.name}, {self.optimizer!r}: "
            f"epoch {self.state.epoch} of {self.plan.epochs}, batch {self.state.batch} of {self.n_batches})"
        )

    @property
    def step(self) -> int:
        """Updates done since the start of the run."""
        return self.state.epoch * self.n_batches + self.state.batch

    @property
    def steps(self) -> int:
        """Updates of the whole plan."""
        return self.plan.epochs * self.n_batches

    @property
    def n_batches(self) -> int:
        """Batches in an epoch; the last one may be smaller."""
        return math.ceil(self.data.train.n_samples / self.plan.batch_size)

    @property
    def done(self) -> bool:
        """Whether nothing is left to train."""
        return bool(self.state.ended) or self.state.epoch >= self.plan.epochs

    @property
    def parameters(self) -> dict[str, Array]:
        """The trained values: present ones, or the best ones if the plan keeps those."""
        if self.plan.keep == "best" and self.state.best:
            return self.state.best
        return self.state.parameters

    def run(self, observer: Listener | None = None, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train until the plan is done or `stop()` is true after a batch; return whether the plan is done.

        It is done early, and `State.ended` says why, when all that is left to learn is rounding noise, or when the
        plan's patience has come to its end.

        Raises:
            SolverError: too many samples of a batch failed.
            AuditError: the solvers disagree beyond the stop threshold.
            ConfigError: `observer` is neither an `Observer` nor a function, which is called with each epoch's metrics.
        """
        with one_thread():
            return self._run(observing(observer), stop)

    def _run(self, observer: Observer | None, stop: Callable[[], bool]) -> bool:
        warn_of_large_steps(self._rates, self.circuit.trainable, self.optimizer)
        state = self.state
        while not self.done:
            order = self._order(state.epoch)
            while state.batch < self.n_batches:
                if stop():
                    return False
                rows = order[state.batch * self.plan.batch_size :][: self.plan.batch_size]
                self._step(rows)
                if observer:
                    observer.on_batch(self, len(rows))
            row = self._end_epoch()
            if observer:
                observer.on_epoch(self, row)
        return True

    def score(self, part: Literal["train", "validation", "test"]) -> Score:
        """Evaluate the trained values on a part of the data.

        Raises:
            ConfigError: there is no such part.
        """
        if part not in PARTS:
            raise ConfigError(f"part = {part!r}: {nearest(str(part), PARTS)}")
        dataset = getattr(self.data, part)
        if dataset is None:
            raise ConfigError(f"there is no {part} part; give data.{part} a share above 0")
        return evaluate(self.solver, self.parameters, dataset, self.rule.cost, self.rule.answers_in)

    def _step(self, rows: np.ndarray) -> None:
        """Do one update on the training samples `rows`; an error leaves the state as it was."""
        state, step = self.state, self.step
        inputs, targets = self.data.train.inputs[rows], self._targets[rows]
        measured = self.rule.measure(self.solver, state.parameters, inputs, targets)
        points = measured.points
        self._check_failures(points, step)
        still_open = self._leaves_something(measured, targets)
        audits = [*state.audits, *self._audited(inputs, targets)]
        gradient = measured.gradient()
        scale = self._factor(step / self.steps)
        steps = self.optimizer.steps(gradient, {name: rate * scale for name, rate in self._rates.items()})
        state.parameters = {
            name: self._written(name, value, steps[name], step) for name, value in state.parameters.items()
        }
        if step == 0 and isinstance(self.optimizer, SGD):
            warn_of_first_step(steps, gradient, self.circuit.trainable, self.optimizer.momentum)
        self._count(points, rows)
        state.sums["open"] += still_open
        state.audits = audits
        state.batch += 1

    def _written(self, name: str, value: Array, asked: Array, step: int) -> Array:
        """Return the values of an element after a step was asked for."""
        bounds = self._bounds[name]
        if self.writing is None or name not in self._pulsed:
            return np.clip(value + asked, *bounds)
        rng = self.writing.generator(self.plan.seed, step, name)
        return self.writing.written(value, asked, bounds, rng)

    def _leaves_something(self, measured: Measurement, targets: Array) -> bool:
        """Return whether a batch leaves something to learn: a contrast that can be measured, or an error."""
        good, cost = measured.points.converged, self.rule.cost
        if measured.strength > NOISE or not good.all():
            return True
        outputs = self.circuit.readout.read(measured.points.free)
        error = np.abs(cost.gradient(outputs, targets)).max(axis=1)
        return bool((error > FITTED * cost.typical(outputs, targets)).any())

    def _audited(self, inputs: Array, targets: Array) -> list[dict[str, float]]:
        """Return the row of an audit of some samples, if one is due; batches are in random order already."""
        if self.audit is None or not self.audit.due(self.step):
            return []
        few = slice(0, self.audit.samples)
        values = self.state.parameters
        return [self.audit.compare(self.solver, self.rule, values, inputs[few], targets[few], self.step)]

    def _count(self, points: OperatingPoints, rows: np.ndarray) -> None:
        """Add a batch's free phase to the running sums of the epoch."""
        good = points.converged
        outputs = self.circuit.readout.read(points.free[good])
        sums = self.state.sums
        sums["loss"] += float(self.rule.cost.value(outputs, self._targets[rows][good]).sum())
        if self.data.train.labels is not None:
            sums["right"] += int(
                (
                    self.rule.cost.preference(outputs).argmax(axis=1) == self.data.train.labels[rows][good]
                ).sum()
            )
        sums["seen"] += len(rows)
        sums["failed"] += int((~good).sum())
        for rung, won in Counter(rung for k, rung in points.rungs.items() if good[k]).items():
            sums[rung] = sums.get(rung, 0.0) + won

    def _end_epoch(self) -> dict[str, Any]:
        """Score the validation part, write the epoch's row and start the next epoch."""
        state, sums = self.state, self.state.sums
        retried = {rung: int(won) for rung, won in sums.items() if rung not in SUMS}
        row: dict[str, Any] = {
            "epoch": state.epoch + 1,
            "train_loss": sums["loss"] / max(1.0, sums["seen"] - sums["failed"]),
            "train_accuracy": sums["right"] / sums["seen"]
            if self.data.train.labels is not None
            else math.nan,
            "failed": int(sums["failed"]),
            "retried": sum(retried.values()),
            **{RETRIED_BY + rung: won for rung, won in retried.items()},
            "rate_factor": self._factor((state.epoch + 1) / self.plan.epochs),
            "at_bounds": self._share_at_bounds(),
        }
        if not self.exact:
            row["no_gradient"] = self.rule.name
        if self.data.validation is not None:
            score = self._validate(self.data.validation)
            row |= {"validation_loss": score.loss, "validation_accuracy": score.accuracy}
            rank = (0.0 if math.isnan(score.accuracy) else score.accuracy, -score.loss)
            if rank > state.best_score and not math.isnan(score.loss):
                state.best_score, state.best = rank, state.parameters
                state.best_epoch = state.epoch + 1
        state.metrics.append(row)
        state.ended = self._reason_to_end()
        state.sums = dict.fromkeys(SUMS, 0.0)
        state.epoch, state.batch = state.epoch + 1, 0
        return row

    def _reason_to_end(self) -> str:
        """Say why nothing more is to be expected after the present epoch; nothing if there is no reason."""
        state, patience = self.state, self.plan.patience
        if not state.sums["open"]:
            return "converged: what is left to learn is rounding noise"
        if patience is not None and state.epoch + 1 - state.best_epoch >= patience:
            return f"no better score of the validation part for {patience} epochs"
        return ""

    def _validate(self, validation: Dataset) -> Score:
        """Return the score of the validation part; without numbers if it could not be measured."""
        try:
            return evaluate(
                self.solver, self.state.parameters, validation, self.rule.cost, self.rule.answers_in
            )
        except UnmeasuredError as error:
            log.warning("epoch %d: %s", self.state.epoch + 1, error)
            return Score(math.nan, math.nan, validation.n_samples, validation.n_samples)

    def _check_failures(self, points: OperatingPoints, step: int) -> None:
        failed = int((~points.converged).sum())
        if failed > self.plan.failed_limit * len(points.status):
            hint = self.rule.cost.hint(self.circuit.readout.read(points.free))
            raise SolverError(
                f"step {step}: {failed} of {len(points.status)} samples have no usable operating point (limit "
                f"{self.plan.failed_limit:.0%}, beta = {self.rule.beta:g}): {points.explain()}"
                + (f". {hint}" if hint else "")
            )

    def _order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.plan.seed, epoch]).permutation(self.data.train.n_samples)

    def _factor(self, progress: float) -> float:
        plan = self.plan
        return factor(plan.schedule, progress, plan.epochs, final=plan.final, decay=plan.decay)

    def _share_at_bounds(self) -> float:
        stuck = [
            (p <= self._bounds[k].lower) | (p >= self._bounds[k].upper)
            for k, p in self.state.parameters.items()
        ]
        return float(np.concatenate([s.ravel() for s in stuck]).mean())

    def _check_fit(self) -> None:
        unbounded = [name for name in self._pulsed if not np.isfinite(self._bounds[name]).all()]
        if self.writing is not None and (unbounded or not self._pulsed):
            what = f"{unbounded[0]!r} has no bounds" if unbounded else "there is no trained resistor"
            raise ConfigError(f"writing: pulses lead from one bound of a resistor to the other, but {what}")
        if not self._bounds:
            raise ConfigError(f"circuit {self.circuit.name!r} has no trainable element")
        if self.plan.keep == "best" and self.data.validation is None:
            raise ConfigError('keep = "best" needs a validation part; give data.validation a share above 0')
        if self.plan.patience is not None and self.data.validation is None:
            raise ConfigError("patience needs a validation part; give data.validation a share above 0")
        wanted = (self.circuit.inputs.n_features, self.circuit.readout.n_outputs)
        given = (self.data.train.n_features, self.data.train.n_outputs)
        if wanted != given:
            raise ConfigError(
                f"the circuit takes {wanted[0]} features and has {wanted[1]} outputs, but data "
                f"{self.data.train.name!r} has {given[0]} features and {given[1]} outputs"
            )

    def _check_rate(self) -> None:
        """Gradient descent has no rate that suits many circuits."""
        if self.plan.learning_rate is None and isinstance(self.optimizer, SGD):
            rows = self._order(0)[: self.plan.batch_size]
            raise demand(
                self.rule,
                self.solver,
                self.data.train.inputs[rows],
                self._targets[rows],
                self.optimizer.momentum,
            )
