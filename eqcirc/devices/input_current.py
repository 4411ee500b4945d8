"""Input currents: currents that inputs drive into nodes, each through a transconductance.

Law       current gm·v_control flows from ground into the node; v_control is held by an input (or a rail)
Co-content −gm·v_control·v
Learning  dC/dgm = −lam·v_control at the node
Scaling   none of its own: a source that a held node controls is an independent one
SPICE     g<name> 0 node control 0 <gm>
Range     |gm| <= 1e3 S
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Branches, LinearElement, first, number
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LARGEST = 1e3  # S


@dataclass(frozen=True, eq=False, kw_only=True)
class InputCurrent(LinearElement):
    """Transconductances (n,) in siemens from held nodes `control` (n,) into the nodes `node` (n,)."""

    control: NodeArray
    node: NodeArray

    unit = "S"

    def __post_init__(self) -> None:
        """Check shapes and range."""
        if not self.node.shape == self.control.shape == self.value.shape:
            raise CircuitError(
                f"input current {self.name!r}: expected as many nodes as controls and values, got {self.node.shape}, "
                f"{self.control.shape} and {self.value.shape}"
            )
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        bad = np.abs(value) > LARGEST
        if bad.any():
            raise CircuitError(
                f"input current {self.name!r}: {first(bad, value)} S is beyond {LARGEST:g} S in magnitude"
            )

    def terminals(self) -> NodeArray:
        """Return fed and controlling nodes."""
        return np.concatenate([self.node, self.control])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: a current source is an open circuit."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def branches(self, value: Array) -> Branches:
        """Return the controlled sources that they are."""
        ground = np.zeros_like(self.node)
        return Branches(ground, self.node, self.control, ground, value)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return minus the sum over the batch of lam·v_control, shape (n,)."""
        return np.asarray(-(lam[:, self.node] * v[:, self.control]).sum(axis=0))

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one G element for each current."""
        ports = zip(self.node.tolist(), self.control.tolist(), value.tolist(), strict=True)
        return [f"g_{self.name}_{k} 0 {node[n]} {node[c]} 0 {number(g)}" for k, (n, c, g) in enumerate(ports)]
