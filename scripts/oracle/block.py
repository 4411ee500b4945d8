"""One block of a random circuit: nodes joined by resistors, and parts that keep its current law monotone."""

from __future__ import annotations

import numpy as np

from oracle.description import (
    Branch,
    Capacitor,
    Clamp,
    Coupling,
    Diode,
    Gyrator,
    Input,
    Poly,
    Resistor,
    Shared,
    Source,
)
from oracle.sketch import Sketch, impedances


class Block:
    """`n` new soft nodes in a sketch; `hard` are the nodes of given voltage that this block may be tied to."""

    def __init__(self, sketch: Sketch, n: int, hard: list[int]):
        self.sketch, self.rng = sketch, sketch.rng
        self.nodes = [sketch.soft_node() for _ in range(n)]
        self.hard = [0, *hard]

    def fill(self) -> None:
        """All kinds of parts."""
        self._resistors()
        self._couplings()
        self._gyrators()
        self._branches()
        self._diodes()
        self._clamps()

    def impedances(self) -> np.ndarray:
        """Upper bounds of the impedances at the nodes, ohm: what is not linear can only lower them."""
        return impedances(self.nodes, self.sketch.parts)

    def pair(self, others: list[int]) -> tuple[int, int]:
        """A node of the block and another one of the block or of `others`."""
        a = self.sketch.pick(self.nodes)
        rest = [node for node in (*self.nodes, *others) if node != a]
        return a, self.sketch.pick(rest)

    def _resistors(self) -> None:
        """A tree that reaches every node, loops, parallel parts."""
        sketch = self.sketch
        for k, node in enumerate(self.nodes):
            other = sketch.pick(self.nodes[:k]) if k and self.rng.random() < 0.75 else sketch.pick(self.hard)
            sketch.add(Resistor(node, other, sketch.siemens()))
        for _ in range(int(self.rng.integers(0, 2 * len(self.nodes)))):
            a, b = self.pair(self.hard)
            for _ in range(int(self.rng.choice([1, 1, 1, 2]))):
                sketch.add(Resistor(a, b, sketch.siemens()))

    def _couplings(self) -> None:
        for _ in range(int(self.rng.integers(0, 4)) if len(self.nodes) > 1 else 0):
            w = float(self.rng.choice([-1, 1])) * self.sketch.siemens()
            self.sketch.add(Coupling(w, *self.pair([]), loaded=True))

    def _gyrators(self) -> None:
        """Against a held reference only: what a floating one senses, it does not pay for."""
        for _ in range(
            int(self.rng.choice([0, 0, 1, 2])) if self.sketch.gyrators and len(self.nodes) > 1 else 0
        ):
            gm = float(self.rng.choice([-1, 1])) * self.sketch.siemens()
            self.sketch.add(Gyrator(gm, *self.pair([]), self.sketch.pick(self.hard)))

    def _branches(self) -> None:
        """Coils with and without resistance; ideal ones lead to nodes of their own, so that no loop is ideal."""
        sketch, rng = self.sketch, self.rng
        count = int(rng.choice([0, 0, 1, 2, 3]))
        already = sum(isinstance(part, Branch) for part in sketch.parts)
        for _ in range(count):
            henry = float(10 ** rng.uniform(-9, -2))
            if rng.random() < 0.2:
                a, b = sketch.pick(self.nodes), sketch.soft_node()
                self.nodes.append(b)
                sketch.add(Branch(0.0, a, b, henry))
                sketch.add(Resistor(b, sketch.pick(self.hard), sketch.siemens()))
            else:
                sketch.add(Branch(1 / sketch.siemens(), *self.pair(self.hard), henry))
        for _ in range(int(rng.integers(0, 3)) if count > 1 else 0):
            i, j = rng.choice(count, 2, replace=False) + already
            branches = [part for part in sketch.parts if isinstance(part, Branch)]
            if branches[i].r_ohm == branches[j].r_ohm == 0:
                continue  # how a current divides between them would be undetermined
            sketch.add(Shared(1 / sketch.siemens(), int(i), int(j)))

    def _diode(self, a: int, c: int) -> Diode:
        area, i_s, n = 10 ** self.rng.uniform(-1, 2), 10 ** self.rng.uniform(-16, -8), self.rng.uniform(1, 2)
        return Diode(a, c, float(area), float(i_s), float(n))

    def _diodes(self) -> None:
        sketch, rng = self.sketch, self.rng
        for _ in range(int(rng.integers(0, 1 + len(self.nodes)))):
            a, c = self.pair([0])
            sketch.add_diode(self._diode(*((a, c) if rng.random() < 0.5 else (c, a))))
        for node in self.nodes:  # clamps to two hard voltages
            if rng.random() < 0.1 and len(self.hard) > 1 and sketch.may_reserve(node):
                rail = sketch.pick(self.hard[1:])
                sketch.parts += [self._diode(node, rail) if rng.random() < 0.5 else self._diode(rail, node)]
                sketch.reserved.add(node)
        if rng.random() < 0.3:  # a node that nothing but junctions and one resistor touches
            node = sketch.soft_node()
            sketch.parts.append(self._diode(sketch.pick(self.hard), node))
            sketch.add(Resistor(node, sketch.pick(self.nodes), sketch.siemens()))
            sketch.reserved.add(node)
            self.nodes.append(node)

    def _clamps(self) -> None:
        rng, sketch = self.rng, self.sketch
        for _ in range(int(rng.integers(0, 3))):
            a, c = self.pair(self.hard)
            area, width = float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-3, 0.5))
            sketch.add(Clamp(a, c, area, sketch.siemens(), width))
        for _ in range(int(rng.integers(0, 2))):
            a, c = self.pair(self.hard)
            c1, c3, high = sketch.siemens(), sketch.siemens(), float(10 ** rng.uniform(-1, 1))
            c2 = float(rng.uniform(-0.99, 0.99) * np.sqrt(3 * c1 * c3))  # then p' has no zero
            low = -high * float(rng.uniform(0.1, 2))
            sketch.add(Poly(a, c, float(10 ** rng.uniform(-1, 1)), (c1, c2, c3), low, high))

    def sources(self) -> None:
        """Currents that alone would lift the linear parts by no more than the sketch's volts."""
        rng, sketch = self.rng, self.sketch
        for node, ohm in zip(self.nodes, self.impedances(), strict=True):
            amps = float(rng.uniform(-1, 1) * sketch.volts / ohm)
            if rng.random() < 0.2:
                sketch.add(Source(node, amps))
            elif rng.random() < 0.1:
                entry = Input(node, int(rng.integers(sketch.features)), amps, 0.1 * amps)
                sketch.current_inputs.append(entry)

    def capacitors(self) -> None:
        """At every node or at some, to ground or to others; none in a third of the blocks."""
        if self.rng.random() < 0.3:
            return
        for _ in range(int(self.rng.integers(1, 1 + len(self.nodes)))):
            a, b = self.pair(self.hard)
            if {a, b} & self.sketch.merged and {a, b} <= set(self.nodes):
                continue  # across an amplifier a capacitor can give power
            self.sketch.add(Capacitor(a, b, float(10 ** self.rng.uniform(-12, -6))))
