"""Ideal current sources: a fixed or trainable current into a node.

Law       current `value` flows from ground into the node; it may be negative
Co-content −I·v
Learning  dC/dI = −lam at the node (the contrast of −v)
SPICE     i<name> 0 node <I>
Range     |I| <= 1e3 A.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Element, first, number
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LARGEST = 1e3  # A


@dataclass(frozen=True, eq=False, kw_only=True)
class CurrentSource(Element):
    """Currents (n,) in amperes into the nodes (n,)."""

    node: NodeArray

    unit = "A"

    def __post_init__(self) -> None:
        """Check shape and range."""
        if self.node.shape != self.value.shape:
            raise CircuitError(
                f"current source {self.name!r}: expected as many nodes as currents, got {self.node.shape} "
                f"and {self.value.shape}"
            )
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a current outside the valid range."""
        super().check(value)
        bad = np.abs(value) > LARGEST
        if bad.any():
            raise CircuitError(f"current source {self.name!r}: {first(bad, value)} A is beyond {LARGEST:g} A")

    def terminals(self) -> NodeArray:
        """Return the fed nodes."""
        return self.node

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: a current source is an open circuit."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return minus the sum over the batch of lam, shape (n,)."""
        del v
        return np.asarray(-lam[:, self.node].sum(axis=0))

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one current source line for each node."""
        return [
            f"i_{self.name}_{k} 0 {node[n]} {number(i)}"
            for k, (n, i) in enumerate(zip(self.node.tolist(), value.tolist(), strict=True))
        ]
