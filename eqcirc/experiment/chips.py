"""A trained circuit on many chips: its values are programmed into each, and each is scored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.lumped import lumped
from eqcirc.data import Dataset
from eqcirc.errors import ConfigError
from eqcirc.experiment.build import answering, build_cost, build_ideal, build_solver
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.opened import Opened
from eqcirc.experiment.reality import Reality, build_reality
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import Score, evaluate
from eqcirc.reality import Chip
from eqcirc.typing import Array

CONFIDENCE = 0.95


def reality_of(opened: Opened, file: Path | None = None) -> Reality:
    """Return the table [reality] of an experiment file, or that of the run.

    Raises:
        ConfigError: neither has one, or it is empty.
    """
    if file is None:
        section, where = opened.experiment.reality, f"the experiment of {opened.path}"
    else:
        section, where = load_experiment(file).reality, str(file)
    if section is None or not build_reality(section).kinds:
        what = "has no table [reality]" if section is None else "names nothing in its table [reality]"
        raise ConfigError(
            f"{where} {what}, so all chips are ideal; name a file that has one with --reality FILE"
        )
    return section


def chips_of(opened: Opened, section: Reality, numbers: Iterable[int]) -> Iterator[Chip]:
    """Make chips of the ideal circuit, with the trained values programmed into them.

    Raises:
        CircuitError: a kind concerns nothing in the circuit, or leaves the valid range of a device.
    """
    ideal = build_ideal(opened.experiment, opened.known.n_features, opened.known.n_outputs)
    reality = build_reality(section)
    for number in numbers:
        yield reality.chip(ideal, opened.parameters, number, section.seed)


def score_chips(
    opened: Opened, experiment: Experiment, chips: Iterable[Chip], data: Dataset, engine: str | None = None
) -> Iterator[tuple[Chip, Score]]:
    """Score chips one after the other; ngspice's processes are shared.

    The ideal solver takes line resistance lumped, exactly; ngspice takes every segment.

    Raises:
        EngineError: libngspice is missing.
        UnmeasuredError: the simulator died of some samples, twice.
    """
    cost = build_cost(experiment)
    with build_solver(experiment, opened.circuit, engine) as solver:
        for chip in chips:
            circuit, asked = chip.circuit, chip.parameters
            if solver.name == "ideal":
                circuit, asked = as_solved(circuit, asked)
            yield chip, evaluate(solver.on(circuit), asked, data, cost, answering(experiment))


def as_solved(circuit: Circuit, asked: Mapping[str, Array]) -> tuple[Circuit, dict[str, Array]]:
    """Return a circuit that has the same voltages at its nodes, without those of wires, and the values it takes."""
    circuit = lumped(circuit, asked)
    return circuit, {e.name: asked[e.name] for e in circuit.trainable}


@dataclass(frozen=True)
class Yield:
    """Share of chips that reach a target.

    Attributes:
        passed: number of chips that do.
        chips: number of chips.
        share: passed/chips.
        low: lower end of Wilson's 95 % confidence interval of the share.
        high: upper end.
    """

    passed: int
    chips: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, passed: int, chips: int) -> Yield:
        """Return the yield of `passed` out of `chips` (at least one) chips."""
        interval = binomtest(passed, chips).proportion_ci(CONFIDENCE, method="wilson")
        return cls(passed, chips, passed / chips, float(interval.low), float(interval.high))


def counted(losses: Array, failed: Array) -> Array:
    """Return the losses (n,) that a yield counts: infinite for a chip that leaves samples without an answer.

    The loss of a chip is a mean over the samples that have one, and says nothing of the others.
    """
    return np.where((np.asarray(failed) > 0) | np.isnan(losses), np.inf, losses)


def distribution(values: Array) -> dict[str, float]:
    """Return mean, deviation and quantiles of the scores of chips (n,); chips without a score are left out."""
    values = values[~np.isnan(values)]
    if not len(values):
        return dict.fromkeys(("mean", "deviation", "least", "5 %", "median", "95 %", "most"), float("nan"))
    q = {"least": 0, "5 %": 5, "median": 50, "95 %": 95, "most": 100}
    spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    if np.ptp(values) == 0 and len(values) > 1:  # rounding of the mean is no deviation
        spread = 0.0
    quantiles = {name: float(np.percentile(values, share)) for name, share in q.items()}
    return {"mean": float(values.mean()), "deviation": spread} | quantiles


def row(chip: Chip, score: Score) -> dict[str, Any]:
    """Return the line of a chip in a table."""
    return {"chip": chip.number, **asdict(score)}
