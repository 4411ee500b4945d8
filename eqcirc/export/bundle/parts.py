"""What trained values become in parts that can be bought: preferred values, digital potentiometers, memristor levels.

Sources   preferred values: IEC 60063 (E24 by its table, E96 by its formula)
          AD5292: data sheet of Analog Devices, R = D/1024·RAB, 20, 50 and 100 kohm
          MCP41xxx: data sheet of Microchip (DS11195), R = D/256·RAB + RW, 10, 50 and 100 kohm, RW 52 to 125 ohm,
          a single supply of 2.7 to 5.5 V
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.typing import Array

E24 = (10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91)
E96 = tuple(round(100 * 10 ** (k / 96)) for k in range(96))


def preferred(ohms: Array, series: tuple[int, ...]) -> Array:
    """Return the nearest value of a series, by ratio."""
    mantissas = np.array([*series, 10 * series[0]]) / series[0]
    decade = np.floor(np.log10(ohms))
    ratio = ohms / 10.0**decade
    nearest = np.abs(np.log(ratio[..., None] / mantissas)).argmin(axis=-1)
    # ratios of whole numbers: 4.7e6 shall not become 4699999.999
    return np.asarray(np.array([*series, 10 * series[0]])[nearest] * 10.0**decade / series[0])


@dataclass(frozen=True)
class Potentiometer:
    """A digital potentiometer between its wiper and one end.

    Attributes:
        part: name of the family.
        steps: number of steps from end to end.
        ends: resistances RAB from end to end that it comes with, in ohms.
        wiper: least resistance of its wiper, in ohms.
        wiper_most: largest one.
        supply: volts that its pins may see, in words.
    """

    part: str
    steps: int
    ends: tuple[float, ...]
    wiper: float
    wiper_most: float
    supply: str

    def end(self, ohms: Array) -> tuple[float, float]:
        """Return RAB, and the factor that all conductances have to be multiplied by so that all resistances fit.

        The smallest RAB that holds the largest resistance as it is; where none does, the largest one, and a factor.
        """
        largest = float(ohms.max())
        fitting = [end for end in self.ends if end >= largest]
        return (min(fitting), 1.0) if fitting else (max(self.ends), largest / max(self.ends))

    def codes(self, ohms: Array, end: float) -> Array:
        """Return the codes whose resistance is nearest; at least 1, for 0 is no resistor."""
        code = np.rint((ohms - self.wiper) / end * self.steps)
        return np.asarray(np.clip(code, 1, self.steps - 1))

    def ohms(self, codes: Array, end: float, wiper: float | None = None) -> Array:
        """Return the resistance of codes."""
        return np.asarray(codes / self.steps * end + (self.wiper if wiper is None else wiper))


POTENTIOMETERS = (
    Potentiometer("AD5292", 1024, (20e3, 50e3, 100e3), 0.0, 0.0, "dual supply"),
    Potentiometer("MCP41xxx", 256, (10e3, 50e3, 100e3), 52.0, 125.0, "single supply, 2.7 to 5.5 V"),
)


def levelled(siemens: Array, lowest: float, highest: float, count: int) -> tuple[Array, Array]:
    """Return numbers of levels and their conductances; `count` of them lie evenly between two conductances."""
    step = (highest - lowest) / (count - 1)
    level = np.clip(np.rint((siemens - lowest) / step), 0, count - 1)
    return level, np.asarray(lowest + level * step)
