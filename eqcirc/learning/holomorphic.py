"""Holomorphic Equilibrium Propagation: N complex nudges on a circle, and the first Fourier coefficient of the voltages.

    dv/dbeta = 1/(N·beta) · Σ_k v(beta·e^(2πi·k/N))·e^(−2πi·k/N),        error of order beta^N
    lam = s·dv/dbeta,        dC/dtheta = lam·dF/dtheta(v⁰)

N = 2 is a centred difference. Voltages are real in a circuit, so this is a rule of the ideal solver; in hardware
`variant = "richardson"` buys two orders with real nudges.

Source: Laborieux & Zenke 2022 (arXiv 2209.00530).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import Cost
from eqcirc.errors import ConfigError, SolverError
from eqcirc.learning.rule import Measurement, Rule, check_arguments
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.ideal.holomorphic import Complex, nudged
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.response import EVEN_NOISE, NONLINEAR
from eqcirc.solvers.status import Status
from eqcirc.typing import Array, Parameters


class Holomorphic(Rule):
    """The rule for one circuit and cost."""

    name = "holomorphic EqProp"

    def __init__(self, circuit: Circuit, cost: Cost, beta: float, nudges: int = 4) -> None:
        """Check that there is a scaling s.

        Args:
            circuit: the circuit.
            cost: what the nudge minimises.
            beta: radius of the circle, in siemens for the squared error and in amperes for the cross-entropy.
            nudges: N, at least 2.

        Raises:
            SymmetryError: the circuit has no scaling.
            ConfigError: fewer than two nudges, or no whole number of them.
        """
        if not isinstance(nudges, int | np.integer) or nudges < 2:
            raise ConfigError(
                f"holomorphic EqProp: expected a whole number of nudges on the circle, at least 2, got {nudges!r}"
            )
        check_arguments(circuit, cost, beta)
        self.circuit, self.cost, self.beta, self.nudges = circuit, cost, beta, nudges
        self._scaling = symmetry(circuit)

    @property
    def order(self) -> int:
        """N."""
        return self.nudges

    @property
    def factors(self) -> Complex:
        """The nudges (N,) on the circle of radius 1."""
        return np.exp(2j * np.pi * np.arange(self.nudges) / self.nudges)

    def measure(self, solver: Solver, parameters: Parameters | None, inputs: Array, targets: Array) -> Circle:
        """See `Rule.measure`.

        Raises:
            SolverError: a solver with real voltages only.
        """
        if not isinstance(solver, IdealSolver):
            raise SolverError(
                f"holomorphic EqProp has complex voltages, which the {solver.name} solver cannot have; use the ideal "
                'solver, or variant = "richardson" of eqprop'
            )
        inputs, targets = self.asked(solver, inputs, targets)
        s = symmetry(self.circuit, parameters) if self.circuit.scaling_varies else self._scaling
        at = s[self.circuit.readout.nodes]
        weight = np.divide(1, at, out=np.zeros_like(at), where=at != 0)
        nudge = Nudge(self.cost, targets, self.beta, (1.0,), weight)
        nudge.check(len(inputs), self.circuit.readout.n_outputs)
        free = solver.solve(parameters, inputs)
        good, status = free.converged, free.status.copy()
        phases = np.full((self.nudges, *free.free.shape), np.nan, complex)
        if good.any():
            phases[:, good], solved, expected = nudged(
                self.circuit, parameters, inputs[good], free.free[good], nudge.take(good), self.factors
            )
            status[np.flatnonzero(good)[~solved]] = Status.NOT_CONVERGED
            first = np.tensordot(self.factors.conj(), phases[:, good], axes=1).real / self.nudges
            off = np.linalg.norm((first - expected)[:, self.circuit.free_nodes], axis=1)
            wrong = ~(
                off <= NONLINEAR * np.linalg.norm(expected[:, self.circuit.free_nodes], axis=1) + EVEN_NOISE
            )
            status[np.flatnonzero(good)[solved & wrong]] = Status.WRONG_BRANCH
        return Circle(self, parameters, replace(free, status=status), phases, s)


@dataclass(frozen=True, eq=False)
class Circle(Measurement):
    """Phases on the circle.

    Attributes:
        rule: that asked for them.
        parameters: values that they were solved at.
        points: the free phase.
        phases: (N, batch, node) complex volts.
        scaling: s (node,).
    """

    rule: Holomorphic
    parameters: Parameters | None
    points: OperatingPoints
    phases: Complex
    scaling: Array

    @property
    def contrast(self) -> Array:
        """First Fourier coefficient (batch, node) of the voltages."""
        return np.asarray(np.tensordot(self.rule.factors.conj(), self.phases, axes=1).real / self.rule.nudges)

    def take(self, samples: np.ndarray) -> Circle:
        """See `Measurement.take`."""
        return replace(self, points=self.points.take(samples), phases=self.phases[:, samples])

    def gradient(self) -> dict[str, Array]:
        """See `Measurement.gradient`."""
        rule, good = self.rule, self.points.converged
        values, free = rule.circuit.values(self.parameters), self.points.free[good]
        lam = self.scaling * self.contrast[good] / (rule.beta * max(1, int(good.sum())))
        found = rule.circuit.summed(lambda e: e.sensitivity(values[e.name], lam, free))
        return rule.circuit.chained(found, self.parameters)
