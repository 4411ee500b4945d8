"""Checks of the netlists of a bundle against one another, by two programs for layouts and by plain reading."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from importlib.metadata import version
from typing import Any

from eqcirc.errors import DataError, EngineError
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.gate import check_characters, check_directives, statements
from eqcirc.signoff.sandbox import run
from eqcirc.text import one_line

SECONDS = 300.0
SAME_VALUE = 1e-12  # relative; both netlists say every digit
NETGEN_VALUE = 1e-9
KLAYOUT = "klayout is not installed: pip install 'eqcirc[fabrication]'"
_SHOWN = 3

_SETUP = f"""permute default
property default
foreach {{ours theirs}} {{r rpoly c cpoly l lcoil}} {{
    catch {{equate classes "-circuit1 $ours" "-circuit2 $theirs"}}
}}
foreach class {{r rpoly c cpoly l lcoil}} {{
    catch {{property "-circuit1 $class" tolerance {{value {NETGEN_VALUE:g}}}}}
    catch {{property "-circuit2 $class" tolerance {{value {NETGEN_VALUE:g}}}}}
}}
"""


def readable(bundle: Bundle) -> Outcome:
    """Read every netlist line by line: whether it holds nothing but what a bundle needs (see `gate`)."""
    problems = []
    for name, text in bundle.netlists.items():
        try:
            if bundle.listed[name].run:
                bundle.deck(name)
            else:
                check_characters(name, text)
                check_directives(name, text)
        except DataError as error:
            problems.append(str(error))
    return Outcome(problems, f"{len(bundle.netlists)} netlists hold no command and nothing unknown")


def flavours(bundle: Bundle) -> Outcome:
    """Compare Cadence's CDL with the plain one, statement by statement: no tool here reads it."""
    bundle.need("dut.cdl", "dut_cadence.cdl")
    plain = [text.split() for _, text in statements(bundle.text("dut.cdl"))]
    cadence = [
        [word.removeprefix("$[").removesuffix("]") for word in text.split() if word != "/"]
        for _, text in statements(bundle.text("dut_cadence.cdl"))
    ]
    problems = []
    if len(plain) != len(cadence):
        problems.append(f"dut_cadence.cdl has {len(cadence)} statements, expected {len(plain)} as in dut.cdl")
    pairs = zip(cadence, plain, strict=False)
    differ = [(" ".join(a), " ".join(b)) for a, b in pairs if a != b]
    problems += [f"{one_line(a, 80)}, expected {one_line(b, 80)}" for a, b in differ[:_SHOWN]]
    return Outcome(problems, f"dut_cadence.cdl says the same as dut.cdl in {len(plain)} statements")


def headers(bundle: Bundle) -> Outcome:
    """Compare the ports of subcircuits in order: graphs show none, but whoever wires by position relies on it."""
    bundle.need("dut.sp")
    manifest = bundle.manifest
    wanted = tuple(port.name for port in manifest.ports)
    ours = ports_of(bundle.text("dut.sp"))
    problems = _differ("dut.sp", {manifest.top: wanted}, "MANIFEST.json", ours)
    compared = len(ours)
    for name, other in (("dut.cdl", ours), ("dut_cadence.cdl", ours)):
        if bundle.has(name):
            theirs = ports_of(bundle.text(name).replace(" / ", " "))
            problems += _differ(name, other, "dut.sp", theirs)
            compared += len(other)
    if bundle.has("models.sp"):
        cells = ports_of(bundle.text("models.sp"))
        for name in ("models_poly.sp", "stubs.sp", "dut.cdl"):
            if bundle.has(name):
                problems += _differ(name, cells, "models.sp", ports_of(bundle.text(name)))
                compared += len(cells)
    if bundle.has("pins.csv"):
        rows = csv.DictReader(io.StringIO(bundle.text("pins.csv")))
        pins = tuple(row.get("pin") or "" for row in rows)
        problems += _differ("pins.csv", {manifest.top: wanted}, "MANIFEST.json", {manifest.top: pins})
    return Outcome(problems, f"ports of {compared} subcircuits in order, in every netlist that has them")


def ports_of(text: str) -> dict[str, tuple[str, ...]]:
    """Return the ports of every subcircuit of a netlist, in order."""
    found = {}
    for _, statement in statements(text):
        first, *words = statement.lower().split()
        if first == ".subckt" and words:
            found[words[0]] = tuple(words[1:])
    return found


