"""Are these inputs what a circuit was made for? Mistakes of unit and scale solve well, and mean nothing."""

from __future__ import annotations

import logging

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")

MOST_VOLTS = 1e3  # V; sources of circuits that learn stand at millivolts to some tens of volts
MANY = 0.5  # of the values; so many outside of the training range are no accident


def warn_of_volts(circuit: Circuit, inputs: Array) -> None:
    """Log a warning if samples (n, n_features) drive a node with a voltage that nobody would build."""
    volts = np.abs(circuit.fixed_voltages(inputs)).max(axis=0)
    k = int(volts.argmax())
    if volts[k] <= MOST_VOLTS:
        return
    name = circuit.node_names[circuit.fixed_nodes[k]]
    driven = k - (len(circuit.fixed_nodes) - len(circuit.inputs.node))
    why = "a rail; is its voltage in volts?"
    if driven >= 0:
        feature, gain = int(circuit.inputs.feature[driven]), float(circuit.inputs.gain[driven])
        largest = float(np.abs(np.atleast_2d(inputs)[:, feature]).max())
        why = (
            f"feature {feature} is up to {largest:g}, times input_gain = {abs(gain):g} V; are the inputs scaled, and "
            "is the gain in volts?"
        )
    log.warning("a source holds node %s at %.3g V, which is implausible: %s", name, volts[k], why)


def elsewhere(inputs: Array, trained: Array) -> str | None:
    """Say that most values of samples (n, n_features) lie outside of what their features were in training.

    Returns:
        A clause that names a feature by number and both ranges; None where all is well.
    """
    low, high = trained.min(axis=0), trained.max(axis=0)
    outside = (inputs < low) | (inputs > high)
    if outside.mean() <= MANY:
        return None
    k = int(outside.mean(axis=0).argmax())
    return (
        f"{outside.mean():.0%} of the values lie outside of what the circuit was trained on: feature {k} is "
        f"{inputs[:, k].min():.3g} to {inputs[:, k].max():.3g}, and was {low[k]:.3g} to {high[k]:.3g} in training"
    )
