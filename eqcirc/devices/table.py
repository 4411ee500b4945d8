"""A device given by a measured I-V table; outside the table the current follows the tangents at its ends.

Law       i = c0 + c1·t + c2·t² + c3·t³,   t = v − (voltage of the point before); one cubic between two points
          continuous with its slope, and between two points it neither falls below nor rises above both (PCHIP)
SPICE     b<name> anode cathode i=<the cubics, chosen by halving> m=<area>
Source    Fritsch & Butland 1984 (SIAM J. Sci. Stat. Comput. 5), as scipy's PchipInterpolator has it
Range     2 to 100 points up to 1 kV and 1 kA, one of them 0 A at 0 V; the current must not fall at the ends
Left out  noise of the measurement, which is taken for the device: smooth it first. Hysteresis
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from eqcirc.devices.base import in_range, number, unchecked
from eqcirc.devices.tunnel import source
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

MOST_POINTS = 100  # the law stands in the line of every device


@dataclass(frozen=True)
class TableDevice:
    """A measured curve; `TableDevice.measured` takes points as they come.

    Attributes:
        voltages: in volts, in ascending order; one is 0.
        currents: in amperes; the one at 0 V is 0.
    """

    voltages: tuple[float, ...]
    currents: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check the ranges."""
        what = "I-V table"
        if len(self.voltages) != len(self.currents) or not 2 <= len(self.voltages) <= MOST_POINTS:
            raise CircuitError(
                f"{what}: expected as many voltages as currents, 2 to {MOST_POINTS}, got {len(self.voltages)} and "
                f"{len(self.currents)}; take fewer points where the curve is straight"
            )
        for v, i in zip(self.voltages, self.currents, strict=True):
            in_range(what, "a voltage", v, -1e3, 1e3, "V")
            in_range(what, "a current", i, -1e3, 1e3, "A")
        if (np.diff(self.voltages) <= 0).any():
            raise CircuitError(f"{what}: expected voltages in ascending order, each once")
        if (0.0, 0.0) not in zip(self.voltages, self.currents, strict=True) or self.voltages[-1] <= 0:
            raise CircuitError(
                f"{what}: expected the point 0 V, 0 A, and one above it; TableDevice.measured puts it in"
            )
        for k, at in ((0, self.voltages[0]), (-1, self.voltages[-1])):
            if self._ends[k] < 0:
                raise CircuitError(
                    f"{what}: expected a current that does not fall at the ends, got {self._ends[k]:g} S at {at:g} V; "
                    "beyond, it would fall without end"
                )

    @classmethod
    def measured(cls, voltage: ArrayLike, current: ArrayLike) -> TableDevice:
        """Return the device of measured points (n,) in volts and amperes, in any order.

        Currents at one voltage are averaged; at 0 V, which has to lie among them, the current becomes 0.

        Raises:
            CircuitError: no such table, see the head of this file.
        """
        v, i = np.asarray(voltage, np.float64), np.asarray(current, np.float64)
        if v.ndim != 1 or v.shape != i.shape or not (np.isfinite(v) & np.isfinite(i)).all():
            raise CircuitError("I-V table: expected two rows of as many finite numbers, volts and amperes")
        if not v.size or v.min() > 0 or v.max() <= 0:
            raise CircuitError("I-V table: expected voltages from 0 V or below to above; measure there, too")
        v, i = np.append(v, 0.0), np.append(i, 0.0)
        points, which = np.unique(v, return_inverse=True)
        mean = np.bincount(which, i) / np.bincount(which)
        mean[points == 0] = 0.0
        return cls(tuple(points.tolist()), tuple(mean.tolist()))

    @cached_property
    def _knots(self) -> Array:
        return np.array(self.voltages)

    @cached_property
    def _cubics(self) -> Array:
        """(4, n − 1) coefficients, that of t³ first."""
        return np.asarray(PchipInterpolator(self._knots, np.array(self.currents)).c)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        """Slopes at the ends, in siemens; what is left of rounding is none."""
        a, b, c, _ = self._cubics[:, -1]
        h = self.voltages[-1] - self.voltages[-2]
        low, high = float(self._cubics[2, 0]), float(c + h * (2 * b + 3 * a * h))
        steepest = 1e-12 * float(np.abs(self._cubics[2]).max())
        return (low if abs(low) > steepest else 0.0), (high if abs(high) > steepest else 0.0)

    @cached_property
    def _energies(self) -> Array:
        """(n,) co-contents at the points, summed up from 0 V so that small ones keep their digits."""
        h = np.diff(self._knots)
        a, b, c, d = self._cubics
        pieces = h * (d + h * (c / 2 + h * (b / 3 + h * a / 4)))
        zero = self.voltages.index(0.0)
        above = np.cumsum(pieces[zero:])
        below = -np.cumsum(pieces[:zero][::-1])[::-1]
        return np.concatenate([below, [0.0], above])

    @cached_property
    def _lowest(self) -> tuple[float, float]:
        """Smallest slope and where it is: at a point, or where the slope of a cubic, a parabola, turns."""
        a, b, c, _ = self._cubics
        h = np.diff(self._knots)
        turn = np.clip(np.divide(-b, 3 * a, out=np.zeros_like(a), where=a != 0), 0, h)
        at = np.concatenate([self._knots[:-1], self._knots[:-1] + h, self._knots[:-1] + turn])
        slope = np.concatenate([c + t * (2 * b + 3 * a * t) for t in (np.zeros_like(h), h, turn)])
        k = int(slope.argmin())
        return float(slope[k]), float(at[k])

    @property
    def fall_voltage(self) -> float:
        """Where the slope of the current is smallest, in volts."""
        return self._lowest[1]

    @property
    def steepest_fall(self) -> float:
        """Largest −di/dv, in siemens; 0 where no current of the table is below the one before it."""
        if (np.diff(self.currents) >= 0).all():
            return 0.0  # exactly: what cubics fall then is rounding
        return -self._lowest[0] * (1 + 1e-12)

    @property
    def blocks(self) -> bool:
        """Whether the current is constant between two points, or beyond an end."""
        return bool((np.diff(self.currents) == 0).any() or min(self._ends) == 0)

    @property
    def leak(self) -> float:
        """0 S."""
        return 0.0

    def _place(self, v: Array) -> tuple[NDArray[np.intp], Array, Array]:
        """Return the piece of every voltage, how far it is from its beginning, and how far beyond the table."""
        x = np.clip(v, self.voltages[0], self.voltages[-1])
        k = np.clip(np.searchsorted(self._knots, x, side="right") - 1, 0, len(self.voltages) - 2)
        return k, x - self._knots[k], v - x

    def _beyond(self, out: Array) -> Array:
        """Return the slope that holds `out` volts beyond an end."""
        return np.where(out < 0, self._ends[0], np.where(out > 0, self._ends[1], 0.0))

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S)."""
        k, t, out = self._place(v)
        a, b, c, d = self._cubics[:, k]
        straight = self._beyond(out)
        current = d + t * (c + t * (b + t * a)) + out * straight
        slope = np.where(out == 0, c + t * (2 * b + 3 * t * a), straight)
        return current, np.asarray(np.maximum(slope, 0.0) if self.steepest_fall == 0 else slope)

    def cocontent(self, v: Array) -> Array:
        """Return the integral of the current from 0 to v, in watts."""
        k, t, out = self._place(v)
        a, b, c, d = self._cubics[:, k]
        inside = self._energies[k] + t * (d + t * (c / 2 + t * (b / 3 + t * a / 4)))
        end = d + t * (c + t * (b + t * a))
        return np.asarray(inside + out * (end + out / 2 * self._beyond(out)))

    def limit(self, new: Array, old: Array) -> Array:
        """Let a step go no further than a quarter of the table, or, far from it, half of the way to it."""
        step = np.maximum((self.voltages[-1] - self.voltages[0]) / 4, np.abs(old) / 2)
        return np.clip(new, old - step, old + step)

    def scaled(self, voltage: float, current: float) -> TableDevice:
        """Return the device seen through an amplifier."""
        v, i = np.array(self.voltages) * voltage, np.array(self.currents) * current
        order = np.argsort(v)
        return unchecked(TableDevice, tuple(v[order].tolist()), tuple(i[order].tolist()))

    def slope_expression(self, v: str) -> str:
        """Return the SPICE expression of the slope."""

        def piece(k: int) -> str:
            a, b, c, _ = self._cubics[:, k].tolist()
            t = f"({v}-{_exact(self.voltages[k])})"
            return f"{_exact(c)}+{t}*({_exact(2 * b)}+{t}*{_exact(3 * a)})"

        return self._chosen(v, piece, *map(_exact, self._ends))

    def model(self, name: str) -> list[str]:
        """Return no model: the law stands in every line."""
        return []

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return the B line."""
        del model

        def piece(k: int) -> str:
            a, b, c, d = self._cubics[:, k].tolist()
            t = f"({{v}}-{_exact(self.voltages[k])})"
            return f"{_exact(d)}+{t}*({_exact(c)}+{t}*({_exact(b)}+{t}*{_exact(a)}))"

        ends = (
            f"{_exact(i)}+({{v}}-{_exact(v)})*{_exact(slope)}"
            for v, i, slope in zip(
                (self.voltages[0], self.voltages[-1]),
                (self.currents[0], self.currents[-1]),
                self._ends,
                strict=True,
            )
        )
        return source(name, anode, cathode, self._chosen("{v}", piece, *ends), area)

    def _chosen(self, v: str, piece: Callable[[int], str], below: str, above: str) -> str:
        """Return an expression that finds by halving which of the pieces holds at v."""
        edges, parts = self.voltages, [below, *map(piece, range(len(self.voltages) - 1)), above]

        def among(first: int, last: int) -> str:
            if first == last:
                return f"({parts[first]})"
            middle = (first + last) // 2
            return f"({v}<{_exact(edges[middle])}?{among(first, middle)}:{among(middle + 1, last)})"

        return among(0, len(parts) - 1)


def _exact(x: float) -> str:
    """Return a constant as one or two numbers: an expression keeps eleven digits of each."""
    most = float(f"{x:.10e}")
    text = number(most) if most == x else f"({number(most)}+{number(x - most)})"
    return f"({text})" if text.startswith("-") else text
