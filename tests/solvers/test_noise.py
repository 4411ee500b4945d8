"""Noise of the outputs: closed forms, both engines against one another, every kind of part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.analysis.settling import with_capacitance
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import ShockleyDiode
from eqcirc.errors import ConfigError, SolverError
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.noise import Band, Noise
from eqcirc.typing import Array
from tests.catalogue import CASES

K, Q, T = 1.380649e-23, 1.602176634e-19, 300.15  # of the SI, not the simulator's
WIDE = Band(1.0, 1e12)
SHARED = {"neurons", "current_outputs", "mixture"}  # R-L branches that share resistances


def rc(farads: float = 1e-12) -> Circuit:
    """1 µS to the input and 3 µS to ground at a capacitor."""
    b = CircuitBuilder("rc")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, 1e-6)
    b.conductance("load", out, GROUND, 3e-6)
    b.capacitor("c", out, GROUND, farads)
    return b.build(out)


def of(solver: Solver, inputs: Array, band: Band = WIDE) -> Noise:
    points = IdealSolver(solver.circuit).solve(None, inputs[None]).require()
    return solver.noise(None, inputs, points.free[0], band)


def solver_of(engine: str, circuit: Circuit, spice: Callable[..., NgspiceSolver]) -> Solver:
    return IdealSolver(circuit) if engine == "ideal" else spice(circuit)


engines = pytest.mark.parametrize("engine", ["ideal", "ngspice"])


@engines
def test_the_noise_of_an_rc_is_kt_over_c(engine: str, spice: Callable[..., NgspiceSolver]) -> None:
    """Whatever the resistances; below the corner the density is 4kT·R."""
    found = of(solver_of(engine, rc(), spice), np.array([0.5]))
    assert found.rms == pytest.approx(np.sqrt(K * T / 1e-12), rel=1e-4)
    assert found.density[0] == pytest.approx(4 * K * T / 4e-6, rel=1e-5)
    corner = 4e-6 / (2 * np.pi * 1e-12)
    expected = 4 * K * T / 4e-6 / (1 + (found.frequencies / corner) ** 2)
    np.testing.assert_allclose(found.density[:, 0], expected, rtol=1e-5)


@engines
def test_a_forward_diode_has_shot_noise(engine: str, spice: Callable[..., NgspiceSolver]) -> None:
    """2q·I through the differential resistance, beside the Johnson noise of the resistor that feeds it."""
    b = CircuitBuilder("diode")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, 1e-6)
    b.device("diode", out, GROUND, ShockleyDiode())
    circuit = b.build(out)
    found = of(solver_of(engine, circuit, spice), np.array([2.0]), Band(1.0, 10.0))
    v = IdealSolver(circuit).solve(None, [[2.0]]).free[0, out]
    current, slope = ShockleyDiode().evaluate(v)
    expected = (4 * K * T * 1e-6 + 2 * Q * current) / (1e-6 + slope) ** 2
    np.testing.assert_allclose(found.density[0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", [n for n in CASES if n not in SHARED])
def test_both_engines_agree(name: str, spice: Callable[..., NgspiceSolver]) -> None:
    circuit = with_capacitance(CASES[name]().circuit, 1e-12)
    x = CASES[name]().inputs[-1]
    band = Band(1e3, 1e9, per_decade=1)
    ideal, other = (of(s, x, band).density for s in (IdealSolver(circuit), spice(circuit)))
    np.testing.assert_allclose(other, ideal, rtol=1e-6, atol=1e-12 * ideal.max() + 1e-40)


def test_shared_resistances_make_noise_in_both_branches(spice: Callable[..., NgspiceSolver]) -> None:
    """By hand: 10 kohm beside 10 kohm, and what both share, of which one branch gets the opposite of the other."""
    b = CircuitBuilder("shared")
    x, out = b.input("x"), b.nodes("out")
    b.rl_branches(
        "coil", np.concatenate([x, out]), [int(out[0]), GROUND], 1e4, 1e-3, shared=[(0, 1)], shared_ohms=5e3
    )
    circuit = b.build(out)
    found = of(IdealSolver(circuit), np.array([1.0]), Band(1.0, 10.0))
    np.testing.assert_allclose(found.density, 4 * K * T * (5e3 + 5e3), rtol=1e-5)
    with pytest.raises(SolverError, match="share resistances"):
        of(spice(circuit), np.array([1.0]))


def test_a_solver_that_has_none_says_so() -> None:
    solver = IdealSolver(rc())
    with pytest.raises(SolverError, match="the ideal solver has no noise analysis"):
        Solver.noise(solver, None, np.zeros(1), np.zeros(3), WIDE)


def test_bands() -> None:
    np.testing.assert_allclose(Band(1.0, 100.0, 1).frequencies, [1, 10, 100])
    np.testing.assert_allclose(Band(1.0, 101.0, 1).frequencies, [1, 10, 100, 1000])
    with pytest.raises(ConfigError, match="above 0 Hz, got 0 to 1"):
        Band(0.0, 1.0)
    with pytest.raises(ConfigError, match="at least one frequency"):
        Band(1.0, 2.0, 0)
