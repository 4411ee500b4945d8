"""How the free phase is found where Kirchhoff's law may have several solutions, some of them unstable.

    cold    Newton's method from 0 V; allowed only with a certificate that there is one solution
    relax   what the circuit does: a transient from rest until it stands still, then Newton's method from there
    auto    cold with a certificate, relax without one

Circuits without N-shaped devices and without signed couplings that lack loads start cold and are not judged: what else
could give power (transconductors, parts across an amplifier) is up to the user, and `eqcirc stability` tells.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import SignedCrossbar, TwoTerminal
from eqcirc.errors import SolverError
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.stability import certificate, stability
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

Start = Literal["auto", "cold", "relax"]

FIRST_HORIZON = 30.0  # of `Dynamics.slowest`: how long a transient lasts at first
LONGER, ATTEMPTS = 4.0, 8  # then so many times longer, so often; what has not settled by then is given up
MOST_STEPS = 3000
"""Of one transient. What comes to rest is followed in longer and longer steps, so this ends those that oscillate."""
NEAR = 1e-3  # of a state: so near an operating point counts as about to reach it
LEAST = 1e-3  # of the largest voltage (current) of the row: counts as that of states below it


def near(found: Array, here: Array, scale: Array, share: float | None = None) -> np.ndarray:
    """Return (row,) whether states `found` are where others are, `here`, in every one; all are (row, size).

    Args:
        found: states of operating points.
        here: states of transients.
        scale: what counts as a large voltage, or current, of the row.
        share: of a state that it may be away; None for so little that it will arrive.
    """
    size = np.maximum(np.abs(here), LEAST * scale)
    return np.asarray((np.abs(found - here) <= (NEAR if share is None else share) * size).all(axis=1))


def is_active(circuit: Circuit) -> bool:
    """Whether a device's current falls or a coupling lacks loads: then states come in numbers."""
    return any(
        (isinstance(e, TwoTerminal) and e.law.steepest_fall > 0)
        or (isinstance(e, SignedCrossbar) and not e.loaded)
        for e in circuit.elements
    )


class FreePhase:
    """Decides how to start the rows of one solve, and judges the states that were found."""

    def __init__(self, equations: Equations, start: Start) -> None:
        """Look for a certificate if there is need of one.

        Raises:
            SolverError: a cold start was asked for and cannot be trusted.
        """
        self.relaxes, self._proven = False, True
        if not is_active(equations.plan.circuit):
            return
        self.dynamics = Dynamics(equations)
        known = certificate(self.dynamics)
        self.relaxes = start == "relax" or (start == "auto" and not known.unique)
        self._proven = known.stable
        if start == "cold" and not known.unique:
            raise SolverError(
                "the free phase cannot start cold: nothing proves that there is one operating point (the "
                "falling part of N-shaped devices, or signed couplings without loads, outweigh the conductance around "
                'them); use start = "relax", which follows the circuit in time'
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
