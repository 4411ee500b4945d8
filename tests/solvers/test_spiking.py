"""Spikes of probit cells: the normal law and the mean field by both engines, what has no spikes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import SquaredError
from eqcirc.devices import Probit, Tanh
from eqcirc.errors import CircuitError, ConfigError, SolverError
from eqcirc.solvers.base import Nudge
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.solvers.spiking import Window
from eqcirc.typing import Array
from tests.case import TWO_INPUTS, S
from tests.cells import feedforward, hopfield

NOISE = 0.4  # V


def neuron(*, one_sided: bool = True) -> Circuit:
    """One comparator whose rate is 1 V where it always fires; the output is its rate."""
    b = CircuitBuilder("neuron")
    x, threshold, rate = b.input("x"), b.rail("threshold", 0.1), b.nodes("rate")
    law = Probit.of_noise(NOISE, S, one_sided=one_sided)
    b.cell("cell", (GROUND, rate), (x, threshold), law)
    b.conductance("load", rate, GROUND, S)
    return b.build(rate)


@pytest.fixture(scope="module")
def exact() -> tuple[Nudge, Array]:
    """A nudge of a network with two hidden layers, as strong as the circuit, and its mean field."""
    circuit = hopfield().circuit
    nudge = Nudge(SquaredError(), np.array([[0.1, -0.1]]), S, (1.0, -1.0))
    return nudge, IdealSolver(circuit).solve(None, TWO_INPUTS[:1], nudge).require().voltages


@pytest.mark.parametrize("one_sided", [True, False])
def test_a_comparator_fires_as_the_normal_law_says(
    one_sided: bool, spice: Callable[..., NgspiceSolver]
) -> None:
    """Rates without memory are single decisions, so their average has the error of a binomial law."""
    circuit, inputs = neuron(one_sided=one_sided), np.array([[-0.4], [0.2], [0.6]])
    fires = norm.cdf((inputs[:, 0] - 0.1) / NOISE)
    expected = fires if one_sided else 2 * fires - 1
    for solver, decisions in ((IdealSolver(circuit), 20_000), (spice(circuit), 1000)):
        rates = solver.spikes(None, inputs, Window(decisions, memory=0.05))
        error = (1 if one_sided else 2) * np.sqrt(fires * (1 - fires) / decisions)
        assert (np.abs(rates.mean[0, :, circuit.readout.nodes[0]] - expected) < 4 * error).all()


def test_engines_agree_on_the_rates_of_a_network(
    exact: tuple[Nudge, Array], spice: Callable[..., NgspiceSolver]
) -> None:
    """Phases under a strong nudge, near the mean field; chains tell how near they should be."""
    (nudge, voltages), circuit = exact, hopfield().circuit
    for solver, chains in ((IdealSolver(circuit), 64), (spice(circuit), 4)):
        rates = solver.spikes(None, TWO_INPUTS[:1], Window(400, memory=30, chains=chains), nudge)
        free = circuit.free_nodes
        found, errors = rates.mean[..., free], rates.voltages[..., free].std(axis=2) / np.sqrt(chains)
        assert (np.abs(found - voltages[..., free]) < 5 * errors + 0.004).all()
        assert np.abs(found[1] - found[2]).max() > 0.1, "else the nudge would not be seen"


def test_the_bias_falls_with_the_memory() -> None:
    """A neuron that hears itself: its sum fluctuates with 1/N, and the law bends."""
    b = CircuitBuilder("recurrent")
    x, total, rate = b.input("x"), b.nodes("sum"), b.nodes("rate")
    b.one_way_crossbar("w", x, total, 0.5 * S)
    b.one_way_crossbar("back", rate, total, -1.5 * S)
    b.conductance("load", np.concatenate([total, rate]), GROUND, S)
    b.cell("cell", (GROUND, rate), (total, GROUND), Probit.of_noise(0.3, S))
    circuit = b.build(rate)
    solver, inputs = IdealSolver(circuit), np.array([[0.3]])
    mean_field = solver.solve(None, inputs).free[0, rate[0]]
    off = []
    for memory in (8, 32):
        rates = solver.spikes(None, inputs, Window(4000, memory, chains=1000))
        off.append(rates.voltages[0, 0, :, rate[0]].mean() - mean_field)
    assert off[0] > 0.004
    assert off[0] / off[1] == pytest.approx(4, rel=0.3)


def test_noise_is_a_function_of_the_seed_and_common_to_phases(
    exact: tuple[Nudge, Array], spice: Callable[..., NgspiceSolver]
) -> None:
    nudge, circuit = replace(exact[0], beta=1e-12), hopfield().circuit
    window = Window(40, memory=10, settle=1)
    for solver in (IdealSolver(circuit), spice(circuit)):
        first, again, other, apart = (
            solver.spikes(None, TWO_INPUTS[:1], w, nudge).voltages
            for w in (window, window, replace(window, seed=1), replace(window, common=False))
        )
        np.testing.assert_array_equal(first, again)
        assert np.abs(first[1] - first[0]).max() < 1e-6
        assert np.abs(other[0] - first[0]).max() > 0.01
        assert np.abs(apart[1] - apart[0]).max() > 0.01


def test_chains_that_begin_at_rest_need_no_mean_field() -> None:
    """They end where the others do, and their averages stand for operating points."""
    circuit = hopfield().circuit
    solver = IdealSolver(circuit)
    window = Window(400, memory=10, chains=200, begin="rest")
    rates = solver.spikes(None, TWO_INPUTS, window)
    np.testing.assert_array_equal(rates.points.free, rates.mean[0])
    there = solver.spikes(None, TWO_INPUTS, replace(window, begin="mean_field", seed=1))
    errors = rates.voltages[0].std(axis=1) / np.sqrt(200)
    assert (np.abs(rates.mean[0] - there.mean[0]) <= 6 * errors + 1e-6).all()
    assert there.points.converged.all()


def test_what_has_no_spikes_is_refused() -> None:
    b = CircuitBuilder("linear")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("g", x, out, S)
    with pytest.raises(CircuitError, match="no cells"):
        IdealSolver(b.build(out)).spikes(None, np.ones((1, 1)), Window())
    with pytest.raises(CircuitError, match="'cell1' is neither"):
        IdealSolver(feedforward().circuit).spikes(None, TWO_INPUTS, Window())
    b = CircuitBuilder("slow")
    x, out = b.input("x"), b.nodes("out")
    b.cell("cell", (GROUND, out), (x, GROUND), Probit())
    b.conductance("load", out, GROUND, S)
    b.capacitor("store", out, GROUND, 1e-12)
    with pytest.raises(CircuitError, match="'store' is neither"):
        IdealSolver(b.build(out)).spikes(None, np.ones((1, 1)), Window())
    assert not isinstance(Tanh(), Probit)


def test_voltages_that_run_away_are_an_error() -> None:
    b = CircuitBuilder("runaway")
    x, (h, r, o) = b.input("x"), b.nodes("n", 3)
    b.cell("cell", (GROUND, r), (h, GROUND), Probit(S, 1e-6))
    b.conductance("load", [h, r, o], GROUND, S)
    b.one_way_crossbar("w", np.concatenate([x, [r]]), [h], [[S], [S]])
    b.one_way_crossbar("up", [h], [o], [[S]])
    b.one_way_crossbar("down", [o], [h], [[2 * S]])
    with pytest.raises(SolverError, match="run away"):
        IdealSolver(b.build(o)).spikes(None, np.ones((1, 1)), Window(2000, begin="rest"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"decisions": 0},
        {"memory": 0.0},
        {"settle": float("nan")},
        {"begin": "mean"},
        {"chains": 0},
        {"period": -1.0},
    ],
)
def test_a_window_says_what_it_expects(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="window"):
        Window(**wrong)  # type: ignore[arg-type]
