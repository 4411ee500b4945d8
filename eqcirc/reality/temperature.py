"""Shockley diodes at another temperature.

    IS(T) = IS·(T/T0)^(XTI/N)·exp((T/T0 − 1)·EG/(N·k·T/q)),   the slope voltage N·k·T/q grows in proportion to T

The diode at T is a Shockley diode again, of IS(T) and N·T/T0 at the T0 = 27 °C of eqcirc's netlists: both solvers and
every exported deck take it as they take any other.
Source    ngspice 39, src/spicelib/devices/dio/diotemp.c: SPICE's equations with TNOM = 27 °C
Left out  all that is not a Shockley diode: other laws stay at 27 °C, resistors have no temperature coefficient
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from eqcirc.circuit.circuit import Circuit
from eqcirc.constants import TEMPERATURE, THERMAL_VOLTAGE, ZERO_CELSIUS
from eqcirc.devices import Element, ShockleyDiode, TwoTerminal
from eqcirc.devices.base import in_range
from eqcirc.errors import CircuitError
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import concerned, with_elements


@dataclass(frozen=True)
class Temperature:
    """Temperature of the chip.

    Attributes:
        celsius: in degrees Celsius.
        gap: EG, in electronvolts; 1.11 for silicon.
        exponent: XTI; 3 for junction diodes, 2 for Schottky diodes.
    """

    celsius: float
    gap: float = 1.11
    exponent: float = 3.0

    name: ClassVar[str] = "temperature"

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("reality.temperature", "celsius", self.celsius, -200, 300, "°C")
        in_range("reality.temperature", "gap", self.gap, 0.1, 10, "eV")
        in_range("reality.temperature", "exponent", self.exponent, 0, 10, "")

    def law(self, law: ShockleyDiode) -> ShockleyDiode:
        """Return the diode at that temperature.

        Raises:
            CircuitError: its saturation current leaves the valid range.
        """
        ratio = (self.celsius + ZERO_CELSIUS) / TEMPERATURE
        growth = (ratio - 1) * self.gap / (law.emission * THERMAL_VOLTAGE * ratio)
        growth += self.exponent / law.emission * math.log(ratio)
        try:
            return ShockleyDiode(law.saturation_current * math.exp(growth), law.emission * ratio)
        except CircuitError as error:
            raise CircuitError(
                f"reality.temperature: at {self.celsius:g} °C a diode with IS = {law.saturation_current:g} A, "
                f"N = {law.emission:g} leaves what can be solved: {error}; ask for a temperature nearer to 27 °C"
            ) from error

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`; nothing is drawn."""
        del draws

        def shockley(element: Element) -> bool:
            return isinstance(element, TwoTerminal) and isinstance(element.law, ShockleyDiode)

        def change(element: Element) -> Iterator[Element]:
            if isinstance(element, TwoTerminal) and isinstance(element.law, ShockleyDiode):
                element = replace(element, law=self.law(element.law))
            yield element

        concerned(circuit, self.name, shockley, "Shockley diodes")
        return with_elements(circuit, change)
