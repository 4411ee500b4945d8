"""Outputs, loss and accuracy of a circuit over a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.costs import Cost
from eqcirc.data import Dataset
from eqcirc.errors import UnmeasuredError
from eqcirc.solvers.base import OperatingPoints, Solver
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.spiking import Window
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, Parameters

CHUNK = 256  # samples for one call of the solver

Look = Window | Bath | None
"""How outputs are seen: averages of neurons that spike, a single state in a bath, or the operating point."""


@dataclass(frozen=True)
class Score:
    """How well a circuit does on a data set.

    Attributes:
        loss: mean cost over the samples that converged, in the cost's unit.
        accuracy: share of samples whose largest output is the label, failed samples counting as wrong; NaN for
            regression.
        failed: number of samples without an operating point.
        samples: number of samples.
    """

    loss: float
    accuracy: float
    failed: int
    samples: int


def targets_of(dataset: Dataset, cost: Cost) -> Array:
    """Return the targets (n_samples, n_outputs) that the cost wants for a data set."""
    if dataset.targets is not None:
        return dataset.targets
    assert dataset.labels is not None
    return cost.targets(dataset.labels, dataset.n_outputs)


def answers(solver: Solver, parameters: Parameters, inputs: Array, look: Look) -> OperatingPoints:
    """Return operating points of inputs, or what is seen in their place."""
    if look is None:
        return solver.solve(parameters, inputs)
    if isinstance(look, Bath):
        return solver.ensemble(parameters, inputs, look).last
    return solver.spikes(parameters, inputs, look).points


def outputs_of(solver: Solver, parameters: Parameters, inputs: Array, look: Look) -> tuple[Array, np.ndarray]:
    """Return outputs (n, n_outputs), NaN where the solver failed, and (n,) whether each sample converged.

    Raises:
        UnmeasuredError: the simulator died of some samples, twice. They are neither right nor wrong.
    """
    outputs, converged, died, said = [], [], 0, ""
    for first in range(0, len(inputs), CHUNK):
        own = replace(look, seed=look.seed + first) if isinstance(look, Bath) else look
        points = answers(solver, parameters, inputs[first : first + CHUNK], own)
        lost = points.status == Status.ENGINE_DIED
        died += int(lost.sum())
        if lost.any():
            said = points.messages.get(int(lost.argmax()), Status.ENGINE_DIED.words)
        read = solver.circuit.readout.read(points.free)
        read[~points.converged] = np.nan
        outputs.append(read)
        converged.append(points.converged)
    if died:
        raise UnmeasuredError(
            f"no score, since {died} of {len(inputs)} samples could not be measured: {said}; with fewer "
            "solver.workers, or a longer solver.deadline, they may"
        )
    return np.concatenate(outputs), np.concatenate(converged)


def evaluate(solver: Solver, parameters: Parameters, dataset: Dataset, cost: Cost, look: Look) -> Score:
    """Score a circuit on a data set, in the free phase.

    Raises:
        UnmeasuredError: see `outputs_of`.
    """
    try:
        outputs, converged = outputs_of(solver, parameters, dataset.inputs, look)
    except UnmeasuredError as error:
        raise UnmeasuredError(f"{dataset.name}: {error}") from error
    return score(outputs, converged, dataset, cost)


def score(outputs: Array, converged: np.ndarray, dataset: Dataset, cost: Cost) -> Score:
    """Score given outputs (n_samples, n_outputs)."""
    value = cost.value(outputs[converged], targets_of(dataset, cost)[converged])
    loss = float(value.mean()) if value.size else float("nan")
    accuracy = float("nan")
    if dataset.labels is not None:
        right = cost.preference(outputs[converged]).argmax(axis=1) == dataset.labels[converged]
        accuracy = float(right.sum() / dataset.n_samples)
    return Score(loss, accuracy, int((~converged).sum()), dataset.n_samples)
