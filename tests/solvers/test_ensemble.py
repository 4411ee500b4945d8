"""Circuits in a bath: the Boltzmann law by both engines, against formulas and quadrature; what has no such law."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import i0e, i1e

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.oscillators import quadrature
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import PhaseError, SquaredError
from eqcirc.devices import PolynomialDevice
from eqcirc.errors import CircuitError, ConfigError, SolverError
from eqcirc.learning.free_energy import FreeEnergy
from eqcirc.learning.free_energy_path import FreeEnergyPath
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.ensemble import Bath, average, burn_in, correlation, glance
from eqcirc.solvers.ideal.formulation import Phases
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver

SIEMENS, WATTS = 1e-6, 2e-7
INPUTS = np.array([[1.0]])


def two_nodes(quartic: float = 0.0, farads: tuple[float, ...] = (1e-9, 1e-9), gain: float = 0.0) -> Circuit:
    """Two nodes in a row, each with a leak; on demand quartic cells, and an amplifier between the two."""
    b = CircuitBuilder("two nodes")
    x, (h, o) = b.input("x", gain=1.0), b.nodes("n", 2)
    source = h
    if gain:
        source = b.nodes("a")[0]
        b.amplifier("amp", h, source, gain)
    b.conductance("first", x, h, SIEMENS, trainable=True)
    b.conductance("second", source, o, 0.7 * SIEMENS, trainable=True)
    b.conductance("leak", [h, o], GROUND, 0.5 * SIEMENS)
    if quartic:
        b.device("cell", [h, o], GROUND, PolynomialDevice((0.0, 0.0, quartic), -5.0, 5.0), trainable=True)
    if farads:
        b.capacitor("c", [h, o][: len(farads)], GROUND, farads)
    return b.build(readout=o)


def covariance(beta: float) -> np.ndarray:
    """T·(Hessian of the energy)⁻¹ of the two nodes, by hand."""
    g1, g2, leak = SIEMENS, 0.7 * SIEMENS, 0.5 * SIEMENS
    return WATTS * np.linalg.inv(np.array([[g1 + leak + g2, -g2], [-g2, g2 + leak + beta]]))


@pytest.mark.parametrize("farads", [(1e-9, 1e-9), (1e-9, 5e-9), ()])
def test_linear_circuit_has_the_normal_law(
    farads: tuple[float, ...], spice: Callable[..., NgspiceSolver]
) -> None:
    """Whatever the capacitors, and with a nudge as strong as the circuit."""
    circuit = two_nodes(farads=farads)
    nudge = Nudge(SquaredError(), np.array([[-0.5]]), 2 * SIEMENS, (1.0,))
    ideal = IdealSolver(circuit).ensemble(None, INPUTS, Bath(WATTS, chains=128), nudge)
    engine = spice(circuit).ensemble(None, INPUTS, Bath(WATTS, chains=4, length=60, step=0.05), nudge)
    for states, most in ((ideal, 0.02), (engine, 0.25)):
        for phase, beta in enumerate((0.0, 2 * SIEMENS)):
            v = states.voltages[phase, 0][..., circuit.free_nodes].reshape(-1, 2)
            wanted = covariance(beta)
            assert np.abs(np.cov(v.T) - wanted).max() < most * wanted.max()
    mean = ideal.mean[0, 0] - IdealSolver(circuit).solve(None, INPUTS).free[0]
    assert np.abs(mean).max() < 0.01


def test_scaling_of_an_amplifier_counts() -> None:
    """Behind an amplifier the same current makes another temperature, so nodes of equal capacitance get other ones."""
    states = IdealSolver(circuit := two_nodes(gain=4.0)).ensemble(None, INPUTS, Bath(WATTS, chains=128))
    h, o = (circuit.node_names.index(name) for name in ("n_0", "n_1"))
    v = states.voltages[0, 0][..., [h, o]].reshape(-1, 2)
    s_h, s_o = symmetry(circuit)[[h, o]]
    # dE/dv = s·F with F_h = (g1+leak)·v_h + (1/4)·g2·(4·v_h − v_o), F_o = g2·(v_o − 4·v_h) + leak·v_o
    g1, g2, leak = SIEMENS, 0.7 * SIEMENS, 0.5 * SIEMENS
    hessian = np.array([[s_h * (g1 + leak + g2), -s_h * g2 / 4], [-4 * s_o * g2, s_o * (g2 + leak)]])
    assert hessian[0, 1] == pytest.approx(hessian[1, 0])
    wanted = WATTS * np.linalg.inv(hessian)
    assert np.abs(np.cov(v.T) / wanted - 1).max() < 0.03


def test_noise_is_a_function_of_the_seed_in_ngspice(spice: Callable[..., NgspiceSolver]) -> None:
    """The same seed gives the same bits; phases share their noise, unless they are told not to."""
    solver = spice(two_nodes())
    weak = Nudge(SquaredError(), np.array([[-0.5]]), 1e-12, (1.0,))
    bath = Bath(WATTS, chains=1, length=5.0, step=0.05)
    first, again = (solver.ensemble(None, INPUTS, bath, weak).voltages for _ in range(2))
    assert np.array_equal(first, again)
    assert np.abs(first[1] - first[0]).max() < 1e-3 < first[0].std()
    other = solver.ensemble(None, INPUTS, Bath(WATTS, chains=1, length=5.0, step=0.05, seed=1), weak).voltages
    apart = solver.ensemble(None, INPUTS, Bath(WATTS, 1, 5.0, step=0.05, common=False), weak).voltages
    for a, b in ((first[0], other[0]), (apart[0], apart[1])):
        n = min(a.shape[2], b.shape[2])
        assert np.abs(a[:, :, -n:] - b[:, :, -n:]).max() > 0.1


def test_noise_of_an_odd_number_of_nodes_is_common_to_phases(spice: Callable[..., NgspiceSolver]) -> None:
    """ngspice draws normal numbers in pairs: what one phase leaves must not be what another begins with."""
    b = CircuitBuilder("one node")
    x, o = b.input("x"), b.nodes("o")
    b.conductance("g", x, o, SIEMENS)
    b.capacitor("c", o, GROUND, 1e-9)
    weak = Nudge(SquaredError(), np.array([[-0.5]]), 1e-12, (1.0, -1.0))
    bath = Bath(WATTS, chains=1, length=5.0, step=0.05)
    v = spice(b.build(readout=o)).ensemble(None, INPUTS, bath, weak).voltages
    assert np.abs(v[1:] - v[0]).max() < 1e-3 < v[0].std()


def test_quartic_circuit_has_the_boltzmann_law() -> None:
    """Against quadrature on a grid; the step's bias is below the noise."""
    circuit = two_nodes(quartic=3 * SIEMENS)
    states = IdealSolver(circuit).ensemble(None, INPUTS, Bath(WATTS, chains=256))
    grid = np.linspace(-3, 3, 401)
    h, o = np.meshgrid(grid, grid, indexing="ij")
    energy = 0.5 * (h - 1) ** 2 + 0.35 * (h - o) ** 2 + 0.25 * (h**2 + o**2) + 0.75 * (h**4 + o**4)
    weight = np.exp(-SIEMENS * energy / WATTS)
    for node, value in zip(circuit.free_nodes, (h, o), strict=True):
        for power in (1, 2):
            wanted = float((weight * value**power).sum() / weight.sum())
            mean, error = average(states.voltages[0, 0, :, :, node] ** power)
            assert abs(mean - wanted) < 4 * error + 2e-3 * wanted
            assert error < 0.02


