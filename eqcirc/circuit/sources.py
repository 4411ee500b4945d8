"""Ideal sources while a circuit is being built: which nodes they hold, and at what.

Every source holds its node at offset + gain·feature volts; a rail has no feature, ground neither offset.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Inputs
from eqcirc.devices import Amplifier, Element
from eqcirc.devices.rail import Rail
from eqcirc.errors import CircuitError
from eqcirc.typing import NodeArray


@dataclass(frozen=True)
class _Source:
    offset: float = 0.0
    gain: float = 0.0
    feature: int | None = None


class Sources:
    """Held nodes, in the order in which they were added."""

    def __init__(self) -> None:
        """Start with ground alone."""
        self._at = {0: _Source()}

    def rail(self, name: str, node: int, volts: float) -> None:
        """Hold a node at a constant voltage; `CircuitError` with the name if it is out of range."""
        Rail(node, volts).check(name)
        self._at[node] = _Source(volts)

    def input(self, node: int, feature: int, gain: float, offset: float) -> None:
        """Hold a node at gain·feature + offset volts."""
        self._at[node] = _Source(offset, gain, feature)

    @property
    def rails(self) -> tuple[Rail, ...]:
        """The constant ones, without ground."""
        return tuple(Rail(n, s.offset) for n, s in self._at.items() if s.feature is None and n)

    @property
    def inputs(self) -> Inputs:
        """Those that samples drive."""
        driven = [(n, s.feature, s.gain, s.offset) for n, s in self._at.items() if s.feature is not None]
        node, feature, gain, offset = ([entry[k] for entry in driven] for k in range(4))
        return Inputs(
            np.array(node, np.intp),
            np.array(feature, np.intp),
            np.array(gain, float),
            np.array(offset, float),
        )

    def amplified(self, elements: Iterable[Element], names: list[str]) -> tuple[Sources, list[Element]]:
        """Let amplifiers whose input is held be sources: return all sources, and the elements that are left.

        Raises:
            CircuitError: an amplifier drives a node that is held already, or to more volts than rails may have.
        """
        sources = Sources()
        sources._at |= self._at
        left, before = list(elements), 0
        while len(sources._at) > before:  # an amplifier may hold the input of another one
            before = len(sources._at)
            left = [part for element in left for part in sources._take(element, names)]
        return sources, left

    def _take(self, element: Element, names: list[str]) -> list[Element]:
        """Return what is left of an element when amplifiers with held inputs have become sources."""
        if not isinstance(element, Amplifier) or not (held := self._holds(element.source)).any():
            return [element]
        self._amplify(element, held, names)
        if held.all():
            return []
        free = {"source": element.source[~held], "output": element.output[~held]}
        return [replace(element, value=element.value[~held], **free)]

    def _holds(self, nodes: NodeArray) -> np.ndarray:
        return np.array([node in self._at for node in nodes.tolist()], bool)

    def _amplify(self, amplifier: Amplifier, held: np.ndarray, names: list[str]) -> None:
        for a, b in zip(amplifier.source[held].tolist(), amplifier.output[held].tolist(), strict=True):
            if b in self._at:
                raise CircuitError(
                    f"amplifier {amplifier.name!r}: node {names[b]!r} is already held by a rail, an input or another "
                    "amplifier: a short"
                )
            source = self._at[a]
            offset, gain = amplifier.gain * source.offset, amplifier.gain * source.gain
            if source.feature is None:
                self.rail(names[b], b, offset)
            else:
                self.input(b, source.feature, gain, offset)
