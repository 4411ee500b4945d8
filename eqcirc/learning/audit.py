"""Audit: a few samples of a batch once more, by the other solver and with half of beta; voltages and updates compared.

The other solver finds out a solver that is wrong. Both agree where it is beta that is wrong, too large for the update
to be a gradient: then the update depends on beta. From g(beta) and g(beta/2) the error that is left is about

    |g(beta) − g(beta/2)| · 2^p/(2^p − 1),   p = 2 for centred nudges, 1 for one-sided ones (`Rule.order`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.reduction import Reduction
from eqcirc.errors import AuditError, whole_number
from eqcirc.learning.rule import NOISE, Measurement, Rule, flat
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
        warn_length: largest relative difference of their lengths that passes without a warning.
        stop_length: largest one that does not stop the run.
        warn_bias: largest relative error of the update for its beta that passes without a warning.
        stop_bias: largest one that does not stop the run.
    """

    warn_voltage: float = 1e-6
    stop_voltage: float = 1e-3
    warn_cosine: float = 0.9999
    stop_cosine: float = 0.9
    warn_length: float = 0.01
    stop_length: float = 0.5
    warn_bias: float = 0.1
    stop_bias: float = 0.5


@dataclass(frozen=True)
class Comparison:
    """What an audit measured.

    Attributes:
        max_dv: largest difference of a node voltage between the solvers, in volts.
        cosine: of the angle between their updates; 1 if the updates are the same up to rounding.
        length: relative difference of the lengths of the updates; 0 if they are the same up to rounding.
        bias: relative error of the update for its beta, as half of beta tells.
        samples: that both solvers found.
    """

    max_dv: float
    cosine: float
    length: float
    bias: float
    samples: int


class Audit:
    """Compares the training solver with another one, and beta with half of it, every few steps."""

    def __init__(
        self, other: Solver, every: int = 50, samples: int = 8, limits: AuditLimits | None = None
    ) -> None:
        """Set up.

        Args:
            other: the solver to compare with, for the same circuit.
            every: steps between audits.
            samples: samples of the batch to compare.
            limits: thresholds.

        Raises:
            ConfigError: no number of steps or samples.
        """
        whole_number("audit: every", every)
        whole_number("audit: samples", samples)
        self.other, self.every, self.samples = other, every, samples
        self.limits = limits or AuditLimits()

    def due(self, step: int) -> bool:
        """Whether step (counted from 0) is audited."""
        return step % self.every == 0

    def compare(
        self, solver: Solver, rule: Rule, parameters: Parameters, inputs: Array, targets: Array, step: int
    ) -> dict[str, float]:
        """Solve the samples with both solvers, and with half of beta; return step and the fields of `Comparison`.

        Raises:
            AuditError: a stop threshold is crossed, or no sample converged in both solvers, or with half of beta.
        """
        rule = rule.with_reading(None, rule.seed)  # what is judged is the circuit, not how it is read
        ours, theirs = (rule.measure(s, parameters, inputs, targets) for s in (solver, self.other))
        both = ours.points.converged & theirs.points.converged
        if not both.any():
            raise AuditError(
                f"audit at step {step}: no sample converged in both solvers; {solver.name}: "
                f"{ours.points.explain(1)}; {self.other.name}: {theirs.points.explain(1)}"
            )
        seen = _compared(ours.take(both), theirs.take(both))
        if rule.objective:
            self._judge(step, seen)
            return {"step": step, **vars(seen)}
        halved = rule.with_beta(rule.beta / 2).measure(solver, parameters, inputs, targets)
        known = both & halved.points.converged
        if not known.any():
            raise AuditError(
                f"audit at step {step}: no sample converged with half of beta, so nothing says how far the update is "
                f"off for its beta: {halved.points.explain(1)}"
            )
        seen = replace(seen, bias=_bias(rule.order, ours.take(known), halved.take(known)))
        self._judge(step, seen)
        return {"step": step, **vars(seen)}

    def _judge(self, step: int, seen: Comparison) -> None:
        limits = self.limits
        told = (
            f"audit at step {step}: the solvers differ by {seen.max_dv:.2e} V, cosine of the updates "
            f"{seen.cosine:.6f}, lengths within {seen.length:.1%}; the update is {seen.bias:.1%} off for its beta"
        )
        if seen.bias > limits.stop_bias:
            raise AuditError(
                f"{told}; the run stops at {limits.stop_bias:.0%}. Lower beta if it is too large, raise it if rounding "
                "drowns its nudge: 'eqcirc check' measures which"
            )
        differ = (
            seen.max_dv > limits.stop_voltage,
            seen.cosine < limits.stop_cosine,
            seen.length > limits.stop_length,
        )
        if any(differ):
            several = "" if Reduction(self.other.circuit).passive else _SEVERAL_STATES
            raise AuditError(
                f"{told}; the run stops at {limits.stop_voltage:g} V, {limits.stop_cosine:g} and "
                f"{limits.stop_length:.0%}. {several}"
                "Tighten the solver's tolerances, or find out which solver is wrong with 'eqcirc check'"
            )
        warn = (
            seen.max_dv > limits.warn_voltage,
            seen.cosine < limits.warn_cosine,
            seen.length > limits.warn_length,
            seen.bias > limits.warn_bias,
        )
        if any(warn):
            log.warning(
                "%s (warning beyond %g V, %g, %.0f%% and %.0f%%)",
                told,
                limits.warn_voltage,
                limits.warn_cosine,
                100 * limits.warn_length,
                100 * limits.warn_bias,
            )


def _compared(ours: Measurement, theirs: Measurement) -> Comparison:
    """Compare what two solvers measured."""
    max_dv = float(np.abs(ours.points.voltages - theirs.points.voltages).max())
    samples = len(ours.points.status)
    if np.abs(ours.contrast - theirs.contrast).max() <= NOISE * np.abs(ours.points.voltages).max():
        return Comparison(max_dv, 1.0, 0.0, 0.0, samples)
    first, second = (flat(measured.gradient()) for measured in (ours, theirs))
    one, other = (max(float(np.linalg.norm(g)), 1e-300) for g in (first, second))
    return Comparison(max_dv, float(first @ second) / one / other, abs(other / one - 1), 0.0, samples)


def _bias(order: int, ours: Measurement, halved: Measurement) -> float:
    """Return the relative error of an update for its beta; 0 where nothing is left to learn."""
    if ours.strength <= NOISE:
        return 0.0
    first, second = flat(ours.gradient()), flat(halved.gradient())
    factor = 2**order
    size = max(float(np.linalg.norm(second)), 1e-300)
    left = factor / (factor - 1) if order else 1.0
    return float(np.linalg.norm(first - second) / size * left)
