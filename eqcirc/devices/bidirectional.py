"""Bidirectional source: a controlled source behind a conductance, which carries back what it carries forth.

Law       the source holds an inner node at E(v) = law(v_in)/g; a conductance g joins it to the node `driven`:
          i_out = g·v_out − law(v_in)  leaves the output,
          i_in  = −law'(v_in)·i_out/g  leaves the control `source`: the resistor's current, times dE/dv, comes back
Co-content ½·g·(v_out − E(v_in))²: never negative, and zero where the output is as the source says
Scaling   s is the same at both nodes
Learning  dC/dg, the contrast of ½·(v_out² − E²)
SPICE     r<name> out 0 <1/g>,   b<name>_f out 0 i=−law   and   b<name>_b in 0 i=−law'·(v(out) − law/g): Norton's form
Range     g as other conductances; laws of cells that know their curvature (tanh, clipped, diode-limited)

Without the current that comes back the source would be one-way, and the circuit no gradient system.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from eqcirc.devices.base import Branches, Element, number, two_terminal
from eqcirc.devices.cell import CellLaw
from eqcirc.devices.conductance import check_conductances
from eqcirc.devices.tangent import SlopeLaw
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@runtime_checkable
class BentLaw(CellLaw, SlopeLaw, Protocol):
    """A law of cells that can tell its second derivative and write its slope for SPICE."""

    def curvature(self, v: Array) -> Array:
        """Return the slope of the slope (S/V) of an area of one."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class BidirectionalSource(Element):
    """Sources from `source` (n,) to `driven` (n,) behind conductances `value` (n,) in siemens, with one `law`."""

    source: NodeArray
    driven: NodeArray
    law: BentLaw

    unit = "S"

    @property
    def passive(self) -> bool:
        """False: it draws on its supply."""
        return False

    def __post_init__(self) -> None:
        """Check shapes, ranges and law."""
        what = f"bidirectional source {self.name!r}"
        if not self.source.shape == self.driven.shape == self.value.shape:
            raise CircuitError(f"{what}: expected one control, one output and one conductance for each")
        if (self.source == self.driven).any():
            raise CircuitError(f"{what}: its control and its output are one node; give it two")
        if not isinstance(self.law, BentLaw):
            raise CircuitError(
                f"{what}: the law {type(self.law).__name__} lacks a curvature or slope_expression, which what comes "
                "back depends on; take Tanh, Clipped, DiodeLimited or Probit"
            )
        self.check(self.value)

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or a conductance outside the valid range."""
        super().check(value)
        check_conductances(self.name, value)

    def terminals(self) -> NodeArray:
        """Return controls, outputs and ground."""
        return np.concatenate([self.source, *self.connections()])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return outputs and ground, between which the conductance is."""
        return self.driven, np.zeros_like(self.driven)

    def mutual(self) -> tuple[NodeArray, NodeArray]:
        """Return controls and outputs."""
        return self.source, self.driven

    def currents(self, value: Array, source: Array, output: Array) -> tuple[Array, Array]:
        """Return what leaves controls and outputs, in amperes, at their voltages."""
        current, slope = self.law.evaluate(source)
        out = value * output - current
        return -slope * out / value, out

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of lam·dF/dg, shape (n,)."""
        current, slope = self.law.evaluate(v[:, self.source])
        back = -lam[:, self.source] * slope * current / value**2
        return np.asarray((lam[:, self.driven] * v[:, self.driven] + back).sum(axis=0))

    def contrast(self, value: Array, scaling: Array, plus: Array, minus: Array) -> Array:
        """Return the sum over the batch of s·½·(v_out² − E²) at `plus` less that at `minus`, shape (n,)."""
        at_driven, at_source = scaling[..., self.driven], scaling[..., self.source]
        s = np.where(at_driven != 0, at_driven, at_source)
        (e_plus, e_minus) = (self.law.evaluate(v[:, self.source])[0] / value for v in (plus, minus))
        (o_plus, o_minus) = (v[:, self.driven] for v in (plus, minus))
        outputs, inner = (o_plus - o_minus) * (o_plus + o_minus), (e_plus - e_minus) * (e_plus + e_minus)
        return np.asarray((s * 0.5 * (outputs - inner)).sum(axis=0))

    def noisy(self, value: Array) -> Branches:
        """Return the conductances."""
        return two_terminal(*self.connections(), value)

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return a resistor and two B sources for each."""
        lines = []
        ends = zip(self.source.tolist(), self.driven.tolist(), value.tolist(), strict=True)
        for k, (a, b, g) in enumerate(ends):
            v, out = (f"v({node[n]})" if n else "0" for n in (a, b))
            forth, slope = self.law.expression(v), self.law.slope_expression(v)
            lines.append(f"r_{self.name}_{k} {node[b]} 0 {number(1 / g)}")
            lines.append(f"b_{self.name}_{k}_f 0 {node[b]} i={forth}")
            lines.append(f"b_{self.name}_{k}_b 0 {node[a]} i=({slope})*({out}-({forth})*{number(1 / g)})")
        return lines
