"""What a spreadsheet makes of the tables: the same numbers and words in the same columns, and no formula."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eqcirc.export.bundle.design import Design
from eqcirc.export.bundle.tables import unquoted
from eqcirc.export.bundle.write import write_bundle
from tests import catalogue

TABLES = (
    "pins.csv",
    "weights.csv",
    "golden.csv",
    "limits.csv",
    "rounding.csv",
    "programming.csv",
    "board/bom.csv",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with names that would be formulas."""
    case = catalogue.CASES["antiparallel"]()
    elements = (replace(case.circuit.elements[0], name='=HYPERLINK("x")'), *case.circuit.elements[1:])
    circuit = replace(case.circuit, elements=elements)
    folder = tmp_path_factory.mktemp("bundles") / "spreadsheet"
    write_bundle(Design(circuit, circuit.parameters, np.atleast_2d(case.inputs)[:2]), folder)
    return folder


def test_gnumeric_reads_numbers_and_words_as_they_are(bundle: Path, tmp_path: Path) -> None:
    if shutil.which("ssconvert") is None:
        pytest.skip("gnumeric is not installed: apt install gnumeric")
    for name in (name for name in TABLES if (bundle / name).is_file()):
        sheet, back = tmp_path / "sheet.gnumeric", tmp_path / "back.csv"
        for given in ((bundle / name, sheet), (sheet, back)):
            done = subprocess.run(
                ["ssconvert", *map(str, given)],
                env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
        ours, theirs = (list(csv.reader(io.StringIO(p.read_text()))) for p in (bundle / name, back))
        assert len(ours) == len(theirs) > 1
        for row, other in zip(ours, theirs, strict=True):
            for cell, shown in zip(row, other, strict=True):
                assert shown == unquoted(cell) or _same_number(cell, shown), (name, cell, shown)


def _same_number(cell: str, shown: str) -> bool:
    """Whether a cell is a number that is shown; 1 % is one, too."""
    part = cell.removesuffix(" %")
    try:
        return float(shown) == pytest.approx(float(part) / (1 if part == cell else 100), rel=1e-9)
    except ValueError:
        return False
