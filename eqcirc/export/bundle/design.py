"""What is handed off: a circuit with values, what is known of it, and what it must do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import Any

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost
from eqcirc.data import Dataset
from eqcirc.devices.phases import refuse_phases
from eqcirc.experiment.provenance import fingerprint
from eqcirc.export.bundle.build import build
from eqcirc.export.bundle.golden import Golden, golden
from eqcirc.export.bundle.ratings import Rating
from eqcirc.export.bundle.structure import Structure
from eqcirc.reality import Reality
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.free_phase import InitialState, Start
from eqcirc.text import ascii_line
from eqcirc.typing import Array

MOST_NOTE = 1000  # characters; names of classes can be many


@dataclass(frozen=True, eq=False)
class Design:
    """A circuit on its way to fabrication.

    Attributes:
        circuit: with all that is imperfect about it, if it is a chip.
        parameters: what is asked for, by element name.
        inputs: (n, n_features) samples of the golden vectors.
        nudge: of those samples; None for free vectors alone.
        start: how the state of a circuit with several operating points is found.
        cost: that it was trained on; None if that is not known.
        data: what it is scored on; None if that is not known.
        ideal: the circuit without imperfections, that chips are made of; None for `circuit`.
        reality: what differs from chip to chip; None if that is not known.
        chip_seed: of the series of chips.
        outputs: what each output means.
        facts: of where it comes from, such as the seed of a run.
        notes: sentences for the heads of netlists.
        ratings: of devices, by their SPICE letter.
    """

    circuit: Circuit
    parameters: Mapping[str, Array]
    inputs: Array
    nudge: Nudge | None = None
    start: Start | InitialState = "auto"
    cost: Cost | None = None
    data: Dataset | None = None
    ideal: Circuit | None = None
    reality: Reality | None = None
    chip_seed: int = 0
    outputs: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    ratings: Mapping[str, Rating] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise `CircuitError` for a circuit that stands for another one, which would have to be built."""
        refuse_phases(self.circuit.name, self.circuit.elements, "parts to build")

    @cached_property
    def structure(self) -> Structure:
        """Devices and nets."""
        return build(self.circuit, self.parameters)

    @cached_property
    def golden(self) -> Golden:
        """What it must do.

        Raises:
            SolverError: a sample has no operating point that the circuit stays at.
        """
        return golden(self.circuit, self.parameters, self.inputs, self.nudge, self.start)

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that stand for circuit and values: another circuit has others."""
        digest = hashlib.sha256(fingerprint(self.circuit).encode())
        for name, value in sorted(self.circuit.values(self.parameters).items()):
            digest.update(name.encode() + value.tobytes())
        return digest.hexdigest()[:16]

    @cached_property
    def head(self) -> tuple[str, ...]:
        """Sentences for the head of every netlist, each a line of ASCII without back-quotes."""
        made = f"{self.circuit.name}: design {self.digest}, by eqcirc {version('eqcirc')}"
        units = "units: V, A, ohm, F, H; temperature 27 degrees Celsius"
        return tuple(
            ascii_line(note, most=MOST_NOTE).replace("`", "'") for note in (made, *self.notes, units)
        )
