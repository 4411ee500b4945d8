"""Gyrator: two equal transconductors back to back, of opposite sign.

Law       current gm·v_b leaves node a; current gm·(v_a − v_ref) enters node b
          (with a capacitor C at b, node a sees an inductor L = C/gm² to the held voltage v_ref)
Scaling   s_b = −s_a: the second node is a recovery variable, of the opposite sign in the energy gm·(v_a − v_ref)·v_b
Learning  dC/dgm = lam_a·v_b − lam_b·(v_a − v_ref)
SPICE     g<name>_f a 0 b 0 <gm>   and   g<name>_b 0 b a ref <gm>
Range     1e-12 S to 1e3 S in magnitude; of negative gm, node a sees the same, and node b has the other sign
Source    Tellegen 1948, "The gyrator, a new electric network element"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Branches, LinearElement, number
from eqcirc.devices.conductance import check_conductances
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Gyrator(LinearElement):
    """Gyration conductances (n,) in siemens between nodes a (n,) and b (n,); `reference` (n,) is often ground."""

    a: NodeArray
    b: NodeArray
    reference: NodeArray

    unit = "S"
    reciprocal = False

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if not self.a.shape == self.b.shape == self.reference.shape == self.value.shape:
            raise CircuitError(
                f"gyrator {self.name!r}: expected as many nodes as conductances, got {self.a.shape}, "
                f"{self.b.shape} and {self.value.shape}"
            )
        if (self.a == self.b).any():
            raise CircuitError(f"gyrator {self.name!r}: its two ports are one node; give it two")
        self.check(self.value)
        if self.trainable and (self.value > 0).any() and (self.value < 0).any():
            raise CircuitError(
                f"gyrator {self.name!r}: expected trained ones of one sign; add the others by themselves"
            )

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a value outside the valid range."""
        super().check(value)
        check_conductances(self.name, np.abs(value))

    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches."""
        return np.concatenate([self.a, self.b, self.reference])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: a gyrator is not a two-terminal part."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def branches(self, value: Array) -> Branches:
        """Return two controlled sources for every gyrator; their currents return through ground."""
        a, b, ref, ground = self.a, self.b, self.reference, np.zeros_like(self.a)
        return Branches(
            np.concatenate([a, ground]),
            np.concatenate([ground, b]),
            np.concatenate([b, a]),
            np.concatenate([ground, ref]),
            np.concatenate([value, value]),
        )

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of lam_a·v_b − lam_b·(v_a − v_ref), shape (n,)."""
        a, b = self.a, self.b
        lam = lam - lam[:, :1]  # ground, which takes the currents back, is at 0 V in every adjoint system
        across = v[:, a] - v[:, self.reference]
        return np.asarray((lam[:, a] * v[:, b] - lam[:, b] * across).sum(axis=0))

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return two G elements for each gyrator."""
        lines = []
        ports = np.stack([self.a, self.b, self.reference], axis=1).tolist()
        for k, ((a, b, ref), gm) in enumerate(zip(ports, value.tolist(), strict=True)):
            lines.append(f"g_{self.name}_{k}_f {node[a]} 0 {node[b]} 0 {number(gm)}")
            lines.append(f"g_{self.name}_{k}_b 0 {node[b]} {node[a]} {node[ref]} {number(gm)}")
        return lines
