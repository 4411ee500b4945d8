"""[reality]: what is not ideal about the circuit, as the experiment file has it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, Strict, model_validator

from eqcirc import reality as kinds
from eqcirc.circuit.circuit import Circuit
from eqcirc.experiment.section import Finite, NotNegative, Positive, Section, Switch, Whole

Probability = Annotated[Finite, Field(ge=0, le=1)]


class Kind(Section):
    """A kind of non-ideality; one whose table says too little to change anything is refused."""

    wants: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Of each of these groups one key has to be there: without it nothing would happen, and nobody would know."""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        for group in self.wants:
            if not self.model_fields_set.intersection(group):
                raise ValueError(f"expected {' or '.join(group)}: without it the table changes nothing")
        return self


class Temperature(Kind):
    """Shockley diodes at another temperature."""

    celsius: Finite = Field(27.0, description="°C")
    gap: Positive = Field(1.11, description="eV; EG of SPICE, 1.11 for silicon")
    exponent: NotNegative = Field(
        3.0, description="XTI of SPICE; 3 for junction diodes, 2 for Schottky diodes"
    )


class Diodes(Kind):
    """Mismatch of diodes."""

    sigma: NotNegative = Field(0.1, description="standard deviation of the logarithm of their current")


class Amplifiers(Kind):
    """Gain errors, offset, output resistance and saturation of amplifiers."""

    sigma: NotNegative = Field(0.01, description="standard deviation of the logarithm of the voltage gain")
    tracking: Switch = Field(True, description="whether the current gain back errs in proportion")
    output_ohms: Positive | None = Field(None, examples=[100.0], description="ohm; output resistance")
    offset: NotNegative = Field(
        0.0, description="V; standard deviation of the offset at the output; needs output_ohms"
    )
    saturation: Positive | None = Field(
        None,
        examples=[5.0],
        description="V; where clamps at the output conduct, of either sign; needs output_ohms",
    )


class Window(Kind):
    """What programmable conductances can be set to."""

    lowest: Positive = Field(1e-7, description="S")
    highest: Positive = Field(1e-5, description="S")
    bits: Annotated[int, Strict(), Field(ge=1, le=16)] | None = Field(
        None, examples=[6], description="for 2^bits levels, evenly spaced; left out for no rounding"
    )
    levels: tuple[Positive, ...] = Field((), description="S; levels of a device, in place of bits")
    even: Literal["conductance", "resistance"] = Field(
        "conductance", description="in which levels of bits are evenly spaced; resistance: potentiometers"
    )


class Programming(Kind):
    """Noise of what is written."""

    wants = (("relative", "absolute"),)

    relative: NotNegative = Field(0.0, description="standard deviation in parts of what is written")
    absolute: NotNegative = Field(0.0, description="S; standard deviation, whatever is written")


class Mismatch(Kind):
    """Device-to-device mismatch of programmable conductances."""

    sigma: NotNegative = Field(0.05, description="standard deviation of the logarithm of the conductance")


class Drift(Kind):
    """Decay of conductances with the time since they were programmed: a power law."""

    wants = (("seconds",), ("exponent", "spread"))

    seconds: Positive = Field(1.0, description="s; since they were programmed; not before start")
    start: Positive = Field(1.0, description="s; when what was programmed was read")
    exponent: NotNegative = Field(0.0, description="mean of the exponent nu of (seconds/start)^-nu")
    spread: NotNegative = Field(0.0, description="its standard deviation from device to device")


class Stuck(Kind):
    """Stuck-at faults."""

    wants = (("lowest", "highest"),)

    lowest: Probability = Field(0.0, description="share of devices stuck at their lowest conductance")
    highest: Probability = Field(0.0, description="share of devices stuck at their highest one")


class Wires(Kind):
    """Line resistance of crossbars."""

    ohms: Positive = Field(1.0, description="ohm; of every segment of every row and column")
    rows: Literal["left", "right", "both"] = Field("left", description="end at which row nodes are")
    columns: Literal["top", "bottom", "both"] = Field("bottom", description="end at which column nodes are")


class Reality(Section):
    """What is not ideal; kinds whose tables are left out are. The circuit that is trained is one chip."""

    chip: Whole = Field(0, description="number of the chip that is trained and solved")
    seed: Whole = Field(0, description="of the series of chips")
    temperature: Temperature | None = Field(None, description="")
    diodes: Diodes | None = Field(None, description="")
    amplifiers: Amplifiers | None = Field(None, description="")
    window: Window | None = Field(None, description="")
    programming: Programming | None = Field(None, description="")
    mismatch: Mismatch | None = Field(None, description="")
    drift: Drift | None = Field(None, description="")
    stuck: Stuck | None = Field(None, description="")
    wires: Wires | None = Field(None, description="")


_KINDS = {
    "temperature": kinds.Temperature,
    "diodes": kinds.DiodeMismatch,
    "amplifiers": kinds.AmplifierErrors,
    "window": kinds.Window,
    "programming": kinds.ProgrammingNoise,
    "mismatch": kinds.Mismatch,
    "drift": kinds.Drift,
    "stuck": kinds.StuckAt,
    "wires": kinds.Wires,
}


def build_reality(section: Reality) -> kinds.Reality:
    """Return what [reality] says, as Python has it.

    Raises:
        CircuitError: a value is out of range.
    """
    tables = {name: getattr(section, name) for name in _KINDS}
    made = {name: _KINDS[name](**table.model_dump()) for name, table in tables.items() if table is not None}
    return kinds.Reality(**made)


def imperfect(section: Reality | None, circuit: Circuit) -> Circuit:
    """Return the chip that the experiment is about, or the circuit itself where nothing is imperfect.

    Raises:
        CircuitError: a kind concerns nothing in the circuit, or leaves the valid range of a device.
    """
    if section is None:
        return circuit
    return build_reality(section).chip(circuit, number=section.chip, seed=section.seed).circuit