def _differ(
    name: str, wanted: dict[str, tuple[str, ...]], source: str, found: dict[str, tuple[str, ...]]
) -> list[str]:
    """Return sentences about subcircuits whose ports are not those that another file says."""
    problems = []
    for cell, ports in wanted.items():
        have = found.get(cell)
        if have is None:
            problems.append(f"{name} has no subcircuit {one_line(cell, 60)}, which {source} has")
        elif have != ports:
            pairs = list(zip(have, ports, strict=False))
            k = next((k for k, (a, b) in enumerate(pairs) if a != b), len(pairs))
            there, expected = (side[k] if k < len(side) else "none" for side in (have, ports))
            problems.append(
                f"{name}, {one_line(cell, 60)}: port {k + 1} is {one_line(there, 60)}, expected "
                f"{one_line(expected, 60)} as in {source}"
            )
    return problems


def klayout(bundle: Bundle) -> Outcome:
    """Compare dut.sp with dut.cdl as graphs, by klayout."""
    bundle.need("dut.sp", "dut.cdl", "stubs.sp")
    try:
        import klayout.db  # noqa: F401
    except ImportError as error:
        raise EngineError(KLAYOUT) from error
    from eqcirc.signoff.graphs import differences, read_netlist

    ours, theirs = (read_netlist(text) for text in _both(bundle))
    problems = differences(ours, theirs, relative=SAME_VALUE)
    devices = sum(1 for circuit in theirs.each_circuit() for _ in circuit.each_device())
    found = f"dut.sp and dut.cdl as graphs: {devices} devices, ports by name, values to {SAME_VALUE:g}"
    return Outcome(problems, found, klayout_version())


def klayout_version() -> str:
    """Return klayout with its version."""
    return f"klayout {version('klayout')}"


def _both(bundle: Bundle) -> tuple[str, str]:
    """Return the two netlists that are compared, the blocks without content."""
    return bundle.deck("stubs.sp") + bundle.deck("dut.sp"), bundle.deck("dut.cdl")


def netgen(bundle: Bundle) -> Outcome:
    """Compare dut.sp with dut.cdl as graphs, by netgen."""
    bundle.need("dut.sp", "dut.cdl", "stubs.sp")
    ours, theirs = _both(bundle)
    path = shutil.which("netgen-lvs")
    if path is None:
        raise Skipped("netgen is not installed: apt install netgen-lvs")
    top = bundle.manifest.top
    files = {"dut.sp": ours.encode(), "dut.cdl": theirs.encode(), "setup.tcl": _SETUP.encode()}
    command = [path, "-batch", "lvs", f"dut.sp {top}", f"dut.cdl {top}", "setup.tcl", "out.log", "-json"]
    done = run(command, files, seconds=SECONDS, wanted=("out.json",))
    said = re.search(r"Netgen (\S+)", done.out)
    try:
        cells = [cell for cell in json.loads(done.files["out.json"]) if cell.get("name")]
    except (KeyError, ValueError, AttributeError) as error:
        raise EngineError(f"netgen wrote no result: {one_line(done.out[-200:])}") from error
    problems = [problem for cell in cells for problem in _netgen_problems(cell)]
    names = {str(cell["name"][0]).lower() for cell in cells}
    problems += [
        f"netgen did not compare {cell}" for cell in ports_of(theirs) if cell not in names | _empty(theirs)
    ]
    if "Circuits match uniquely." not in done.out and not problems:
        problems.append("netgen does not say that the netlists match")
    found = f"dut.sp and dut.cdl as graphs: {len(cells)} cells, pins pairwise, values to {NETGEN_VALUE:g}"
    return Outcome(problems, found, f"netgen {said[1] if said else 'of an unknown version'}")


def _netgen_problems(cell: dict[str, Any]) -> list[str]:
    """Return what netgen found in a cell; its verdict alone misses values, and pins that are swapped."""
    name = one_line(cell["name"][0], 60)
    problems = []
    for key, words in (
        ("properties", "values differ"),
        ("badnets", "nets differ"),
        ("badelements", "devices differ"),
    ):
        if cell.get(key):
            problems.append(f"{name}: {words}: {one_line(json.dumps(cell[key]), 120)}")
    pins = cell.get("pins") or [[], []]
    swapped = [(a, b) for a, b in zip(*pins, strict=False) if str(a).lower() != str(b).lower()]
    if swapped or len(pins[0]) != len(pins[1]):
        problems.append(f"{name}: pins differ: {one_line(swapped[:_SHOWN], 120)}")
    return problems


def _empty(text: str) -> set[str]:
    """Return the subcircuits of a netlist that hold nothing."""
    found, current, count = set(), "", 0
    for _, statement in statements(text):
        words = statement.split()
        if words[0] == ".subckt" and len(words) > 1:
            current, count = words[1], 0
        elif words[0] == ".ends":
            if not count:
                found.add(current)
        else:
            count += 1
    return found
