"""What a programmable device can be set to: a range of conductances, and perhaps only some levels within it.

    g = the level nearest to what is asked for, kept within lowest … highest

Levels of a weight that has a sign are those of its magnitude. Those of couplings between phases are in amperes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, Programming
from eqcirc.devices.base import in_range
from eqcirc.devices.conductance import HIGHEST, LOWEST
from eqcirc.errors import CircuitError
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import reprogrammed

MOST_BITS = 16


@dataclass(frozen=True)
class Window:
    """Range and levels.

    Attributes:
        lowest: least conductance, in siemens.
        highest: greatest one.
        bits: for 2^bits levels from the lowest to the highest; None for no rounding.
        levels: levels of a device in siemens, in place of bits.
        even: what the levels of `bits` are evenly spaced in: "conductance", or "resistance" as of a potentiometer.
    """

    lowest: float
    highest: float
    bits: int | None = None
    levels: tuple[float, ...] = ()
    even: Literal["conductance", "resistance"] = "conductance"

    name: ClassVar[str] = "window"

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("reality.window", "lowest", self.lowest, LOWEST, HIGHEST, "S")
        in_range("reality.window", "highest", self.highest, self.lowest, HIGHEST, "S")
        if self.bits is not None and self.levels:
            raise CircuitError("reality.window: expected bits or levels, got both; leave one out")
        if self.bits is not None:
            in_range("reality.window", "bits", self.bits, 1, MOST_BITS, "")
            if self.bits != int(self.bits):
                raise CircuitError(f"reality.window: expected bits to be a whole number, got {self.bits!r}")
        if self.even not in ("conductance", "resistance"):
            raise CircuitError(
                f"reality.window: expected even to be conductance or resistance, got {self.even!r}"
            )
        for level in self.levels:
            in_range("reality.window", "a level", level, self.lowest, self.highest, "S")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`; nothing is drawn."""
        del draws
        levels = np.unique(np.array(self.levels, np.float64))
        if self.bits is not None and self.even == "conductance":
            levels = np.linspace(self.lowest, self.highest, 2**self.bits)
        elif self.bits is not None:
            levels = 1 / np.linspace(1 / self.highest, 1 / self.lowest, 2**self.bits)[::-1]

        def change(element: Element, before: Programming) -> Programming:
            del element
            return replace(before, lowest=self.lowest, highest=self.highest, levels=levels)

        return reprogrammed(circuit, self.name, change)
