"""Linear theory against the eigenvalues of the whole lattice, and against figures that were measured before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import eigvals

from eqcirc.analysis.pattern import uniform_start
from eqcirc.analysis.turing import (
    LATTICES,
    Device,
    around_diode,
    dispersion,
    recovery_state,
    uniform_state,
    with_inductors,
)
from eqcirc.circuit.lattice import Lattice
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery
from eqcirc.devices import CubicDevice, EsakiDiode
from eqcirc.devices.polynomial import PolynomialDevice
from eqcirc.devices.presets import PRESETS
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import CircuitError
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.typing import Array

both = pytest.mark.parametrize("device", ["cubic", "esaki"])


def jacobian_eigenvalues(lattice: Lattice) -> Array:
    """Of the circuit, at its uniform state."""
    circuit = lattice.build("lattice")
    dynamics = Dynamics.of(circuit, None, np.zeros((1, 0)))
    u = dynamics.plan.collect(uniform_start(lattice, circuit)[0][None])
    at, _ = dynamics.bare.linearise(u)
    assert at.solved.all()
    return np.asarray(eigvals(np.linalg.solve(dynamics.storage, -dynamics.jacobian(at)[0])))


@both
@pytest.mark.parametrize("inductors", [False, True])
@pytest.mark.parametrize(
    ("shape", "periodic"), [((13,), False), ((12,), True), ((13,), True), ((5, 4), False), ((4, 6), True)]
)
def test_modes_grow_as_the_jacobian_says(
    device: Device, inductors: bool, shape: tuple[int, ...], periodic: bool
) -> None:
    lattice = replace(LATTICES[device], shape=shape, periodic=periodic)
    lattice = with_inductors(lattice) if inductors else lattice
    found = jacobian_eigenvalues(lattice).real
    theory = dispersion(lattice)
    assert theory.growth.max() == pytest.approx(found.max(), rel=1e-6)
    scale = np.abs(found).max()
    for growth in theory.growth:
        assert np.abs(found - growth).min() < 1e-9 * scale
    if not periodic:  # every mode once: the faster of its two eigenvalues
        np.testing.assert_allclose(np.sort(theory.growth)[-5:], np.sort(found)[-5:], atol=1e-9 * scale)


@pytest.mark.parametrize("shape", [(2,), (2, 2), (2, 5)])
def test_a_ring_of_two_has_one_link(shape: tuple[int, ...]) -> None:
    lattice = replace(LATTICES["cubic"], shape=shape, periodic=True)
    assert dispersion(lattice).growth.max() == pytest.approx(jacobian_eigenvalues(lattice).real.max())


def test_a_whole_diode_brings_its_capacitance_and_no_leads() -> None:
    neuron = LATTICES["esaki"].neuron
    diode = TunnelDiode(EsakiDiode(), capacitance=0.5e-9)
    lattice = replace(LATTICES["esaki"], shape=(12,), neuron=replace(neuron, diode=diode))
    assert dispersion(lattice).growth.max() == pytest.approx(jacobian_eigenvalues(lattice).real.max())
    leads = replace(neuron, diode=replace(diode, series_resistance=1.0))
    with pytest.raises(
        CircuitError, match="expected a diode without leads, got a series resistance of 1 ohm"
    ):
        dispersion(replace(lattice, neuron=leads))


def test_the_lattices_of_the_presets() -> None:
    cubic, esaki = (dispersion(LATTICES[device]) for device in ("cubic", "esaki"))
    assert cubic.patterns
    assert esaki.patterns
    assert (cubic.fastest, esaki.fastest) == (19, 19)
    assert cubic.wavelength == esaki.wavelength == pytest.approx(2 * 96 / 19)
    assert cubic.rate == pytest.approx(0.080e6, rel=2e-3)
    np.testing.assert_array_equal(np.flatnonzero(cubic.unstable), np.arange(15, 24))


@pytest.mark.parametrize(
    ("g", "gm", "wavelength"), [(0.6, 2.6, 7.38), (1.2, 1.7, 11.29), (3, 1.4, 17.45), (8, 1.08, 32.0)]
)
def test_coupling_sets_the_wavelength(g: float, gm: float, wavelength: float) -> None:
    lattice = LATTICES["cubic"]
    neuron = replace(lattice.neuron, recovery=GyratorRecovery(gm * 1e-3, 1e-3, 1e-10))
    theory = dispersion(replace(lattice, neuron=neuron, activator=g * 1e-3))
    assert theory.wavelength == pytest.approx(wavelength, abs=0.006)


@both
def test_nothing_grows_without_inhibitor_diffusion(device: Device) -> None:
    theory = dispersion(replace(LATTICES[device], inhibitor=None))
    assert not theory.patterns
    assert not theory.unstable.any()
    assert (theory.growth < 0).all()


def test_neurons_that_oscillate_alone_are_no_turing_pattern() -> None:
    lattice = LATTICES["cubic"]
    slow = replace(lattice.neuron, recovery=GyratorRecovery(2e-3, 1e-3, 1e-8))
    theory = dispersion(replace(lattice, neuron=slow))
    assert theory.growth[0] > 0
    assert not theory.patterns


def test_wavelengths_of_chains_rings_and_grids() -> None:
    chain = dispersion(replace(LATTICES["cubic"], shape=(40,)))
    np.testing.assert_allclose(chain.wavelengths[[0, 1, 20]], [np.inf, 80, 4])
    ring = dispersion(replace(LATTICES["cubic"], shape=(40,), periodic=True))
    assert len(ring.modes) == 21
    np.testing.assert_allclose(ring.wavelengths[[0, 1, 20]], [np.inf, 40, 2])
    grid = dispersion(replace(LATTICES["cubic"], shape=(10, 20)))
    diagonal = int(np.flatnonzero((grid.modes == (2, 4)).all(axis=1))[0])
    assert grid.wavelengths[diagonal] == pytest.approx(10 / np.sqrt(2))


@pytest.mark.parametrize("bias", [-2e-4, 0.0, 3e-4])
def test_the_uniform_state_balances_a_lone_neuron(bias: float) -> None:
    for recovery in (GyratorRecovery(2e-3, 1e-3, 1e-10), RLRecovery(250, 25e-6)):
        neuron = Neuron(CubicDevice(), recovery, rest=0.1, bias=bias)
        v = uniform_state(neuron)
        w = recovery_state(neuron, v)
        drawn = w * (recovery.gyration if isinstance(recovery, GyratorRecovery) else 1)
        assert CubicDevice().evaluate(np.array(v))[0] + drawn == pytest.approx(bias, abs=1e-15)


def test_lattices_without_the_parts_of_a_pattern_are_refused() -> None:
    for neuron in (Neuron(recovery=None), Neuron(law=None, recovery=RLRecovery())):
        with pytest.raises(CircuitError, match="N-shaped device and recovery"):
            dispersion(Lattice((8,), neuron))
    with pytest.raises(CircuitError, match="gyrator neurons"):
        with_inductors(with_inductors(LATTICES["cubic"]))


def test_no_uniform_state_is_an_error() -> None:
    """The tunnel diode's current falls, the branch's hardly rises: at 1 A Newton's method has nowhere to go."""
    neuron = Neuron(CubicDevice(1e-3, 1.0), RLRecovery(1e3), rest=0.0, bias=2e-4 + 1e-3)
    with pytest.raises(CircuitError, match=r"no uniform state near the resting voltage 0 V"):
        uniform_state(neuron)


