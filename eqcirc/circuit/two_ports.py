"""Bidirectional sources as equations in unknowns see them: two voltages, two currents, and a symmetric Jacobian.

Voltages are (row, 2·source): those of the controls, then those of the outputs; so are currents. Slopes are
(row, 3·source): ∂i_in/∂v_in, ∂i_in/∂v_out (and ∂i_out/∂v_in, which is the same) and ∂i_out/∂v_out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from eqcirc.circuit.junctions import Ends, FreeEnd, Junctions
from eqcirc.devices import BentLaw
from eqcirc.typing import Array, NodeArray


class _Entry(NamedTuple):
    """Where slopes go in the Jacobian: which of them (some), rows, columns, and factors."""

    slopes: NodeArray
    rows: NodeArray
    columns: NodeArray
    factor: Array


@dataclass(frozen=True, eq=False)
class TwoPorts(Junctions):
    """The sources of one element; of `control` and `sink` the first end is the control, the second one the output."""

    law: BentLaw

    @property
    def count(self) -> int:
        """Number of slopes."""
        return 3 * self._sources

    @property
    def _sources(self) -> int:
        return len(self.control.factor[0])

    @cached_property
    def controls(self) -> tuple[FreeEnd, ...]:
        """Controls, then outputs."""
        return self._both(self.control)

    @cached_property
    def sinks(self) -> tuple[FreeEnd, ...]:
        """Controls, then outputs."""
        return self._both(self.sink)

    def _both(self, ends: Ends) -> tuple[FreeEnd, ...]:
        found = []
        for k, (unknown, factor) in enumerate(zip(ends.unknown, ends.factor, strict=True)):
            free = np.flatnonzero(factor)
            if free.size:
                found.append(FreeEnd.of(k * self._sources + free, unknown[free], factor[free]))
        return tuple(found)

    def offset(self, fixed: Array) -> Array:
        """See `Junctions.offset`."""
        return np.concatenate([fixed[:, held] for held in self.control.held], axis=1)

    def limit(self, new: Array, old: Array) -> Array:
        """Return Newton's proposal: laws of cells have bounded slopes."""
        del old
        return new

    def evaluate(self, v: Array, at: Array, area: Array) -> tuple[Array, Array]:
        """See `Junctions.evaluate`; `area` are the conductances."""
        del at
        source, output = np.split(v, 2, axis=1)
        current, slope = self.law.evaluate(source)
        out, gain = area * output - current, slope / area
        own = gain * slope - self.law.curvature(source) * out / area
        through = np.broadcast_to(area, out.shape)
        return np.concatenate([-gain * out, out], axis=1), np.concatenate([own, -slope, through], axis=1)

    @cached_property
    def _entries(self) -> list[_Entry]:
        """All entries of the Jacobian: sink end p by control end q takes the slopes number p + q."""
        found = []
        for p, weight in enumerate(self.sink.factor):
            for q, factor in enumerate(self.control.factor):
                d = np.flatnonzero((weight != 0) & (factor != 0))
                ends = (self.sink.unknown[p][d], self.control.unknown[q][d])
                found.append(_Entry((p + q) * self._sources + d, *ends, weight[d] * factor[d]))
        return found

    @cached_property
    def _on_diagonal(self) -> tuple[FreeEnd, ...]:
        own = [(e, e.rows == e.columns) for e in self._entries]
        return tuple(FreeEnd.of(e.slopes[k], e.rows[k], e.factor[k]) for e, k in own if k.any())

    @cached_property
    def _beside(self) -> list[_Entry]:
        return [_Entry(*(field[e.rows != e.columns] for field in e)) for e in self._entries]

    def add_slopes(self, diagonal: Array, slope: Array) -> None:
        """See `Junctions.add_slopes`."""
        for end in self._on_diagonal:
            end.add(diagonal, slope)

    @cached_property
    def pairs(self) -> tuple[NodeArray, NodeArray]:
        """See `Junctions.pairs`."""
        return tuple(np.concatenate([getattr(e, side) for e in self._beside]) for side in ("rows", "columns"))  # type: ignore[return-value]

    def cross_slopes(self, slope: Array) -> list[Array]:
        """See `Junctions.cross_slopes`."""
        return [slope[:, e.slopes] * e.factor for e in self._beside]

    @property
    def steepest_fall(self) -> float:
        """Infinite: curvature, times how far the output is from what the source says, has no bound."""
        return np.inf

    def steepest_slopes(self, area: Array) -> Array:
        """See `Junctions.steepest_slopes`."""
        return np.concatenate([np.full(len(area), -np.inf), np.zeros(len(area)), area])

    def dissipative(self, weights: Array) -> bool:
        """Whether they have no weight: nothing is known of their slopes far from what the source says."""
        return not any((weights[k] * f).any() for k, f in zip(*self.sink[:2], strict=True))

    def add_steepest(self, total: Array, area: Array) -> None:
        """Add the steepest slopes there are where the output is as the source says."""
        steepest = np.full(len(area), self.law.steepest)
        slopes = np.concatenate([steepest**2 / area, steepest, area])
        for e in self._entries:
            np.add.at(total, e.rows, np.abs(slopes[e.slopes] * e.factor))
