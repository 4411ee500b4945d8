"""KLU is found by asking, taken for sweeps of large netlists only, and changes no result."""

from __future__ import annotations

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.layered import Layered
from eqcirc.costs import SquaredError
from eqcirc.devices.conductance import DEFAULT_BOUNDS
from eqcirc.learning.eqprop import EqProp
from eqcirc.solvers.ngspice.klu import LEAST, OPTION, PROBE, has_klu, pays
from eqcirc.solvers.ngspice.netlist import Netlist, Settling
from eqcirc.solvers.ngspice.pool import Limits, Pool, in_session
from eqcirc.solvers.ngspice.session import Session, SweepResult
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array

RNG = np.random.default_rng(5)
INPUTS = RNG.uniform(-1, 1, (4, 12))
SWEPT = ["v_eq_s eq_s 0 0", "v_eq_p eq_p 0 0", ".options reltol=1e-9 vntol=1e-12 abstol=1e-15 noacct"]


def layered(*hidden: int) -> Circuit:
    plan = Layered(hidden, input_gain=5.0, gain=4.0, bounds=DEFAULT_BOUNDS)
    return plan.build("wide", INPUTS.shape[1], 3, np.random.default_rng(0))


def netlist_of(circuit: Circuit, form: str) -> Netlist:
    """Three phases of all inputs."""
    cost = SquaredError()
    nudge = EqProp(circuit, cost, 1e-6).nudge(cost.targets(np.arange(len(INPUTS)) % 3, 3), None)
    with NgspiceSolver(circuit, netlist=form) as solver:  # type: ignore[arg-type]
        (netlist,) = solver.netlists(None, INPUTS, nudge)
    return netlist


def large(*parts: str, samples: int = 1) -> Netlist:
    """A netlist with as many lines as KLU needs."""
    load = [f"r_load{k} b 0 1e15" for k in range(LEAST)]
    return Netlist(["* large", *parts, *load, *SWEPT], ["a", "b"], samples, 1)


def run_in_worker(netlist: Netlist, klu: bool | None, limits: Limits) -> tuple[SweepResult, list[list[str]]]:
    """The result, and the lines of every load; KLU as the library has it, or as the caller says."""

    def job(session: Session) -> tuple[SweepResult, list[list[str]]]:
        there, load, loads = session.klu, session._spice.load, []

        def recorded(lines: list[str]) -> int:
            loads.append(lines)
            return load(lines)

        session.klu = there if klu is None else klu
        session._spice.load = recorded  # type: ignore[method-assign]
        try:
            return session.run(netlist), loads
        finally:
            session.klu, session._spice.load = there, load  # type: ignore[method-assign]

    return in_session(job, limits)


def library_has_klu(limits: Limits) -> bool:
    return in_session(lambda session: session.klu, limits)


class Library:
    """Stands for a libngspice that answers the probe in one way."""

    def __init__(self, said: str, code: int = 0, plot: str = "op1") -> None:
        self.words: list[str] = []
        self.left = False
        self.loaded: list[str] = []
        self.commands: list[str] = []
        self._said, self._code, self._plot = said, code, plot

    def load(self, lines: list[str]) -> int:
        self.loaded = lines
        return self._code

    def command(self, text: str) -> None:
        self.commands.append(text)
        if text == "op":
            self.words.append(self._said)

    def current_plot(self) -> str:
        return self._plot

    def vector(self, plot: str, name: str) -> Array:
        raise AssertionError


@pytest.mark.parametrize(
    ("library", "there"),
    [
        (Library("Using KLU as Direct Linear Solver"), True),
        (Library("Using SPARSE 1.3 as Direct Linear Solver"), False),
        (Library("No. of Data Rows : 1"), False),  # ngspice 39 ignores the option
        (Library("Using KLU as Direct Linear Solver", plot="const"), False),  # it began, and gave up
        (Library("Using KLU as Direct Linear Solver", code=1), False),
    ],
)
def test_only_a_library_that_solves_with_klu_has_it(library: Library, there: bool) -> None:
    assert has_klu(library) is there
    assert library.loaded == list(PROBE)
    assert library.words == []
    assert library.commands == ([] if library._code else ["op", "destroy all", "remcirc"])


def test_klu_pays_from_a_number_of_lines_on() -> None:
    assert not pays(["r a b 1"] * (LEAST - 1))
    assert pays(["r a b 1"] * LEAST)


def test_small_netlists_and_libraries_without_klu_see_no_option(pool: Pool) -> None:
    divider = ["v1 a 0 1", "r1 a b 1k", "r2 b 0 1k"]
    small = Netlist(["* small", *divider, *SWEPT], ["a", "b"], 1, 1)
    for netlist, klu in ((small, True), (large(*divider), False)):
        result, loads = pool.call(run_in_worker, netlist, klu)
        np.testing.assert_allclose(result.voltages[0, 0], [1.0, 0.5], rtol=1e-6)
        assert len(loads) == 1
        assert OPTION not in loads[0]


def test_sweeps_of_large_netlists_take_klu_and_their_transients_do_not(pool: Pool) -> None:
    netlist = large("v1 a 0 1", "r1 a b 1k", "r2 b 0 1k")
    result, loads = pool.call(
        run_in_worker, netlist.settling(Settling(1e-3, 1e-6, 1.0), np.full(2, 1e-9)), True
    )
    np.testing.assert_allclose(result.voltages[0, 0], [1.0, 0.5], rtol=1e-6)
    assert [OPTION in lines for lines in loads] == [False, True]


def test_what_klu_gives_up_is_solved_without_it(pool: Pool) -> None:
    """Newton's iteration does not find the step at 2.5 V, whatever solves its equations; a retry does."""
    drive = "b0 a 0 v=pwl(v(eq_s),0,5,1,20)"
    netlist = large(drive, "r1 a b 1", "b1 b 0 i=5*tanh(1e4*(v(b)-2.5))", samples=2)
    (found, loads), (expected, _) = (pool.call(run_in_worker, netlist, klu) for klu in (True, False))
    assert [OPTION in lines for lines in loads[:2]] == [True, False]
    assert not any(OPTION in lines for lines in loads[1:])
    assert found.messages == expected.messages == {}
    assert found.rungs == expected.rungs == {0: "relaxation"}
    np.testing.assert_allclose(found.voltages, expected.voltages, atol=1e-9)


@pytest.mark.parametrize("form", ["reduced", "full"])
@pytest.mark.parametrize("hidden", [(80,), (24, 24)])
def test_klu_and_sparse_agree(pool: Pool, form: str, hidden: tuple[int, ...]) -> None:
    if not pool.call(library_has_klu):
        pytest.skip("this libngspice has no KLU (ngspice 42 and newer have)")
    netlist = netlist_of(layered(*hidden), form)
    assert pays(netlist.lines)
    (found, loads), (expected, _) = (pool.call(run_in_worker, netlist, klu) for klu in (None, False))
    assert [OPTION in lines for lines in loads] == [True]
    assert found.messages == found.rungs == {}
    np.testing.assert_allclose(found.voltages, expected.voltages, rtol=0, atol=1e-11)


def test_decks_for_people_have_no_such_option() -> None:
    netlist = netlist_of(layered(24, 24), "reduced")
    assert pays(netlist.lines)
    assert "klu" not in netlist.deck()
