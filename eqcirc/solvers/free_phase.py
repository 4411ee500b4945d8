"""How the free phase is found where Kirchhoff's law may have several solutions, some of them unstable.

    cold    Newton's method from 0 V; allowed only with a certificate that there is one solution
    relax   what the circuit does: a transient from rest until it stands still, then Newton's method from there
    auto    cold with a certificate, relax without one

Circuits of parts that only take power have one solution and need no certificate: no N-shaped devices, transconductors,
signed couplings without loads, or parts across an amplifier.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from eqcirc.circuit.reduction import Reduction
from eqcirc.devices import Element, SignedCrossbar, Transconductor, TwoTerminal
from eqcirc.errors import SolverError
from eqcirc.solvers.base import Status
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.stability import certificate, curvature, stability
from eqcirc.typing import Array

Start = Literal["auto", "cold", "relax"]

FIRST_HORIZON = 30.0  # slowest time constants: how long a transient lasts at first
LONGER, ATTEMPTS = 4.0, 3  # then so many times longer, so often; what has not settled by then is given up
NEAR = 0.02  # of a node's voltage: so near an operating point counts as about to reach it
BETWEEN = (0.25, 0.5, 0.75, 1.0)  # where the way from a free to a nudged state is looked at
LEAST = 1e-3  # V, and of the largest voltage of the row: counts as the voltage of nodes below it


def close(found: Array, here: Array) -> np.ndarray:
    """Return (row,) whether operating points `found` are where transients ended, `here`; both (row, n)."""
    size = np.abs(here)
    floor = LEAST * np.maximum(size.max(axis=1, keepdims=True), 1.0)
    return np.asarray((np.abs(found - here) <= NEAR * np.maximum(size, floor)).all(axis=1))


def is_active(plan: Reduction) -> bool:
    """Whether a part of the circuit can outweigh the conductances."""
    return any(map(_gives_power, plan.circuit.elements)) or any(
        _bridges(plan, element) for element in plan.circuit.elements
    )


def _gives_power(element: Element) -> bool:
    """Whether a part is a falling current, a coupling without load, or a transconductor; a gyrator gives nothing."""
    if isinstance(element, TwoTerminal):
        return element.law.steepest_fall > 0
    if isinstance(element, SignedCrossbar):
        return not element.loaded
    return isinstance(element, Transconductor)


def _bridges(plan: Reduction, element: Element) -> bool:
    """Whether a part joins the input of an amplifier with its output, and so may feed back more than it takes."""
    a, b = (plan.unknown[node] for node in element.connections())
    return bool(((a == b) & (a >= 0)).any())


class FreePhase:
    """Decides how to start the rows of one solve, and judges the states that were found."""

    def __init__(self, equations: Equations, start: Start) -> None:
        """Look for a certificate if there is need of one.

        Raises:
            SolverError: a cold start was asked for and cannot be trusted.
        """
        self.relaxes, self._proven = False, True
        self.active = is_active(equations.plan)
        if not self.active:
            return
        self.dynamics = Dynamics(equations)
        known = certificate(self.dynamics)
        self.relaxes = start == "relax" or (start == "auto" and not known.unique)
        self._proven = known.stable
        if start == "cold" and not known.unique:
            raise SolverError(
                "the free phase cannot start cold: nothing proves that there is one operating point (the "
                "falling part of N-shaped devices, signed couplings without loads or other parts that give power "
                'outweigh the conductance around them); use start = "relax", which follows the circuit in time'
            )

    def judge(self, u: Array, status: np.ndarray, messages: dict[int, str]) -> None:
        """Mark, in place, the free states u (row, n) that the circuit would not stay in."""
        good = np.flatnonzero(status == Status.CONVERGED)
        if self._proven or not good.size:
            return
        found = stability(Dynamics(self.dynamics.equations.take(good)), u[good])
        for k in np.flatnonzero(~found.stable).tolist():
            row = int(good[k])
            status[row] = Status.UNSTABLE
            messages[row] = f"{Status.UNSTABLE.words}: {found.explain(k)}"

    def judge_branches(self, u: Array, status: np.ndarray) -> None:
        """Mark, in place, samples whose nudged states have left the branch of the free one; u (phase, row, n).

        A branch ends where the reduced Hessian becomes singular. So on the way from a free state to a nudged one of
        the same branch it stays positive, while a neuron that flips passes its falling part.
        """
        good = np.flatnonzero(status == Status.CONVERGED)
        if not self.relaxes or not good.size:
            return
        part = Dynamics(self.dynamics.equations.take(good))
        free = u[0, good]
        for nudged in u[1:, good]:
            for share in BETWEEN:
                status[good[curvature(part, free + share * (nudged - free)) <= 0]] = Status.WRONG_BRANCH
