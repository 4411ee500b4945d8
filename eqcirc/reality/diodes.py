"""Mismatch of diodes: every one has an area of its own.

    i = exp(sigma·z)·area·law(v),   z standard normal

For a Shockley diode this is the mismatch of its saturation current IS; a factor e moves its voltage by N·kT/q. Other
two-terminal devices are mismatched alike: their currents at all voltages, so those of peak and valley, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, Programming, TwoTerminal
from eqcirc.devices.base import in_range
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import concerned, with_elements
from eqcirc.reality.mismatch import LARGEST


@dataclass(frozen=True)
class DiodeMismatch:
    """Mismatch of two-terminal devices.

    Attributes:
        sigma: standard deviation of the logarithm of the current.
    """

    sigma: float

    name: ClassVar[str] = "diodes"

    def __post_init__(self) -> None:
        """Check the range."""
        in_range("reality.diodes", "sigma", self.sigma, 0, LARGEST, "")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`."""

        def change(element: Element) -> Iterator[Element]:
            if not isinstance(element, TwoTerminal) or element.share is not None:
                yield element
                return
            drawn = draws.lognormal(self.name, element.name, element.value.shape, self.sigma)
            if element.trainable:  # the area that is asked for is still what is trained
                before = element.programming or Programming.exact(element.value)
                yield replace(element, programming=replace(before, factor=drawn * before.factor))
            else:
                yield replace(element, value=drawn * element.value)

        concerned(circuit, self.name, lambda e: isinstance(e, TwoTerminal), "diodes")
        return with_elements(circuit, change)
