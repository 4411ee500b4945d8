"""Finite nudges at finite temperature: the path integral of covariances between cost and energy.

    dJ/dtheta = −1/(T·beta)·∫₀^beta Cov_b(C, dE/dtheta) db,      J = [A(beta) − A(0)]/beta

the same gradient as the contrast of averages (`learning.free_energy`), measured within phases instead of between them.
The integral is Gauss and Legendre's sum over a few nudging strengths between 0 and beta.

Source: Litman 2025 (arXiv 2511.22024).
"""

from __future__ import annotations

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost
from eqcirc.errors import whole_number
from eqcirc.learning.free_energy import Averages, Thermal
from eqcirc.solvers.ensemble import Bath
from eqcirc.typing import Array


class FreeEnergyPath(Thermal):
    """The integral of covariances from no nudge to the whole one."""

    name = "path integral"

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, bath: Bath, nudges: int = 4) -> None:
        """See `Thermal`; `nudges` is the number of nudging strengths, two orders of error each."""
        super().__init__(circuit, cost, beta, bath)
        whole_number("nudges", nudges)
        places, weights = np.polynomial.legendre.leggauss(nudges)
        self.factors, self._weights = tuple(((1 + places) / 2).tolist()), weights / 2

    def rates(self, averages: Averages) -> dict[str, Array]:
        """See `Thermal.rates`."""
        costs = averages.costs()[1:]
        count = max(1, costs[0].size)
        off = (costs - costs.mean(axis=(2, 3), keepdims=True)) / (-self.bath.temperature * count)
        total: dict[str, Array] = {}
        for phase, (weight, some) in enumerate(zip(self._weights.tolist(), off, strict=True), start=1):
            for name, part in averages.summed(phase, None, weight * some).items():
                total[name] = total.get(name, 0.0) + part
        return total
