"""The diagonal scaling s that makes a circuit's Jacobian symmetric, found by walking the graph.

Equilibrium Propagation gives the exact gradient when diag(s)·J is symmetric, J = dF/dv. Every node gets two
factors: a (voltage) and c (current). In the scaled quantities a·v and c·i a circuit with amplifiers is a
passive circuit, and s = a·c:

    two-terminal part between a and b     a_b = a_a,        c_b = c_a          so s_b = s_a
    amplifier A, kappa from a to b        a_b = a_a/A,      c_b = c_a·kappa    so s_b = s_a·kappa/A
    pair of transconductors a, b          a_b = a_a,        c_b = c_a·J_ab/J_ba

Both are 1 at the first output of each connected part. A loop that asks for two different values at one node
has no such scaling, nor has a lone transconductor.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.validate import components
from eqcirc.devices import Amplifier, Cell, LinearElement, Tangent
from eqcirc.errors import SymmetryError
from eqcirc.typing import Array, NodeArray, Parameters

NEXT_TO_NOTHING = 1e-30  # S
ONE_WAY = 1e-15  # of what goes forth: what comes back of it is rounding, or a trained value that is 0
TOLERANCE = 1e-9  # relative; two walks to one node round differently
OTHER_RULES = (
    "so Equilibrium Propagation does not apply; train with a rule for circuits that are not reciprocal (AsymEP, "
    "Dyadic EP)"
)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Factors (node,) of voltages and currents; zero at nodes held by sources."""

    voltage: Array
    current: Array

    @property
    def symmetric(self) -> Array:
        """S = a·c, shape (node,): diag(s)·J is symmetric."""
        return self.voltage * self.current


class _Step(NamedTuple):
    """From one region of the circuit to another: factors gained, and which element asks for it."""

    start: int
    end: int
    voltage: float
    current: float
    element: str


def symmetry(circuit: Circuit, parameters: Parameters | None = None) -> Array:
    """Return s (node,), one at the first output, zero at held nodes.

    Raises:
        SymmetryError: no scaling exists; names the element and node that rule it out.
    """
    region = _regions(circuit)
    _refuse_one_way(circuit)
    _refuse_cells(circuit)
    steps = [*_amplifier_steps(circuit, region), *_transconductor_steps(circuit, region, parameters)]
    return _consistent(circuit, region, steps)


def reciprocal_symmetry(circuit: Circuit) -> Array:
    """Return s (node,) of the circuit without its transconductors and cells, for rules that treat those apart.

    Raises:
        SymmetryError: amplifiers rule it out; names the element.
    """
    region = _regions(circuit)
    _refuse_one_way(circuit)
    return _consistent(circuit, region, list(_amplifier_steps(circuit, region)))


def _consistent(circuit: Circuit, region: np.ndarray, steps: list[_Step]) -> Array:
    """Return s (node,) that all steps ask for."""
    s = _walk(circuit, region, steps).symmetric
    for step in steps:
        here, there = (s[np.flatnonzero(region == r)[0]] for r in (step.start, step.end))
        wanted = here * step.voltage * step.current
        if abs(there - wanted) > TOLERANCE * abs(wanted):
            node = circuit.node_names[np.flatnonzero(region == step.end)[0]]
            raise SymmetryError(
                f"{step.element} closes a loop that asks for two scalings at node {node!r} (s = {there:g} and "
                f"{wanted:g})",
                ", so Equilibrium Propagation does not give the gradient; remove the loop, or use ideal transformers "
                "(kappa = gain) in it",
            )
    return s


def symmetry_or_none(circuit: Circuit, parameters: Parameters | None = None) -> Array | None:
    """Return `symmetry`, or None if no scaling exists."""
    try:
        return symmetry(circuit, parameters)
    except SymmetryError:
        return None


def amplifier_scaling(circuit: Circuit) -> Scaling:
    """Return the factors that amplifiers alone ask for; in a loop the first walk wins."""
    region = _regions(circuit)
    return _walk(circuit, region, list(_amplifier_steps(circuit, region)))


def _regions(circuit: Circuit) -> np.ndarray:
    """Label (node,) the parts of the circuit joined by two-terminal parts; -1 at held nodes."""
    pairs = []
    for element in circuit.elements:
        for a, b in (element.connections(), element.mutual()):
            free = circuit.is_free[a] & circuit.is_free[b]
            pairs.append((a[free], b[free]))
    return np.where(circuit.is_free, components(circuit, pairs), -1)


def _refuse_one_way(circuit: Circuit) -> None:
    """Raise `SymmetryError` for amplifiers that draw no current."""
    for amplifier in (e for e in circuit.elements if isinstance(e, Amplifier) and e.current_gain == 0):
        a, b = (circuit.node_names[nodes[0]] for nodes in (amplifier.source, amplifier.output))
        raise SymmetryError(
            f"amplifier {amplifier.name!r} carries {a!r} to {b!r} and draws no current for it (kappa = 0), so nothing "
            "is carried back",
            ": no scaling makes the circuit symmetric, so Equilibrium Propagation does not apply, and nothing says how "
            "to turn such an amplifier around; let it be bidirectional (kappa = 1/gain), or use a transconductor with "
            "a load",
        )


