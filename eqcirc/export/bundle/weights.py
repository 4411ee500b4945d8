"""weights.csv: what was trained, edge by edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from eqcirc.devices import Element
from eqcirc.export.bundle.assessment import Assessment
from eqcirc.export.bundle.bands import Bands
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.resistors import ohms
from eqcirc.export.bundle.tables import table

COLUMNS = (
    *("edge", "element", "row", "column", "device", "unit", "asked", "value", "ohm", "lowest", "highest"),
    *("sensitivity", "allowed_low", "allowed_high"),
)


def edges(element: Element) -> Iterator[tuple[int, ...]]:
    """Yield the index of every value of an element."""
    yield from np.ndindex(element.value.shape)


def edge(element: Element, index: tuple[int, ...]) -> str:
    """Return the name of a value, such as ``w1[3,5]``."""
    return f"{element.name}[{','.join(map(str, index))}]"


def weights_csv(assessment: Assessment) -> File:
    """Return the table of all trained values, with sensitivity of the loss and allowed band."""
    return File("weights.csv", table(COLUMNS, _rows(assessment)), "trained values, edge by edge")


def _rows(assessment: Assessment) -> Iterator[tuple[Any, ...]]:
    design, bands = assessment.design, assessment.bands
    values = design.circuit.values(design.parameters)
    for element in design.circuit.trainable:
        there = values[element.name]
        asked = design.parameters.get(element.name, element.value)
        for index in edges(element):
            row, column = (
                (index[0], index[1]) if len(index) == 2 else (index[-2] if len(index) > 2 else 0, index[-1])
            )
            value = float(there[index])
            yield (
                *(edge(element, index), element.name, row, column),
                " ".join(design.structure.places[element.name, index]),
                *(element.unit, float(asked[index]), value, ohms(element, value), *_finite(element)),
                *((None, None, None) if bands is None else _band(bands, element, index, value)),
            )


def _finite(element: Element) -> tuple[float | None, float | None]:
    lower, upper = (float(x) if np.isfinite(x) else None for x in element.bounds)
    return lower, upper


def _band(bands: Bands, element: Element, index: tuple[int, ...], value: float) -> tuple[float, float, float]:
    half = float(bands.half[element.name][index])
    return float(bands.sensitivity[element.name][index]), value - half, value + half
