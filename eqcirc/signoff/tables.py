"""Tables of a bundle against its netlist: what is bought, fitted and programmed is what was simulated."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from eqcirc.errors import DataError
from eqcirc.layout.process import LAYERS
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.devices import Device, devices
from eqcirc.signoff.golden import read_golden
from eqcirc.signoff.layouts import subcircuits
from eqcirc.text import counted, one_line
from eqcirc.typing import Array

SAME = 1e-9  # relative: tables and netlist have all digits
POTENTIOMETERS = {"AD5292": (1024, 0.0), "MCP41xxx": (256, 52.0)}  # steps, ohms of the wiper
SERIES = {"e24": 0.08, "e96": 0.0155}  # how far the nearest value may be
_SHOWN = 5

Row = dict[str, str]
Devices = dict[str, Device]


def same(bundle: Bundle) -> Outcome:
    """Hold every table against dut.sp, models.sp and golden.csv."""
    bundle.need("dut.sp", "golden.csv")
    there = devices(bundle)
    blocks = subcircuits(bundle.text("models.sp")) if bundle.has("models.sp") else {}
    problems: list[str] = []
    count = 0
    checks: tuple[tuple[str, Callable[[Sequence[Row]], Iterator[str]]], ...] = (
        ("weights.csv", lambda rows: _weights(rows, there, blocks)),
        ("rounding.csv", lambda rows: _rounding(rows, there)),
        ("programming.csv", lambda rows: _programming(rows, there)),
        ("limits.csv", lambda rows: _limits(rows, there, _volts(bundle))),
        ("pins.csv", lambda rows: _pins(rows, bundle)),
    )
    for name, check in checks:
        if not bundle.has(name):
            continue
        rows = table(bundle, name)
        count += len(rows)
        try:
            problems += [f"{name}: {problem}" for problem in check(rows)]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{name}: expected the table that 'eqcirc export' writes; {one_line(error)}"
            ) from error
    problems += [f"golden.csv: {problem}" for problem in _complete(there, _volts(bundle))]
    problems += _one_list(bundle)
    if bundle.has("layout/layers.csv"):
        rows = table(bundle, "layout/layers.csv")
        count += len(rows)
        problems += [f"layout/layers.csv: {problem}" for problem in _layers(rows)]
    if bundle.has("board/bom.csv") and bundle.has("board/parts.csv"):
        bom = table(bundle, "board/bom.csv")
        count += len(bom)
        problems += [f"board/bom.csv: {problem}" for problem in _bom(bom, table(bundle, "board/parts.csv"))]
    if not count:
        raise Skipped("the bundle has no tables")
    if len(problems) > _SHOWN:
        problems = [*problems[:_SHOWN], f"and {len(problems) - _SHOWN} more"]
    return Outcome(
        problems, f"{counted(count, 'row')} of tables and parts lists against dut.sp and golden.csv"
    )


def table(bundle: Bundle, path: str) -> list[Row]:
    """Return the rows of a table.

    Raises:
        DataError: a row has other cells than the header.
    """
    rows = list(csv.DictReader(io.StringIO(bundle.text(path))))
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataError(f"{path}, line {number}: expected as many cells as in the header")
    return rows


def _near(a: float, b: float, relative: float = SAME) -> bool:
    return bool(abs(a - b) <= relative * max(abs(a), abs(b)))


def _device(path: str, there: Devices) -> Device | None:
    """Return a device, or the block that a path leads into."""
    return there.get(path) or there.get(path.partition(".")[0])


def _weights(rows: Sequence[Row], there: Devices, blocks: dict[str, list[str]]) -> Iterator[str]:
    for row in rows:
        for path in row["device"].split():
            device = _device(path, there)
            if device is None:
                yield f"{row['edge']}: dut.sp has no {one_line(path, 60)}"
            elif device.model in blocks:
                if not _says(blocks[device.model], path.partition(".")[2], float(row["value"])):
                    yield f"{row['edge']} is {row['value']}, which {device.model} of models.sp does not say"
            elif device.value is not None:
                letter = path.rpartition(".")[2][0]
                value = float((row["ohm"] or "nan") if letter == "r" else row["value"])
                if not _near(value, device.value):
                    yield f"{row['edge']} is {value:.9g}, {path} of dut.sp is {device.value:.9g}"


def _says(cards: Sequence[str], part: str, value: float) -> bool:
    """Whether a value stands in the cards of a block, or in those of one part of it; by size, since signs turn."""
    words = [card.split() for card in cards]
    if value == 0 or any(card[0].startswith("h_") for card in words):
        return True  # nothing has no card; resistances that coils share are summed up
    own = [card for card in words if not part or card[0] in (part, f"{part}_f", f"{part}_b")]
    return any(_near(abs(_number(word)), abs(value)) for card in own for word in card[1:])


def _number(word: str) -> float:
    """Return the number of a word such as 2e-06 or m=2.0; NaN of others."""
    try:
        return float(word.rpartition("=")[2])
    except ValueError:
        return float("nan")


def _target(row: Row, there: Devices, scale: float = 1.0) -> Iterator[str]:
    """Yield what is wrong with the resistance that a row aims at."""
    device = there.get(row["device"])
    value = None if device is None else device.value
    if value is None or not _near(float(row["target_ohm"]) * scale, value):
        yield f"{row['edge']} aims at {row['target_ohm']} ohm, {one_line(row['device'], 60)} of dut.sp is {value} ohm"


def _error(row: Row, got: str, error: str) -> Iterator[str]:
    """Yield whether the error that a row names is not that of what it proposes."""
    if abs(float(row[got]) / float(row["target_ohm"]) - 1 - float(row[error])) > SAME:
        yield f"{row['edge']}: {got} {row[got]} is not off by {row[error]} of {row['target_ohm']} ohm"


def _rounding(rows: Sequence[Row], there: Devices) -> Iterator[str]:
    for row in rows:
        yield from _target(row, there)
        for series, most in SERIES.items():
            yield from _error(row, f"{series}_ohm", f"{series}_error")
            if abs(float(row[f"{series}_error"])) > most:
                yield f"{row['edge']}: {row[f'{series}_ohm']} ohm is not the nearest of {series.upper()}"


def _programming(rows: Sequence[Row], there: Devices) -> Iterator[str]:
    for row in rows:
        yield from _target(row, there, float(row["scale"]))
        yield from _error(row, "achieved_ohm", "error")
        name, _, end = row["part"].partition(" ")
        if name in POTENTIOMETERS:
            steps, wiper = POTENTIOMETERS[name]
            ohms = int(row["code"]) / steps * 1e3 * float(end.removesuffix("k")) + wiper
            if not _near(ohms, float(row["achieved_ohm"])):
                yield f"{row['edge']}: code {row['code']} of {row['part']} is {ohms:.6g} ohm, not {row['achieved_ohm']}"


def _volts(bundle: Bundle) -> dict[str, Array]:
    return {q.name: q.values for q in read_golden(bundle) if q.kind in ("apply", "node")}


def _limits(rows: Sequence[Row], there: Devices, volts: dict[str, Array]) -> Iterator[str]:
    for row in rows:
        path = row["device"]
        device, letter = _device(path, there), path.rpartition(".")[2][0]
        if device is None:
            yield f"dut.sp has no {one_line(path, 60)}"
        elif letter in "rcd" and all(net in volts for net in device.nets):
            most = float(np.abs(volts[device.nets[0]] - volts[device.nets[1]]).max())
            loads = {"v_max_V": most}
            if letter == "r" and device.value:
                loads |= {"i_max_A": most / device.value, "p_max_W": most**2 / device.value}
            for key, load in loads.items():
                if abs(float(row[key]) - load) > 1e-6 * load + 1e-15:
                    yield f"{path}: {key} is {row[key]}, by golden.csv {load:.9g}"


def _pins(rows: Sequence[Row], bundle: Bundle) -> Iterator[str]:
    golden = {(q.kind, q.name): q.values for q in read_golden(bundle)}
    for row, port in zip(rows, bundle.manifest.ports, strict=False):  # `headers` counts and orders them
        pin = row["pin"]
        if row["direction"] != port.direction:
            yield f"{pin} is {one_line(row['direction'], 40)}, {port.direction} in MANIFEST.json"
        volts = golden.get(("apply", pin), golden.get(("node", pin), np.empty(0)))
        flows = golden.get(("branch", pin), golden.get(("feed", pin), np.zeros(1)))
        wanted = {"v_min_V": volts.min(), "v_max_V": volts.max(), "i_max_A": np.abs(flows).max()}
        if port.direction in ("supply", "common"):
            wanted["fixed_V"] = volts[0]
        for key, value in wanted.items():
            if abs(float(row[key]) - value) > 1e-6 * abs(value) + 1e-15:
                yield f"{pin}: {key} is {row[key]}, by golden.csv {value:.9g}"


def _complete(there: Devices, volts: dict[str, Array]) -> Iterator[str]:
    """Yield nets whose voltage nobody would compare; those between a resistor and its coil have none of their own."""
    nets = {net for device in there.values() for net in device.nets if not net.startswith("eq_")}
    for net in sorted(nets - volts.keys()):
        yield f"no voltage of net {one_line(net, 60)}"


def _one_list(bundle: Bundle) -> Iterator[str]:
    """Yield resistors that one table has and another lacks."""
    if not all(bundle.has(name) for name in ("weights.csv", "rounding.csv", "programming.csv")):
        return
    wanted = {row["device"] for row in table(bundle, "rounding.csv")}
    weights = {path for row in table(bundle, "weights.csv") for path in row["device"].split()}
    lists = {"weights.csv": weights & wanted}
    for row in table(bundle, "programming.csv"):
        lists.setdefault(f"programming.csv, {one_line(row['part'], 40)}", set()).add(row["device"])
    for name, paths in lists.items():
        for path in sorted(paths ^ wanted)[:1]:
            yield f"{name}: {one_line(path, 60)} is {'missing' if path in wanted else 'too many'} beside rounding.csv"


def _layers(rows: Sequence[Row]) -> Iterator[str]:
    there = {row["layer"]: (row["gds_layer"], row["gds_datatype"]) for row in rows}
    for name, (layer, kind) in LAYERS.items():
        if there.get(name) != (str(layer), str(kind)):
            yield f"{name} is {one_line(there.get(name), 40)}, in crossbars.gds {layer}/{kind}"


def _bom(bom: Sequence[Row], parts: Sequence[Row]) -> Iterator[str]:
    """Yield where what is bought is not what the list of parts says."""
    wanted = {row["designator"]: row for row in parts}
    for row in bom:
        names = row["Designator"].split(",")
        if row["Qty"] != str(len(names)):
            yield f"{row['Qty']} of {one_line(row['Designator'], 60)}"
        for name in names:
            part = wanted.pop(name, None)
            if part is None:
                yield f"{one_line(name, 40)} is not in parts.csv, or twice in the bill"
            elif (row["Value"], row["Footprint"]) != (part["value"], part["footprint"].partition(":")[2]):
                bought, listed = (
                    f"{row['Value']} in {row['Footprint']}",
                    f"{part['value']} in {part['footprint']}",
                )
                yield f"{name} is {one_line(bought, 80)}, in parts.csv {one_line(listed, 80)}"
            elif row["Comment"] != row["Value"] or not _ordered(row):
                yield f"{name} is {row['Value']}, ordered is {one_line(row['Comment'], 40)} {one_line(row['MPN'], 40)}"
    if wanted:
        yield f"lacks {one_line(', '.join(wanted), 80)}"


def _ordered(row: Row) -> bool:
    """Whether a number of Yageo's is that of the value; other numbers are not known here."""
    begin, end = "RC0603FR-07", "L"
    if not (row["MPN"].startswith(begin) and row["MPN"].endswith(end)):
        return row["MPN"] == ""
    code = row["MPN"].removeprefix(begin).removesuffix(end)
    letter = next((x for x in "RKM" if x in code), "R")
    value = row["Value"]
    factor = {"M": "M", "k": "K"}.get(value[-1:], "R")
    digits = value[:-1] if factor != "R" else value
    return letter == factor and float(code.replace(letter, ".") or "nan") == float(digits)
