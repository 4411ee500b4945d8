"""A dual-rail circuit is odd, and equals its half circuit: weights g+ − g−, loads g+ + g−."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import Cost, SoftmaxCrossEntropy, SquaredError
from eqcirc.devices import Bounds, CubicDevice, ShockleyDiode
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.base import Solver
from eqcirc.solvers.dynamics import Dynamics
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.stability import stability
from eqcirc.typing import Array, NodeArray
from eqcirc.verify.gradients import adjoint_gradient
from tests.catalogue import S

DEVICES = ("none", "antiparallel", "one-sided", "cubic")
BETA = 1e-7
AGREEMENT = 1e-9  # V


class Network:
    """One network of dual-rail crossbars, as the whole circuit or as its half."""

    def __init__(
        self, seed: int, hidden: tuple[int, ...], device: str, gain: float | None, strength: float = 1.0
    ) -> None:
        rng = np.random.default_rng(seed)
        self.sizes, self.device, self.gain = (3, *hidden, 2), device, gain
        shapes = [(2, m, n) for m, n in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        self.values = [strength * rng.uniform(0.05 * S, S, shape) for shape in shapes]
        self.inputs = rng.uniform(-3, 3, (4, 3))
        self.targets = rng.uniform(-0.2, 0.2, (4, 2))

    def circuit(self, whole: bool) -> Circuit:
        b = CircuitBuilder("whole" if whole else "half")
        rails = (1, -1) if whole else (1,)
        nodes = np.concatenate([b.input(f"x{'pn'[sign < 0]}", 3, gain=sign) for sign in rails])
        for layer, g in enumerate(self.values, start=1):
            columns = b.nodes(f"h{layer}", len(rails) * self.sizes[layer])
            if whole:
                b.dual_rail_crossbar(f"w{layer}", nodes, columns, g, bounds=Bounds(0.01 * S, S))
            else:
                b.signed_crossbar(f"w{layer}", nodes, columns, g[0] - g[1], loaded=False)
                b.conductance(f"columns{layer}", columns, GROUND, g.sum(axis=(0, 1)), trainable=True)
                if layer > 1:
                    b.conductance(f"rows{layer}", nodes, GROUND, g.sum(axis=(0, 2)), trainable=True)
            nodes = columns
            if layer < len(self.values):
                nodes = self._devices(b, layer, *np.split(columns, len(rails)))
        return b.build(*np.split(nodes, len(rails)))

    def _devices(
        self, b: CircuitBuilder, layer: int, plus: NodeArray, minus: NodeArray | None = None
    ) -> NodeArray:
        nodes = plus if minus is None else np.concatenate([plus, minus])
        if self.device in ("antiparallel", "one diode"):
            b.device(f"up{layer}", nodes, GROUND, ShockleyDiode())
        if self.device == "antiparallel":
            b.device(f"down{layer}", GROUND, nodes, ShockleyDiode())
        if self.device == "one-sided":  # not odd at one node, but mirrored between the two
            b.device(f"up{layer}", plus, GROUND, ShockleyDiode())
            if minus is not None:
                b.device(f"down{layer}", GROUND, minus, ShockleyDiode())
        if self.device == "cubic":
            b.device(f"n{layer}", nodes, GROUND, CubicDevice(S, 0.3))
            b.conductance(f"leak{layer}", nodes, GROUND, 1.1 * S)
        if self.gain is None:
            return nodes
        behind = b.nodes(f"y{layer}", len(nodes))
        b.amplifier(f"a{layer}", nodes, behind, self.gain, 0.7 / self.gain)
        return behind

    def joined(self, half: dict[str, Array], layer: int, factor: float) -> Array:
        """dC/dg+ and dC/dg− by the chain rule; the whole cost is `factor` times the half one."""
        weight, load = half[f"w{layer}"], half[f"columns{layer}"][None, :]
        if layer > 1:
            load = load + half[f"rows{layer}"][:, None]
        return factor * np.stack([load + weight, load - weight])


def compare(network: Network, solver: Callable[[Circuit], Solver], cost: Cost) -> None:
    whole, half = network.circuit(True), network.circuit(False)
    if isinstance(cost, SquaredError):  # ½(2v − y)² = 4·½(v − y/2)²
        targets, factor = (network.targets, network.targets / 2), 4.0
        rules = EqProp(whole, cost, BETA), EqProp(half, cost, 2 * BETA)
    else:  # softmax of K·2v is softmax of 2K·v, and −(1/K)·log is twice −(1/2K)·log
        assert isinstance(cost, SoftmaxCrossEntropy)
        one_of_two = np.eye(2)[[0, 1, 1, 0]]
        targets, factor = (one_of_two, one_of_two), 2.0
        rules = EqProp(whole, cost, BETA), EqProp(half, SoftmaxCrossEntropy(2 * cost.sharpness), BETA)
    points = [
        solver(rule.circuit).solve(None, network.inputs, rule.nudge(y, None)).require()
        for rule, y in zip(rules, targets, strict=True)
    ]
    sign = rail_of(network, whole)
    plus, minus = points[0].voltages[..., sign > 0], points[0].voltages[..., sign < 0]
    np.testing.assert_allclose(plus, points[1].voltages[..., half.free_nodes], rtol=0, atol=AGREEMENT)
    np.testing.assert_allclose(minus, -plus, rtol=0, atol=AGREEMENT)
    exact = [
        adjoint_gradient(rule.circuit, rule.circuit.parameters, network.inputs, y, rule.cost, p.free)
        for rule, y, p in zip(rules, targets, points, strict=True)
    ]
    estimate = [rule.gradient(p, None) for rule, p in zip(rules, points, strict=True)]
    for layer in range(1, len(network.values) + 1):
        for full, part in (exact, estimate):
            found, expected = full[f"w{layer}"], network.joined(part, layer, factor)
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def rail_of(network: Network, circuit: Circuit) -> Array:
    """1 or −1 for every node of the whole circuit that Kirchhoff's law decides, 0 for the others."""
    sign = np.zeros(circuit.n_nodes)
    for node in circuit.free_nodes.tolist():
        layer, k = circuit.node_names[node][1:].split("_")
        sign[node] = 1 if int(k) < network.sizes[int(layer)] else -1
    return sign


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10**6),
    hidden=st.lists(st.integers(1, 5), max_size=3),
    device=st.sampled_from(DEVICES),
    gain=st.sampled_from((None, 3.0)),
    cost=st.sampled_from((SquaredError(), SoftmaxCrossEntropy(5.0))),
)
def test_the_half_circuit_is_the_whole(
    seed: int, hidden: list[int], device: str, gain: float | None, cost: Cost
) -> None:
    compare(Network(seed, tuple(hidden), device, gain), IdealSolver, cost)


