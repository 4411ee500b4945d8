"""A circuit turned around: deviations from an operating point travel backwards through its one-way parts.

At an operating point v⁰ of a circuit with Jacobian J, the turned circuit has the same operating point, and there the
Jacobian s⁻¹·Jᵀ·s, s the scaling of the reciprocal parts. So it answers a small current i with s⁻¹·J⁻ᵀ·s·i: a nudge
with the adjoint voltages, which Asymmetric Equilibrium Propagation learns from.

Reciprocal parts stay as they are. A transconductor that carries k to a is held at what it carries, and its copy carries
back what a deviates by; a cell is held likewise, and two copies carry back their difference:

    gm·v_k at a                 becomes    gm·v_k⁰ at a,           gm·(v_a − v_a⁰) at k
    law(v_k) at a               becomes    law(v_k⁰) at a,         law(v_k⁰ + v_a − v_a⁰) − law(v_k⁰) at k

Held voltages are further inputs of the circuit: hardware samples and holds them at the end of the free phase.

Source: Scurria et al. 2026 (arXiv 2602.03670), whose term −(J − Jᵀ)·(v − v⁰) this is; Director & Rohrer 1969,
"The generalized adjoint network and network sensitivities".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, vstack

from eqcirc.circuit.circuit import Circuit, Inputs
from eqcirc.circuit.scaling import reciprocal_symmetry
from eqcirc.circuit.sides import Ends, halves, ratios, sides
from eqcirc.devices import Cell, Element, Gyrator, GyratorCrossbar, OneWayCrossbar, Share, Transconductor
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray


@dataclass(frozen=True, eq=False)
class Turned:
    """A turned circuit and what it has to be told.

    Attributes:
        circuit: its first nodes are those of the original one, held ones follow.
        held: (held node, node of the original) what they are held at, from the voltages of the free phase.
        scaling: s (node,) of the original's reciprocal parts; zero at held nodes.
    """

    circuit: Circuit
    held: csr_array
    scaling: Array

    @property
    def same(self) -> bool:
        """Whether nothing had to be turned, so that this is the original circuit."""
        return bool(self.held.shape[0] == 0)

    def inputs(self, inputs: Array, free: Array) -> Array:
        """Return samples (batch, n_features + held) for samples of the original and its free phase (batch, node)."""
        return np.concatenate([inputs, np.asarray(free @ self.held.T)], axis=1)

    def begin(self, free: Array) -> Array:
        """Return voltages (batch, node) that the turned circuit is at after the free phase (batch, node)."""
        return np.concatenate([free, np.asarray(free @ self.held.T)], axis=1)


def turned(circuit: Circuit) -> Turned:
    """Turn a circuit around.

    Raises:
        SymmetryError: its reciprocal parts have no scaling: one-way amplifiers, or loops of amplifiers.
        CircuitError: an element that cannot be turned.
    """
    work = _Turning(circuit)
    elements = tuple(part for element in circuit.elements for part in work.turn(element))
    first = circuit.n_nodes
    nodes = np.arange(first, first + work.count)
    old, features = circuit.inputs, circuit.inputs.n_features
    inputs = Inputs(
        np.concatenate([old.node, nodes]),
        np.concatenate([old.feature, features + np.arange(work.count)]),
        np.concatenate([old.gain, np.ones(work.count)]),
        np.concatenate([old.offset, np.zeros(work.count)]),
    )
    names = (*circuit.node_names, *(f"eq_held{k}" for k in range(work.count)))
    whole = replace(
        circuit, name=f"{circuit.name}, turned", node_names=names, inputs=inputs, elements=elements
    )
    return Turned(whole, work.held, work.scaling)


class _Return(NamedTuple):
    """How the deviation at one end of an output comes back: for some parts, times a factor, out where, by what."""

    label: str
    parts: NodeArray
    factor: Array
    out: Ends
    control: Ends


class _Turning:
    """Turns element by element, and collects what has to be held."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit
        self.scaling = reciprocal_symmetry(circuit)
        self.held = csr_array((0, circuit.n_nodes))

    @property
    def count(self) -> int:
        return int(self.held.shape[0])

    def _hold(self, *terms: tuple[float, NodeArray]) -> NodeArray:
        """Return new nodes (part,), held at the sum of factors times free voltages of nodes (part,)."""
        size = len(terms[0][1])
        first = self._circuit.n_nodes + self.count
        more = csr_array((size, self._circuit.n_nodes))
        for factor, nodes in terms:
            entries = (np.full(size, factor), (np.arange(size), nodes))
            more = more + csr_array(entries, shape=more.shape)
        self.held = csr_array(vstack([self.held, more]))
        return np.arange(first, first + size)

    def turn(self, element: Element) -> Iterator[Element]:
        if element.reciprocal or not self._hears(element):
            yield element
        elif isinstance(element, Transconductor):
            yield from self._transconductor(element, (element.out_p, element.out_n), (element.cp, element.cn))
        elif isinstance(element, Gyrator):
            a, b, ground = element.a, element.b, np.zeros_like(element.a)
            yield from self._transconductor(element, (a, ground), (b, ground))
            forth = Share(element.name)
            yield from self._transconductor(element, (ground, b), (a, element.reference), forth)
        elif isinstance(element, OneWayCrossbar):
            yield from self._crossbar(element)
        elif isinstance(element, GyratorCrossbar):
            for half in halves(element):
                if self._hears(half):
                    yield from self._crossbar(half)
                else:
                    yield half
        elif isinstance(element, Cell):
            yield from self._cell(element)
        else:
            raise CircuitError(
                f"element {element.name!r}: {type(element).__name__} is not reciprocal, and nothing says how to turn "
                "it around"
            )

    def _hears(self, element: Element) -> bool:
        """Whether free nodes control a part that is not reciprocal; others are sources."""
        if isinstance(element, OneWayCrossbar):
            control: tuple[NodeArray, ...] = (element.columns if element.backward else element.rows,)
        elif isinstance(element, Transconductor | Cell):
            control = (element.cp, element.cn)
        else:
            return True
        return any(bool(self._circuit.is_free[nodes].any()) for nodes in control)

    def _transconductor(
        self, element: Transconductor | Gyrator, out: Ends, control: Ends, share: Share | None = None
    ) -> Iterator[Transconductor]:
        """Turn transconductances; those that `share` the values of the element are its second half."""
        label, value = "" if share is None else "b_", element.value
        name = element.name if share is None else f"eq_held_{element.name}"
        held = self._hold((1.0, control[0]), (-1.0, control[1]))
        own = element.trainable and share is None
        forth = _gm(name, value, share, out, (held, np.zeros_like(held)), trainable=own)
        yield replace(forth, programming=element.programming)
        for back in self._returns(out, control):
            taken = Share(element.name, back.factor, back.parts)
            size = back.factor * value[back.parts]
            yield _gm(f"eq_back{back.label}_{label}{element.name}", size, taken, back.out, back.control)

    def _cell(self, element: Cell) -> Iterator[Cell]:
        control = (element.cp, element.cn)
        voltage = ((1.0, element.cp), (-1.0, element.cn))
        held = self._hold(*voltage)
        yield replace(element, cp=held, cn=np.zeros_like(held))
        for back in self._returns((element.out_p, element.out_n), control, *voltage):
            (p, n), size, up = back.out, np.abs(back.factor), back.factor > 0
            p, n = np.where(up, p, n), np.where(up, n, p)
            copied = replace(
                element,
                name=f"eq_back{back.label}_{element.name}",
                value=size * element.value[back.parts],
                share=Share(element.name, size, back.parts),
                trainable=False,
                out_p=p,
                out_n=n,
                cp=back.control[0],
                cn=back.control[1],
            )
            yield copied
            there = held[back.parts]
            less = replace(copied, name=f"eq_less{back.label}_{element.name}", out_p=n, out_n=p)
            yield replace(less, cp=there, cn=np.zeros_like(there))

    def _returns(self, out: Ends, control: Ends, *bias: tuple[float, NodeArray]) -> Iterator[_Return]:
        """Say how deviations at the outputs of parts come back to their controls, from a held `bias` on.

        Each end of an output is compared with what it is held at, so that small deviations lose no digits.
        """
        for k, (sign, end) in enumerate(zip((1.0, -1.0), out, strict=True)):
            s_out = self.scaling[end]
            if not s_out.any():
                continue
            reference = self._hold((1.0, end), *((-sign * factor, nodes) for factor, nodes in bias))
            first, second = (end, reference) if sign > 0 else (reference, end)
            for m, side in enumerate(sides(*control, self.scaling)):
                parts = np.flatnonzero((s_out != 0) & (side.s != 0))
                if parts.size:
                    factor = s_out[parts] / side.s[parts]
                    into, by = (side.p[parts], side.n[parts]), (first[parts], second[parts])
                    yield _Return(f"{k}{m}", parts, factor, into, by)

    def _crossbar(self, element: OneWayCrossbar) -> Iterator[OneWayCrossbar]:
        back = element.backward
        control, out = (element.columns, element.rows) if back else (element.rows, element.columns)
        held, reference = self._hold((1.0, control)), self._hold((-1.0, out))
        yield replace(element, columns=held) if back else replace(element, rows=held)
        factor = ratios(self.scaling[control], self.scaling[out])
        factor = factor.T if back else factor
        share, value = Share(element.name, factor), factor * element.value
        copied = replace(element, value=value, share=share, backward=not back, trainable=False)
        yield replace(copied, name=f"eq_back_{element.name}")
        less = replace(copied, name=f"eq_less_{element.name}")
        yield replace(less, rows=reference) if back else replace(less, columns=reference)


def _gm(
    name: str, value: Array, share: Share | None, out: Ends, control: Ends, *, trainable: bool = False
) -> Transconductor:
    (p, n), (cp, cn) = out, control
    return Transconductor(
        name=name, value=value, share=share, trainable=trainable, out_p=p, out_n=n, cp=cp, cn=cn
    )
