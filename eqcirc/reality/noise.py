"""Programming noise: a value that is written is missed.

    g = (1 + relative·z1)·g_asked + absolute·z2,   z1 and z2 standard normal; never less than 1e-12 S

A chip misses by one draw for every device, however often it is written: with a chip of another number it misses anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, Programming
from eqcirc.devices.base import in_range
from eqcirc.devices.conductance import HIGHEST
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import reprogrammed


@dataclass(frozen=True)
class ProgrammingNoise:
    """Programming noise.

    Attributes:
        relative: standard deviation in parts of the conductance that is asked for.
        absolute: standard deviation in siemens, whatever is asked for.
    """

    relative: float = 0.0
    absolute: float = 0.0

    name: ClassVar[str] = "programming"

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("reality.programming", "relative", self.relative, 0, 1, "")
        in_range("reality.programming", "absolute", self.absolute, 0, HIGHEST, "S")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`."""

        def change(element: Element, before: Programming) -> Programming:
            shape = element.value.shape
            relative = draws.normal(f"{self.name}.relative", element.name, shape, self.relative)
            absolute = draws.normal(f"{self.name}.absolute", element.name, shape, self.absolute)
            return replace(before, factor=(1 + relative) * before.factor, offset=before.offset + absolute)

        return reprogrammed(circuit, self.name, change)
