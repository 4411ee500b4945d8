"""Stuck-at faults: some devices stand at one end of their range and take no other value.

The ends are those of `Window`, or, without one, the bounds that training keeps the element in. A weight that has a sign
is stuck in magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, Programming
from eqcirc.devices.base import in_range
from eqcirc.devices.programming import FLOOR
from eqcirc.errors import CircuitError
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import reprogrammed


@dataclass(frozen=True)
class StuckAt:
    """Stuck-at faults.

    Attributes:
        lowest: probability that a device is stuck at its lowest conductance.
        highest: probability that it is stuck at its highest one.
    """

    lowest: float = 0.0
    highest: float = 0.0

    name: ClassVar[str] = "stuck"

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("reality.stuck", "lowest", self.lowest, 0, 1, "")
        in_range("reality.stuck", "highest", self.highest, 0, 1 - self.lowest, "")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`.

        Raises:
            CircuitError: nothing is programmed, or it has no highest value.
        """

        def change(element: Element, before: Programming) -> Programming:
            low, high = before.lowest, before.highest
            if not np.isfinite(high):
                low, high = element.bounds.lower, max(map(abs, element.bounds))
            if not np.isfinite(high):
                raise CircuitError(
                    f"reality.stuck: element {element.name!r} has no highest value to be stuck at; give a window"
                )
            chance = draws.generator(self.name, element.name).random(element.value.shape)
            stuck = np.full(chance.shape, np.nan)
            stuck[chance < self.lowest] = max(low, FLOOR)
            stuck[chance >= 1 - self.highest] = high
            return replace(before, stuck=draws.note(self.name, element.name, stuck))

        return reprogrammed(circuit, self.name, change)
