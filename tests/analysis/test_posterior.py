"""Posteriors against formulas that know no circuits: Kalman's update, quadrature, the nudged state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from eqcirc.analysis.posterior import posterior
from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.readout import Readout
from eqcirc.costs import SquaredError
from eqcirc.devices import ShockleyDiode
from eqcirc.errors import CircuitError, ConfigError, DataError, EqcircError, SolverError, SymmetryError
from eqcirc.solvers.base import Nudge, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from tests.case import S
from tests.predictive import plan

SIGMA = 0.05  # V
SAMPLES = np.array([[0.5], [-1.0]])
ENGINES: list[Callable[[Circuit], Solver]] = [IdealSolver, NgspiceSolver]


def triangle(*, differential: bool = False) -> tuple[Circuit, Array, Array]:
    """Three nodes in a ring, driven at the first: the circuit, K and h of ½·vᵀ·K·v − x·h·v."""
    b = CircuitBuilder("triangle")
    x, n = b.input("x"), b.nodes("n", 3)
    b.conductance("ring", n, n[[1, 2, 0]], [S, 2 * S, 3 * S])
    b.conductance("feed", x, n[0], S)
    b.conductance("load", n, GROUND, [S, 0.5 * S, 2 * S])
    k = S * np.array([[6.0, -1, -3], [-1, 3.5, -2], [-3, -2, 7]])
    circuit = b.build(n[1:2], n[2:]) if differential else b.build(n[1:])
    return circuit, k, np.array([S, 0, 0])


@pytest.mark.parametrize("differential", [False, True])
@pytest.mark.parametrize("make", ENGINES)
def test_linear_circuits_do_kalmans_update(make: Callable[[Circuit], Solver], differential: bool) -> None:
    circuit, k, h = triangle(differential=differential)
    read = np.array([[0, 1.0, -1.0]]) if differential else np.eye(3)[1:]
    y = np.array([[0.2, -0.1], [0.0, 0.4]])[:, : len(read)]
    with make(circuit) as solver:
        for beta in (0.1 * S, S, 10 * S):
            temperature = beta * SIGMA**2
            found = posterior(solver, None, SAMPLES, y, SIGMA, temperature)
            prior = temperature * np.linalg.inv(k)
            mean = SAMPLES * (np.linalg.inv(k) @ h)
            gain = prior @ read.T @ np.linalg.inv(read @ prior @ read.T + SIGMA**2 * np.eye(len(read)))
            assert found.gaussian
            assert found.beta == pytest.approx(beta)
            np.testing.assert_allclose(
                found.mode[:, circuit.free_nodes], mean + (y - mean @ read.T) @ gain.T, rtol=0, atol=1e-12
            )
            after = prior - gain @ read @ prior
            np.testing.assert_allclose(found.covariance, [after, after], rtol=1e-9, atol=1e-9 * after.max())
            np.testing.assert_allclose(found.deviation[0], np.sqrt(np.diag(after)), rtol=1e-9)


def test_behind_an_amplifier_a_voltage_is_known_as_well_as_before_it() -> None:
    b = CircuitBuilder("amplified")
    x, before, after, out = b.input("x"), b.nodes("before"), b.nodes("after"), b.nodes("out")
    b.conductance("feed", x, before, S)
    b.conductance("load", before, GROUND, S)
    b.amplifier("amp", before, after, 4.0)
    b.conductance("second", after, out, 2 * S)
    b.conductance("rest", out, GROUND, S)
    found = posterior(IdealSolver(b.build(out)), None, SAMPLES, np.array([[0.3], [0.1]]), SIGMA, S * SIGMA**2)
    k = [found.nodes.tolist().index(int(n)) for n in (before[0], after[0], out[0])]
    cov = found.covariance[0][np.ix_(k, k)]
    np.testing.assert_allclose(cov[1], 4 * cov[0], rtol=1e-12)
    # Hessian in units of S, for voltages before and at the output; s is A/kappa = 16 before, 1 behind
    energy = np.array([[16 * 2 + 2 * 4**2, -2 * 4], [-2 * 4, 2 + 1 + 1]])
    np.testing.assert_allclose(cov[np.ix_([0, 2], [0, 2])], SIGMA**2 * np.linalg.inv(energy), rtol=1e-12)


def test_the_mode_is_the_nudged_state() -> None:
    circuit = plan(3).build("predictive", 1, 2, 0)
    solver, y, beta = IdealSolver(circuit), np.array([[0.1, -0.2], [0.3, 0.0]]), 0.1 * S
    found = posterior(solver, None, SAMPLES, y, SIGMA, beta * SIGMA**2)
    nudged = solver.solve(None, SAMPLES, Nudge(SquaredError(), y, beta, (1.0,))).require().voltages[1]
    np.testing.assert_allclose(found.mode, nudged, rtol=0, atol=1e-10)
    assert not found.gaussian
    errors = [k for k, name in enumerate(circuit.node_names) if name.startswith("e")]
    assert not np.isin(errors, found.nodes).any(), "errors are no variables"


def test_a_diode_has_laplaces_deviation() -> None:
    """Where noise is small, against quadrature; the mode is not the mean."""
    b, law, temperature = CircuitBuilder("diode"), ShockleyDiode(), 1e-8
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, S)
    b.device("diode", out, GROUND, law)
    circuit, sigma = b.build(out), (temperature / S) ** 0.5
    found = posterior(IdealSolver(circuit), None, np.array([[1.0]]), np.array([[0.4]]), sigma, temperature)
    v = np.linspace(0.0, 0.8, 200_001)
    energy = 0.5 * S * ((v - 1) ** 2 + (v - 0.4) ** 2) + law.cocontent(v)
    weight = np.exp(-(energy - energy.min()) / temperature)
    mean = weight @ v / weight.sum()
    deviation = np.sqrt(weight @ (v - mean) ** 2 / weight.sum())
    assert not found.gaussian
    assert found.mode[0, out[0]] == pytest.approx(v[energy.argmin()], abs=4e-6)
    assert found.deviation[0, 0] == pytest.approx(deviation, rel=0.05)
    assert abs(found.mode[0, out[0]] - mean) > 1e-5
    assert "Laplace" in repr(found)


def lone() -> Circuit:
    b = CircuitBuilder("lone")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("feed", x, n[0], S)
    b.conductance("load", n, GROUND, S)
    b.transconductor("forth", (n[1], GROUND), (n[0], GROUND), S)
    return b.build(n)


def summed() -> Circuit:
    b = CircuitBuilder("summed")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("feed", x, n, S)
    b.conductance("load", n, GROUND, S)
    return b.build(Readout.weighted(n, [[0.5, 0.5]]))


@pytest.mark.parametrize(
    ("circuit", "changes", "kind", "words"),
    [
        (triangle()[0], {"sigma": 0.0}, ConfigError, "sigma = 0.0"),
        (triangle()[0], {"temperature": np.nan}, ConfigError, "temperature = nan"),
        (triangle()[0], {"readings": np.zeros((2, 3))}, DataError, r"shape \(2, 2\)"),
        (triangle()[0], {"readings": np.full((2, 2), np.inf)}, DataError, "finite"),
        (triangle()[0], {"inputs": np.zeros((2, 4))}, DataError, "1 features"),
        (lone(), {}, SymmetryError, "nothing carries it back"),
        (summed(), {"readings": np.zeros((2, 1))}, CircuitError, "a conductance can observe"),
    ],
)
def test_wrong_questions(
    circuit: Circuit, changes: dict[str, Any], kind: type[EqcircError], words: str
) -> None:
    asked = {"inputs": SAMPLES, "readings": np.zeros((2, 2)), "sigma": SIGMA, "temperature": 1e-8} | changes
    with pytest.raises(kind, match=words):
        posterior(IdealSolver(circuit), None, **asked)


def test_a_saddle_is_no_prior() -> None:
    """Couplings that outweigh the conductances around them: the energy has no minimum."""
    b = CircuitBuilder("saddle")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("feed", x, n, S)
    b.conductance("load", n, GROUND, 0.1 * S)
    b.signed_crossbar("negative", n[:1], n[1:], np.array([[2 * S]]), loaded=False)
    with pytest.raises(SolverError):
        posterior(IdealSolver(b.build(n)), None, SAMPLES, np.zeros((2, 2)), SIGMA, 0.01 * S * SIGMA**2)
