"""Tables of voltages and currents: limits.csv and pins.csv follow from golden.csv."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO

import numpy as np
import pandas as pd

from eqcirc.devices import ShockleyDiode
from eqcirc.devices.base import figure
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.csvs import Row, near
from eqcirc.signoff.devices import Device, Devices, device_at
from eqcirc.signoff.gate import statements
from eqcirc.signoff.golden import Quantity
from eqcirc.text import one_line
from eqcirc.typing import Array

UNITS = {"apply": "V", "feed": "A", "node": "V", "branch": "A"}
_LOADS = {"V": "v_max_V", "A": "i_max_A", "W": "p_max_W"}

Volts = dict[str, Array]


def volts_of(golden: Sequence[Quantity]) -> Volts:
    """Return the voltages of all nets, one for each vector."""
    return {q.name: q.values for q in golden if q.kind in ("apply", "node")}


def vectors(bundle: Bundle) -> Iterator[str]:
    """Yield where golden.csv does not say the same of every number of a vector or kind: phase, unit, tolerances."""
    frame = pd.read_csv(StringIO(bundle.text("golden.csv")), dtype=str, keep_default_na=False)
    for key in ("sample", "phase"):
        if (frame.groupby("vector")[key].nunique() > 1).any():
            yield f"a vector has several entries of {key}"
    phases = frame.drop_duplicates("vector")["phase"].tolist()
    count = len(dict.fromkeys(phases))
    samples = frame.drop_duplicates("vector")["sample"].tolist()
    if phases != phases[:count] * (len(phases) // count) or samples != [
        str(k // count) for k in range(len(samples))
    ]:
        yield "samples are not in order, each with all its phases"
    for kind, part in frame.groupby("kind"):
        if set(part["unit"]) != {UNITS.get(str(kind), "")}:
            yield f"{one_line(kind, 20)} is in {one_line(sorted(set(part['unit'])), 40)}"
        if part[["abs_tol", "rel_tol"]].drop_duplicates().shape[0] > 1:
            yield f"{one_line(kind, 20)} has several tolerances"


def limits(rows: Sequence[Row], there: Devices, volts: Volts, bundle: Bundle) -> Iterator[str]:
    """Yield what is wrong with limits.csv."""
    phases, laws = bundle.manifest.phases, models(bundle)
    seen: set[str] = set()
    for row in rows:
        path = row["device"]
        device, letter = device_at(path, there), path.rpartition(".")[2][0]
        if device is None:
            yield f"dut.sp has no {one_line(path, 60)}"
            continue
        if phases and row["worst_phase"] != phases[int(row["worst_vector"]) % len(phases)]:
            yield f"{path}: vector {row['worst_vector']} is no {one_line(row['worst_phase'], 20)}"
        yield from _margin(row, bundle.manifest.ratings.get(letter.replace("h", "r"), {}))
        if path in seen:
            yield f"{path} is there twice"
        seen.add(path)
        if path in there and letter in "rcd" and all(net in volts for net in device.nets):
            yield from _borne(row, device, volts, laws)
        elif float(row["p_max_W"]) > float(row["v_max_V"]) * float(row["i_max_A"]) * (1 + 1e-6):
            yield f"{path}: {row['p_max_W']} W are more than {row['v_max_V']} V times {row['i_max_A']} A"


def _borne(row: Row, device: Device, volts: Volts, laws: Mapping[str, ShockleyDiode]) -> Iterator[str]:
    """Yield whether a device bears something else at the golden vectors, by its value or the law of its model."""
    across = volts[device.nets[0]] - volts[device.nets[1]]
    through, value = np.zeros_like(across), device.value or np.nan
    if device.model:
        law = laws[device.model]
        through = value * law.evaluate(across)[0] + law.leak * across
    elif row["device"].rpartition(".")[2].startswith("r"):
        through = across / value
    watts = np.abs(across * through)
    loads = {"v_max_V": np.abs(across).max(), "i_max_A": np.abs(through).max(), "p_max_W": watts.max()}
    for key, load in loads.items():
        if not abs(float(row[key]) - load) <= 1e-6 * load + 1e-15:
            yield f"{row['device']}: {key} is {row[key]}, by golden.csv {load:.9g}"
    if not watts[int(row["worst_vector"])] >= (1 - 1e-6) * watts.max():
        yield f"{row['device']} bears less in vector {row['worst_vector']} than in {watts.argmax()}"


def models(bundle: Bundle) -> dict[str, ShockleyDiode]:
    """Return the laws of the models of diodes in models.sp."""
    found = {}
    for _, statement in statements(bundle.text("models.sp")) if bundle.has("models.sp") else ():
        first, *words = statement.split()
        if first == ".model":
            values = dict(word.split("=") for word in words[2:])
            found[words[0]] = ShockleyDiode(float(values["is"]), float(values["n"]))
    return found


def _margin(row: Row, ratings: dict[str, float]) -> Iterator[str]:
    """Yield whether ratings are not those that were given, or the margin is not the least of rating over load."""
    for unit in _LOADS:
        if float(row[f"rating_{unit}"] or "inf") != ratings.get(unit, float("inf")):
            yield f"{row['device']}: rating_{unit} is {row[f'rating_{unit}']}, {ratings.get(unit)} in MANIFEST.json"
    loads = {unit: float(row[key]) for unit, key in _LOADS.items()}
    wanted = min((ratings[u] / loads[u] for u in ratings if loads.get(u, 0) > 0), default=float("inf"))
    if not (row["margin"] == "" if wanted == float("inf") else near(float(row["margin"] or "nan"), wanted)):
        yield f"{row['device']}: margin is {row['margin']}, by its ratings and loads {wanted:.9g}"


def pins(rows: Sequence[Row], golden: Sequence[Quantity], bundle: Bundle) -> Iterator[str]:
    """Yield what is wrong with pins.csv."""
    known = {(q.kind, q.name): q.values for q in golden}
    features: dict[str, Array] = {}
    for k, (row, port) in enumerate(zip(rows, bundle.manifest.ports, strict=False), start=1):
        pin = row["pin"]  # `headers` counts and orders them
        if row["direction"] != port.direction or row["position"] != str(k):
            found = f"{row['direction']} at {row['position']}"
            yield f"{pin} is {one_line(found, 40)}, {port.direction} at {k} in MANIFEST.json"
        volts = known.get(("apply", pin), known.get(("node", pin), np.empty(0)))
        flows = known.get(("branch", pin), known.get(("feed", pin), np.zeros(1)))
        wanted = {"v_min_V": volts.min(), "v_max_V": volts.max(), "i_max_A": np.abs(flows).max()}
        if port.direction in ("supply", "common"):
            wanted["fixed_V"] = volts[0]
        for key, value in wanted.items():
            if not abs(float(row[key]) - value) <= 1e-6 * abs(value) + 1e-15:
                yield f"{pin}: {key} is {row[key]}, by golden.csv {value:.9g}"
        yield from _meaning(row, volts, features)


def _meaning(row: Row, volts: Array, features: dict[str, Array]) -> Iterator[str]:
    """Yield whether a pin does not say of itself what its columns say, or applies another feature than its like."""
    said = ""
    if row["direction"] == "input":
        gain, offset = float(row["gain_V"]), float(row["offset_V"])
        more = f" + {figure(offset)} V" if offset else ""
        said = f"{figure(gain)} V * feature {row['feature']}{more}"
        feature = (volts - offset) / gain if gain else np.zeros_like(volts)
        other = features.setdefault(row["feature"], feature) if gain else feature
        if np.abs(feature - other).max() > 1e-6 * max(1.0, float(np.abs(other).max())):
            yield f"{row['pin']} applies another feature {one_line(row['feature'], 20)} than pins before"
    elif row["direction"] == "supply":
        said = f"{figure(float(row['fixed_V']))} V"
    if said and row["meaning"].removeprefix("'") != said:
        yield f"{row['pin']}: means {one_line(row['meaning'], 60)}, by its columns {said}"


def complete(there: Devices, volts: Volts) -> Iterator[str]:
    """Yield nets whose voltage nobody would compare; those between a resistor and its coil have none of their own."""
    nets = {net for device in there.values() for net in device.nets if not net.startswith("eq_")}
    for net in sorted(nets - volts.keys()):
        yield f"no voltage of net {one_line(net, 60)}"
