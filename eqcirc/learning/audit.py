"""Audit: solve a few samples of a batch with the other solver as well, and compare voltages and update."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from eqcirc.circuit.reduction import Reduction
from eqcirc.errors import AuditError
from eqcirc.learning.eqprop import EqProp, flat
from eqcirc.solvers.base import Solver
from eqcirc.typing import Array, Parameters

log = logging.getLogger("eqcirc")

_SEVERAL_STATES = (
    "Neither need be wrong: with active devices there may be several operating points, see 'eqcirc stability'; a "
    "smaller recovery resistance or device area leaves only one. "
)


@dataclass(frozen=True)
class AuditLimits:
    """When to warn and when to stop.

    Attributes:
        warn_voltage: largest difference of a node voltage (V) that passes without a warning.
        stop_voltage: largest one that does not stop the run.
        warn_cosine: smallest cosine between the two updates that passes without a warning.
        stop_cosine: smallest one that does not stop the run.
    """

    warn_voltage: float = 1e-6
    stop_voltage: float = 1e-3
    warn_cosine: float = 0.9999
    stop_cosine: float = 0.9


class Audit:
    """Compares the training solver with another one every few steps."""

    def __init__(self, other: Solver, every: int, samples: int, limits: AuditLimits | None = None) -> None:
        """Set up.

        Args:
            other: the solver to compare with, for the same circuit.
            every: steps between audits.
            samples: samples of the batch to compare.
            limits: thresholds.
        """
        self.other, self.every, self.samples = other, every, samples
        self.limits = limits or AuditLimits()

    def due(self, step: int) -> bool:
        """Whether step (counted from 0) is audited."""
        return step % self.every == 0

    def compare(
        self, solver: Solver, rule: EqProp, parameters: Parameters, inputs: Array, targets: Array, step: int
    ) -> dict[str, float]:
        """Solve the samples with both solvers; return step, max_dv (V), cosine and samples compared.

        Raises:
            AuditError: a stop threshold is crossed, or no sample converged in both solvers.
        """
        nudge = rule.nudge(targets, parameters)
        ours, theirs = (s.solve(parameters, inputs, nudge) for s in (solver, self.other))
        both = ours.converged & theirs.converged
        if not both.any():
            raise AuditError(
                f"audit at step {step}: no sample converged in both solvers; {solver.name}: {ours.explain(1)}; "
                f"{self.other.name}: {theirs.explain(1)}"
            )
        max_dv = float(np.abs(ours.voltages[:, both] - theirs.voltages[:, both]).max())
        first, second = (flat(rule.gradient(points, parameters)) for points in (ours, theirs))
        cosine = float(first @ second) / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-300)
        self._judge(step, max_dv, cosine)
        return {"step": step, "max_dv": max_dv, "cosine": cosine, "samples": int(both.sum())}

    def _judge(self, step: int, max_dv: float, cosine: float) -> None:
        seen = (
            f"audit at step {step}: the solvers differ by {max_dv:.2e} V, cosine of the updates {cosine:.6f}"
        )
        limits = self.limits
        if max_dv > limits.stop_voltage or cosine < limits.stop_cosine:
            several = "" if Reduction(self.other.circuit).passive else _SEVERAL_STATES
            raise AuditError(
                f"{seen}; the run stops at {limits.stop_voltage:g} V and {limits.stop_cosine:g}. {several}"
                "Tighten the solver's tolerances, or find out which solver is wrong with 'eqcirc check'"
            )
        if max_dv > limits.warn_voltage or cosine < limits.warn_cosine:
            log.warning("%s (warning beyond %g V, %g)", seen, limits.warn_voltage, limits.warn_cosine)
