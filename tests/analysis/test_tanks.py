"""LC oscillators through ngspice against their averaged equation, and the reading of phases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eqcirc.analysis.tanks import read_phases, run_tanks
from eqcirc.circuit.tanks import Tanks
from eqcirc.errors import CircuitError, ConfigError
from eqcirc.solvers.free_phase import InitialState
from eqcirc.solvers.ideal.solver import IdealSolver

NOTHING = np.zeros(2)


def test_phases_are_read_from_whole_cycles() -> None:
    times = np.linspace(0, 40e-6, 8001)
    volts = 0.7 * np.cos(2 * math.pi * 1e6 * times + np.array([[0.3], [-2.0]])).T
    found = read_phases(times, volts, 1e6)
    np.testing.assert_allclose(found.phase, [[0.3, -2.0]] * 2, atol=1e-4)
    np.testing.assert_allclose(found.amplitude, 0.7, rtol=1e-4)


def test_two_tanks_pull_in_at_the_rate_of_their_coupling() -> None:
    g = 1.25e-5
    pair = Tanks(np.array([[0.0, g], [g, 0.0]]), NOTHING, NOTHING)
    found = run_tanks(pair, np.array([0.5, -0.5]), 200)
    half = np.log(np.tan((found.phase[1:, 0] - found.phase[1:, 1]) / 2))
    rate = -np.polyfit(found.times[1:], half, 1)[0]
    assert rate == pytest.approx(g / pair.capacitance, rel=0.02)


def test_the_phase_circuit_has_the_same_rates() -> None:
    """Of a small perturbation, from the slopes of its devices: -g/C for two that are joined by -g."""
    g = -1e-5
    tanks = Tanks(np.array([[0.0, g], [g, 0.0]]), np.array([1e-5, 0.0]), np.array([0.0, 4e-6]))
    circuit = tanks.phase_circuit("phases")
    farads = circuit.element("phase").value[0]
    start = InitialState({"v_0": 0.1, "v_1": 3.0})
    phases = IdealSolver(circuit, start=start).solve(None, np.zeros((1, 0))).require().free[0, 1:]
    np.testing.assert_allclose(phases, [0, math.pi], atol=1e-9)  # pulled to 0, and away from each other
    rates = {name: float(circuit.element(name).value[0] / farads) for name in ("join", "bias", "second")}
    assert rates["join"] == pytest.approx(g / 2e-9)
    assert rates["bias"] == pytest.approx(1e-5 / (2 * tanks.amplitude * 1e-9))
    assert rates["second"] == pytest.approx(4e-6 / 4e-9)


def test_what_would_not_oscillate_is_refused() -> None:
    strong = np.array([[0.0, 1e-3], [1e-3, 0.0]])
    with pytest.raises(CircuitError, match="nothing would oscillate"):
        Tanks(strong, NOTHING, NOTHING)
    with pytest.raises(CircuitError, match="expected symmetric couplings"):
        Tanks(np.array([[0.0, 1e-6], [0.0, 0.0]]), NOTHING, NOTHING)
    with pytest.raises(ConfigError, match="at least 20 cycles"):
        run_tanks(Tanks(np.zeros((2, 2)), NOTHING, NOTHING), NOTHING, 5)
