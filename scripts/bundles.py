"""Exports bundles for fabrication and verifies them with every tool: digits, neurons, and a crossbar of 64 x 64.

    .venv/bin/python scripts/bundles.py [FOLDER]        (a minute or two; all tools: see docs/fabrication.md)

The networks are trained by the ideal solver first, with fewer epochs than their experiments say; the hand-off does not
care how well. Writes results/bundles.json, a table of verdicts, and a picture of the layout.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import RESULTS, ROOT, Report

from eqcirc import CircuitBuilder, Run, export_bundle, load_experiment
from eqcirc.circuit.circuit import Circuit
from eqcirc.cli.overrides import changed
from eqcirc.signoff.check import Verdict
from eqcirc.signoff.page import figures, write_reports
from eqcirc.signoff.verify import Verification, verify_bundle

EPOCHS = 5
MOST_EXPORT, MOST_VERIFY = 20.0, 60.0  # seconds for the digits


def trained(name: str, folder: Path) -> Path:
    """Train an experiment by the ideal solver; return its run directory."""
    changes = ["solver.engine=ideal", f"learning.epochs={EPOCHS}", "audit.every=0"]
    with Run.start(
        changed(load_experiment(ROOT / f"circuits/{name}.toml"), changes), folder / f"run-{name}"
    ) as run:
        run.train()
    return folder / f"run-{name}"


def crossbar() -> Circuit:
    """Return a passive crossbar of 64 rows and 64 columns; each column has 1 kohm to ground."""
    builder, rng = CircuitBuilder("crossbar64"), np.random.default_rng(0)
    rows, columns = builder.input("row", 64), builder.nodes("column", 64)
    builder.crossbar("w", rows, columns, np.exp(rng.uniform(np.log(1e-7), np.log(1e-5), (64, 64))))
    builder.conductance("load", columns, np.zeros(64, np.intp), 1e-3)
    return builder.build(columns)


def spent() -> float:
    """Return seconds of processor time of this process and of those that it started and that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def handed_off(name: str, folder: Path) -> tuple[Path, float]:
    """Export a bundle; return its folder and the seconds of processor time that it took."""
    to = folder / f"bundle-{name}"
    if name == "crossbar64":
        circuit, x = crossbar(), np.random.default_rng(1).uniform(-1, 1, (8, 64))
        began = spent()
        export_bundle(circuit, to, inputs=x)
    else:
        run = trained(name, folder)
        began = spent()
        export_bundle(run, to)
    return to, spent() - began


def rows(name: str, found: Verification) -> list[str]:
    """Return the lines of a table of verdicts."""
    return [
        f"| {name} | {r.check.title} | {r.verdict} | {r.tool or '–'} | {figures(r) or '–'} | {r.seconds:.1f} |"
        for r in found.results
    ]


def main() -> None:
    """Export and verify all three."""
    report = Report(__file__)
    table = ["| bundle | check | verdict | by | figures | s |", "|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(sys.argv[1]) if sys.argv[1:] else Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        for name in ("digits", "moons-fhn", "crossbar64"):
            to, seconds = handed_off(name, place)
            began = spent()
            found = verify_bundle(to)
            checking = spent() - began
            write_reports(found)
            counts = {str(verdict): found.count(verdict) for verdict in Verdict}
            size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
            report.content[name] = counts | {
                "seconds of the export, processor": seconds,
                "seconds of the checks, processor": checking,
                "seconds of the checks, by the clock": found.seconds,
                "bytes": size,
                "checks": {
                    r.check.key: {"verdict": str(r.verdict), "by": r.tool, **r.numbers} for r in found.results
                },
            }
            for result in found.results:
                print(
                    f"{name}: {result.verdict} {result.check.key} {result.found} {result.problems or ''}",
                    flush=True,
                )
            report.claim(f"{name}: checks that fail", found.count(Verdict.FAILED), "<= 0")
            if name == "digits":
                report.claim("digits: export (s of processor time)", seconds, f"<= {MOST_EXPORT:g}")
                report.claim("digits: all checks (s of processor time)", checking, f"<= {MOST_VERIFY:g}")
            table += rows(name, found)
            if name == "digits":
                shutil.copy(to / "layout/layout.png", report.picture())
    (RESULTS / "bundles.md").write_text("\n".join([*table, ""]), encoding="utf-8")
    report.write()


if __name__ == "__main__":
    main()
