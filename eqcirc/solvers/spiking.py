"""The contract of spikes: a circuit whose probit cells are comparators with noise, and averages over what they do.

Every comparator compares its control with a normal voltage that is drawn anew each `period`, and drives the current of
its decision meanwhile (`devices.probit`): it fires with the probability Φ(v/σ) that the probit law has as its mean. A
capacitor at the nodes that comparators drive makes rates of decisions: they forget within `memory` periods. The circuit
itself is the mean field of that spiking one. With so few as N = memory decisions in a rate, the sums fluctuate, and
averages are off the mean field by a part that falls with 1/N, since the law bends.

Source: Lin, Jiang & Sengupta 2025 (arXiv 2511.11320), spiking units whose mean field has an energy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Amplifier, Cell, CurrentSource, Element, InputCurrent, LinearElement, Probit
from eqcirc.devices.capacitor import Capacitor
from eqcirc.devices.rl_mesh import RLMesh
from eqcirc.errors import CircuitError, ConfigError, whole_number
from eqcirc.typing import Array, NodeArray

if TYPE_CHECKING:
    from eqcirc.solvers.base import Nudge, OperatingPoints


@dataclass(frozen=True)
class Window:
    """How the comparators decide, and how long they are looked at.

    Attributes:
        decisions: of every comparator that are averaged.
        memory: time constant of the rates, in decisions.
        settle: time constants that pass before; rates begin at the mean field.
        chains: independent courses of each sample; errors are told from how far they are apart.
        common: whether all phases of a chain get the same noise, so that it cancels in their contrast.
        period: seconds from one decision to the next.
        seed: of the noise.
    """

    decisions: int = 500
    memory: float = 20.0
    settle: float = 5.0
    chains: int = 1
    common: bool = True
    period: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        whole_number("window: decisions", self.decisions)
        whole_number("window: chains", self.chains)
        for name, unit in (("memory", "decisions"), ("settle", "time constants"), ("period", "seconds")):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and np.isfinite(value) and value > 0):
                raise ConfigError(f"window: {name} = {value!r}: expected a positive, finite number of {unit}")

    @property
    def before(self) -> int:
        """Decisions before the window."""
        return int(np.ceil(self.settle * self.memory))


@dataclass(frozen=True, eq=False)
class Rates:
    """What rates were, on average over the window.

    Attributes:
        voltages: (phase, batch, chain, node) in volts; phase 0 is free. NaN for samples that have no mean field.
        points: operating points of the mean field, the free phase, where all chains began.
        seconds: wall time.
    """

    voltages: Array
    points: OperatingPoints
    seconds: float = 0.0

    @property
    def mean(self) -> Array:
        """Averages (phase, batch, node) over the chains, too."""
        return np.asarray(self.voltages.mean(axis=2))

    def __repr__(self) -> str:
        """Say how much there is."""
        phases, samples, chains, _ = self.voltages.shape
        return f"Rates({samples} samples, {phases} phases, {chains} chains)"


@dataclass(frozen=True, eq=False)
class Spiking:
    """A circuit taken apart into comparators and what is between them.

    Attributes:
        circuit: the mean field.
        quiet: the circuit without its cells.
        cells: the cells.
        rated: (n,) nodes that cells drive, which get capacitors.
    """

    circuit: Circuit
    quiet: Circuit
    cells: tuple[Cell, ...]
    rated: NodeArray

    @classmethod
    def of(cls, circuit: Circuit) -> Spiking:
        """Take a circuit apart.

        Raises:
            CircuitError: it has no probit cells, or parts that are neither these nor linear and without memory.
        """
        cells = tuple(e for e in circuit.elements if isinstance(e, Cell))
        others = tuple(e for e in circuit.elements if not isinstance(e, Cell))
        if not cells:
            raise CircuitError(
                f"spikes of {circuit.name!r}: it has no cells; a comparator with noise is a probit cell on average "
                '(network.cells.law = "probit")'
            )
        for element in (*cells, *others):
            if not (_plain(element) if element not in cells else isinstance(element.law, Probit)):
                raise CircuitError(
                    f"spikes of {circuit.name!r}: element {element.name!r} is neither a probit cell nor a linear part "
                    "without memory; rates have capacitors of their own"
                )
        ends = np.concatenate([np.concatenate([cell.out_p, cell.out_n]) for cell in cells])
        rated = np.unique(ends[circuit.is_free[ends]])
        return cls(circuit, replace(circuit, elements=others), cells, rated)


def _plain(element: Element) -> bool:
    """Whether an element is linear and stores nothing."""
    linear = isinstance(element, LinearElement | CurrentSource | InputCurrent)
    return linear and not isinstance(element, Amplifier | Capacitor | RLMesh)


def rates(
    points: OperatingPoints, nudge: Nudge | None, follow: Callable[[np.ndarray, Nudge | None], Array]
) -> Rates:
    """Return the rates of the samples that have a mean field; the others are NaN.

    Args:
        points: of the mean field's free phase.
        nudge: phases to add.
        follow: an engine's way to follow some samples (a mask), which returns averages (phase, some, chain, node).

    Raises:
        SolverError: no sample has a mean field.
    """
    began, good = time.perf_counter(), points.converged
    if not good.any():
        points.require()
    found = follow(good, None if nudge is None else nudge.take(good))
    voltages = np.full((len(found), len(good), *found.shape[2:]), np.nan)
    voltages[:, good] = found
    return Rates(voltages, points, points.seconds + time.perf_counter() - began)
