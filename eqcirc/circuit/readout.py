"""The outputs of a circuit: weighted sums of node voltages.

    output = weights·v[nodes]

A single node has the weight 1, a differential output 1 and −1. The current through a resistor of fixed conductance g is
the sum with weights g and −g, for that is how hardware reads currents, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, eye_array, hstack, vstack

from eqcirc.circuit.arguments import number
from eqcirc.devices import Conductance, Element, RLMesh
from eqcirc.errors import CircuitError
from eqcirc.sparse import light, times
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False)
class Readout:
    """Outputs.

    Attributes:
        nodes: (m,) the nodes that are read, each once.
        weights: (n_outputs, m).
        elsewhere: (n_outputs, m) by which weights nudges act, if other nodes than those that are read are nudged.
    """

    nodes: NodeArray
    weights: csr_array
    elsewhere: csr_array | None = None

    @property
    def pulls(self) -> csr_array:
        """(n_outputs, m): what 1 A that is drawn for an output draws from the nodes."""
        return self.weights if self.elsewhere is None else self.elsewhere

    def words(self, output: int, node_names: Sequence[str]) -> str:
        """Say what an output is a sum of, such as ``v(op_0) - v(on_0)``."""
        row = self.weights[[output]]
        terms = []
        for k, weight in zip(row.indices.tolist(), row.data.tolist(), strict=True):
            factor = "" if abs(weight) == 1 else f"{abs(weight):g}*"
            terms.append(f"{'-' if weight < 0 else '+'} {factor}v({node_names[self.nodes[k]]})")
        return " ".join(terms).removeprefix("+ ")

    @classmethod
    def of(cls, positive: NodeArray, negative: NodeArray | None = None) -> Readout:
        """Return the voltages of nodes, less those of other nodes if given; a node may be read by several outputs."""
        ones = eye_array(len(positive)).tocsr()
        if negative is None:
            return cls.weighted(positive, ones)
        return cls.weighted(np.concatenate([positive, negative]), hstack([ones, -ones]))

    @classmethod
    def weighted(cls, nodes: NodeArray, weights: ArrayLike | csr_array) -> Readout:
        """Return weighted sums; weights (n_outputs, len(nodes)) of a node that is listed twice add up.

        Raises:
            CircuitError: weights that do not fit, are not finite, or leave an output without any node.
        """
        w = (
            weights
            if isinstance(weights, csr_array)
            else csr_array(np.atleast_2d(np.asarray(weights, float)))
        )
        if w.shape[1] != len(nodes) or not np.isfinite(w.data).all():
            raise CircuitError(
                f"readout: expected finite weights of shape (outputs, {len(nodes)}), one column for each node, got "
                f"{w.shape}"
            )
        distinct, first, which = np.unique(nodes, return_index=True, return_inverse=True)
        order = np.argsort(first)  # as they were listed
        place = np.empty(len(order), np.intp)
        place[order] = np.arange(len(order))
        columns = csr_array(
            (np.ones(len(nodes)), (np.arange(len(nodes)), place[which])), shape=(len(nodes), len(order))
        )
        summed = csr_array(w @ columns)
        summed.eliminate_zeros()
        summed.sort_indices()  # one form for one readout: checkpoints know a circuit by its digest
        empty = np.flatnonzero(np.diff(summed.indptr) == 0)
        if empty.size:
            raise CircuitError(f"readout: output {empty[0]} reads nothing: all its weights are 0")
        return cls(distinct[order], summed)

    def __add__(self, other: Readout) -> Readout:
        """Return the outputs of both, one after the other."""
        n, m = self.weights.shape[1], other.weights.shape[1]
        left = hstack([self.weights, csr_array((self.n_outputs, m))])
        right = hstack([csr_array((other.n_outputs, n)), other.weights])
        return Readout.weighted(np.concatenate([self.nodes, other.nodes]), csr_array(vstack([left, right])))

    @property
    def n_outputs(self) -> int:
        """Number of outputs."""
        return int(self.weights.shape[0])

    @cached_property
    def plain(self) -> bool:
        """Whether output k is the voltage of nodes[k]."""
        n, m = self.weights.shape
        return bool(n == m and (self.weights - eye_array(n)).nnz == 0)

    @cached_property
    def _products(self) -> tuple[Array | csr_array, Array | csr_array]:
        return light(csr_array(self.weights.T)), light(self.weights)

    def read(self, voltages: Array) -> Array:
        """Return outputs (..., n_outputs) from node voltages (..., node)."""
        volts = voltages[..., self.nodes]
        return volts if self.plain else times(volts, self._products[0])

    def spread(self, gradient: Array) -> Array:
        """Return dC/dv at `nodes` (..., len(nodes)) from dC/doutput (..., n_outputs)."""
        return gradient if self.plain else times(gradient, self._products[1])


def through(element: Element | None, name: str, ohms: float) -> Readout:
    """Return the currents through resistors or R-L branches, times ohms; `name` is the one that was asked for."""
    if not isinstance(element, Conductance | RLMesh) or element.trainable:
        raise CircuitError(
            f"readout: expected the name of resistors or R-L branches that are not trained, got {name!r}: read the "
            "current through a resistor of fixed conductance, as hardware does"
        )
    if isinstance(element, RLMesh) and element.lossless.any():
        raise CircuitError(
            f"readout: {name!r} has coils without resistance, across which nothing can be read"
        )
    number(f"readout of {name!r}: ohms", ohms, "a finite number of ohms")
    y = ohms * element.admittance(element.value)
    return Readout.weighted(element.terminals(), np.concatenate([y, -y], axis=1))