@pytest.mark.parametrize("name", PRESETS)
def test_around_any_diode_the_modes_of_the_tunnel_diode_grow(name: str) -> None:
    diode = PRESETS[name]
    theory = dispersion(around_diode(diode))
    assert theory.patterns
    np.testing.assert_array_equal(theory.unstable, dispersion(LATTICES["esaki"]).unstable)
    neuron = around_diode(diode).neuron
    assert uniform_state(neuron) == pytest.approx(neuron.rest, abs=1e-12)
    slope = diode.law.evaluate(np.array(neuron.rest))[1]
    assert slope == pytest.approx(-diode.law.steepest_fall, rel=1e-4)


def test_diodes_that_make_no_lattice_are_refused() -> None:
    with pytest.raises(CircuitError, match=r"without leads, got a series resistance of 0\.5 ohm"):
        around_diode(TunnelDiode(EsakiDiode(), series_resistance=0.5))
    with pytest.raises(CircuitError, match="its current never falls"):
        around_diode(TunnelDiode(PolynomialDevice((1e-3,), -0.1, 0.4)))


def test_inductors_have_the_values_of_the_gyrators() -> None:
    lattice = with_inductors(LATTICES["cubic"])
    branch = lattice.neuron.recovery
    assert isinstance(branch, RLRecovery)
    assert (branch.resistance, branch.inductance) == pytest.approx((250, 25e-6))
    assert lattice.inhibitor == pytest.approx(5e3)
    esaki = with_inductors(LATTICES["esaki"])
    assert isinstance(esaki.neuron.law, EsakiDiode)
    assert esaki.inhibitor == pytest.approx(200)
    assert with_inductors(replace(LATTICES["cubic"], inhibitor=None)).inhibitor is None
