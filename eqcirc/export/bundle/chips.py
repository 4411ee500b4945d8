"""Monte Carlo: explicit samples of chips, which any simulator can replay, and how good each chip is.

mc_samples.csv     a line for each device whose value differs from chip to chip, a column for each chip
mc_results.csv     loss and accuracy of each chip
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from eqcirc.devices import ShockleyDiode, TwoTerminal
from eqcirc.export.bundle.assessment import Assessment
from eqcirc.export.bundle.build import build
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.resistors import ohms
from eqcirc.export.bundle.tables import table
from eqcirc.reality import Chip, DiodeMismatch, Mismatch, Reality
from eqcirc.reality.kind import is_synapse

CHIPS = 10
SIGMA, SIGMA_DIODES = (
    0.05,
    0.1,
)  # where the design does not say; the defaults of [reality] in experiment files
RESULTS = ("chip", "seed", "samples", "failed", "loss", "accuracy")


def usual(design: Design) -> Reality | None:
    """Return what differs from chip to chip: of the design, or eqcirc's defaults; None where nothing does."""
    if design.reality is not None:
        return design.reality
    elements = design.circuit.elements
    synapses = any(map(is_synapse, elements))
    diodes = any(isinstance(e, TwoTerminal) and isinstance(e.law, ShockleyDiode) for e in elements)
    if not synapses and not diodes:
        return None
    return Reality(
        mismatch=Mismatch(SIGMA) if synapses else None, diodes=DiodeMismatch(SIGMA_DIODES) if diodes else None
    )


def made(design: Design) -> list[Chip]:
    """Return the chips."""
    reality = usual(design)
    if reality is None:
        return []
    circuit = design.ideal or design.circuit
    return [reality.chip(circuit, design.parameters, k, design.chip_seed) for k in range(CHIPS)]


def chip_files(assessment: Assessment) -> Iterator[File]:
    """Yield both tables; the second where chips can be scored."""
    chips = made(assessment.design)
    if not chips:
        return
    columns = ("device", "unit", *(f"chip_{chip.number}" for chip in chips))
    yield File(
        "mc_samples.csv", table(columns, _samples(chips)), "values of every device on each of some chips"
    )
    if assessment.scorer is not None:
        rows = []
        for chip in chips:
            score = assessment.scorer.score(chip.parameters, chip.circuit)
            rows.append((chip.number, chip.seed, score.samples, score.failed, score.loss, score.accuracy))
        yield File("mc_results.csv", table(RESULTS, rows), "loss and accuracy of those chips")


def _samples(chips: list[Chip]) -> Iterator[tuple[Any, ...]]:
    """Yield values of devices that are not the same on all chips."""
    built = [dict(_values(chip)) for chip in chips]
    for path, (unit, _) in built[0].items():
        values = [found[path][1] for found in built]
        if any(x != values[0] for x in values):
            yield path, unit, *values


def _values(chip: Chip) -> Iterator[tuple[str, tuple[str, float]]]:
    """Yield path, unit and value of every device: ohms of resistors, saturation currents of diodes, own units else."""
    circuit = chip.circuit
    values = circuit.values(chip.parameters)
    places = build(circuit, chip.parameters).places
    for element in circuit.elements:
        for index, value in np.ndenumerate(values[element.name]):
            unit, there = element.unit, float(value)
            resistance = ohms(element, there)
            if resistance is not None:
                unit, there = "ohm", resistance
            elif isinstance(element, TwoTerminal) and isinstance(element.law, ShockleyDiode):
                unit, there = "A", there * element.law.saturation_current
            for path in places.get((element.name, index), ()):
                yield path, (unit, there)
