"""Nonlinear devices as equations in unknowns see them: which unknowns control them, and which get their currents.

    voltage  v = factor₀·u − factor₁·u' + held        current  i = area·law(v)        F += ±weight·i

The current of a two-terminal device flows between the nodes that control it; that of a cell between any nodes, so that
nothing comes back to those; that of a tangent is proportional to a voltage, and to a slope at another one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from eqcirc.devices import CellLaw, Law, SlopeLaw
from eqcirc.typing import Array, NodeArray, as_slice

ROUNDING = 1e-9  # relative; two ways around a loop of amplifiers round differently
SIGNS = (1.0, -1.0)  # of the first end and of the second one


class Ends(NamedTuple):
    """Two ends of every device; all tuples hold the first end and the second one.

    Attributes:
        unknown: of the nodes; that of a held one does not count.
        factor: of the unknown for the voltage of the node, or of a current in the equation; 0 for held nodes.
        held: index into the fixed nodes; 0 is ground.
    """

    unknown: tuple[NodeArray, NodeArray]
    factor: tuple[Array, Array]
    held: tuple[NodeArray, NodeArray]

    def offset(self, fixed: Array) -> Array:
        """Return what held voltages (row, fixed node) add to the voltages between the ends (row, device)."""
        return np.asarray(fixed[:, self.held[0]] - fixed[:, self.held[1]])


class FreeEnd(NamedTuple):
    """Terminals of some devices at unknowns.

    Attributes:
        devices: which devices of the group.
        unknowns: unknown of each of them.
        distinct: the unknowns once more, as a slice if possible; None if an unknown occurs twice.
        factor: signed, what the unknown adds to the device voltage, or what the device current adds to its equation.
    """

    devices: NodeArray | slice
    unknowns: NodeArray
    distinct: NodeArray | slice | None
    factor: Array

    @classmethod
    def of(cls, devices: NodeArray, unknowns: NodeArray, factor: Array) -> FreeEnd:
        """Collect some ends; all arrays (end,)."""
        distinct = as_slice(unknowns) if np.unique(unknowns).size == unknowns.size else None
        return cls(as_slice(devices), unknowns, distinct, factor)

    @classmethod
    def all(cls, ends: Ends, first: int = 0) -> tuple[FreeEnd, ...]:
        """Return both ends as far as they are free; devices are counted from `first`."""
        found = []
        for sign, unknown, factor in zip(SIGNS, ends.unknown, ends.factor, strict=True):
            devices = np.flatnonzero(factor)
            if devices.size:
                found.append(cls.of(first + devices, unknown[devices], sign * factor[devices]))
        return tuple(found)

    def at(self, u: Array) -> Array:
        """Return the part (row, end) of the device voltages that the unknowns u (row, n) decide."""
        return np.asarray(u[:, self.unknowns if self.distinct is None else self.distinct] * self.factor)

    def add(self, total: Array, values: Array) -> None:
        """Add values (row, device), times the factors, to the unknowns (row, n) in place."""
        values = values[:, self.devices] * self.factor
        if self.distinct is None:
            np.add.at(total.T, self.unknowns, values.T)
        else:
            total[:, self.distinct] += values


def largest(area: Array) -> Array:
    """Return the largest magnitude (device,) of areas (device,) or (row, device)."""
    return np.asarray(np.abs(area).max(axis=0, initial=0.0) if area.ndim > 1 else np.abs(area))


@dataclass(frozen=True, eq=False)
class Junctions(ABC):
    """The devices of one element.

    Attributes:
        name: of the element.
        law: of a device of area 1.
        control: the ends whose voltage controls a device; factors are those of voltages.
        sink: the ends that the current leaves and enters; factors are its weights in the equations.
        leak: what stands beside every device, in siemens.
    """

    name: str
    law: Law | CellLaw | SlopeLaw
    control: Ends
    sink: Ends
    leak: float

    @property
    def count(self) -> int:
        """Number of devices."""
        return len(self.control.factor[0])

    @property
    def steepest_fall(self) -> float:
        """Upper bound of the falling slope of a device of area 1, in siemens."""
        return 0.0

    def steepest_slopes(self, area: Array) -> Array:
        """Return the slopes of all devices on their steepest fall, of the width that `evaluate` returns."""
        return np.asarray(-self.steepest_fall * area)

    @property
    def plain(self) -> bool:
        """Whether a netlist of the reduced circuit can have them."""
        return True

    @property
    def bending(self) -> Ends:
        """The ends whose voltage decides the slope."""
        return self.control

    @cached_property
    def controls(self) -> tuple[FreeEnd, ...]:
        """The ends that add to `voltages`."""
        return FreeEnd.all(self.control)

    @cached_property
    def sinks(self) -> tuple[FreeEnd, ...]:
        """The ends that currents flow at, and reach an unknown."""
        return FreeEnd.all(self.sink)

    def areas(self, value: Array, fixed: Array) -> Array:
        """Return the area of every device: (device,), or (row, device) where held voltages (row, fixed node) decide."""
        del fixed
        return value.ravel()

    def offset(self, fixed: Array) -> Array:
        """Return what held voltages (row, fixed node) add to the voltages (row, device)."""
        return self.control.offset(fixed)

    def voltages(self, u: Array, offset: Array) -> Array:
        """Return the voltages (row, device) at unknowns u (row, n)."""
        v = offset.copy()
        for end in self.controls:
            v[:, end.devices] += end.at(u)
        return v

    def limit(self, new: Array, old: Array) -> Array:
        """Return the voltages to linearise at, see `Law.limit`."""
        return self.law.limit(new, old)

    def evaluate(self, v: Array, at: Array, area: Array) -> tuple[Array, Array]:
        """Return currents (row, device) at voltages v on the tangents at others, and slopes."""
        current, slope = self.law.evaluate(at)
        current, slope = current * area, slope * area
        if self.leak:
            current, slope = current + self.leak * at, slope + self.leak
        return current if at is v else current + slope * (v - at), slope

    def _terms(self) -> Iterator[tuple[int, int, NodeArray]]:
        """Yield sink end, controlling end and devices of all entries of the Jacobian."""
        weight, factor = self.sink.factor, self.control.factor
        for p in (0, 1):
            for q in (0, 1):
                yield p, q, np.flatnonzero((weight[p] != 0) & (factor[q] != 0))

    @cached_property
    def _own(self) -> tuple[FreeEnd, ...]:
        """The entries on the diagonal, as ends whose factors make them of slopes."""
        found = []
        for p, q, d in self._terms():
            k = self.sink.unknown[p][d]
            own = k == self.control.unknown[q][d]
            if own.any():
                found.append(FreeEnd.of(d[own], k[own], self._factor(p, q, d[own])))
        return tuple(found)

    @cached_property
    def _crossings(self) -> list[tuple[int, int, NodeArray]]:
        """The others."""
        return [(p, q, d[self.sink.unknown[p][d] != self.control.unknown[q][d]]) for p, q, d in self._terms()]

    def _factor(self, p: int, q: int, devices: NodeArray) -> Array:
        return np.asarray(SIGNS[p] * SIGNS[q] * (self.sink.factor[p] * self.control.factor[q])[devices])

    def add_slopes(self, diagonal: Array, slope: Array) -> None:
        """Add slopes (row, device) to the diagonal (row, n) of the Jacobian in place, where they belong there."""
        for end in self._own:
            end.add(diagonal, slope)

    @cached_property
    def pairs(self) -> tuple[NodeArray, NodeArray]:
        """Row and column unknowns of the entries of the Jacobian beside the diagonal."""
        none = np.empty(0, np.intp)
        rows = [self.sink.unknown[p][d] for p, _, d in self._crossings]
        columns = [self.control.unknown[q][d] for _, q, d in self._crossings]
        return np.concatenate([none, *rows]), np.concatenate([none, *columns])

    def cross_slopes(self, slope: Array) -> list[Array]:
        """Return their values, for slopes (row, device): a list of (row, some)."""
        return [slope[:, d] * self._factor(p, q, d) for p, q, d in self._crossings]

    @abstractmethod
    def dissipative(self, weights: Array) -> bool:
        """Whether more slope of any device adds a positive semidefinite part to the Jacobian, weighted and symmetrised.

        What has no weight counts as held. Devices that may add or take, to a known extent, count in `doubt`.
        """

    def doubt(self, weights: Array, area: Array) -> Array:
        """Return what (n,) they can take from the diagonal of that symmetric part, beyond their steepest falls."""
        del area
        return np.zeros_like(weights)

    @abstractmethod
    def add_steepest(self, total: Array, area: Array) -> None:
        """Add bounds of their slopes to the unknowns (n,) in place: of falls, and of what couples one way."""


class TwoTerminals(Junctions):
    """Devices between the nodes that control them."""

    law: Law

    @property
    def steepest_fall(self) -> float:
        """That of the law."""
        return self.law.steepest_fall

    @cached_property
    def plain(self) -> bool:
        """Whether devices look like devices from the unknowns: scaled alike at both ends, voltage and current too."""
        (fa, fb), (wa, wb) = self.control.factor, self.sink.factor
        a, b = fa != 0, fb != 0
        alike = ~(a & b) | ((fa == fb) & (wa == wb))
        power = np.where(a, fa * wa, fb * wb)
        return bool((alike & ((power > 0) | ~(a | b))).all())

    def dissipative(self, weights: Array) -> bool:
        """See `Junctions.dissipative`.

        A device adds w·fᵀ, w the weights of currents (times those of the equations) and f the factors at the unknowns:
        semidefinite if w is f times a number ≥ 0. A device across an amplifier, or between regions of different
        scalings, can act against the others.
        """
        (ka, kb), (fa, fb), (wa, wb) = self.control.unknown, self.control.factor, self.sink.factor
        fa, fb = np.where(weights[ka] != 0, fa, 0.0), np.where(weights[kb] != 0, fb, 0.0)
        wa, wb = wa * weights[ka], wb * weights[kb]
        across = (ka == kb) & (fa != 0) & (fb != 0)
        alike = np.abs(wa * fb - wb * fa) <= ROUNDING * np.abs(wa * fb)
        return bool(
            np.where(across, (wa - wb) * (fa - fb) >= 0, alike & (wa * fa >= 0) & (wb * fb >= 0)).all()
        )

    def add_steepest(self, total: Array, area: Array) -> None:
        """Add the steepest falls."""
        self.add_slopes(total[None], self.steepest_fall * largest(area)[None])


@dataclass(frozen=True, eq=False)
class DrivenTwoTerminals(TwoTerminals):
    """Devices as strong as sums of held voltages: all inputs of a device are one (Norton).

    Attributes:
        drive: (control,) index of the controls into the fixed nodes.
    """

    drive: NodeArray

    def areas(self, value: Array, fixed: Array) -> Array:
        """Return (row, device), for values (control, device)."""
        return np.asarray(fixed[:, as_slice(self.drive)] @ value)


class Cells(Junctions):
    """Devices whose currents flow elsewhere than between the nodes that control them."""

    law: CellLaw

    def dissipative(self, weights: Array) -> bool:
        """True: what a cell does is no matter of dissipation."""
        del weights
        return True

    def doubt(self, weights: Array, area: Array) -> Array:
        """See `Junctions.doubt`: |k·x·y| <= |k|·(x² + y²)/2."""
        total = np.zeros_like(weights)
        for p, q, d in self._terms():
            row, column = self.sink.unknown[p][d], self.control.unknown[q][d]
            inside = (weights[row] != 0) & (weights[column] != 0)
            slopes = self._factor(p, q, d) * area[d] * self.law.steepest
            most = np.where(inside, np.abs(weights[row] * slopes) / 2, 0.0)
            for ends in (row, column):
                np.add.at(total, ends, most)
        return total

    def add_steepest(self, total: Array, area: Array) -> None:
        """Add the steepest slopes where the currents flow."""
        for p, q, d in self._terms():
            steepest = np.abs(self._factor(p, q, d) * area[d]) * self.law.steepest
            np.add.at(total, self.sink.unknown[p][d], steepest)


@dataclass(frozen=True, eq=False)
class Tangents(Junctions):
    """Transconductances as large as slopes elsewhere. Voltages (row, 2·device): across, and where the slopes are taken.

    The Jacobian leaves out how currents depend on the second ones. They are found first, in a circuit of their own.

    Attributes:
        at: the ends of the voltages at which slopes are taken.
    """

    law: SlopeLaw
    at: Ends

    @property
    def bending(self) -> Ends:
        """Those at which slopes are taken."""
        return self.at

    @cached_property
    def controls(self) -> tuple[FreeEnd, ...]:
        """Those across, then those of the slopes."""
        return (*FreeEnd.all(self.control), *FreeEnd.all(self.at, self.count))

    def offset(self, fixed: Array) -> Array:
        """See `Junctions.offset`."""
        return np.concatenate([self.control.offset(fixed), self.at.offset(fixed)], axis=1)

    def limit(self, new: Array, old: Array) -> Array:
        """Limit the voltages at which slopes are taken."""
        across, at = np.split(new, [self.count], axis=1)
        limited = self.law.limit(at, old[:, self.count :] if old.shape[1] > 1 else old)
        return new if limited is at else np.concatenate([across, limited], axis=1)

    def evaluate(self, v: Array, at: Array, area: Array) -> tuple[Array, Array]:
        """See `Junctions.evaluate`."""
        _, slope = self.law.evaluate(at[:, self.count :])
        slope = slope * area + self.leak
        return slope * v[:, : self.count], slope

    def dissipative(self, weights: Array) -> bool:
        """Whether they have no weight: nothing is known of their slopes."""
        return not any(
            (weights[unknown] * factor).any() for unknown, factor in zip(*self.sink[:2], strict=True)
        )

    def add_steepest(self, total: Array, area: Array) -> None:
        """Add nothing: they are as steep as the devices that they are the tangents of."""
