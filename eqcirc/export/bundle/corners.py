"""corners.csv: loss and accuracy where temperature, supplies and whole batches of parts are off.

These are what all parts of a kind have in common; differences between parts are in mc_results.csv.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, ShockleyDiode, TwoTerminal
from eqcirc.export.bundle.assessment import Assessment
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.resistors import is_resistor
from eqcirc.export.bundle.tables import table
from eqcirc.reality import Reality, Temperature

COLUMNS = (
    "corner",
    "celsius",
    "supply",
    "resistance",
    "diode_current",
    "samples",
    "failed",
    "loss",
    "accuracy",
)
NOMINAL = 27.0
CELSIUS = (0.0, 70.0)  # the commercial range
SUPPLY = (0.95, 1.05)
RESISTANCE = (0.8, 1.2)  # of an undoped or poly resistor from lot to lot, as a rule
DIODE = (0.5, 2.0)


class Corner(NamedTuple):
    """What is off, all factors but the temperature."""

    celsius: float = NOMINAL
    supply: float = 1.0
    resistance: float = 1.0
    diode: float = 1.0

    @property
    def name(self) -> str:
        """Words for it."""
        words = [f"{self.celsius:g} C"] if self.celsius != NOMINAL else []
        for what, factor in (
            ("supplies", self.supply),
            ("resistances", self.resistance),
            ("diodes", self.diode),
        ):
            words += [f"{what} x {factor:g}"] if factor != 1 else []
        return ", ".join(words) or "nominal"


def corners_csv(assessment: Assessment) -> File | None:
    """Return the table of corners; None where nothing can be scored."""
    scorer = assessment.scorer
    if scorer is None:
        return None
    rows = []
    for corner in corners(scorer.circuit):
        score = scorer.score({}, at(scorer.circuit, corner))
        rows.append((corner.name, *corner, score.samples, score.failed, score.loss, score.accuracy))
    return File(
        "corners.csv", table(COLUMNS, rows), "loss and accuracy at corners of temperature, supply and lots"
    )


def corners(circuit: Circuit) -> Iterator[Corner]:
    """Yield the corners that concern a circuit: one thing off, then everything but diodes' lots at once."""
    concerned: dict[str, tuple[float, ...]] = {}
    if _has_diodes(circuit):
        concerned["celsius"] = CELSIUS
    if any(rail.voltage for rail in circuit.rails):
        concerned["supply"] = SUPPLY
    if any(is_resistor(e) for e in circuit.elements):
        concerned["resistance"] = RESISTANCE
    yield Corner()
    for key, ends in concerned.items():
        for end in ends:
            yield Corner()._replace(**{key: end})
    if _has_diodes(circuit):
        for factor in DIODE:
            yield Corner(diode=factor)
    if len(concerned) > 1:
        for ends in product(*concerned.values()):
            yield Corner()._replace(**dict(zip(concerned, ends, strict=True)))


def at(circuit: Circuit, corner: Corner) -> Circuit:
    """Return the circuit at a corner, with fixed values."""

    def changed(e: Element) -> Element:
        factor = 1.0
        if is_resistor(e):
            factor = 1 / corner.resistance
        elif isinstance(e, TwoTerminal) and isinstance(e.law, ShockleyDiode):
            factor = corner.diode
        return replace(e, value=np.asarray(e.value * factor), trainable=False)

    rails = tuple(rail._replace(voltage=rail.voltage * corner.supply) for rail in circuit.rails)
    made = replace(circuit, elements=tuple(map(changed, circuit.elements)), rails=rails)
    if corner.celsius != NOMINAL:
        made = Reality(temperature=Temperature(celsius=corner.celsius)).chip(made).circuit
    return made


def _has_diodes(circuit: Circuit) -> bool:
    return any(isinstance(e, TwoTerminal) and isinstance(e.law, ShockleyDiode) for e in circuit.elements)
