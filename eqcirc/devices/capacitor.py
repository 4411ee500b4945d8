"""Capacitor.

Law       i = C·d(v_a − v_b)/dt; an open circuit at an operating point
Learning  none: operating points do not depend on it, their stability does
SPICE     c<name> a b <C>
Range     1e-18 F to 1 F
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Branches, Element, first, number, two_terminal
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LOWEST, HIGHEST = 1e-18, 1.0  # F


@dataclass(frozen=True, eq=False, kw_only=True)
class Capacitor(Element):
    """Capacitances (n,) in farads between nodes a (n,) and b (n,)."""

    a: NodeArray
    b: NodeArray

    unit = "F"

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if not self.a.shape == self.b.shape == self.value.shape:
            raise CircuitError(
                f"capacitor {self.name!r}: expected as many nodes as capacitances, got {self.a.shape}, "
                f"{self.b.shape} and {self.value.shape}"
            )
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        bad = ~((value >= LOWEST) & (value <= HIGHEST))
        if bad.any():
            raise CircuitError(
                f"capacitor {self.name!r}: {first(bad, value)} F; expected between {LOWEST:g} and {HIGHEST:g} F"
            )

    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches."""
        return np.concatenate([self.a, self.b])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: no direct current flows."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def storage(self, value: Array) -> Branches:
        """Return the capacitors; controlled by d(v_a − v_b)/dt."""
        return two_terminal(self.a, self.b, value)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return zeros (n,)."""
        return np.zeros_like(value)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one C line for each capacitor."""
        pairs = zip(self.a.tolist(), self.b.tolist(), value.tolist(), strict=True)
        return [f"c_{self.name}_{k} {node[a]} {node[b]} {number(c)}" for k, (a, b, c) in enumerate(pairs)]
