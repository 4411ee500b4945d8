"""Tangent of a device: a transconductance that is as large as the slope of a device at another voltage.

Law       the current (area·law'(v_at_p − v_at_n) + leak)·(v_cp − v_cn) leaves node `out_p` and enters node `out_n`
SPICE     b<name> out_p out_n i=(<slope of v(at_p) − v(at_n)>)*(v(cp) − v(cn)) m=<area>, and a G element for the leak
Source    Director & Rohrer 1969, "The generalized adjoint network and network sensitivities": what stands for a device
          in the adjoint network. Hardware makes it of two matched devices, or of a multiplier
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from eqcirc.devices.base import Element, number
from eqcirc.devices.cell import difference
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@runtime_checkable
class SlopeLaw(Protocol):
    """A law that can write its slope for SPICE."""

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S) of an area of one."""
        ...

    def limit(self, new: Array, old: Array) -> Array:
        """Return the voltage at which to linearise, given Newton's proposal and the last one."""
        ...

    def slope_expression(self, v: str) -> str:
        """Return the slope as a SPICE expression of the voltage `v`, itself an expression."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Tangent(Element):
    """Tangents of devices with relative areas `value` (n,) and one `law`; all node arrays have shape (n,).

    Attributes:
        out_p: nodes that the current leaves.
        out_n: nodes that it enters.
        cp: nodes of the voltage that it is proportional to,
        cn: less those.
        at_p: nodes of the voltage that the slope is taken at,
        at_n: less those.
        law: of the devices.
        leak: that stands beside every one of them, in siemens.
    """

    out_p: NodeArray
    out_n: NodeArray
    cp: NodeArray
    cn: NodeArray
    at_p: NodeArray
    at_n: NodeArray
    law: SlopeLaw
    leak: float = 0.0

    reciprocal = False

    def __post_init__(self) -> None:
        """Check shapes."""
        nodes = (self.out_p, self.out_n, self.cp, self.cn, self.at_p, self.at_n)
        shapes = {x.shape for x in (*nodes, self.value)}
        if len(shapes) > 1:
            raise CircuitError(f"tangent {self.name!r}: node and value shapes differ: {sorted(shapes)}")
        self.check(self.value)

    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches."""
        return np.concatenate([self.out_p, self.out_n, self.cp, self.cn, self.at_p, self.at_n])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: where it is a conductance, it is one that another voltage controls."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return sum over the batch of (lam_out_p − lam_out_n)·law'·(v_cp − v_cn), shape (n,)."""
        _, slope = self.law.evaluate(v[:, self.at_p] - v[:, self.at_n])
        across = (lam[:, self.out_p] - lam[:, self.out_n]) * (v[:, self.cp] - v[:, self.cn])
        return np.asarray((slope * across).sum(axis=0))

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return a B source for each tangent, and the leak."""
        columns = (self.out_p, self.out_n, self.cp, self.cn, self.at_p, self.at_n)
        lines = []
        for k, (ends, area) in enumerate(
            zip(np.stack(columns, axis=1).tolist(), value.tolist(), strict=True)
        ):
            p, n, cp, cn, at_p, at_n = (node[end] for end in ends)
            slope = self.law.slope_expression(difference(at_p, at_n))
            lines.append(f"b_{self.name}_{k} {p} {n} i=({slope})*{difference(cp, cn)} m={number(area)}")
            if self.leak:
                lines.append(f"g_{self.name}_{k} {p} {n} {cp} {cn} {number(self.leak)}")
        return lines
