"""Circuits in a bath of noise: is the contrast of averages the gradient of the difference of free energies?

    python scripts/verify_ensemble.py [--chains 64] [--skip-spice]

- linear circuits of six nodes, whose free energy has a formula: both forms of the gradient, beta from 0.01 to 100 times
  a conductance, against the derivative of the formula by a complex step;
- two nodes with quartic cells: both rules by the ideal integrator, and the contrast through ngspice, against a sum over
  a grid of states.
Writes results/verify_ensemble.json.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from common import Report

from eqcirc.circuit.builder import GROUND, CircuitBuilder
from eqcirc.circuit.circuit import Circuit
from eqcirc.costs import SquaredError
from eqcirc.devices import PolynomialDevice
from eqcirc.learning.free_energy import WHOLE, Averages, FreeEnergy, Path, Thermal
from eqcirc.learning.free_energy_path import FreeEnergyPath, spaced
from eqcirc.learning.rule import flat
from eqcirc.solvers.base import Solver
from eqcirc.solvers.ensemble import Bath, Ensemble
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.solvers.ngspice.solver import NgspiceSolver
from eqcirc.typing import Array

SIEMENS, WATTS = 1e-6, 2e-7
NODES = 6
BETAS = (0.01, 0.1, 1.0, 10.0, 100.0)
TARGET, SOURCE = -0.5, 1.0


def linear(rng: np.random.Generator) -> Circuit:
    """A full mesh of six nodes with random conductances, a source at each."""
    b = CircuitBuilder("mesh")
    x, nodes = b.input("x", gain=SOURCE), b.nodes("n", NODES)
    i, j = np.triu_indices(NODES, 1)
    mesh = np.concatenate([nodes[i], nodes]), np.concatenate([nodes[j], np.repeat(x, NODES)])
    b.conductance("g", *mesh, SIEMENS * rng.uniform(0.2, 1.0, len(i) + NODES), trainable=True)
    b.conductance("leak", nodes, GROUND, SIEMENS * rng.uniform(0.2, 1.0, NODES))
    return b.build(readout=nodes[-1])


class Mesh:
    """The same circuit as matrices: energy ½·vᵀKv − bᵀv + const, per unit of conductance."""

    def __init__(self, circuit: Circuit) -> None:
        """Note who is joined to whom."""
        self.g, self.leak = circuit.element("g").value, circuit.element("leak").value
        self.i, self.j = np.triu_indices(NODES, 1)

    def energy(self, g: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray, complex]:
        """Return K, b and the constant; g may be complex."""
        own, count = g[len(self.i) :], len(self.i)
        k = np.diag(own + self.leak).astype(g.dtype)
        for a, b, value in zip(self.i, self.j, g[:count], strict=True):
            k[[a, b], [a, b]] += value
            k[[a, b], [b, a]] -= value
        drive = own * SOURCE
        constant = 0.5 * (own * SOURCE**2).sum() + 0.5 * beta * TARGET**2
        k[-1, -1] += beta
        drive = drive + np.eye(NODES)[-1] * beta * TARGET
        return k, drive, constant

    def free_energy(self, g: np.ndarray, beta: float) -> complex:
        """−T·log Z."""
        k, b, constant = self.energy(g, beta)
        log = np.log(np.linalg.det(k / SIEMENS))
        return complex(constant - 0.5 * b @ np.linalg.solve(k, b) + 0.5 * WATTS * log)

    def derivative(self, beta: float) -> Array:
        """DJ/dg by complex steps, which round nothing."""
        found = []
        for k in range(len(self.g)):
            g = self.g.astype(complex)
            g[k] += 1e-30j
            found.append((self.free_energy(g, beta) - self.free_energy(g, 0.0)).imag / 1e-30 / beta)
        return np.array(found)

    def states(self, beta: float) -> Array:
        """As many states (2n, n) as give mean and covariance exactly, so that averages of squares are exact."""
        k, b, _ = self.energy(self.g, beta)
        wide = np.linalg.cholesky(WATTS * np.linalg.inv(k)) * np.sqrt(NODES)
        return np.asarray(np.linalg.solve(k, b) + np.concatenate([wide.T, -wide.T]))

    def mean(self, beta: float) -> Array:
        """Average voltages."""
        k, b, _ = self.energy(self.g, beta)
        return np.asarray(np.linalg.solve(k, b))

    def grid(self, beta: float) -> Array:
        """As many states (6^n, n) as make averages of fourth powers exact: Gauss and Hermite's, repeated by weight."""
        k, _, _ = self.energy(self.g, beta)
        one = np.sqrt(3.0) * np.array([-1.0, 0.0, 0.0, 0.0, 0.0, 1.0])
        points = np.stack(np.meshgrid(*[one] * NODES, indexing="ij"), axis=-1).reshape(-1, NODES)
        return self.mean(beta) + points @ np.linalg.cholesky(WATTS * np.linalg.inv(k)).T


