"""A circuit doubled: beside it stands its linear image, turned around, in which adjoint voltages are found.

At an operating point v of a circuit with Jacobian J, the image has the currents s⁻¹·Jᵀ·s·d, s the scaling of the
reciprocal parts, and the nudge, which reads the outputs of the circuit, pulls at the image:

    F(v) = 0,        s⁻¹·Jᵀ(v)·s·d = −beta·s⁻¹·dC/dv        so        s·d = −beta·J⁻ᵀ·dC/dv ,

whatever beta. Reciprocal linear parts are copied; devices become conductances as large as their slopes (`Tangent`);
one-way parts carry back what they carry forth; sources become shorts and open circuits. Nothing is held or sampled: one
operating point has it all.

Source: Scurria et al. 2026 (arXiv 2602.03670), dyadic Equilibrium Propagation; Director & Rohrer 1969.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, hstack

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.readout import Readout
from eqcirc.circuit.scaling import reciprocal_symmetry
from eqcirc.circuit.sides import Ends, halves, ratios, sides
from eqcirc.devices import (
    Amplifier,
    Block,
    Capacitor,
    Cell,
    Conductance,
    CurrentSource,
    Element,
    Gyrator,
    GyratorCrossbar,
    InputCurrent,
    OneWayCrossbar,
    RLMesh,
    Share,
    SignedDevice,
    SlopeLaw,
    Tangent,
    Transconductor,
    TwoTerminal,
)
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False)
class Doubled:
    """A doubled circuit.

    Attributes:
        circuit: its first nodes are those of the original, those of the image follow.
        image: (node,) the node of the image; ground for held nodes.
        scaling: s (node,) of the original's reciprocal parts; zero at held nodes.
    """

    circuit: Circuit
    image: NodeArray
    scaling: Array

    def begin(self, free: Array) -> Array:
        """Return voltages (batch, node) that it is at before the nudge, for the original's (batch, node)."""
        return np.concatenate([free, np.zeros((len(free), self.circuit.n_nodes - free.shape[1]))], axis=1)


def doubled(circuit: Circuit) -> Doubled:
    """Put the image beside a circuit.

    Raises:
        SymmetryError: its reciprocal parts have no scaling: one-way amplifiers, or loops of amplifiers.
        CircuitError: an element, or the law of a device, that has no image.
    """
    work = _Imaging(circuit)
    elements = [*circuit.elements, *(part for element in circuit.elements for part in work.image(element))]
    names = [f"eq_d_{circuit.node_names[node]}" for node in circuit.free_nodes]
    whole = replace(
        circuit,
        name=f"{circuit.name}, doubled",
        node_names=(*circuit.node_names, *names),
        elements=tuple(elements),
        readout=work.readout(),
    )
    return Doubled(whole, work.node, work.scaling)


