"""Exported decks hold a subcircuit without sources, whose cards other tools understand."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.devices import ShockleyDiode
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.decks import export_deck, export_subcircuit
from eqcirc.solvers.ngspice.subcircuit import plain_cards, subcircuit_name, wrapped
from eqcirc.typing import Array

Batch = Callable[[str], tuple[str, dict[str, Array]]]
SAMPLES = np.array([[1.0, -0.5], [0.25, 0.75]])
LETTERS = "RCLDBEFGHIVX"


def amplified(features: int = 2, name: str = "My net-1") -> Circuit:
    network = Layered(hidden=(3,), gain=4.0, input_gain=2.0)
    return network.build(name, features, 2, np.random.default_rng(0))


def parts(deck: str) -> tuple[list[str], list[str], list[str]]:
    """Ports, cards between .subckt and .ends, and cards after it; continued lines are joined."""
    text = deck.replace("\n+", "")
    found = re.search(r"^\.subckt (.*)\n((?:.*\n)*?)\.ends (\S+)\n((?:.*\n)*)", text, re.MULTILINE)
    assert found
    name, *ports = found[1].split()
    assert name == found[3]
    return ports, found[2].splitlines(), found[4].splitlines()


@pytest.mark.parametrize("form", ["full", "reduced"])
def test_the_circuit_is_a_subcircuit_and_its_sources_are_outside(
    form: Literal["full", "reduced"], batch: Batch
) -> None:
    circuit = amplified()
    deck = export_deck(circuit, None, SAMPLES, form)
    ports, inside, outside = parts(deck)
    outputs = [circuit.node_names[n] for n in circuit.readout.nodes]
    assert set(outputs) <= set(ports)
    if form == "full":
        held = [circuit.node_names[n] for n in circuit.fixed_nodes[1:]]
        assert set(ports) == {*held, *outputs}
    assert not any("eq_s" in card or "eq_p" in card for card in inside)
    sources = [card for card in inside if card[0] == "V"]
    assert all(card.endswith(" 0") for card in sources), "only those that sense a current"
    cards = [card for card in (*inside, *outside) if card and card[0] != "."]
    assert all(card[0] in LETTERS for card in cards)
    assert outside[0] == f"X_my_net_1 {' '.join(ports)} my_net_1"
    assert ".temp 27" in outside
    _, vectors = batch(deck)
    expected = IdealSolver(circuit).solve(None, SAMPLES).require().free
    if form == "full":
        nodes = circuit.free_nodes
        names = [circuit.node_names[n] for n in nodes]
        inner = [f"v({n})" if n in ports else f"v(x_my_net_1.{n})" for n in names]
        found = np.stack([vectors[name] for name in inner], axis=1)
        np.testing.assert_allclose(found, expected[:, nodes], rtol=0, atol=1e-9)


def test_currents_are_sensed_in_series_with_a_source_of_0_v() -> None:
    _, inside, _ = parts(export_deck(amplified(), None, SAMPLES))
    sensors = {card.split()[0]: card.split() for card in inside if card[0] == "V"}
    forced = {card.split()[1]: card.split()[0] for card in inside if card[0] == "E"}
    feeding = [card.split() for card in inside if card[0] == "F"]
    assert len(feeding) == 3
    for _, _, drawn, sensor, gain in feeding:
        _, out, inner, volts = sensors[sensor]
        assert (volts, inner in forced, float(gain)) == ("0", True, 0.25)
        source = next(card.split() for card in inside if card.split()[0] == forced[inner])
        assert source[3] == drawn
        assert any(card.split()[1] == out for card in inside if card[0] == "R")


def test_coils_keep_their_own_sources_of_0_v() -> None:
    cards = ["l_c_0 a b 1e-3", "v_eq_c_0 b 0 0", "h_c_1 d e v_eq_c_0 -5.0", ".model m d is=1"]
    assert plain_cards(cards) == [card[0].upper() + card[1:] for card in cards]


def test_the_head_says_what_ports_are() -> None:
    deck = export_deck(
        amplified(name="n\n*# shell true"), None, SAMPLES[:1], notes=["seed 7", "class of output 0: a\nb"]
    )
    head = deck[: deck.index(".subckt")].splitlines()
    assert all(line.startswith("* ") for line in head)
    assert "* units: V, A, ohm, F, H; temperature 27 degrees Celsius" in head
    assert "* seed 7" in head
    assert "* class of output 0: a b" in head
    assert "* input x_0: 2 V * feature 0" in head
    assert "* rail biasp: 10 V" in head
    assert "* output 1: v(op_1)-v(on_1)" in head


def test_a_subcircuit_alone_has_neither_sources_nor_analysis(batch: Batch) -> None:
    """It is what the deck of the same circuit holds, and works in somebody else's."""
    circuit = amplified()
    text = export_subcircuit(circuit, None, notes=["seed 7"])
    ports, inside, outside = parts(text)
    assert (ports, inside) == parts(export_deck(circuit, None, SAMPLES))[:2]
    assert outside == []
    held = dict(
        zip(circuit.fixed_nodes[1:].tolist(), circuit.fixed_voltages(SAMPLES)[0, 1:].tolist(), strict=True)
    )
    bench = [f"V{k} {circuit.node_names[n]} 0 {v!r}" for k, (n, v) in enumerate(held.items())]
    end = [f"X1 {' '.join(ports)} my_net_1", ".op", ".print op v(op_0)", ".end"]
    _, vectors = batch("\n".join(["* mine", text, *bench, *end, ""]))
    expected = IdealSolver(circuit).solve(None, SAMPLES).require().free[0]
    node = circuit.readout.nodes[0]
    assert vectors[f"v({circuit.node_names[node]})"][0] == pytest.approx(expected[node], abs=1e-4)


