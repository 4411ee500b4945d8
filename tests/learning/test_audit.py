"""What audits see: solvers that differ, updates of another length, a beta at which the update is no gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import SquaredError
from eqcirc.devices import Bounds, ShockleyDiode
from eqcirc.errors import AuditError
from eqcirc.learning.audit import Audit, AuditLimits
from eqcirc.learning.eqprop import EqProp, Variant
from eqcirc.learning.rule import flat
from eqcirc.solvers.base import Nudge, OperatingPoints
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array, Parameters
from eqcirc.verify.gradients import adjoint_gradient, relative_error
from tests.catalogue import S

LOOSE = AuditLimits(1e9, 1e9, -2, -2, 1e9, 1e9, 1e9, 1e9)


def bent() -> Circuit:
    """An output between a diode and a resistor: its answer to a nudge is curved."""
    b = CircuitBuilder("bent")
    x, out = b.input("x", 2), b.nodes("out", 2)
    b.crossbar("w", x, out, np.array([[1.0, 2.0], [0.5, 1.5]]) * S, bounds=Bounds(1e-7, 1e-3))
    b.device("diode", out, GROUND, ShockleyDiode(1e-7))
    b.conductance("load", out, GROUND, 0.3 * S)
    return b.build(out)


INPUTS = np.array([[1.0, 0.5], [0.3, -0.8], [0.9, 0.9]])
TARGETS = np.array([[0.2, 0.0], [-0.1, 0.1], [0.05, 0.3]])


class Scaled(IdealSolver):
    """Answers to nudges that are too large, or off at random, by so much."""

    def __init__(self, circuit: Circuit, factor: float = 1.0, noise: float = 0.0) -> None:
        super().__init__(circuit)
        self._factor, self._noise = factor, noise

    def solve(
        self, parameters: Parameters | None, inputs: Array, nudge: Nudge | None = None
    ) -> OperatingPoints:
        points = super().solve(parameters, inputs, nudge)
        v = points.voltages.copy()
        v[1:] = v[0] + self._factor * (v[1:] - v[0])
        v[1:] += np.random.default_rng(0).normal(0, 1, v[1:].shape) * self._noise
        return replace(points, voltages=v)


def audited(
    rule: EqProp,
    other: Callable[[Circuit], IdealSolver] = IdealSolver,
    limits: AuditLimits = LOOSE,
    targets: Array = TARGETS,
) -> dict[str, float]:
    audit = Audit(other(rule.circuit), 1, 3, limits)
    return audit.compare(IdealSolver(rule.circuit), rule, rule.circuit.parameters, INPUTS, targets, 0)


@pytest.mark.parametrize(("variant", "beta"), [("centred", 0.7 * S), ("positive", 1e-6), ("negative", 1e-6)])
def test_half_of_beta_tells_the_error_of_an_update(variant: Variant, beta: float) -> None:
    """Against the adjoint gradient."""
    rule = EqProp(bent(), SquaredError(), beta, variant)
    parameters = rule.circuit.parameters
    points = IdealSolver(rule.circuit).solve(parameters, INPUTS, rule.nudge(TARGETS, parameters)).require()
    exact = adjoint_gradient(rule.circuit, parameters, INPUTS, TARGETS, rule.cost, points.free)
    error = relative_error(flat(rule.gradient(points, parameters)), flat(exact))
    assert error > 1e-3
    assert audited(rule)["bias"] == pytest.approx(error, rel=0.2)


def test_a_beta_at_which_the_update_is_no_gradient_stops_the_run() -> None:
    rule = EqProp(bent(), SquaredError(), 2e-5, "positive")
    with pytest.raises(
        AuditError, match=r"the update is .*% off for its beta; the run stops at 10%. Lower beta"
    ):
        audited(rule, limits=replace(LOOSE, stop_bias=0.1))


def test_updates_of_another_length_are_seen_though_the_angle_is_right() -> None:
    rule = EqProp(bent(), SquaredError(), 1e-7)
    row = audited(rule, lambda circuit: Scaled(circuit, 1.4))
    assert row["cosine"] == pytest.approx(1)
    assert row["length"] == pytest.approx(0.4, rel=1e-3)
    with pytest.raises(AuditError, match=r"lengths within 40.0%"):
        audited(rule, lambda circuit: Scaled(circuit, 1.4), replace(LOOSE, stop_length=0.3))


def test_updates_that_are_rounding_noise_agree() -> None:
    """A circuit that fits exactly has an update without direction, in either solver."""
    circuit = bent()
    exact = circuit.readout.read(IdealSolver(circuit).solve(None, INPUTS).require().free)
    row = audited(
        EqProp(circuit, SquaredError(), 1e-7), lambda c: Scaled(c, noise=1e-14), AuditLimits(), exact + 1e-13
    )
    assert (row["cosine"], row["length"], row["bias"]) == (1.0, 0.0, 0.0)
    noisy = audited(
        EqProp(circuit, SquaredError(), 1e-7), lambda c: Scaled(c, noise=1e-8), targets=exact + 1e-13
    )
    assert noisy["cosine"] < 0.9, "noise beyond what solvers round is no agreement"


def test_ngspice_and_the_ideal_solver_pass(spice: Callable[..., NgspiceSolver]) -> None:
    rule = EqProp(bent(), SquaredError(), 1e-7)
    audit = Audit(IdealSolver(rule.circuit), 1, 3)
    row = audit.compare(spice(rule.circuit), rule, rule.circuit.parameters, INPUTS, TARGETS, 0)
    assert row["length"] < 1e-6
    assert row["bias"] < 1e-3


def test_a_bias_that_half_of_beta_cannot_tell_is_not_taken_for_none() -> None:
    """Halved until the solver's precision hides the next half, so that nothing says how far the update is off."""
    circuit, few = bent(), slice(0, 1)
    solver, rule = IdealSolver(circuit), EqProp(circuit, SquaredError(), 1e-9)

    def converges(rule: EqProp) -> bool:
        return bool(rule.measure(solver, None, INPUTS[few], TARGETS[few]).points.converged.all())

    while converges(rule.with_beta(rule.beta / 2)):
        rule = rule.with_beta(rule.beta / 2)
    with pytest.raises(AuditError, match=r"no sample converged with half of beta.*beta = .* is too small"):
        Audit(IdealSolver(circuit), 1, 1, LOOSE).compare(
            solver, rule, circuit.parameters, INPUTS[few], TARGETS[few], 0
        )
