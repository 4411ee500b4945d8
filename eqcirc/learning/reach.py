"""Can the outputs reach their targets?

In the scaled voltages of `circuit.reduction` a circuit of conductances and diodes is passive, and no node of a passive
circuit leaves the range of its sources (maximum principle). This gives a bound on every output before
anything is solved. Current sources, N-shaped devices, gyrators, signed couplings without loads and branches with
shared resistances void it, and so does a loop through amplifiers that asks for two scalings.
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduction import Reduction
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.data import Dataset
from eqcirc.devices import (
    Amplifier,
    CurrentSource,
    Element,
    InputCurrent,
    RLMesh,
    SignedCrossbar,
    TwoTerminal,
)
from eqcirc.errors import ConfigError
from eqcirc.typing import Array

SAME = 1e-9  # relative difference of two scalings that is rounding


def reach(circuit: Circuit, inputs: Array) -> float:
    """Return a bound (V) on |output| over samples (n, n_features); infinite where the principle does not apply."""
    if not all(map(_bounded, circuit.elements)):
        return float("inf")
    held = np.zeros(circuit.n_nodes)
    held[circuit.fixed_nodes] = np.abs(circuit.fixed_voltages(inputs)).max(axis=0)
    scale = np.abs(Reduction(circuit).voltage)  # the bound is one on magnitudes, and amplifiers may invert
    largest = 0.0
    for element in circuit.elements:
        a, b = element.connections()
        inside = circuit.is_free[a] & circuit.is_free[b]
        if not np.allclose(scale[a[inside]], scale[b[inside]], rtol=SAME, atol=0):
            return float("inf")
        for source, node in ((a, b), (b, a)):
            pairs = ~circuit.is_free[source] & circuit.is_free[node]
            largest = max(largest, float(np.max(held[source[pairs]] / scale[node[pairs]], initial=0.0)))
    nodes = circuit.readout.nodes
    limits = np.where(circuit.is_free[nodes], largest * scale[nodes], held[nodes])
    return float((abs(circuit.readout.weights) @ limits).max())


def _bounded(element: Element) -> bool:
    """Whether the element keeps to the maximum principle."""
    if isinstance(element, TwoTerminal):
        return element.law.steepest_fall == 0
    if isinstance(element, RLMesh):
        return not len(element.shared)
    if isinstance(element, SignedCrossbar):
        return element.loaded
    if isinstance(element, Amplifier):
        return element.gain * element.current_gain >= 0
    return element.reciprocal and not isinstance(element, CurrentSource | InputCurrent)


def check_targets(circuit: Circuit, cost: Cost, data: Dataset, targets: Array) -> None:
    """Raise `ConfigError` for voltages out of reach, and for targets of a cross-entropy that are no probabilities."""
    if isinstance(cost, SquaredError):
        check_reach(circuit, data.inputs, targets)
    elif isinstance(cost, SoftmaxCrossEntropy) and (
        targets.min() < 0 or np.abs(targets.sum(axis=1) - 1).max() > 1e-6
    ):
        raise ConfigError(
            f"data {data.name!r} has targets that are no probabilities, which the cross-entropy needs; train with "
            'cost = "squared_error"'
        )


def check_reach(circuit: Circuit, inputs: Array, targets: Array) -> None:
    """Raise `ConfigError` if a target lies beyond what any conductances could make of these inputs."""
    bound, wanted = reach(circuit, inputs), float(np.abs(targets).max())
    if wanted > bound:
        raise ConfigError(
            f"target {wanted:g} V is out of reach: with these inputs, rails and gains no output exceeds {bound:.3g} V "
            "in magnitude, whatever the conductances; lower the targets (high and low, or the columns of the data) "
            "or raise input_gain"
        )
