"""The process that a crossbar is drawn in: one resistor film, two metals, and the lengths that keep shapes apart.

Layers and spacings are no foundry's: they are round numbers that keep every shape apart, for a team to replace by its
own (`Process` takes them all). Sheet resistances are those of the two high-ohmic poly resistors of SkyWater's SKY130
(P+ poly 300 ohm, P− poly 2000 ohm per square, least width 0.35 um; gdsfactory.github.io/skywater130, cells p_p_poly and
p_n_poly).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from eqcirc.errors import CircuitError
from eqcirc.typing import Array

SHEETS = (2000.0, 300.0)  # ohm per square, the first that suits is taken
LAYERS = MappingProxyType(
    {
        "poly": (1, 0),  # resistor film: bodies and their heads
        "resistor": (2, 0),  # marks the body between the heads
        "contact": (3, 0),  # head to metal 1
        "metal1": (4, 0),  # rows
        "via": (5, 0),  # metal 1 to metal 2
        "metal2": (6, 0),  # columns
        "metal1_label": (4, 1),  # names of rows
        "metal2_label": (6, 1),  # names of columns
    }
)
"""GDS layer and data type of each, written into layers.csv of a bundle."""

MEANING = MappingProxyType(
    {
        "poly": "resistor film, bodies and heads",
        "resistor": "marker of the resistor bodies",
        "contact": "poly head to metal 1",
        "metal1": "rows",
        "via": "metal 1 to metal 2",
        "metal2": "columns",
        "metal1_label": "net names of rows",
        "metal2_label": "net names of columns",
    }
)


@dataclass(frozen=True)
class Process:
    """Lengths in nanometres.

    Attributes:
        sheet: resistance of the film, in ohm per square.
        width: of a resistor body.
        grid: every vertex lies on it; it is also the step of a resistor's length.
        space: between bodies, and between shapes of a metal.
        shortest: least length of a body.
        cut: side of a contact or via.
        enclosure: of a cut by poly and metal.
        wire: width of rows and columns.
    """

    sheet: float = SHEETS[0]
    width: int = 350
    grid: int = 5
    space: int = 500
    shortest: int = 2000
    cut: int = 200
    enclosure: int = 100
    wire: int = 600

    @property
    def pitch(self) -> int:
        """Distance of the legs of a folded body."""
        return self.width + self.space

    @property
    def head(self) -> int:
        """Side of a head, and of the metal over it."""
        return self.cut + 2 * self.enclosure

    @property
    def ohms_a_step(self) -> float:
        """What one step of the grid adds to a resistor, in ohm; drawn values are off by half of it at most."""
        return self.sheet * self.grid / self.width

    def lengths(self, conductances: Array) -> np.ndarray:
        """Return the lengths of bodies for conductances in siemens, rounded to the grid."""
        exact = self.width / (self.sheet * np.asarray(conductances, np.float64))
        return np.rint(exact / self.grid).astype(np.int64) * self.grid

    def drawn(self, conductances: Array) -> Array:
        """Return the resistances in ohm that are drawn for conductances in siemens."""
        return np.asarray(self.sheet * self.lengths(conductances) / self.width)


def process_for(conductances: Array) -> Process:
    """Return a process in which all conductances, in siemens, can be drawn.

    The film with the highest sheet resistance whose shortest body is long enough, for the smallest area; where none
    is, the other film with wider bodies.

    Raises:
        CircuitError: a conductance is not positive and finite.
    """
    highest = float(np.max(conductances, initial=0.0))
    if not (np.isfinite(highest) and np.min(conductances, initial=np.inf) > 0):
        raise CircuitError("a layout needs conductances above 0 S; one of the crossbar is not")
    for sheet in SHEETS:
        process = Process(sheet)
        needed = process.shortest * sheet * highest  # nm of width for the shortest body
        if needed <= process.width:
            return process
    step = 2 * process.grid  # so that half a width lies on the grid
    return replace(process, width=int(np.ceil(needed / step)) * step)
