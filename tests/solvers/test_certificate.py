"""Certificates where storage or damping of recovery is out of the ordinary, against eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import CubicDevice
from eqcirc.solvers.certificate import Certificate, certificate
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.stability import stability
from eqcirc.verify.stability import stability_certificate, stability_report

NOTHING = np.empty((1, 0))


def neurons(
    count: int, gm: float, leak: float | None, load: float = 0.5e-3, g1: float = 1e-3
) -> CircuitBuilder:
    """Cubic neurons on gyrators; nothing is stored behind those yet. Nodes 1 to count, then the recovery nodes."""
    b = CircuitBuilder("neurons")
    v, w = b.nodes("v", count), b.nodes("w", count)
    b.device("cell", v, GROUND, CubicDevice(g1))
    b.conductance("load", v, GROUND, load)
    b.capacitor("membrane", v, GROUND, 1e-9)
    b.gyrator("gy", v, w, gm)
    if leak is not None:
        b.conductance("leak", w, GROUND, leak)
    return b


def floating(count: int, gm: float, leak: float, farads: float) -> Circuit:
    """Neurons whose recovery nodes have capacitors between one another only."""
    b, w = neurons(count, gm, leak), np.arange(count) + count + 1
    b.capacitor("between", w[:-1], w[1:], farads * np.linspace(0.7, 2.3, count - 1))
    return b.build(1)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_capacitors_that_float_between_recovery_nodes_are_judged(count: int) -> None:
    circuit = floating(count, 1e-3, 1e-3, 1e-10)
    assert stability_certificate(circuit) == Certificate(unique=True, attracting=True)
    assert IdealSolver(circuit).solve(None, NOTHING).require().free == pytest.approx(0)


def test_with_floating_capacitors_too_what_is_certified_is_stable() -> None:
    rng, certified, unstable = np.random.default_rng(0), 0, 0
    for _ in range(150):
        circuit = floating(3, *(10 ** rng.uniform((-3.5, -3.5, -10.5), (-2, -2, -7.5))))
        dynamics = Dynamics.of(circuit, None, np.empty((4, 0)))
        u = rng.normal(0, 0.3, (4, dynamics.n))
        stable = stability(dynamics, u).stable
        if certificate(dynamics).attracting:
            certified += 1
            assert stable.all()
        unstable += not stable.all()
    assert certified > 20
    assert unstable > 20


def test_a_capacitor_between_an_activator_and_recovery_is_not_certified() -> None:
    """The proof takes their storage apart. Without that capacitor the same circuit is certified."""
    known = []
    for across in (None, 1e-12):
        b = neurons(1, 1e-3, 1e-3)
        b.capacitor("store", 2, GROUND, 1e-10)
        if across:
            b.capacitor("across", 1, 2, across)
        known.append(stability_certificate(b.build(1)))
    assert known == [Certificate(unique=True, attracting=True), Certificate(unique=True, attracting=False)]


def test_an_ideal_inductor_is_solved_and_judged() -> None:
    """A gyrator without a leak: at rest it holds its node at 0 V, and v there would oscillate but for the load."""
    g, gm, c, store = 1e-3, 2e-3, 1e-9, 4e-9
    b = CircuitBuilder("inductor")
    x, v, w = b.input("x"), b.nodes("v"), b.nodes("w")
    b.conductance("drive", x, v, g)
    b.gyrator("gy", v, w, gm)
    b.capacitor("store", np.concatenate([v, w]), GROUND, [c, store])
    circuit = b.build(v)
    free = IdealSolver(circuit).solve(None, np.array([[0.0], [1.0], [-3.0]])).require().free
    np.testing.assert_allclose(free[:, v[0]], 0, atol=1e-12)
    np.testing.assert_allclose(free[:, w[0]], g / gm * np.array([0, 1, -3]), atol=1e-12)
    found = stability_report(circuit, None, np.ones((1, 1)), free[1:2])
    expected = np.linalg.eigvals([[-g / c, -gm / c], [gm / store, 0]])
    assert found.growth == pytest.approx([expected.real.max()])
    assert np.isnan(found.curvature).all()
    assert stability_certificate(circuit) == Certificate(unique=False, attracting=False)


def test_recovery_without_leaks_has_no_curvature_even_where_its_nodes_are_joined() -> None:
    """D is then a Laplacian, whose only zero is hidden in rounding."""
    count = 7
    b, w = neurons(count, 1e-3, None), np.arange(count) + count + 1
    b.conductance("between", w, np.roll(w, 1), np.linspace(1.1e-4, 2.9e-3, count))
    b.capacitor("store", w, GROUND, 1e-10)
    circuit = b.build(1)
    found = stability_report(circuit, None, NOTHING, np.zeros((1, circuit.n_nodes)))
    assert np.isnan(found.curvature).all()
    assert np.isfinite(found.growth).all()
    assert stability_certificate(circuit) == Certificate(unique=False, attracting=False)


def test_recovery_in_siemens_and_ohms_at_once_has_a_curvature() -> None:
    """Leaks of 1 nS beside branches of 1 Gohm: 18 decades, of which none is missing."""
    b = neurons(1, 1e-6, 1e-9)
    b.capacitor("store", 2, GROUND, 1e-10)
    b.rl_branches("coil", 1, GROUND, 1e9, 1.0)
    circuit = b.build(1)
    found = stability_report(circuit, None, NOTHING, np.zeros((1, circuit.n_nodes)))
    assert found.curvature == pytest.approx([0.5e-3 - 1e-3 + 1e-12 / 1e-9 + 1e-9])
