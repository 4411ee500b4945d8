"""The golden vectors of a bundle, and how far what a simulator found is from them.

Tolerances stand in the bundle; whoever could change a value could change them, too, so they are taken only up to what a
bundle of eqcirc has.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from eqcirc.errors import DataError
from eqcirc.signoff.bundle import Bundle
from eqcirc.signoff.engines import Vectors
from eqcirc.text import one_line
from eqcirc.typing import Array

COLUMNS = ("vector", "phase", "kind", "name", "value", "abs_tol", "rel_tol")
KINDS = ("apply", "feed", "node", "branch")
MOST_VOLTS = 1e-6  # of an absolute tolerance
MOST_RELATIVE = 1e-6  # of a relative one; of the largest current, too
NO_CURRENT = 1e-12  # A; below, a current is none
INSTANCE = "x_dut"
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Quantity:
    """One number that every vector has.

    Attributes:
        kind: "apply" a voltage, "feed" a current, "node" voltage expected, "branch" current expected.
        name: of the pin or net.
        values: (vectors,).
        tolerance: (vectors,) how far a simulator may be off.
    """

    kind: str
    name: str
    values: Array
    tolerance: Array


def read_golden(bundle: Bundle, path: str = "golden.csv") -> list[Quantity]:
    """Return all quantities.

    Raises:
        DataError: the table lacks something, or holds what is no number.
    """
    try:
        table = pd.read_csv(io.StringIO(bundle.text(path)), dtype={"name": str, "phase": str, "kind": str})
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} cannot be read as a table: {one_line(error)}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(COLUMNS)}; {', '.join(missing)} are missing"
        )
    count = bundle.manifest.vectors
    found = []
    for (kind, name), part in table.groupby(["kind", "name"], sort=False):
        try:
            values, absolute, relative = (
                part[column].to_numpy(np.float64) for column in ("value", "abs_tol", "rel_tol")
            )
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}, {one_line(name, 40)}: expected numbers") from error
        if part["vector"].tolist() != list(range(count)) or not np.isfinite(values).all():
            what = f"{one_line(kind, 20)} {one_line(name, 40)}"
            raise DataError(f"{path}, {what}: expected a finite number for each of {count} vectors")
        found.append((str(kind), str(name), values, absolute, relative))
    _check_complete(bundle, path, {(kind, name) for kind, name, *_ in found})
    largest = max((float(np.abs(v).max()) for kind, _, v, *_ in found if kind == "branch"), default=0.0)
    most = {"branch": MOST_RELATIVE * max(largest, NO_CURRENT)}
    return [
        Quantity(kind, name, v, _tolerance(v, absolute, relative, most.get(kind, MOST_VOLTS)))
        for kind, name, v, absolute, relative in found
    ]


def _tolerance(values: Array, absolute: Array, relative: Array, most: float) -> Array:
    absolute, relative = np.nan_to_num(absolute), np.nan_to_num(relative)
    return np.clip(absolute, 0, most) + np.clip(relative, 0, MOST_RELATIVE) * np.abs(values)


def _check_complete(bundle: Bundle, path: str, found: set[tuple[str, str]]) -> None:
    """Raise `DataError` unless there is something known of every port."""
    for port in bundle.manifest.ports:
        wanted = ("node",) if port.direction == "output" else ("apply", "branch")
        for kind in wanted:
            if (kind, port.name) not in found:
                raise DataError(f"{path}: there is no {kind} of port {port.name}")
    for kind, name in found:
        if kind not in KINDS:
            raise DataError(f"{path}, {one_line(name, 40)}: expected one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class Difference:
    """How far a simulator is from the golden vectors.

    Attributes:
        volts: the largest difference of a voltage.
        amperes: the same of a current.
        compared: how many numbers were compared.
        problems: what is off by more than it may, the worst first.
    """

    volts: float
    amperes: float
    compared: int
    problems: list[str]

    @property
    def numbers(self) -> dict[str, float]:
        """Key figures of a report."""
        return {"largest_difference_V": self.volts, "largest_difference_A": self.amperes}


def compare(
    golden: list[Quantity],
    found: Vectors,
    ports: set[str],
    *,
    volts: float = 0.0,
    amperes: float = 0.0,
    partly: bool = False,
) -> Difference:
    """Compare what a simulator found at all vectors.

    Args:
        golden: what is expected.
        found: by name, a value for each vector.
        ports: names of the ports; all other nets are within the circuit.
        volts: how much more voltages may be off.
        amperes: how much more currents may be off.
        partly: whether the simulator may leave out nets that are no ports.

    Raises:
        DataError: something was not computed.
    """
    worst: dict[str, float] = {"V": 0.0, "A": 0.0}
    off: list[tuple[float, str]] = []
    compared = 0
    for quantity in golden:
        if quantity.kind == "feed":
            continue
        name = _called(quantity, ports)
        values = found.get(name)
        if values is None and partly and (quantity.kind == "apply" or quantity.name not in ports):
            continue
        if values is None or len(values) != len(quantity.values):
            raise DataError(f"{one_line(name, 60)} was not computed for {len(quantity.values)} vectors")
        unit, more = ("A", amperes) if quantity.kind == "branch" else ("V", volts)
        difference = np.abs(values - quantity.values)
        difference[~np.isfinite(values)] = np.inf
        worst[unit] = max(worst[unit], float(difference.max()))
        compared += len(values)
        excess = difference - (_least(quantity) + more)
        k = int(np.argmax(excess))
        if excess[k] > 0:
            off.append((float(excess[k]), _said(quantity, name, k, float(values[k]), unit)))
    off.sort(key=lambda pair: -pair[0])
    problems = [text for _, text in off[:SHOWN]]
    if len(off) > SHOWN:
        problems.append(f"and {len(off) - SHOWN} more voltages or currents")
    return Difference(worst["V"], worst["A"], compared, problems)


def _called(quantity: Quantity, ports: set[str]) -> str:
    """Return what test benches call a quantity."""
    if quantity.kind == "branch":
        return f"i(v_{quantity.name})"
    return f"v({quantity.name})" if quantity.name in ports else f"v({INSTANCE}.{quantity.name})"


def _least(quantity: Quantity) -> Array:
    """Return the tolerance; what a test bench applies has no more than rounding."""
    if quantity.kind == "apply":
        return 1e-9 + 1e-9 * np.abs(quantity.values)
    return quantity.tolerance


def _said(quantity: Quantity, name: str, vector: int, value: float, unit: str) -> str:
    expected = float(quantity.values[vector])
    off = value - expected
    return f"vector {vector}: {name} = {value:.9g} {unit}, expected {expected:.9g} {unit} (off by {off:.2g})"


def at_vectors(found: dict[str, Any], held: bool, count: int) -> Vectors:
    """Return what was computed at each vector, without the points that only lead there.

    Raises:
        DataError: the sweep did not come to every vector.
    """
    if held:
        kept = np.asarray(found.get("v(eq_hold)", np.empty(0))) == 0
        found = {name: np.asarray(x)[kept] for name, x in found.items()}
    which = np.asarray(found.get("v(eq_vector)", np.empty(0)))
    if which.tolist() != list(range(count)):
        raise DataError(f"expected a sweep over {count} vectors, got {len(which)} points")
    return found
