"""A verifier that has never been seen to fail shows nothing: faults are put into a bundle, and have to be found."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import faults
import pytest

from eqcirc.signoff.check import Verdict
from eqcirc.signoff.verify import verify_bundle

Change = Callable[[Mapping[str, bytes]], Path]
QUICK = (
    "hashes",
    "text",
    "ports",
    "graph-klayout",
    "graph-netgen",
    "ngspice",
    "gnucap",
    "layout-lvs",
    "layout-ngspice",
)
NETGEN, GNUCAP = shutil.which("netgen-lvs") is not None, shutil.which("gnucap") is not None


def failed(folder: Path, *only: str) -> set[str]:
    """The checks that fail; of those that need a tool that is not here none does."""
    found = verify_bundle(folder, only or QUICK)
    assert all(result.problems for result in found.results if result.verdict is Verdict.FAILED)
    return {result.check.key for result in found.results if result.verdict is Verdict.FAILED}


def expected(*keys: str) -> set[str]:
    absent = {"graph-netgen": not NETGEN, "gnucap": not GNUCAP}
    return {key for key in keys if not absent.get(key, False)}


def test_nothing_is_wrong_with_what_was_exported(bundle: Path) -> None:
    assert failed(bundle) == set()


GRAPHS, POINTS = ("graph-klayout", "graph-netgen"), ("ngspice", "gnucap")


@pytest.mark.parametrize(
    ("fault", "keys"),
    [
        (faults.value, (*GRAPHS, *POINTS)),
        (faults.swapped_values, (*GRAPHS, *POINTS)),
        (faults.missing_diode, (*GRAPHS, *POINTS)),
        (faults.flipped_diode, (*GRAPHS, *POINTS)),
        (faults.rewired, (*GRAPHS, *POINTS)),
        (faults.swapped_inputs, (*GRAPHS, *POINTS)),
        (faults.port_order, ("ports", *POINTS)),
        (faults.model_name, GRAPHS),  # the two models have the same law, so no voltage tells
    ],
)
def test_every_fault_of_the_netlist_is_found_by_whoever_can_see_it(
    bundle: Path, changed: Change, fault: Callable[[list[str]], None], keys: tuple[str, ...]
) -> None:
    text = faults.netlist((bundle / "dut.sp").read_bytes(), fault)
    folder = changed({"dut.sp": text})
    assert expected(*keys) <= failed(folder, "hashes", "text", "ports", *GRAPHS, *POINTS)


@pytest.mark.parametrize(
    "fault", [f for f in faults.NETLIST if f not in (faults.model_name, faults.port_order)]
)
def test_a_fault_in_all_netlists_alike_is_found_by_the_golden_vectors(
    bundle: Path, changed: Change, fault: Callable[[list[str]], None]
) -> None:
    names = ("dut.sp", "dut.cdl")
    folder = changed({name: faults.netlist((bundle / name).read_bytes(), fault) for name in names})
    assert failed(folder, "hashes", *GRAPHS, "ngspice") == {"ngspice"}


@pytest.mark.parametrize("fault", faults.LAYOUT)
def test_every_fault_of_the_layout_is_found(
    bundle: Path, changed: Change, fault: Callable[[object], None]
) -> None:
    content = faults.layout((bundle / "layout/crossbars.gds").read_bytes(), fault)
    assert failed(changed({"layout/crossbars.gds": content}), "hashes", "layout-lvs") == {"layout-lvs"}


def test_extracted_tiles_that_differ_are_found_by_their_voltages(bundle: Path, changed: Change) -> None:
    text = faults.netlist((bundle / "layout/extracted.sp").read_bytes(), lambda lines: _off(lines, "r1 "))
    folder = changed({"layout/extracted.sp": text})
    assert failed(folder, "layout-lvs", "layout-ngspice") == {"layout-lvs", "layout-ngspice"}


def _off(lines: list[str], begin: str) -> None:
    k = next(k for k, line in enumerate(lines) if line.startswith(begin))
    *words, ohms = lines[k].split()
    lines[k] = " ".join([*words, repr(float(ohms) * 1.001)])


def test_a_file_that_is_not_what_was_exported_is_named(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "touched"
    shutil.copytree(bundle, folder)
    with (folder / "golden.csv").open("ab") as file:
        file.write(b"\n")
    (folder / "more.txt").write_text("x")
    (folder / "pins.csv").unlink()
    (result,) = verify_bundle(folder, ["hashes"]).results
    assert result.verdict is Verdict.FAILED
    assert {text.split()[0] for text in result.problems} == {"golden.csv", "more.txt", "pins.csv"}
