"""Nonlinear two-terminal devices: a group of equal devices that share one current-voltage law.

Law       i = area·law(v_anode − v_cathode)
Learning  dC/darea = lam_ab·law(v_ab); for Equilibrium Propagation the contrast of its co-content, ∫ law(v) dv
SPICE     one model and one line for each device, written by the law
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import Element, Law, first
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

LARGEST_AREA = 1e6
SAMPLED = np.concatenate([-np.logspace(1, -4, 100), [0.0], np.logspace(-4, 1, 100)])  # V


def check_areas(name: str, value: Array) -> None:
    """Raise `CircuitError` unless every area lies in the valid range."""
    bad = ~((value > 0) & (value <= LARGEST_AREA))
    if bad.any():
        raise CircuitError(
            f"device {name!r}: area {first(bad, value)}; expected a positive factor up to {LARGEST_AREA:g}"
        )


def check_law(name: str, law: Law) -> None:
    """Raise `CircuitError` for a law without all that a law offers, or one that falls more steeply than it says.

    Proofs that there is one operating point rest on `Law.steepest_fall`. A sample of voltages finds most of what is
    said wrongly.
    """
    missing = sorted({member for member in vars(Law) if not member.startswith("_")} - set(dir(law)))
    if missing:
        raise CircuitError(
            f"device {name!r}: the law {type(law).__name__} has no {', '.join(missing)}; "
            "docs/add-a-device.md lists what a law offers"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        slope = law.evaluate(SAMPLED)[1]
    steepest = float(np.nanmax(-slope, initial=0.0))
    if steepest > law.steepest_fall * (1 + 1e-6):
        at = SAMPLED[int(np.nanargmin(slope))]
        raise CircuitError(
            f"device {name!r}: the law {type(law).__name__} has steepest_fall = {law.steepest_fall:g} S, but its "
            f"current falls by {steepest:g} S at {at:g} V; proofs rest on that bound"
        )


def work(law: Law, start: Array, end: Array) -> Array:
    """Return the integral of the current from voltages `start` to `end` in watts, precise however close they are.

    A difference of co-contents loses what the two have in common. So voltages get Gauss' rule of three points where its
    distance to that of two says that it errs less.
    """
    middle, half = 0.5 * (start + end), 0.5 * (end - start)

    def at(share: float) -> Array:
        return law.evaluate(middle + share * half)[0]

    two = half * (at(-(1 / 3**0.5)) + at(1 / 3**0.5))
    three = half / 9 * (5 * at(-(0.6**0.5)) + 8 * at(0.0) + 5 * at(0.6**0.5))
    first, last = law.cocontent(start), law.cocontent(end)
    rounded = np.finfo(np.float64).eps * (np.abs(first) + np.abs(last))
    return np.where(np.abs(three - two) <= rounded, three, last - first)


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoTerminal(Element):
    """Devices from `anode` (n,) to `cathode` (n,) with relative areas `value` (n,) and one `law`."""

    anode: NodeArray
    cathode: NodeArray
    law: Law

    def __post_init__(self) -> None:
        """Check shapes and ranges."""
        if not self.anode.shape == self.cathode.shape == self.value.shape:
            raise CircuitError(
                f"device {self.name!r}: expected as many anodes, cathodes and areas, got {self.anode.shape}, "
                f"{self.cathode.shape} and {self.value.shape}"
            )
        self.check(self.value)

    @property
    def passive(self) -> bool:
        """Whether the current of the devices never falls."""
        return self.law.steepest_fall == 0

    def check(self, value: Array) -> None:
        """Raise `CircuitError` for a wrong shape or an area outside the valid range."""
        super().check(value)
        check_areas(self.name, value)

    def terminals(self) -> NodeArray:
        """Return anodes and cathodes."""
        return np.concatenate([self.anode, self.cathode])

    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return anode-cathode pairs."""
        return self.anode, self.cathode

    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return sum over the batch of (lam_anode − lam_cathode)·law(v), shape (n,)."""
        current, _ = self.law.evaluate(v[:, self.anode] - v[:, self.cathode])
        return np.asarray(((lam[:, self.anode] - lam[:, self.cathode]) * current).sum(axis=0))

    def contrast(self, value: Array, scaling: Array, plus: Array, minus: Array) -> Array:
        """Return the sum over the batch of s·(co-content at `plus` − at `minus`), shape (n,)."""
        del value
        a, c = self.anode, self.cathode
        at_a, at_c = scaling[..., a], scaling[..., c]
        s = np.where(at_a != 0, at_a, at_c)  # the same at both ends, but where one is held
        return np.asarray(
            (s * work(self.law, minus[:, a] - minus[:, c], plus[:, a] - plus[:, c])).sum(axis=0)
        )

    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return the model and one line for each device."""
        model = f"m_{self.name}"
        lines = list(self.law.model(model))
        for k, (a, c) in enumerate(zip(self.anode.tolist(), self.cathode.tolist(), strict=True)):
            lines.append(self.law.card(f"{self.name}_{k}", node[a], node[c], model, float(value[k])))
        return lines
