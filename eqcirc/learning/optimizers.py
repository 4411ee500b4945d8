"""Optimizers: from a gradient to a step for every element. State is plain arrays, so that a run can be resumed.

    SGD        m ← mu·m + g,  step = −rate·m
    Adam       m ← b1·m + (1 − b1)·g,  v ← b2·v + (1 − b2)·g²,
               step = −rate·m̂/(√v̂ + eps),  m̂ = m/(1 − b1ᵗ), v̂ = v/(1 − b2ᵗ)

Adam's step is about `rate` whatever the size of the gradient, so its rate is in the parameter's own unit
(siemens). Its `eps` is added to √v̂ and has the gradient's unit; circuit gradients span many decades, hence
the tiny default. Source: Kingma & Ba 2015 (arXiv 1412.6980).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from eqcirc.devices.base import in_range
from eqcirc.errors import ConfigError
from eqcirc.typing import Array, Parameters


class Optimizer(ABC):
    """Turns gradients into steps and remembers what it needs."""

    def __init__(self) -> None:
        """Start without memory."""
        self.state: dict[str, Array] = {}
        """Arrays by ``<kind>.<element>``, plus the scalar ``t``; saved and restored by checkpoints."""
        self._taken = False

    def take(self) -> Self:
        """Return self to the one trainer that may have it.

        Raises:
            ConfigError: another one has it.
        """
        if self._taken:
            raise ConfigError(
                f"this {type(self).__name__} belongs to another trainer, whose gradients it remembers; give each "
                "trainer an optimizer of its own"
            )
        self._taken = True
        return self

    def __repr__(self) -> str:
        """Show the settings."""
        shown = (f"{key}={value:g}" for key, value in vars(self).items() if isinstance(value, float))
        return f"{type(self).__name__}({', '.join(shown)})"

    @abstractmethod
    def steps(self, gradient: Parameters, rates: dict[str, float]) -> dict[str, Array]:
        """Return the step of every element for its rate, and update the state."""

    def _remembered(self, kind: str, name: str, like: Array) -> Array:
        return self.state.get(f"{kind}.{name}", np.zeros_like(like))


class SGD(Optimizer):
    """Gradient descent with heavy-ball momentum (0 for none)."""

    def __init__(self, *, momentum: float = 0.0) -> None:
        """Set the momentum mu; the rate is the plan's (`Plan.learning_rate`)."""
        super().__init__()
        in_range("SGD", "momentum", momentum, 0.0, 0.9999, "")
        self.momentum = momentum

    def steps(self, gradient: Parameters, rates: dict[str, float]) -> dict[str, Array]:
        """See `Optimizer.steps`."""
        steps = {}
        for name, g in gradient.items():
            m = self.momentum * self._remembered("m", name, g) + g
            self.state[f"m.{name}"] = m
            steps[name] = -rates[name] * m
        return steps


class Adam(Optimizer):
    """Adam with bias correction."""

    def __init__(self, *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-30) -> None:
        """Set the decay rates of the two moments, and eps in the gradient's unit; the rate is the plan's."""
        super().__init__()
        in_range("Adam", "beta1", beta1, 0.0, 0.9999, "")
        in_range("Adam", "beta2", beta2, 0.0, 0.999999, "")
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def steps(self, gradient: Parameters, rates: dict[str, float]) -> dict[str, Array]:
        """See `Optimizer.steps`."""
        t = self.state.get("t", np.zeros(())) + 1
        self.state["t"] = np.asarray(t)
        steps = {}
        for name, g in gradient.items():
            m = self.beta1 * self._remembered("m", name, g) + (1 - self.beta1) * g
            v = self.beta2 * self._remembered("v", name, g) + (1 - self.beta2) * g * g
            self.state[f"m.{name}"], self.state[f"v.{name}"] = m, v
            m_hat, v_hat = m / (1 - self.beta1**t), v / (1 - self.beta2**t)
            steps[name] = -rates[name] * m_hat / (np.sqrt(v_hat) + self.eps)
        return steps