def two_phases(field: float, coupling: float, nudge_to: float | None = None) -> tuple[Circuit, Nudge | None]:
    """A phase h in a field, and an output o that is coupled to it; perhaps a strong nudge to a cosine."""
    b = CircuitBuilder("two phases")
    h, o = b.nodes("h")[0], b.nodes("o")[0]
    b.input("x", gain=1.0)
    b.phase_device("field", h, field, trainable=True)
    b.phase_device("coupling", h, coupling, to=o)
    b.capacitor("c", [h, o], GROUND, 1.0)
    target = None if nudge_to is None else Nudge(PhaseError(), np.array([[nudge_to]]), 3.0, (0.0, 1.0))
    return b.build(readout=o), target


def test_phases_have_the_law_of_von_mises() -> None:
    """⟨cos o⟩ = I1/I0(field/T)·I1/I0(J/T), in the matrix form that oscillators have in the ideal solver."""
    field, coupling, watts = 0.7, 1.1, 0.5
    circuit, _ = two_phases(field, coupling)
    bath = Bath(watts, chains=200, length=40.0, draws=2)
    solver = IdealSolver(circuit, start=quadrature())
    assert isinstance(solver._formulation, Phases)
    h, o = np.moveaxis(np.cos(solver.ensemble(None, INPUTS, bath).voltages[0, 0, :, :, 1:][..., :2]), -1, 0)
    alone = i1e(field / watts) / i0e(field / watts)
    for series, exact in ((h, alone), (o, alone * i1e(coupling / watts) / i0e(coupling / watts))):
        mean, error = average(series)
        assert error < 0.02
        assert abs(mean - exact) < 4 * error