def _refuse_cells(circuit: Circuit) -> None:
    """Raise `SymmetryError` for cells, or tangents, that carry one free node to another."""
    for cell in (e for e in circuit.elements if isinstance(e, Cell | Tangent)):
        for control in (cell.cp, cell.cn):
            for out in (cell.out_p, cell.out_n):
                carries = np.flatnonzero(circuit.is_free[control] & circuit.is_free[out])
                if carries.size:
                    a, b = (circuit.node_names[nodes[carries[0]]] for nodes in (control, out))
                    raise SymmetryError(
                        f"cell {cell.name!r} carries {a!r} to {b!r} one way",
                        f": no scaling makes the circuit symmetric, {OTHER_RULES}",
                    )


def _amplifier_steps(circuit: Circuit, region: np.ndarray) -> Iterator[_Step]:
    for amplifier in (e for e in circuit.elements if isinstance(e, Amplifier)):
        ends = np.unique(np.stack([region[amplifier.source], region[amplifier.output]], axis=1), axis=0)
        # behind a one-way amplifier currents have a unit of their own: that of a passive region will do
        back = amplifier.current_gain or 1 / amplifier.gain
        for start, end in ends.tolist():
            yield _Step(start, end, 1 / amplifier.gain, back, f"amplifier {amplifier.name!r}")


def _transconductor_steps(
    circuit: Circuit, region: np.ndarray, parameters: Parameters | None
) -> Iterator[_Step]:
    """Pair up the transconductors between free nodes, those of gyrators too; refuse the lone one."""
    values = circuit.values(parameters)
    elements = [e for e in circuit.elements if isinstance(e, LinearElement) and not e.reciprocal]
    entries = [
        _between(circuit, *element.branches(_present(element, values[element.name])).entries)
        for element in elements
    ]
    total = _Sum(circuit.n_nodes, entries)
    for element, (a, b, _) in zip(elements, entries, strict=True):
        name = f"{type(element).__name__.lower()} {element.name!r}"
        forward, back = total.at(a, b), total.at(b, a)
        lone = np.flatnonzero((np.abs(back) <= ONE_WAY * np.abs(forward)) & (forward != 0))
        if lone.size:
            start, end = (circuit.node_names[nodes[lone[0]]] for nodes in (b, a))
            raise SymmetryError(
                f"{name} carries {start!r} to {end!r} and nothing carries it back",
                f": no scaling makes the circuit symmetric, {OTHER_RULES}",
            )
        carries = forward != 0  # else two transconductors cancel
        joined = (region[a[carries]], region[b[carries]], forward[carries] / back[carries])
        for start, end, factor in zip(*(column.tolist() for column in joined), strict=True):
            yield _Step(start, end, 1.0, factor, name)


def _between(
    circuit: Circuit, row: NodeArray, column: NodeArray, value: Array
) -> tuple[NodeArray, NodeArray, Array]:
    """Pick the entries between two free nodes."""
    picked = circuit.is_free[row] & circuit.is_free[column] & (row != column) & (value != 0)
    return row[picked], column[picked], value[picked]


class _Sum:
    """Entries of a sparse matrix, those at the same place added up, to be looked up by place."""

    def __init__(self, n: int, entries: list[tuple[NodeArray, NodeArray, Array]]) -> None:
        self._n = n
        places = [row * n + column for row, column, _ in entries]
        values = [value for _, _, value in entries]
        self._places, index = np.unique(np.concatenate([[0], *places]).astype(np.intp), return_inverse=True)
        self._values = np.bincount(index, np.concatenate([[0.0], *values]))

    def at(self, row: NodeArray, column: NodeArray) -> Array:
        """Return the entries at rows and columns; 0 where there are none."""
        place = row * self._n + column
        index = np.searchsorted(self._places, place).clip(max=len(self._places) - 1)
        return np.where(self._places[index] == place, self._values[index], 0.0)


def _present(element: LinearElement, value: Array) -> Array:
    """Return values, those that are trained and happen to be 0 as next to nothing: they will carry something."""
    return np.where(value == 0, NEXT_TO_NOTHING, value) if element.trainable else value


def _walk(circuit: Circuit, region: np.ndarray, steps: list[_Step]) -> Scaling:
    """Spread the factors breadth first from the outputs, then from any region not reached."""
    neighbours: dict[int, list[tuple[int, float, float]]] = defaultdict(list)
    for start, end, voltage, current, _ in steps:
        neighbours[start].append((end, voltage, current))
        neighbours[end].append((start, 1 / voltage, 1 / current))
    factors: dict[int, tuple[float, float]] = {}
    for root in [*region[circuit.readout.nodes].tolist(), *np.unique(region[circuit.is_free]).tolist()]:
        if root in factors or root < 0:  # a held node may be read, too
            continue
        factors[root] = (1.0, 1.0)
        queue = deque([root])
        while queue:
            here = queue.popleft()
            for there, voltage, current in neighbours[here]:
                if there not in factors:
                    factors[there] = (factors[here][0] * voltage, factors[here][1] * current)
                    queue.append(there)
    factors[-1] = (0.0, 0.0)
    table = np.array([factors[r] for r in region.tolist()])
    return Scaling(table[:, 0], table[:, 1])
