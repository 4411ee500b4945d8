"""Hold the package against an independent referee over random circuits of any shape.

    python scripts/verify_any.py [--passive 180] [--one-way 120] [--active 100]

The referee (`scripts/oracle`) has its own equations in extended precision, its own finite differences in 50 decimals,
its own netlists for `ngspice -b` and its own integrator; `python -m oracle.selftest` in scripts/ tests it. Passive and
one-way circuits have one operating point; active ones are switched on and come to rest somewhere, or nowhere.

Writes results/verify_any.json and .png. About half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from common import Report
from matplotlib.figure import Figure
from referee import RIGHT, Kind, allowance, measure

PRECISE = 1e-6  # relative error of a gradient
TELLING = 0.1  # relative: an allowance above it lets nearly anything pass
KINDS: tuple[Kind, ...] = ("passive", "one_way", "active")
ENGINES = ("ideal", "ngspice reduced", "ngspice full")
COLOURS = dict(zip(KINDS, ("#1f6feb", "#1a7f37", "#d1242f"), strict=True))

Rows = list[dict[str, Any]]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passive", type=int, default=180)
    parser.add_argument("--one-way", type=int, default=120)
    parser.add_argument("--active", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--records", type=Path, help="file that keeps what was measured, to go on after a stop"
    )
    options = parser.parse_args()
    tasks = [(kind, seed) for kind in KINDS for seed in range(getattr(options, kind))]
    records = measured(tasks, options.jobs, options.records)
    report = Report(__file__)
    report.content["circuits"] = {kind: sum(r["kind"] == kind for r in records) for kind in KINDS}
    report.content["nodes"] = [pick(r["nodes"] for r in records if "nodes" in r) for pick in (min, max)]
    report.content["parts"] = [pick(r["parts"] for r in records if "parts" in r) for pick in (min, max)]
    judge_voltages(report, records)
    judge_gradients(report, records)
    judge_references(report, records)
    draw(report, records)
    report.write()


def measured(tasks: list[tuple[Kind, int]], jobs: int, keep: Path | None) -> Rows:
    """Return a record for each task; those that the file `keep` has already are not measured again."""
    kept = [json.loads(line) for line in keep.read_text().splitlines()] if keep and keep.exists() else []
    records = {(r["kind"], r["seed"]): r for r in kept}
    with ProcessPoolExecutor(jobs) as pool:
        waiting = [pool.submit(measure, *task) for task in tasks if task not in records]
        for future in as_completed(waiting):
            record = future.result()
            records[record["kind"], record["seed"]] = record
            print(f"{record['kind']} {record['seed']}: {record.get('seconds', 0):.1f} s", flush=True)
            if keep:
                with keep.open("a") as file:
                    file.write(json.dumps(record, default=float) + "\n")
    return [records[task] for task in tasks]


def judge_voltages(report: Report, records: Rows) -> None:
    """Claim what holds of operating points, engine by engine."""
    report.content["answers"] = {}
    for engine in ENGINES:
        answers = [a | {"kind": r["kind"], "seed": r["seed"]} for r in records for a in r["answers"]]
        answers = [a for a in answers if a["engine"] == engine]
        settled = [a for a in answers if a["truth"] == "rests"]
        known = [a for a in answers if a["truth"] not in ("undecided", "not solved")]
        silent = [a for a in known if a["status"] == "CONVERGED" and not _right(a)]
        report.claim(
            f"silent errors of {engine}: CONVERGED beyond {RIGHT:g} of the largest voltage, or never at rest; of "
            f"{len(known)} answers",
            len(silent),
            "<= 0",
        )
        refused = [a for a in settled if a["status"] != "CONVERGED"]
        report.claim(
            f"share of {engine} that is refused though the circuit comes to rest; of {len(settled)} samples",
            len(refused) / max(1, len(settled)),
            "<= 0.03",
        )
        report.content["answers"][engine] = {
            "truth and status": Counter(f"{a['kind']}: {a['truth']}, {a['status']}" for a in answers),
            "refused": [{k: a[k] for k in ("kind", "seed", "status", "reason")} for a in refused],
            "silent": silent,
        }


def _right(answer: dict[str, Any]) -> bool:
    return answer["truth"] == "rests" and answer["error"] <= RIGHT


def judge_gradients(report: Report, records: Rows) -> None:
    """Claim what holds of Equilibrium Propagation, with the beta whose own bias is least, and with any."""
    refused = [r for r in records if "rule_refused" in r]
    report.content["rule"] = {"circuits that it does not apply to": len(refused)}
    report.content["gradients"] = {}
    for engine in ENGINES:
        rows = [g | {"circuit": (r["kind"], r["seed"])} for r in records for g in r["gradients"]]
        rows = [g for g in rows if g["engine"] == engine]
        good = [g for g in rows if g["status"] == "CONVERGED"]
        wrong = [g for g in good if not g["error"] <= PRECISE + allowance(g)]
        telling = [g for g in good if allowance(g) < TELLING]
        report.claim(
            f"gradients by {engine} beyond {PRECISE:g}, three times the bias that halving beta shows, and three "
            f"times what the noise of the voltages does to them; of {len(good)} for any beta, for {len(telling)} of "
            f"which that is less than {TELLING:g}",
            len(wrong),
            "<= 0",
        )
        best: dict[tuple[Any, int], dict[str, Any]] = {}
        for g in good:
            key = g["circuit"], g["sample"]
            best[key] = min(best.get(key, g), g, key=allowance)
        samples = {(g["circuit"], g["sample"]) for g in rows}
        precise = [g for g in best.values() if g["error"] <= PRECISE]
        report.content["gradients"][engine] = {
            "samples": len(samples),
            "within 1e-6 at the beta that these figures choose": len(precise),
            "without any beta that is accepted": len(samples) - len(best),
            "best beta, error beyond": [g for g in best.values() if g["error"] > PRECISE],
            "wrong": wrong,
        }


def judge_references(report: Report, records: Rows) -> None:
    """Claim what holds of the adjoint gradient, and of the referee against plain ngspice."""
    adjoint = np.array([e for r in records for e in r.get("adjoint", ())])
    report.content["adjoint gradients"] = {
        "samples": len(adjoint),
        "beyond 1e-6": int((adjoint > PRECISE).sum()),
        "largest error": float(adjoint.max()),
    }
    spice = np.array([e for r in records for e in r.get("spice", ()) if e is not None])
    report.claim(
        f"the referee's own netlists in plain ngspice against its Newton's method, 99 of 100; of {len(spice)} samples",
        float(np.quantile(spice, 0.99)),
        "<= 1e-8",
    )


def draw(report: Report, records: Rows) -> None:
    """Draw all errors of voltages, and of gradients over the bias that is measured without the referee."""
    figure = Figure(figsize=(9.5, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    styles = dict(zip(ENGINES, ("-", "--", ":"), strict=True))
    for kind in KINDS:
        for engine in ENGINES:
            answers = [a for r in records if r["kind"] == kind for a in r["answers"] if a["engine"] == engine]
            errors = np.sort(
                [a["error"] for a in answers if a["status"] == "CONVERGED" and a["truth"] == "rests"]
            )
            if errors.size:
                share = np.arange(1, errors.size + 1) / max(1, sum(a["truth"] == "rests" for a in answers))
                left.plot(
                    np.maximum(errors, 1e-17),
                    share,
                    styles[engine],
                    color=COLOURS[kind],
                    label=f"{kind}, {engine}",
                )
    left.axvline(RIGHT, color="0.4", lw=0.8)
    left.set_xscale("log")
    left.set_xlabel("error, of the largest voltage")
    left.set_ylabel("share of samples that come to rest")
    left.set_title("operating points against the referee", fontsize=10)
    left.legend(frameon=False, fontsize=6.5, loc="lower right")
    for kind in KINDS:
        rows = [g for r in records if r["kind"] == kind for g in r["gradients"] if g["status"] == "CONVERGED"]
        pairs = np.array([[allowance(g), g["error"]] for g in rows]).reshape(-1, 2)
        right.loglog(*np.maximum(pairs, 1e-16).T, ".", ms=2, color=COLOURS[kind], alpha=0.5, label=kind)
    line = np.geomspace(1e-10, 10.0)
    right.loglog(line, PRECISE + line, color="0.2", lw=0.8, label="allowed")
    right.set_xlim(1e-10, 10)  # beyond, anything is allowed, and nothing is said
    right.set_xlabel("3 x bias that halving beta shows + 3 x noise, relative")
    right.set_ylabel("error of the gradient, relative")
    right.set_title("Equilibrium Propagation for all beta", fontsize=10)
    right.legend(frameon=False, fontsize=7, loc="lower right")
    for axes in (left, right):
        axes.grid(alpha=0.25)
    figure.savefig(report.picture(), dpi=130)


if __name__ == "__main__":
    main()
