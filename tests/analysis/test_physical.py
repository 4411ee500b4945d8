"""Physical figures together: energies, ratings and noise by hand, and in both engines."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import eqcirc as eq
from eqcirc.analysis.physical import Conditions, physical_figures
from eqcirc.analysis.ratings import Rating
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.errors import ConfigError, SolverError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver

K, T = 1.380649e-23, 300.15
C = 1e-12


def dividers() -> Circuit:
    """1 µS above 1 µS, and 1 µS above 3 µS: outputs of a half and a quarter."""
    b = CircuitBuilder("dividers")
    x, out = b.input("x"), b.nodes("out", 2)
    b.conductance("top", x, out, 1e-6, trainable=True)
    b.conductance("bottom", out, GROUND, [1e-6, 3e-6])
    return b.build(out)


X = np.array([[1.0], [-2.0]])
WATTS = (0.5e-6 + 0.75e-6) * X[:, 0] ** 2


def test_figures_by_hand() -> None:
    given = Conditions(capacitance=C, settle=1, write_volts=2.0, write_seconds=1e-6)
    found = physical_figures(IdealSolver(dividers()), None, X, given)
    np.testing.assert_allclose(found.power.dissipated, WATTS, rtol=1e-12)
    # the upper one settles to 1 % of 0.5 V, both at the time constants of all that reaches a node
    assert found.settled[0].seconds == pytest.approx(C / 2e-6 * math.log(100), rel=1e-3)
    assert found.settled[0].joules == pytest.approx(found.settled[0].seconds * WATTS[0])
    assert found.synapses == 2
    assert found.update_joules == pytest.approx(2 * 1e-6 * 4.0 * 1e-6)
    assert found.noise[0].rms == pytest.approx([math.sqrt(K * T / C)] * 2, rel=1e-3)
    assert found.noise[0].gap == pytest.approx(0.25)
    assert len(found.settled) == len(found.noise) == 1


def test_what_is_not_known_is_not_said() -> None:
    found = physical_figures(IdealSolver(dividers()), None, X)
    assert (found.settled, found.update_joules, found.noise) == ((), None, ())
    assert all(math.isnan(seen.used) and not seen.exceeded for seen in found.seen)
    pulse = Conditions(write_joules=1e-12, band=(1.0, 1e4))
    found = physical_figures(IdealSolver(dividers()), None, X, pulse)
    assert found.update_joules == 2e-12
    assert found.noise[0].rms == pytest.approx(
        [math.sqrt(4 * K * T / g * 1e4) for g in (2e-6, 4e-6)], rel=1e-3
    )


def test_ratings() -> None:
    ratings = (Rating("synapse", volts=1.2, watts=3e-6), Rating("resistor", amperes=2e-6))
    found = physical_figures(IdealSolver(dividers()), None, X, Conditions(ratings=ratings))
    seen = {(s.kind, s.quantity): s for s in found.seen}
    assert [(s.kind, s.quantity) for s in found.exceeded] == [("synapse", "volts")]
    assert seen["synapse", "volts"].used == pytest.approx(1.5 / 1.2)
    assert (seen["synapse", "volts"].largest.part, seen["synapse", "volts"].largest.sample) == (1, 1)
    assert seen["synapse", "watts"].used == pytest.approx(1.5**2 / 3)
    assert seen["resistor", "amperes"].used == pytest.approx(1.5e-6 / 2e-6)


def test_both_engines_say_the_same(spice: Callable[..., NgspiceSolver]) -> None:
    circuit = eq.Layered(hidden=(3,), gain=4.0, input_gain=2.0).build("network", 2, 2, 0)
    given, x = Conditions(capacitance=C, settle=1), np.array([[0.4, -0.2], [0.1, 0.3]])
    ideal, other = (physical_figures(s, None, x, given) for s in (IdealSolver(circuit), spice(circuit)))
    np.testing.assert_allclose(other.power.dissipated, ideal.power.dissipated, rtol=1e-8)
    assert other.settled[0].seconds == pytest.approx(ideal.settled[0].seconds, rel=1e-2)
    assert other.settled[0].node == ideal.settled[0].node
    assert other.noise[0].rms == pytest.approx(ideal.noise[0].rms, rel=1e-6)
    for one, two in zip(other.seen, ideal.seen, strict=True):
        assert one.largest.value == pytest.approx(two.largest.value, rel=1e-6)
    assert (ideal.engine, other.engine) == ("ideal", "ngspice")


def test_samples_without_an_operating_point_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    solver = IdealSolver(dividers())
    solve = solver.solve

    def failing(*given: object) -> eq.OperatingPoints:
        points = solve(*given)  # type: ignore[arg-type]
        points.status[0] = eq.Status.NOT_CONVERGED
        return points

    monkeypatch.setattr(solver, "solve", failing)
    found = physical_figures(solver, None, X)
    assert (found.samples, found.failed) == (2, 1)
    np.testing.assert_allclose(found.power.dissipated, WATTS[1:])
    assert found.power.worst[1] == 1
    with pytest.raises(SolverError, match="none of 1 samples"):
        physical_figures(solver, None, X[:1])


def test_what_is_refused() -> None:
    solver = IdealSolver(dividers())
    with pytest.raises(ConfigError, match="no device of the class 'synapses': did you mean 'synapse'"):
        physical_figures(solver, None, X, Conditions(ratings=(Rating("synapses", volts=1.0),)))
    with pytest.raises(ConfigError, match="'synapse' is rated twice"):
        physical_figures(solver, None, X, Conditions(ratings=(Rating("synapse"), Rating("synapse"))))
    with pytest.raises(ConfigError, match="write_volts and write_seconds, or write_joules alone"):
        Conditions(write_volts=1.0)
    with pytest.raises(ConfigError, match="write_joules alone"):
        Conditions(write_volts=1.0, write_seconds=1.0, write_joules=1.0)
    with pytest.raises(ConfigError, match="expected volts above 0, got -1"):
        Rating("synapse", volts=-1)
    with pytest.raises(ConfigError, match="expected write_joules above 0, got nan"):
        Conditions(write_joules=math.nan)
    with pytest.raises(ConfigError, match="at least one sample to settle"):
        Conditions(settle=0)
