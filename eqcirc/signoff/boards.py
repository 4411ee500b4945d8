"""Checks of the board: KiCad builds it, and every pad is at the net that the circuit says."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from eqcirc.errors import DataError, EngineError
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.devices import Device, devices
from eqcirc.signoff.sandbox import run
from eqcirc.text import one_line

SECONDS = 300.0
ROUNDING = 0.0155  # of a value by E96
FOOTPRINTS = ("/usr/share/kicad/footprints", "/usr/local/share/kicad/footprints")
_FACTORS = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12}
SHOWN_VALUE = 1e-5  # of other values, by their six digits
_UNITS = {"r": "ohm", "c": "F", "l": "H"}
_SHOWN = 5
_CODE = re.compile(r'\(net \(code "(\w+)"\)')


def read_back(bundle: Bundle) -> Outcome:
    """Build the board of board.net in KiCad, save and load it, and compare its pads with dut.sp."""
    bundle.need("dut.sp", "board/board.net", "board/parts.csv")
    listed = _listed(bundle)
    problems = [*_against_circuit(bundle, listed), *_numbered(bundle)]
    python, libraries = _kicad()
    script = files("eqcirc.signoff").joinpath("kicad.py").read_bytes()
    given = {"kicad.py": script, "board.net": bundle.text("board/board.net").encode()}
    wanted = ("found.json", "board.kicad_pcb", "board.svg")
    done = run(
        [python, "kicad.py", "board.net", libraries],
        given,
        seconds=SECONDS,
        wanted=wanted,
        reserves_memory=True,
    )
    try:
        content = json.loads(done.files["found.json"])
        found = {part["ref"]: part for part in content["parts"]}
    except (KeyError, ValueError, TypeError) as error:
        said = one_line((done.err or done.out)[-200:])
        raise EngineError(f"KiCad could not build the board: {said}") from error
    if len(content["parts"]) != len(listed):  # loaders say that all is well with no footprint at all
        problems.append(f"the board has {len(content['parts'])} footprints, expected {len(listed)}")
    for row in listed:
        problems += _against_board(row, found.get(row["designator"]))
    if len(problems) > _SHOWN:
        problems = [*problems[:_SHOWN], f"and {len(problems) - _SHOWN} more"]
    pads = sum(len(part["pads"]) for part in found.values())
    words = f"{len(listed)} footprints, {pads} pads of the board against dut.sp, resistors to {ROUNDING:.2%}"
    made = {name: done.files[name] for name in wanted[1:] if name in done.files}
    return Outcome(problems, words, f"KiCad {content['version']}", files=made)


def _numbered(bundle: Bundle) -> list[str]:
    """Say where nets are not numbered one after the other; KiCad goes by their names, other tools may not."""
    codes = _CODE.findall(bundle.text("board/board.net"))
    wrong = next((code for k, code in enumerate(codes, start=1) if code != str(k)), None)
    return [] if wrong is None else [f"board.net: net {wrong} stands where another number was expected"]


def _kicad() -> tuple[str, str]:
    """Return the Python that has pcbnew, and the folder of the footprints.

    Raises:
        Skipped: KiCad is not installed.
    """
    libraries = next((folder for folder in FOOTPRINTS if Path(folder).is_dir()), None)
    for python in ("/usr/bin/python3", shutil.which("python3", path=os.defpath)):
        if python and Path(python).exists() and run([python, "-c", "import pcbnew"], seconds=60).code == 0:
            if libraries is not None:
                return python, libraries
            break
    raise Skipped("KiCad is not installed: apt install kicad kicad-footprints")


def _listed(bundle: Bundle) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(bundle.text("board/parts.csv"))))
    names = ("designator", "device", "value", "footprint", "nets")
    if not rows or any(row.get(name) is None for row in rows for name in names):
        raise DataError(f"board/parts.csv: expected a table of {', '.join(names)}")
    return rows


def _against_circuit(bundle: Bundle, listed: list[dict[str, str]]) -> list[str]:
    """Return where the list of parts is not the circuit: another net, another value, a device that is not there."""
    there = devices(bundle)
    problems = []
    placed: dict[str, tuple[dict[str, str], list[str]]] = {}
    for row in listed:  # blocks with many pins have several headers
        placed.setdefault(row["device"], (row, []))[1].extend(row["nets"].split())
    ports: list[str] = []
    for row, nets in placed.values():
        device = there.pop(row["device"], None)
        if device is None:
            ports += nets
            continue
        expected = device.nets[::-1] if row["designator"].startswith("D") else device.nets  # pad 1: cathode
        if nets != expected:
            problems.append(
                f"{row['designator']} is at {one_line(nets, 80)}, {row['device']} at {one_line(expected, 80)}"
            )
        if not _same_value(row, device):
            said = device.model or f"{device.value} {_UNITS.get(row['device'].rpartition('.')[2][0], '')}"
            problems.append(
                f"{row['designator']} is {one_line(row['value'], 60)}, {row['device']} is {one_line(said, 60)}"
            )
    problems += [f"{path} is not on the board" for path in there]
    if ports != [port.name for port in bundle.manifest.ports]:
        problems.append("the connectors do not have the ports of the circuit in order")
    return problems


def _same_value(row: dict[str, str], device: Device) -> bool:
    """Whether a part has the value of its device: resistors the nearest of E96, all else as it is."""
    text, letter = row["value"], row["device"].rpartition(".")[2][0]
    if letter == "x":
        return text == device.model
    if letter == "d":
        model, _, area = text.partition(" area=")
        return model == device.model and float(area or 1) == device.value
    value = _number(text if letter == "r" else text.removesuffix(_UNITS[letter]))
    allowed = ROUNDING if letter == "r" else SHOWN_VALUE
    return device.value is not None and abs(value / device.value - 1) <= allowed


def _against_board(row: dict[str, str], part: dict[str, Any] | None) -> list[str]:
    """Return where KiCad's board is not the list of parts."""
    ref = row["designator"]
    if part is None:
        return [f"{ref} is not on KiCad's board"]
    wanted = {str(k): net for k, net in enumerate(row["nets"].split(), start=1)}
    problems = []
    if part["pads"] != wanted:
        problems.append(f"pads of {ref} are at {one_line(part['pads'], 80)}, expected {one_line(wanted, 80)}")
    if part["value"] != row["value"] or part["footprint"] != row["footprint"]:
        problems.append(
            f"{ref} is {one_line(part['value'], 40)} in {part['footprint']}, expected {row['value']}"
        )
    return problems


def _number(text: str) -> float:
    """Return a number with an SI prefix."""
    return float(text[:-1]) * _FACTORS[text[-1]] if text[-1:] in _FACTORS else float(text)
