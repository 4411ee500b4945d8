"""Command that fits a device to a measured current-voltage table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from eqcirc.devices.fit import Fit

_UNITS = {"current": "A", "voltage": "V", "slope": "1/V", "g1": "S", "v0": "V", "exponent": ""}


def fit(
    table: Annotated[
        Path,
        typer.Argument(
            help="Table of two columns, voltage and current; the header may name units.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="TOML file to write, for experiment files and find_diode."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file to draw: data, law, residual.")] = None,
    law: Annotated[Literal["esaki", "cubic"], typer.Option(help="Law to fit.")] = "esaki",
    series_ohms: Annotated[
        float, typer.Option(help="Known series resistance in ohms; its voltage is taken off first.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Fit a tunnel diode, or the cubic of FitzHugh and Nagumo, to a measured I-V table.

    Example: `eqcirc fit diode.csv -o diode.toml --plot diode.png`
    """
    from eqcirc.cli.output import print_json, print_table
    from eqcirc.data.iv_table import read_curve
    from eqcirc.devices.fit import fit as run_fit
    from eqcirc.devices.tunnel_diode import save_diode

    found = run_fit(read_curve(table), law, series_ohms)
    facts = _facts(found)
    if out is not None:
        save_diode(out, found.diode, facts)
    if plot is not None:
        _draw(plot, found, table.name)
    if as_json:
        print_json({"law": law} | {"values": found.values} | facts)
        return
    rows = [(name, value, _error(found.errors[name]), _unit(name)) for name, value in found.values.items()]
    print_table(["fitted value", "", "standard error", "unit"], rows)
    typer.echo("")
    pairs = zip(("peak", "valley"), (found.measured.peak, found.measured.valley), found.turns, strict=True)
    turns = [(name, *measured, *fitted) for name, measured, fitted in pairs]
    print_table(["", "measured (V)", "measured (A)", "law (V)", "law (A)"], turns)
    peak = found.measured.peak.current
    typer.echo(
        f"\nrms error {found.rms:.3g} A, up to the valley {found.rms_to_valley:.3g} A "
        f"({found.rms_to_valley / peak:.2%} of the peak current)"
    )
    for path in (out, plot):
        if path is not None:
            typer.echo(f"wrote {path}")


def _facts(found: Fit) -> dict[str, Any]:
    """Return how well the law fits, as plain values."""
    peak, valley = found.turns
    return {
        "table": found.measured.name,
        "points": len(found.measured.voltage),
        "rms": found.rms,
        "rms_to_valley": found.rms_to_valley,
        "standard_errors": found.errors,
        "measured_peak": list(found.measured.peak),
        "measured_valley": list(found.measured.valley),
        "peak": list(peak),
        "valley": list(valley),
        "centre": list(found.centre),
    }


def _error(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "not determined by this table"


def _unit(name: str) -> str:
    return _UNITS[name.rpartition("_")[2]]


def _draw(path: Path, found: Fit, title: str) -> None:
    from eqcirc.errors import ConfigError
    from eqcirc.report.fit import fit_figure

    try:
        fit_figure(path, found, title=title)
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error
