"""A circuit with comparators for its probit cells, taken apart for both engines; the law is in `solvers.spiking`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import Amplifier, Cell, CurrentSource, Element, InputCurrent, LinearElement, Probit
from eqcirc.devices.capacitor import Capacitor
from eqcirc.devices.rl_mesh import RLMesh
from eqcirc.errors import CircuitError
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.spiking import Rates, Window
from eqcirc.solvers.status import Evidence, Status
from eqcirc.typing import Array, NodeArray, Parameters


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
    solver: Solver,
    parameters: Parameters | None,
    inputs: Array,
    window: Window,
    nudge: Nudge | None,
    follow: Callable[[Spiking, Array, Array, Nudge | None], Array],
) -> Rates:
    """Return the rates of the samples that have a mean field, or of all that begin at rest; the others are NaN.

    Args:
        solver: of the mean field.
        parameters: values by element name.
        inputs: (batch, n_features).
        window: what is looked at.
        nudge: phases to add.
        follow: an engine's way to follow samples from voltages (batch, node), which returns averages
            (phase, batch, chain, node).

    Raises:
        CircuitError: see `Spiking.of`.
    """
    began, spiking = time.perf_counter(), Spiking.of(solver.circuit)
    inputs = np.atleast_2d(inputs)
    if nudge is not None:
        nudge.check(len(inputs), solver.circuit.readout.n_outputs)
    if window.begin == "rest":
        rest = np.zeros((len(inputs), solver.circuit.n_nodes))
        voltages = follow(spiking, inputs, rest, nudge)
        free = voltages[:1].mean(axis=2)
        seconds = time.perf_counter() - began
        points = OperatingPoints(free, np.full(len(inputs), Status.CONVERGED), seconds=seconds)
        return Rates(voltages, replace(points, evidence=Evidence.REACHED), seconds)
    points = solver.solve(parameters, inputs)
    good = points.converged
    if not good.any():
        phases = 1 if nudge is None else 1 + len(nudge.factors)
        nothing = np.full((phases, len(inputs), window.chains, solver.circuit.n_nodes), np.nan)
        return Rates(nothing, points, time.perf_counter() - began)
    found = follow(spiking, inputs[good], points.free[good], None if nudge is None else nudge.take(good))
    voltages = np.full((len(found), len(good), *found.shape[2:]), np.nan)
    voltages[:, good] = found
    return Rates(voltages, points, time.perf_counter() - began)
