"""What rules measure that read adjoint voltages off a circuit: how far nudged phases deviate from the free one.

lam = s·(v₊ − v₋)/(2·beta),        dC/dtheta = lam·dF/dtheta(v⁰)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.learning.phases import PHASES
from eqcirc.learning.rule import Measurement, PhasedRule
from eqcirc.solvers.base import OperatingPoints
from eqcirc.typing import Array, Parameters


@dataclass(frozen=True, eq=False)
class Deviation(Measurement):
    """Deviations of the nudged phases, and the free phase.

    Attributes:
        rule: that asked for them.
        parameters: values that the points were solved at.
        points: the free phase, and those of the rule's variant.
        seen: the same, as they were read.
        scaling: s (node,); zero at nodes held by ideal sources.
    """

    rule: PhasedRule
    parameters: Parameters | None
    points: OperatingPoints
    seen: OperatingPoints
    scaling: Array

    @property
    def contrast(self) -> Array:
        """See `Measurement.contrast`."""
        phases = self.seen.voltages
        return np.asarray(phases[1] - phases[2 if len(phases) > 2 else 0])

    def take(self, samples: np.ndarray) -> Deviation:
        """See `Measurement.take`."""
        return replace(self, points=self.points.take(samples), seen=self.seen.take(samples))

    def gradient(self) -> dict[str, Array]:
        """See `Measurement.gradient`."""
        rule, good = self.rule, self.points.converged
        phases = self.seen.voltages[:, good]
        slope = np.zeros_like(phases[0])
        for weight, plus, minus, span in PHASES[rule.variant].pairs:
            slope += weight / (span * rule.beta) * (phases[plus] - phases[minus])
        lam = self.scaling * slope / max(1, int(good.sum()))
        values = rule.circuit.values(self.parameters)
        found = rule.circuit.summed(lambda e: e.sensitivity(values[e.name], lam, phases[0]))
        return rule.circuit.chained(found, self.parameters)


def continued(free: OperatingPoints, nudged: OperatingPoints | None, phases: int) -> OperatingPoints:
    """Return a free phase and the phases that were solved in another circuit for its samples that converged.

    Args:
        free: (1, batch, node).
        nudged: (1 + phases, converged, node or more), its own free phase first; None if none converged.
        phases: number of phases that follow the free one.
    """
    batch, nodes = free.free.shape
    voltages = np.full((1 + phases, batch, nodes), np.nan)
    voltages[0] = free.free
    if nudged is None:
        return replace(free, voltages=voltages)
    rows, status = np.flatnonzero(free.converged), free.status.copy()
    voltages[1:, rows] = nudged.voltages[1:, :, :nodes]
    status[rows] = nudged.status

    def spread(values: Array | None) -> Array | None:
        if values is None:
            return None
        whole = np.full(batch, np.nan)
        whole[rows] = values
        return whole

    def renumbered(words: dict[int, str]) -> dict[int, str]:
        return {int(rows[k]): text for k, text in words.items()}

    return replace(
        free,
        voltages=voltages,
        status=status,
        iterations=free.iterations + nudged.iterations,
        seconds=free.seconds + nudged.seconds,
        messages=free.messages | renumbered(nudged.messages),
        rungs=free.rungs | renumbered(nudged.rungs),
        nonlinearity=spread(nudged.nonlinearity),
        noise=spread(nudged.noise),
    )
