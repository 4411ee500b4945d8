"""Contrasts of rates: the pairing of sums and rates against the adjoint, spikes against the mean field, the choice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.circuit.pairing import pairing
from eqcirc.costs import SquaredError
from eqcirc.devices import Probit
from eqcirc.errors import CircuitError, ConfigError, SymmetryError
from eqcirc.learning.choice import choose_rule
from eqcirc.learning.reading import Reading
from eqcirc.learning.rule import flat
from eqcirc.learning.stoch_ep import StochEP
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.spiking import Window
from eqcirc.solvers.status import Status
from eqcirc.typing import Array
from eqcirc.verify.check import check
from eqcirc.verify.gradients import adjoint_gradient
from tests.case import TWO_INPUTS, S
from tests.cells import asymmetric, feedforward, hopfield

COST, TARGETS = SquaredError(), np.tile([[0.3, -0.2]], (len(TWO_INPUTS), 1))


@pytest.fixture(scope="module")
def network() -> Circuit:
    return hopfield().circuit


@pytest.fixture(scope="module")
def exact(network: Circuit) -> dict[str, Array]:
    """The gradient of the cost at the operating points of the mean field."""
    free = IdealSolver(network).solve(None, TWO_INPUTS).require().free
    return adjoint_gradient(network, network.parameters, TWO_INPUTS, TARGETS, COST, free)


@pytest.mark.parametrize(("variant", "order"), [("centred", 2), ("positive", 1), ("richardson", 4)])
def test_the_contrast_of_rates_is_the_gradient_in_the_mean_field(
    network: Circuit, exact: dict[str, Array], variant: str, order: int
) -> None:
    """Two hidden layers, back by half as strong weights; errors fall with the order of the variant."""
    solver, errors = IdealSolver(network), []
    for beta in (2e-2 * S, 1e-2 * S):
        rule = StochEP(network, COST, beta, Window(), variant)  # type: ignore[arg-type]
        phases = solver.solve(None, TWO_INPUTS, rule.nudge(TARGETS)).require().voltages
        off = flat(rule.gradient(phases, None)) - flat(exact)
        errors.append(np.linalg.norm(off) / np.linalg.norm(flat(exact)))
    assert errors[1] < 0.02
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.2)


def test_spikes_measure_the_gradient(
    network: Circuit, exact: dict[str, Array], spice: Callable[..., NgspiceSolver]
) -> None:
    """Within the error bars that the chains tell, by both engines; every batch gets noise of its own."""
    for solver, window, bound in (
        (IdealSolver(network), Window(500, memory=50, chains=100), 0.99),
        (spice(network), Window(300, memory=30, settle=2, chains=3), 0.9),
    ):
        found = StochEP(network, COST, 0.2 * S, window).measure(solver, None, TWO_INPUTS, TARGETS)
        gradient, errors, wanted = flat(found.gradient()), flat(found.errors()), flat(exact)
        if window.chains > 10:  # few of them do not tell how far they are apart
            assert (np.abs(gradient - wanted) < 6 * errors + 0.03 * np.abs(wanted).max()).all()
        assert gradient @ wanted > bound * np.linalg.norm(gradient) * np.linalg.norm(wanted)
        assert found.strength > 0.01
        part = found.take(np.array([0]))
        assert len(part.points.status) == 1


def test_a_batch_without_any_mean_field_measures_nothing(
    network: Circuit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many may fail is the trainer's to say."""
    solver = IdealSolver(network)
    lost = solver.solve(None, TWO_INPUTS)
    lost.status[:], lost.voltages[:] = Status.NOT_CONVERGED, np.nan
    monkeypatch.setattr(solver, "solve", lambda *_: lost)
    measured = StochEP(network, COST, 1e-2 * S, Window(50)).measure(solver, None, TWO_INPUTS, TARGETS)
    assert not measured.points.converged.any()
    assert not flat(measured.gradient()).any()


