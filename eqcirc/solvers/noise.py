"""The contract of noise: how much the outputs of a circuit fluctuate about an operating point.

Johnson noise    4·k·T·g of every resistor                       in A²/Hz, white
shot noise       2·q·|I| of every Shockley diode, as SPICE has it

all independent of one another, carried to the outputs by the circuit linearised at its operating point. Both engines
answer `noise`.

Left out    1/f noise and the noise of amplifiers, transconductors, cells and of devices whose law is no junction
            (tunnel diodes, tables, clamps, polynomials): those are noiseless. Of a diode without bias 2·q·|I| is 0,
            where a real one has 4·k·T·g(0): SPICE's law counts the two currents that cancel there as one.
            The temperature is 27 °C, whatever `reality.Temperature` makes of the diodes.
Source      Johnson 1928, Phys. Rev. 32, 97; Nyquist 1928, Phys. Rev. 32, 110; Schottky 1918, Ann. Phys. 362, 541;
            ngspice 39, src/spicelib/analysis/nevalsrc.c
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.integrate import simpson

from eqcirc.errors import ConfigError
from eqcirc.typing import Array


@dataclass(frozen=True)
class Band:
    """Frequencies, evenly spaced in their logarithm.

    Attributes:
        lowest: in hertz.
        highest: in hertz; the last frequency is the first one of the grid that is not below it.
        per_decade: frequencies in a decade.
    """

    lowest: float
    highest: float
    per_decade: int = 10

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not 0 < self.lowest < self.highest < math.inf:
            raise ConfigError(
                f"noise: expected a band of frequencies above 0 Hz, got {self.lowest:g} to {self.highest:g} Hz"
            )
        if self.per_decade < 1:
            raise ConfigError(f"noise: expected at least one frequency in a decade, got {self.per_decade}")

    @property
    def frequencies(self) -> Array:
        """(k,) in hertz."""
        steps = math.ceil(self.per_decade * math.log10(self.highest / self.lowest) - 1e-9)
        return np.asarray(self.lowest * 10 ** (np.arange(steps + 1) / self.per_decade))


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of the outputs of one sample.

    Attributes:
        frequencies: (k,) in hertz.
        density: (k, n_outputs) in V²/Hz, of both signs of the frequency together.
    """

    frequencies: Array
    density: Array

    @property
    def rms(self) -> Array:
        """(n_outputs,) volts from the first frequency to the last, by Simpson's rule in their logarithm."""
        per_log = self.density * self.frequencies[:, None]
        return np.asarray(np.sqrt(simpson(per_log, x=np.log(self.frequencies), axis=0)))
