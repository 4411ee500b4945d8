"""Netlists as text: plain ngspice reads them, and they say the same as the solver."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.costs import SoftmaxCrossEntropy
from eqcirc.devices import ClampDiode
from eqcirc.errors import CircuitError
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.cards import table, weighted_sum
from eqcirc.solvers.ngspice.netlist import Netlist, Tolerances
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from tests.catalogue import ONE_INPUT, Case, S, case, random_layered

Batch = Callable[[str], tuple[str, dict[str, Array]]]
EXAMPLES = {
    "antiparallel": case("antiparallel"),
    "areas": case("diode_areas"),
    "clamp": case("clamp"),
    "two stages": case("two_stages"),
    "transformer loop": case("transformer_loop"),
    "gyrator": case("gyrator"),
    "current sources": case("current_sources"),
    "differential": case("differential"),
    "layered": random_layered(np.random.default_rng(0), (4, 3), True, True),
}


def rows(printed: str) -> Array:
    """The numbers of the only table that ngspice printed, without the index."""
    lines = [line.split() for line in printed.splitlines() if re.match(r"\d+\t", line)]
    return np.array(lines, np.float64)[:, 1:]


@pytest.mark.parametrize("netlist", ["reduced", "full"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_deck_gives_the_solvers_voltages_in_plain_ngspice(
    name: str, netlist: str, spice: Callable[..., NgspiceSolver], batch: Batch
) -> None:
    example = EXAMPLES[name]
    solver = spice(example.circuit, netlist=netlist)
    nudge = example.nudge()
    (text,) = solver.netlists(None, example.inputs, nudge)
    printed, vectors = batch(text.deck())
    table_rows = rows(printed)
    samples = len(example.inputs)
    np.testing.assert_array_equal(table_rows[:, 1], np.repeat(np.arange(samples), 3))
    np.testing.assert_array_equal(table_rows[:, 2], np.tile(np.arange(3), samples))
    u = table_rows[:, 3:].reshape(samples, 3, -1).transpose(1, 0, 2)
    full = (
        np.stack([vectors[f"v({n})"] for n in text.saved], axis=1).reshape(samples, 3, -1).transpose(1, 0, 2)
    )
    np.testing.assert_allclose(u, full, rtol=1e-5, atol=1e-12, err_msg="the printed table")
    points = solver.solve(None, example.inputs, nudge).require()
    fixed = example.circuit.fixed_voltages(example.inputs)
    voltages = solver._plan.expand(solver._unknowns(full, netlist == "full"), fixed)
    np.testing.assert_allclose(voltages, points.voltages, rtol=0, atol=1e-10)


def test_a_deck_can_print_some_nodes_only(batch: Batch) -> None:
    example = case("two_stages")
    (text,) = NgspiceSolver(example.circuit, netlist="full").netlists(None, example.inputs)
    found = rows(batch(text.deck(["out", "stage_1"]))[0])[:, 3:]
    points = IdealSolver(example.circuit).solve(None, example.inputs).require()
    nodes = [example.circuit.node_names.index(name) for name in ("out", "stage_1")]
    np.testing.assert_allclose(found, points.free[:, nodes], rtol=1e-5, atol=1e-10)


def test_reduced_decks_say_where_the_other_nodes_are() -> None:
    example = case("two_stages")
    (text,) = NgspiceSolver(example.circuit).netlists(None, example.inputs)
    notes = re.findall(r"\* node (\w+) of the circuit is at (\S+)\*v\((\w+)\)", text.deck())
    points = IdealSolver(example.circuit).solve(None, example.inputs).require()
    index = example.circuit.node_names.index
    assert {name for name, _, _ in notes} == {"stage_0", "stage_1", "stage_2"}
    behind = {name: points.free[:, index(name)] for name in example.circuit.node_names}
    factor = {name: float(value) for name, value, _ in notes}
    np.testing.assert_allclose(behind["stage_1"], behind["stage_0"] * factor["stage_1"] / factor["stage_0"])


@pytest.mark.parametrize("title", ["Büro\nnext line", "error: unknown", ".end", ""])
def test_any_title_will_do(title: str, spice: Callable[..., NgspiceSolver]) -> None:
    b = CircuitBuilder(title)
    x, out = b.input("x"), b.nodes("out")
    b.conductance("top", x, out, S)
    b.conductance("bottom", out, GROUND, S)
    for netlist in ("reduced", "full"):
        points = spice(b.build(out), netlist=netlist).solve(None, ONE_INPUT).require()
        np.testing.assert_allclose(points.free[:, int(out[0])], ONE_INPUT[:, 0] / 2, atol=1e-12)


@pytest.mark.parametrize("name", ["z", "n0", "all", "e", "time", "v", "pwl", "e1", "x__y"])
def test_any_name_will_do(name: str, spice: Callable[..., NgspiceSolver]) -> None:
    """Nodes and elements may share it, and it may look like one of our own helpers."""
    b = CircuitBuilder("names")
    x, out = b.input(name, 2), b.nodes("out", 2)
    b.conductance("top", x, out, S)
    b.conductance("bottom", out, GROUND, S)
    b.device(name, out, GROUND, ClampDiode())
    single = b.input(f"{name}b", first_feature=1)
    b.conductance(f"{name}b", single, out[0], S)
    example = Case(b.build(out), np.array([[0.1, 0.2], [-1.0, 0.5]]))
    nudge = example.nudge(SoftmaxCrossEntropy())
    expected = IdealSolver(example.circuit).solve(None, example.inputs, nudge).require()
    for netlist in ("reduced", "full"):
        found = spice(example.circuit, netlist=netlist).solve(None, example.inputs, nudge).require()
        np.testing.assert_allclose(found.voltages, expected.voltages, rtol=0, atol=1e-9)


def test_numbers_keep_all_their_digits() -> None:
    values = np.array([1 / 3, 0.1, 1e-17])
    numbers = re.findall(r"\d,([^,)]+)", table(values))
    assert [float(x) for x in numbers] == values.tolist()
    assert table(np.array([0.1, 0.1])) == "0.1"


def test_sums_of_voltages() -> None:
    ports = ["a", "b"]
    assert weighted_sum(np.array([1.0, 0.0]), ports) == "v(a)"
    assert weighted_sum(np.array([0.0, -1.0]), ports) == "(-v(b))"
    assert weighted_sum(np.array([0.5, -1.0]), ports) == "(0.5*v(a)-v(b))"


def test_sweeps_go_on_from_a_sample() -> None:
    assert Netlist([], [], 5, 1).sweep() == "dc v_eq_s 0 4 1"
    assert Netlist([], [], 5, 3).sweep(2) == "dc v_eq_p 0 2 1 v_eq_s 2 4 1"


def test_tolerances_reach_ngspice(spice: Callable[..., NgspiceSolver]) -> None:
    """Loose ones leave an error of their size, tight ones do not."""
    example = case("diode")
    exact = IdealSolver(example.circuit).solve(None, example.inputs).require().free
    errors = [
        np.abs(spice(example.circuit, tolerances=t).solve(None, example.inputs).require().free - exact).max()
        for t in (Tolerances(1e-5, 1e-7, 1e-12), Tolerances())
    ]
    assert 1e-10 < errors[0] < 1e-6
    assert errors[1] < 1e-11


def test_a_deck_has_no_lines_that_its_parts_do_not_know_of() -> None:
    """The builder takes no such name; a circuit can be made without it."""
    for broken in ("a\n.control", "a\r*# shell ls", "a\x0cb", "a\x85b"):
        netlist = Netlist(["* title", f"r1 {broken} 0 1k"], ["a"], 1, 1)
        with pytest.raises(CircuitError, match="the name of a part breaks the line"):
            netlist.deck()
