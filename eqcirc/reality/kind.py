"""What all kinds of non-idealities have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import ClassVar, Protocol

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Element, LinearElement, Programming, SignedDevice
from eqcirc.errors import CircuitError
from eqcirc.reality.draws import Draws


class Kind(Protocol):
    """A kind of non-ideality: a frozen dataclass of its figures."""

    name: ClassVar[str]

    def applied(self, circuit: Circuit, draws: Draws) -> Circuit:
        """Return the imperfect circuit.

        Raises:
            CircuitError: the circuit has nothing that is concerned.
        """
        ...


def is_synapse(element: Element) -> bool:
    """Whether an element is programmed: trained conductances, weights and phase couplings, each by its magnitude."""
    linear = isinstance(element, LinearElement) and element.unit == "S"
    return (linear or isinstance(element, SignedDevice)) and element.trainable and element.share is None


def reprogrammed(
    circuit: Circuit, kind: str, change: Callable[[Element, Programming], Programming]
) -> Circuit:
    """Change how the synapses are programmed.

    Raises:
        CircuitError: there are none.
    """

    def changed(element: Element) -> list[Element]:
        if not is_synapse(element):
            return [element]
        before = element.programming or Programming.exact(element.value)
        return [replace(element, programming=change(element, before))]

    concerned(circuit, kind, is_synapse, "trained conductances, weights or couplings")
    return with_elements(circuit, changed)


def concerned(circuit: Circuit, kind: str, which: Callable[[Element], bool], what: str) -> None:
    """Raise `CircuitError` if no element is concerned."""
    if not any(which(element) for element in circuit.elements):
        raise CircuitError(
            f"reality.{kind}: circuit {circuit.name!r} has no {what}, so it would change nothing; leave it out"
        )


def with_elements(circuit: Circuit, change: Callable[[Element], Iterable[Element]]) -> Circuit:
    """Return the circuit with every element replaced by those that `change` makes of it."""
    return replace(circuit, elements=tuple(part for e in circuit.elements for part in change(e)))
