"""Costs C(outputs, targets), with derivatives and their form as SPICE expressions.

The nudge injects −beta·dC/dv at the outputs, so a cost decides what the nudging circuit is:

    squared error          C = ½·Σ (o − y)²                       [V²]   beta [S]: a conductance beta to a source at y
    softmax cross-entropy  C = −(1/K)·Σ y·log softmax(K·o)        [V]    beta [A]: a current beta·(y − p)
    phase error            C = ½·Σ (cos o − y)²                   [1]    beta [A]: a current beta·(cos o − y)·sin o
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from eqcirc.devices.base import in_range, number
from eqcirc.typing import Array

SUM_NODE, LARGEST_NODE = "eq_z", "eq_max"
SATURATED = 40.0
"""Exponent beyond which the larger of two probabilities is 1 to the last bit; SPICE's Newton iteration does not survive
exponentials of hundreds, and a cap, where the slope is 0, lets it pass."""


class Cost(ABC):
    """A function of outputs (batch, n_outputs) in volts and targets of the same shape."""

    unit = ""

    @abstractmethod
    def value(self, outputs: Array, targets: Array) -> Array:
        """Return C for every sample (batch,)."""

    @abstractmethod
    def gradient(self, outputs: Array, targets: Array) -> Array:
        """Return dC/doutput (batch, n_outputs)."""

    @abstractmethod
    def hessian(self, outputs: Array, targets: Array) -> Array:
        """Return d²C/doutput² (batch, n_outputs, n_outputs)."""

    @abstractmethod
    def typical(self, outputs: Array, targets: Array) -> Array:
        """Return the size (batch,) that dC/doutput has at an ordinary error, so that small ones can be told."""

    @abstractmethod
    def targets(self, labels: np.ndarray, n_outputs: int) -> Array:
        """Return targets (batch, n_outputs) for class labels (batch,)."""

    @abstractmethod
    def spice(self, outputs: list[str], targets: list[str]) -> tuple[list[str], list[str]]:
        """Return helper lines and one B-source expression of dC/doutput for each output."""

    def helpers(self, outputs: Array) -> dict[str, float]:
        """Return the voltages of the helper nodes of `spice`, by name, for one sample's outputs (n_outputs,)."""
        del outputs
        return {}

    def preference(self, outputs: Array) -> Array:
        """Return what is largest for the class that outputs (n, n_outputs) name: the outputs themselves for most."""
        return outputs

    def hint(self, outputs: Array) -> str:
        """Return what of the cost may keep solvers from nudging outputs (batch, n_outputs); nothing for most."""
        del outputs
        return ""