def by_rule(circuit: Circuit, mesh: Mesh, beta: float) -> Array:
    """What `FreeEnergy` makes of states whose averages are exact."""
    states = [mesh.states(b) for b in (0.0, beta)]
    return _gradient(FreeEnergy(circuit, SquaredError(), beta, Bath(WATTS)), circuit, states, WHOLE)


def by_path(circuit: Circuit, mesh: Mesh, beta: float, nudges: int) -> Array:
    """What `FreeEnergyPath` makes of states whose covariances of squares are exact.

    They are Gauss and Hermite's three points for each of the six directions, with weights 1/6, 2/3 and 1/6.
    """
    k, _, _ = mesh.energy(mesh.g, 0.0)
    wide, away = WATTS * np.linalg.inv(k)[-1, -1], mesh.mean(0.0)[-1] - TARGET
    mean, spread = 0.5 * (away**2 + wide), away**2 * wide + 0.5 * wide**2  # of C, by Wick's theorem
    path = spaced(beta * spread / mean / WATTS, nudges)
    rule = FreeEnergyPath(circuit, SquaredError(), beta, Bath(WATTS), nudges)
    states = [mesh.grid(beta * factor) for factor in (0.0, *path.factors)]
    return _gradient(rule, circuit, states, path)


def _gradient(rule: Thermal, circuit: Circuit, states: list[Array], path: Path) -> Array:
    """Return the gradient of a rule from given states (state, node) of all phases."""
    voltages = np.zeros((len(states), 1, 1, len(states[0]), circuit.n_nodes))
    voltages[..., circuit.fixed_nodes] = circuit.fixed_voltages(np.ones((1, 1)))[0]
    for phase, some in enumerate(states):
        voltages[phase, 0, 0][:, circuit.free_nodes] = some
    points = IdealSolver(circuit).solve(None, np.ones((1, 1)))
    ensemble, scaling = Ensemble(voltages, points, 1.0, 0, 1.0), circuit.is_free.astype(float)
    return flat(Averages(rule, None, ensemble, np.array([[TARGET]]), scaling, path).gradient())


def formulas(report: Report) -> None:
    """Hold both forms against the formula of linear circuits."""
    contrast, path, usual = [], [], []
    for seed in range(4):
        circuit = linear(np.random.default_rng(seed))
        mesh = Mesh(circuit)
        for times in BETAS:
            beta = times * SIEMENS
            wanted = mesh.derivative(beta)
            contrast.append(np.linalg.norm(by_rule(circuit, mesh, beta) - wanted) / np.linalg.norm(wanted))
            for found, nudges in ((path, 16), (usual, 6)):
                off = by_path(circuit, mesh, beta, nudges) - wanted
                found.append(np.linalg.norm(off) / np.linalg.norm(wanted))
    report.claim("linear circuits, contrast of averages against free energy, worst", max(contrast), "<= 1e-8")
    report.claim(
        "linear circuits, path integral of 16 nudges against free energy, worst", max(path), "<= 1e-8"
    )
    report.claim("the same of 6 nudges, as the rule has", max(usual), "<= 1e-3")


