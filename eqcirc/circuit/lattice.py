"""Neurons on a chain, a ring or a grid, coupled to their nearest neighbours: discrete reaction and diffusion.

    C·dv/dt  = … + g·(sum of neighbours' v − v)          activator diffusion, conductance g
    Cw·dw/dt = … + h·(sum of neighbours' w − w)          inhibitor diffusion, conductance h between recovery nodes

R-L neurons have no recovery nodes; a resistance that two neighbouring branches share plays the part of h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from eqcirc.circuit.builder import CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.neuron import Neuron, RLRecovery, around
from eqcirc.errors import CircuitError
from eqcirc.typing import NodeArray


@dataclass(frozen=True)
class Lattice:
    """What to build.

    Attributes:
        shape: (n,) for a chain or ring, (rows, columns) for a grid.
        neuron: the cell at every site.
        activator: conductance between neighbouring membranes, in siemens.
        inhibitor: conductance between neighbouring recovery nodes in siemens, or, of R-L neurons, shared resistance
            in ohms; None for none.
        periodic: close a chain to a ring, a grid to a torus.
    """

    shape: tuple[int, ...] = (96,)
    neuron: Neuron = field(default_factory=Neuron)
    activator: float = 1e-3
    inhibitor: float | None = None
    periodic: bool = False

    def build(self, name: str) -> Circuit:
        """Return the circuit; its outputs are all membranes.

        Raises:
            CircuitError: a value is out of range, or inhibitors are coupled that the neurons have not got.
        """
        if not self.shape or len(self.shape) > 2 or min(self.shape) < 1 or math.prod(self.shape) < 2:
            raise CircuitError(
                f"lattice of shape {self.shape}: expected (n,) or (rows, columns), two sites or more"
            )
        b = CircuitBuilder(name)
        membrane = b.nodes("v", math.prod(self.shape))
        here, there = neighbours(self.shape, self.periodic).T
        _couple(b, "activator", membrane[here], membrane[there], self.activator)
        coupled = self.inhibitor is not None
        if coupled and self.neuron.recovery is None:
            raise CircuitError(f"lattice {name!r}: neurons without recovery have no inhibitors to couple")
        if coupled and isinstance(self.neuron.recovery, RLRecovery):
            pairs = list(zip(here.tolist(), there.tolist(), strict=True))
            self.neuron.add(b, "neuron", membrane, shared=pairs, shared_ohms=self.inhibitor or 0.0)
            return b.build(membrane)
        recovery = self.neuron.add(b, "neuron", membrane)
        if coupled and recovery is not None:
            _couple(b, "inhibitor", recovery[here], recovery[there], self.inhibitor or 0.0)
        return b.build(membrane)


def _couple(b: CircuitBuilder, name: str, here: NodeArray, there: NodeArray, siemens: float) -> None:
    b.conductance(name, here, there, siemens, trainable=True, bounds=around(siemens))


def neighbours(shape: tuple[int, ...], periodic: bool = False) -> NodeArray:
    """Return pairs (m, 2) of neighbouring sites of a grid, each pair once."""
    site = np.arange(math.prod(shape)).reshape(shape)
    pairs = []
    for axis, size in enumerate(shape):
        ahead = np.take(site, np.arange(1, size), axis=axis)
        behind = np.take(site, np.arange(size - 1), axis=axis)
        pairs.append(np.stack([behind.ravel(), ahead.ravel()], axis=1))
        if periodic and size > 2:
            ends = np.take(site, -1, axis=axis), np.take(site, 0, axis=axis)
            pairs.append(np.stack([end.ravel() for end in ends], axis=1))
    return np.concatenate(pairs)
