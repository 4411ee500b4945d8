"""Command that fits a device to a measured current-voltage table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from eqcirc.devices.fit import Fit

_UNITS = {"current": "A", "voltage": "V", "slope": "1/V", "g1": "S", "v0": "V", "exponent": ""}

_LOAD = 0.9  # of the largest resistance: the rest is for what the fit does not know
_DELAY = 0.15
"""Of the inductance L = R·C/(steepest fall) at which a neuron on its own would begin to oscillate."""


def fit(
    table: Annotated[
        Path,
        typer.Argument(
            help="Table of two columns, voltage and current; the header may name units.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="TOML file to write, for network.neurons.device and find_diode."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="PNG file to draw: data, law, residual.")] = None,
    law: Annotated[Literal["esaki", "cubic"], typer.Option(help="Law to fit.")] = "esaki",
    series_ohms: Annotated[
        float, typer.Option(help="Known series resistance in ohms; its voltage is taken off first.")
    ] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Write files even if the law does not fit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Fit a tunnel diode, or the cubic of FitzHugh and Nagumo, to a measured I-V table.

    Exit code 1, and no file, if the error up to the valley is more than a quarter of the peak current.

    Example: `eqcirc fit diode.csv -o diode.toml --plot diode.png`
    """
    from eqcirc.cli.output import print_json
    from eqcirc.data.iv_table import read_curve
    from eqcirc.devices.fit import POOR
    from eqcirc.devices.fit import fit as run_fit
    from eqcirc.devices.tunnel_diode import save_diode
    from eqcirc.errors import ConfigError
    from eqcirc.files import check_writable

    if out is not None and out.suffix != ".toml":
        raise ConfigError(
            f"--out {out}: expected a name that ends in .toml, which experiments know a device by"
        )
    check_writable(out, plot)
    found = run_fit(read_curve(table), law, series_ohms)
    facts = _facts(found)
    refused = found.misfit > POOR and not force
    if out is not None and not refused:
        save_diode(out, found.diode, facts)
    if plot is not None and not refused:
        _draw(plot, found, table.name)
    if as_json:
        print_json({"law": law} | {"values": found.values} | facts)
    else:
        _print(found)
        if not refused:
            typer.echo(
                "\n".join(["", *_next(found, out), *(f"wrote {path}" for path in (out, plot) if path)])
            )
    if refused:
        typer.secho(
            f"error: {table}: this law does not fit: its error up to the valley is {found.misfit:.0%} of the peak "
            f"current, expected at most {POOR:.0%}; nothing was written. Are columns and units right (voltage, then "
            "current, or a header that names them), and --series-ohms? See it with --force --plot fit.png",
            fg=typer.colors.RED,
            err=True,
        )
        raise typer.Exit(1)


def _print(found: Fit) -> None:
    """Print the fitted values and how well they fit."""
    from eqcirc.cli.output import print_table

    rows = [(name, value, _error(found.errors[name]), _unit(name)) for name, value in found.values.items()]
    print_table(["fitted value", "", "standard error", "unit"], rows)
    typer.echo("")
    pairs = zip(("peak", "valley"), (found.measured.peak, found.measured.valley), found.turns, strict=True)
    turns = [(name, *measured, *fitted) for name, measured, fitted in pairs]
    print_table(["", "measured (V)", "measured (A)", "law (V)", "law (A)"], turns)
    typer.echo(
        f"\nrms error {found.rms:.3g} A, up to the valley {found.rms_to_valley:.3g} A "
        f"({found.misfit:.2%} of the peak current)"
    )


def _next(found: Fit, out: Path | None) -> list[str]:
    """Return what one needs to know to make neurons of the diode."""
    import tomli_w

    from eqcirc.circuit.neuron import Neuron
    from eqcirc.devices import CubicDevice

    v, i = found.fall
    load = found.diode.largest_load
    where = "junction " if found.series_resistance else ""
    fact = f"steepest fall {found.law.steepest_fall:.4g} S, at a {where}voltage of {v:.4g} V and {i:.4g} A"
    if not load:
        return [f"{fact}; behind its series resistance the diode has several states at any load"]
    ohms = _LOAD * load
    lines = [
        f"{fact}; a load below {load:.4g} ohm leaves one operating point",
        "",
        f"For an experiment file{'' if out else ', once -o has written the diode'}:",
        "",
        "[network.neurons]",
        tomli_w.dumps({"device": str(out.absolute() if out else "diode.toml")}).strip(),
        'rest = "fall"',
        'bias = "fall"',
        f"resistance = {_rounded(ohms)}  # ohm; rl",
        f"inductance = {_rounded(_DELAY * ohms * Neuron().capacitance * load)}  # H; rl: too little to oscillate",
        "",
    ]
    if isinstance(found.law, CubicDevice):
        lines.insert(
            1, "The file counts voltage and current from there: its neurons rest at 0 V without bias."
        )
    return lines


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


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
        "fall": list(found.fall),
        "steepest_fall": found.law.steepest_fall,
        "largest_load": found.diode.largest_load,
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
