"""What a circuit in the making knows of: its nodes, what holds them, and which elements there are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.circuit.arguments import Nodes, check_name, node_numbers, number, same_length
from eqcirc.circuit.bounds import given, standard
from eqcirc.circuit.readout import Readout, through
from eqcirc.circuit.sources import Sources
from eqcirc.devices import Bounds, Element
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

GROUND = 0
MOST_NODES = 10**6  # at once; a name for each takes 100 bytes, what is between them much more


class Parts:
    """Nodes, sources and elements that were added so far."""

    def __init__(self, name: str) -> None:
        """Start an empty circuit called `name`."""
        self._name = name
        self._nodes: list[str] = ["0"]
        self._groups: set[str] = set()
        self._sources = Sources()
        self._elements: list[Element] = []

    def nodes(self, name: str, count: int | None = None) -> NodeArray:
        """Add free nodes and return their indices, shape (count,); a single one is called `name` itself."""
        if count is not None and not 1 <= count <= MOST_NODES:
            raise CircuitError(f"nodes {name!r}: expected a count of 1 to {MOST_NODES}, got {count}")
        self._claim(name, self._groups, "nodes")
        start = len(self._nodes)
        self._nodes += [name] if count is None else [f"{name}_{k}" for k in range(count)]
        return np.arange(start, len(self._nodes))

    def rail(self, name: str, voltage: float) -> NodeArray:
        """Add a node held at `voltage` volts."""
        node = self.nodes(name)
        self._sources.rail(name, int(node[0]), float(voltage))
        return node

    def input(
        self,
        name: str,
        count: int | None = None,
        *,
        first_feature: int = 0,
        gain: float = 1.0,
        offset: float = 0.0,
    ) -> NodeArray:
        """Add driven nodes: node k is held at gain·feature[first_feature + k] + offset volts."""
        if not np.isfinite(gain) or gain == 0:
            raise CircuitError(f"input {name!r}: expected a finite gain other than 0 V, got {gain}")
        number(f"input {name!r}: offset", offset, "a finite number of volts")
        nodes = self.nodes(name, count)
        for k, node in enumerate(nodes.tolist()):
            self._sources.input(node, first_feature + k, float(gain), float(offset))
        return nodes

    def weighted(self, nodes: Nodes, weights: ArrayLike) -> Readout:
        """Return outputs that are sums of node voltages with weights (n_outputs, node), for `build`."""
        return Readout.weighted(self._known("readout", nodes), weights)

    def currents(self, name: str, ohms: float = 1.0) -> Readout:
        """Return outputs that are the currents through resistors or R-L branches, from a to b, for `build`.

        Args:
            name: of the resistors or branches.
            ohms: of the transimpedance amplifiers that read the currents; outputs are ohms·current, in volts.

        Raises:
            CircuitError: no such element, one that currents cannot be read through, or one that is trained.
        """
        return through(next((e for e in self._elements if e.name == name), None), name, ohms)

    def _add(self, element: Element, bounds: Bounds | None = None) -> None:
        self._claim(element.name, {e.name for e in self._elements}, "element")
        if not element.value.size:
            raise CircuitError(f"element {element.name!r}: expected at least one part, got no nodes")
        element.value.setflags(write=False)
        self._elements.append(
            replace(element, bounds=standard(element) if bounds is None else given(element, bounds))
        )

    def _claim(self, name: str, taken: set[str], what: str) -> None:
        """Check a name and mark it as used."""
        check_name(what, name)
        if name in taken:
            raise CircuitError(f"{what} {name!r} is defined twice; names are unique in a circuit")
        taken.add(name)

    def _known(self, name: str, nodes: Nodes) -> NodeArray:
        return node_numbers(name, nodes, len(self._nodes))

    def _group(self, name: str, a: Nodes, b: Nodes, value: ArrayLike) -> tuple[NodeArray, NodeArray, Array]:
        return same_length(name, self._known(name, a), self._known(name, b), value)