@pytest.mark.parametrize("netlist", ["reduced", "full"])
@pytest.mark.parametrize("gain", [None, 3.0])
@pytest.mark.parametrize("device", DEVICES)
def test_ngspice_finds_them_equal_too(
    device: str, gain: float | None, netlist: str, spice: Callable[..., NgspiceSolver]
) -> None:
    network = Network(1, (4, 3), device, gain)
    compare(network, lambda circuit: spice(circuit, netlist=netlist), SquaredError())


def test_devices_that_are_not_odd_break_the_symmetry() -> None:
    network = Network(0, (3,), "one diode", None)
    whole = network.circuit(True)
    v = IdealSolver(whole).solve(None, network.inputs).require().free
    sign = rail_of(network, whole)
    assert np.abs(v[:, sign > 0] + v[:, sign < 0]).max() > 1e-2


def test_what_moves_both_rails_alike_sees_the_sum_of_the_conductances() -> None:
    """Its curvature is smaller than that of the half circuit, which knows the difference only."""
    for seed in range(5):
        network = Network(seed, (4,), "cubic", None, strength=0.3)
        least = []
        for whole in (True, False):
            circuit = network.circuit(whole)
            v = IdealSolver(circuit).solve(None, network.inputs).require().free
            dynamics = Dynamics.of(circuit, None, network.inputs)
            least.append(stability(dynamics, dynamics.plan.collect(v)).curvature)
        assert (least[0] < least[1]).all()


def test_both_rails_can_run_away_where_the_half_circuit_rests() -> None:
    """A weight of zero, g+ = g−, leaves the half circuit's neuron alone with its load; the whole sees 2g."""
    results = []
    for whole in (True, False):
        rails = (1, -1) if whole else (1,)
        b = CircuitBuilder("pair")
        x = np.concatenate([b.input(f"x{'pn'[sign < 0]}", gain=sign) for sign in rails])
        h, o = b.nodes("h", len(rails)), b.nodes("o", len(rails))
        if whole:
            b.dual_rail_crossbar("w", h, o, [[[S]], [[S]]])
        else:
            b.conductance("load", [int(h[0]), int(o[0])], GROUND, 2 * S)
        b.conductance("feed", x, h, 0.1 * S)
        b.conductance("leak", o, GROUND, 0.1 * S)
        b.device("n", h, GROUND, CubicDevice(S, 0.3))
        results.append(IdealSolver(b.build(h)).solve(None, np.array([[0.5]])))
    assert [points.converged.all() for points in results] == [False, True]
