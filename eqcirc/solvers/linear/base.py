"""What every linear solver offers: solves with the Jacobian of `Linearised` equations, for many rows at once."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from eqcirc.solvers.equations import Linearised
from eqcirc.typing import Array


class Matrix(Protocol):
    """The part of a Jacobian that is the same for all rows."""

    @property
    def matrix(self) -> Array | csr_array:
        """M (n, n) as a whole."""
        ...

    @property
    def diagonal(self) -> Array:
        """Its diagonal (n,)."""
        ...

    @property
    def strength(self) -> Array:
        """Conductance (n,) that reaches every unknown."""
        ...


class LinearSolver(Protocol):
    """Solves with the Jacobian of `Linearised` equations."""

    def solve(self, system: Any, at: Linearised, rhs: Array) -> Array:
        """Return x with J·x = rhs (row, n), or (k, row, n) for several right-hand sides of every row."""
        ...


def solve_rows(linear: LinearSolver, system: Matrix, at: Linearised, rhs: Array) -> Array:
    """Return x with J·x = rhs, NaN in rows whose Jacobian is singular: LAPACK and SuperLU refuse a batch for one."""
    try:
        return linear.solve(system, at, rhs)
    except (np.linalg.LinAlgError, RuntimeError):  # of numpy and of SuperLU
        n = len(at.residual)
        if n == 1:
            return np.full_like(rhs, np.nan)
        each = [slice(k, k + 1) for k in range(n)]
        return np.concatenate([solve_rows(linear, system, at.take(k), rhs[..., k, :]) for k in each], axis=-2)
