"""Tables of trained values against the netlist: what is fitted and programmed is what was simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from eqcirc.export.bundle.parts import POTENTIOMETERS
from eqcirc.signoff import scores
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.csvs import SAME, Row, near, table
from eqcirc.signoff.devices import Device, Devices, device_at
from eqcirc.text import one_line

SERIES = {"e24": 0.08, "e96": 0.0155}  # how far the nearest value may be
MEMRISTOR = "memristor"

Blocks = Mapping[str, Sequence[str]]


def weights(rows: Sequence[Row], there: Devices, blocks: Blocks, bundle: Bundle) -> Iterator[str]:
    """Yield what is wrong with weights.csv."""
    yield from scores.bands(rows)
    chips = bundle.manifest.chips
    exact = bool(bundle.manifest.run) and (chips is None or chips.assumed)
    windows: dict[str, tuple[str, str]] = {}
    seen: set[str] = set()
    for row in rows:
        window = row["lowest"], row["highest"]
        if row["edge"] in seen or not _named(row):
            yield f"{row['edge']} is there twice, or not the value of its element, row and column"
        seen.add(row["edge"])
        if windows.setdefault(row["element"], window) != window:
            yield f"{row['edge']}: the window {' to '.join(window)} is not that of the others of {row['element']}"
        if exact and row["asked"] != row["value"]:
            yield f"{row['edge']} is {row['value']}, asked is {row['asked']}, and nothing is imperfect"
        if row["ohm"] and not near(float(row["ohm"]), _ohms(row)):
            yield f"{row['edge']} is {row['value']} {one_line(row['unit'], 20)}, which is not {row['ohm']} ohm"
        for path in row["device"].split():
            yield from _weight(row, path, device_at(path, there), blocks)


def _named(row: Row) -> bool:
    """Whether the name of a value is made of its element, and row and column of its index."""
    element, _, index = row["edge"].removesuffix("]").partition("[")
    numbers = index.split(",")
    return row["element"] == element and [row["row"], row["column"]] == ["0", *numbers][-2:]


def _ohms(row: Row) -> float:
    value = float(row["value"])
    return 1 / value if row["unit"] == "S" else value


def _weight(row: Row, path: str, device: Device | None, blocks: Blocks) -> Iterator[str]:
    """Yield whether a device has another value than the table says."""
    if device is None:
        yield f"{row['edge']}: dut.sp has no {one_line(path, 60)}"
    elif device.model in blocks:
        if not _says(blocks[device.model], path.partition(".")[2], float(row["value"])):
            yield f"{row['edge']} is {row['value']}, which {device.model} of models.sp does not say"
    elif device.value is not None:
        letter = path.rpartition(".")[2][0]
        value = float((row["ohm"] or "nan") if letter == "r" else row["value"])
        if not near(value, device.value):
            yield f"{row['edge']} is {value:.9g}, {path} of dut.sp is {device.value:.9g}"


def _says(cards: Sequence[str], part: str, value: float) -> bool:
    """Whether a value stands in the cards of a block, or in those of one part of it; by size, since signs turn."""
    words = [card.split() for card in cards]
    if value == 0:
        return True  # nothing has no card
    if part.startswith("r_"):  # of a coil, with what it shares
        shared = [_number(card[-1]) for card in words if card[0].startswith(f"h{part[1:]}_")]
        return any(near(_number(card[-1]) + sum(shared), value) for card in words if card[0] == part)
    own = [card for card in words if not part or card[0] in (part, f"{part}_f", f"{part}_b")]
    return any(near(abs(_number(word)), abs(value)) for card in own for word in card[1:])


def _number(word: str) -> float:
    """Return the number of a word such as 2e-06 or m=2.0; NaN of others."""
    try:
        return float(word.rpartition("=")[2])
    except ValueError:
        return float("nan")


def rounding(rows: Sequence[Row], there: Devices) -> Iterator[str]:
    """Yield what is wrong with rounding.csv."""
    for row in rows:
        yield from _target(row, there)
        for series, most in SERIES.items():
            yield from _error(row, f"{series}_ohm", f"{series}_error")
            if abs(float(row[f"{series}_error"])) > most:
                yield f"{row['edge']}: {row[f'{series}_ohm']} ohm is not the nearest of {series.upper()}"


def _target(row: Row, there: Devices, scale: float = 1.0) -> Iterator[str]:
    """Yield what is wrong with the resistance that a row aims at."""
    device = there.get(row["device"])
    value = None if device is None else device.value
    if value is None or not near(float(row["target_ohm"]) * scale, value):
        yield f"{row['edge']} aims at {row['target_ohm']} ohm, {one_line(row['device'], 60)} of dut.sp is {value} ohm"


def _error(row: Row, got: str, error: str) -> Iterator[str]:
    """Yield whether the error that a row names is not that of what it proposes."""
    if abs(float(row[got]) / float(row["target_ohm"]) - 1 - float(row[error])) > SAME:
        yield f"{row['edge']}: {got} {row[got]} is not off by {row[error]} of {row['target_ohm']} ohm"


def programming(rows: Sequence[Row], there: Devices, trained: Sequence[Row]) -> Iterator[str]:
    """Yield what is wrong with programming.csv; `trained` are the rows of weights.csv."""
    edges = {row["edge"]: row for row in trained}
    windows = _windows(trained)
    scales: dict[str, str] = {}
    channels: dict[str, int] = {}
    for row in rows:
        scale, part = float(row["scale"]), row["part"]
        yield from _target(row, there, scale)
        yield from _error(row, "achieved_ohm", "error")
        if scales.setdefault(part, row["scale"]) != row["scale"]:
            yield f"{row['edge']}: the scale {row['scale']} is not that of the other codes of {one_line(part, 40)}"
        if int(row["channel"]) != channels.get(part, 0):
            yield f"{row['edge']}: channel {row['channel']} of {one_line(part, 40)} is out of order"
        channels[part] = int(row["channel"]) + 1
        yield from _code(row, windows)
        yield from _inside(row, edges.get(row["edge"], {}), scale)


def _code(row: Row, windows: Mapping[str, tuple[float, float]]) -> Iterator[str]:
    """Yield whether a code is not that of the resistance beside it, by the data sheet."""
    name, _, end = row["part"].partition(" ")
    known = {pot.part: pot for pot in POTENTIOMETERS}
    wanted: dict[str, float] = {}
    if name in known:
        pot, ends = known[name], 1e3 * float(end.removesuffix("k"))
        ohms = int(row["code"]) / pot.steps * ends
        wanted = {"achieved_ohm": ohms + pot.wiper, "achieved_ohm_worst_wiper": ohms + pot.wiper_most}
    elif name == MEMRISTOR:
        low, high = windows[row["edge"].partition("[")[0]]
        step = (high - low) / (int(end.removesuffix(" levels")) - 1)
        wanted = {"achieved_ohm": 1 / (low + int(row["code"]) * step)}
    for key, value in wanted.items():
        if not near(value, float(row[key])):
            yield f"{row['edge']}: code {row['code']} of {row['part']} is {value:.6g} ohm, not {row[key]}"


def _windows(trained: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """Return the conductances between which levels lie, by element: its window, or its values where that has no end."""
    values: dict[str, list[float]] = {}
    ends: dict[str, tuple[float, float]] = {}
    for row in trained:
        values.setdefault(row["element"], []).append(float(row["value"]))
        ends[row["element"]] = float(row["lowest"] or "nan"), float(row["highest"] or "nan")
    found = {}
    for element, (lowest, highest) in ends.items():
        low = lowest if lowest > 0 else min(values[element])
        high = highest if highest > low else max(values[element])
        found[element] = low, high if high > low else 2 * low
    return found


def _inside(row: Row, edge: Row, scale: float) -> Iterator[str]:
    """Yield whether a row is wrong about lying in the allowed band."""
    band = [float(edge.get(key) or "nan") for key in ("allowed_low", "allowed_high")]
    if row["inside_band"] == "" and not any(edge.get(key) for key in ("allowed_low", "allowed_high")):
        return
    got = 1 / (float(row["achieved_ohm"]) * scale)
    if any(near(got, end, 1e-6) for end in band):
        return  # a matter of rounding
    if row["inside_band"] != str(int(band[0] <= got <= band[1])):
        yield f"{row['edge']}: inside_band is {row['inside_band']}, {got:.6g} S, band {band[0]:.6g} to {band[1]:.6g}"


def one_list(bundle: Bundle) -> Iterator[str]:
    """Yield resistors that one table has and another lacks, or has under another name."""
    if not all(bundle.has(name) for name in ("weights.csv", "rounding.csv", "programming.csv")):
        return
    wanted = {(row["edge"], row["device"]) for row in table(bundle, "rounding.csv")}
    devices = {path for _, path in wanted}
    trained = {(row["edge"], path) for row in table(bundle, "weights.csv") for path in row["device"].split()}
    lists = {"weights.csv": {(edge, path) for edge, path in trained if path in devices}}
    for row in table(bundle, "programming.csv"):
        pair = row["edge"], row["device"]
        lists.setdefault(f"programming.csv, {one_line(row['part'], 40)}", set()).add(pair)
    for name, pairs in lists.items():
        for edge, path in sorted(pairs ^ wanted)[:1]:
            how = "missing" if (edge, path) in wanted else "too many"
            yield f"{name}: {one_line(edge, 40)} of {one_line(path, 60)} is {how} beside rounding.csv"
