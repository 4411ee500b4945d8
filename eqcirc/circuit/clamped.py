"""A circuit whose outputs are held by sources, as coupled learning needs it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit, Inputs
from eqcirc.errors import CircuitError
from eqcirc.typing import Array


@dataclass(frozen=True, eq=False)
class Clamped:
    """A clamped circuit.

    Attributes:
        circuit: its nodes are those of the original one; what the outputs are held at are further features.
    """

    circuit: Circuit

    def inputs(self, inputs: Array, volts: Array) -> Array:
        """Return samples of the clamped circuit for samples of the original and output voltages, (batch, …) each."""
        return np.concatenate([inputs, volts], axis=1)


def clamped(circuit: Circuit) -> Clamped:
    """Hold the outputs of a circuit.

    Raises:
        CircuitError: an output is not the voltage of one free node, or an amplifier holds it already.
    """
    nodes, readout = circuit.readout.nodes, circuit.readout
    driven = np.concatenate(
        [np.empty(0, np.intp), *(e.output for e in circuit.elements if hasattr(e, "output"))]
    )
    if not readout.plain or not circuit.is_free[nodes].all() or np.isin(nodes, driven).any():
        raise CircuitError(
            f"circuit {circuit.name!r}: outputs can be clamped where each is the voltage of one free node that no "
            "amplifier drives; differences, sums and held nodes cannot"
        )
    old, count = circuit.inputs, circuit.inputs.n_features
    inputs = Inputs(
        np.concatenate([old.node, nodes]),
        np.concatenate([old.feature, count + np.arange(len(nodes))]),
        np.concatenate([old.gain, np.ones(len(nodes))]),
        np.concatenate([old.offset, np.zeros(len(nodes))]),
    )
    return Clamped(replace(circuit, name=f"{circuit.name}, clamped", inputs=inputs))
