"""Physical figures of the digits: power, settling, noise, by both engines; and learning through imperfect amplifiers.

    OPENBLAS_NUM_THREADS=1 python scripts/physical_digits.py

`circuits/digits.toml` is trained by the ideal solver; then the figures of its test part are found with 1 pF at every
node, by both engines on a few samples. An RC is held against kT/C. The gradient of Equilibrium Propagation through
amplifiers with offset, output resistance and saturation is held against finite differences of that circuit.

Writes results/physical_digits.json. Two minutes on one core.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from common import ROOT, Report

import eqcirc as eq
from eqcirc.cli.overrides import changed
from eqcirc.constants import BOLTZMANN, TEMPERATURE
from eqcirc.experiment.opened import Opened
from eqcirc.experiment.physical import figures_of
from eqcirc.reality import AmplifierErrors
from eqcirc.verify.gradients import finite_differences

FARADS = 1e-12
FEW = 3  # samples for ngspice, whose transients run every element


def figures(report: Report, opened: Opened) -> None:
    """Measure the trained circuit by both engines."""
    given, x = eq.Conditions(capacitance=FARADS, settle=FEW), opened.part("test").inputs
    whole = figures_of(opened, x, given, "ideal")
    ideal, spice = (figures_of(opened, x[:FEW], given, engine) for engine in ("ideal", "ngspice"))
    print(whole.power.by("layer").to_string(), whole.power.by("kind").to_string(), sep="\n")
    report.content |= {
        "power (W), mean of the test part": whole.power.mean,
        "power (W), worst sample": whole.power.worst[0],
        "settling (s), worst of 3": max(s.seconds for s in whole.settled),
        "inference (J), mean of 3": float(np.mean([s.joules for s in whole.settled])),
        "noise (V), worst output of 3": max(max(n.rms) for n in whole.noise),
    }
    print(report.content)
    report.claim("imbalance of power, ideal, test part", whole.power.imbalance, "<= 1e-9")
    off = np.abs(spice.power.dissipated / ideal.power.dissipated - 1).max()
    report.claim("power, ngspice against ideal, relative", float(off), "<= 1e-8")
    off = max(abs(a.seconds / b.seconds - 1) for a, b in zip(spice.settled, ideal.settled, strict=True))
    report.claim("settling time, ngspice against ideal, relative", off, "<= 0.01")
    off = max(
        float(np.abs(np.divide(a.rms, b.rms) - 1).max())
        for a, b in zip(spice.noise, ideal.noise, strict=True)
    )
    report.claim("noise of the outputs, ngspice against ideal, relative", off, "<= 1e-6")


def of_an_rc(report: Report) -> None:
    """Hold the noise of an RC against kT/C."""
    b = eq.CircuitBuilder("rc")
    x, out = b.input("x"), b.nodes("out")
    b.conductance("series", x, out, 1e-6)
    b.capacitor("c", out, eq.GROUND, FARADS)
    circuit = b.build(out)
    exact = np.sqrt(BOLTZMANN * TEMPERATURE / FARADS)
    for kind in (eq.IdealSolver, eq.NgspiceSolver):
        with kind(circuit) as solver:
            free = solver.solve(None, [[1.0]]).require().free[0]
            rms = solver.noise(None, np.ones(1), free, eq.Band(1.0, 1e11)).rms[0]
        report.claim(f"noise of an RC, {solver.name} against kT/C, relative", abs(rms / exact - 1), "<= 1e-4")


def through_amplifiers(report: Report) -> None:
    """Hold learning through imperfect amplifiers against finite differences."""
    network = eq.Layered(hidden=(4,), gain=4.0, input_gain=2.0, initial=(1e-7, 3e-6))
    errors = AmplifierErrors(0.03, offset=0.02, output_ohms=2e4, saturation=0.4)
    chip = eq.Reality(amplifiers=errors).chip(network.build("network", 2, 2, 0), number=1)
    inputs, targets = np.array([[0.5, -0.3], [-0.8, 0.6]]), np.array([[0.1, -0.1], [-0.1, 0.1]])
    solver, cost = eq.IdealSolver(chip.circuit), eq.SquaredError()
    rule = eq.EqProp(chip.circuit, cost, 1e-9)
    found = rule.measure(solver, chip.parameters, inputs, targets).gradient()
    entries = [(name, k) for name, v in chip.parameters.items() for k in np.ndindex(v.shape)]
    exact = finite_differences(solver, chip.parameters, inputs, targets, cost, entries)
    ours = np.array([found[name][k] for name, k in entries])
    off = float(np.abs(ours - exact).max() / np.abs(exact).max())
    report.claim("EqProp through imperfect amplifiers against finite differences, relative", off, "<= 1e-6")


def main() -> None:
    """Train and measure."""
    report = Report(__file__)
    asked = ["solver.engine=ideal", "audit.every=0"]
    experiment = changed(eq.load_experiment(ROOT / "circuits/digits.toml"), asked)
    with tempfile.TemporaryDirectory() as folder:
        with eq.Run.start(experiment, Path(folder) / "run") as run:
            run.train()
        figures(report, eq.open_run(Path(folder) / "run"))
    of_an_rc(report)
    through_amplifiers(report)
    report.write()


if __name__ == "__main__":
    main()
