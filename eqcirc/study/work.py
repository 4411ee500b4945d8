"""Units of work: one arm on one chip, with some kinds of non-ideality. A unit depends on no other one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Dataset, Splits
from eqcirc.experiment import reality as tables
from eqcirc.experiment.build import answering, build_cost, build_rule, build_solver, build_trainer
from eqcirc.experiment.chips import as_solved
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import evaluate
from eqcirc.learning.trainer import Trainer
from eqcirc.reality import Reality
from eqcirc.reality.supply import at_supply
from eqcirc.solvers.base import Solver
from eqcirc.study.schema import Corner, Engine, Study
from eqcirc.typing import Array

NOMINAL = Corner(celsius=None, supply=None)
ALL, NOTHING, ONLY, WITHOUT = "all", "nothing", "only ", "without "
KINDS = tuple(field.name for field in fields(Reality))
PASSES = 4  # samples that are scored in the time in which one is learnt, about: three phases and an update


@dataclass(frozen=True)
class Unit:
    """What is done at once.

    Attributes:
        arm: "ideal", "transfer", "in-situ" or "fine-tuned".
        kinds: of non-ideality that there are: "all", "nothing", "only mismatch", "without mismatch", …
        chip: its number; None without chips.
    """

    arm: str
    kinds: str
    chip: int | None

    @property
    def key(self) -> str:
        """Name for its file."""
        chip = "" if self.chip is None else f"-{self.chip:05d}"
        return f"{self.arm}-{self.kinds.replace(' ', '-')}{chip}"

    @property
    def trains(self) -> bool:
        """Whether something is learnt in it."""
        return self.arm in ("in-situ", "fine-tuned")


@dataclass(frozen=True, eq=False)
class Bench:
    """What units work with.

    Attributes:
        study: what is asked.
        experiment: how circuits are trained and solved, without [reality].
        circuit: the ideal one.
        parameters: values that were trained on it.
        part: samples that score.
        data: to learn from; None for units that learn nothing.
    """

    study: Study
    experiment: Experiment
    circuit: Circuit
    parameters: dict[str, Array]
    part: Dataset
    data: Splits | None = None


def units(study: Study) -> list[Unit]:
    """Return all units of a study, those that take longest first."""
    numbers = range(study.first, study.first + study.chips)
    found = [Unit("ideal", NOTHING, None)]
    for arm in study.arms:
        count = study.chips if arm == "transfer" else min(study.trained or study.chips, study.chips)
        found += [Unit(arm, ALL, number) for number in numbers[:count]]
    if study.ranking:
        names = kinds_of(study)
        subsets = [f"{ONLY}{name}" for name in names] if len(names) > 1 else []
        subsets += [f"{WITHOUT}{name}" for name in names] if len(names) > 2 else []
        subsets += [] if "transfer" in study.arms else [ALL]
        found += [Unit("transfer", kinds, number) for kinds in subsets for number in numbers]
    return sorted(found, key=lambda unit: not unit.trains)


def kinds_of(study: Study) -> list[str]:
    """Return the names of the kinds of non-ideality of a study."""
    return [name for name in KINDS if getattr(study.reality, name) is not None]


def samples_of(study: Study, experiment: Experiment, unit: Unit, part: int, train: int) -> int:
    """Return how much work a unit is, in samples that are scored."""
    corners, engines = conditions(study, unit)
    scored = part * len(corners) * len(engines)
    return scored + (PASSES * train * _epochs(study, experiment, unit) if unit.trains else 0)


def conditions(study: Study, unit: Unit) -> tuple[tuple[Corner, ...], tuple[Engine, ...]]:
    """Return corners and engines that a unit is scored in; those of the ranking, in the first one of each."""
    if unit.kinds in (ALL, NOTHING):
        return (NOMINAL, *study.corners), study.scored_by
    return (NOMINAL,), study.scored_by[:1]


def work(bench: Bench, unit: Unit) -> list[dict[str, Any]]:
    """Do a unit; return its scores, one for each corner and engine.

    Raises:
        EqcircError: the circuit cannot be, or cannot be trained so, or its simulator died.
    """
    asked = trained(bench, unit).parameters if unit.trains else bench.parameters
    return list(scores(bench, unit, asked))


def scores(bench: Bench, unit: Unit, asked: dict[str, Array]) -> Iterator[dict[str, Any]]:
    """Score values under all conditions; line resistance is eliminated beforehand, exactly, for both engines."""
    study, cost = bench.study, build_cost(bench.experiment)
    corners, engines = conditions(study, unit)
    for engine in engines:
        solver: Solver | None = None
        try:
            for corner in corners:
                circuit, values = as_solved(circuit_of(bench, unit, corner), asked)
                solver = build_solver(bench.experiment, circuit, engine) if solver is None else solver
                found = evaluate(solver.on(circuit), values, bench.part, cost, answering(bench.experiment))
                score = {k: None if _is_nan(v) else v for k, v in asdict(found).items()}
                yield asdict(unit) | corner.model_dump() | {"engine": engine} | score
        finally:
            if solver is not None:
                solver.close()


def circuit_of(bench: Bench, unit: Unit, corner: Corner = NOMINAL) -> Circuit:
    """Return the circuit of a unit: the ideal one or a chip, under some conditions.

    Raises:
        CircuitError: a kind concerns nothing in the circuit, or leaves the valid range of a device.
    """
    table, circuit = bench.study.reality, bench.circuit
    if corner.supply is not None:
        circuit = at_supply(circuit, corner.supply)
    there = set(kinds_of(bench.study))
    if unit.kinds == NOTHING:
        there = set()
    elif unit.kinds.startswith(ONLY):
        there = {unit.kinds.removeprefix(ONLY)}
    elif unit.kinds.startswith(WITHOUT):
        there.discard(unit.kinds.removeprefix(WITHOUT))
    made = table.model_copy(update={name: None for name in KINDS if name not in there})
    if corner.celsius is not None:
        warm = (table.temperature or tables.Temperature()).model_copy(update={"celsius": corner.celsius})
        made = made.model_copy(update={"temperature": warm})
    reality = tables.build_reality(made)
    return reality.chip(circuit, number=unit.chip or 0, seed=table.seed).circuit if reality.kinds else circuit


def trained(bench: Bench, unit: Unit) -> Trainer:
    """Train through a chip and return the trainer.

    Raises:
        SymmetryError: no rule is exact on it.
        SolverError: too many samples have no operating point.
    """
    assert bench.data is not None
    circuit = circuit_of(bench, unit)
    learning = bench.experiment.learning
    update: dict[str, Any] = {"epochs": _epochs(bench.study, bench.experiment, unit)}
    if unit.arm == "fine-tuned":
        rate = bench.study.fine_tuning.rate
        given = learning.learning_rate
        if isinstance(given, dict):
            update["learning_rate"] = {name: rate * value for name, value in given.items()}
        elif given is not None:
            update["learning_rate"] = rate * given
    experiment = bench.experiment.model_copy(update={"learning": learning.model_copy(update=update)})
    with build_solver(experiment, circuit) as solver:
        trainer = build_trainer(experiment, bench.data, build_rule(experiment, circuit), solver, None)
        if unit.arm == "fine-tuned":
            trainer.state.parameters = {name: value.copy() for name, value in bench.parameters.items()}
        trainer.run()
    return trainer


def _epochs(study: Study, experiment: Experiment, unit: Unit) -> int:
    if unit.arm == "fine-tuned":
        return study.fine_tuning.epochs
    return study.in_situ.epochs or experiment.learning.epochs


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)