def test_more_ports_than_tools_take_leave_the_elements_flat(batch: Batch) -> None:
    circuit = amplified(60)
    samples = np.random.default_rng(0).normal(size=(2, 60))
    deck = export_deck(circuit, None, samples)
    assert ".subckt" not in deck
    assert "ports are more than other tools take" in deck
    ports, _, _ = parts(export_subcircuit(circuit, None))
    assert len(ports) > 99
    _, vectors = batch(deck)
    node = circuit.readout.nodes[0]
    expected = IdealSolver(circuit).solve(None, samples).require().free[:, node]
    np.testing.assert_allclose(vectors[f"v({circuit.node_names[node]})"], expected, rtol=0, atol=1e-9)


def test_a_state_is_given_by_the_names_of_inner_nodes(batch: Batch) -> None:
    b = CircuitBuilder("latch")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("load", n, GROUND, 1e-5)
    b.conductance("drive", x, n[0], 1e-6, trainable=True)
    b.transconductor("cross", (n, GROUND), (n[::-1], GROUND), 1e-4)
    b.device("up", n, GROUND, ShockleyDiode())
    b.device("down", GROUND, n, ShockleyDiode())
    deck = export_deck(b.build(n[:1]), None, np.array([[0.3]]))
    assert ".nodeset v(x_latch.n_1)=" in deck
    assert ".nodeset v(n_0)=" in deck


@pytest.mark.parametrize(
    ("name", "word"),
    [("iris", "iris"), ("My net-1", "my_net_1"), ("2x", "net_2x"), ("é\n.end", "net____end")],
)
def test_any_name_makes_a_subcircuit(name: str, word: str) -> None:
    assert subcircuit_name(name) == word


def test_long_lines_are_continued() -> None:
    lines = wrapped(".subckt n", *(f"port_{k}" for k in range(60)))
    assert max(map(len, lines)) <= 110
    assert all(line.startswith("+ ") for line in lines[1:])
    assert " ".join(lines).replace(" + ", " ").split()[2:] == [f"port_{k}" for k in range(60)]


def test_a_long_first_word_stands_on_the_first_line() -> None:
    assert wrapped("x" * 200, "a") == ["x" * 200, "+ a"]
    b = CircuitBuilder("x" * 100)
    n = b.nodes("n", 1)
    b.crossbar("w", b.input("x", 2), n, 1e-6)
    deck = export_deck(b.build(n), None, np.array([[1.0, 2.0]]))
    assert f"\n.subckt {'x' * 100}\n+ " in deck
