"""Stability: eigenvalues against textbook formulas and against what transients do; certificates against states."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.neuron import GyratorRecovery, Neuron, RLRecovery
from eqcirc.devices import CubicDevice, EsakiDiode, ShockleyDiode
from eqcirc.solvers.certificate import certificate
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ideal.transient import Motion
from eqcirc.solvers.stability import stability
from eqcirc.typing import Array
from eqcirc.verify.stability import stability_certificate, stability_report

NOTHING = np.empty((1, 0))


def neuron(recovery: RLRecovery | GyratorRecovery | None, g1: float = 1e-3, load: float = 1e-5) -> Circuit:
    """One cubic neuron at rest at 0 V, with a load."""
    b = CircuitBuilder("neuron")
    v = b.nodes("v")
    b.conductance("load", v, GROUND, load)
    Neuron(CubicDevice(g1), recovery, 1e-9).add(b, "cell", v)
    return b.build(v)


def resting(circuit: Circuit) -> Array:
    return np.zeros((1, circuit.n_nodes))


def test_a_capacitor_discharges_through_its_conductance() -> None:
    b = CircuitBuilder("rc")
    v = b.nodes("v", 2)
    b.conductance("load", v, GROUND, [1e-3, 2e-3])
    b.capacitor("store", v, GROUND, [1e-9, 4e-9])
    circuit = b.build(v)
    found = stability_report(circuit, None, NOTHING, resting(circuit))
    assert found.growth == pytest.approx([-2e-3 / 4e-9])
    assert found.frequency == pytest.approx([0])
    assert found.curvature == pytest.approx([1e-3])
    assert found.stable.all()


def test_a_ringing_circuit_has_the_frequency_of_its_coil_and_capacitor() -> None:
    r, inductance, c = 10.0, 1e-4, 1e-9
    b = CircuitBuilder("rlc")
    v = b.nodes("v")
    b.rl_branches("coil", v, GROUND, r, inductance)
    b.capacitor("store", v, GROUND, c)
    circuit = b.build(v)
    found = stability_report(circuit, None, NOTHING, resting(circuit))
    assert found.growth == pytest.approx([-r / (2 * inductance)])
    omega = np.sqrt(1 / (inductance * c) - (r / (2 * inductance)) ** 2)
    assert found.frequency == pytest.approx([omega / (2 * np.pi)])


@pytest.mark.parametrize("recovery", ["rl", "gyrator"])
@pytest.mark.parametrize(("ratio", "stable"), [(1.0, True), (2.0, False)])
def test_a_neuron_oscillates_when_its_recovery_is_too_slow(recovery: str, ratio: float, stable: bool) -> None:
    """The Jacobian [[g1 − g, −gm], [gm, −gw]] over C and Cw: same determinant sign, trace of either sign."""
    g1, gm, gw, c, cw = 1e-3, 1.5e-3, 1.5e-3, 1e-9, ratio * 1e-9
    part = GyratorRecovery(gm, gw, cw) if recovery == "gyrator" else RLRecovery(gw / gm**2, cw / gm**2)
    circuit = neuron(part)
    expected = np.linalg.eigvals([[(g1 - 1e-5) / c, -gm / c], [gm / cw, -gw / cw]])
    found = stability_report(circuit, None, NOTHING, resting(circuit))
    assert found.growth == pytest.approx([expected.real.max()])
    assert found.frequency == pytest.approx([np.abs(expected.imag).max() / (2 * np.pi)])
    assert found.curvature == pytest.approx([1e-5 - g1 + gm**2 / gw])
    assert found.stable.tolist() == [stable]
    assert stability_certificate(circuit).unique
    assert stability_certificate(circuit).attracting == stable
    assert ("oscillates" in found.explain(0)) != stable


def test_nodes_without_a_capacitor_follow_at_once() -> None:
    """As the limit of smaller and smaller capacitors."""

    def growth(farads: float | None) -> float:
        b = CircuitBuilder("follower")
        v, middle = b.nodes("v", 2), b.nodes("middle")
        b.conductance("arms", v, middle, [1e-3, 2e-3])
        b.conductance("load", np.concatenate([v, middle]), GROUND, [1e-4, 3e-4, 5e-4])
        b.capacitor("store", v, GROUND, [1e-9, 3e-9])
        if farads:
            b.capacitor("small", middle, GROUND, farads)
        circuit = b.build(v)
        return float(stability_report(circuit, None, NOTHING, resting(circuit)).growth[0])

    assert growth(None) == pytest.approx(growth(1e-15), rel=1e-5)
    assert growth(None) != pytest.approx(growth(1e-9), rel=1e-2)


def test_degenerate_directions_are_counted() -> None:
    """Two neurons whose load just cancels the device, coupled: moving them together costs nothing."""
    b = CircuitBuilder("degenerate")
    v = b.nodes("v", 2)
    b.conductance("load", v, GROUND, 1e-3)
    b.conductance("between", v[0], v[1], 1e-4)
    b.device("cell", v, GROUND, CubicDevice(1e-3))
    circuit = b.build(v)
    found = stability_report(circuit, None, NOTHING, resting(circuit))
    assert found.degenerate.tolist() == [1]
    assert stability_report(circuit, None, NOTHING, resting(circuit) + 0.5).degenerate.tolist() == [0]


def test_a_lossless_oscillation_is_degenerate() -> None:
    """A gyrator and two capacitors, a coil without resistance; devices cancel the loads."""
    gm, c, cw = 1e-3, 1e-9, 4e-9
    b = CircuitBuilder("swing")
    v, w = b.nodes("v"), b.nodes("w")
    b.gyrator("between", v, w, gm)
    b.capacitor("store", np.concatenate([v, w]), GROUND, [c, cw])
    b.conductance("load", np.concatenate([v, w]), GROUND, 1e-4)
    b.device("cell", np.concatenate([v, w]), GROUND, CubicDevice(1e-4))
    circuit = b.build(v)
    found = stability_report(circuit, None, NOTHING, resting(circuit))
    assert found.neutral.tolist() == [True]
    assert found.stable.tolist() == [False]
    assert found.frequency == pytest.approx([gm / np.sqrt(c * cw) / (2 * np.pi)])
    assert found.explain(0).startswith("degenerate: an oscillation of 7.96e+04 Hz")


@pytest.mark.parametrize("sign", [1, -1])
def test_an_instability_is_judged_however_slow_beside_others(sign: int) -> None:
    """Ten orders below the fastest state that stores, more below the bare node; only rounding counts as nothing."""
    b = CircuitBuilder("slow")
    slow, fast, bare = b.nodes("slow"), b.nodes("fast"), b.nodes("bare")
    b.device("cell", slow, GROUND, CubicDevice(1e-6))
    b.conductance("load", np.concatenate([slow, fast, bare]), GROUND, [1e-6 * (1 - 0.1 * sign), 1e-3, 1e-3])
    b.capacitor("store", np.concatenate([slow, fast]), GROUND, [1e-6, 1e-12])
    circuit = b.build(slow)
    found = stability_report(circuit, None, NOTHING, resting(circuit))
    assert found.growth == pytest.approx([sign * 0.1], rel=1e-6)
    assert found.neutral.tolist() == [False]
    assert found.stable.tolist() == [sign < 0]


@pytest.mark.parametrize(
    ("forth", "back", "certified"), [(5.0, 0.0, True), (0.9, 0.9, True), (5.0, -0.9, False)]
)
def test_without_a_scaling_weights_of_the_equations_may_certify(
    forth: float, back: float, certified: bool
) -> None:
    """One way alone always does, however strong; around a loop the product of the gains has to be below 1."""
    b = CircuitBuilder("ways")
    v = b.nodes("v", 3)
    b.conductance("load", v, GROUND, 1e-3)
    ways = [(v[1], v[0], forth), (v[2], v[1], forth), (v[0], v[2], back)]
    for k, (out, control, gain) in enumerate(ways):
        if gain:
            b.transconductor(f"way{'abc'[k]}", (GROUND, out), (control, GROUND), 0.5e-3 * gain)
    b.device("cell", v, GROUND, CubicDevice(0.5e-3))
    circuit = b.build(v)
    known = stability_certificate(circuit)
    assert (known.unique, known.attracting) == (certified, certified)
    found = stability_report(circuit, None, NOTHING, resting(circuit))
    assert np.isnan(found.curvature).all()
    if certified:
        assert found.stable.all()


def test_a_falling_device_without_a_capacitor_runs_away() -> None:
    """It is the only operating point; but at any small capacitance the node is faster than its recovery."""
    b = CircuitBuilder("bare")
    v = b.nodes("v")
    b.conductance("load", v, GROUND, 1e-5)
    b.device("cell", v, GROUND, CubicDevice())
    b.rl_branches("coil", v, GROUND, 500.0, 5e-5)
    circuit = b.build(v)
    known = stability_certificate(circuit)
    assert (known.unique, known.attracting) == (True, False)
    assert not stability_report(circuit, None, NOTHING, resting(circuit)).stable.any()


def test_a_capacitor_across_an_amplifier_can_make_its_input_unstable() -> None:
    b = CircuitBuilder("miller")
    v, o = b.nodes("v"), b.nodes("o")
    b.conductance("load", np.concatenate([v, o]), GROUND, 1e-3)
    b.amplifier("amp", v, o, 4.0)
    b.capacitor("across", v, o, 1e-12)
    b.device("cell", v, GROUND, CubicDevice(1e-4))
    circuit = b.build(o)
    assert not stability_certificate(circuit).attracting
    assert not stability_report(circuit, None, NOTHING, resting(circuit)).stable.any()


def test_parts_that_are_not_connected_have_signs_of_their_own() -> None:
    """One of two neurons is read at its recovery node, where the scaling is 1."""
    circuits = []
    for both_at_membrane in (True, False):
        b = CircuitBuilder("two")
        v, other = b.nodes("v"), b.nodes("u")
        b.conductance("load", np.concatenate([v, other]), GROUND, 1e-4)
        Neuron(recovery=GyratorRecovery()).add(b, "one", v)
        w = Neuron(recovery=GyratorRecovery()).add(b, "two", other)
        assert w is not None
        circuits.append(b.build([int(v[0]), int(other[0] if both_at_membrane else w[0])]))
    first, second = (stability_report(c, None, NOTHING, resting(c)) for c in circuits)
    assert first.curvature == pytest.approx(second.curvature)
    assert stability_certificate(circuits[0]) == stability_certificate(circuits[1])


def test_coils_in_series_and_floating_capacitors_are_no_trouble() -> None:
    """Coils that meet at a bare node; neurons that hang at one another by a capacitor only."""
    b = CircuitBuilder("series")
    middle, v = b.nodes("middle"), b.nodes("v")
    b.conductance("load", v, GROUND, 1e-3)
    b.rl_branches("coil", np.concatenate([v, middle]), [int(middle[0]), GROUND], 100.0, 1e-5)
    b.capacitor("store", v, GROUND, 1e-9)
    series = b.build(v)
    b = CircuitBuilder("floating")
    v = b.nodes("v", 2)
    b.conductance("load", v, GROUND, 2e-3)
    b.device("cell", v, GROUND, CubicDevice())
    b.capacitor("between", v[0], v[1], 1e-9)
    for circuit in (series, b.build(v)):
        assert stability_report(circuit, None, NOTHING, resting(circuit)).stable.all()


def test_a_sample_without_voltages_has_no_stability_and_does_not_spoil_the_others() -> None:
    circuit = neuron(RLRecovery(500.0, 1e-6))
    voltages = np.concatenate([resting(circuit), np.full((1, circuit.n_nodes), np.nan)])
    found = stability_report(circuit, None, np.empty((2, 0)), voltages)
    assert found.stable.tolist() == [True, False]
    assert np.isnan(found.growth[1])
    assert np.isnan(found.curvature[1])


def random_neurons(seed: int, recovery: str) -> tuple[Circuit, Array]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    b = CircuitBuilder("random")
    x, v = b.input("x"), b.nodes("v", n)
    b.crossbar("w", x, v, rng.uniform(1e-5, 5e-4, (1, n)))
    b.conductance("chain", v[:-1], v[1:], rng.uniform(1e-5, 5e-4, n - 1))
    r, c = rng.uniform(0.3, 2.0) * 1e3, 10 ** rng.uniform(-10, -8)
    part = {
        "rl": RLRecovery(r, r * r * c),
        "gyrator": GyratorRecovery(1e-3, 1e-6 * r, c),
        "none": None,
    }[recovery]
    law = CubicDevice() if seed % 2 else EsakiDiode(1e-4)
    w = Neuron(law, part, 1e-9, bias=rng.uniform(0, 1e-4)).add(b, "cell", v, area=rng.uniform(0.5, 1.5, n))
    if w is not None:
        b.conductance("inhibitor", w[:-1], w[1:], rng.uniform(1e-5, 1e-3, n - 1))
    return b.build(v), rng.uniform(-2, 2, (3, 1))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["rl", "gyrator", "none"]))
def test_what_is_certified_holds_at_any_voltages(seed: int, recovery: str) -> None:
    """Wherever the devices stand, curvature is positive; and no eigenvalue grows if stability is certified too."""
    circuit, inputs = random_neurons(seed, recovery)
    dynamics = Dynamics.of(circuit, None, inputs)
    known = certificate(dynamics)
    u = np.random.default_rng(seed).normal(0, 0.2, (3, dynamics.n))
    found = stability(dynamics, u)
    if known.unique:
        assert (found.curvature > 0).all()
    if known.attracting:
        assert found.stable.all()
    assert known.unique or not known.attracting


def test_some_random_circuits_are_certified_and_some_are_not() -> None:
    """So that the property above says something."""
    known = [
        stability_certificate(random_neurons(k, kind)[0]) for k in range(20) for kind in ("rl", "gyrator")
    ]
    unique, stable = [c.unique for c in known], [c.attracting for c in known]
    assert 5 < sum(unique) < 35
    assert 0 < sum(stable) < sum(unique)


@pytest.mark.parametrize("ratio", [0.5, 1.2, 1.8, 3.0])
def test_eigenvalues_agree_with_what_a_transient_does(ratio: float) -> None:
    """A small push dies out, or grows, at the rate of the leading eigenvalue."""
    circuit = neuron(GyratorRecovery(1.5e-3, 1.5e-3, ratio * 1e-9))
    dynamics = Dynamics.of(circuit, None, NOTHING)
    growth = float(stability(dynamics, np.zeros((1, 2))).growth[0])
    push = np.array([[1e-4, 0.0]])
    end, *_ = Motion(dynamics).run(push, 6 / abs(growth))
    assert (np.abs(end).max() > 1e-3) == (growth > 0)
    assert (np.abs(end).max() < 2e-5) == (growth < 0)


def test_flow_vanishes_at_an_operating_point_and_its_jacobian_is_its_derivative() -> None:
    circuit, inputs = random_neurons(3, "rl")
    dynamics = Dynamics.of(circuit, None, inputs)
    u = dynamics.plan.collect(IdealSolver(circuit).solve(None, inputs).require().free)
    x = dynamics.state(u)
    at, _ = dynamics.bare.linearise(u)
    np.testing.assert_allclose(dynamics.flow(x, at), 0, atol=1e-13)
    exact, h = dynamics.jacobian(at), 1e-6
    for k in range(dynamics.size):
        moved = []
        for sign in (1, -1):
            y = x.copy()
            y[:, k] += sign * h
            here = y[:, : dynamics.n]
            there, _ = dynamics.bare.linearise(here)
            moved.append(dynamics.flow(y, there))
        np.testing.assert_allclose((moved[0] - moved[1]) / (2 * h), exact[:, :, k], rtol=1e-6, atol=1e-9)


def test_the_scaled_jacobian_is_a_symmetric_hessian_of_both_signs() -> None:
    for kind in ("rl", "gyrator"):
        circuit, inputs = random_neurons(5, kind)
        dynamics = Dynamics.of(circuit, None, inputs)
        u = np.zeros((3, dynamics.n))
        at, _ = dynamics.bare.linearise(u)
        t = dynamics.scaling
        assert t is not None
        hessian = t[:, None] * dynamics.jacobian(at)
        np.testing.assert_allclose(hessian, hessian.transpose(0, 2, 1), rtol=1e-12, atol=1e-18)
        assert (np.sign(t) == 1).sum() == (np.sign(t) == -1).sum()


def test_a_device_across_an_amplifier_is_not_certified() -> None:
    """Its slope counts (1 − κ)·(1 − A) times, against the others: here 0 V and 0.1 V are both operating points."""
    b = CircuitBuilder("across")
    x, h, y = b.input("x"), b.nodes("h"), b.nodes("y")
    b.conductance("w", x, h, 1e-3)
    b.conductance("load", y, GROUND, 1e-6)
    b.amplifier("amp", h, y, 4.0)
    b.device("cell", h, GROUND, CubicDevice(1e-4))
    b.capacitor("store", h, GROUND, 1e-9)
    assert stability_certificate(b.build(y)).unique
    b.device("across", y, h, ShockleyDiode())
    circuit = b.build(y)
    assert not stability_certificate(circuit).unique
    dynamics = Dynamics.of(circuit, None, np.zeros((1, 1)))
    u = np.array([[0.0], [0.05], [0.15]])
    rows = dynamics.equations.take(np.zeros(3, np.intp))
    at_rest, below, above = rows.linearise(u)[0].residual[:, 0]
    assert at_rest == 0
    assert below * above < 0, "there is another one between 50 and 150 mV"
