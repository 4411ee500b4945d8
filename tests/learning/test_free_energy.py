"""Finite nudges: both rules against the free energy itself, by closed form and by quadrature."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import SquaredError
from eqcirc.errors import ConfigError
from eqcirc.learning.choice import choose_rule
from eqcirc.learning.free_energy import FreeEnergy
from eqcirc.learning.free_energy_path import FreeEnergyPath, spaced
from eqcirc.learning.reading import Reading
from eqcirc.learning.rule import flat
from eqcirc.solvers.ensemble import Bath
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array
from tests.solvers.test_ensemble import INPUTS, SIEMENS, WATTS, two_nodes

TARGETS = np.array([[-0.5]])
COST = SquaredError()


def objective(values: Array, beta: float) -> float:
    """[A(beta) − A(0)]/beta of `two_nodes` at values of cell (2), first, second; by a sum over a grid."""
    grid = np.linspace(-4, 4, 401)
    h, o = np.meshgrid(grid, grid, indexing="ij")
    cells, first, second = values[:2], values[2], values[3]
    energy = 0.5 * first * (h - 1) ** 2 + 0.5 * second * (h - o) ** 2 + 0.25 * SIEMENS * (h**2 + o**2)
    energy = energy + 0.75 * SIEMENS * (cells[0] * h**4 + cells[1] * o**4)

    def free(b: float) -> float:
        return float(-WATTS * np.log(np.exp(-(energy + b * 0.5 * (o + 0.5) ** 2) / WATTS).sum()))

    return (free(beta) - free(0.0)) / beta


def reference(circuit: Circuit, beta: float) -> Array:
    """Its derivatives by central differences."""
    values = flat(circuit.parameters)

    def at(k: int, step: float) -> float:
        moved = values.copy()
        moved[k] *= 1 + step
        return objective(moved, beta)

    return np.array([(at(k, 1e-4) - at(k, -1e-4)) / (2e-4 * values[k]) for k in range(len(values))])


@pytest.mark.parametrize("rule", [FreeEnergy, FreeEnergyPath])
@pytest.mark.parametrize("beta", [0.1 * SIEMENS, 3 * SIEMENS, 100 * SIEMENS])
def test_gradient_is_that_of_the_free_energy(
    rule: type[FreeEnergy] | type[FreeEnergyPath], beta: float
) -> None:
    """Both rules, for weak nudges and strong ones, within their own error bars."""
    circuit = two_nodes(quartic=3 * SIEMENS)
    chains = 24 if beta > 10 * SIEMENS else 128  # a stiff nudge takes short steps
    found = rule(circuit, COST, beta, Bath(WATTS, chains=chains, length=80)).measure(
        IdealSolver(circuit), None, INPUTS, TARGETS
    )
    gradient, errors, wanted = flat(found.gradient()), flat(found.errors()), reference(circuit, beta)
    assert (np.abs(gradient - wanted) < 4 * errors).all()
    scale = np.array([1 / x for x in flat(circuit.parameters)])
    assert np.linalg.norm((gradient - wanted) / scale) < 0.1 * np.linalg.norm(wanted / scale)


def test_gradient_through_ngspice(spice: Callable[..., NgspiceSolver]) -> None:
    """The same through transients with noise sources."""
    circuit, beta = two_nodes(quartic=3 * SIEMENS), 3 * SIEMENS
    found = FreeEnergy(circuit, COST, beta, Bath(WATTS, chains=6, length=60, step=0.05)).measure(
        spice(circuit), None, INPUTS, TARGETS
    )
    gradient, errors, wanted = flat(found.gradient()), flat(found.errors()), reference(circuit, beta)
    assert (np.abs(gradient - wanted) < 5 * errors + 0.02 * np.abs(wanted)).all()
    assert np.linalg.norm((gradient - wanted)[2:]) < 0.25 * np.linalg.norm(wanted[2:])


@pytest.mark.parametrize("rule", [FreeEnergy, FreeEnergyPath])
def test_one_chain_knows_how_sure_it_is(rule: type[FreeEnergy] | type[FreeEnergyPath]) -> None:
    """Errors by autocorrelation are those that the spread of many single chains has."""
    circuit, beta = two_nodes(quartic=3 * SIEMENS), 3 * SIEMENS
    single = rule(circuit, COST, beta, Bath(WATTS, chains=1, length=100, draws=2))
    many = rule(circuit, COST, beta, Bath(WATTS, chains=32, length=100, draws=2))
    solver = IdealSolver(circuit)
    said = flat(single.measure(solver, None, INPUTS, TARGETS).errors())
    seen = 8 * flat(many.measure(solver, None, INPUTS, TARGETS).errors())
    assert (said > 0.4 * seen).all() and (said < 2.5 * seen).all()


@pytest.mark.parametrize("kappa", [0.0, 1.0, 100.0])
def test_nudges_are_spaced_by_how_stiff_they_are(kappa: float) -> None:
    """The sum of 1/(1 + kappa·b/beta)² is 1/(1 + kappa), to 1e-6 with six nudges."""
    path = spaced(kappa, 6)
    b = np.array(path.factors)
    assert (np.diff(b) > 0).all() and b[0] > 0 and b[-1] < 1
    assert np.dot(path.weights, 1 / (1 + kappa * b) ** 2) == pytest.approx(1 / (1 + kappa), rel=1e-4)


def test_common_noise_makes_contrasts_precise() -> None:
    """Errors of a weak nudge are far smaller where both phases have the same noise."""
    circuit = two_nodes(quartic=3 * SIEMENS)
    errors = []
    for common in (True, False):
        rule = FreeEnergy(circuit, COST, 0.01 * SIEMENS, Bath(WATTS, chains=16, length=20, common=common))
        found = rule.measure(IdealSolver(circuit), None, INPUTS, TARGETS)
        errors.append(np.linalg.norm(flat(found.errors())[2:]))
    assert errors[0] < 0.1 * errors[1]


def test_choice_says_what_is_descended() -> None:
    """No gradient of the cost, but of a free energy; and both need a bath."""
    circuit = two_nodes()
    choice = choose_rule(circuit, COST, SIEMENS, name="free_energy_path", bath=Bath(WATTS))
    assert isinstance(choice.rule, FreeEnergyPath)
    assert not choice.exact
    assert "difference of free energies" in choice.why
    assert "Johnson noise" in choice.why
    with pytest.raises(ConfigError, match="need a bath"):
        choose_rule(circuit, COST, SIEMENS, name="free_energy")
    with pytest.raises(ConfigError, match="does nothing"):
        choose_rule(circuit, COST, SIEMENS, bath=Bath(WATTS))
    with pytest.raises(ConfigError, match="reading"):
        choose_rule(circuit, COST, SIEMENS, name="free_energy", bath=Bath(WATTS), reading=Reading(noise=1e-3))
