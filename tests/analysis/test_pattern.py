"""Patterns grown out of noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from eqcirc.analysis.pattern import grow, operating_point_near, uniform_start
from eqcirc.analysis.turing import LATTICES, Device, with_inductors
from eqcirc.analysis.wavelength import wavelength
from eqcirc.circuit.neuron import GyratorRecovery
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Status
from eqcirc.typing import Array

EMPTY = np.zeros((1, 0))


@pytest.mark.parametrize("device", ["cubic", "esaki"])
@pytest.mark.parametrize("inductors", [False, True])
def test_a_stable_pattern_of_the_wavelength_of_linear_theory(
    device: Device, inductors: bool, spice: Callable[..., NgspiceSolver]
) -> None:
    lattice = replace(LATTICES[device], shape=(64,))
    lattice = with_inductors(lattice) if inductors else lattice
    pattern = grow(lattice, spice(lattice.build("chain")), seed=1)
    assert pattern.at_rest
    assert pattern.stable
    assert pattern.distance < 1e-6
    assert pattern.wavelength == pytest.approx(pattern.theory.wavelength, rel=0.1)
    assert pattern.amplitude > 0.04
    again = grow(lattice, IdealSolver(lattice.build("chain")), seed=1)
    np.testing.assert_allclose(again.membranes, pattern.membranes, atol=1e-6)
    np.testing.assert_allclose(again.recovery, pattern.recovery, atol=1e-6)


def test_the_control_stays_flat(spice: Callable[..., NgspiceSolver]) -> None:
    lattice = replace(LATTICES["esaki"], shape=(32,), inhibitor=None)
    pattern = grow(lattice, spice(lattice.build("chain")), duration=200e-6)
    assert pattern.at_rest
    assert pattern.stable
    assert pattern.amplitude < 1e-9
    assert math.isnan(pattern.wavelength)


def test_the_uniform_state_is_an_operating_point_that_the_report_flags() -> None:
    """Newton's method finds it from 0 V, and nothing in Kirchhoff's law is wrong with it."""
    for lattice in (LATTICES["cubic"], with_inductors(LATTICES["esaki"])):
        circuit = lattice.build("chain")
        start, _ = uniform_start(lattice, circuit)
        found, judged = operating_point_near(circuit, start)
        assert found is not None
        assert judged is not None
        free = circuit.free_nodes
        np.testing.assert_allclose(found[free], start[free], atol=1e-12)
        assert not judged.stable[0]
        assert "perturbations grow" in judged.explain(0)
    cold = IdealSolver(LATTICES["cubic"].build("chain")).solve(None, EMPTY)
    assert cold.status[0] != Status.CONVERGED


def test_a_lattice_that_oscillates_has_no_end_state() -> None:
    lattice = LATTICES["cubic"]
    slow = replace(lattice.neuron, recovery=GyratorRecovery(0.987e-3, 0.872e-3, 3e-9))
    lattice = replace(lattice, shape=(8,), neuron=slow, inhibitor=None)
    pattern = grow(lattice, IdealSolver(lattice.build("chain")), noise=0.1, duration=200e-6)
    assert not pattern.at_rest
    assert not pattern.stable
    assert pattern.state is None
    assert math.isnan(pattern.distance)
    assert pattern.facts()["largest_real_part"] is None


def test_a_grid(spice: Callable[..., NgspiceSolver]) -> None:
    lattice = replace(LATTICES["cubic"], shape=(9, 12))
    solver = spice(lattice.build("grid"))
    pattern = grow(lattice, solver, seed=2, duration=1e-3, judge=False)
    assert pattern.membranes.shape == pattern.recovery.shape == (9, 12)
    assert pattern.amplitude > 0.3
    assert pattern.stability is None
    assert not pattern.stable
    np.testing.assert_array_equal(
        pattern.membranes[2, 5], pattern.waveforms.end[solver.circuit.node_names.index(f"v_{2 * 12 + 5}")]
    )


@pytest.mark.parametrize("shape", [(9, 11), (8, 8), (15, 9)])
def test_the_wavelength_of_a_small_grid_is_that_of_a_mode_that_grows(shape: tuple[int, int]) -> None:
    lattice = replace(LATTICES["cubic"], shape=shape)
    pattern = grow(lattice, IdealSolver(lattice.build("grid")), judge=False)
    grows = pattern.theory.wavelengths[pattern.theory.unstable]
    assert grows.min() * (1 - 1e-6) < pattern.wavelength < grows.max() * (1 + 1e-6)
    assert pattern.wavelength == pytest.approx(pattern.theory.wavelength, rel=1e-6)


@pytest.mark.parametrize(("shape", "inductors"), [((31,), False), ((31,), True), ((7, 11), False)])
def test_a_pattern_that_its_ring_does_not_hold_is_degenerate_not_unstable(
    shape: tuple[int, ...], inductors: bool
) -> None:
    """What its shift grows at is rounding, of either sign."""
    lattice = replace(LATTICES["cubic"], shape=shape, periodic=True)
    lattice = with_inductors(lattice) if inductors else lattice
    pattern = grow(lattice, IdealSolver(lattice.build("ring")), seed=3)
    assert pattern.amplitude > 0.3
    assert pattern.stability is not None
    assert pattern.stability.growth[0] == 0
    assert not pattern.stable
    assert pattern.facts()["neutral"] is True
    assert pattern.stability.explain(0).startswith("degenerate: a perturbation neither grows nor decays")


def test_the_operating_point_of_a_pattern_on_a_ring_is_where_it_came_to_rest(
    spice: Callable[..., NgspiceSolver],
) -> None:
    """The Jacobian is singular along the shift, and the end of a transient is not exact."""
    lattice = replace(LATTICES["cubic"], shape=(11, 13), periodic=True)
    pattern = grow(lattice, spice(lattice.build("torus")))
    assert pattern.at_rest
    assert pattern.distance < 1e-6
    assert pattern.facts()["neutral"] is True


@pytest.mark.parametrize("device", ["cubic", "esaki"])
@pytest.mark.parametrize("sites", [7, 9, 12, 13, 19, 24, 27, 31, 36])
def test_a_ring_of_any_length_can_be_grown_and_judged(device: Device, sites: int) -> None:
    lattice = replace(LATTICES[device], shape=(sites,), periodic=True)
    pattern = grow(lattice, IdealSolver(lattice.build("ring")), seed=0)
    assert pattern.stability is not None
    assert pattern.state is not None
    assert pattern.flat == (sites == 7)  # only waves of 8 and more neurons grow
    if not pattern.flat:
        waves = sites / pattern.wavelength
        assert waves == pytest.approx(round(waves))
        assert 8 < pattern.wavelength < 14
        found = pattern.on_lattice(pattern.state)
        assert wavelength(found, periodic=True) == pytest.approx(pattern.wavelength)
        assert np.ptp(found) / 2 == pytest.approx(pattern.amplitude, rel=0.1)


@pytest.mark.parametrize("device", ["cubic", "esaki"])
@pytest.mark.parametrize(
    ("shape", "inductors"), [((12,), False), ((24,), True), ((36,), False), ((12, 12), False)]
)
def test_waves_of_whole_neurons_are_held_where_they_are_even(
    device: Device, shape: tuple[int, ...], inductors: bool
) -> None:
    """About a neuron or the middle between two; so weakly that the transient ends on the way there."""
    lattice = replace(LATTICES[device], shape=shape, periodic=True)
    lattice = with_inductors(lattice) if inductors else lattice
    pattern = grow(lattice, IdealSolver(lattice.build("ring")), seed=1)
    assert pattern.at_rest
    assert pattern.wavelength == pytest.approx(12)
    assert pattern.stable
    assert pattern.state is not None
    assert oddness(pattern.on_lattice(pattern.state)) < 1e-5
    assert oddness(pattern.membranes) > 1e-3


def oddness(v: Array) -> float:
    """Return how far voltages on a ring or torus differ from their mirror image, about the best point, in volts."""
    mirrored = np.flip(v)
    shifts = (np.roll(mirrored, shift, range(v.ndim)) for shift in np.ndindex(v.shape))
    return min(float(np.abs(v - image).max()) for image in shifts)


@pytest.mark.parametrize(("duration", "noise"), [(1e-9, 0.01), (30e-6, 0.01), (100e-6, 1e-6)])
def test_a_course_that_ends_before_it_is_at_rest_is_never_at_rest(duration: float, noise: float) -> None:
    """However little it moves in a tenth of its time."""
    lattice = replace(LATTICES["cubic"], shape=(20,))
    pattern = grow(lattice, IdealSolver(lattice.build("chain")), noise=noise, duration=duration)
    assert not pattern.at_rest
    assert pattern.e_foldings == pytest.approx(duration * pattern.theory.rate)


def test_at_rest_after_less_than_an_e_folding() -> None:
    lattice = replace(LATTICES["cubic"], shape=(20,))
    pattern = grow(lattice, IdealSolver(lattice.build("chain")), noise=0.0, duration=1e-9)
    assert pattern.at_rest
    assert pattern.flat


def test_seeds_and_noise_decide_the_start() -> None:
    lattice = replace(LATTICES["esaki"], shape=(200,))
    solver = IdealSolver(lattice.build("chain"))
    one, same, other = (grow(lattice, solver, k, duration=1e-9, judge=False) for k in (0, 0, 1))
    first = one.on_lattice(one.waveforms.voltages[0])
    np.testing.assert_array_equal(first, same.on_lattice(same.waveforms.voltages[0]))
    assert np.abs(first - other.on_lattice(other.waveforms.voltages[0])).max() > 0.01
    assert first.mean() == pytest.approx(0.125, abs=3e-3)
    assert first.std() == pytest.approx(0.01, rel=0.2)
    calm = grow(lattice, solver, 0, noise=0.0, duration=1e-9, judge=False)
    np.testing.assert_allclose(calm.waveforms.end, calm.waveforms.voltages[0], atol=1e-9)
