"""Settling: against the closed form of an RC, both engines against one another, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.analysis.settling import settling, with_capacitance
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.devices import ShockleyDiode
from eqcirc.errors import CircuitError, ConfigError, SolverError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver

FARADS = 2e-12
X = np.array([0.7])


def rc() -> Circuit:
    """1 µS to the input, 3 µS to ground, and a capacitance."""
    return with_capacitance(bare(), FARADS)


def bare() -> Circuit:
    b = CircuitBuilder("rc")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, 1e-6)
    b.conductance("load", out, GROUND, 3e-6)
    return b.build(out)


@pytest.mark.parametrize("tolerance", [0.1, 0.01, 1e-4])
@pytest.mark.parametrize("engine", ["ideal", "ngspice"])
def test_an_rc_settles_as_its_time_constant_says(
    engine: str, tolerance: float, spice: Callable[..., NgspiceSolver]
) -> None:
    """t = R·C·ln(1/tolerance)."""
    circuit = rc()
    solver = IdealSolver(circuit) if engine == "ideal" else spice(circuit)
    v = IdealSolver(circuit).solve(None, X[None]).free[0]
    found = settling(solver, None, X, v, tolerance=tolerance)
    assert found.seconds == pytest.approx(FARADS / 4e-6 * math.log(1 / tolerance), rel=2e-3)
    assert found.node == "out"


def test_both_engines_agree_on_a_network(spice: Callable[..., NgspiceSolver]) -> None:
    network = Layered(hidden=(3,), gain=4.0, input_gain=2.0).build("network", 2, 2, 0)
    circuit = with_capacitance(network, FARADS)
    x = np.array([0.4, -0.2])
    v = IdealSolver(circuit).solve(None, x[None]).free[0]
    ideal, other = (settling(s, None, x, v).seconds for s in (IdealSolver(circuit), spice(circuit)))
    assert other == pytest.approx(ideal, rel=1e-2)


def test_a_node_that_is_there_at_once_takes_no_time() -> None:
    circuit = rc()
    v = IdealSolver(circuit).solve(None, [[0.0]]).free[0]
    assert settling(IdealSolver(circuit), None, np.zeros(1), v).seconds == 0


def test_what_is_refused() -> None:
    circuit = rc()
    solver, v = IdealSolver(circuit), IdealSolver(circuit).solve(None, X[None]).free[0]
    with pytest.raises(CircuitError, match="neither capacitors nor R-L branches"):
        settling(IdealSolver(bare()), None, X, v)
    with pytest.raises(CircuitError, match="expected between 1e-18 and 1 F"):
        with_capacitance(circuit, -1.0)
    with pytest.raises(ConfigError, match="tolerance from 1e-9 to 1, got 2"):
        settling(solver, None, X, v, tolerance=2.0)
    with pytest.raises(SolverError, match=r"'out' of 'rc' is still 0\.1 V from its operating point"):
        settling(solver, None, X, np.where(v == v[-1], v + 0.1, v))


def test_a_diode_in_the_way() -> None:
    """Through a diode the last of the way is slower than its small-signal conductance at the end says."""
    b = CircuitBuilder("diode")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, 1e-7)
    b.device("diode", out, GROUND, ShockleyDiode())
    circuit = with_capacitance(b.build(out), FARADS)
    v = IdealSolver(circuit).solve(None, X[None]).free[0]
    found = settling(IdealSolver(circuit), None, X, v)
    _, slope = ShockleyDiode().evaluate(v[out])
    assert found.seconds < FARADS / 1e-7 * math.log(100)
    assert found.seconds > FARADS / (1e-7 + float(slope[0])) * math.log(100)
