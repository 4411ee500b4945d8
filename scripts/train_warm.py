"""Circuits in a bath of noise: strong nudges learn where weak ones drown.

    OPENBLAS_NUM_THREADS=1 python scripts/train_warm.py fashion-mnist
    OPENBLAS_NUM_THREADS=1 python scripts/train_warm.py ngspice

fashion-mnist  trains circuits/fashion-warm.toml by the ideal integrator (contrast of averages, one short chain for each
               sample, noise of the two phases independent), and for one epoch of fewer images with its beta and with a
               hundredth of it; scores operating points on the 10,000 test images, and measures the signal-to-noise
               ratio of the update over beta, at the first values and at the trained ones. A quarter of an hour.
ngspice        the same rule on 64 of the handwritten digits and 12 hidden nodes, through transients of ngspice with a
               noise source at every node.

Seconds are processor time of this process, without ngspice's. Writes results/train_warm_<what>.json.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import NamedTuple, Self

import numpy as np
from common import ROOT, Report
from matplotlib.figure import Figure

from eqcirc.circuit.circuit import Circuit
from eqcirc.data import Splits
from eqcirc.experiment.build import build_circuit, build_data, build_rule, build_solver, build_trainer
from eqcirc.experiment.load import load_experiment
from eqcirc.experiment.opened import first
from eqcirc.experiment.schema import Experiment
from eqcirc.learning.evaluate import evaluate, targets_of
from eqcirc.learning.free_energy import Thermal
from eqcirc.learning.rule import flat
from eqcirc.solvers.ideal.solver import IdealSolver
from eqcirc.typing import Array

WARM = ROOT / "circuits" / "fashion-warm.toml"
TIMES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
REPEATS = 32
FEW = 15_000
"""Images for the weak nudge: what it learns is noise, and as that grows, operating points become hard to find."""


class Setting(NamedTuple):
    """An experiment with its circuit and data."""

    experiment: Experiment
    circuit: Circuit
    data: Splits

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """Build them."""
        data, _ = build_data(experiment)
        return cls(experiment, build_circuit(experiment, data.train.n_features, data.train.n_outputs), data)


def trained(setting: Setting, times: float) -> tuple[dict[str, float], dict[str, Array]]:
    """Train with a multiple of beta; return the test score, seconds, and the values."""
    choice = build_rule(setting.experiment, setting.circuit)
    choice = replace(choice, rule=choice.rule.with_beta(times * choice.rule.beta))
    began = time.process_time()
    with build_solver(setting.experiment, setting.circuit) as solver:
        trainer = build_trainer(setting.experiment, setting.data, choice, solver, None)
        trainer.run(lambda row: print({k: row[k] for k in list(row)[:3]}, flush=True))
        values = trainer.parameters
    with IdealSolver(setting.circuit) as ideal:
        score = evaluate(ideal, values, setting.data.test, choice.rule.cost, None)
    seconds = time.process_time() - began
    return {"beta": choice.rule.beta, "accuracy": score.accuracy, "seconds": seconds}, values


def signal(setting: Setting, values: dict[str, Array], times: float) -> float:
    """Return |mean|/standard deviation of the gradient of one batch, over noise that is drawn anew."""
    rule = build_rule(setting.experiment, setting.circuit).rule
    rule = rule.with_beta(rule.beta * times)
    assert isinstance(rule, Thermal)
    part = first(setting.data.train, 64)
    targets = targets_of(part, rule.cost)
    found = []
    with IdealSolver(setting.circuit) as solver:
        for seed in range(REPEATS):
            rule.seed = seed
            found.append(flat(rule.measure(solver, values, part.inputs, targets).gradient()))
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    power = max(0.0, float(mean @ mean - spread @ spread / REPEATS))  # the mean of few has noise in it, too
    return float(np.sqrt(power) / np.linalg.norm(spread))


def picture(report: Report, ratios: dict[str, dict[float, float]]) -> None:
    """Draw the signal-to-noise ratio over beta."""
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axis = figure.subplots()
    for (when, line), marker in zip(ratios.items(), "os", strict=True):
        axis.loglog(list(line), list(line.values()), marker=marker, ms=4, label=f"{when} values")
    floor = (2 / REPEATS) ** 0.25 / REPEATS**0.5  # of what is left of a mean of noise
    axis.axhline(floor, color="0.5", ls=":", lw=0.8, label="not to be told from noise")
    axis.axvline(max(ratios["first"]) / TIMES[-1], color="0.7", ls="--", lw=0.8, label="beta of the run")
    axis.set(xlabel="beta (A)", ylabel="signal to noise of the update", title="64 images of Fashion-MNIST")
    axis.legend(frameon=False, fontsize=8)
    figure.savefig(report.picture(), dpi=150)


def few_digits() -> Experiment:
    """Return the experiment, for 64 digits through ngspice."""
    ready = load_experiment(WARM)
    data = {"name": "digits", "limit": 64, "validation": 0.0, "test": 0.375, "scaling": "unit"}
    network = {"hidden": (12,), "initial": (-5e-5, 5e-5)}
    assert ready.learning.bath is not None
    assert isinstance(ready.learning.learning_rate, dict)
    rates = {name: 10 * rate for name, rate in ready.learning.learning_rate.items()}
    bath = ready.learning.bath.model_copy(update={"step": 0.1})
    learning = {"epochs": 6, "batch_size": 4, "learning_rate": rates, "bath": bath}
    return ready.model_copy(
        update={
            "name": "digits-warm",
            "data": ready.data.model_copy(update=data),
            "network": ready.network.model_copy(update=network),
            "learning": ready.learning.model_copy(update=learning),
            "solver": ready.solver.model_copy(update={"engine": "ngspice", "workers": 1}),
        }
    )


def fashion(report: Report) -> None:
    """Train with a strong nudge and with a weak one, and measure what tells them apart."""
    setting = Setting.of(load_experiment(WARM))
    learning = setting.experiment.learning.model_copy(update={"epochs": 1})
    data = setting.experiment.data.model_copy(update={"limit": FEW})
    short = Setting.of(setting.experiment.model_copy(update={"learning": learning, "data": data}))
    once, _ = trained(short, 1.0)
    weak, _ = trained(short, 0.01)
    beta, what = once["beta"], f"Fashion-MNIST, one epoch of {FEW} images"
    report.claim(f"{what}, beta = {beta:.2g} A: test accuracy", once["accuracy"], ">= 0.5")
    report.claim(f"{what}, beta = {weak['beta']:.2g} A: test accuracy", weak["accuracy"], "<= 0.4")
    strong, values = trained(setting, 1.0)
    report.claim(f"Fashion-MNIST, beta = {beta:.2g} A: test accuracy", strong["accuracy"], ">= 0.8")
    report.content |= {"strong": strong, "strong, one epoch": once, "weak, one epoch": weak}
    lines = {}
    for when, at in (("first", setting.circuit.parameters), ("trained", values)):
        lines[when] = {times * beta: signal(setting, at, times) for times in TIMES}
        print(when, lines[when], flush=True)
        report.content[f"signal to noise over beta, {when} values"] = lines[when]
    picture(report, lines)


def main() -> None:
    """Train, and measure."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("what", choices=("fashion-mnist", "ngspice"))
    what = arguments.parse_args().what
    report = Report(__file__)
    report.name = f"{report.script}_{what.replace('-', '_')}"
    if what == "ngspice":
        found, _ = trained(Setting.of(few_digits()), 1.0)
        report.claim("64 digits through ngspice: test accuracy of 674", found["accuracy"], ">= 0.5")
        report.content |= found
    else:
        fashion(report)
    report.write()


if __name__ == "__main__":
    main()
