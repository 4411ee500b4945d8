"""Changes one value or one connection of an exported circuit, many times, and counts how many changes are found.

    .venv/bin/python scripts/fuzz_bundle.py [COUNT]        (500 changes, some minutes)

Each change is made twice: in dut.sp alone, where dut.cdl tells, too; and in dut.sp and dut.cdl alike, where only the
golden vectors can tell. Then as many single numbers are changed anywhere in the text files of the bundle, each file in
turn. Hashes are left out, which would find everything. Half of the changes are of a network of diodes and amplifiers,
half of one of FitzHugh-Nagumo neurons. Writes results/fuzz_bundle.json.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, Report
from faults import unfolded

from eqcirc import export_bundle
from eqcirc.signoff import netlists, points
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Check, Verdict
from eqcirc.signoff.verify import CHECKS, run_check

NAMES = ("iris", "moons-fhn")
PORTS = Check("ports", "ports", netlists.headers)
GRAPH = Check("graph-klayout", "graph", netlists.klayout)
POINTS = Check("ngspice", "points", points.ngspice)
FILES = ("dut.sp", "dut.cdl")
KEYS = {check.key: check for check in CHECKS}
QUICK = ("text", "ports", "cadence", "tables", "readme", "twins", "graph-klayout")
SLOW = {"layout": ("layout-lvs",), "board": ("board-kicad",), "": ("ngspice", "ngspice-tran", "gnucap")}
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])")


class Changed(Bundle):
    """A bundle of which some files are others."""

    def __init__(self, folder: Path, contents: dict[str, str]) -> None:
        super().__init__(folder)
        self._contents = contents

    def content(self, path: str) -> bytes:
        """Return a file, the other one if there is one."""
        other = self._contents.get(path)
        return super().content(path) if other is None else other.encode("ascii")


def devices(lines: list[str]) -> list[tuple[int, int, list[str]]]:
    """Return the lines of devices: number, how many nets they have, and the nets of their subcircuit."""
    found, cell, first = [], [], 0
    for k, line in enumerate([*lines, ".subckt"]):
        words = line.split()
        if words[:1] == [".subckt"]:
            nets = sorted({net for _, count, j in cell for net in lines[j].split()[1 : count + 1]})
            found += [(j, count, nets) for _, count, j in cell]
            cell, first = [], k
        elif words and words[0][0] in "rcldx":
            cell.append((first, len(words) - 2 if words[0][0] == "x" else 2, k))
    return found


def change(rng: np.random.Generator, text: str, others: str) -> tuple[str, str, str]:
    """Return both netlists with one change, and what it is."""
    lines, theirs = unfolded(text), unfolded(others)
    every = devices(lines)
    k, count, nets = every[rng.integers(len(every))]
    words = lines[k].split()
    cell = next(line for line in reversed(lines[:k]) if line.startswith(".subckt"))
    begin = theirs.index(cell)
    other = next(j for j in range(begin, len(theirs)) if theirs[j].split()[:1] == words[:1])
    their_words = theirs[other].split()
    if words[0][0] in "rcl" and rng.random() < 0.5:
        factor = 1 + rng.choice([-1, 1]) * 10 ** rng.uniform(-2, -0.3)
        words[3] = their_words[3] = repr(float(words[3]) * factor)
        what = f"{words[0]} of {cell.split()[1]}: value times {factor:.4g}"
    else:
        at = 1 + int(rng.integers(count))
        net = str(rng.choice([n for n in nets if n != words[at]]))
        what = f"{words[0]} of {cell.split()[1]}: pin {at} at {net}, not at {words[at]}"
        words[at] = their_words[at] = net
    lines[k], theirs[other] = " ".join(words), " ".join(their_words)
    return "\n".join(lines), "\n".join(theirs), what


def failing(bundle: Bundle, checks: tuple[Check, ...]) -> str:
    """Return the first check that fails, or nothing."""
    return next((c.key for c in checks if run_check(c, bundle).verdict is Verdict.FAILED), "")


def reason(folder: Path, contents: dict[str, str], what: str) -> str:
    """Return why golden vectors do not see a change."""
    if what.startswith("c_"):
        return "a capacitor carries no current at rest"
    result = run_check(POINTS, Changed(folder, contents))
    return (
        f"it moves no voltage by more than {result.numbers.get('largest_difference_V', float('nan')):.1g} V"
    )


def careless(rng: np.random.Generator, path: str, text: str) -> tuple[str, str]:
    """Return a file with another number in it, and what it is: whole ones one more, others 1 % more."""
    numbers = list(NUMBER.finditer(text))
    found = numbers[rng.integers(len(numbers))]
    other = str(int(found[0]) + 1) if found[0].isdigit() else repr(1.01 * float(found[0]) or 1e-3)
    before = text[: found.start()]
    line = before.count("\n")
    column = before[before.rfind("\n") + 1 :].count(",")
    head = text.partition("\n")[0].split(",")
    where = head[column] if path.endswith(".csv") and column < len(head) else text.split("\n")[line][:60]
    return before + other + text[
        found.end() :
    ], f"{path}, line {line + 1}, {where}: {found[0]} became {other}"


def anywhere(
    folder: Path, count: int, rng: np.random.Generator
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Change `count` numbers, each file in turn; return how many were found by which check, and the others by file."""
    bundle = Bundle(folder)
    paths = [path for path in bundle.listed if not path.endswith((".gds", ".png"))]
    by: dict[str, int] = {}
    missed: dict[str, list[str]] = {}
    for k in range(count):
        path = paths[k % len(paths)]
        text, what = careless(rng, path, bundle.text(path))
        checks = (*QUICK, *SLOW.get(path.partition("/")[0], SLOW[""]))
        key = failing(Changed(folder, {path: text}), tuple(KEYS[key] for key in checks))
        if key:
            by[key] = by.get(key, 0) + 1
        else:
            missed.setdefault(path, []).append(what)
    return by, missed


