"""Bundles for fabrication: how long one takes, whether it can be repeated, and what plain simulators find.

    OPENBLAS_NUM_THREADS=1 python scripts/export_bundles.py [FOLDER]

`circuits/digits.toml` and `circuits/moons-fhn.toml` are trained by the ideal solver and exported twice by the command
line. `ngspice -n -b` and, if it is there, `gnucap -b` run the test benches; what they find is held against golden.csv.
The bundles stay in FOLDER, if one is named.

Writes results/export_bundles.json. Two minutes on one core.
"""

from __future__ import annotations

import csv
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, Report

from eqcirc import Run, load_experiment
from eqcirc.cli.overrides import changed

SCALES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "K": 1e3, "M": 1e6}


def trained(name: str, folder: Path) -> Path:
    """Train an experiment by the ideal solver."""
    experiment = changed(load_experiment(ROOT / "circuits" / f"{name}.toml"), ["solver.engine=ideal"])
    with Run.start(experiment, folder / name) as run:
        run.train()
        run.finish()
    return folder / name


def exported(run: Path, to: Path) -> tuple[float, float]:
    """Export a run by the command line, and return wall and processor time in seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "eqcirc", "export", str(run), "--to", str(to), "--target", "all"]
    subprocess.run(command, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def expected(folder: Path) -> list[dict[str, str]]:
    """Return the rows of golden.csv."""
    with (folder / "golden.csv").open(newline="", encoding="ascii") as file:
        return list(csv.DictReader(file))


def by_ngspice(folder: Path, raw: Path) -> dict[str, np.ndarray]:
    """Return what plain ngspice finds, by the names of its vectors."""
    subprocess.run(
        ["ngspice", "-n", "-b", "-r", str(raw), "tb_op.sp"], cwd=folder, check=True, capture_output=True
    )
    head, _, body = raw.read_bytes().partition(b"Binary:\n")
    lines = head.decode().splitlines()
    names = [line.split("\t")[2].lower() for line in lines[lines.index("Variables:") + 1 :]]
    return dict(zip(names, np.frombuffer(body).reshape(-1, len(names)).T, strict=True))


def by_gnucap(folder: Path) -> list[dict[str, float]]:
    """Return what gnucap prints, a table for each vector."""
    out = subprocess.run(
        ["gnucap", "-b", "tb_gnucap.ckt"], cwd=folder, check=True, capture_output=True, text=True
    )
    lines = out.stdout.splitlines()
    names = next(line for line in lines if line.startswith("#")).split()[1:]
    rows = [line.split()[1:] for line in lines if line.startswith(" 27.")]
    return [
        dict(zip(names, (float(w.rstrip("fpnumKM")) * SCALES.get(w[-1], 1) for w in r), strict=True))
        for r in rows
    ]


def deviations(folder: Path, raw: Path) -> dict[str, float]:
    """Return how far off simulators are: volts, and parts of the tolerance of currents."""
    found, rows = by_ngspice(folder, raw), expected(folder)
    nodes = [r for r in rows if r["kind"] == "node"]
    volts = [
        abs(
            found.get(f"v({r['name']})", found.get(f"v(x_dut.{r['name']})"))[int(r["vector"])]
            - float(r["value"])
        )
        for r in nodes
    ]
    amperes = [
        abs(found[f"i(v_{r['name']})"][int(r["vector"])] - float(r["value"])) / float(r["abs_tol"])
        for r in rows
        if r["kind"] == "branch"
    ]
    result = {"ngspice V": max(volts), "ngspice currents": max(amperes), "values": len(volts) + len(amperes)}
    if shutil.which("gnucap"):
        shown = by_gnucap(folder)
        away = [
            abs(shown[int(r["vector"])][f"v({r['name']})"] - float(r["value"]))
            for r in nodes
            if f"v({r['name']})" in shown[0]
        ]
        result["gnucap V"] = max(away)
    return result


def main() -> None:
    """Measure and write the report."""
    report = Report(__file__)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        home = Path(sys.argv[1]) if len(sys.argv) > 1 else work
        for name in ("digits", "moons-fhn"):
            run, bundle = trained(name, work), home / f"{name}-bundle"
            wall, processor = exported(run, bundle)
            exported(run, work / "again")
            same = contents(bundle) == contents(work / "again")
            found = deviations(bundle, work / "out.raw")
            figures[name] = {"wall": wall, "processor": processor, "files": len(contents(bundle)), **found}
            if name == "digits":
                report.claim("export of digits, 64 hidden nodes, s of processor time", processor, "<= 20")
            report.claim(f"{name}: files that differ when exported again", float(not same), "<= 0")
            report.claim(f"{name}: plain ngspice against golden.csv, V", found["ngspice V"], "<= 1e-6")
            report.claim(
                f"{name}: the same, currents, parts of the tolerance", found["ngspice currents"], "<= 1"
            )
            if "gnucap V" in found:
                report.claim(f"{name}: gnucap against golden.csv, V", found["gnucap V"], "<= 2e-4")
    report.content = {"bundles": figures}
    report.write()


if __name__ == "__main__":
    main()
