"""What the outputs of a circuit mean: classes and probabilities, or predicted values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from eqcirc.costs import Cost, SoftmaxCrossEntropy
from eqcirc.experiment.data_record import Known
from eqcirc.learning.evaluate import CHUNK, answers
from eqcirc.solvers.base import Solver
from eqcirc.solvers.spiking import Window
from eqcirc.typing import Array, Parameters

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Prediction:
    """Outputs of samples, and what they mean.

    Attributes:
        outputs: (n, n_outputs) in volts; NaN where a sample has no operating point.
        names: of the outputs: of their classes or targets.
        winner: (n,) number of the largest output, −1 where there is none; None for a regression.
        probability: (n,) that the softmax of the cost gives to it; None for other costs.
        problems: why samples have no operating point, by number.
    """

    outputs: Array
    names: tuple[str, ...]
    winner: NDArray[np.int64] | None
    probability: Array | None
    problems: dict[int, str]

    @property
    def classes(self) -> list[str]:
        """Name of the predicted class of every sample, "" where there is none."""
        return [] if self.winner is None else [self.names[k] if k >= 0 else "" for k in self.winner.tolist()]

    def frame(self) -> pd.DataFrame:
        """Return a table with a row for each sample: class, probability, outputs in volts, and problems if any."""
        import pandas as pd

        columns: dict[str, Any] = {}
        if self.winner is not None:
            columns["class"] = self.classes
        if self.probability is not None:
            columns["probability"] = self.probability
        columns |= {f"output {name} (V)": self.outputs[:, k] for k, name in enumerate(self.names)}
        if self.problems:
            columns["problem"] = [self.problems.get(k, "") for k in range(len(self.outputs))]
        return pd.DataFrame(columns)


def predict(
    solver: Solver,
    parameters: Parameters,
    inputs: Array,
    cost: Cost,
    known: Known,
    window: Window | None,
) -> Prediction:
    """Solve the free phase of inputs (n, n_features) and read the outputs; what is not finite is not solved.

    With a window outputs are averages over it, of neurons that spike.
    """
    finite = np.isfinite(inputs).all(axis=1)
    problems = dict.fromkeys(
        np.flatnonzero(~finite).tolist(), "a value that is not finite, or overflows when scaled"
    )
    outputs = np.full((len(inputs), known.n_outputs), np.nan)
    good = np.flatnonzero(finite)
    for begin in range(0, len(good), CHUNK):
        rows = good[begin : begin + CHUNK]
        points = answers(solver, parameters, inputs[rows], window)
        outputs[rows] = np.where(points.converged[:, None], solver.circuit.readout.read(points.free), np.nan)
        problems |= {int(rows[k]): why for k, why in points.problems.items()}
    return meaning(outputs, cost, known, problems)


def meaning(outputs: Array, cost: Cost, known: Known, problems: dict[int, str]) -> Prediction:
    """Return what outputs (n, n_outputs) say."""
    names = tuple(known.output_names())
    if known.is_regression:
        return Prediction(outputs, names, None, None, problems)
    good = np.isfinite(outputs).all(axis=1)
    winner = np.full(len(outputs), -1)
    winner[good] = cost.preference(outputs[good]).argmax(axis=1)
    probability = None
    if isinstance(cost, SoftmaxCrossEntropy):
        probability = np.full(len(outputs), np.nan)
        probability[good] = softmax(cost.sharpness * outputs[good], axis=1).max(axis=1)
    return Prediction(outputs, names, winner, probability, problems)