def test_circuits_without_a_pairing_are_refused() -> None:
    """The reason names nodes or elements; outputs behind no weights have no energy to nudge."""
    with pytest.raises(SymmetryError, match="nothing comes back"):
        pairing(feedforward().circuit)
    with pytest.raises(SymmetryError, match="'up' is neither a cell nor a linear part"):
        pairing(asymmetric().circuit)

    def loop(back: float, *, trained: bool = False) -> Circuit:
        b = CircuitBuilder("loop")
        x, (h, r, o) = b.input("x"), b.nodes("n", 3)
        b.cell("cell", (GROUND, r), (h, GROUND), Probit())
        b.conductance("load", [h, r, o], GROUND, S)
        b.one_way_crossbar("w", x, [h], S)
        b.one_way_crossbar("forth", [r], [o], S, trainable=trained)
        b.one_way_crossbar("back", [o], [h], back * S, trainable=trained)
        return b.build(r if back == 0.5 else o)

    assert pairing(loop(2.0)).factor[-3:] == pytest.approx([0.5, 0.5, 1.0])
    with pytest.raises(SymmetryError, match="depends on trained values"):
        pairing(loop(2.0, trained=True))
    with pytest.raises(SymmetryError, match="node of a cell"):
        pairing(loop(0.5))


def test_weights_back_that_differ_are_refused() -> None:
    b = CircuitBuilder("twisted")
    x, h, r, o = b.input("x"), b.nodes("h", 2), b.nodes("r", 2), b.nodes("o", 2)
    b.cell("cell", (GROUND, r), (h, GROUND), Probit())
    b.conductance("load", np.concatenate([h, r, o]), GROUND, S)
    b.one_way_crossbar("w", x, h, S)
    b.one_way_crossbar("forth", r, o, np.array([[1, 2], [3, 4]]) * S, trainable=False)
    b.one_way_crossbar("back", o, h, np.array([[1, 3], [2, 5]]) * S, trainable=False)
    with pytest.raises(SymmetryError, match="not those of the way back"):
        pairing(b.build(o))


def test_tied_crossbars_say_what_they_expect() -> None:
    b = CircuitBuilder("wrong")
    x, h = b.input("x"), b.nodes("h", 2)
    b.one_way_crossbar("w", x, h, S)
    with pytest.raises(CircuitError, match="name of a one-way crossbar"):
        b.returning_crossbar("back", "v", h, h)
    with pytest.raises(CircuitError, match="as many as those of 'w'"):
        b.returning_crossbar("back", "w", h, h)


def test_the_choice_says_what_is_descended(network: Circuit) -> None:
    choice = choose_rule(network, COST, S, name="stoch_ep", window=Window(memory=7))
    assert isinstance(choice.rule, StochEP)
    assert not choice.exact
    assert "rates of the mean field, up to 1/N" in choice.why
    assert "N = 7" in choice.why
    with pytest.raises(ConfigError, match="does nothing with rule 'auto'"):
        choose_rule(network, COST, S, window=Window())
    with pytest.raises(ConfigError, match="does nothing"):
        choose_rule(network, COST, S, name="stoch_ep", bath=Bath(1e-9))
    with pytest.raises(ConfigError, match="noise of their own"):
        choose_rule(network, COST, S, name="stoch_ep", reading=Reading(noise=1e-3))
    with pytest.raises(CircuitError, match="neither a probit cell"):
        choose_rule(feedforward().circuit, COST, S, name="stoch_ep")


def test_check_solves_the_mean_field_of_chains_that_begin_at_rest(network: Circuit) -> None:
    rule = StochEP(network, COST, 0.1 * S, Window(50, begin="rest"))
    findings = check(rule, network.parameters, TWO_INPUTS, TARGETS, IdealSolver(network), entries=2)
    assert all(f.holds for f in findings)
    assert any("cosine" in f.name for f in findings)
