"""Line resistance of crossbars: every segment of every row and column is a resistor.

    driver ──R── r00 ──R── r01 ──R── r02          a row: its driver is left, right or both
                  g         g         g           a conductance of the crossbar, at every crosspoint
                 c00       c01       c02          columns likewise; segments between c00 and c10, …
                  R         R         R
                 c10       c11       c12
                  R         R         R
                sense     sense     sense         bottom, top or both

A node of the crossbar stands at the end of its line, one segment away from the first crosspoint. Crosspoints keep name,
values and bounds of the crossbar, so that what is trained, saved and exported is the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Conductance, Crossbar, DualRailCrossbar, Element
from eqcirc.devices.base import in_range
from eqcirc.errors import CircuitError
from eqcirc.reality.draws import Draws
from eqcirc.reality.kind import concerned
from eqcirc.typing import Array, NodeArray

Pair = tuple[NodeArray, NodeArray]


@dataclass(frozen=True)
class Wires:
    """Line resistance.

    Attributes:
        ohms: of a segment, in ohms.
        rows: end of the rows at which their nodes are: "left", "right" or "both".
        columns: end of the columns at which theirs are: "top", "bottom" or "both".
    """

    ohms: float
    rows: Literal["left", "right", "both"] = "left"
    columns: Literal["top", "bottom", "both"] = "bottom"

    name: ClassVar[str] = "wires"

    def __post_init__(self) -> None:
        """Check range and choices."""
        in_range("reality.wires", "ohms", self.ohms, 1e-3, 1e9, "ohm")
        for key, known in (("rows", ("left", "right", "both")), ("columns", ("top", "bottom", "both"))):
            if getattr(self, key) not in known:
                raise CircuitError(
                    f"reality.wires: expected {key} to be one of {', '.join(known)}, got {getattr(self, key)!r}"
                )

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """See `Kind.applied`; nothing is drawn.

        Raises:
            CircuitError: there is no crossbar of conductances, or one of dual rails, whose wires are not modelled.
        """
        del draws
        for element in circuit.elements:
            if isinstance(element, DualRailCrossbar):
                raise CircuitError(
                    f"reality.wires: element {element.name!r}: line resistance is modelled for crossbars of single "
                    'conductances, not for dual rails; take weights = "conductance" or leave the table out'
                )
        concerned(circuit, self.name, lambda e: isinstance(e, Crossbar), "crossbars of conductances")
        names = list(circuit.node_names)
        elements: list[Element] = []
        for element in circuit.elements:
            elements += self._wired(element, names) if isinstance(element, Crossbar) else [element]
        return replace(circuit, node_names=tuple(names), elements=tuple(elements))

    def _wired(self, crossbar: Crossbar, names: list[str]) -> list[Element]:
        """Return crosspoints and lines, and add their nodes to `names`."""
        m, n = crossbar.shape
        first = len(names)
        names += [f"eq_{crossbar.name}_{side}{i}_{j}" for side in "rc" for i in range(m) for j in range(n)]
        at_row, at_column = np.arange(first, first + 2 * m * n).reshape(2, m, n)
        points = Conductance(
            name=crossbar.name,
            value=crossbar.value,
            trainable=crossbar.trainable,
            bounds=crossbar.bounds,
            share=crossbar.share,
            programming=crossbar.programming,
            a=at_row,
            b=at_column,
        )
        ends = (self.rows != "right", self.rows != "left"), (self.columns != "bottom", self.columns != "top")
        rows = self._line(f"eq_{crossbar.name}_rows", crossbar.rows, at_row, ends[0])
        columns = self._line(f"eq_{crossbar.name}_columns", crossbar.columns, at_column.T, ends[1])
        return [points, rows, columns]

    def _line(self, name: str, nodes: NodeArray, points: NodeArray, ends: tuple[bool, bool]) -> Conductance:
        """Return the segments of lines with `points` (line, point), whose `nodes` (line,) are at some of both ends."""
        parts = [(points[:, :-1].ravel(), points[:, 1:].ravel())]
        parts += [(nodes, points[:, k]) for k, there in zip((0, -1), ends, strict=True) if there]
        a, b = (np.concatenate(side) for side in zip(*parts, strict=True))
        value: Array = np.full(len(a), 1 / self.ohms)
        return Conductance(name=name, value=value, a=a, b=b)
