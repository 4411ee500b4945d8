"""README.txt against what it is written from: the manifest and the tables; and the manifest against the netlists."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from eqcirc.errors import DataError
from eqcirc.export.bundle.readme import readme
from eqcirc.export.bundle.tables import rows
from eqcirc.signoff.bundle import NETLISTS, Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.devices import devices
from eqcirc.signoff.golden import read_golden
from eqcirc.solvers.status import Evidence
from eqcirc.text import counted, one_line

PAGE = "README.txt"
_BLOCK = re.compile(r"^\* [^:\n]*: (\w+).*\n\.subckt (\S+)", re.MULTILINE)
_SHOWN = 3


def same(bundle: Bundle) -> Outcome:
    """Write README.txt anew from the manifest and the tables, and compare; check what the manifest counts."""
    bundle.need(PAGE, "pins.csv", "golden.csv")
    facts: dict[str, Any] = json.loads(bundle.manifest_bytes)
    problems = [f"MANIFEST.json: {problem}" for problem in _manifest(bundle, facts)]
    wrote, here = str(facts.get("tools", {}).get("eqcirc")), version("eqcirc")
    if wrote != here and not problems:
        raise Skipped(
            f"eqcirc {one_line(wrote, 20)} wrote {PAGE}; this is {here}, which may say it in other words"
        )
    files = [file for file in bundle.manifest.files if file.path != PAGE]
    try:
        page = readme(facts, files, lambda path: rows(bundle.text(path))).content.decode("ascii")
    except (KeyError, ValueError, TypeError) as error:
        raise DataError(
            f"{PAGE} cannot be compared: MANIFEST.json or a table lacks {one_line(error)}"
        ) from error
    there, wanted = bundle.text(PAGE).split("\n"), page.split("\n")
    differ = [(k, a, b) for k, (a, b) in enumerate(zip(there, wanted, strict=False), start=1) if a != b]
    problems += [
        f"{PAGE}, line {k}: {one_line(a.strip(), 80)!r}; by MANIFEST.json and the tables {one_line(b.strip(), 80)!r}"
        for k, a, b in differ[:_SHOWN]
    ]
    if len(there) != len(wanted):
        problems.append(f"{PAGE} has {len(there)} lines, expected {len(wanted)}")
    return Outcome(problems, f"{counted(len(wanted), 'line')} of {PAGE} against MANIFEST.json and the tables")


def _manifest(bundle: Bundle, facts: dict[str, Any]) -> Iterator[str]:
    """Yield what the manifest says of the circuit that other files do not say."""
    if bundle.has("dut.sp"):
        count = Counter(path.rpartition(".")[2][0] for path in devices(bundle))
        if dict(count) != facts.get("devices"):
            yield f"devices {one_line(facts.get('devices'), 80)}, expected {dict(count)} as in dut.sp"
    if bundle.has("models.sp"):
        said = [(cell, kind) for kind, cell in _BLOCK.findall(bundle.text("models.sp"))]
        if said != [(block.cell, block.kind) for block in bundle.manifest.blocks]:
            yield f"blocks {one_line(facts.get('blocks'), 80)}, expected {one_line(said, 80)} as in models.sp"
    notes = [str(note) for note in facts.get("notes", ())]
    for path in (path for path in bundle.listed if path.endswith((*NETLISTS, ".scs", ".va"))):
        lines = bundle.text(path).split("\n", len(notes))[: len(notes)]
        for note, line in zip(notes, lines, strict=False):
            if line.partition(" ")[2] not in (note, note.lstrip("#")):
                yield f"the note {one_line(note, 80)!r} is not at the head of {path}"
                break
    phases = list(dict.fromkeys(row["phase"] for row in _first_rows(bundle)))
    if phases != facts.get("phases"):
        yield f"phases {one_line(facts.get('phases'), 60)}, expected {phases} as in golden.csv"
    known = {evidence.words: evidence is not Evidence.PROVEN for evidence in Evidence}
    if known.get(str(facts.get("operating_points"))) != facts.get("held"):
        yield "operating_points and held do not go together"


def _first_rows(bundle: Bundle) -> Iterator[dict[str, str]]:
    """Yield a row of golden.csv of each vector."""
    first = read_golden(bundle)[0].name
    yield from (row for row in rows(bundle.text("golden.csv")) if row["name"] == first)
