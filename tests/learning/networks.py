"""Random layered networks with every feature that `Layered` offers, and tiny tasks to train them on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered, Weights
from eqcirc.circuit.layers import Biases, LayerDiodes
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.data import Dataset, Splits
from eqcirc.devices import Bounds, ClampDiode, Law, ShockleyDiode
from eqcirc.typing import Array

BOUNDS = Bounds(1e-7, 1e-5)


@dataclass(frozen=True)
class Problem:
    """A circuit, samples for it, and what its outputs should be."""

    plan: Layered
    circuit: Circuit
    inputs: Array
    cost: Cost
    targets: Array


def random_problem(seed: int, weights: Weights = "conductance") -> Problem:
    """Return a network in which seed decides on every feature, and four samples."""
    rng = np.random.default_rng(seed)

    def one_of(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    hidden = tuple(int(n) for n in rng.integers(2, 5, rng.integers(0, 3)))
    gain = one_of(None, float(rng.uniform(0.5, 5)))
    kappa = one_of(None, gain, float(rng.uniform(0.2, 3)))
    loops_allowed = gain is None or kappa == gain
    skips = (
        [(0, 2)] * (len(hidden) > 0)
        + [(0, 3)] * (len(hidden) > 1)
        + [(1, 3)] * (len(hidden) > 1 and loops_allowed)
    )
    plan = Layered(
        hidden=hidden,
        input_gain=float(rng.uniform(0.5, 2)) * one_of(1, -1),
        double_inputs=one_of(True, False),
        biases=Biases(one_of("rail", "current", "none"), float(rng.uniform(0.5, 2)), 1e-6),
        diodes=tuple(_diodes(rng) if rng.random() < 0.9 else None for _ in hidden),
        gain=gain,
        kappa=kappa,
        differential=one_of(True, False),
        skips=tuple(skip for skip in skips if rng.random() < 0.5),
        bounds=BOUNDS,
        initial=(3e-7, 3e-6),
        weights=weights,
    )
    if weights == "signed":
        loads = {"loaded": True} if seed % 2 else {"loaded": False, "leak": 3e-5}
        plan = replace(plan, bounds=Bounds(-1e-5, 1e-5), initial=(-3e-6, 3e-6), **loads)
    n_features, n_outputs = int(rng.integers(2, 4)), int(rng.integers(2, 4))
    circuit = plan.build(f"random {seed}", n_features, n_outputs, rng)
    inputs = rng.uniform(-1, 1, (4, n_features))
    cost = one_of(SquaredError(), SoftmaxCrossEntropy(float(rng.uniform(2, 20))))
    if isinstance(cost, SquaredError):
        return Problem(plan, circuit, inputs, cost, rng.uniform(-0.2, 0.2, (4, n_outputs)))
    return Problem(plan, circuit, inputs, cost, cost.targets(rng.integers(0, n_outputs, 4), n_outputs))


def _diodes(rng: np.random.Generator) -> LayerDiodes:
    law: Law = ShockleyDiode(1e-9, float(rng.uniform(1, 2)))
    if rng.random() < 0.3:
        law = ClampDiode(1e-4, 0.05)
    return LayerDiodes(
        law, "one_sided" if rng.random() < 0.5 else "antiparallel", float(rng.choice([0.0, 0.1]))
    )


def blobs(n: int = 24, seed: int = 0) -> Splits:
    """Return two classes of points around (−1, 0) and (1, 0), with validation and test parts."""
    rng = np.random.default_rng(seed)

    def part(size: int) -> Dataset:
        labels = np.arange(size) % 2
        inputs = np.stack([2.0 * labels - 1, np.zeros(size)], axis=1) + rng.normal(0, 0.4, (size, 2))
        return Dataset("blobs", inputs, labels=labels, n_classes=2)

    return Splits(part(n), part(n // 3), part(n // 2))


def small_network(seed: int = 0, hidden: tuple[int, ...] = (3,)) -> Circuit:
    """Return a network for the blobs."""
    plan = Layered(
        hidden, input_gain=1.0, biases=Biases(voltage=1.0), gain=4.0, bounds=BOUNDS, initial=(1e-7, 3e-6)
    )
    return plan.build("small", 2, 2, np.random.default_rng(seed))
