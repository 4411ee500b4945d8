from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import Bounds, ClampDiode
from eqcirc.devices.conductance import DEFAULT_BOUNDS
from eqcirc.errors import CircuitError

INPUT, RAIL, OUT, A, B = 1, 2, 3, 4, 5


def floating(b: CircuitBuilder) -> None:
    b.nodes("lonely", 2)


def only_clamps(b: CircuitBuilder) -> None:
    b.device("d", OUT, b.nodes("behind"), ClampDiode())


def only_current(b: CircuitBuilder) -> None:
    b.current_source("i", b.nodes("fed"), 1e-6)


def coil_between_rails(b: CircuitBuilder) -> None:
    b.rl_branches("l", INPUT, RAIL, 0.0, 1e-3)


def coils_in_a_ring(b: CircuitBuilder) -> None:
    b.rl_branches("l", [OUT, A, B], [A, B, OUT], 0.0, 1e-3)


def onto_itself(b: CircuitBuilder) -> None:
    b.conductance("r", A, A, 1e-5)


def amplifier_onto_rail(b: CircuitBuilder) -> None:
    b.amplifier("amp", A, RAIL, 2.0)


def amplifier_onto_amplifier(b: CircuitBuilder) -> None:
    b.amplifier("one", A, OUT, 2.0)
    b.amplifier("two", B, OUT, 2.0)


def circle(b: CircuitBuilder) -> None:
    b.amplifier("one", A, B, 2.0)
    b.amplifier("two", B, A, 0.3)


def own_circle(b: CircuitBuilder) -> None:
    b.amplifier("one", A, A, 2.0)


def outside_its_bounds(b: CircuitBuilder) -> None:
    b.conductance("r", A, B, [1e-5, 1.0], trainable=True, bounds=Bounds(1e-6, 1e-4))


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (floating, "node 'lonely_0' (and 1 more) is floating: nothing conducts to it"),
        (only_clamps, "node 'behind' is floating: only devices reach it that block at some voltages"),
        (only_current, "node 'fed' is floating: nothing conducts to it"),
        (
            coil_between_rails,
            "coils without resistance, or one of them and sources, close a loop at 'x' and 'rail'",
        ),
        (
            coils_in_a_ring,
            "coils without resistance, or one of them and sources, close a loop at 'b' and 'out'",
        ),
        (onto_itself, "element 'r' connects node 'a' with itself"),
        (amplifier_onto_rail, "amplifier 'amp': node 'rail' is already held by a rail or an input"),
        (amplifier_onto_amplifier, "amplifier 'two': node 'out' is already held by amplifier 'one'"),
        (circle, "closes a circle of amplifiers"),
        (outside_its_bounds, "'r': trainable value [1] = 1 S is outside its bounds, 1e-06 to 0.0001"),
        (own_circle, "amplifier 'one' closes a circle of amplifiers"),
    ],
)
def test_faults_are_found_when_the_circuit_is_built(
    add: Callable[[CircuitBuilder], None], message: str
) -> None:
    b = CircuitBuilder("faulty")
    b.input("x")
    b.rail("rail", 1.0)
    b.nodes("out")
    b.nodes("a")
    b.nodes("b")
    b.conductance("all", INPUT, [OUT, A, B], 1e-5)
    add(b)
    with pytest.raises(CircuitError, match=re.escape(message)):
        b.build(OUT)


@pytest.mark.parametrize(
    ("readout", "message"),
    [
        ([], "expected at least one output node"),
        (INPUT, "all nodes that are read are held by ideal sources"),
        ([GROUND, INPUT], "all nodes that are read are held by ideal sources"),
    ],
)
def test_outputs_are_for_the_circuit_to_decide(readout: int | list[int], message: str) -> None:
    b = CircuitBuilder("outputs")
    b.input("x")
    b.rail("rail", 1.0)
    b.conductance("w", INPUT, b.nodes("out"), 1e-5)
    with pytest.raises(CircuitError, match=f"readout: .*{message}"):
        b.build(readout)


def test_an_amplifier_carries_the_path_to_ground() -> None:
    b = CircuitBuilder("driven")
    x, a, y = b.input("x"), b.nodes("a"), b.nodes("y")
    b.conductance("w", x, a, 1e-5)
    b.amplifier("amp", a, y, 2.0)
    assert b.build(y).n_nodes == 4


def test_bounds_that_nobody_named_hold_the_first_values() -> None:
    b = CircuitBuilder("wide")
    x, v = b.input("x"), b.nodes("v", 2)
    b.conductance("w", x, v, [1e-5, 1e-2], trainable=True)
    assert tuple(b.build(v).element("w").bounds) == (1e-6, 1e-2)


@pytest.mark.parametrize("bounds", [DEFAULT_BOUNDS, Bounds(*DEFAULT_BOUNDS)])
def test_bounds_that_are_named_are_not_widened_even_if_they_are_the_common_ones(bounds: Bounds) -> None:
    b = CircuitBuilder("narrow")
    x, v = b.input("x"), b.nodes("v")
    b.conductance("w", x, v, 1e-2, trainable=True, bounds=bounds)
    with pytest.raises(CircuitError, match="outside its bounds"):
        b.build(v)
