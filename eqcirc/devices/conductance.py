"""Conductances: i = g·v.

Law       i(v) = g v            slope g
Co-content ½ g v²
Learning  dC/dg = lam_ab·v_ab; for Equilibrium Propagation the contrast of ½·v_ab² between nudged phases
SPICE     r<name> a b <1/g>
Range     1e-12 S to 1e3 S; zero and negative ones are refused (SPICE silently turns R = 0 into 1 mOhm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Bounds, Branches, LinearElement, first, number, two_terminal
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LOWEST, HIGHEST = 1e-12, 1e3  # S
DEFAULT_BOUNDS = Bounds(1e-6, 1e-4)  # S, a common window of programmable resistors


def check_conductances(name: str, value: Array) -> None:
    """Raise `CircuitError` unless every conductance lies in the valid range."""
    bad = ~((value >= LOWEST) & (value <= HIGHEST))
    if bad.any():
        raise CircuitError(
            f"element {name!r}: conductance {first(bad, value)} S; expected a positive value between "
            f"{LOWEST:g} and {HIGHEST:g} S (leave the element out to disconnect it)"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Conductance(LinearElement):
    """Resistors, given by conductance in siemens between nodes a and b: arrays of one shape, (n,) or any other."""

    a: NodeArray
    b: NodeArray

    unit = "S"

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if not self.a.shape == self.b.shape == self.value.shape:
            raise CircuitError(
                f"element {self.name!r}: expected as many nodes as conductances, got {self.a.shape}, "
                f"{self.b.shape} and {self.value.shape}"
            )
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        check_conductances(self.name, value)

    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches."""
        return np.concatenate([self.a.ravel(), self.b.ravel()])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return the node pairs."""
        return self.a.ravel(), self.b.ravel()

    def branches(self, value: Array) -> Branches:
        """Return the resistors."""
        return two_terminal(self.a.ravel(), self.b.ravel(), value.ravel())

    def admittance(self, value: Array) -> Array:
        """Return the matrix (n, n) that makes currents out of the voltages across."""
        return np.diag(value.ravel())

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return sum over the batch of (lam_a − lam_b)(v_a − v_b), of the shape of the values."""
        contrast = (lam[:, self.a] - lam[:, self.b]) * (v[:, self.a] - v[:, self.b])
        return np.asarray(contrast.sum(axis=0))

    def resistors(self, value: Array) -> Array:
        """Return one for each conductance."""
        return value.ravel()

    def noisy(self, value: Array) -> Branches:
        """Return all of them."""
        return self.branches(value)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one resistor line for each conductance."""
        places = ["_".join(map(str, index)) for index in np.ndindex(value.shape)]
        parts = zip(places, *(x.ravel().tolist() for x in (self.a, self.b, value)), strict=True)
        return [f"r_{self.name}_{place} {node[a]} {node[b]} {number(1 / g)}" for place, a, b, g in parts]
