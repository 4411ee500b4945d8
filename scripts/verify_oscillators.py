"""Hold oscillator networks against independent integrations: phase circuits, their gradients, and tanks of elements.

    OPENBLAS_NUM_THREADS=1 python scripts/verify_oscillators.py [--networks 20] [--tanks 3 4 5 6 8]

The reference is written down here once more, in terms of energies: φ' = −dE/dφ by scipy's LSODA, Newton's method on
dE/dφ from where that ends, gradients by the adjoint of d²E/dφ². Phases that drift in white noise are held against the
law of von Mises: in a row of phases of which the first feels a field, cos φ_k is on average Π I1/I0(J/T).

Writes results/verify_oscillators.json and .png. About six minutes on two cores.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import Report
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp
from scipy.special import i0e, i1e

from eqcirc import GROUND, Circuit, CircuitBuilder, EqProp, IdealSolver, InitialState, NgspiceSolver
from eqcirc.analysis.tanks import Phases, run_tanks, tuned
from eqcirc.circuit.oscillators import quadrature
from eqcirc.circuit.tanks import Tanks
from eqcirc.costs import PhaseError
from eqcirc.solvers.ensemble import Bath, average

BETAS = 10.0 ** np.arange(-4.0, 0.0)
SAMPLES = 2
CYCLES = 4000  # of tanks, 4 ms
STIFF = 1500.0  # 1/s


@dataclass(frozen=True, eq=False)
class Machine:
    """An oscillator Ising machine as arrays: E = −Σ x·J_in·cos φ − Σ_pairs J·cos(φ_i − φ_j) − h·cos φ − ½·K·cos 2φ."""

    j: np.ndarray
    j_in: np.ndarray
    h: np.ndarray
    k: np.ndarray

    def force(self, phi: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return dE/dφ, element by element."""
        total = (self.h + x @ self.j_in) * np.sin(phi) + self.k * np.sin(2 * phi)
        for a in range(len(phi)):
            total[a] += sum(self.j[a, b] * math.sin(phi[a] - phi[b]) for b in range(len(phi)))
        return total

    def hessian(self, phi: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return d²E/dφ²."""
        apart = self.j * np.cos(phi[:, None] - phi)
        own = (self.h + x @ self.j_in) * np.cos(phi) + 2 * self.k * np.cos(2 * phi) + apart.sum(axis=1)
        return np.diag(own) - apart

    def settle(self, x: np.ndarray) -> np.ndarray:
        """Return where the flow from π/2 ends."""
        start = np.full(len(self.h), math.pi / 2)
        way = solve_ivp(lambda _, p: -self.force(p, x), (0, 3000.0), start, "LSODA", rtol=1e-9, atol=1e-11)
        return self.polish(way.y[:, -1], x)

    def there(self, start: np.ndarray, wanted: np.ndarray, seconds: float) -> bool:
        """Return whether the flow from start is within 0.01 rad of phases after a while."""
        way = solve_ivp(lambda _, p: -self.force(p, np.zeros(0)), (0, seconds), start, "LSODA", rtol=1e-6)
        return bool(np.abs(np.angle(np.exp(1j * (way.y[:, -1] - wanted)))).max() < 0.01)

    def polish(self, phi: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return the state next to phi at which nothing pulls."""
        for _ in range(20):
            phi = phi - np.linalg.solve(self.hessian(phi, x), self.force(phi, x))
        return phi

    def gradient(self, phi: np.ndarray, x: np.ndarray, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return dC/d(pairs, inputs, h, K) of ½·Σ (cos φ − y)² by the adjoint, as one vector in that order."""
        pull = np.zeros_like(phi)
        pull[outputs] = -(np.cos(phi[outputs]) - y) * np.sin(phi[outputs])
        lam = -np.linalg.solve(self.hessian(phi, x), pull)
        a, b = np.triu_indices(len(phi), 1)
        pairs = (lam[a] - lam[b]) * np.sin(phi[a] - phi[b])
        return np.concatenate(
            [pairs, np.outer(x, lam * np.sin(phi)).ravel(), lam * np.sin(phi), lam * np.sin(2 * phi)]
        )


def draw(rng: np.random.Generator) -> tuple[Machine, Circuit, np.ndarray]:
    """Return a random machine of 3 to 9 oscillators, all coupled to all, the circuit of it, and samples."""
    n, m = int(rng.integers(3, 10)), 3
    j = np.triu(rng.normal(0, 0.4, (n, n)), 1)
    machine = Machine(
        j + j.T, rng.normal(0, 0.6, (m, n)), rng.normal(0, 0.3, n), rng.choice([-0.6, -0.3, 0.2], n)
    )
    b = CircuitBuilder("machine")
    x, phi = b.input("x", m), b.nodes("phi", n)
    here, there = np.triu_indices(n, 1)
    b.phase_device("w", phi[here], machine.j[here, there], to=phi[there], trainable=True)
    b.phase_input("x", x, phi, machine.j_in)
    b.phase_device("y_bias", phi, machine.h, trainable=True)
    b.phase_device("z_second", phi, machine.k, harmonic=2, trainable=True)
    b.capacitor("c", phi, GROUND, 1.0)
    return machine, b.build(phi[-2:]), rng.uniform(0, 1, (SAMPLES, m))


def phase_circuits(report: Report, count: int) -> None:
    """Hold ngspice's phases, and gradients by EqProp, against the reference."""
    worst, apart, errors, waited = 0.0, 0.0, [], 0.0
    rng, done, left_out = np.random.default_rng(0), 0, 0
    while done < count:
        machine, circuit, inputs = draw(rng)
        wanted = np.array([machine.settle(x) for x in inputs])
        stiff = min(np.linalg.eigvalsh(machine.hessian(p, x))[0] for p, x in zip(wanted, inputs, strict=True))
        if stiff < 0.02:  # next to where a state splits in two, any reference is as good as another
            left_out += 1
            continue
        done += 1
        nodes, cost = circuit.readout.nodes, PhaseError()
        outputs = nodes - 4  # ground and three inputs come first
        targets = cost.targets(np.arange(SAMPLES), 2)
        free = circuit.free_nodes
        ideal = IdealSolver(circuit, start=quadrature()).solve(None, inputs).require().free[:, free]
        exact = np.mean(
            [machine.gradient(p, x, outputs, y) for p, x, y in zip(wanted, inputs, targets, strict=True)],
            axis=0,
        )
        with NgspiceSolver(circuit, start=quadrature()) as spice:
            began = time.perf_counter()
            points = spice.solve(None, inputs).require()
            waited += time.perf_counter() - began
            found = points.free[:, free]
            line = []
            for beta in BETAS:
                rule = EqProp(circuit, cost, float(beta))
                measured = rule.measure(spice, None, inputs, targets)
                if not measured.points.converged.all():
                    line.append(np.nan)
                    continue
                gradient = measured.gradient()
                vector = np.concatenate([gradient[name].ravel() for name in ("w", "x", "y_bias", "z_second")])
                line.append(np.linalg.norm(vector - exact) / np.linalg.norm(exact))
            errors.append(line)
        off, beside = (np.abs(np.angle(np.exp(1j * (x - wanted)))).max() for x in (found, ideal))
        worst, apart = max(worst, float(off)), max(apart, float(beside))
        print(f"network {done}: {len(free)} phases, off by {off:.1e} rad", flush=True)
    report.claim(
        f"phases by ngspice against LSODA and Newton, {count} networks, worst, rad", worst, "<= 1e-8"
    )
    report.claim(
        f"phases by the matrix form against LSODA and Newton, {count} networks, worst, rad", apart, "<= 1e-8"
    )
    table = np.array(errors)
    report.claim(
        "EqProp through ngspice against the adjoint at beta = 1e-4, worst",
        float(np.nanmax(table[:, 0])),
        "<= 1e-5",
    )
    slopes = np.log10(table[:, 2] / table[:, 1])
    report.claim("slope of that error over beta from 1e-3 to 1e-2, least", float(np.nanmin(slopes)), ">= 1.9")
    report.claim("the same, greatest", float(np.nanmax(slopes)), "<= 2.1")
    report.content |= {
        "betas": BETAS.tolist(),
        "errors": table.tolist(),
        "left_out": left_out,
        "seconds_a_sample": waited / count / SAMPLES,
    }


def tank_claims(report: Report, sizes: list[int]) -> list[dict[str, Any]]:
    """Hold tanks of elements against their phase circuits; return what to draw."""
    g = 1.25e-5
    pair = Tanks(np.array([[0.0, g], [g, 0.0]]), np.zeros(2), np.zeros(2))
    phases = run_tanks(pair, np.array([0.5, -0.5]), 300)
    difference = phases.phase[:, 0] - phases.phase[:, 1]
    clear = np.abs(difference) > 1e-3
    rate = -np.polyfit(phases.times[clear], np.log(np.tan(difference[clear] / 2)), 1)[0]
    off = abs(rate / (g / pair.capacitance) - 1)
    report.claim("two tanks pull in at the rate J/C, relative", float(off), "<= 0.02")
    drawn, worst, quotients = [], 0.0, []
    for n in sizes:
        tanks, start, wanted = _random_tanks(np.random.default_rng(n), n)
        found = run_tanks(tuned(tanks), start, CYCLES)
        apart = np.abs(np.angle(np.exp(1j * (found.phase[-1] - wanted))))
        moved = float(np.abs(found.phase[-1] - found.phase[-4]).max())
        worst = max(worst, float(apart.max()))
        print(f"{n} tanks: off by {apart.max():.3f} rad, moved by {moved:.1e} in 60 cycles", flush=True)
        drawn.append({"n": n, "found": found, "wanted": wanted})
        quotients.append(
            {"n": n, "wanted": wanted.tolist(), "found": found.phase[-1].tolist(), "moved": moved}
        )
    report.claim(
        f"{', '.join(map(str, sizes))} tanks lock to the phases of the phase circuit, worst, rad",
        worst,
        "<= 0.1",
    )
    report.content |= {"pull_in_rate": float(rate), "locked": quotients}
    return drawn


def _random_tanks(rng: np.random.Generator, n: int) -> tuple[Tanks, np.ndarray, np.ndarray]:
    """Return tanks with couplings, biases and injections of both signs, phases to start from, and those predicted.

    Drawn until some phase is far from 0 and π, all perturbations die out at `STIFF` or faster, and the phase circuit is
    there well before the run ends: what is softer, or lingers at a saddle, has not locked by then.
    """
    while True:
        g = np.triu(rng.uniform(0.5, 1.0, (n, n)) * rng.choice([-1, 1], (n, n)), 1)
        g = (g + g.T) * 7e-6 / math.sqrt(n)
        bias = rng.uniform(1.0, 2.0, n) * rng.choice([-1, 1], n) * 7e-6
        tanks = Tanks(g, bias, rng.choice([-3e-5, 1e-5], n), capacitance=4e-9, g1=3e-4)
        start = rng.uniform(0.4, math.pi - 0.4, n)
        circuit = tanks.phase_circuit("phases")
        state = InitialState({f"v_{k}": float(p) for k, p in enumerate(start)})
        points = IdealSolver(circuit, start=state).solve(None, np.zeros((1, 0)))
        if not points.converged.all():
            continue
        wanted = points.free[0, 1:]
        rates = Machine(
            g / (2 * tanks.capacitance),
            np.zeros((0, n)),
            bias / (2 * tanks.amplitude * tanks.capacitance),
            tanks.injection / (4 * tanks.capacitance),
        )
        stiff = np.linalg.eigvalsh(rates.hessian(wanted, np.zeros(0)))[0] > STIFF
        early = 0.6 * CYCLES / tanks.running
        if stiff and np.abs(np.sin(wanted)).max() > 0.3 and rates.there(start, wanted, early):
            return tanks, start, wanted


def noisy_phases(report: Report) -> None:
    """Hold averages over a row of three phases in white noise, by both engines, against their formula."""
    pulls, watts = np.array([0.7, 1.1, 0.9]), 0.5
    b = CircuitBuilder("row")
    b.input("x", gain=1.0)
    nodes = b.nodes("p", 3)
    b.phase_device("field", nodes[0], pulls[0], trainable=True)
    for k in (1, 2):
        b.phase_device(f"coupling{k}", nodes[k - 1], pulls[k], to=nodes[k])
    b.capacitor("c", nodes, GROUND, 1.0)
    circuit, exact = b.build(nodes), np.cumprod(i1e(pulls / watts) / i0e(pulls / watts))
    spice, ideal = NgspiceSolver(circuit, start=quadrature()), IdealSolver(circuit, start=quadrature())
    with spice, ideal:
        for solver, chains in ((ideal, 2000), (spice, 40)):
            bath = Bath(watts, chains=chains, length=100.0, draws=2)
            states = solver.ensemble(None, np.ones((1, 1)), bath).voltages[0, 0]
            found = [average(np.cos(states[:, :, node])) for node in nodes]
            scores = [(mean - wanted) / error for (mean, error), wanted in zip(found, exact, strict=True)]
            report.claim(
                f"mean cosines in white noise by {solver.name}, against von Mises, largest |z|",
                float(np.abs(scores).max()),
                "<= 3",
            )
            report.claim(
                f"their standard errors by {solver.name}, largest",
                max(error for _, error in found),
                "<= 0.03",
            )


def picture(report: Report, drawn: list[dict[str, Any]]) -> None:
    """Draw the errors of EqProp over beta, and phases of tanks that lock."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for line in report.content["errors"]:
        left.loglog(BETAS, line, color="#1f6fb2", alpha=0.5, lw=0.8)
    left.loglog(BETAS, 3 * BETAS**2, "k--", lw=0.8, label="∝ beta²")
    left.set(
        xlabel="beta (A)",
        ylabel="error of the gradient, relative",
        title="EqProp through ngspice, phase circuits",
    )
    left.legend(frameon=False)
    some = drawn[len(drawn) // 2]
    found: Phases = some["found"]
    for k, wanted in enumerate(some["wanted"]):
        color = f"C{k % 10}"
        right.plot(found.times * 1e6, found.phase[:, k], color=color, lw=1)
        turns = 2 * math.pi * np.round((found.phase[-1, k] - wanted) / (2 * math.pi))
        right.axhline(wanted + turns, color=color, ls=":", lw=0.8)
    right.set(
        xlabel="time (µs)",
        ylabel="phase by I/Q (rad)",
        title=f"{some['n']} LC oscillators; dotted: phase circuit",
    )
    figure.savefig(report.picture(), dpi=150)


def main() -> None:
    """Run all."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--networks", type=int, default=20)
    arguments.add_argument("--tanks", type=int, nargs="+", default=[3, 4, 5, 6, 8])
    given = arguments.parse_args()
    report = Report(__file__)
    phase_circuits(report, given.networks)
    noisy_phases(report)
    picture(report, tank_claims(report, given.tanks))
    report.write()


if __name__ == "__main__":
    main()
