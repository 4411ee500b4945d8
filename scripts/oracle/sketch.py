"""A circuit while it is being drawn up: nodes, held nodes, parts, and which junctions may meet."""

from __future__ import annotations

import numpy as np

from oracle.description import Amplifier, Branch, Coupling, Diode, Input, Part, Resistor


class Sketch:
    """Nodes and parts so far. `held` are rails and inputs, `soft` the nodes that parts may pull about.

    An exponential junction must see a resistor somewhere: a chain of junctions between two hard voltages (rails,
    inputs, buffers) would carry exp(volts/0.026), which is no circuit and no number. So junctions join soft nodes and
    ground only; a `reserved` node has a junction to a hard voltage and gets no other; `merged` nodes are tied to
    another node's voltage by an amplifier or an ideal coil and are not reserved.
    """

    def __init__(self, rng: np.random.Generator, volts: float):
        self.rng, self.volts, self.count = rng, float(volts), 1
        self.features = int(rng.integers(1, 5))
        self.top = float(rng.uniform(-5, 0))  # log10 of the largest conductance, S
        self.decades = float(rng.choice([1, 4, 9 + self.top]))  # of the conductances
        self.parts: list[Part] = []
        self.soft: list[int] = []
        self.junctioned: set[int] = set()
        self.reserved: set[int] = set()
        self.merged: set[int] = set()
        self.rails = {self.node(): float(rng.uniform(-volts, volts)) for _ in range(int(rng.integers(0, 3)))}
        self.inputs = []
        for _ in range(int(rng.integers(1, 4))):
            gain, offset = rng.uniform(0.02, 0.9) * volts, rng.uniform(-0.1, 0.1) * volts
            self.inputs.append(
                Input(self.node(), int(rng.integers(self.features)), float(gain), float(offset))
            )
        self.current_inputs: list[Input] = []
        self.held = [*self.rails, *(entry.node for entry in self.inputs)]
        self.gyrators = bool(rng.random() < 0.5)

    def node(self) -> int:
        """A new node."""
        self.count += 1
        return self.count - 1

    def soft_node(self) -> int:
        """A new node that parts may pull about."""
        self.soft.append(self.node())
        return self.soft[-1]

    def pick(self, nodes: list[int]) -> int:
        """One of the nodes."""
        return int(self.rng.choice(nodes))

    def siemens(self) -> float:
        """A conductance."""
        return float(10 ** self.rng.uniform(self.top - self.decades, self.top))

    def add(self, part: Part) -> None:
        """Add a part that is no exponential junction."""
        self.parts.append(part)
        if (isinstance(part, Amplifier) and part.kappa != 0) or (
            isinstance(part, Branch) and part.r_ohm == 0
        ):
            self.merged |= {part.a, part.b}

    def add_diode(self, diode: Diode) -> None:
        """Add a diode between soft nodes or ground, if it may be there."""
        ends = {diode.a, diode.c}
        if len(ends) == 2 and not ends & self.reserved:
            self.parts.append(diode)
            self.junctioned |= ends

    def may_reserve(self, node: int) -> bool:
        """Whether this node can have junctions to hard voltages instead."""
        return node not in self.junctioned | self.reserved | self.merged


def impedances(nodes: list[int], parts: list[Part]) -> np.ndarray:
    """Diagonal of the inverse conductance matrix of the resistors and loaded couplings among these nodes, ohm.

    Branches are left out: in time they conduct late, and what the rest bounds must hold from the first moment.
    """
    at = {node: k for k, node in enumerate(nodes)}
    G = np.zeros((len(nodes), len(nodes)))

    def conductance(a: int, b: int, g: float, sign: float = 1.0) -> None:
        for one, other in ((a, b), (b, a)):
            if one in at:
                G[at[one], at[one]] += g
                if other in at:
                    G[at[one], at[other]] -= sign * g

    for part in parts:
        if isinstance(part, Resistor):
            conductance(part.a, part.b, part.g)
        elif isinstance(part, Coupling) and part.loaded:
            conductance(part.r, part.c, abs(part.w), float(np.sign(part.w)))
    return np.diag(np.linalg.inv(G))