def quartic() -> Circuit:
    """Two nodes in a row with leaks and quartic cells."""
    b = CircuitBuilder("quartic")
    x, (h, o) = b.input("x", gain=SOURCE), b.nodes("n", 2)
    b.conductance("a", x, h, SIEMENS, trainable=True)
    b.conductance("b", h, o, 0.7 * SIEMENS, trainable=True)
    b.conductance("leak", [h, o], GROUND, 0.5 * SIEMENS)
    b.device("cell", [h, o], GROUND, PolynomialDevice((0.0, 0.0, 3 * SIEMENS), -5.0, 5.0), trainable=True)
    b.capacitor("c", [h, o], GROUND, 1e-9)
    return b.build(readout=o)


def by_grid(beta: float) -> Array:
    """Return dJ/d(a, b, cells) of `quartic` from averages over a grid of states."""
    grid = np.linspace(-4, 4, 801)
    h, o = np.meshgrid(grid, grid, indexing="ij")
    rates = [0.5 * (h - SOURCE) ** 2, 0.5 * (h - o) ** 2, 0.75 * SIEMENS * h**4, 0.75 * SIEMENS * o**4]
    energy = SIEMENS * (rates[0] + 0.7 * rates[1] + 0.25 * (h**2 + o**2)) + rates[2] + rates[3]

    def averages(b: float) -> Array:
        weight = np.exp(-(energy + b * 0.5 * (o - TARGET) ** 2) / WATTS)
        return np.array([(weight * rate).sum() for rate in rates]) / weight.sum()

    return (averages(beta) - averages(0.0)) / beta


def sampled(report: Report, rule: Thermal, solver: Solver, what: str) -> None:
    """Hold a rule by an engine against the grid."""
    began = time.perf_counter()
    found = rule.measure(solver, None, np.ones((1, 1)), np.array([[TARGET]]))

    def ordered(values: dict[str, Array]) -> Array:
        return np.concatenate([values[name] for name in ("a", "b", "cell")])

    gradient, errors, wanted = ordered(found.gradient()), ordered(found.errors()), by_grid(rule.beta)
    unit = np.array([1.0, 1.0, SIEMENS, SIEMENS])
    off = np.linalg.norm((gradient - wanted) / unit) / np.linalg.norm(wanted / unit)
    z = np.abs(gradient - wanted) / errors
    seconds = time.perf_counter() - began
    report.claim(f"quartic circuit, {what}: relative error of the gradient", float(off), "<= 0.03")
    report.claim(f"quartic circuit, {what}: largest |z|", float(z.max()), "<= 3")
    report.content[what] = {
        "gradient": gradient.tolist(),
        "standard error": errors.tolist(),
        "grid": wanted.tolist(),
        "seconds": seconds,
        "draws": found.states.voltages[0, 0, :, :, 0].size,
    }


def main() -> None:
    """Measure all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chains", type=int, default=64, help="of each phase through ngspice")
    parser.add_argument("--skip-spice", action="store_true", help="formulas and the ideal integrator only")
    options = parser.parse_args()
    report = Report(__file__)
    formulas(report)
    circuit, cost = quartic(), SquaredError()
    for times in (0.1, 3.0, 30.0):
        beta = times * SIEMENS
        bath = Bath(WATTS, chains=1024, length=200, draws=2)
        ideal = IdealSolver(circuit)
        sampled(report, FreeEnergy(circuit, cost, beta, bath), ideal, f"ideal, contrast, beta = {beta:g} S")
        sampled(report, FreeEnergyPath(circuit, cost, beta, bath), ideal, f"ideal, path, beta = {beta:g} S")
    if not options.skip_spice:
        beta = 3 * SIEMENS
        bath = Bath(WATTS, chains=options.chains, length=300, draws=2, step=0.04)
        with NgspiceSolver(circuit, workers=2) as spice:
            sampled(
                report, FreeEnergy(circuit, cost, beta, bath), spice, f"ngspice, contrast, beta = {beta:g} S"
            )
    report.write()


if __name__ == "__main__":
    main()
