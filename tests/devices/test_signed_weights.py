"""Signed and dual-rail crossbars: refusals, cards, what they are made of, and what lacks loads."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import DualRailCrossbar, ShockleyDiode, SignedCrossbar
from eqcirc.devices.conductance import LOWEST
from eqcirc.errors import CircuitError, SolverError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.status import Status
from eqcirc.typing import Array
from tests.catalogue import S, case

NAN = float("nan")
TWO, FOUR = np.array([1, 2]), np.array([3, 4, 5, 6])


def signed(value: Array, loaded: bool = True) -> SignedCrossbar:
    return SignedCrossbar(name="part", value=value, rows=TWO, columns=FOUR, loaded=loaded)


def dual(value: Array) -> DualRailCrossbar:
    return DualRailCrossbar(name="part", value=value, rows=TWO, columns=FOUR)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: signed(np.full((2, 4), 2e3)),
            "'part': [0, 0] = 2000 (and 7 more) S; expected weights of up to",
        ),
        (lambda: signed(np.full((2, 4), NAN)), "'part': value [0, 0] = nan"),
        (
            lambda: signed(np.ones((4, 2))),
            "expected values of shape (2, 4) for 2 rows and 4 columns, got (4, 2)",
        ),
        (lambda: dual(np.ones((2, 4))), "expected values of shape (2, 1, 2) for 2 rows and 4 columns"),
        (lambda: dual(np.full((2, 1, 2), -1e-6)), "'part': conductance [0, 0, 0] = -1e-06 (and 3 more) S"),
        (lambda: dual(np.zeros((2, 1, 2))), "expected a positive value"),
        (
            lambda: DualRailCrossbar(name="part", value=np.ones((2, 1, 2)), rows=TWO, columns=FOUR[:3]),
            "expected as many − nodes as + nodes among its columns, got 3 nodes",
        ),
    ],
)
def test_values_that_do_not_fit_are_refused_by_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(CircuitError, match=re.escape(message)):
        make()


def test_cards_of_signed_weights() -> None:
    """A weight of zero is no part."""
    value = np.array([[1e-5, -2e-5, 0, 0], [0, 0, 0, 0]])
    names = ["0", "a", "b", "c", "d", "e", "f"]
    pairs = [
        "g_part_0_0_f c 0 a 0 -1e-05",
        "g_part_0_0_b a 0 c 0 -1e-05",
        "g_part_0_1_f d 0 a 0 2e-05",
        "g_part_0_1_b a 0 d 0 2e-05",
    ]
    assert signed(value, loaded=False).cards(value, names) == pairs
    loads = [
        f"r_part_{k} {n} 0 {1 / g!r}" for k, n, g in ((0, "a", 1e-5 + 2e-5), (2, "c", 1e-5), (3, "d", 2e-5))
    ]
    assert signed(value).cards(value, names) == [*pairs, *loads]


def test_a_dual_rail_weight_is_four_resistors_of_two_values() -> None:
    value = np.array([[[1e-5, 2e-5]], [[3e-5, 4e-5]]])
    names = ["0", "rp", "rn", "cp0", "cp1", "cn0", "cn1"]
    made_of = {line.split(maxsplit=1)[1] for line in dual(value).cards(value, names)}
    joined = (("rp", "cp"), ("rn", "cn")), (("rp", "cn"), ("rn", "cp"))
    ohms = (1 / value[:, 0]).tolist()
    assert made_of == {f"{a} {b}{j} {ohms[k][j]!r}" for k in (0, 1) for a, b in joined[k] for j in (0, 1)}


def test_the_area_is_that_of_all_resistors() -> None:
    circuit = case("dual_rail").circuit
    weights = [e.value for e in circuit.elements if isinstance(e, DualRailCrossbar)]
    assert len(circuit.resistors()) == 4 * sum(value[0].size for value in weights)
    assert circuit.resistors().sum() == pytest.approx(2 * sum(value.sum() for value in weights))
    changed = {e.name: 3 * e.value for e in circuit.trainable}
    assert circuit.resistors(changed).sum() == pytest.approx(3 * circuit.resistors().sum())
    ideal = case("coupling").circuit
    assert circuit.resistors().size > ideal.resistors().size == 2, "the two leaks"


def test_a_loaded_weight_is_a_dual_rail_pair_with_one_of_its_conductances_zero() -> None:
    w = np.random.default_rng(0).normal(0, S, (3, 4))
    x = np.array([[0.5, -2.0, 1.0]])
    half, whole = CircuitBuilder("half"), CircuitBuilder("whole")
    half.signed_crossbar("w", half.input("x", 3), half.nodes("h", 4), w)
    rails = np.concatenate([whole.input("x", 3), whole.input("xn", 3, gain=-1.0)])
    pairs = np.concatenate([whole.nodes("h", 4), whole.nodes("hn", 4)])
    whole.dual_rail_crossbar("w", rails, pairs, np.maximum([w, -w], LOWEST))
    outputs = []
    for b, nodes in ((half, np.arange(4, 8)), (whole, pairs[:4])):
        for name, a, c in (("up", nodes, GROUND), ("down", GROUND, nodes)):
            b.device(name, a, c, ShockleyDiode())
        if b is whole:
            b.device("nup", pairs[4:], GROUND, ShockleyDiode())
            b.device("ndown", GROUND, pairs[4:], ShockleyDiode())
        circuit = b.build(nodes)
        outputs.append(circuit.readout.read(IdealSolver(circuit).solve(None, x).require().free))
    np.testing.assert_allclose(*outputs, rtol=1e-6)


def latch(diodes: bool, leak: float) -> Circuit:
    """Two nodes that push one another."""
    b = CircuitBuilder("latch")
    x, one, two = b.input("x"), b.nodes("one"), b.nodes("two")
    b.conductance("feed", x, one, 0.1 * S)
    b.conductance("leak", np.concatenate([one, two]), GROUND, leak)
    b.signed_crossbar("push", one, two, -3 * S, loaded=False)
    if diodes:
        b.device("up", np.concatenate([one, two]), GROUND, ShockleyDiode())
        b.device("down", GROUND, np.concatenate([one, two]), ShockleyDiode())
    return b.build(two)


def test_couplings_without_loads_can_have_several_operating_points() -> None:
    x = np.array([[0.3], [-0.3]])
    circuit = latch(diodes=True, leak=S)
    with pytest.raises(SolverError, match="couplings without loads"):
        IdealSolver(circuit, start="cold").solve(None, x)
    v = IdealSolver(circuit).solve(None, x).require().free
    assert (np.abs(v[:, 2:]) > 0.1).all(), "each sample latches, far from the unstable point near 0 V"
    assert (np.sign(v[:, 2:]) == [[1, -1], [-1, 1]]).all()


def test_couplings_stronger_than_all_loads_have_no_stable_operating_point() -> None:
    assert IdealSolver(latch(diodes=False, leak=S)).solve(None, np.ones((1, 1))).status[0] != Status.CONVERGED
    assert IdealSolver(latch(diodes=False, leak=4 * S)).solve(None, np.ones((1, 1))).converged.all()


def test_a_node_with_nothing_but_couplings_is_floating() -> None:
    for loaded in (False, True):
        b = CircuitBuilder("floating")
        x, out = b.input("x"), b.nodes("out")
        b.signed_crossbar("w", x, out, S, loaded=loaded)
        if loaded:
            assert b.build(out).n_nodes == 3
        else:
            with pytest.raises(CircuitError, match="node 'out' is floating: nothing conducts to it"):
                b.build(out)
