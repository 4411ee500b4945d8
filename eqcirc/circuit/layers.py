"""What the layers of a layered network may have: diodes, cells, offsets, weights back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from eqcirc.circuit.arguments import number, one_of
from eqcirc.devices import CellLaw, Law, ShockleyDiode, Tanh
from eqcirc.typing import Array


@dataclass(frozen=True)
class LayerDiodes:
    """The diodes of a hidden layer.

    Attributes:
        law: law of each diode.
        kind: "antiparallel": every node is held between −rail and +rail by two diodes; "one_sided": diodes keep the
            first half of the nodes (excitatory) above −rail and the second half (inhibitory) below +rail.
        rail: voltage (V) of the rails, 0 for ground.
    """

    law: Law = field(default_factory=ShockleyDiode)
    kind: Literal["antiparallel", "one_sided"] = "antiparallel"
    rail: float = 0.0

    def __post_init__(self) -> None:
        """Check kind and rail."""
        one_of("diodes: kind", self.kind, ("antiparallel", "one_sided"))
        number("diodes: rail", self.rail, "0 V or more, since nodes are held within ± it", lambda v: v >= 0)


@dataclass(frozen=True)
class Biases:
    """Trainable offsets of every layer.

    Attributes:
        kind: "rail": a pair of conductances to rails at ±voltage; "current": a current source; "none".
        voltage: of the rails, in volts.
        current: largest trained current, in amperes.
    """

    kind: Literal["rail", "current", "none"] = "rail"
    voltage: float = 10.0
    current: float = 1e-5

    def __post_init__(self) -> None:
        """Check kind and sizes."""
        one_of("biases: kind", self.kind, ("rail", "current", "none"))
        for name, unit in (("voltage", "V"), ("current", "A")):
            wanted = f"a positive number of {unit}; both signs are made of it"
            number(f"biases: {name}", getattr(self, name), wanted, lambda size: size > 0)


@dataclass(frozen=True)
class LayerCells:
    """The cells of a hidden layer: one-way, or bidirectional sources in predictive networks.

    Attributes:
        law: of each cell.
        load: conductance in siemens of the nodes that cells drive.
    """

    law: CellLaw = field(default_factory=Tanh)
    load: float = 1e-5

    def __post_init__(self) -> None:
        """Check the load."""
        number("cells: load", self.load, "a positive number of siemens", lambda g: g > 0)


@dataclass(frozen=True)
class Feedback:
    """One-way weights from every layer but the first back to the one before, of adjustable asymmetry.

    With W and R drawn alike, weights forth and back begin as

        antisymmetric   W + a·R   and   (W − a·R)ᵀ      so that J = symmetric + a·antisymmetric
        rotated         W         and   (cos θ·W + sin θ·R)ᵀ,     θ = a·π/2
        tied            W         and   strength·Wᵀ, in training, too

    Tied weights lead back in front of the cells, into the sums, so that layers are those of a Hopfield network; the
    others lead to the nodes that cells drive.

    Attributes:
        kind: which.
        asymmetry: a; 0 for a circuit that is reciprocal to begin with.
        strength: of tied weights; a weak one leaves a network nearly feedforward.
    """

    kind: Literal["antisymmetric", "rotated", "tied"] = "antisymmetric"
    asymmetry: float = 0.0
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Check kind and sizes."""
        one_of("feedback: kind", self.kind, ("antisymmetric", "rotated", "tied"))
        number("feedback: asymmetry", self.asymmetry, "a finite number")
        number("feedback: strength", self.strength, "a positive number", lambda factor: factor > 0)

    def weights(self, w: Array, r: Array) -> tuple[Array, Array]:
        """Return weights forth and back, both (rows, columns), made of two draws; not of tied ones."""
        a = self.asymmetry
        if self.kind == "antisymmetric":
            return w + a * r, w - a * r
        return w, np.cos(a * np.pi / 2) * w + np.sin(a * np.pi / 2) * r
