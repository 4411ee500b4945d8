"""Tables of a bundle against its netlist: what is bought, fitted and programmed is what was simulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from eqcirc.errors import DataError
from eqcirc.layout.process import LAYERS, MEANING
from eqcirc.signoff import edges, loads, mismatch, scores
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.check import Outcome, Skipped
from eqcirc.signoff.csvs import Row, table
from eqcirc.signoff.devices import devices
from eqcirc.signoff.golden import read_golden
from eqcirc.signoff.layouts import subcircuits
from eqcirc.text import counted, one_line

TABLES = (
    *("weights.csv", "rounding.csv", "programming.csv", "limits.csv", "pins.csv", "mc_samples.csv"),
    *("mc_results.csv", "scores.csv", "corners.csv", "layout/layers.csv", "board/bom.csv", "board/parts.csv"),
)
_SHOWN = 5
BEARS_WATTS, BEARS_VOLTS = 0.1, 75.0  # Yageo RC0603, data sheet "RC_L"

T = TypeVar("T")


def same(bundle: Bundle) -> Outcome:
    """Hold every table against dut.sp, models.sp and golden.csv, and against one another."""
    bundle.need("dut.sp", "golden.csv")
    there, golden = devices(bundle), read_golden(bundle)
    volts = loads.volts_of(golden)
    blocks = subcircuits(bundle.text("models.sp")) if bundle.has("models.sp") else {}
    found = {name: table(bundle, name) for name in TABLES if bundle.has(name)}
    trained = found.get("weights.csv", [])
    checks: dict[str, Callable[[Sequence[Row]], Iterator[str]]] = {
        "weights.csv": lambda rows: edges.weights(rows, there, blocks, bundle),
        "rounding.csv": lambda rows: edges.rounding(rows, there),
        "programming.csv": lambda rows: edges.programming(rows, there, trained),
        "limits.csv": lambda rows: loads.limits(rows, there, volts, bundle),
        "pins.csv": lambda rows: loads.pins(rows, golden, bundle),
        "mc_samples.csv": lambda rows: mismatch.samples(rows, bundle),
        "mc_results.csv": lambda rows: mismatch.results(rows, bundle),
        "layout/layers.csv": _layers,
        "board/bom.csv": lambda rows: _bom(rows, found["board/parts.csv"], found.get("limits.csv", [])),
    }
    problems: list[str] = []
    for name in (name for name in checks if name in found):
        problems += [f"{name}: {problem}" for problem in _read(name, checks[name], found[name])]
    problems += [
        f"golden.csv: {problem}" for problem in (*loads.complete(there, volts), *loads.vectors(bundle))
    ]
    problems += edges.one_list(bundle)
    scored = {name: found[name] for name in scores.TABLES if name in found}
    problems += _read("scores.csv", scores.problems, scored)
    problems += mismatch.spread(bundle)
    count = sum(map(len, found.values()))
    if not count:
        raise Skipped("the bundle has no tables")
    if len(problems) > _SHOWN:
        problems = [*problems[:_SHOWN], f"and {len(problems) - _SHOWN} more"]
    return Outcome(
        problems, f"{counted(count, 'row')} of tables and parts lists against dut.sp and golden.csv"
    )


def _read(name: str, check: Callable[[T], Iterator[str]], found: T) -> list[str]:
    """Return what a check of a table finds.

    Raises:
        DataError: the table is another one.
    """
    try:
        return list(check(found))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"{name}: expected the table that 'eqcirc export' writes; {one_line(error)}"
        ) from error


def _layers(rows: Sequence[Row]) -> Iterator[str]:
    there = {row["layer"]: (row["gds_layer"], row["gds_datatype"], row["meaning"]) for row in rows}
    for name, (layer, kind) in LAYERS.items():
        wanted = str(layer), str(kind), MEANING[name]
        if there.get(name) != wanted:
            yield f"{name} is {one_line(there.get(name), 80)}, in crossbars.gds {one_line(wanted, 80)}"


def _bom(bom: Sequence[Row], parts: Sequence[Row], limits: Sequence[Row]) -> Iterator[str]:
    """Yield where what is bought is not what the list of parts says, or is said to bear other loads than it does."""
    wanted, loads_of = {row["designator"]: row for row in parts}, {row["device"]: row for row in limits}
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
            elif (asked := _asked(name, loads_of.get(part["device"]))) and (row["Power"], row["MPN"]) != (
                asked,
                "",
            ):
                yield f"{name} is to bear {one_line(row['Power'], 40)!r}, by limits.csv it {asked}: no part to order"
            elif not asked and row["Power"].lower().startswith("bears"):
                yield f"{name} {one_line(row['Power'], 60)}, which limits.csv does not say"
            elif row["Comment"] != row["Value"] or not _ordered(row):
                yield f"{name} is {row['Value']}, ordered is {one_line(' '.join(row.values()), 120)}"
    if wanted:
        yield f"lacks {one_line(', '.join(wanted), 80)}"


def _asked(name: str, load: Row | None) -> str:
    """Say what a resistor bears, by its row of limits.csv, if that is more than the part that is ordered by default."""
    if load is None or not name.startswith("R"):
        return ""
    volts, watts = float(load["v_max_V"]), float(load["p_max_W"])
    return f"bears {watts:.3g} W and {volts:.3g} V" if watts > BEARS_WATTS or volts > BEARS_VOLTS else ""


def _ordered(row: Row) -> bool:
    """Whether a number of Yageo's is that of the value; other numbers are not known here."""
    begin, end = "RC0603FR-07", "L"
    if not (row["MPN"].startswith(begin) and row["MPN"].endswith(end)):
        return row["MPN"] == row["Manufacturer"] == ""
    if (row["Manufacturer"], row["Tolerance"], row["Power"]) != ("Yageo", "1 %", "0.1 W"):
        return False
    code = row["MPN"].removeprefix(begin).removesuffix(end)
    letter = next((x for x in "RKM" if x in code), "R")
    value = row["Value"]
    factor = {"M": "M", "k": "K"}.get(value[-1:], "R")
    digits = value[:-1] if factor != "R" else value
    return letter == factor and float(code.replace(letter, ".") or "nan") == float(digits)
