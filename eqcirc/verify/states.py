"""All operating points of a small circuit: what Kirchhoff's law allows, what is stable, and where the circuit goes.

Newton's method from many starts: 0 V, where a transient from rest ends, random voltages of all sizes, between any two
points that are known, and a little beside each. It proves nothing by itself. But where all currents grow at large
voltages, the degree of Kirchhoff's law is 1:

    sum over operating points of sign det J = sign det J far out ,

so a sum that is wrong says that points are missing, and one that is right that an even number of them is, or none.

Source: Chua & Wang 1977, "A degree theory for nonlinear resistive networks" (IEEE Trans. Circuits Syst. 24).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import TwoTerminal
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ideal.newton import newton
from eqcirc.solvers.ideal.relaxation import relax
from eqcirc.solvers.linear.base import LinearSolver
from eqcirc.solvers.linear.choice import choose
from eqcirc.solvers.stability import Stability, stability
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, Parameters

STARTS, ROUNDS = 256, 8  # random voltages, and rounds of looking between and beside what is known
SAME = 1e-6  # of the largest voltage: points closer than that are one
SIZES = (-2.0, 0.5)  # powers of ten of the largest voltage, of random starts
BESIDE = 0.1  # of the largest voltage


@dataclass(frozen=True, eq=False)
class States:
    """The operating points of one sample that were found.

    Attributes:
        voltages: (state, node) in volts.
        stability: of each.
        reached: which of them the circuit comes to when it is switched on with nothing charged; None if to none.
        accounted: whether the signs of det J add up, so that none is missing or an even number is; None where
            this cannot be said, since transconductors or amplifiers decide what happens at large voltages.
    """

    voltages: Array
    stability: Stability
    reached: int | None
    accounted: bool | None


def operating_points(
    circuit: Circuit, parameters: Parameters | None, sample: Array, rng: np.random.Generator
) -> States:
    """Look for all operating points of a circuit for one sample (n_features,)."""
    with np.errstate(all="ignore"):
        dynamics = Dynamics.of(circuit, parameters, np.asarray(sample)[None])
        plan, linear = dynamics.plan, choose(dynamics.plan)
        rest = relax(dynamics, linear)
        arrived = rest.status[0] == Status.CONVERGED
        found = rest.u if arrived else np.empty((0, plan.n))
        found = _more(dynamics, linear, found, _random(dynamics, rng))
        for _ in range(ROUNDS):
            before = len(found)
            found = _more(dynamics, linear, found, _around(found, rng))
            if len(found) == before and _accounted(dynamics, found) is not False:
                break
        found = found[np.lexsort(found.T[::-1])] if len(found) else found
        many = dynamics.take(np.zeros(len(found), np.intp))
        judged = stability(many, found)
        voltages = plan.expand(found[None], many.equations.fixed)[0]
    stays = arrived and bool(stability(dynamics, rest.u).stable[0])
    reached = int(np.abs(found - rest.u).max(axis=1).argmin()) if stays else None
    return States(voltages, judged, reached, _accounted(dynamics, found))


def _random(dynamics: Dynamics, rng: np.random.Generator) -> Array:
    """Return starts (row, n): 0 V, and voltages up to hundredths of the largest one, or to a few times it."""
    held = max(float(np.abs(dynamics.equations.fixed).max(initial=0.0)), 1.0)
    size = held * 10 ** rng.uniform(*SIZES, (STARTS, 1))
    return np.concatenate([np.zeros((1, dynamics.n)), size * rng.uniform(-1, 1, (STARTS, dynamics.n))])


def _around(found: Array, rng: np.random.Generator) -> Array:
    """Return starts between any two points (some, if there are many), and beside each."""
    if not len(found):
        return np.zeros((1, found.shape[1]))
    one, other = np.triu_indices(len(found), 1)
    some = rng.permutation(len(one))[:STARTS]
    share = rng.uniform(0.2, 0.8, (len(some), 1))
    between = share * found[one[some]] + (1 - share) * found[other[some]]
    beside = np.repeat(found, 4, axis=0)
    largest = max(float(np.abs(found).max()), 1e-3)
    return np.concatenate([between, beside + BESIDE * largest * rng.normal(size=beside.shape)])


def _more(dynamics: Dynamics, linear: LinearSolver, found: Array, starts: Array) -> Array:
    """Return the points (state, n) that are known and those that Newton's method finds from starts (row, n)."""
    rows = dynamics.equations.take(np.zeros(len(starts), np.intp))
    solved = newton(rows, linear, starts)
    for u in solved.u[solved.status == Status.CONVERGED]:
        apart = SAME * max(float(np.abs(u).max()), 1e-3)
        if not len(found) or (np.abs(found - u).max(axis=1) > apart).all():
            found = np.concatenate([found, u[None]])
    return found


def _accounted(dynamics: Dynamics, found: Array) -> bool | None:
    """Return whether the signs of det J add up to that of large voltages; None where that is not known."""
    plan, elements = dynamics.plan, dynamics.plan.circuit.elements
    product = (plan.current * plan.voltage)[plan.circuit.is_free]
    if not plan.reciprocal or (product < 0).any():
        return None
    if not all(e.passive or isinstance(e, TwoTerminal) for e in elements):
        return None
    rows = dynamics.equations.take(np.zeros(len(found), np.intp))
    signs = np.linalg.slogdet(rows.jacobian(found))[0]
    return bool(round(float(signs.sum())) == 1)
