"""The scaling s: the table of the theory, refusals, and symmetry of Jacobians summed part by part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.reduction import Reduction
from eqcirc.circuit.scaling import symmetry
from eqcirc.costs import SquaredError
from eqcirc.devices import CurrentSource
from eqcirc.errors import SymmetryError
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array
from tests.catalogue import NAMES, Case, S, case, random_layered
from tests.kirchhoff import amplifiers, delivered, derivative, leaving

SYMMETRIC = [name for name in NAMES if case(name).symmetric]
LAYERED = {
    f"{len(hidden)} hidden, {kind}": random_layered(
        np.random.default_rng(k), hidden, True, kind == "differential"
    )
    for k, (hidden, kind) in enumerate([((4,), "single"), ((4, 3), "differential"), ((3, 3, 3), "single")])
}
cases = pytest.mark.parametrize(
    "example", [case(n) for n in SYMMETRIC] + list(LAYERED.values()), ids=[*SYMMETRIC, *LAYERED]
)


def at(circuit: Circuit, *names: str) -> list[float]:
    s = symmetry(circuit)
    return [float(s[circuit.node_names.index(name)]) for name in names]


def test_two_terminal_parts_keep_s() -> None:
    for name in ("ladder", "bridge", "floating_diode", "current_sources", "differential"):
        circuit = case(name).circuit
        s = symmetry(circuit)
        assert (s[circuit.free_nodes] == 1).all()
        assert (s[circuit.fixed_nodes] == 0).all()


def test_an_amplifier_divides_s_by_its_gains() -> None:
    # s_out = s_in·kappa/A with s = 1 at the output
    assert at(case("amplifier").circuit, "out", "behind", "hidden") == pytest.approx([1, 1, 16])
    assert at(case("transformer").circuit, "out", "behind", "hidden") == pytest.approx([1, 1, 1])
    assert at(case("two_stages").circuit, "out", "stage_3", "stage_2", "stage_1", "stage_0") == pytest.approx(
        [1, 1, 3.0 / 0.5, 3.0 / 0.5, 16 * 3.0 / 0.5]
    )
    assert at(case("transformer_loop").circuit, "out", "n_0", "n_1") == pytest.approx([1, 1, 1])


def test_a_pair_of_transconductors_gives_s_the_ratio_of_its_gains() -> None:
    # J_vw = 2 gm and J_wv = -3 gm: s_w = s_v·J_vw/J_wv
    assert at(case("gyrator").circuit, "v", "w") == pytest.approx([1, -2 / 3])


def test_s_of_transconductors_follows_their_trained_values() -> None:
    circuit = case("gyrator").circuit
    s = symmetry(circuit, {"forth": np.array([4 * S]), "back": np.array([S])})
    assert s[circuit.node_names.index("w")] == pytest.approx(-4)


def gyrators(*ports: tuple[str, str, str], beside: bool = False) -> Circuit:
    """Gyrators g0, g1, … of S between nodes v and w, and a free node r; `beside` them a transconductor."""
    b = CircuitBuilder("gyrators")
    node = {"0": GROUND} | {name: int(b.nodes(name)[0]) for name in "vwr"}
    b.conductance("leaks", list(node.values())[1:], GROUND, S)
    for k, (first, second, reference) in enumerate(ports):
        b.gyrator(f"g{k}", node[first], node[second], S, reference=node[reference], trainable=True)
    if beside:
        b.transconductor("t", (node["w"], GROUND), (node["v"], GROUND), -S)
    return b.build([node["v"], node["w"]])


@pytest.mark.parametrize("ports", [[("v", "w", "0")], [("v", "w", "0"), ("v", "w", "0")]])
def test_the_scaling_of_gyrators_alone_is_found_once(ports: list[tuple[str, str, str]]) -> None:
    circuit, other = gyrators(*ports), {"g0": np.array([3 * S])}
    rule, plan = EqProp(circuit, SquaredError(), 1e-7), Reduction(circuit)
    np.testing.assert_array_equal(rule.scaling(other), symmetry(circuit, other))
    assert rule.scaling(None) is rule.scaling(other)
    assert plan.symmetry({}) is plan.symmetry(other)


@pytest.mark.parametrize(
    ("circuit", "ratio"),
    [
        (gyrators(("v", "w", "0"), beside=True), -3 / 4),
        (gyrators(("v", "w", "0"), ("w", "v", "0")), -1),  # at their first values they cancel
        (gyrators(("v", "w", "r"), ("r", "w", "v")), -3 / 2),  # likewise, one way
    ],
    ids=["transconductor", "the other way round", "free reference"],
)
def test_what_can_cancel_a_gyrator_makes_the_scaling_depend_on_values(circuit: Circuit, ratio: float) -> None:
    found = Reduction(circuit).symmetry({"g0": np.array([3 * S])})
    assert found is not None
    np.testing.assert_allclose(found[circuit.readout.nodes], [1, ratio])


def test_a_lone_transconductor_is_refused_by_name() -> None:
    with pytest.raises(
        SymmetryError, match="transconductor 'forth' carries 'v' to 'w' and nothing carries it back"
    ):
        symmetry(case("lone_transconductor").circuit)
    with pytest.raises(SymmetryError, match="transconductor 'hide'"):
        symmetry(case("cancelled_coupling").circuit)


def test_a_transconductor_from_a_held_node_is_a_source() -> None:
    b = CircuitBuilder("driven")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("load", out, GROUND, S)
    b.transconductor("drive", (out, GROUND), (x, GROUND), S)
    b.transconductor("self", (out, GROUND), (out, GROUND), 0.5 * S)
    circuit = b.build(out)
    assert at(circuit, "out") == [1]


def test_transconductors_that_cancel_are_none() -> None:
    b = CircuitBuilder("cancel")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("w", x, n, S)
    b.transconductor("one", (n[0], GROUND), (n[1], GROUND), S)
    b.transconductor("two", (GROUND, n[0]), (n[1], GROUND), S)
    assert at(b.build(n), "n_0", "n_1") == [1, 1]


def loop(gain: float, kappa: float) -> Circuit:
    b = CircuitBuilder("loop")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("w", x, n[0], S)
    b.amplifier("amp", n[0], n[1], gain, kappa)
    b.conductance("around", n[0], n[1], S)
    return b.build(n[1])


def test_a_loop_that_asks_for_two_scalings_is_refused_by_name() -> None:
    with pytest.raises(SymmetryError, match=r"amplifier 'amp' closes a loop .* at node 'n_[01]'"):
        symmetry(loop(2.0, 0.5))
    with pytest.raises(SymmetryError, match=r"amplifier '(two|three)' closes a loop"):
        symmetry(case("amplifier_chain").circuit)
    assert (symmetry(loop(2.0, 2.0))[2:] == 1).all()


def test_each_unconnected_part_starts_at_its_first_output() -> None:
    b = CircuitBuilder("two parts")
    x = b.input("x")
    for name in ("a", "b"):
        n, y = b.nodes(f"{name}n"), b.nodes(f"{name}y")
        b.conductance(f"{name}w", x, n, S)
        b.conductance(f"{name}l", y, GROUND, S)
        b.amplifier(f"{name}amp", n, y, 2.0)
    circuit = b.build([b._nodes.index("ay"), b._nodes.index("by")])
    assert at(circuit, "an", "ay", "bn", "by") == pytest.approx([4, 1, 4, 1])


def equations_of_roots(example: Case) -> tuple[Array, Array]:
    """Nodes that no amplifier drives, and the Jacobian of Kirchhoff's law at them, at the operating point.

    The voltages behind amplifiers follow, and the currents that amplifiers deliver are drawn from their sources.
    """
    circuit = example.circuit
    stages = amplifiers(circuit)
    driven = {b for _, b, _, _ in stages}
    roots = np.array([n for n in circuit.free_nodes if n not in driven])
    point = IdealSolver(circuit).solve(None, example.inputs).require().free[1]

    def gains(n: int) -> tuple[int, float]:
        for a, b, gain, _ in stages:
            if b == n:
                root, more = gains(a)
                return root, gain * more
        return n, 1.0

    def law(u: Array) -> Array:
        v = point.copy()
        v[roots] = u
        for n in driven:
            root, gain = gains(n)
            v[n] = gain * v[root]
        flow = leaving(circuit, v)
        currents = delivered(circuit, flow)
        for a, b, _, kappa in stages:
            flow[a] += kappa * currents[b]
        return flow[roots]

    return roots, derivative(law, point[roots])


@cases
def test_scaled_jacobian_is_symmetric(example: Case) -> None:
    roots, jacobian = equations_of_roots(example)
    scaled = symmetry(example.circuit)[roots][:, None] * jacobian
    np.testing.assert_allclose(scaled, scaled.T, atol=1e-8 * np.abs(scaled).max())


@pytest.mark.parametrize("name", ["lone_transconductor", "cancelled_coupling"])
def test_where_s_is_refused_one_node_moves_another_and_not_back(name: str) -> None:
    _, jacobian = equations_of_roots(case(name))
    one_way = (np.abs(jacobian) < 1e-15) & (np.abs(jacobian.T) > 1e-6)
    assert one_way.any()


def probe(example: Case) -> Array:
    """dv_j/dI_i (j, i) over all free nodes, for a current into node i, amplifier outputs included."""
    circuit, inputs = example.circuit, example.inputs[1:2]
    free = circuit.free_nodes
    source = CurrentSource(name="probe", value=np.zeros(len(free)), node=free)
    solver = IdealSolver(replace(circuit, elements=(*circuit.elements, source)))

    def voltages(current: Array) -> Array:
        return solver.solve({"probe": current}, inputs).require().free[0, free]

    return derivative(voltages, np.zeros(len(free)), h=1e-9)


@cases
def test_response_to_a_current_is_reciprocal_up_to_s(example: Case) -> None:
    """A current 1/s_i into node i moves node j as a current 1/s_j into node j moves node i."""
    s = symmetry(example.circuit)[example.circuit.free_nodes]
    response = probe(example) / s
    np.testing.assert_allclose(response, response.T, rtol=1e-5, atol=1e-6 * np.abs(response).max())
