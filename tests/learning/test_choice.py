"""The rule that is chosen for a circuit, and what is said about it."""

from __future__ import annotations

import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import SquaredError
from eqcirc.errors import ConfigError, SymmetryError
from eqcirc.learning.asym_ep import AsymEP
from eqcirc.learning.choice import choose_rule
from eqcirc.learning.dyadic import Dyadic
from eqcirc.learning.eqprop import EqProp
from eqcirc.learning.reading import Reading
from eqcirc.learning.vector_field import VectorField
from tests.catalogue import NAMES, case

COST = SquaredError()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"amplifier_chain", "one_way"}])
def test_the_simplest_rule_that_is_exact_is_chosen(name: str) -> None:
    example = case(name)
    choice = choose_rule(example.circuit, COST, 1e-7)
    assert choice.exact
    assert isinstance(choice.rule, EqProp if example.symmetric else AsymEP)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("feedforward", "cell 'cell1' carries 'u1_0' to 'h1_0' one way: AsymEP is exact"),
        (
            "lone_transconductor",
            "transconductor 'forth' carries 'v' to 'w' and nothing carries it back: AsymEP is exact",
        ),
        ("bridge", "Equilibrium Propagation is exact"),
    ],
)
def test_why_is_said_in_a_sentence_that_names_the_element(name: str, words: str) -> None:
    assert words in choose_rule(case(name).circuit, COST, 1e-7).why


def test_what_is_trained_carries_something_even_if_it_begins_at_zero() -> None:
    b = CircuitBuilder("zero")
    x, n = b.input("x"), b.nodes("n", 2)
    b.conductance("series", x, n, 1e-5)
    b.transconductor("gm", (n[1], GROUND), (n[0], GROUND), 0.0, trainable=True)
    assert isinstance(choose_rule(b.build(n), COST, 1e-7).rule, AsymEP)


def test_rules_can_be_asked_for() -> None:
    circuit = case("bridge").circuit
    kinds = {"eqprop": EqProp, "asym_ep": AsymEP, "dyadic": Dyadic}
    for name, kind in kinds.items():
        choice = choose_rule(circuit, COST, 1e-7, name=name, reading=Reading(noise=1e-3), seed=3)  # type: ignore[arg-type]
        assert isinstance(choice.rule, kind)
        assert choice.exact
        assert choice.rule.seed == 3
        assert choice.rule.reading == Reading(noise=1e-3)


@pytest.mark.parametrize("rule", ["eqprop", "vector_field"])
def test_a_rule_that_is_not_exact_has_to_be_forced(rule: str) -> None:
    circuit = case("feedforward").circuit
    with pytest.raises(SymmetryError, match=r"cell 'cell1'.*would not measure the gradient.*--force"):
        choose_rule(circuit, COST, 1e-7, name=rule)  # type: ignore[arg-type]
    choice = choose_rule(circuit, COST, 1e-7, name=rule, force=True)  # type: ignore[arg-type]
    assert isinstance(choice.rule, VectorField)
    assert not choice.exact
    assert "measures no gradient" in choice.why


def test_a_vector_field_of_a_reciprocal_circuit_is_for_comparison_too() -> None:
    with pytest.raises(SymmetryError, match="knows no scaling s, and is for comparison"):
        choose_rule(case("amplifier").circuit, COST, 1e-7, name="vector_field")


@pytest.mark.parametrize("name", ["amplifier_chain", "one_way"])
def test_where_no_rule_applies_the_reason_is_that_of_the_amplifier(name: str) -> None:
    for rule in ("auto", "asym_ep", "dyadic"):
        with pytest.raises(SymmetryError, match="amplifier"):
            choose_rule(case(name).circuit, COST, 1e-7, name=rule)  # type: ignore[arg-type]


def ring(trainable: bool) -> Circuit:
    """Equal transconductances both ways around a loop: symmetric as long as nobody trains them."""
    b = CircuitBuilder("ring")
    x, n = b.input("x"), b.nodes("n", 3)
    b.conductance("series", x, n[0], 1e-5, trainable=True)
    b.conductance("load", n, GROUND, 4e-5)
    for name, ahead in (("forth", [1, 2, 0]), ("back", [2, 0, 1])):
        b.transconductor(name, (n, GROUND), (n[ahead], GROUND), 1e-5, trainable=trainable)
    return b.build(n[2])


def test_a_scaling_that_training_would_break_is_none() -> None:
    assert isinstance(choose_rule(ring(False), COST, 1e-7).rule, EqProp)
    choice = choose_rule(ring(True), COST, 1e-7)
    assert isinstance(choice.rule, AsymEP)
    assert "closes a loop that asks for two scalings" in choice.why


@pytest.mark.parametrize(("key", "word"), [("name", "dyadc"), ("variant", "centered")])
def test_misspelt_words_are_refused_with_the_nearest(key: str, word: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown .* '{word}': did you mean"):
        choose_rule(case("bridge").circuit, COST, 1e-7, **{key: word})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="unknown variant 'centered'"):
        EqProp(case("bridge").circuit, COST, 1e-7, "centered")  # type: ignore[arg-type]
