"""The circuit: nodes, elements, driven inputs, rails and readout.

A circuit is immutable; training makes new values, not new circuits. Nodes are numbers. Node 0 is ground. A
node is *fixed* when an ideal source holds it (ground, rails, driven inputs) and *free* otherwise; Kirchhoff's
current law holds at the free ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from eqcirc.circuit.readout import Readout
from eqcirc.devices import Element, Gyrator, GyratorCrossbar, Programming, Share
from eqcirc.devices.rail import Rail
from eqcirc.errors import CircuitError, DataError, nearest
from eqcirc.typing import Array, NodeArray, Parameters


@dataclass(frozen=True, eq=False)
class Inputs:
    """Driven nodes: node k is held at gain[k] volts times feature[k] of the sample, plus offset[k].

    Attributes:
        node: (n,) driven nodes.
        feature: (n,) which feature of a sample drives each node (doubled inputs use one feature twice).
        gain: (n,) volts for a feature of one.
        offset: (n,) volts for a feature of zero.
    """

    node: NodeArray
    feature: NodeArray
    gain: Array
    offset: Array

    @property
    def n_features(self) -> int:
        """Number of features a sample must have."""
        return int(self.feature.max()) + 1 if self.feature.size else 0


@dataclass(frozen=True, eq=False)
class Circuit:
    """An analog circuit, made by `CircuitBuilder` or `layered`.

    Attributes:
        name: title, used in netlists and run directories.
        node_names: SPICE name of every node; node 0 is ground, "0".
        rails: nodes at constant voltage.
        inputs: nodes driven by the sample.
        elements: groups of parts, in the order they were added.
        readout: the outputs.
    """

    name: str
    node_names: tuple[str, ...]
    rails: tuple[Rail, ...]
    inputs: Inputs
    elements: tuple[Element, ...]
    readout: Readout

    @property
    def n_nodes(self) -> int:
        """Number of nodes, ground included."""
        return len(self.node_names)

    @cached_property
    def fixed_nodes(self) -> NodeArray:
        """Nodes held by ideal sources: ground, rails, inputs, in this order."""
        rails = [rail.node for rail in self.rails]
        return np.concatenate([np.array([0, *rails], np.intp), self.inputs.node])

    @cached_property
    def is_free(self) -> np.ndarray:
        """(node,) true where Kirchhoff's current law decides the voltage."""
        free = np.ones(self.n_nodes, bool)
        free[self.fixed_nodes] = False
        return free

    @cached_property
    def free_nodes(self) -> NodeArray:
        """Nodes whose voltage is solved for, in order."""
        return np.flatnonzero(self.is_free)

    def __repr__(self) -> str:
        """Say what the circuit has; the parts are in the attributes."""
        features, outputs = self.inputs.n_features, self.readout.n_outputs
        trained = ", ".join(f"{e.name} {e.value.size}" for e in self.trainable) or "none"
        return (
            f"Circuit({self.name!r}: {features} features, {len(self.free_nodes)} free nodes, {outputs} outputs; "
            f"trained values: {trained})"
        )

    def like(self, other: Circuit) -> bool:
        """Whether another circuit has the same nodes and elements, whatever the values of those that are trained."""
        if self is other:
            return True

        def kind(e: Element) -> tuple[object, ...]:
            programming = None if e.programming is None else e.programming.key
            return e.name, type(e), e.trainable, e.value.shape, getattr(e, "law", None), e.bounds, programming

        mine, theirs = ([kind(e) for e in c.elements] for c in (self, other))
        return (
            (self.node_names, self.rails, mine) == (other.node_names, other.rails, theirs)
            and np.array_equal(self.fixed_nodes, other.fixed_nodes)
            and np.array_equal(self.inputs.gain, other.inputs.gain)
            and np.array_equal(self.readout.nodes, other.readout.nodes)
            and all(
                a.trainable or a.share or np.array_equal(a.value, b.value)
                for a, b in zip(self.elements, other.elements, strict=True)
            )
        )

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the initial values of the trainable elements, by name."""
        return {e.name: e.value.copy() for e in self.elements if e.trainable}

    @cached_property
    def trainable(self) -> tuple[Element, ...]:
        """The trainable elements."""
        return tuple(e for e in self.elements if e.trainable)

    @cached_property
    def scaling_varies(self) -> bool:
        """Whether the scaling s (see `circuit.scaling`) depends on values.

        Gyrators have s_b = −s_a whatever their values, unless something can cancel one of their two directions: a
        transconductor, a gyrator the other way round, or the voltage of a free reference.
        """
        active = [e for e in self.elements if not e.reciprocal]
        gyrators = [e for e in active if isinstance(e, Gyrator)]
        crossbars = [e for e in active if isinstance(e, GyratorCrossbar)]
        ports = {ab for e in gyrators for ab in zip(e.a.tolist(), e.b.tolist(), strict=True)}
        ports |= {(r, c) for e in crossbars for r in e.rows.tolist() for c in e.columns.tolist()}
        return (
            len(gyrators) + len(crossbars) < len(active)
            or any((b, a) in ports for a, b in ports)
            or any(self.is_free[e.reference].any() for e in gyrators)
        )

    def element(self, name: str) -> Element:
        """Return an element by name; raises `CircuitError` with the nearest name otherwise."""
        for element in self.elements:
            if element.name == name:
                return element
        raise CircuitError(
            f"no element {name!r} in circuit {self.name!r}: {nearest(name, [e.name for e in self.elements])}"
        )

    def given(self, parameters: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """Return values by element name as arrays, one number for a whole element repeated.

        Raises:
            CircuitError: an unknown element, or unusable values.
        """
        found: dict[str, Array] = {}
        for name, value in parameters.items():
            element = self.element(name)
            try:
                array = np.asarray(value, np.float64)
            except (TypeError, ValueError) as error:
                raise CircuitError(f"element {name!r}: expected numbers, got {value!r}") from error
            found[name] = np.full(element.value.shape, array) if array.ndim == 0 else array
            element.check(found[name])
        return found

    def check(self, parameters: Parameters) -> None:
        """Raise `CircuitError` if `parameters` names an unknown element or holds unusable values."""
        for name, value in parameters.items():
            self.element(name).check(value)

    def values(self, parameters: Parameters | None = None) -> Mapping[str, Array]:
        """Return the values that all elements have, `parameters` (what is asked for) taking precedence."""
        values = {e.name: e.value for e in self.elements} | self.given(parameters or {})
        for name, programming in self._programmed:
            values[name] = programming.values(values[name])
        for element, share in self._sharing:
            values[element.name] = np.asarray(share.factor * values[share.name][share.parts])
        return values

    def chained(self, gradient: Mapping[str, Array], parameters: Parameters | None) -> dict[str, Array]:
        """Return dC/d(what is asked for), by element name, given dC/d(the values that are there) at `parameters`."""
        if not self._programmed:
            return dict(gradient)
        asked = {e.name: e.value for e in self.elements} | self.given(parameters or {})
        rates = {name: programming.rates(asked[name]) for name, programming in self._programmed}
        return {name: rates[name] * part if name in rates else part for name, part in gradient.items()}

    def summed(self, rate: Callable[[Element], Array]) -> dict[str, Array]:
        """Return the rate of a quantity with the values of every trainable element, by name, given that of one element.

        Elements that share its values (`Element.share`) count with it.
        """
        total = {e.name: rate(e) for e in self.trainable}
        for element, share in self._sharing:
            if share.name in total:
                part = np.zeros_like(total[share.name])
                np.add.at(part, np.arange(len(part))[share.parts], share.factor * rate(element))
                total[share.name] = total[share.name] + part
        return total

    @cached_property
    def _programmed(self) -> list[tuple[str, Programming]]:
        """Programming by element name; what takes the values of another element takes those that are there."""
        return [
            (e.name, e.programming) for e in self.elements if e.programming is not None and e.share is None
        ]

    @cached_property
    def _sharing(self) -> list[tuple[Element, Share]]:
        return [(e, e.share) for e in self.elements if e.share is not None]

    def resistors(self, parameters: Parameters | None = None) -> Array:
        """Return the conductance (n,) of every programmable resistor: how many there are, and their sum, is the area.

        Those within R-L branches, amplifiers and gyrators are not counted, nor are ideal signed couplings.
        """
        values = self.values(parameters)
        return np.concatenate([np.empty(0), *(e.resistors(values[e.name]) for e in self.elements)])

    def fixed_voltages(self, inputs: Array) -> Array:
        """Return voltages (batch, fixed node) for samples (batch, n_features).

        Raises:
            DataError: no samples, wrong number of features, or a value that is not finite.
        """
        inputs = np.atleast_2d(np.asarray(inputs, np.float64))
        if inputs.ndim != 2 or inputs.shape[1] != self.inputs.n_features:
            raise DataError(
                f"circuit {self.name!r}: expected samples of {self.inputs.n_features} features, got an array "
                f"of shape {inputs.shape}"
            )
        if not len(inputs):
            raise DataError(f"circuit {self.name!r}: expected at least one sample, got no samples")
        if not np.isfinite(inputs).all():
            row, column = np.argwhere(~np.isfinite(inputs))[0]
            raise DataError(
                f"sample {row}, feature {column} is {inputs[row, column]}; expected finite numbers"
            )
        held = np.array([0.0, *(rail.voltage for rail in self.rails)])
        driven = inputs[:, self.inputs.feature] * self.inputs.gain + self.inputs.offset
        return np.concatenate([np.broadcast_to(held, (len(inputs), len(held))), driven], axis=1)
