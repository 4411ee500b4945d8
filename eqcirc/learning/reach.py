"""Can the outputs reach their targets?

In the scaled voltages of `circuit.reduction` a circuit of conductances and diodes is passive, and no node of a passive
circuit leaves the range of its sources (maximum principle). This gives a bound on every output before
anything is solved. Current sources void it.
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import CurrentSource, Transconductor
from eqcirc.errors import ConfigError
from eqcirc.typing import Array


def reach(circuit: Circuit, inputs: Array) -> float:
    """Return a bound (V) on |output| over samples (n, n_features); infinite where the principle does not apply."""
    if any(isinstance(e, CurrentSource | Transconductor) for e in circuit.elements):
        return float("inf")
    volts = np.zeros(circuit.n_nodes)
    volts[circuit.fixed_nodes] = np.abs(circuit.fixed_voltages(inputs)).max(axis=0)
    scale = Reduction(circuit).voltage
    largest = 0.0
    for element in circuit.elements:
        a, b = element.connections()
        for held, free in ((a, b), (b, a)):
            pairs = ~circuit.is_free[held] & circuit.is_free[free]
            largest = max(largest, float(np.max(volts[held[pairs]] / scale[free[pairs]], initial=0.0)))
    bound = largest * float(scale[circuit.readout.nodes].max())
    return bound if circuit.readout.negative is None else 2 * bound


def check_targets(circuit: Circuit, inputs: Array, targets: Array) -> None:
    """Raise `ConfigError` if a target lies beyond what any conductances could make of these inputs."""
    bound, wanted = reach(circuit, inputs), float(np.abs(targets).max())
    if wanted > bound:
        raise ConfigError(
            f"target {wanted:g} V is out of reach: with these inputs, rails and gains no output exceeds {bound:.3g} V "
            "in magnitude, whatever the conductances; lower the targets (high, low) or raise input_gain"
        )
