"""programming.csv and rounding.csv: what every edge is set to or fitted with, and what that does to the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eqcirc.devices import Element
from eqcirc.export.bundle.assessment import Assessment
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.parts import E24, E96, POTENTIOMETERS, Potentiometer, levelled, preferred
from eqcirc.export.bundle.resistors import is_resistor
from eqcirc.export.bundle.tables import table
from eqcirc.export.bundle.weights import edge
from eqcirc.reality.kind import is_synapse
from eqcirc.typing import Array

ROUNDING = ("edge", "device", "target_ohm", "e24_ohm", "e24_error", "e96_ohm", "e96_error")
PROGRAMMING = (
    *(
        "edge",
        "device",
        "part",
        "channel",
        "code",
        "scale",
        "target_ohm",
        "achieved_ohm",
        "achieved_ohm_worst_wiper",
    ),
    *("error", "inside_band"),
)
LEVELS = (16, 32, 64, 128)
LISTED = 64  # levels of the rows of programming.csv


@dataclass(frozen=True, eq=False)
class _Edges:
    """All trained conductances, and what is measured of the design."""

    assessment: Assessment
    elements: Mapping[str, Element]
    siemens: Mapping[str, Array]

    def __iter__(self) -> Iterator[tuple[Element, tuple[int, ...], str]]:
        """Yield every resistor: its element, the index of its value, and its path."""
        places = self.assessment.design.structure.places
        for element in self.elements.values():
            for index in np.ndindex(element.value.shape):
                for path in places[element.name, index]:
                    yield element, index, path

    def score(self, case: str, siemens: Mapping[str, Array], why: str = "") -> None:
        """Score what parts achieve."""
        scorer = self.assessment.scorer
        if scorer is not None:
            self.assessment.note(case, scorer.score(siemens), why)

    def inside(self, element: Element, index: tuple[int, ...], siemens: float) -> int | None:
        """Return 1 if a value is in its band, 0 if not, None where there is no band."""
        bands = self.assessment.bands
        if bands is None:
            return None
        off = abs(siemens - float(self.siemens[element.name][index]))
        return int(off <= float(bands.half[element.name][index]))


def programming_files(assessment: Assessment) -> Iterator[File]:
    """Yield both tables; none where no resistor was trained."""
    design = assessment.design
    values = design.circuit.values(design.parameters)
    found = {e.name: e for e in design.circuit.elements if is_synapse(e) and is_resistor(e)}
    if not found:
        return
    edges = _Edges(assessment, found, {name: values[name] for name in found})
    yield File("rounding.csv", table(ROUNDING, _preferred(edges)), "resistors of preferred values")
    rows = [row for pot in POTENTIOMETERS for row in _codes(edges, pot)]
    rows += _levels(edges)
    yield File(
        "programming.csv", table(PROGRAMMING, rows), "codes of digital potentiometers, levels of memristors"
    )


def _preferred(edges: _Edges) -> Iterator[tuple[Any, ...]]:
    fitted = []
    for name, series in (("E24", E24), ("E96", E96)):
        ohms = {n: preferred(1 / g, series) for n, g in edges.siemens.items()}
        edges.score(f"resistors of {name}", {n: 1 / x for n, x in ohms.items()})
        fitted.append(ohms)
    for element, index, path in edges:
        target = float(1 / edges.siemens[element.name][index])
        few, many = (float(ohms[element.name][index]) for ohms in fitted)
        yield edge(element, index), path, target, few, few / target - 1, many, many / target - 1


def _codes(edges: _Edges, pot: Potentiometer) -> Iterator[tuple[Any, ...]]:
    end, scale = pot.end(np.concatenate([1 / g.ravel() for g in edges.siemens.values()]))
    codes = {n: pot.codes(1 / (g * scale), end) for n, g in edges.siemens.items()}
    note = f"{pot.part}, {end / 1e3:g} kohm, {pot.supply}"
    if scale != 1:
        note += f"; all currents x {scale:.6g}: areas of diodes and trained currents, too; voltages stay"
    achieved = {n: pot.ohms(code, end) for n, code in codes.items()}
    edges.score(f"codes of {pot.part}", {n: 1 / (ohms * scale) for n, ohms in achieved.items()}, note)
    for channel, (element, index, path) in enumerate(edges):
        target = float(1 / (edges.siemens[element.name][index] * scale))
        code, got = codes[element.name][index], float(achieved[element.name][index])
        worst = float(pot.ohms(code, end, pot.wiper_most))
        yield (
            *(edge(element, index), path, f"{pot.part} {end / 1e3:g}k", channel, int(code), scale),
            *(target, got, worst, got / target - 1, edges.inside(element, index, 1 / (got * scale))),
        )


def _levels(edges: _Edges) -> Iterator[tuple[Any, ...]]:
    made = {}
    for count in LEVELS:
        made[count] = {
            n: levelled(g, *_window(edges.elements[n], g), count) for n, g in edges.siemens.items()
        }
        achieved = {n: siemens for n, (_, siemens) in made[count].items()}
        edges.score(f"memristors of {count} levels", achieved, "evenly spaced within the window of training")
    for channel, (element, index, path) in enumerate(edges):
        level, siemens = made[LISTED][element.name]
        target, got = float(1 / edges.siemens[element.name][index]), float(1 / siemens[index])
        yield (
            *(edge(element, index), path, f"memristor {LISTED} levels", channel, int(level[index]), 1.0),
            *(target, got, None, got / target - 1, edges.inside(element, index, 1 / got)),
        )


def _window(element: Element, siemens: Array) -> tuple[float, float]:
    """Return the window that an element was trained in; its values where it has none."""
    lower, upper = element.bounds
    low = lower if np.isfinite(lower) and lower > 0 else float(siemens.min())
    high = upper if np.isfinite(upper) and upper > low else float(siemens.max())
    return low, high if high > low else 2 * low