class _Imaging:
    """Makes the image element by element."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.scaling = reciprocal_symmetry(circuit)
        self.node = np.zeros(circuit.n_nodes, np.intp)
        self.node[circuit.free_nodes] = circuit.n_nodes + np.arange(len(circuit.free_nodes))

    def readout(self) -> Readout:
        """Outputs are read where they were; what pulls at them pulls at the image instead."""
        read = self._circuit.readout
        free = np.flatnonzero(self._circuit.is_free[read.nodes])
        nothing = csr_array((read.n_outputs, len(free)))
        return Readout(
            np.concatenate([read.nodes, self.node[read.nodes[free]]]),
            csr_array(hstack([read.weights, nothing])),
            csr_array(hstack([csr_array(read.weights.shape), read.weights[:, free]])),
        )

    def image(self, element: Element) -> Iterator[Element]:
        """Yield what stands for an element in the image."""
        if isinstance(element, CurrentSource | InputCurrent):
            return
        if isinstance(element, Transconductor):
            yield from self._returned(element, (element.out_p, element.out_n), (element.cp, element.cn))
        elif isinstance(element, Gyrator):
            a, b, ground = element.a, element.b, np.zeros_like(element.a)
            yield from self._returned(element, (a, ground), (b, ground))
            yield from self._returned(element, (ground, b), (a, element.reference), "_b")
        elif isinstance(element, OneWayCrossbar):
            yield from self._crossbar(element, element.name)
        elif isinstance(element, GyratorCrossbar) and not self._in_one_region(element):
            for half, sign in zip(halves(element), (1.0, -1.0), strict=True):
                yield from self._crossbar(half, element.name, sign)
        elif isinstance(element, Block):
            yield from self._block(element)
        elif isinstance(element, SignedDevice):
            raise CircuitError(
                f"element {element.name!r}: parts between phases have no image; train oscillators with eqprop, which "
                "is exact there"
            )
        elif isinstance(element, TwoTerminal):
            ends = (element.anode, element.cathode)
            yield from self._tangents(element, ends, ends, element.law.leak)
        elif isinstance(element, Cell):
            yield from self._tangents(element, (element.out_p, element.out_n), (element.cp, element.cn))
        else:
            yield from self._copy(element)

    def _copy(self, element: Element) -> Iterator[Element]:
        """Copy parts between two nodes."""
        share, name, node = Share(element.name), f"eq_d_{element.name}", self.node
        if isinstance(element, Conductance | Capacitor | RLMesh):
            yield replace(
                element, name=name, share=share, trainable=False, a=node[element.a], b=node[element.b]
            )
        elif isinstance(element, Amplifier):
            yield replace(element, name=name, source=node[element.source], output=node[element.output])
        else:
            raise CircuitError(
                f"element {element.name!r}: nothing says what {type(element).__name__} is in the image of a doubled "
                "circuit"
            )

    def _block(self, element: Block) -> Iterator[Element]:
        rows, columns = self.node[element.rows], self.node[element.columns]
        turn = -1.0 if isinstance(element, GyratorCrossbar) else 1.0  # what went forth comes back
        yield replace(
            element,
            name=f"eq_d_{element.name}",
            value=turn * element.value,
            share=Share(element.name, turn),
            trainable=False,
            rows=rows,
            columns=columns,
        )

    def _returned(
        self, element: Transconductor | Gyrator, out: Ends, control: Ends, label: str = ""
    ) -> Iterator[Transconductor]:
        """Let transconductances carry back: what left the output leaves the control."""
        for k, o in enumerate(sides(*out, self.scaling)):
            for m, c in enumerate(sides(*control, self.scaling)):
                parts = np.flatnonzero((o.s != 0) & (c.s != 0))
                if parts.size:
                    factor = o.s[parts] / c.s[parts]
                    yield Transconductor(
                        name=f"eq_d{label}{k}{m}_{element.name}",
                        value=factor * element.value[parts],
                        share=Share(element.name, factor, parts),
                        out_p=self.node[c.p[parts]],
                        out_n=self.node[c.n[parts]],
                        cp=self.node[o.p[parts]],
                        cn=self.node[o.n[parts]],
                    )

    def _tangents(
        self, element: TwoTerminal | Cell, out: Ends, control: Ends, leak: float = 0.0
    ) -> Iterator[Tangent]:
        if not isinstance(element.law, SlopeLaw):
            raise CircuitError(
                f"element {element.name!r}: the law {type(element.law).__name__} has no slope_expression, which its "
                "image in a doubled circuit needs; docs/add-a-device.md says what that is"
            )
        for k, o in enumerate(sides(*out, self.scaling)):
            for m, c in enumerate(sides(*control, self.scaling)):
                parts = np.flatnonzero((o.s != 0) & (c.s != 0))
                if not parts.size:
                    continue
                factor = o.s[parts] / c.s[parts]
                up, size = factor > 0, np.abs(factor)
                p, n = self.node[c.p[parts]], self.node[c.n[parts]]
                yield Tangent(
                    name=f"eq_d{k}{m}_{element.name}",
                    value=size * element.value[parts],
                    share=Share(element.name, size, parts),
                    out_p=np.where(up, p, n),
                    out_n=np.where(up, n, p),
                    cp=self.node[o.p[parts]],
                    cn=self.node[o.n[parts]],
                    at_p=control[0][parts],
                    at_n=control[1][parts],
                    law=element.law,
                    leak=leak,
                )

    def _in_one_region(self, element: Block) -> bool:
        """Whether all free nodes of a block have one scaling; gyrators may lead from one to another."""
        s = self.scaling[element.terminals()]
        return np.unique(s[s != 0]).size < 2

    def _crossbar(self, element: OneWayCrossbar, of: str, sign: float = 1.0) -> Iterator[OneWayCrossbar]:
        """Let a one-way crossbar carry back; its values are those of the element `of`, times a sign."""
        rows, columns = element.rows, element.columns
        control, out = (columns, rows) if element.backward else (rows, columns)
        if not self._circuit.is_free[control].any():
            return
        factor = ratios(self.scaling[control], self.scaling[out])
        factor = factor.T if element.backward else factor
        yield replace(
            element,
            name=f"eq_d_{element.name}",
            value=factor * element.value,
            share=Share(of, sign * factor),
            rows=self.node[rows],
            columns=self.node[columns],
            backward=not element.backward,
            trainable=False,
        )
