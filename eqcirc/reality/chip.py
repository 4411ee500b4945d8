"""A chip: one circuit out of those that a description of reality makes possible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.files import write_atomically
from eqcirc.typing import Array

if TYPE_CHECKING:
    from eqcirc.reality.reality import Reality


@dataclass(frozen=True, eq=False)
class Chip:
    """Chip `number` of a series, made by `Reality.chip`.

    Attributes:
        circuit: a circuit like any other, whose programmed elements turn what is asked for into what is there.
        parameters: what is asked for, by element name, with the names and shapes of the ideal circuit.
        reality: what it is a draw of.
        number: which one.
        seed: of the series.
        draws: what was drawn, by kind and element; conductances of stuck devices are NaN where none is.
    """

    circuit: Circuit
    parameters: dict[str, Array]
    reality: Reality
    number: int
    seed: int
    draws: Mapping[str, Mapping[str, Array]]

    @property
    def values(self) -> dict[str, Array]:
        """Values that the programmed elements have."""
        values = self.circuit.values(self.parameters)
        return {name: values[name] for name in self.parameters}

    def rows(self) -> list[dict[str, Any]]:
        """Return a table of what was drawn: kind, element, parts, and how its numbers spread."""
        rows = []
        for kind, drawn in self.draws.items():
            for element, array in drawn.items():
                there = array[np.isfinite(array)]
                row: dict[str, Any] = {"kind": kind, "element": element, "parts": there.size}
                if there.size:
                    row |= {"least": float(there.min()), "median": float(np.median(there))}
                    row |= {"most": float(there.max())}
                rows.append(row)
        return rows

    def content(self) -> dict[str, Any]:
        """Return what JSON can hold of it: the description, the number, every draw, and the values that there are."""
        description = {k: v for k, v in asdict(self.reality).items() if v is not None}
        return {
            "circuit": self.circuit.name,
            "reality": description,
            "seed": self.seed,
            "number": self.number,
            "draws": {k: {e: _plain(a) for e, a in part.items()} for k, part in self.draws.items()},
            "asked": {name: value.tolist() for name, value in self.parameters.items()},
            "values": {name: value.tolist() for name, value in self.values.items()},
        }

    def save(self, path: Path | str) -> None:
        """Write `content` to a JSON file."""
        write_atomically(Path(path), (json.dumps(self.content(), indent=1) + "\n").encode())


def _plain(array: Array) -> Any:
    """Return nested lists, null for NaN, which JSON does not have."""
    content = array.astype(object)
    content[np.isnan(array)] = None
    return content.tolist()
