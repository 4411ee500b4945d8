"""Monte Carlo against itself: the samples of mc_samples.csv, the chips of mc_results.csv, and what simulators draw."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from eqcirc import devices as kinds
from eqcirc.devices import ShockleyDiode
from eqcirc.export.bundle.chips import SIGMA, SIGMA_DIODES
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.csvs import Row
from eqcirc.signoff.devices import Device, device_at, devices, devices_of
from eqcirc.signoff.gate import statements
from eqcirc.signoff.loads import models
from eqcirc.text import one_line

FARTHEST = 7.0  # standard deviations; one of 4e11 normal numbers is further off
_DRAWN = re.compile(r"\{([^*{}]+)\*exp\(agauss\(0,([^(),]*),1\)\)\}")
_STATISTICS = re.compile(r"^statistics \{ mismatch \{ vary mm dist=gauss std=(\S+) \} \}$", re.MULTILINE)
_SAID = re.compile(r"standard deviation ([0-9.e+-]+)")
_SYNAPSE = """parameters mm=0
subckt synapse (a b)
parameters ohms=1
r_1 (a b) resistor r=ohms*exp(mm)
ends synapse
"""
"""What a resistor with mismatch is to Spectre."""
_LETTERS = {"r": "ohm", "d": "A", "c": "F"}


def nominal_spice(text: str) -> str:
    """Return mc_dut.sp with every value as it is before a simulator draws."""
    return _DRAWN.sub(r"\1", text)


def nominal_spectre(text: str) -> str:
    """Return mc_spectre.scs without its mismatch; what is not as expected stays, and is found as nothing known."""
    plain = _STATISTICS.sub("", text).replace(" synapse ohms=", " resistor r=")
    for line in _SYNAPSE.splitlines():
        plain = plain.replace(f"\n{line}\n", "\n\n", 1)
    return plain


def spread(bundle: Bundle) -> Iterator[str]:
    """Yield where mc_dut.sp and mc_spectre.scs do not let the same resistors vary, and by the same."""
    if not bundle.has("mc_dut.sp") or not bundle.has("mc_spectre.scs"):
        return
    ours = {name: float(match[2]) for name, match in _drawn(bundle)}
    sigmas = set(ours.values()) | {float(x) for x in _STATISTICS.findall(bundle.text("mc_spectre.scs"))}
    if len(sigmas) != 1:
        yield f"mc_dut.sp and mc_spectre.scs draw with the standard deviations {sorted(sigmas)}, expected one"
    for path in ("mc_dut.sp", "mc_native.sp", "mc_spectre.scs"):
        words = _SAID.findall(bundle.text(path)) if bundle.has(path) else []
        if any(float(word) != float(f"{sigma:g}") for word in words for sigma in sigmas):
            yield f"{path} says the standard deviation {', '.join(words)}, and draws with {sorted(sigmas)}"
    theirs, inside = set(), ""
    for line in bundle.text("mc_spectre.scs").split("\n"):
        first, _, rest = line.partition(" ")
        if first == "subckt":
            inside = rest.partition(" ")[0]
        elif " synapse ohms=" in line:
            theirs.add((inside, first))
    for cell, name in sorted(theirs ^ ours.keys())[:1]:
        where = ["mc_dut.sp", "mc_spectre.scs"][:: -1 if (cell, name) in theirs else 1]
        yield f"{one_line(name, 40)} of {one_line(cell, 40)} varies in {where[0]}, not in {where[1]}"


def _drawn(bundle: Bundle) -> Iterator[tuple[tuple[str, str], re.Match[str]]]:
    """Yield cell and name of every resistor that ngspice draws."""
    inside = ""
    for _, statement in statements(bundle.text("mc_dut.sp")):
        words = statement.split()
        if words[0] == ".subckt":
            inside = words[1]
        match = _DRAWN.fullmatch(words[-1])
        if match is not None:
            yield (inside, words[0]), match


def samples(rows: Sequence[Row], bundle: Bundle) -> Iterator[str]:
    """Yield what is wrong with the table of samples."""
    there = devices(bundle)
    units, laws = dict(_units(bundle)), models(bundle)
    chips = bundle.manifest.chips
    columns = [name for name in (rows[0] if rows else {}) if name not in ("device", "unit")]
    if chips is not None and columns != [f"chip_{k}" for k in range(chips.count)]:
        yield f"has the columns {one_line(columns, 80)}, expected {chips.count} chips as in MANIFEST.json"
    for row in rows:
        path, letter = row["device"], row["device"].rpartition(".")[2][0]
        device = device_at(path, there)
        if device is None:
            yield f"dut.sp has no {one_line(path, 60)}"
            continue
        unit = _LETTERS.get(letter) or units.get(device.model)
        if unit is not None and row["unit"] != unit:
            yield f"{one_line(path, 60)} is in {one_line(row['unit'], 20)}, expected {unit}"
        values = [float(row[name]) for name in columns]
        if not all(map(math.isfinite, values)) or (letter in _LETTERS and min(values) <= 0):
            yield f"{one_line(path, 60)}: expected positive numbers, got {one_line(values, 80)}"
        elif chips is not None and chips.assumed and letter in "rd":
            yield from _far(path, values, device, laws, letter)
    if chips is None or "StuckAt" not in chips.differ:  # what is stuck varies no more
        yield from _all_listed({row["device"] for row in rows}, bundle)


def _far(
    path: str, values: Sequence[float], device: Device, laws: Mapping[str, ShockleyDiode], letter: str
) -> Iterator[str]:
    """Yield a sample that no mismatch of the usual size makes of what dut.sp has."""
    sigma, nominal = (SIGMA if letter == "r" else SIGMA_DIODES), device.value or math.nan
    if letter == "d":
        nominal *= laws[device.model].saturation_current
    for k, value in enumerate(values):
        off = abs(math.log(value / nominal)) / sigma
        if not off <= FARTHEST:
            yield (
                f"{one_line(path, 60)} is {value:.6g} on chip {k}, {off:.3g} standard deviations from {nominal:.6g} of "
                "dut.sp"
            )


def _units(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield every cell with the unit of its value, as far as eqcirc knows its kind."""
    for block in bundle.manifest.blocks:
        unit = getattr(getattr(kinds, block.kind, None), "unit", None)
        if isinstance(unit, str):
            yield block.cell, unit


def _all_listed(listed: set[str], bundle: Bundle) -> Iterator[str]:
    """Yield a resistor that varies in mc_dut.sp and not in the table, or the other way round."""
    if not bundle.has("mc_dut.sp"):
        return
    text, top = bundle.text("mc_dut.sp"), bundle.manifest.top
    marked = _DRAWN.sub("-1", text)  # no resistor of a bundle is negative
    wanted = {path for path, device in devices_of(marked, top).items() if device.value == -1}
    resistors = {path for path in listed if path.rpartition(".")[2].startswith("r_")}
    for path in sorted(resistors ^ wanted)[:1]:
        where = "mc_dut.sp" if path in wanted else "it"
        yield f"{one_line(path, 60)} varies in {where} alone"


def results(rows: Sequence[Row], bundle: Bundle) -> Iterator[str]:
    """Yield what is wrong with the table of chips' scores."""
    chips = bundle.manifest.chips
    numbers = [row["chip"] for row in rows]
    if chips is not None and numbers != [str(k) for k in range(chips.count)]:
        yield f"lists the chips {one_line(numbers, 80)}, expected {chips.count} as in MANIFEST.json"
    if len({row["seed"] for row in rows}) > 1:
        yield "has several seeds, expected one of the series"
