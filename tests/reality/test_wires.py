"""Line resistance of crossbars: against laws for hand and paper, ngspice, and the ideal crossbar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.devices import ShockleyDiode
from eqcirc.errors import CircuitError
from eqcirc.reality import Reality, Wires
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from tests.case import S
from tests.catalogue import dual_rail


def array(n: int, g: Array | None = None) -> Circuit:
    """A crossbar onto diodes, and another one from there to outputs."""
    rng = np.random.default_rng(n)
    b = CircuitBuilder(f"array of {n}")
    x, h, out = b.input("x", n, gain=2.0), b.nodes("h", n), b.nodes("o", 4)
    b.crossbar("w1", x, h, rng.uniform(0.1 * S, 10 * S, (n, n)) if g is None else g)
    b.device("up", h, GROUND, ShockleyDiode())
    b.device("down", GROUND, h, ShockleyDiode())
    b.crossbar("w2", h, out, rng.uniform(0.1 * S, 10 * S, (n, 4)))
    b.conductance("load", out, GROUND, S)
    return b.build(np.concatenate([h, out]))


def samples(n: int) -> Array:
    return np.random.default_rng(1).uniform(-1, 1, (4, n))


def outputs(circuit: Circuit, inputs: Array, wires: Wires | None = None) -> Array:
    chip = Reality(wires=wires).chip(circuit)
    points = IdealSolver(chip.circuit).solve(chip.parameters, inputs).require()
    return chip.circuit.readout.read(points.free)


@pytest.mark.parametrize("n", [8, 16])
@pytest.mark.parametrize("ohms", [1.0, 100.0])
def test_ngspice_and_ideal_agree_on_line_resistance(
    n: int, ohms: float, spice: Callable[..., NgspiceSolver]
) -> None:
    chip = Reality(wires=Wires(ohms)).chip(array(n))
    assert len(chip.circuit.free_nodes) == len(array(n).free_nodes) + 2 * n * (n + 4)
    ideal = IdealSolver(chip.circuit).solve(chip.parameters, samples(n)).require().free
    found = spice(chip.circuit).solve(chip.parameters, samples(n)).require().free
    np.testing.assert_allclose(found, ideal, rtol=0, atol=1e-9)


@pytest.mark.parametrize("n", [8, 16])
def test_without_resistance_it_is_the_ideal_crossbar(n: int) -> None:
    ideal = outputs(array(n), samples(n))
    off = [np.abs(outputs(array(n), samples(n), Wires(ohms)) - ideal).max() for ohms in (1e-3, 1e-1)]
    assert off[0] < 5e-6
    assert off[1] / off[0] == pytest.approx(100, rel=0.01)


def test_a_row_of_two_drops_what_ohm_says() -> None:
    """Far from its driver, a crosspoint sees what two segments leave over."""
    r, g, load = 2e4, np.array([[S, 2 * S]]), 3 * S
    b = CircuitBuilder("row of two")
    x, out = b.input("x"), b.nodes("o", 2)
    b.crossbar("w", x, out, g)
    b.conductance("load", out, GROUND, load)
    found = outputs(b.build(out), np.ones((1, 1)), Wires(r))[0]
    branch = 1 / (1 / g[0] + r + 1 / load)  # crosspoint, segment of the column, load
    beyond = 1 / (r + 1 / branch[1])
    near = 1 / (1 + r * (branch[0] + beyond))  # V at the first crosspoint of the row
    far = near * beyond / branch[1]
    np.testing.assert_allclose(found, np.array([near, far]) * branch / load, rtol=1e-12)


@pytest.mark.parametrize(
    ("rows", "columns", "flipped", "others"),
    [("right", "bottom", 1, ("left", "bottom")), ("left", "top", 0, ("left", "bottom"))],
)
def test_the_other_end_is_the_mirrored_crossbar(
    rows: Literal["left", "right"],
    columns: Literal["top", "bottom"],
    flipped: int,
    others: tuple[Literal["left"], Literal["bottom"]],
) -> None:
    n, ohms = 5, 1e3
    g = np.random.default_rng(0).uniform(S, 10 * S, (n, n))
    b, m = CircuitBuilder("one"), CircuitBuilder("mirrored")
    found = []
    for builder, value, wires in (
        (b, g, Wires(ohms, rows, columns)),
        (m, np.flip(g, flipped), Wires(ohms, *others)),
    ):
        x, out = builder.input("x", n), builder.nodes("o", n)
        builder.crossbar("w", x, out, value)
        builder.conductance("load", out, GROUND, S)
        inputs = samples(n) if value is g or flipped == 1 else samples(n)[:, ::-1]
        found.append(outputs(builder.build(out), inputs, wires))
    np.testing.assert_allclose(found[0], found[1][:, ::-1] if flipped == 1 else found[1], rtol=1e-9)


def test_drivers_at_both_ends_drop_less() -> None:
    ideal = outputs(array(8), samples(8))
    one, both = (
        np.abs(outputs(array(8), samples(8), Wires(10.0, *ends)) - ideal).max()
        for ends in (("left", "bottom"), ("both", "both"))
    )
    assert both < 0.75 * one


def test_dual_rails_are_refused_by_name() -> None:
    with pytest.raises(CircuitError, match="'first': line resistance is modelled for crossbars of single"):
        Reality(wires=Wires(1.0)).chip(dual_rail().circuit)
