"""Linear transconductor (voltage-controlled current source).

Law       current gm·(v_cp − v_cn) leaves node `out_p` and enters node `out_n` (SPICE's G element)
Scaling   a lone transconductor has none: it is not reciprocal. A pair between two nodes (J_ab and J_ba both
          non-zero) has s_b = s_a·J_ab/J_ba; opposite signs make a gyrator, s_b = −s_a·|J_ab/J_ba|
Learning  dC/dgm = (lam_out_p − lam_out_n)·(v_cp − v_cn)
SPICE     g<name> out_p out_n cp cn <gm>
Range     |gm| <= 1e3 S, not zero unless trained
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
class Transconductor(LinearElement):
    """Transconductances (n,) in siemens; all node arrays have shape (n,)."""

    out_p: NodeArray
    out_n: NodeArray
    cp: NodeArray
    cn: NodeArray

    unit = "S"
    reciprocal = False

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        shapes = {x.shape for x in (self.out_p, self.out_n, self.cp, self.cn, self.value)}
        if len(shapes) > 1:
            raise CircuitError(
                f"transconductor {self.name!r}: node and value shapes differ: {sorted(shapes)}"
            )
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape, zero, or a value outside the valid range."""
        super().check(value)
        may_be_zero = self.trainable or self.share is not None
        bad = (value == 0) & (not may_be_zero) | (np.abs(value) > LARGEST)
        if bad.any():
            raise CircuitError(
                f"transconductor {self.name!r}: {first(bad, value)} S; expected a non-zero value up to "
                f"{LARGEST:g} S in magnitude"
            )

    def terminals(self) -> NodeArray:
        """Return output and control nodes."""
        return np.concatenate([self.out_p, self.out_n, self.cp, self.cn])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: a transconductor is not a two-terminal part."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def branches(self, value: Array) -> Branches:
        """Return the controlled sources that they are."""
        return Branches(self.out_p, self.out_n, self.cp, self.cn, value)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return sum over the batch of (lam_out_p − lam_out_n)(v_cp − v_cn), shape (n,)."""
        product = (lam[:, self.out_p] - lam[:, self.out_n]) * (v[:, self.cp] - v[:, self.cn])
        return np.asarray(product.sum(axis=0))

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one G element for each transconductor."""
        ports = np.stack([self.out_p, self.out_n, self.cp, self.cn], axis=1).tolist()
        return [
            f"g_{self.name}_{k} {' '.join(node[n] for n in four)} {number(gm)}"
            for k, (four, gm) in enumerate(zip(ports, value.tolist(), strict=True))
        ]
