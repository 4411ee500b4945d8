"""Bidirectional amplifier: voltage gain A forward, current gain kappa back.

Law       v_out = A·v_in, and the current that the output delivers is drawn from the input kappa times
Scaling   s_out = s_in·kappa/A. kappa = A is the ideal transformer; kappa = 1/A is the usual amplifier, which
          lets the gradient of the layer before it be A² smaller than the layer after it. Both may be negative
          (inverting). kappa = 0, an amplifier that draws nothing, has no scaling: it is one-way
SPICE     e<name> out 0 in 0 A   and, unless kappa is 0,   f<name> 0 in e<name> kappa
Range     1e-4 <= |A|, |kappa| <= 1e4, or kappa = 0; the output must not be held by another source.
Source    Kendall et al. 2020, "Training End-to-End Analog Neural Networks with Equilibrium Propagation".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Element, in_range, number
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LOWEST, HIGHEST = 1e-4, 1e4


@dataclass(frozen=True, eq=False, kw_only=True)
class Amplifier(Element):
    """Amplifiers from `source` (n,) to `output` (n,); `value` holds the voltage gain A of each.

    Attributes:
        kappa: current gain back to the source, the same for the whole group; None for 1/A, 0 for none.
    """

    source: NodeArray
    output: NodeArray
    kappa: float | None = None

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        name = f"amplifier {self.name!r}"
        if not self.source.shape == self.output.shape == self.value.shape or not self.value.size:
            raise CircuitError(f"{name}: expected one input, one output and one gain for each amplifier")
        if (self.value != self.gain).any():
            raise CircuitError(f"{name}: one group has one gain; make a group for each gain")
        in_range(name, "voltage gain A, in magnitude,", abs(self.gain), LOWEST, HIGHEST, "V/V")
        if self.current_gain != 0:
            in_range(
                name, "current gain kappa, in magnitude,", abs(self.current_gain), LOWEST, HIGHEST, "A/A"
            )

    def check(self, value: Array) -> None:
        """Raise `CircuitError` unless the gain is the built one: scalings and reduction rely on it."""
        super().check(value)
        if (value != self.gain).any():
            raise CircuitError(
                f"amplifier {self.name!r}: the gain {self.gain:g} is fixed; build a circuit with another one"
            )

    @property
    def gain(self) -> float:
        """Voltage gain A."""
        return float(self.value[0])

    @property
    def current_gain(self) -> float:
        """Current gain kappa."""
        return 1 / self.gain if self.kappa is None else float(self.kappa)

    def terminals(self) -> NodeArray:
        """Return inputs and outputs."""
        return np.concatenate([self.source, self.output])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: an amplifier joins voltages, not by a two-terminal part."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Refuse: gains are not trained."""
        raise CircuitError(f"amplifier {self.name!r}: gains are fixed, not trainable")

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return a voltage-controlled and a current-controlled source for each amplifier."""
        lines = []
        for k, (a, b) in enumerate(zip(self.source.tolist(), self.output.tolist(), strict=True)):
            e = f"e_{self.name}_{k}"
            lines.append(f"{e} {node[b]} 0 {node[a]} 0 {number(value[k])}")
            if self.current_gain != 0:
                lines.append(f"f_{self.name}_{k} 0 {node[a]} {e} {number(self.current_gain)}")
        return lines
