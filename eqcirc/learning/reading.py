"""How hardware reads the voltages that a rule learns from: with noise, and with a finite number of bits.

    seen = round((v + noise of its own + noise of its phase)/lsb)·lsb,     lsb = 2·full_scale/2^bits

Losses and outputs are those of the circuit; only the rule sees what is read. Noise is drawn from a seed, the samples
and the values, so that a run that is resumed goes on with the same noise.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from eqcirc.devices.base import in_range
from eqcirc.errors import CircuitError
from eqcirc.typing import Array

log = logging.getLogger("eqcirc")
_SAID: set[Reading] = set()


@dataclass(frozen=True)
class Reading:
    """An imperfect reading.

    Attributes:
        noise: standard deviation in volts, of every node in every phase by itself.
        phase_noise: standard deviation in volts that all nodes of one phase have in common.
        bits: of the converter; None for no rounding.
        full_scale: voltage in volts that the converter goes up to, and down to the negative of.
    """

    noise: float = 0.0
    phase_noise: float = 0.0
    bits: int | None = None
    full_scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("reading", "noise", self.noise, 0.0, 1e3, "V")
        in_range("reading", "phase_noise", self.phase_noise, 0.0, 1e3, "V")
        in_range("reading", "full_scale", self.full_scale, 1e-9, 1e6, "V")
        if self.bits is not None:
            if not isinstance(self.bits, int) or isinstance(self.bits, bool):
                raise CircuitError(f"reading: bits = {self.bits!r}: expected a whole number")
            in_range("reading", "bits", self.bits, 1, 52, "")

    def warn(self, voltages: Array) -> None:
        """Say once, for these settings, that voltages are beyond what the converter can show."""
        beyond = self.bits is not None and bool((np.abs(voltages) > self.full_scale).any())
        if beyond and self not in _SAID:
            _SAID.add(self)
            largest = float(np.nanmax(np.abs(voltages)))
            log.warning(
                "the converter clips at full_scale = %g V, and there are voltages of %.3g V; what is clipped is not "
                "learnt from",
                self.full_scale,
                largest,
            )

    def read(self, voltages: Array, rng: np.random.Generator) -> Array:
        """Return what is seen of voltages (phase, batch, node)."""
        seen = voltages
        if self.noise:
            seen = seen + rng.normal(0, self.noise, voltages.shape)
        if self.phase_noise:
            seen = seen + rng.normal(0, self.phase_noise, (*voltages.shape[:2], 1))
        if self.bits is not None:
            step = 2 * self.full_scale / 2**self.bits
            seen = np.clip(np.round(seen / step) * step, -self.full_scale, self.full_scale - step)
        return seen