REASONS = (
    (("corners.csv", "mc_results.csv", "scores.csv"), "", "scores are of data that a bundle does not have"),
    (("mc_samples.csv",), "", "a draw a little off is another draw"),
    ((), "sensitivity", "slopes of the loss are of data that a bundle does not have"),
    (("golden.csv",), "", "less than the tolerance"),
    (("limits.csv",), "", "what blocks bear follows from their laws, which are not computed anew"),
    ((), "=pwl(v(eq_vector)", "between vectors, where nothing is compared; at all of them it was simulated"),
    ((), ".options", "how to run, not what: tolerances, seeds"),
    ((), ".tran", "how to run, not what: times"),
)
"""Files, or what is said of a change, and why nobody can tell that the number is another one."""


def explained(path: str, what: str) -> str:
    """Return why nobody can tell that a number is another one; nothing if somebody could."""
    return next((why for paths, words, why in REASONS if path in paths or (words and words in what)), "")


def main() -> None:
    """Change, check, count."""
    count = int(sys.argv[1]) if sys.argv[1:] else 500
    report, rng = Report(__file__), np.random.default_rng(0)
    points.SECONDS = (
        10.0  # some changes make an operating point that ngspice looks for without end; that is found, too
    )
    missed: dict[str, list[str]] = {"in dut.sp alone": [], "in both netlists": []}
    by: dict[str, dict[str, int]] = {name: {} for name in missed}
    at_rest = 0
    numbers: dict[str, int] = {}
    unseen: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name in NAMES:
            folder = export_bundle(ROOT / f"circuits/{name}.toml", Path(scratch) / name)
            texts: Any = [(folder / file).read_text(encoding="ascii") for file in FILES]
            for k in range(count // len(NAMES)):
                if k % 50 == 0:
                    print(f"{name}: {k} changes made", flush=True)
                ours, theirs, what = change(rng, *texts)
                one, both = {"dut.sp": ours}, {"dut.sp": ours, "dut.cdl": theirs}
                found = {
                    "in dut.sp alone": failing(Changed(folder, one), (GRAPH, PORTS, POINTS)),
                    "in both netlists": failing(Changed(folder, both), (POINTS,)),
                }
                for how, key in found.items():
                    if key:
                        by[how][key] = by[how].get(key, 0) + 1
                    else:
                        why = reason(folder, both, what)
                        at_rest += how == "in both netlists" and "at rest" in why
                        missed[how].append(f"{name}: {what}: {why}")
            found_by, others = anywhere(folder, count // len(NAMES), np.random.default_rng(1))
            numbers = {key: numbers.get(key, 0) + found_by.get(key, 0) for key in {**numbers, **found_by}}
            for path, some in others.items():
                unseen.setdefault(path, []).extend(f"{name}: {what}" for what in some)
    total = count // len(NAMES) * len(NAMES)
    report.content |= {"changes": total, "found by": by, "missed": missed}
    for text in (f"{how}: {line}" for how, some in missed.items() for line in some):
        print(text)
    report.claim(
        f"{total} changes of dut.sp: part found", 1 - len(missed["in dut.sp alone"]) / total, ">= 0.99"
    )
    seen = total - at_rest
    part = 1 - (len(missed["in both netlists"]) - at_rest) / seen
    report.claim(
        f"{seen} changes of both netlists, {at_rest} of capacitors left out: part found by golden vectors",
        part,
        ">= 0.99",
    )
    unclear = [what for path, some in unseen.items() for what in some if not explained(path, what)]
    report.content["numbers anywhere"] = {
        "changes": total,
        "found by": numbers,
        "not found": {
            path: [f"{x}: {explained(path, x) or '?'}" for x in some] for path, some in unseen.items()
        },
    }
    print(*unclear, sep="\n")
    report.claim(
        f"{total} numbers of any file: found (per cent)", 100 * sum(numbers.values()) / total, ">= 85"
    )
    report.claim(f"{total} numbers of any file: neither found nor explained", len(unclear), "<= 0")
    report.write()


if __name__ == "__main__":
    main()
