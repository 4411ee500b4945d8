"""What is not ideal about a circuit, in one description, and its chips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from numpy.typing import ArrayLike

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.validate import validate
from eqcirc.reality.amplifiers import AmplifierErrors
from eqcirc.reality.chip import Chip
from eqcirc.reality.diodes import DiodeMismatch
from eqcirc.reality.draws import Draws
from eqcirc.reality.drift import Drift
from eqcirc.reality.kind import Kind
from eqcirc.reality.mismatch import Mismatch
from eqcirc.reality.noise import ProgrammingNoise
from eqcirc.reality.stuck import StuckAt
from eqcirc.reality.temperature import Temperature
from eqcirc.reality.window import Window
from eqcirc.reality.wires import Wires


@dataclass(frozen=True)
class Reality:
    """Kinds of non-ideality, each None for ideal. They are applied in the order of the fields.

    Attributes:
        temperature: of Shockley diodes.
        diodes: mismatch of their currents.
        amplifiers: gain errors, offset, output resistance and saturation.
        window: range and levels of conductances.
        programming: noise of what is written.
        mismatch: device-to-device mismatch of conductances.
        drift: decay of conductances with the time since they were programmed.
        stuck: stuck-at faults.
        wires: line resistance of crossbars.
    """

    temperature: Temperature | None = None
    diodes: DiodeMismatch | None = None
    amplifiers: AmplifierErrors | None = None
    window: Window | None = None
    programming: ProgrammingNoise | None = None
    mismatch: Mismatch | None = None
    drift: Drift | None = None
    stuck: StuckAt | None = None
    wires: Wires | None = None

    @property
    def kinds(self) -> list[Kind]:
        """Those that are not ideal."""
        found = (getattr(self, field.name) for field in fields(self))
        return [kind for kind in found if kind is not None]

    def chip(
        self,
        circuit: Circuit,
        parameters: Mapping[str, ArrayLike] | None = None,
        number: int = 0,
        seed: int = 0,
    ) -> Chip:
        """Return chip `number` of the series `seed`: the same one whenever it is asked for.

        Args:
            circuit: the ideal one.
            parameters: what is programmed, by element name; the circuit's own values by default.
            number: which chip, from 0 on.
            seed: of the series.

        Raises:
            CircuitError: a kind concerns nothing in the circuit, or leaves the valid range of a device.
            ConfigError: seed or number is no whole number.
        """
        draws = Draws(seed, number)
        asked = circuit.parameters | circuit.given(parameters or {})
        made = circuit
        for kind in self.kinds:
            made = kind.applied(made, draws)
        made = replace(made, name=f"{circuit.name}, chip {draws.number}")
        validate(made)
        return Chip(made, asked, self, draws.number, draws.seed, draws.record)
