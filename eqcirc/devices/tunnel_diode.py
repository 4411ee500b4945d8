"""A whole diode, mostly a tunnel diode: the law of its junction, and what surrounds the junction.

    anode ── series resistance ── series inductance ──┬── junction ──┬── cathode
                                                      └ capacitance ─┘

`CircuitBuilder.device` and `Neuron` take one wherever they take a law. An inner node stands between lead and junction.

File      TOML: device = "esaki", "cubic", "polynomial", "shockley" or "table", the fields of that law, those of
          `TunnelDiode`; a table [fit], which `eqcirc fit` adds, says how well the law fits and is not read. What is
          left out has its default.
Left out  how the capacitance depends on voltage, and temperature
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tomli_w

from eqcirc.devices.base import Law, in_range
from eqcirc.devices.diode import ShockleyDiode
from eqcirc.devices.iv_curve import IVCurve, Point
from eqcirc.devices.polynomial import PolynomialDevice
from eqcirc.devices.table import TableDevice
from eqcirc.devices.tunnel import CubicDevice, EsakiDiode
from eqcirc.errors import CircuitError, ConfigError, nearest
from eqcirc.files import write_output
from eqcirc.typing import Array

LAWS: dict[str, type[CubicDevice | EsakiDiode | PolynomialDevice | ShockleyDiode | TableDevice]] = {
    "cubic": CubicDevice,
    "esaki": EsakiDiode,
    "polynomial": PolynomialDevice,
    "shockley": ShockleyDiode,
    "table": TableDevice,
}


class NShaped(Law, Protocol):
    """A law whose current falls somewhere."""

    @property
    def fall_voltage(self) -> float:
        """Where the slope of the current is smallest, in volts."""
        ...


@dataclass(frozen=True)
class TunnelDiode:
    """A diode of area 1; one of area a has 1/a of the series resistance and a times the capacitance.

    Attributes:
        law: of the junction.
        series_resistance: of bulk and leads, in ohms; 0 for none, or not known.
        capacitance: of the junction, in farads; 0 for none, or not known.
        inductance: of the leads, in henries, in series with the resistance; 0 for none, or not known.
        source: where the numbers come from.
    """

    law: NShaped | ShockleyDiode
    series_resistance: float = 0.0
    capacitance: float = 0.0
    inductance: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        """Check the ranges."""
        in_range("tunnel diode", "series resistance", self.series_resistance, 0.0, 1e9, "ohm")
        in_range("tunnel diode", "capacitance", self.capacitance, 0.0, 1.0, "F")
        in_range("tunnel diode", "inductance", self.inductance, 0.0, 1.0, "H")
        if self.inductance and not self.series_resistance:
            raise CircuitError(
                f"tunnel diode: an inductance of {self.inductance:g} H needs a series resistance; give it one"
            )

    @property
    def fall(self) -> Point:
        """Where the current falls most steeply: the voltage across the whole diode, and the current.

        Raises:
            CircuitError: it never falls.
        """
        if isinstance(self.law, ShockleyDiode) or not self.law.steepest_fall:
            raise CircuitError(
                f"{type(self.law).__name__}: its current never falls (in a tunnel diode, excess and diode current "
                "outweigh the tunnel current); give it another law"
            )
        v = self.law.fall_voltage
        current = float(self.law.evaluate(np.array([v]))[0][0])
        return Point(v + self.series_resistance * current, current)

    @property
    def largest_load(self) -> float:
        """Load resistance in ohms below which there is one operating point, whatever the supply; 0 for none.

        It is 1/(steepest fall) of the whole diode: the leads take their part.
        """
        fall = self.law.steepest_fall
        return max(0.0, 1 / fall - self.series_resistance) if fall else np.inf

    def curve(self, high: float, points: int = 4001) -> IVCurve:
        """Return the current over the voltage across the whole diode, for junction voltages from 0 to `high` volts.

        Raises:
            CircuitError: with its leads the current is no function of the voltage.
        """
        if not self.largest_load:
            raise CircuitError(
                f"tunnel diode: with {self.series_resistance:g} ohm in series the current is no function of the "
                f"voltage; expected less than {1 / self.law.steepest_fall:.4g} ohm, 1/(steepest fall)"
            )
        v, i = self._junction(high, points)
        return IVCurve(v + self.series_resistance * i, i, "tunnel diode")

    def forward_voltage(self, high: float) -> float:
        """Return the voltage beyond the valley at which the current is again that of the peak, or NaN."""
        v, i = self._junction(high)
        turns = IVCurve(v, i, "tunnel diode")
        above = np.flatnonzero((v > turns.valley.voltage) & (i >= turns.peak.current))
        return float((v + self.series_resistance * i)[above[0]]) if above.size else float("nan")

    def _junction(self, high: float, points: int = 4001) -> tuple[Array, Array]:
        v = np.linspace(0.0, high, points)
        return v, self.law.evaluate(v)[0]


_OWN = ("series_resistance", "capacitance", "inductance", "source")


def save_diode(path: Path, diode: TunnelDiode, fit: dict[str, Any] | None = None) -> None:
    """Write a diode, and the table [fit] if given.

    Raises:
        ConfigError: its law has no name in `LAWS`, or the file cannot be written.
    """
    name = next((name for name, law in LAWS.items() if type(diode.law) is law), None)
    if name is None:
        raise ConfigError(
            f"cannot write a diode of law {type(diode.law).__name__}; expected {', '.join(LAWS)}"
        )
    law = {field.name: getattr(diode.law, field.name) for field in fields(LAWS[name])}
    content = {"device": name} | law | {key: getattr(diode, key) for key in _OWN}
    write_output(path, tomli_w.dumps(content | ({"fit": fit} if fit else {})).encode())


def read_diode(path: Path) -> TunnelDiode:
    """Read a diode that `save_diode` or `eqcirc fit` wrote.

    Raises:
        ConfigError: no such file, not TOML, an unknown or missing key, or a value that is no number.
        CircuitError: a value is out of range.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(
            f"no file of a diode {path}: {error.strerror}; write one with 'eqcirc fit'"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    content.pop("fit", None)
    name = content.pop("device", None)
    if name not in LAWS:
        raise ConfigError(f"{path}: expected device = one of {', '.join(LAWS)}, got {name!r}")
    law = LAWS[name]
    known = [field.name for field in fields(law)]
    unknown = [key for key in content if key not in known and key not in _OWN]
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}: {nearest(unknown[0], [*known, *_OWN])}")
    values = {key: _value(path, key, value) for key, value in content.items()}
    own = {key: values.pop(key) for key in _OWN if key in values}
    try:
        return TunnelDiode(law(**values), **own)
    except CircuitError as error:
        raise CircuitError(f"{path}: {error}") from error
    except TypeError as error:  # of a law without defaults
        raise ConfigError(f"{path}: device = {name!r} needs the keys {', '.join(known)}") from error


def _value(path: Path, key: str, value: Any) -> Any:
    if key == "source":
        return str(value)
    try:
        return tuple(float(x) for x in value) if isinstance(value, list) else float(value)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {key}: expected a number, got {value!r}") from error
