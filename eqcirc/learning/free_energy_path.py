"""Finite nudges at finite temperature: the path integral of covariances between cost and energy.

    dJ/dtheta = −1/(T·beta)·∫₀^beta Cov_b(C, dE/dtheta) db,      J = [A(beta) − A(0)]/beta

the same gradient as the contrast of averages (`learning.free_energy`), measured within phases instead of between them.
The covariance falls where the nudge b is as stiff as the circuit, in a linear one like 1/(1 + kappa·b/beta)², so the
integral is Gauss and Legendre's sum over u with

    b/beta = [(1 + kappa)^u − 1]/kappa,     kappa = beta·Var₀(C)/(T·⟨C⟩₀)

kappa, how stiff the whole nudge is beside the circuit, is measured without it.

Source: Litman 2025 (arXiv 2511.22024).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost
from eqcirc.errors import whole_number
from eqcirc.learning.free_energy import Averages, Path, Thermal
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ensemble import Bath
from eqcirc.typing import Array, Parameters

WEAKEST, STIFFEST = 1e-6, 1e6
"""Of kappa: below, strengths are as good as evenly spread; above, nothing could be measured."""


class FreeEnergyPath(Thermal):
    """The integral of covariances from no nudge to the whole one."""

    name = "path integral"

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, bath: Bath, nudges: int = 6) -> None:
        """See `Thermal`; `nudges` is the number of nudging strengths.

        With 6 the sum is right to 1e-4 in linear circuits, up to kappa = 100.
        """
        super().__init__(circuit, cost, beta, bath)
        whole_number("nudges", nudges)
        self.nudges = nudges

    def path(
        self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array, bath: Bath
    ) -> Path:
        """See `Thermal.path`; one chain of every sample without a nudge says how stiff the nudge is."""
        states = solver.ensemble(parameters, inputs, replace(bath, chains=1))
        costs = self.cost.value(self.circuit.readout.read(states.voltages[0]), targets[:, None, None])[
            states.points.converged
        ]
        mean, spread = costs.mean(axis=(1, 2)), costs.var(axis=(1, 2))
        ratio = np.divide(spread, mean, out=np.zeros_like(mean), where=mean > 0)
        return spaced(
            min(self.beta * float(ratio.max(initial=0.0)) / bath.temperature, STIFFEST), self.nudges
        )

    def rates(self, averages: Averages, among: Averages) -> dict[str, Array]:
        """See `Thermal.rates`."""
        costs, means = averages.costs()[1:], among.costs()[1:].mean(axis=(2, 3), keepdims=True)
        off = (costs - means) / (-self.bath.temperature * max(1, costs[0].size))
        centres = among.states.voltages.mean(axis=(2, 3), keepdims=True)
        total: dict[str, Array] = {}
        for phase, (weight, some) in enumerate(zip(averages.path.weights, off, strict=True), start=1):
            for name, part in averages.summed(phase, centres[phase], weight * some).items():
                total[name] = total.get(name, 0.0) + part
        return total


def spaced(kappa: float, count: int) -> Path:
    """Return so many nudging strengths for a nudge that is kappa times as stiff as the circuit."""
    places, weights = np.polynomial.legendre.leggauss(count)
    u, length = (1 + places) / 2, np.log1p(kappa)
    if kappa < WEAKEST:
        return Path(tuple(u.tolist()), tuple((weights / 2).tolist()))
    factors, each = np.expm1(u * length) / kappa, weights / 2 * length / kappa * np.exp(u * length)
    return Path(tuple(factors.tolist()), tuple(each.tolist()))
