"""No failure is silent: every sample says what became of it, and takes no other sample with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import SquaredError
from eqcirc.devices import ShockleyDiode
from eqcirc.errors import ConfigError, DataError, SolverError
from eqcirc.solvers.base import Nudge, OperatingPoints, Solver
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.netlist import Netlist
from eqcirc.solvers.ngspice.session import SweepResult
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Status
from tests.catalogue import S, case

Make = Callable[[Circuit], Solver]


@pytest.fixture(params=["ideal", "reduced", "full"])
def make(request: pytest.FixtureRequest, spice: Callable[..., NgspiceSolver]) -> Make:
    if request.param == "ideal":
        return IdealSolver
    return lambda circuit: spice(circuit, netlist=request.param)


def fold() -> Circuit:
    """A diode against a negative conductance: no operating point below a certain input."""
    b = CircuitBuilder("fold")
    x, n = b.input("x"), b.nodes("n")
    b.conductance("series", x, n, S)
    b.conductance("load", n, GROUND, S)
    b.transconductor("negative", (n, GROUND), (n, GROUND), -4 * S)
    b.device("diode", n, GROUND, ShockleyDiode())
    return b.build(n)


def singular() -> Circuit:
    """Conductance and negative conductance cancel: no voltage, unless nothing is driven."""
    b = CircuitBuilder("singular")
    x, n = b.input("x"), b.nodes("n")
    b.conductance("series", x, n, S)
    b.transconductor("negative", (n, GROUND), (n, GROUND), -S)
    return b.build(n)


def test_a_sample_without_operating_point_is_named_and_the_rest_is_solved(make: Make) -> None:
    points = make(fold()).solve(None, np.array([[0.5], [-1.0], [0.2], [-3.0], [1.0], [-2.0]]))
    assert points.converged.tolist() == [True, False, True, False, True, False]
    assert np.isin(points.status[~points.converged], (Status.NO_EQUILIBRIUM, Status.NOT_CONVERGED)).all()
    assert np.isnan(points.free[1, -1])
    assert np.isfinite(points.free[[0, 2, 4]]).all()
    assert "sample 1: " in points.explain()
    assert len(points.explain()) > 60
    with pytest.raises(SolverError, match="3 of 6 samples failed: sample 1: "):
        points.require()


def test_failures_in_nudged_phases_count(make: Make) -> None:
    """The free phase has an operating point, the one pulled down has none."""
    nudge = Nudge(SquaredError(), np.array([[-9.0], [-0.5], [-9.0]]), S / 4)
    points = make(fold()).solve(None, np.array([[0.5], [0.5], [0.4]]), nudge)
    assert points.status[0] != Status.CONVERGED
    assert points.status[2] != Status.CONVERGED
    assert points.status[1] in (Status.CONVERGED, Status.WRONG_BRANCH)


def test_a_singular_circuit_is_reported(make: Make) -> None:
    points = make(singular()).solve(None, np.array([[0.5], [-1.0]]))
    assert not points.converged.any()
    assert (points.status != Status.ENGINE_DIED).all()
    assert points.explain()


def test_voltages_that_break_kirchhoffs_law_are_not_believed(
    spice: Callable[..., NgspiceSolver], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the simulator says about its success."""
    example = case("two_stages")
    solver = spice(example.circuit)
    run = solver._pool.run

    def spoil(netlists: Iterable[Netlist]) -> list[tuple[Netlist, SweepResult | str]]:
        results = run(netlists)
        netlist, result = results[0]
        assert isinstance(result, SweepResult)
        result.voltages[2, 1, netlist.saved.index("out")] += 1e-5
        return results

    monkeypatch.setattr(solver._pool, "run", spoil)
    points = solver.solve(None, example.inputs, example.nudge())
    assert points.status.tolist() == [0, Status.NOT_CONVERGED, 0, 0, 0]
    assert "1.0e-05 V off Kirchhoff's law at 'out'" in points.messages[1]


def test_a_singular_circuit_has_no_voltages_that_could_be_trusted() -> None:
    """Not even where nothing is driven: 0 V obeys Kirchhoff's law there, and so does any other voltage."""
    points = IdealSolver(singular()).solve(None, np.array([[0.5], [0.0], [-1.0]]))
    assert (points.status == Status.NO_EQUILIBRIUM).all()


@pytest.mark.parametrize("factor", [0.6, 1.5, 3.0])
def test_beta_too_large_is_the_wrong_branch(factor: float, make: Make) -> None:
    """At a node of conductance g the answers to plus and minus beta are odd up to beta/g."""
    example = case("divider")
    nudge = Nudge(SquaredError(), np.full((5, 1), 0.4), factor * 4 * S)
    points = make(example.circuit).solve(None, example.inputs, nudge)
    assert (points.status == Status.WRONG_BRANCH).all()
    assert "beta is too large" in points.explain()
    assert np.isfinite(points.voltages).all()


def test_beta_below_the_limit_is_fine(make: Make) -> None:
    example = case("divider")
    assert make(example.circuit).solve(None, example.inputs, example.nudge(beta=0.4 * 4 * S)).converged.all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_inputs_that_are_no_numbers_are_refused(bad: float, make: Make) -> None:
    example = case("amplifier")
    inputs = example.inputs.copy()
    inputs[2, 1] = bad
    with pytest.raises(DataError, match="sample 2, feature 1"):
        make(example.circuit).solve(None, inputs)


def test_targets_that_do_not_fit_are_refused(make: Make) -> None:
    example = case("amplifier")
    for targets in (np.zeros((2, 1)), np.zeros((5, 3)), np.full((5, 1), np.nan)):
        with pytest.raises(DataError, match=r"expected finite targets of shape \(5, 1\)"):
            make(example.circuit).solve(None, example.inputs, Nudge(SquaredError(), targets, 1e-7))


@pytest.mark.parametrize("beta", [0.0, -1e-7, np.nan, np.inf])
def test_beta_is_positive_and_finite(beta: float) -> None:
    with pytest.raises(ConfigError, match="expected a positive, finite nudging strength"):
        Nudge(SquaredError(), np.zeros((1, 1)), beta)


def test_every_status_has_words() -> None:
    assert all(len(status.words) > 5 for status in Status)


def test_explain_lists_the_first_failures() -> None:
    points = OperatingPoints(np.zeros((1, 5, 2)), np.array([0, 1, 1, 4, 1]), messages={1: "no luck"})
    assert points.explain(2) == f"sample 1: no luck; sample 2: {Status.NOT_CONVERGED.words}"
