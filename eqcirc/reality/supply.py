"""Another supply: all rails (biases, references of diodes) are at a factor of their voltage.

What is driven by a sample stays: its drivers are taken as regulated.
"""

from __future__ import annotations

from dataclasses import replace

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices.base import in_range
from eqcirc.devices.rail import Rail
from eqcirc.errors import CircuitError


def at_supply(circuit: Circuit, factor: float) -> Circuit:
    """Return the circuit with all its rails at `factor` times their voltage.

    Raises:
        CircuitError: it has no rails, or the factor is out of range.
    """
    in_range("supply", "factor", factor, 0.0, 10.0, "")
    if not any(rail.voltage for rail in circuit.rails):
        raise CircuitError(
            f"supply: circuit {circuit.name!r} has no rails, so another supply would change nothing; leave it out"
        )
    rails = tuple(Rail(rail.node, factor * rail.voltage) for rail in circuit.rails)
    return replace(circuit, rails=rails)
