"""Device-to-device mismatch of the synapses: every one has a factor of its own, for as long as the chip lives.

    g = exp(sigma·z)·(what is programmed),   z standard normal

The factor is lognormal, so no conductance becomes negative; for small sigma, sigma is its relative standard deviation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, Programming
from eqcirc.devices.base import in_range
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import reprogrammed

LARGEST = 3.0  # sigma; more is another kind of device


@dataclass(frozen=True)
class Mismatch:
    """Mismatch.

    Attributes:
        sigma: standard deviation of the logarithm of the conductance.
    """

    sigma: float

    name: ClassVar[str] = "mismatch"

    def __post_init__(self) -> None:
        """Check the range."""
        in_range("reality.mismatch", "sigma", self.sigma, 0, LARGEST, "")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`."""

        def change(element: Element, before: Programming) -> Programming:
            drawn = draws.lognormal(self.name, element.name, element.value.shape, self.sigma)
            return replace(before, factor=drawn * before.factor, offset=drawn * before.offset)

        return reprogrammed(circuit, self.name, change)
