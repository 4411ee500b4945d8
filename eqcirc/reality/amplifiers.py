"""Gain errors of bidirectional amplifiers: every one has a gain of its own.

    A_k = exp(sigma·z)·A,   kappa_k = kappa·A_k/A if the reverse gain tracks, else kappa

An amplifier scales nodes by s_out = s_in·kappa/A. Where kappa/A is the same all over a layer, inputs and outputs may
each be tied to one another by crossbars. Where the reverse gain does not track, circuits of two and more amplified
layers have no scaling, and training through them by Equilibrium Propagation is refused. Measuring them is not.
Left out: offsets. One needs a source in series with a node, which no element is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Amplifier, Element
from eqcirc.devices.base import in_range
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import concerned, with_elements


@dataclass(frozen=True)
class AmplifierErrors:
    """Gain errors.

    Attributes:
        sigma: standard deviation of the logarithm of the voltage gain.
        tracking: whether the current gain back errs in proportion.
    """

    sigma: float
    tracking: bool = True

    name: ClassVar[str] = "amplifiers"

    def __post_init__(self) -> None:
        """Check the range."""
        in_range("reality.amplifiers", "sigma", self.sigma, 0, 1, "")

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`; one group has one gain, so every amplifier becomes a group."""

        def change(element: Element) -> Iterator[Element]:
            if not isinstance(element, Amplifier):
                yield element
                return
            drawn = draws.lognormal(self.name, element.name, element.value.shape, self.sigma)
            for k, factor in enumerate(drawn.tolist()):
                yield replace(
                    element,
                    name=f"eq_{element.name}_{k}",
                    value=np.array([element.gain * factor]),
                    source=element.source[[k]],
                    output=element.output[[k]],
                    kappa=element.current_gain * (factor if self.tracking else 1.0),
                )

        concerned(circuit, self.name, lambda e: isinstance(e, Amplifier), "amplifiers")
        return with_elements(circuit, change)
