"""What a circuit stores, and its equations reduced to the unknowns that have a memory.

States are the voltages of all free nodes that no amplifier drives, then the currents of the branches with inductance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oracle.description import Amplifier, Branch, Capacitor, Description
from oracle.equations import Circuit
from oracle.linear import factor, solve

PARASITIC = 1e-15  # F, from a node without storage to ground, in a circuit that stores something
DEFAULT = 1e-9  # F, at every node of a circuit that stores nothing


def with_storage(
    description: Description, parasitic: float = PARASITIC, default: float = DEFAULT
) -> Description:
    """The circuit with a capacitor to ground wherever a node's voltage would otherwise have no memory.

    A circuit without any capacitor or inductance gets `default` farads at every free node that is not the output of
    an amplifier. Any other circuit gets `parasitic` farads at the nodes that no chain of capacitors ties to a held
    node or to an amplifier's output.
    """
    nodes = [node for node in range(description.n_nodes) if node not in _anchors(description)]
    stores = any(part.farad > 0 for part in description.of(Capacitor))
    if not stores and not any(part.henry > 0 for part in description.of(Branch)):
        return description.with_parts([Capacitor(node, 0, default) for node in nodes])
    loose = _loose(description)
    return description.with_parts([Capacitor(node, 0, parasitic) for node in nodes if node in loose])


def _anchors(description: Description) -> set[int]:
    return description.held_nodes() | description.driven_nodes()


def _loose(description: Description) -> set[int]:
    """Nodes that capacitors do not tie to an anchor."""
    tied, grew = _anchors(description), True
    edges = [{part.a, part.b} for part in description.of(Capacitor) if part.farad > 0]
    while grew:
        reached = set().union(*(edge for edge in edges if edge & tied)) - tied
        tied, grew = tied | reached, bool(reached)
    return set(range(description.n_nodes)) - tied


@dataclass(frozen=True)
class Reduction:
    """Voltages of all nodes = expand @ (state voltages) + given; sums of currents per state = collect @ (per node).

    Columns of `expand` and rows of `collect` belong to the nodes in `states`. `given` holds held nodes, and outputs
    of amplifiers that a held node drives. All in the arithmetic of the circuit that was reduced.
    """

    states: list[int]
    expand: np.ndarray
    collect: np.ndarray
    given: np.ndarray


def reduction(circuit: Circuit) -> Reduction:
    """Amplifiers eliminated: an output follows its input, and kappa times its current joins that of the input."""
    n, arithmetic = circuit.description.n_nodes, circuit.arithmetic
    expand, collect, given = arithmetic.zeros(n, n), arithmetic.zeros(n, n), arithmetic.zeros(n)
    driven = {part.b for part in circuit.amplifiers}
    states = [node for node in circuit.free if node not in driven]
    for node in states:
        expand[node, node] = collect[node, node] = arithmetic.number(1.0)
    for node, volts in circuit.held.items():
        given[node] = volts
    for part in _in_order(circuit.amplifiers):
        expand[part.b], given[part.b] = part.gain * expand[part.a], part.gain * given[part.a]
        kappa = 1 / part.gain if part.kappa is None else part.kappa
        collect[:, part.b] = kappa * collect[:, part.a]
    return Reduction(states, expand[:, states], collect[states], given)


def _in_order(amplifiers: Sequence[Amplifier]) -> list[Amplifier]:
    """Amplifiers behind others come later."""
    waiting, ordered = list(amplifiers), []
    while waiting:
        driven = {part.b for part in waiting}
        ready = [part for part in waiting if part.a not in driven]
        if not ready:
            raise ValueError("amplifiers in a ring: their outputs are not states")
        ordered += ready
        waiting = [part for part in waiting if part.a in driven]
    return ordered


def reduced(circuit: Circuit, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Q and K of Q dx/dt = -K x at the point z, x the states."""
    _, J = circuit.evaluate(z)
    memory, first = circuit.storage(), circuit.first_branch
    plan, free = reduction(circuit), circuit.free
    expand, collect = plan.expand[free], plan.collect[:, free]
    nodes, branches, n = slice(0, len(free)), slice(first, circuit.size), len(plan.states)
    size = n + len(circuit.branches)
    Q, K = circuit.arithmetic.zeros(size, size), circuit.arithmetic.zeros(size, size)
    Q[:n, :n] = collect @ memory[nodes, nodes] @ expand
    Q[n:, n:] = memory[branches, branches]
    K[:n, :n] = collect @ J[nodes, nodes] @ expand
    K[:n, n:] = collect @ J[nodes, branches]
    K[n:, :n] = -J[branches, nodes] @ expand  # a branch's equation is L di/dt = +F
    K[n:, n:] = -J[branches, branches]
    kept = [k for k in range(size) if k < n or Q[k, k] != 0]
    gone = [k for k in range(size) if k not in kept]
    if gone:  # branches without inductance: their currents follow at once
        K_kept = K[np.ix_(kept, kept)]
        follow = solve(factor(K[np.ix_(gone, gone)]), K[np.ix_(gone, kept)])
        return Q[np.ix_(kept, kept)], K_kept - K[np.ix_(kept, gone)] @ follow
    return Q, K
