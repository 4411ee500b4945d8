"""How much of the digits survives their devices: three studies, and a page about them and about the ideal circuit.

    OPENBLAS_NUM_THREADS=1 python scripts/study_digits.py FOLDER [WORKERS]

harsh     circuits/studies/digits.toml: 50 chips of 4 bits, 20 % mismatch; transfer, short training in situ, fine-tuning
long      the first 8 of them, trained in situ as long as the ideal circuit, fine-tuned for 12 epochs
wires     circuits/studies/digits-wires.toml: 50 chips of 6 bits, 5 % mismatch, line resistance; ngspice scores, too

Training from other first values and in another order of the samples says what there is to win back: the ideal circuit
that is transferred is one of many, and chips that are trained anew are others.

Studies stay in FOLDER; stopped or killed, the same command goes on. Writes results/study_digits.json, and the page as
results/study_digits.html and results/study_digits.pdf. An hour on two cores.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, ROOT, Report

import eqcirc as eq
from eqcirc.experiment.build import build_circuit, build_rule, build_solver, build_trainer
from eqcirc.experiment.opened import open_run
from eqcirc.study.schema import FineTuning, InSitu

OTHERS = 8


class Lines:
    """Says how far a study is."""

    def training(self, run: eq.Run) -> None:
        print(f"training the ideal circuit in {run.folder.path}", flush=True)

    def on_units(self, done: float, total: float, unit: object, problem: str) -> None:
        print(f"{done / total:6.1%} {getattr(unit, 'key', '')} {problem}", flush=True)


def studies(folder: Path) -> dict[str, eq.Study]:
    """The studies by name; all of them program the values of one ideal run."""
    harsh = eq.load_study(ROOT / "circuits/studies/digits.toml")
    ideal = folder / "harsh/ideal"
    long = harsh.model_copy(
        update={
            "name": "digits-study-long",
            "experiment": ideal,
            "trained": 8,
            "in_situ": InSitu(epochs=None),
            "fine_tuning": FineTuning(epochs=12, rate=0.5),
            "ranking": False,
            "corners": (),
        }
    )
    wires = eq.load_study(ROOT / "circuits/studies/digits-wires.toml")
    return {"harsh": harsh, "long": long, "wires": wires.model_copy(update={"experiment": ideal})}


def others(ideal: Path) -> list[float]:
    """Return test accuracies of ideal circuits trained as that one, each with another seed; the images stay."""
    opened, found = open_run(ideal), []
    for seed in range(1, OTHERS + 1):
        experiment = opened.experiment.model_copy(update={"seed": seed})
        circuit = build_circuit(experiment, opened.known.n_features, opened.known.n_outputs)
        with build_solver(experiment, circuit) as solver:
            trainer = build_trainer(experiment, opened.data, build_rule(experiment, circuit), solver, None)
            trainer.run()
            found.append(trainer.score("test").accuracy)
        print(f"ideal circuit of seed {seed}: {found[-1]:.2%}", flush=True)
    return found


def main() -> None:
    """Run what is not done, claim, and write the page."""
    folder = Path(sys.argv[1])
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else None
    report, found = Report(__file__), {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, study in studies(folder).items():
        found[name] = eq.run_study(study, folder / name, workers=workers, observer=Lines())
    report.content |= {
        name: {k: v for k, v in r.content().items() if k != "folder"} for name, r in found.items()
    }
    for name, results in found.items():
        report.claim(f"{name}: chips that transfer was measured on", len(results.of("transfer")), ">= 50")
        report.claim(f"{name}: units of work without a result", len(results.problems), "<= 0")
    report.claim("accuracy of the ideal circuit", found["harsh"].ideal(), ">= 0.97")
    apart = abs(found["wires"].ideal("ngspice") - found["wires"].ideal("ideal"))
    report.claim("accuracy of the ideal circuit, ngspice against ideal", apart, "<= 0.003")
    nominal = {name: arms(results) for name, results in found.items()}
    others_ideal = others(folder / "harsh/ideal")
    report.content["ideal circuits of other seeds"] = others_ideal
    mean, lost = float(np.mean(others_ideal)), nominal["long"]["transfer"]["mean"]
    for name in ("in-situ", "fine-tuned"):
        row = nominal["long"][name]
        report.claim(
            f"long: part of what transfer loses that is won back, {name}", row["recovered"], ">= 0.8"
        )
        report.claim(
            f"long: the same, of what transfer has less than ideal circuits of other seeds, {name}",
            (row["mean"] - lost) / (mean - lost),
            ">= 0.8",
        )
    made = eq.write_report(*(folder / name for name in found), folder / "harsh/ideal", folder=folder / "page")
    for path in (made.page, made.pdf):
        if path is not None:
            shutil.copyfile(path, RESULTS / f"study_digits{path.suffix}")
    size = sum((RESULTS / f"study_digits{end}").stat().st_size for end in (".html", ".pdf"))
    report.claim("page and PDF together (MB)", size / 1e6, "<= 5")
    report.write()


def arms(results: eq.Results) -> dict[str, dict[str, Any]]:
    """Rows of the arms in nominal conditions, by the first engine."""
    table = results.arms()
    there = table["celsius"].isna() & table["supply"].isna() & (table["engine"] == results.study.scored_by[0])
    return {row["arm"]: row for row in table[there].to_dict("records")}


if __name__ == "__main__":
    main()