def test_a_nudge_that_drives_phases_away_from_their_start_has_a_law_too() -> None:
    """Three times as strong as the circuit, the nudge makes the free state a maximum of the energy."""
    field, coupling, watts, target = 0.7, 1.1, 0.5, -0.5
    circuit, nudge = two_phases(field, coupling, target)
    grid = np.linspace(-np.pi, np.pi, 400, endpoint=False)
    h, o = np.meshgrid(grid, grid, indexing="ij")
    energy = -field * np.cos(h) - coupling * np.cos(h - o) + 1.5 * (np.cos(o) - target) ** 2
    weight = np.exp(-energy / watts)
    states = IdealSolver(circuit, start=quadrature()).ensemble(
        None, INPUTS, Bath(watts, chains=200, length=40.0, draws=2), nudge
    )
    mean, error = average(np.cos(states.voltages[-1, 0, :, :, circuit.readout.nodes[0]]))
    assert error < 0.02
    assert abs(mean - (np.cos(o) * weight).sum() / weight.sum()) < 4 * error


def one_phase(field: float, second: float) -> Circuit:
    b = CircuitBuilder("one phase")
    b.input("x", gain=1.0)
    node = b.nodes("p")
    b.phase_device("field", node, field, trainable=True)
    b.phase_device("second", node, second, harmonic=2)
    b.capacitor("c", node, GROUND, 1.0)
    return b.build(node)


@pytest.mark.parametrize(
    ("field", "second", "watts", "beta"),
    [(1.0, -0.49, 0.5, 0.0), (0.1, 0.0, 0.1, 10.0), (0.5, -0.3, 0.2, 0.5)],
)
def test_steps_are_those_of_where_chains_go(field: float, second: float, watts: float, beta: float) -> None:
    """The start may be flat, and all the rest steep; steps that fit the start would jump over it."""
    circuit = one_phase(field, second)
    grid = np.linspace(-np.pi, np.pi, 4000, endpoint=False)
    energy = -field * np.cos(grid) - 0.5 * second * np.cos(2 * grid) + 0.5 * beta * (np.cos(grid) + 0.5) ** 2
    weight = np.exp(-energy / watts)
    nudge = None if beta == 0 else Nudge(PhaseError(), np.array([[-0.5]]), beta, (1.0,))
    bath = Bath(watts, chains=200, length=30.0, draws=2, common=False)
    states = IdealSolver(circuit, start=quadrature()).ensemble(None, INPUTS, bath, nudge)
    phases = states.voltages[-1, 0, :, :, circuit.readout.nodes[0]]
    for harmonic in (1, 2):
        mean, error = average(np.cos(harmonic * phases))
        assert error < 0.02
        assert abs(mean - (np.cos(harmonic * grid) * weight).sum() / weight.sum()) < 4 * error + 0.003


def test_chains_that_would_never_end_are_refused() -> None:
    """A phase that hardly anything holds has a time constant like that."""
    circuit = two_phases(1e-4, 1.0)[0]
    with pytest.raises(
        SolverError, match=r"a chain would take .* steps.*give slow nodes a leak \(phases a field\)"
    ):
        IdealSolver(circuit, start=quadrature()).ensemble(None, INPUTS, Bath(0.1, chains=1, length=8.0))


def test_samples_without_an_operating_point_have_no_states() -> None:
    """One, or all of them: the others are followed as ever."""
    b = CircuitBuilder("by input")
    x, node = b.input("x", gain=1.0), b.nodes("p")
    b.phase_input("w", x, node, np.array([[0.5]]))
    b.phase_device("second", node, -0.25, harmonic=2)
    b.capacitor("c", node, GROUND, 1.0)
    circuit, inputs = b.build(node), np.array([[0.2], [1.0], [0.4]])  # at 1.0 its minimum is a quartic one
    solver = IdealSolver(circuit, start=quadrature())
    some, none = (solver.ensemble(None, x, glance(0.1)) for x in (inputs, inputs[1:2]))
    assert some.points.converged.tolist() == [True, False, True]
    assert np.isfinite(some.last.free[[0, 2]]).all() and np.isnan(some.last.free[1]).all()
    assert not none.points.converged.any() and np.isnan(none.last.free).all()
    for kind in (FreeEnergy, FreeEnergyPath):
        rule = kind(circuit, PhaseError(), 0.1, Bath(0.1, chains=4, length=20.0))
        measured = rule.measure(solver, None, inputs[1:2], np.array([[0.5]]))
        assert not measured.points.converged.any()
        assert measured.gradient()["w"] == 0


