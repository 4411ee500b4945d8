"""Fashion-MNIST at finite temperature: strong nudges learn where weak ones drown in the noise.

    python scripts/train_warm.py

Trains circuits/fashion-warm.toml (contrast of averages, one short chain for each sample, noise of the two phases
independent) with its beta and with a hundredth of it, scores the operating points on the 10,000 test images, and
measures the signal-to-noise ratio of the update over beta. Writes results/train_warm.json.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from common import ROOT, Report

from eqcirc.experiment.build import build_rule, build_trainer
from eqcirc.experiment.opened import Opened, first, open_source
from eqcirc.learning.evaluate import targets_of
from eqcirc.learning.free_energy import Thermal
from eqcirc.learning.rule import flat
from eqcirc.solvers.ideal.solver import IdealSolver

TIMES = (0.01, 0.1, 1.0, 10.0)
REPEATS = 8


def trained(opened: Opened, times: float) -> dict[str, float]:
    """Train with a multiple of beta; return the test score and seconds."""
    choice = build_rule(opened.experiment, opened.circuit)
    choice = replace(choice, rule=choice.rule.with_beta(times * choice.rule.beta))
    began = time.process_time()
    with IdealSolver(opened.circuit) as solver:
        trainer = build_trainer(opened.experiment, opened.data, choice, solver, None)
        trainer.run()
        score = trainer.score("test")
    return {"beta": choice.rule.beta, "accuracy": score.accuracy, "seconds": time.process_time() - began}


def signal(opened: Opened, times: float) -> float:
    """Return |mean|/standard deviation of the gradient of one batch, over noise that is drawn anew."""
    rule = build_rule(opened.experiment, opened.circuit).rule.with_beta(5e-5 * times)
    assert isinstance(rule, Thermal)
    part = first(opened.data.train, 64)
    targets = targets_of(part, rule.cost)
    solver, found = IdealSolver(opened.circuit), []
    for seed in range(REPEATS):
        rule.seed = seed
        measured = rule.measure(solver, None, part.inputs, targets)
        found.append(flat(measured.gradient()))
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    power = max(0.0, float(mean @ mean - spread @ spread / REPEATS))  # the mean of few has noise in it, too
    return float(np.sqrt(power) / np.linalg.norm(spread))


def main() -> None:
    """Train, and measure."""
    opened = open_source(ROOT / "circuits" / "fashion-warm.toml")
    report = Report(__file__)
    ratios = {times: signal(opened, times) for times in TIMES}
    report.content["signal to noise over beta/5e-5 A"] = ratios
    print(ratios, flush=True)
    strong = trained(opened, 1.0)
    report.claim("Fashion-MNIST, beta = 5e-5 A: test accuracy", strong["accuracy"], ">= 0.8")
    weak = trained(opened, 0.01)
    report.claim("Fashion-MNIST, beta = 5e-7 A: test accuracy", weak["accuracy"], "<= 0.4")
    report.content |= {"strong": strong, "weak": weak}
    report.write()


if __name__ == "__main__":
    main()