@dataclass(frozen=True)
class SquaredError(Cost):
    """C = ½·Σ (o − y)².

    Attributes:
        high: target voltage of the right class.
        low: target voltage of the others.
    """

    high: float = 0.1
    low: float = -0.1

    unit = "V²"

    def __post_init__(self) -> None:
        """Check that the targets are voltages."""
        for name in ("high", "low"):
            in_range("squared error", name, getattr(self, name), -1e6, 1e6, "V")

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return C in V²."""
        return np.asarray(0.5 * ((outputs - targets) ** 2).sum(axis=-1))

    def gradient(self, outputs: Array, targets: Array) -> Array:
        """Return o − y."""
        return outputs - targets

    def hessian(self, outputs: Array, targets: Array) -> Array:
        """Return the identity for every sample."""
        del targets
        return np.broadcast_to(np.eye(outputs.shape[1]), (*outputs.shape, outputs.shape[1]))

    def typical(self, outputs: Array, targets: Array) -> Array:
        """Return the largest of outputs and targets in volts."""
        return np.asarray(np.maximum(np.abs(outputs), np.abs(targets)).max(axis=-1))

    def targets(self, labels: np.ndarray, n_outputs: int) -> Array:
        """Return `high` at the label and `low` elsewhere."""
        return np.where(np.arange(n_outputs) == labels[:, None], self.high, self.low)

    def spice(self, outputs: list[str], targets: list[str]) -> tuple[list[str], list[str]]:
        """Return (o − y)."""
        return [], [f"({o}-{y})" for o, y in zip(outputs, targets, strict=True)]


@dataclass(frozen=True)
class PhaseError(Cost):
    """C = ½·Σ (cos o − y)² of outputs that are phases, 1 V for 1 rad.

    Outputs at 0 or π feel no nudge, right or wrong: the cost is flat there. Targets of ±1 lead to where learning ends;
    at ±0.5 outputs still pull at the hidden phases, which then are smooth functions of their fields.

    Attributes:
        high: target cosine of the right class.
        low: target cosine of the others.

    Source: Gower 2025 (arXiv 2505.02103), with targets of ±1.
    """

    high: float = 0.5
    low: float = -0.5

    unit = "1"

    def __post_init__(self) -> None:
        """Check that the targets are cosines."""
        for name in ("high", "low"):
            in_range("phase error", name, getattr(self, name), -1.0, 1.0, "")

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return C, a pure number."""
        return np.asarray(0.5 * ((np.cos(outputs) - targets) ** 2).sum(axis=-1))

    def gradient(self, outputs: Array, targets: Array) -> Array:
        """Return −(cos o − y)·sin o."""
        return np.asarray(-(np.cos(outputs) - targets) * np.sin(outputs))

    def hessian(self, outputs: Array, targets: Array) -> Array:
        """Return diag(sin² o − (cos o − y)·cos o)."""
        c = np.cos(outputs)
        bend = 1 - c * c - (c - targets) * c
        return np.asarray(bend[..., None] * np.eye(outputs.shape[-1]))

    def typical(self, outputs: Array, targets: Array) -> Array:
        """Return ones: cosines and sines."""
        del targets
        return np.ones(len(outputs))

    def targets(self, labels: np.ndarray, n_outputs: int) -> Array:
        """Return `high` at the label and `low` elsewhere."""
        return np.where(np.arange(n_outputs) == labels[:, None], self.high, self.low)

    def preference(self, outputs: Array) -> Array:
        """Return the cosines: the phase nearest 0 names the class."""
        return np.cos(outputs)

    def spice(self, outputs: list[str], targets: list[str]) -> tuple[list[str], list[str]]:
        """Return (y − cos o)·sin o."""
        return [], [f"(({y})-cos({o}))*sin({o})" for o, y in zip(outputs, targets, strict=True)]


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Cost):
    """C = −(1/K)·Σ y·log softmax(K·o), so that dC/do = p − y has no unit and beta is a current.

    Attributes:
        sharpness: K in 1/V.
    """

    sharpness: float = 10.0

    unit = "V"

    def __post_init__(self) -> None:
        """Check the range."""
        in_range("cross-entropy", "sharpness K", self.sharpness, 1e-3, 1e4, "1/V")

    def value(self, outputs: Array, targets: Array) -> Array:
        """Return C in volts."""
        k = self.sharpness
        return np.asarray((logsumexp(k * outputs, axis=-1) - k * (targets * outputs).sum(axis=-1)) / k)

    def gradient(self, outputs: Array, targets: Array) -> Array:
        """Return p − y."""
        return np.asarray(_softmax(self.sharpness * outputs) - targets)

    def hessian(self, outputs: Array, targets: Array) -> Array:
        """Return K·(diag(p) − p·pᵀ)."""
        del targets
        p = _softmax(self.sharpness * outputs)
        return np.asarray(
            self.sharpness * (p[..., None] * np.eye(p.shape[-1]) - p[..., None] * p[..., None, :])
        )

    def typical(self, outputs: Array, targets: Array) -> Array:
        """Return ones: p − y is a difference of probabilities."""
        del targets
        return np.ones(len(outputs))

    def targets(self, labels: np.ndarray, n_outputs: int) -> Array:
        """Return one-hot vectors."""
        return np.asarray(np.arange(n_outputs) == labels[:, None], np.float64)

    def spice(self, outputs: list[str], targets: list[str]) -> tuple[list[str], list[str]]:
        """Return p − y; the sum of exponentials is the voltage of a helper node (1 A into 1 Ohm is 1 V).

        Exponents are relative to the largest output, the voltage of another helper node, so that the sum is neither far
        below 1 V, where the simulator's absolute tolerance would swallow it, nor too large for a number. They have a
        cap, which binds only on the way there: while the largest output is another one than an iteration before.
        """
        k = number(self.sharpness)
        reference, first = (f"v({LARGEST_NODE})", []) if len(outputs) > 2 else (outputs[0], ["1"])
        terms = first + [f"exp(min({k}*({o}-{reference}),{SATURATED:g}))" for o in outputs[len(first) :]]
        helpers = _helper(SUM_NODE, "+".join(terms))
        if len(outputs) > 2:
            largest = outputs[-1]
            for o in outputs[-2::-1]:
                largest = f"max({o},{largest})"
            helpers += _helper(LARGEST_NODE, largest)
        return helpers, [f"({e}/v({SUM_NODE})-{y})" for e, y in zip(terms, targets, strict=True)]

    def helpers(self, outputs: Array) -> dict[str, float]:
        """See `Cost.helpers`."""
        largest = float(outputs.max()) if len(outputs) > 2 else float(outputs[0])
        total = float(np.exp(np.minimum(self.sharpness * (outputs - largest), SATURATED)).sum())
        return {SUM_NODE: total, LARGEST_NODE: largest} if len(outputs) > 2 else {SUM_NODE: total}

    def hint(self, outputs: Array) -> str:
        """Name the sharpness where it makes steps out of the softmax; NaN is left out."""
        swing = float(np.ptp(outputs, axis=1)[np.isfinite(outputs).all(axis=1)].max(initial=0.0))
        if self.sharpness * swing <= SATURATED:
            return ""
        return (
            f"sharpness = {self.sharpness:g} 1/V times outputs {swing:.3g} V apart is {self.sharpness * swing:.0f}; "
            f"lower the sharpness until that is a few, at most {SATURATED:g}"
        )


def _softmax(x: Array) -> Array:
    """Return exp(x)/sum exp(x) over the last axis; of complex x, which holomorphic nudges lead to, too."""
    if not np.iscomplexobj(x):
        return np.asarray(softmax(x, axis=-1))
    e = np.exp(x - x.real.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _helper(node: str, volts: str) -> list[str]:
    """Return lines that make an expression the voltage of a node of its own."""
    return [f"b_{node} 0 {node} i={volts}", f"r_{node} {node} 0 1"]
