"""Walk through README and docs as a newcomer: every command and example runs as it stands, every file named exists.

    python scripts/walk_docs.py

Blocks marked `sh` and `python` are run in the order of their page, each page in an empty folder that holds nothing but
`circuits/` and, for the README's example of `fit`, a measured table. What sets the machine up (./scripts/…) is left to
the tests' own run, and clusters need one. Relative links must lead to a file.

Writes results/walk_docs.json. Five minutes on two cores.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, Report

from eqcirc import EsakiDiode

PAGES = ("README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)\)")
NOT_HERE = (
    "./scripts/",
    ". .venv/",
    "dask ",
    "pip install",
    "import klayout",
)  # beginnings: of other programs
LIMIT = 900  # seconds for one block


def blocks(text: str) -> list[tuple[str, str]]:
    """Return language and code of each block, shell commands one by one."""
    found = []
    for language, code in BLOCK.findall(text):
        if language == "python":
            found += [(language, code)] * (not code.startswith(NOT_HERE))
            continue
        lines = [line for line in code.replace("\\\n", " ").splitlines() if line.strip()]
        found += [("sh", line) for line in lines if not line.startswith(("#", *NOT_HERE))]
    return found


def given(folder: Path) -> None:
    """Put into a folder what a reader has who follows the page."""
    shutil.copytree(ROOT / "circuits", folder / "circuits")
    diode = EsakiDiode(peak_current=1e-3, peak_voltage=0.065, valley_voltage=0.35)
    volts = np.linspace(0, 0.55, 111)
    amperes = diode.evaluate(volts)[0]
    lines = [f"{v:.4f},{i:.6e}" for v, i in zip(volts.tolist(), amperes.tolist(), strict=True)]
    (folder / "measured.csv").write_text("\n".join(["V (V),I (A)", *lines]) + "\n", encoding="utf-8")


def walk(page: str) -> list[dict[str, Any]]:
    """Run the blocks of a page; return what happened."""
    text = (ROOT / page).read_text(encoding="utf-8")
    rows: list[dict[str, Any]] = []
    for link in LINK.findall(text):
        missing = not (ROOT / page).parent.joinpath(link).exists()
        rows.append({"page": page, "block": link, "error": "no such file" if missing else ""})
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OPENBLAS_NUM_THREADS": "1",
        "MPLBACKEND": "agg",
    }
    with tempfile.TemporaryDirectory() as name:
        given(Path(name))
        if page == "README.md":  # whose commands begin with files that a reader has made before
            subprocess.run(
                ["eqcirc", "init", "x.toml"], cwd=name, env=environment, check=True, capture_output=True
            )
        for language, code in [] if page == "docs/cluster.md" else blocks(text):
            command = [sys.executable, "-c", code] if language == "python" else ["bash", "-ec", code]
            began = time.perf_counter()
            try:
                done = subprocess.run(
                    command,
                    cwd=name,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=LIMIT,
                    check=False,
                )
                error = "" if done.returncode == 0 else f"exit code {done.returncode}: {done.stderr[-400:]}"
                said = [line for line in done.stderr.splitlines() if "warning" in line.lower()]
            except subprocess.TimeoutExpired:
                error, said = f"more than {LIMIT} s", []
            seconds = round(time.perf_counter() - began, 1)
            rows.append({"page": page, "block": code, "seconds": seconds, "error": error, "warnings": said})
            print(
                f"{'FAILS' if error else 'works'} {seconds:6.1f} s  {page}: {code.splitlines()[0]}",
                flush=True,
            )
            for line in [error, *said] if error or said else []:
                print(f"      {line}", flush=True)
    return rows


def main() -> None:
    """Walk all pages."""
    report = Report(__file__)
    rows = [row for page in PAGES for row in walk(page)]
    report.content["blocks"] = rows
    report.claim(
        "commands, examples and links of README and docs that fail",
        sum(bool(r["error"]) for r in rows),
        "<= 0",
    )
    report.claim("commands, examples and links of README and docs", len(rows), ">= 40")
    report.write()


if __name__ == "__main__":
    main()
