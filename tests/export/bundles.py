"""What tests of bundles share: golden vectors read back, and what ngspice makes of a test bench."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np


def rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="", encoding="ascii") as file:
        return list(csv.DictReader(file))


def ngspice(folder: Path, deck: str) -> dict[str, np.ndarray]:
    """Run plain ngspice on a deck, and return its vectors by name."""
    raw = folder.parent / f"{folder.name}-{deck}.raw"
    done = subprocess.run(
        ["ngspice", "-n", "-b", "-r", str(raw), deck],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for bad in ("singular", "gmin step", "source step", "rror", "can't find model", "unrecognized"):
        assert bad not in done.stdout + done.stderr, done.stdout + done.stderr
    head, _, body = raw.read_bytes().partition(b"Binary:\n")
    lines = head.decode().splitlines()
    start = lines.index("Variables:") + 1
    names = [line.split("\t")[2].lower() for line in lines[start:]]
    return dict(zip(names, np.frombuffer(body).reshape(-1, len(names)).T, strict=True))


def deviations(folder: Path, found: dict[str, np.ndarray]) -> Iterator[tuple[str, float]]:
    """Yield how far each expected value of golden.csv is off, as a part of its tolerance."""
    if "v(eq_hold)" in found:
        free = found["v(eq_hold)"] < 0.5
        found = {name: x[free] for name, x in found.items()}
    for row in rows(folder / "golden.csv"):
        if row["kind"] not in ("node", "branch"):
            continue
        name, k = row["name"], int(row["vector"])
        if row["kind"] == "branch":
            value = found[f"i(v_{name})"][k]
        else:
            value = found.get(f"v({name})", found.get(f"v(x_dut.{name})"))[k]  # type: ignore[index]
        expected = float(row["value"])
        allowed = float(row["abs_tol"]) + float(row["rel_tol"]) * abs(expected)
        yield f"vector {k} {row['kind']} {name}", abs(value - expected) / allowed


def gnucap(folder: Path) -> list[dict[str, float]]:
    """Run gnucap on its test bench, and return what it prints for each vector."""
    done = subprocess.run(
        ["gnucap", "-b", "tb_gnucap.ckt"],
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = done.stdout.splitlines()
    assert not [line for line in lines if "^ ?" in line or "can't find" in line], done.stdout[:3000]
    names = next(line for line in lines if line.startswith("#")).split()[1:]
    values = [line.split()[1:] for line in lines if line.startswith(" 27.")]
    return [dict(zip(names, map(_number, row), strict=True)) for row in values]


def _number(text: str) -> float:
    scale = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "K": 1e3, "M": 1e6}
    return float(text[:-1]) * scale[text[-1]] if text[-1] in scale else float(text)
