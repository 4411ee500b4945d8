"""What every part of a circuit offers to the solvers, the learning rules and the netlist writers.

Sign convention: Kirchhoff's current law is written as F(v) = 0 with F the current *leaving* a node.
An element is a *group* of equal parts (a crossbar, the diodes of a layer) under one name, because a group
is what gets vectorised, trained at one rate, and reported.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import numpy as np

from eqcirc.devices.programming import Programming
from eqcirc.errors import CircuitError
from eqcirc.typing import Array, NodeArray

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    L = TypeVar("L", bound=DataclassInstance)


class Bounds(NamedTuple):
    """Closed interval that a trained value is projected to, in the element's unit."""

    lower: float
    upper: float


UNBOUNDED = Bounds(-np.inf, np.inf)


class Share(NamedTuple):
    """Where an element takes its values from, if they are not its own: parts of another one, times a factor."""

    name: str
    factor: Array | float = 1.0
    parts: NodeArray | slice = slice(None)


class Branches(NamedTuple):
    """Controlled sources (m,), of which every linear part consists: value·(v_cp − v_cn) leaves `out_p`, enters `out_n`.

    A resistor is controlled by its own two nodes. Currents are made out of differences of voltages, so that what leaves
    one node enters another to the last bit, however little the two differ.
    """

    out_p: NodeArray
    out_n: NodeArray
    cp: NodeArray
    cn: NodeArray
    value: Array

    @property
    def entries(self) -> tuple[NodeArray, NodeArray, Array]:
        """Rows, columns and values of the matrix that makes currents leaving nodes out of voltages."""
        out_p, out_n, cp, cn, value = self
        return (
            np.concatenate([out_p, out_p, out_n, out_n]),
            np.concatenate([cp, cn, cp, cn]),
            np.concatenate([value, -value, -value, value]),
        )


def two_terminal(a: NodeArray, b: NodeArray, value: Array) -> Branches:
    """Return parts between nodes a and b, controlled by their own voltage."""
    return Branches(a, b, a, b, value)


