"""Power of inferences: by layer and class of devices, the largest values that a device sees, and the balance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eqcirc.analysis.flows import Flow, device_class, flows, layer_of
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Block, Element
from eqcirc.errors import DataError
from eqcirc.typing import Array, Parameters

MOST_NUMBERS = 2**21  # of parts times samples, looked at at once: some ten megabytes
QUANTITIES = ("volts", "amperes", "watts")


@dataclass(frozen=True)
class Largest:
    """The largest magnitude that any device of a class sees.

    Attributes:
        value: in volts, amperes or watts.
        element: which element the device is of.
        part: its number in it.
        sample: at which sample.
    """

    value: float
    element: str
    part: int
    sample: int


@dataclass(frozen=True, eq=False)
class ElementPower:
    """What one element takes.

    Attributes:
        element: its name.
        layer: see `flows.layer_of`.
        kind: class of its devices, see `flows.device_class`.
        active: whether it is no two-terminal part or R-L branch, and may deliver power.
        devices: how many.
        watts: (batch,) that all of them take; negative where they deliver.
        largest: by quantity: "volts", "amperes", "watts".
    """

    element: str
    layer: str
    kind: str
    active: bool
    devices: int
    watts: Array
    largest: dict[str, Largest]


@dataclass(frozen=True, eq=False)
class Power:
    """Power at the operating points of some samples.

    Attributes:
        elements: one for each element that carries a current.
        rails: (batch,) watts that the sources of rails deliver, net.
        inputs: (batch,) watts that driven inputs deliver, net.
        samples: (batch,) numbers of the samples.
    """

    elements: tuple[ElementPower, ...]
    rails: Array
    inputs: Array
    samples: np.ndarray

    @property
    def dissipated(self) -> Array:
        """(batch,) watts that two-terminal parts turn into heat."""
        return self._sum(e.watts for e in self.elements if not e.active)

    @property
    def delivered(self) -> Array:
        """(batch,) watts that rails, inputs, amplifiers and other active parts deliver to them."""
        return self._sum([self.rails, self.inputs, *(-e.watts for e in self.elements if e.active)])

    def _sum(self, parts: Iterable[Array]) -> Array:
        return np.asarray(np.sum([np.zeros(len(self.samples)), *parts], axis=0))

    @property
    def imbalance(self) -> float:
        """Largest difference of what is delivered and what is dissipated, in parts of the power of a sample.

        It is 0 but for rounding where Kirchhoff's law holds at all nodes.
        """
        given = [self.rails, self.inputs, *(e.watts for e in self.elements)]
        size = np.max(np.abs(given), axis=0)
        off = np.abs(self.delivered - self.dissipated)
        return float(np.max(off / np.where(size > 0, size, 1.0)))

    @property
    def mean(self) -> float:
        """Watts of an inference, mean over the samples."""
        return float(self.dissipated.mean())

    @property
    def worst(self) -> tuple[float, int]:
        """Watts of the sample that takes most, and its number."""
        k = int(self.dissipated.argmax())
        return float(self.dissipated[k]), int(self.samples[k])

    def by(self, key: str) -> pd.DataFrame:
        """Return a table of mean and largest watts by "layer", "kind" or "element"; sources count as layers and kinds.

        Power that is delivered is negative.
        """
        sums: dict[str, tuple[int, Array]] = {}
        rows = [("inputs", 0, -self.inputs), ("rails", 0, -self.rails)]
        rows += [(str(getattr(e, key)), e.devices, e.watts) for e in self.elements]
        for name, devices, watts in rows:
            before = sums.get(name, (0, np.zeros_like(watts)))
            sums[name] = (before[0] + devices, before[1] + watts)
        table = [
            {
                key: name,
                "devices": devices,
                "mean (W)": float(watts.mean()),
                "largest (W)": float(watts[np.abs(watts).argmax()]),
                "sample": int(self.samples[np.abs(watts).argmax()]),
            }
            for name, (devices, watts) in sums.items()
            if watts.any() or devices
        ]
        return pd.DataFrame(table)

    def largest(self) -> dict[str, dict[str, Largest]]:
        """Return the largest values by class and quantity."""
        found: dict[str, dict[str, Largest]] = {}
        for element in self.elements:
            kind = found.setdefault(element.kind, {})
            for quantity, most in element.largest.items():
                if quantity not in kind or most.value > kind[quantity].value:
                    kind[quantity] = most
        return found


def power(
    circuit: Circuit, parameters: Parameters | None, voltages: Array, samples: np.ndarray | None = None
) -> Power:
    """Return the power at operating points.

    What the supplies of amplifiers and other active parts take beyond what they deliver is not modelled.

    Args:
        circuit: the circuit.
        parameters: values by element name.
        voltages: (batch, node) of samples that converged.
        samples: (batch,) their numbers; counted from 0 by default.

    Raises:
        DataError: no samples.
        CircuitError: a coil without resistance.
    """
    if not len(voltages):
        raise DataError("power: expected at least one sample with an operating point, got none")
    numbers = np.arange(len(voltages)) if samples is None else np.asarray(samples)
    parts = sum(e.value.size for e in circuit.elements)
    step = max(1, MOST_NUMBERS // max(1, parts))
    pieces = [slice(k, k + step) for k in range(0, len(voltages), step)]
    elements: dict[str, ElementPower] = {}
    sources = []
    for piece in pieces:
        found = flows(circuit, parameters, voltages[piece])
        sources.append(found.sources)
        for flow in found.parts:
            if not flow.volts.shape[1]:  # weights that are all zero
                continue
            here = _of(flow, numbers[piece])
            before = elements.get(here.element)
            elements[here.element] = here if before is None else _merged(before, here)
    held = np.concatenate(sources)
    cut = 1 + len(circuit.rails)
    return Power(tuple(elements.values()), held[:, :cut].sum(axis=1), held[:, cut:].sum(axis=1), numbers)


def _active(element: Element) -> bool:
    """Whether an element is more than two-terminal parts; couplings that load no node deliver power, too."""
    return not element.connections()[0].size or (isinstance(element, Block) and not element.passive)


def _of(flow: Flow, samples: np.ndarray) -> ElementPower:
    element, largest = flow.element, {}
    for quantity in QUANTITIES:
        sizes = np.abs(getattr(flow, quantity))
        row, part = np.unravel_index(int(sizes.argmax()), sizes.shape)
        largest[quantity] = Largest(float(sizes[row, part]), element.name, int(part), int(samples[row]))
    devices = flow.volts.shape[1]
    total = flow.watts.sum(axis=1)
    return ElementPower(
        element.name, layer_of(element), device_class(element), _active(element), devices, total, largest
    )


def _merged(one: ElementPower, other: ElementPower) -> ElementPower:
    largest = {q: max(one.largest[q], other.largest[q], key=lambda most: most.value) for q in QUANTITIES}
    watts = np.concatenate([one.watts, other.watts])
    return ElementPower(one.element, one.layer, one.kind, one.active, one.devices, watts, largest)
