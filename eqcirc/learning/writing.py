"""How hardware writes an update: in pulses, each of which moves a device by a step that depends on where it stands.

Between its bounds a conductance is, as a part x of its range after n pulses from the lowest value,

    up      x = (1 − exp(−bend_up·n/pulses_up))/(1 − exp(−bend_up))
    down    the same for 1 − x, with bend_down and pulses_down

A step that is asked for becomes the number of pulses that it would take if all had the mean size; whoever writes does
not read the device first. Small steps are rounded at random, so that they are right on average, or to the nearest
pulse. After n pulses a normal deviate of noise·√n of the range is added. Draws are seeded by run, step and element, so
that a run that is resumed goes on with the same ones.

What is approximated: pulses of one element are alike; nothing depends on the time between them; the other devices of a
crossbar are not disturbed. What is no programmable resistor (biases that are currents, ideal signed weights, areas of
diodes) is written exactly.

Source: P.-Y. Chen, X. Peng & S. Yu 2017, "NeuroSim+", IEDM (A of NeuroSim over the number of pulses is 1/bend).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from eqcirc.devices import Bounds
from eqcirc.devices.base import in_range
from eqcirc.errors import CircuitError, nearest
from eqcirc.typing import Array

Rounding = Literal["random", "nearest"]

STRAIGHT = 1e-6  # a bend below it cannot be told from none


@dataclass(frozen=True)
class Writing:
    """Pulses.

    Attributes:
        pulses_up: number of pulses from the lowest to the highest value.
        pulses_down: number of pulses back.
        bend_up: nonlinearity of the way up: the first step is e^bend_up times the last one; 0 for equal steps.
        bend_down: of the way down.
        noise: standard deviation that a pulse adds, in parts of the range.
        rounding: of the number of pulses, "random" or "nearest".
    """

    pulses_up: int = 100
    pulses_down: int = 100
    bend_up: float = 0.0
    bend_down: float = 0.0
    noise: float = 0.0
    rounding: Rounding = "random"

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("pulses_up", "pulses_down"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise CircuitError(f"writing: {name} = {value!r}: expected a whole number")
            in_range("writing", name, value, 1, 1e9, "")
        for name in ("bend_up", "bend_down"):
            in_range("writing", name, getattr(self, name), 0, 100, "")
        in_range("writing", "noise", self.noise, 0, 1, "")
        if self.rounding not in get_args(Rounding):
            raise CircuitError(
                f"writing: rounding = {self.rounding!r}: {nearest(str(self.rounding), get_args(Rounding))}"
            )

    def generator(self, seed: int, step: int, element: str) -> np.random.Generator:
        """Return the generator of the pulses that write an element at a step."""
        return np.random.default_rng([seed, step, zlib.crc32(element.encode())])

    def written(self, value: Array, step: Array, bounds: Bounds, rng: np.random.Generator) -> Array:
        """Return the values that are there after a step was asked for at `value`, all in siemens.

        Args:
            value: where the devices stand.
            step: what is to be added to them.
            bounds: the range of the devices; finite.
            rng: see `generator`.
        """
        span = bounds.upper - bounds.lower
        chance, deviate = rng.random(value.shape), rng.standard_normal(value.shape)
        up = step > 0
        most = np.where(up, self.pulses_up, self.pulses_down)
        wanted = np.abs(step) / span * most
        rounded = np.floor(wanted + (chance if self.rounding == "random" else 0.5))
        pulses = np.minimum(rounded, most)
        x = np.clip((value - bounds.lower) / span, 0.0, 1.0)
        risen = moved(x, pulses / self.pulses_up, self.bend_up)
        fallen = 1 - moved(1 - x, pulses / self.pulses_down, self.bend_down)
        there = np.where(up, risen, fallen) + self.noise * np.sqrt(pulses) * deviate
        found = bounds.lower + span * np.clip(there, 0.0, 1.0)
        return np.where(pulses > 0, found, value)


def moved(x: Array, share: Array, bend: float) -> Array:
    """Return where a device at x, a part of its range, stands after a share of all pulses of its way up."""
    if bend < STRAIGHT:
        return np.asarray(np.minimum(x + share, 1.0))
    whole = -np.expm1(-bend)
    left = (1 - x * whole) * np.exp(-bend * share)  # e^(−bend·n/pulses)
    return np.asarray(np.minimum((1 - left) / whole, 1.0))
