"""Stability report: would the circuit stay at the operating points that Kirchhoff's law allows?"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.solvers.certificate import Certificate, certificate
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.stability import Stability, stability
from eqcirc.typing import Array, Parameters


def stability_report(
    circuit: Circuit, parameters: Parameters | None, inputs: Array, free: Array
) -> Stability:
    """Return growth, frequency, curvature and degenerate directions of every sample's operating point.

    Args:
        circuit: the circuit.
        parameters: values by element name.
        inputs: (batch, n_features).
        free: (batch, node) voltages of the free phase, from any solver.
    """
    dynamics = Dynamics.of(circuit, parameters, inputs)
    return stability(dynamics, dynamics.plan.collect(free))


def stability_certificate(circuit: Circuit, parameters: Parameters | None = None) -> Certificate:
    """Return what holds for all inputs: one operating point, and the circuit comes to rest there."""
    inputs = np.zeros((1, circuit.inputs.n_features))
    return certificate(Dynamics.of(circuit, parameters, inputs))
