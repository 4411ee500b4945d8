"""Samples that a sweep does not solve: each rung finds the operating point, and the one that wins is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.devices import ShockleyDiode
from eqcirc.solvers.ngspice import retry
from eqcirc.solvers.ngspice.netlist import Netlist, Settling
from eqcirc.solvers.ngspice.pool import Pool
from eqcirc.solvers.ngspice.session import SweepResult
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.status import Status
from tests.catalogue import S, case

STEEP = "b1 b 0 i=5*tanh(1e4*(v(b)-2.5))"
"""Newton jumps over the step at 2.5 V for ever; with a capacitor the node slides into it."""


SWEPT = ["v_eq_s eq_s 0 0", "v_eq_p eq_p 0 0", ".options reltol=1e-9 vntol=1e-12 abstol=1e-15 noacct"]


def driven(device: str, *volts: float) -> Netlist:
    """A device at b, driven through 1 Ohm; the drive is a table over samples."""
    table = ",".join(f"{k},{v}" for k, v in enumerate(volts))
    lines = ["* driven", f"b0 a 0 v=pwl(v(eq_s),{table})", "r1 a b 1", device, ".model dm d is=1e-14"]
    lines += SWEPT
    return Netlist(lines, ["a", "b"], len(volts), 1)


def climb_in_worker(netlist: Netlist, rung: str) -> np.ndarray:
    from eqcirc.solvers.ngspice import pool

    return getattr(retry, rung)(pool._session, netlist, 1)  # type: ignore[no-any-return]


@pytest.mark.parametrize("rung", ["small_steps", "fine_stepping", "relaxation"])
def test_every_rung_finds_the_operating_point(pool: Pool, rung: str) -> None:
    netlist = driven("d1 b 0 dm", 1.0, 5.0)
    ((_, whole),) = pool.run([netlist])
    assert isinstance(whole, SweepResult)
    found = pool.workers.executor().submit(climb_in_worker, netlist, rung).result()
    np.testing.assert_allclose(found[0], whole.voltages[0, 1], rtol=1e-8)


def test_a_sample_that_only_relaxation_solves(pool: Pool) -> None:
    ((_, result),) = pool.run([driven(STEEP, 5.0, 4.0)])
    assert isinstance(result, SweepResult)
    assert result.rungs == {0: "relaxation", 1: "relaxation"}
    assert result.messages == {}
    np.testing.assert_allclose(result.voltages[0, :, 1], 2.5, atol=1e-3)
    current = 5 * np.tanh(1e4 * (result.voltages[0, :, 1] - 2.5))
    np.testing.assert_allclose(current, [5.0, 4.0] - result.voltages[0, :, 1], rtol=1e-6)


JUMP = ["* jump", "i1 0 a 0.5m", "b1 a 0 i=v(a)>0.3?1m:0", "r1 a b 1", "r2 b 0 1e9"]
"""The device draws nothing or 1 mA, never the 0.5 mA of the source: there is no operating point."""


def test_a_circuit_without_operating_point_is_given_up(pool: Pool) -> None:
    """ngspice's pseudo-transient would not end."""
    ((_, result),) = pool.run([Netlist([*JUMP, *SWEPT], ["a", "b"], 2, 1)])
    assert isinstance(result, SweepResult)
    assert np.isnan(result.voltages).all()
    assert all("Too many iterations" in said for said in result.messages.values())


def test_a_transient_that_stops_says_so(pool: Pool) -> None:
    netlist = Netlist([*JUMP, *SWEPT], ["a", "b"], 2, 1)
    ((_, result),) = pool.run([netlist.settling(Settling(1e-6, 1e-8, 1.0), np.zeros(2))])
    assert isinstance(result, SweepResult)
    assert result.settled is not None
    assert np.isnan(result.settled).all()
    assert all("the transient stopped before 1e-06 s" in said for said in result.messages.values())
    assert len(result.messages) == 2


def test_small_steps_need_a_sample_before() -> None:
    class Never:
        def analyse(self, netlist: Netlist, extra: list[str], *commands: str) -> np.ndarray:
            raise AssertionError

    assert len(retry.small_steps(Never(), driven("d1 b 0 dm", 1.0, 5.0), 0)) == 0


def test_failed_samples_leave_their_netlists_in_quarantine(tmp_path: Path) -> None:
    """A diode against a negative conductance: without a drive it holds, against one there is no operating point."""
    b = CircuitBuilder("hopeless")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, S)
    b.transconductor("negative", (out, GROUND), (out, GROUND), -4 * S)
    b.device("diode", out, GROUND, ShockleyDiode())
    with NgspiceSolver(b.build(out), quarantine=tmp_path / "quarantine") as solver:
        solver.solve(None, np.ones((1, 1))).require()
        assert not (tmp_path / "quarantine").exists()
        points = solver.solve(None, np.array([[1.0], [-3.0]]))
    failed = int((~points.converged).sum())
    assert failed >= 1
    decks = sorted((tmp_path / "quarantine").glob("*.sp"))
    assert len(decks) == failed
    assert decks[0].read_text().startswith("* hopeless")


def test_a_sample_of_absurd_volts_costs_only_itself(spice: Callable[..., NgspiceSolver]) -> None:
    """ngspice would look for an operating point until its deadline."""
    some = case("diode")
    inputs = np.repeat(some.inputs[:1], 3, axis=0)
    inputs[1, 0] = 1e9
    found = spice(some.circuit).solve(None, inputs)
    assert found.status.tolist() == [Status.CONVERGED, Status.UNRESOLVED, Status.CONVERGED]
    assert "a source holds 3e+09 V" in found.explain()
    assert np.isnan(found.free[1, some.circuit.free_nodes]).all()
    alone = spice(some.circuit).solve(None, inputs[:1])
    np.testing.assert_allclose(found.free[2], alone.free[0], atol=1e-9)
