"""Rail: a node held at a constant voltage by an ideal source (bias, supply).

Law       v = voltage, whatever the current
SPICE     v<node> node 0 <voltage>
Range     |voltage| <= 1e4 V.
"""

from __future__ import annotations

from typing import NamedTuple

from eqcirc.devices.base import in_range, number

LARGEST = 1e4  # V


class Rail(NamedTuple):
    """A node and the voltage (V) that it is held at."""

    node: int
    voltage: float

    def check(self, name: str) -> None:
        """Raise `CircuitError` if the voltage is not a usable number."""
        in_range(f"rail {name!r}", "voltage", self.voltage, -LARGEST, LARGEST, "V")

    def card(self, node: str) -> str:
        """Return the V line."""
        return f"v_{node} {node} 0 {number(self.voltage)}"
