"""From ideal to real: what is not ideal about a circuit, one kind per file, and the chips that come of it.

Every kind is a function from a circuit to another one. Solvers, export and reports never learn what happened.
"""

from eqcirc.reality.amplifiers import AmplifierErrors
from eqcirc.reality.chip import Chip
from eqcirc.reality.diodes import DiodeMismatch
from eqcirc.reality.drift import Drift
from eqcirc.reality.mismatch import Mismatch
from eqcirc.reality.noise import ProgrammingNoise
from eqcirc.reality.reality import Reality
from eqcirc.reality.stuck import StuckAt
from eqcirc.reality.temperature import Temperature
from eqcirc.reality.window import Window
from eqcirc.reality.wires import Wires

__all__ = [
    "AmplifierErrors",
    "Chip",
    "DiodeMismatch",
    "Drift",
    "Mismatch",
    "ProgrammingNoise",
    "Reality",
    "StuckAt",
    "Temperature",
    "Window",
    "Wires",
]
