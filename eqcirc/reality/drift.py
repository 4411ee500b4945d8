"""Drift: what is programmed decays with the time since, by a power law.

    g(t) = g(t0)·(t/t0)^(−nu),   nu = exponent + spread·z, at least 0;   z standard normal, a new one for each device

It is the law of phase-change memory, where the amorphous part relaxes. Approximated: nu does not depend on the
conductance, as it does in real devices; stuck devices stay; nothing is compensated.

Source: Le Gallo, Krebs, Zipoli, Salinga & Sebastian 2018, "Collective structural relaxation in phase-change memory
devices", Adv. Electron. Mater. 4, 1700627; Joshi et al. 2020, Nat. Commun. 11, 2473.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, Programming
from eqcirc.devices.base import in_range
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import reprogrammed


@dataclass(frozen=True)
class Drift:
    """Drift of conductances.

    Attributes:
        seconds: since they were programmed, from `start` on.
        start: t0 in seconds, when what was programmed was read.
        exponent: mean of nu.
        spread: standard deviation of nu from device to device.
    """

    seconds: float
    start: float = 1.0
    exponent: float = 0.0
    spread: float = 0.0

    name: ClassVar[str] = "drift"

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("reality.drift", "start", self.start, 1e-12, 1e12, "s")
        in_range("reality.drift", "seconds", self.seconds, self.start, 1e12, "s")
        in_range("reality.drift", "exponent", self.exponent, 0, 1, "")
        in_range("reality.drift", "spread", self.spread, 0, 1, "")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`; the exponents are what is drawn."""

        def change(element: Element, before: Programming) -> Programming:
            own = draws.generator(self.name, element.name).standard_normal(element.value.shape)
            nu = draws.note(self.name, element.name, np.maximum(self.exponent + self.spread * own, 0.0))
            left = (self.seconds / self.start) ** -nu
            return replace(before, factor=left * before.factor, offset=left * before.offset)

        return reprogrammed(circuit, self.name, change)
