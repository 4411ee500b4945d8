"""One-way cell: a controlled current source with a law, such as a saturating transconductor.

Law       the current area·law(v_cp − v_cn) leaves node `out_p` and enters node `out_n`; nothing flows at the control
Scaling   none, unless its control is held: what it carries forth comes back by nothing
Learning  dC/darea = (lam_out_p − lam_out_n)·law(v_cp − v_cn)
SPICE     b<name> out_p out_n i=<law of v(cp) − v(cn)> m=<area>
Range     areas as those of two-terminal devices
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from eqcirc.devices.base import Element, in_range, number
from eqcirc.devices.two_terminal import check_areas
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


class CellLaw(Protocol):
    """Current over control voltage, rising and with a bounded slope."""

    @property
    def steepest(self) -> float:
        """Upper bound of the slope, in siemens."""
        ...

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S) of an area of one."""
        ...

    def limit(self, new: Array, old: Array) -> Array:
        """Return the voltage at which to linearise, given Newton's proposal and the last one."""
        ...

    def expression(self, v: str) -> str:
        """Return the current as a SPICE expression of the voltage `v`, itself an expression."""
        ...


@dataclass(frozen=True)
class SaturatingLaw:
    """What cells have in common whose current bends where it nears a limit.

    Attributes:
        siemens: slope at 0 V, the steepest one.
        saturation: current in amperes around which it bends.
        one_sided: whether only currents above 0 A are let through.
    """

    siemens: float = 1e-5
    saturation: float = 1e-6
    one_sided: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("cell", "siemens", self.siemens, 1e-12, 1e3, "S")
        in_range("cell", "saturation", self.saturation, 1e-15, 1e3, "A")

    @property
    def steepest(self) -> float:
        """Slope at 0 V."""
        return self.siemens

    @property
    def bend(self) -> float:
        """Voltage in volts around which the current bends."""
        return self.saturation / self.siemens

    def limit(self, new: Array, old: Array) -> Array:
        """Return Newton's proposal: where slopes are bounded, there is nothing to limit."""
        del old
        return new


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell(Element):
    """Cells with relative areas `value` (n,) and one `law`; all node arrays have shape (n,)."""

    out_p: NodeArray
    out_n: NodeArray
    cp: NodeArray
    cn: NodeArray
    law: CellLaw

    reciprocal = False

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        shapes = {x.shape for x in (self.out_p, self.out_n, self.cp, self.cn, self.value)}
        if len(shapes) > 1:
            raise CircuitError(f"cell {self.name!r}: node and value shapes differ: {sorted(shapes)}")
        missing = sorted({name for name in vars(CellLaw) if not name.startswith("_")} - set(dir(self.law)))
        if missing:
            raise CircuitError(
                f"cell {self.name!r}: the law {type(self.law).__name__} has no {', '.join(missing)}; "
                "docs/add-a-device.md lists what a law offers"
            )
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or an area outside the valid range."""
        super().check(value)
        check_areas(self.name, value)

    def terminals(self) -> NodeArray:
        """Return output and control nodes."""
        return np.concatenate([self.out_p, self.out_n, self.cp, self.cn])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return no pair: a cell is not a two-terminal part."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return sum over the batch of (lam_out_p − lam_out_n)·law(v_cp − v_cn), shape (n,)."""
        current, _ = self.law.evaluate(v[:, self.cp] - v[:, self.cn])
        return np.asarray(((lam[:, self.out_p] - lam[:, self.out_n]) * current).sum(axis=0))

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return one B source for each cell."""
        ends = np.stack([self.out_p, self.out_n, self.cp, self.cn], axis=1).tolist()
        return [
            f"b_{self.name}_{k} {node[p]} {node[n]} "
            f"i={self.law.expression(difference(node[cp], node[cn]))} m={number(area)}"
            for k, ((p, n, cp, cn), area) in enumerate(zip(ends, value.tolist(), strict=True))
        ]


def difference(a: str, b: str) -> str:
    """Return the SPICE expression of v(a) − v(b), for nodes that may be ground."""
    if b == "0":
        return "0" if a == "0" else f"v({a})"
    return f"(-v({b}))" if a == "0" else f"v({a},{b})"