@pytest.mark.parametrize("length", [6.0, 50.0])
def test_a_weak_nudge_is_seen_to_arrive(length: float) -> None:
    """What all phases have in common must not hide that the nudged one is still on its way; by hand, dJ/dg."""
    b = CircuitBuilder("divider")
    x, node = b.input("x", gain=1.0), b.nodes("n")
    b.conductance("g", x, node, SIEMENS, trainable=True)
    b.conductance("leak", node, GROUND, SIEMENS)
    b.capacitor("c", node, GROUND, 1e-9)
    circuit, target = b.build(node), 0.1
    rule = FreeEnergy(
        circuit, SquaredError(), 1e-3 * SIEMENS, Bath(1e-5 * WATTS, chains=8, length=length, draws=2)
    )
    found = rule.measure(IdealSolver(circuit), None, INPUTS, np.array([[target]])).gradient()["g"]
    assert found == pytest.approx((0.5 - target) * 0.25 / SIEMENS, rel=6e-3)


def test_the_last_state_is_one_look() -> None:
    solver = IdealSolver(two_nodes())
    states = solver.ensemble(None, np.array([[1.0], [0.5]]), glance(WATTS))
    np.testing.assert_array_equal(states.last.free, states.voltages[0, :, 0, -1])
    assert states.last.converged.all()
    assert (states.last.free != states.points.free).any()


def test_autocorrelation_of_a_known_process() -> None:
    """x' = a·x + noise has the integrated time (1 + a)/(1 − a); errors are those of so many fewer draws."""
    rng, a = np.random.default_rng(0), 0.8
    x = np.zeros((16, 4000))
    for k in range(1, x.shape[1]):
        x[:, k] = a * x[:, k - 1] + rng.standard_normal(16)
    assert correlation(x) == pytest.approx((1 + a) / (1 - a), rel=0.1)
    mean, error = average(x)
    assert error == pytest.approx(1 / (1 - a) / np.sqrt(x.size), rel=0.1)
    assert abs(mean) < 4 * error
    assert correlation(np.ones((2, 100))) == 1


def test_burn_in_is_found_and_drift_is_refused() -> None:
    """A beginning that decays is left out; a series that never settles is an error."""
    noise = np.random.default_rng(0).standard_normal((1000, 1))
    decay = 20 * np.exp(-np.arange(1000) / 20)[:, None]
    assert burn_in(noise) < 100
    assert 40 <= burn_in(noise + decay) <= 300
    with pytest.raises(SolverError, match="drifts"):
        burn_in(np.arange(1000.0)[:, None])


def test_circuits_without_a_law_are_refused() -> None:
    """A node without capacitor beside one that has it, a capacitor between nodes, recovery that goes up in energy."""
    bath = Bath(WATTS)
    with pytest.raises(CircuitError, match="has no capacitor"):
        IdealSolver(two_nodes(farads=(1e-9,))).ensemble(None, INPUTS, bath)
    b = CircuitBuilder("floating")
    x, (h, o) = b.input("x"), b.nodes("n", 2)
    b.conductance("g", x, h, SIEMENS)
    b.conductance("k", h, o, SIEMENS)
    b.capacitor("c", [h, o, h], [GROUND, GROUND, o], 1e-9)
    with pytest.raises(CircuitError, match="join two free nodes"):
        IdealSolver(b.build(readout=o)).ensemble(None, INPUTS, bath)
    b = CircuitBuilder("recovery")
    x, (h, o) = b.input("x"), b.nodes("n", 2)
    b.conductance("g", x, h, SIEMENS)
    b.gyrator("w", h, o, SIEMENS)
    b.conductance("leak", o, GROUND, SIEMENS)
    with pytest.raises(CircuitError, match="goes up in energy"):
        IdealSolver(b.build(readout=h)).ensemble(None, INPUTS, bath)


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"temperature": float("nan")}, {"chains": 0}, {"length": -1.0}, {"step": 0.0}],
)
def test_bath_says_what_it_expects(wrong: dict[str, float]) -> None:
    """Numbers that make no bath."""
    with pytest.raises(ConfigError, match="bath"):
        Bath(**({"temperature": WATTS} | wrong))  # type: ignore[arg-type]
