from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import ClampDiode, Law, ShockleyDiode
from eqcirc.solvers.ideal.solver import IdealSolver
from tests.catalogue import NAMES, S, case, random_layered


@settings(max_examples=40, deadline=None)
@given(
    drive=st.floats(-1e3, 1e3),
    series=st.floats(1e-9, 1e-1),
    rail=st.floats(-100, 100),
    saturation=st.sampled_from([1e-18, 1e-12, 1e-9, 1e-3]),
    turned=st.booleans(),
)
def test_a_diode_at_any_rail_is_found_from_the_cold(
    drive: float, series: float, rail: float, saturation: float, turned: bool
) -> None:
    law = ShockleyDiode(saturation)
    b = CircuitBuilder("rail")
    x, high, n = b.input("x"), b.rail("rail", rail), b.nodes("n")
    b.conductance("series", x, n, series)
    b.device("diode", *((high, n) if turned else (n, high)), law)
    v = IdealSolver(b.build(n)).solve(None, np.array([[drive]])).require().free[0, int(n[0])]
    assert min(drive, rail) - 1e-6 <= v <= max(drive, rail) + 1e-6
    sign = -1 if turned else 1
    current, slope = law.evaluate(np.array([sign * (v - rail)]))
    left = series * (v - drive) + sign * current[0] + law.leak * (v - rail)
    assert abs(left) <= 1e-11 * (series + slope[0]) * max(abs(drive), abs(rail), 1)


@pytest.mark.parametrize("law", [ClampDiode(1.0, 1e-6), ClampDiode(1e3, 1e-4), ShockleyDiode(1e-20, 0.5)])
def test_sharp_laws_are_found(law: Law) -> None:
    b = CircuitBuilder("sharp")
    x, n = b.input("x", gain=50.0), b.nodes("n", 3)
    b.conductance("series", x, n, [S, 10 * S, 0.1 * S])
    b.conductance("chain", n[:2], n[1:], S)
    b.device("up", n, GROUND, law)
    b.device("down", GROUND, n, law)
    assert IdealSolver(b.build(n)).solve(None, np.linspace(-1, 1, 21)[:, None]).converged.all()


@pytest.mark.parametrize("name", NAMES)
def test_few_iterations_are_enough(name: str) -> None:
    example = case(name)
    points = IdealSolver(example.circuit).solve(None, example.inputs, example.nudge()).require()
    assert points.iterations / len(example.inputs) < 25, "of all three phases"


def test_nudged_phases_start_warm() -> None:
    example = random_layered(np.random.default_rng(3), (8,))
    solver = IdealSolver(example.circuit)
    free = solver.solve(None, example.inputs).require().iterations
    both = solver.solve(None, example.inputs, example.nudge()).require().iterations
    assert both - free <= 2 * 3 * len(example.inputs), "two steps and a check for each nudged phase"


def test_solving_changes_no_argument() -> None:
    example = case("two_stages")
    inputs, nudge = example.inputs.copy(), example.nudge()
    targets = nudge.targets.copy()
    IdealSolver(example.circuit).solve(example.circuit.parameters, inputs, nudge).require()
    np.testing.assert_array_equal(inputs, example.inputs)
    np.testing.assert_array_equal(targets, nudge.targets)
