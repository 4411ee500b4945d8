from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import EsakiDiode, ShockleyDiode
from eqcirc.devices.tunnel_diode import TunnelDiode
from eqcirc.errors import CircuitError


def builder() -> CircuitBuilder:
    """One input node 1 and two free nodes 2, 3 with a path to ground."""
    b = CircuitBuilder("test")
    b.input("x")
    b.conductance("w", 1, b.nodes("n", 2), 1e-5)
    return b


MISTAKES: dict[str, tuple[Callable[[CircuitBuilder], object], str]] = {
    "upper case": (lambda b: b.nodes("Out"), "nodes 'Out': a name is lower case"),
    "number at the end": (lambda b: b.nodes("out_1"), "does not end in _<number>"),
    "ours": (lambda b: b.rail("eq_s", 1.0), "starts with a letter but not with 'eq_'"),
    "not ASCII": (lambda b: b.nodes("größe"), "nodes 'größe'"),
    "space": (lambda b: b.nodes("a b"), "nodes 'a b'"),
    "SPICE ground": (lambda b: b.nodes("gnd"), "'gnd': this name has a meaning of its own in SPICE"),
    "SPICE temperature": (lambda b: b.input("temper"), "'temper': this name has a meaning"),
    "node twice": (lambda b: b.nodes("x"), "nodes 'x' is defined twice"),
    "element twice": (lambda b: b.conductance("w", 2, 3, 1e-5), "element 'w' is defined twice"),
    "no nodes": (lambda b: b.nodes("out", 0), "expected a count of 1 to 1000000, got 0"),
    "too many nodes": (lambda b: b.nodes("out", 10**30), "expected a count of 1 to 1000000, got 1000"),
    "no gain": (lambda b: b.input("y", gain=0.0), "input 'y': expected a finite gain"),
    "infinite gain": (lambda b: b.input("y", gain=np.inf), "input 'y': expected a finite gain"),
    "unknown node": (
        lambda b: b.conductance("r", 2, 9, 1e-5),
        "'r': expected node numbers made by this builder",
    ),
    "negative node": (lambda b: b.conductance("r", 2, -1, 1e-5), "'r': expected node numbers"),
    "float node": (lambda b: b.conductance("r", 2, np.array([1.0]), 1e-5), "'r': expected node numbers"),
    "misfit": (
        lambda b: b.conductance("r", [2, 3], [1, 2, 3], 1e-5),
        "'r': nodes and values do not fit together",
    ),
    "misfit of values": (
        lambda b: b.device("d", [2, 3], 0, ShockleyDiode(), area=[1, 2, 3]),
        "'d': nodes and values do not fit together: 2 and 1 nodes, values of shape (3,)",
    ),
    "values in two dimensions": (
        lambda b: b.conductance("r", [2, 3], 0, np.full((2, 2), 1e-5)),
        "'r': nodes and values do not fit together: 2 and 1 nodes, values of shape (2, 2)",
    ),
    "values that are no numbers": (
        lambda b: b.conductance("r", 2, 0, "abc"),
        "'r': expected values to be numbers, got 'abc'",
    ),
    "nodes in rows of several lengths": (
        lambda b: b.conductance("r", [[2], [2, 3]], 0, 1e-5),  # type: ignore[list-item]
        "'r': expected node numbers made by this builder, got [[2], [2, 3]]",
    ),
    "misfit of a crossbar": (
        lambda b: b.crossbar("r", [1], [2, 3], [1e-5, 1e-5, 1e-5]),
        "'r': expected conductances of shape (1, 2), or one for all, got shape (3,)",
    ),
    "misfit of a signed crossbar": (
        lambda b: b.signed_crossbar("r", [1], [2, 3], np.ones((2, 2))),
        "'r': expected conductances of shape (1, 2), or one for all, got shape (2, 2)",
    ),
    "misfit of a dual-rail crossbar": (
        lambda b: b.dual_rail_crossbar("r", [2, 3], b.nodes("m", 4), np.ones((2, 3))),
        "'r': expected conductances of shape (2, 1, 2), or one for all, got shape (2, 3)",
    ),
    "too few henries": (
        lambda b: b.rl_branches("r", b.nodes("m", 3), 0, 1e3, [1e-6, 1e-6]),
        "'r': expected henries of shape (3,), or one for all, got shape (2,)",
    ),
    "too many shared resistances": (
        lambda b: b.rl_branches("r", [2, 3], 0, 1e3, 1e-6, shared=[(0, 1)], shared_ohms=[1, 2]),
        "'r': expected shared_ohms of shape (1,), or one for all, got shape (2,)",
    ),
    "shared without resistance": (
        lambda b: b.rl_branches("r", [2, 3], 0, 1e3, 1e-6, shared=[(0, 1)]),
        "'r': expected shared_ohms of shape (1,), or one for all, got shape (0,)",
    ),
    "three branches that share": (
        lambda b: b.rl_branches("r", [2, 3], 0, 1e3, 1e-6, shared=[(0, 1, 0)], shared_ohms=1),  # type: ignore[list-item]
        "'r': shared: expected pairs of branches, as in [(0, 2), (1, 3)] or [] for none, got [(0, 1, 0)]",
    ),
    "area of nothing": (
        lambda b: b.device("d", [2, 3], 0, TunnelDiode(EsakiDiode(), 1.0), area=[1, 0]),
        "device 'd': area [1] = 0; expected a positive factor",
    ),
    "no parts": (lambda b: b.conductance("r", [], [], []), "element 'r': expected at least one part"),
    "crossbar without columns": (
        lambda b: b.crossbar("r", [2, 3], np.empty(0, int), 1e-5),
        "expected at least one",
    ),
    "readout pairs": (lambda b: b.build([2, 3], 2), "readout: 2 positive nodes but 1 negative ones"),
}


@pytest.mark.parametrize(("make", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_named(make: Callable[[CircuitBuilder], object], message: str) -> None:
    with pytest.raises(CircuitError) as caught:
        make(builder())
    assert message in f"CircuitError: {caught.value}"


def test_nodes_and_elements_have_their_own_name_spaces() -> None:
    b = builder()
    b.nodes("w")
    b.conductance("n", [2, 3], GROUND, 1e-5)


def test_nodes_are_numbered_in_order_and_named_for_spice() -> None:
    b = CircuitBuilder("names")
    assert b.nodes("a").tolist() == [1]
    assert b.input("x", 2, first_feature=3, gain=2.0).tolist() == [2, 3]
    b.conductance("w", [2, 3], [1, 1], 1e-5)
    circuit = b.build(1)
    assert circuit.node_names == ("0", "a", "x_0", "x_1")
    assert circuit.inputs.feature.tolist() == [3, 4]
    assert circuit.inputs.n_features == 5


def test_values_are_copied_and_frozen() -> None:
    value = np.array([1e-5, 2e-5])
    b = CircuitBuilder("frozen")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("w", x, n, value, trainable=True)
    circuit = b.build(n)
    value[:] = 1.0
    assert circuit.element("w").value.tolist() == [1e-5, 2e-5]
    with pytest.raises(ValueError, match="read-only"):
        circuit.element("w").value[0] = 1.0
    circuit.parameters["w"][0] = 1.0
    assert circuit.element("w").value[0] == 1e-5