def joined(parts: Sequence[Branches]) -> Branches:
    """Return the controlled sources of several elements as one group."""
    none = np.empty(0, np.intp)
    return Branches(
        np.concatenate([none, *(part.out_p for part in parts)]),
        np.concatenate([none, *(part.out_n for part in parts)]),
        np.concatenate([none, *(part.cp for part in parts)]),
        np.concatenate([none, *(part.cn for part in parts)]),
        np.concatenate([np.empty(0), *(part.value for part in parts)]),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class Element(ABC):
    """A named group of parts.

    Attributes:
        name: lower-case identifier, unique in the circuit; the key of its values in `Parameters`.
        value: present values in the element's unit (conductance, current, area, ...).
        trainable: whether learning may change the values.
        bounds: interval that trained values are kept in.
        share: element whose values it has; None for values of its own.
        programming: how values that are asked for become those that are there; None for exactly.
    """

    name: str
    value: Array
    trainable: bool = False
    bounds: Bounds = UNBOUNDED
    share: Share | None = None
    programming: Programming | None = None

    unit = "1"  # of the values; areas and gains are pure numbers
    reciprocal = True  # whether it adds to F the gradient of a co-content; transconductors do not

    @property
    def passive(self) -> bool:
        """Whether it can only take power, or gives what it has stored; amplifiers count by what they scale."""
        return self.reciprocal

    @abstractmethod
    def terminals(self) -> NodeArray:
        """Return all nodes that the element touches."""

    @abstractmethod
    def connections(self) -> tuple[NodeArray, NodeArray]:
        """Return pairs of nodes joined by a reciprocal two-terminal part (for walks over the graph)."""

    def mutual(self) -> tuple[NodeArray, NodeArray]:
        """Return pairs of nodes that the element couples reciprocally without joining them; none for most."""
        return np.empty(0, np.intp), np.empty(0, np.intp)

    @abstractmethod
    def sensitivity(self, value: Array, lam: Array, v: Array) -> Array:
        """Return the sum over the batch of lam·dF/dvalue at `value` and voltages v.

        With lam the solution of the adjoint system this is the exact gradient of a cost; with
        lam = s·(v₊ − v₋)/(2 beta) it is the Equilibrium Propagation estimate.

        Args:
            value: present values.
            lam: (batch, node) adjoint voltages; zero at nodes held by ideal sources.
            v: (batch, node) node voltages in volts.
        """

    def contrast(self, value: Array, scaling: Array, plus: Array, minus: Array) -> Array:
        """Return the sum over the batch of dE/dvalue at voltages `plus` less that at `minus`, E the signed co-content.

        For parts whose co-content is quadratic in the voltages this is their sensitivity at the mean, exactly.

        Args:
            value: present values.
            scaling: s (node,) of `circuit.scaling`; zero at nodes held by ideal sources. Or (batch, node): s times
                what each sample counts.
            plus: (batch, node) node voltages of one phase, in volts.
            minus: (batch, node) of the other.
        """
        return self.sensitivity(value, scaling * (plus - minus), 0.5 * (plus + minus))

    @abstractmethod
    def cards(self, value: Array, node: Sequence[str]) -> list[str]:
        """Return SPICE lines for the whole group; `node` maps node index to SPICE node name."""

    def resistors(self, value: Array) -> Array:
        """Return the conductance (n,) of every programmable resistor that the group is made of; none by default."""
        return np.empty(0)

    def noisy(self, value: Array) -> Branches:
        """Return the resistors that the group makes Johnson noise with; none by default."""
        del value
        return joined([])

    def check(self, value: Array) -> None:
        """Raise `CircuitError` if `value` is not usable for this element."""
        if value.shape != self.value.shape:
            raise CircuitError(
                f"element {self.name!r}: expected values of shape {self.value.shape}, got {value.shape}"
            )
        if not np.isfinite(value).all():
            bad = first(~np.isfinite(value), value)
            raise CircuitError(f"element {self.name!r}: value {bad} is not finite")


class LinearElement(Element):
    """An element whose currents are linear in the node voltages."""

    @abstractmethod
    def branches(self, value: Array) -> Branches:
        """Return its parts as controlled sources; which nodes they join does not depend on the values."""


class Law(Protocol):
    """Current-voltage law of a two-terminal device; v is anode minus cathode, in volts."""

    @property
    def steepest_fall(self) -> float:
        """Upper bound of −di/dv, in siemens; 0 for a passive law, whose current never falls."""
        ...

    @property
    def blocks(self) -> bool:
        """Whether there are voltages over which the current is constant, so that it holds no node there."""
        ...

    @property
    def leak(self) -> float:
        """Conductance in siemens that the simulator puts beside every device, whatever its area; mostly 0."""
        ...

    def evaluate(self, v: Array) -> tuple[Array, Array]:
        """Return current (A) and slope (S) of an area of one, without the leak."""
        ...

    def cocontent(self, v: Array) -> Array:
        """Return the integral of that current from 0 to v, in watts."""
        ...

    def limit(self, new: Array, old: Array) -> Array:
        """Return the voltage at which to linearise, given Newton's proposal and the last one."""
        ...

    def scaled(self, voltage: float, current: float) -> Law:
        """Return the law as seen through an ideal amplifier: i' = current·i(v'/voltage)."""
        ...

    def model(self, name: str) -> list[str]:
        """Return the SPICE model lines that `card` refers to, if any."""
        ...

    def card(self, name: str, anode: str, cathode: str, model: str, area: float) -> str:
        """Return one SPICE line."""
        ...


def unchecked(kind: type[L], *values: object) -> L:
    """Return a law with those fields, whatever the range: `Law.scaled` leaves the range that users choose from."""
    law = object.__new__(kind)
    for field, value in zip(fields(kind), values, strict=True):
        object.__setattr__(law, field.name, value)
    return law


def first(bad: np.ndarray, value: Array) -> str:
    """Describe the first offending entry, e.g. ``[2, 0] = -1e-06`` (and how many more)."""
    where = np.argwhere(np.atleast_1d(bad))
    index = tuple(int(i) for i in where[0])
    more = f" (and {len(where) - 1} more)" if len(where) > 1 else ""
    return f"{list(index)} = {np.atleast_1d(value)[index]:g}{more}"


def number(x: float) -> str:
    """Format a number for a netlist: shortest text that reads back to the same double."""
    return repr(float(x))


def figure(x: float) -> str:
    """Format a number for a comment: all its digits, and 10 for 10.0."""
    return number(x).removesuffix(".0")


def in_range(name: str, what: str, value: float, lower: float, upper: float, unit: str) -> None:
    """Raise `CircuitError` unless it is a number and lower <= value <= upper (NaN never is)."""
    number_given = isinstance(value, Real | np.ndarray)
    if not (number_given and lower <= value <= upper):
        got = f"{value:g}" if number_given else repr(value)
        raise CircuitError(
            f"{name}: {what} must be between {lower:g} and {upper:g} {unit}".rstrip() + f", got {got}"
        )
