"""A free state under the magnifying glass: what the linearised circuit says about it, with one factorisation.

How sure are its voltages? Sums of currents are rounded, and J⁻¹ says how much of a voltage that is: nothing in most
circuits, everything where the small conductances that decide a voltage are the last digits of large ones. How far from
the solution is it? J⁻¹·F says so in volts. How would it answer to a nudge? See `response`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eqcirc.solvers.base import Nudge
from eqcirc.solvers.equations import Equations
from eqcirc.solvers.linear.base import LinearSolver, solve_rows
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

SURE = 1e-10  # of the largest voltage: rounding beyond it is avoided, though that is slow
UNCERTAIN = 1e-8  # of the largest voltage: a larger error is a failure
MARGIN = 3.0  # times an error that is estimated: the true one may be larger
COARSE = (
    1e10  # of the tolerance: currents that linear solvers take seriously and need not solve to the last digit
)
ULP = 4 * np.finfo(np.float64).eps  # of the largest voltage: what rounding leaves in any case


@dataclass(frozen=True, eq=False)
class FreeState:
    """Of every row.

    Attributes:
        equations: Kirchhoff's law in the free phase.
        u: (row, n) where.
        largest: (row,) voltage that errors are measured by.
        rounding: (row,) volts that rounded sums of currents may make, and what coils without resistance drop.
        expected: (row, n) answer to a nudge of factor 1, by the linearised circuit; None without a nudge.
        distances: (k, row, n) J⁻¹ times the currents that were asked for.
    """

    equations: Equations
    u: Array
    largest: Array
    rounding: Array
    expected: Array | None
    distances: Array

    @classmethod
    def of(
        cls,
        equations: Equations,
        linear: LinearSolver,
        u: Array,
        nudge: Nudge | None = None,
        currents: Sequence[Array] = (),
    ) -> FreeState:
        """Look at states u (row, n); NaN is looked at as 0 V, and `currents` (row, n) are left at some unknowns."""
        u = np.nan_to_num(u)
        at, _ = equations.linearise(u)
        sides = [*currents] + ([] if nudge is None else [-equations.pull(u, nudge)[0]])
        rounded = not equations.system.exact
        if rounded:  # of one sign it adds up in what moves together, of changing signs in what moves apart
            currents_off = equations.system.rounding(u)
            sides += [currents_off, currents_off * (1 - 2 * (np.arange(u.shape[1]) % 2))]
        found = np.zeros((0, *u.shape))
        if sides:  # of one size: iterations end at a part of the tolerance
            rhs = np.stack(sides)
            size = np.abs(rhs / at.tolerance).max(axis=2, keepdims=True) / COARSE
            size[size == 0] = 1.0
            found = solve_rows(linear, equations.system, at, rhs / size) * size
        rounding = np.maximum(ULP * at.largest, equations.system.across_coils(u, equations.fixed))
        if rounded:
            rounding = np.maximum(rounding, np.abs(found[-2:]).max(axis=(0, 2)))
        many = len(currents)
        return cls(equations, u, at.largest, rounding, None if nudge is None else found[many], found[:many])

    @property
    def sure(self) -> np.ndarray:
        """(row,) whether rounding leaves the voltages as precise as they need to be."""
        return np.asarray(self.rounding <= SURE * self.largest)

    def judge(self, error: Array, status: np.ndarray, messages: dict[int, str]) -> None:
        """Mark, in place, converged rows whose voltages rounding or an `error` (row,) in volts leave uncertain."""
        total = MARGIN * np.maximum(error, self.rounding)
        for k in np.flatnonzero((status == Status.CONVERGED) & ~(total <= UNCERTAIN * self.largest)).tolist():
            status[k] = Status.UNRESOLVED
        for k in np.flatnonzero(status == Status.UNRESOLVED).tolist():
            messages.setdefault(
                k, f"{Status.UNRESOLVED.words}: of {self.largest[k]:.3g} V, {total[k]:.1e} V are uncertain"
            )
