"""How much of a trained circuit survives imperfect devices: the digits, programmed into many chips.

    OPENBLAS_NUM_THREADS=1 python scripts/chips_digits.py

`circuits/digits.toml` is trained by the ideal solver, then its values are programmed into chips of 6 bits from 0.1 to
10 uS, 5 % mismatch of conductances and 10 % of diodes; then the same with 1 ohm in every segment of the crossbars. On
some test samples the voltages of a chip with wires, solved lumped, are held against those of all segments.

Writes results/chips_digits.json. Three minutes on one core.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, Report

from eqcirc import IdealSolver, Run, load_experiment, open_run
from eqcirc.circuit.lumped import lumped
from eqcirc.cli.overrides import changed
from eqcirc.experiment.chips import Yield, chips_of, distribution, score_chips
from eqcirc.experiment.opened import Opened
from eqcirc.experiment.reality import Reality

TARGET = 0.975
REALITY: dict[str, Any] = {
    "window": {"lowest": 1e-7, "highest": 1e-5, "bits": 6},
    "mismatch": {"sigma": 0.05},
    "diodes": {"sigma": 0.1},
}
WIRES: dict[str, Any] = {"wires": {"ohms": 1.0}}
COMPARED = 2  # samples whose every segment is solved


def scored(opened: Opened, reality: dict[str, Any], count: int) -> dict[str, Any]:
    """Return the scores of chips, their distribution and yield, and the time that one takes."""
    began = time.process_time()
    chips = chips_of(opened, Reality.model_validate(reality), range(count))
    found = [
        s.accuracy for _, s in score_chips(opened, opened.experiment, chips, opened.part("test"), "ideal")
    ]
    passed = sum(accuracy >= TARGET for accuracy in found)
    return {
        "accuracy": found,
        "distribution": distribution(np.array(found)),
        "yield": vars(Yield.of(passed, count)),
        "seconds a chip": (time.process_time() - began) / count,
    }


def apart(opened: Opened) -> float:
    """Return how far voltages of a chip, lumped, are from those with every segment, in volts."""
    chip = next(chips_of(opened, Reality.model_validate(REALITY | WIRES), [0]))
    some, small = opened.part("test").inputs[:COMPARED], lumped(chip.circuit, chip.parameters)
    asked = {e.name: chip.parameters[e.name] for e in small.trainable}
    one, other = IdealSolver(chip.circuit).solve(chip.parameters, some), IdealSolver(small).solve(asked, some)
    names = {name: k for k, name in enumerate(chip.circuit.node_names)}
    kept = [names[name] for name in small.node_names]
    return float(np.abs(one.require().free[:, kept] - other.require().free).max())


def main() -> None:
    """Train, program, score."""
    report = Report(__file__)
    experiment = changed(
        load_experiment(ROOT / "circuits/digits.toml"), ["solver.engine=ideal", "audit.every=0"]
    )
    with tempfile.TemporaryDirectory() as folder:
        with Run.start(experiment, Path(folder) / "run") as run:
            run.train()
        opened = open_run(Path(folder) / "run")
        ideal = opened.score().accuracy
        plain, wired = scored(opened, REALITY, 50), scored(opened, REALITY | WIRES, 20)
        difference = apart(opened)
    report.content |= {"ideal accuracy": ideal, "target": TARGET, "chips": plain, "chips with wires": wired}
    for name, found in (("50 chips", plain), ("20 chips with wires", wired)):
        print(
            name,
            {k: f"{v:.4f}" for k, v in found["distribution"].items()},
            f"{found['seconds a chip']:.2f} s each",
        )
        report.claim(f"{name}: accuracy on average", found["distribution"]["mean"], ">= 0.97")
    report.claim("ideal accuracy", ideal, ">= 0.97")
    report.claim("voltages, line resistance lumped against every segment (V)", difference, "<= 1e-9")
    report.write()


if __name__ == "__main__":
    main()
