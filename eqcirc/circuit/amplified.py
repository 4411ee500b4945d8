"""Nodes tied together by amplifiers: one unknown for each tree of them.

An amplifier fixes the voltage ratio of its two nodes, so a tree of amplifiers has one independent voltage,
that of its root r: v_n = gain_n·v_r, and one Kirchhoff equation, sum of back_n·F_n over the tree = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Amplifier
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False)
class AmplifierTrees:
    """Attributes, each (node,).

    Attributes:
        unknown: number of the tree that the node belongs to; -1 at held nodes.
        root: root node of that tree (0 at held nodes).
        gain: voltage relative to the root; 0 at held nodes.
        back: weight of the node's current in the equation of the tree; 0 at held nodes.
    """

    unknown: NodeArray
    root: NodeArray
    gain: Array
    back: Array

    @property
    def count(self) -> int:
        """Number of independent voltages."""
        return int(self.unknown.max()) + 1


def amplifier_trees(circuit: Circuit) -> AmplifierTrees:
    """Follow every amplifier output back to the node that decides its voltage.

    Raises:
        CircuitError: amplifiers drive each other in a circle.
    """
    n = circuit.n_nodes
    root = np.where(circuit.is_free, np.arange(n), 0)
    gain = circuit.is_free.astype(np.float64)
    back = gain.copy()
    driver = {
        b: (a, e.gain, e.current_gain, e.name)
        for e in circuit.elements
        if isinstance(e, Amplifier)
        for a, b in zip(e.source.tolist(), e.output.tolist(), strict=True)
    }
    for output in driver:
        node, seen = output, {output}
        while node in driver:
            node, a, kappa, name = driver[node]
            if node in seen:
                raise CircuitError(
                    f"amplifier {name!r} closes a circle of amplifiers; no node decides the voltage"
                )
            seen.add(node)
            gain[output] *= a
            back[output] *= kappa
        root[output] = node
    unknown = np.full(n, -1, np.intp)
    roots = np.unique(root[circuit.is_free])
    unknown[circuit.is_free] = np.searchsorted(roots, root[circuit.is_free])
    return AmplifierTrees(unknown, root, gain, back)
