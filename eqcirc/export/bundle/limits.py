"""limits.csv: the most that each device bears over all golden vectors, and in which of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from eqcirc.devices import Element, RLMesh
from eqcirc.export.bundle.build import paths
from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.files import File
from eqcirc.export.bundle.stress import LOADED, borne
from eqcirc.export.bundle.tables import table

COLUMNS = (
    *("device", "element", "v_max_V", "i_max_A", "p_max_W", "worst_vector", "worst_phase"),
    *("rating_V", "rating_A", "rating_W", "margin"),
)


def limits_csv(design: Design) -> File:
    """Return the table of what devices bear; ratings are of `Design.ratings`, the margin is rating over load."""
    return File(
        "limits.csv", table(COLUMNS, _rows(design)), "voltage, current and power of every device, and ratings"
    )


def loads(design: Design) -> dict[str, tuple[float, float, float]]:
    """Return the largest voltage, current and power of devices over all golden vectors, by path."""
    return {row[0]: (row[2], row[3], row[4]) for row in _rows(design)}


def rated(design: Design) -> set[str]:
    """Return the letters of the devices that limits.csv has rows of, before any vector is solved."""
    found: set[str] = set()
    for element in design.circuit.elements:
        if isinstance(element, LOADED):
            found |= {path.rpartition(".")[2][0] for path in paths(design.structure, element).values()}
            found |= {"r", "l"} if isinstance(element, RLMesh) else set()
    return found


def _rows(design: Design) -> Iterator[tuple[Any, ...]]:
    golden = design.golden
    for element, stress in borne(design.circuit, design.parameters, golden.voltages):
        volts, amperes = np.abs(stress.volts), np.abs(stress.amperes)
        watts = volts * amperes
        worst = watts.argmax(axis=0)
        most = [x.max(axis=0) for x in (volts, amperes, watts)]
        for index, path in _parts(design, element, stress.volts.shape[1:]):
            k = int(worst[index])
            loads = [float(x[index]) for x in most]
            yield _row(design, path, element, loads, k)
            block, dot, part = path.rpartition(".")
            if isinstance(element, RLMesh) and part.startswith("r_"):  # the coil behind it, a wire at rest
                k = int(amperes.argmax(axis=0)[index])
                yield _row(design, f"{block}{dot}l{part[1:]}", element, [0.0, loads[1], 0.0], k)


def _row(design: Design, path: str, element: Element, loads: list[float], k: int) -> tuple[Any, ...]:
    """Return the row of a device that bears loads in V, A and W, most of them in vector k."""
    letter = path.rpartition(".")[2][0].replace("h", "r")  # the source that stands for a shared resistance
    ratings = design.ratings.get(letter, (None, None, None))
    margins = [r / x for r, x in zip(ratings, loads, strict=True) if r is not None and x > 0]
    return path, element.name, *loads, k, design.golden.phase[k], *ratings, min(margins, default=None)


def _parts(design: Design, element: Element, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Yield the parts of an element that are devices, with their paths."""
    known = paths(design.structure, element)
    for index in np.ndindex(shape):
        if index in known:
            yield index, known[index]
