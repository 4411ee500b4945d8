"""Command that fits a device to a measured current-voltage table."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from eqcirc.devices.fit import Fit
    from eqcirc.devices.iv_curve import IVCurve
    from eqcirc.devices.plain_fit import PlainFit

Device = Literal["tunnel", "diode", "polynomial"]

_UNITS = {
    "current": "A",
    "voltage": "V",
    "slope": "1/V",
    "g1": "S",
    "v0": "V",
    "exponent": "",
    "resistance": "ohm",
}

_LOAD = 0.9  # of the largest resistance: the rest is for what the fit does not know
_DELAY = 0.15
"""Of the inductance L = R·C/(steepest fall) at which a neuron on its own would begin to oscillate."""


def fit(
    table: Annotated[
        Path,
        typer.Argument(
            help="Table of voltages and currents; the header may name units and columns.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="TOML file to write, for network.neurons.device and find_diode."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture to draw, .png, .pdf or .svg: data, law, residual.")
    ] = None,
    device: Annotated[
        Device,
        typer.Option(help="tunnel: N-shaped, see --law; diode: IS, N and series resistance; polynomial."),
    ] = "tunnel",
    law: Annotated[
        Literal["esaki", "cubic"] | None, typer.Option(help="Law of a tunnel device; esaki by default.")
    ] = None,
    degree: Annotated[int | None, typer.Option(min=1, help="Of a polynomial; 6 by default.")] = None,
    series_ohms: Annotated[
        float | None,
        typer.Option(
            help="Known series resistance in ohms, whose voltage is taken off. Left out, a diode's is fitted."
        ),
    ] = None,
    voltage: Annotated[
        str | None,
        typer.Option(help="Column with the voltage: its name, or its number from 1; -NAME turns the sign."),
    ] = None,
    current: Annotated[str | None, typer.Option(help="Column with the current, the same way.")] = None,
    leave_out: Annotated[
        str | None,
        typer.Option(help="LOW:HIGH in volts: points between are not fitted, such as those on a shelf."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write files even if the law does not fit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Fit a tunnel diode, the cubic of FitzHugh and Nagumo, an ordinary diode or a polynomial to a measured I-V table.

    Exit code 1, and no file, if the law does not fit, or if the measured fall is that of an oscillation or a jump.

    Example: `eqcirc fit diode.csv -o diode.toml --plot diode.pdf`
    """
    from eqcirc.cli.output import print_json
    from eqcirc.data.iv_table import read_curve
    from eqcirc.devices.tunnel_diode import save_diode
    from eqcirc.errors import ConfigError
    from eqcirc.files import check_writable
    from eqcirc.report.picture import picture_format

    if out is not None and out.suffix != ".toml":
        raise ConfigError(
            f"--out {out}: expected a name that ends in .toml, which experiments know a device by"
        )
    check_writable(out, plot)
    if plot is not None:
        picture_format(plot)
    _check_options(device, law, degree, series_ohms)
    curve = read_curve(table, voltage, current, falls=device == "tunnel")
    found = _fitted(curve, device, law, degree, series_ohms, _between(leave_out))
    facts = _facts(found)
    problem = _problem(found)
    refused = problem is not None and not force
    if out is not None and not refused:
        save_diode(out, found.diode, facts)
    if plot is not None and not refused:
        _draw(plot, found, table.name)
    if as_json:
        kind = {"law": law or "esaki"} if device == "tunnel" else {}
        print_json({"device": device, **kind, "values": found.values} | facts)
    else:
        _print(found)
        if not refused:
            written = [f"wrote {path}" for path in (out, plot) if path]
            typer.echo("\n".join(["", *_next(found, out), *written]))
    if refused:
        typer.secho(
            f"error: {table}: {problem}; nothing was written. --force writes all the same",
            fg=typer.colors.RED,
            err=True,
        )
        raise typer.Exit(1)


def _check_options(device: Device, law: str | None, degree: int | None, ohms: float | None) -> None:
    """Raise `ConfigError` for an option that does nothing with this device."""
    from eqcirc.errors import ConfigError

    given = {"--law": ("tunnel", law), "--degree": ("polynomial", degree)}
    for option, (only, value) in given.items():
        if value is not None and device != only:
            raise ConfigError(
                f"{option} does nothing with --device {device}, only with --device {only}; leave it out"
            )
    if device == "polynomial" and ohms is not None:
        raise ConfigError("--series-ohms does nothing with --device polynomial, which is of the whole device")


def _between(text: str | None) -> tuple[float, float] | None:
    """Return the two voltages of --leave-out."""
    from eqcirc.errors import ConfigError

    if text is None:
        return None
    try:
        low, high = map(float, text.split(":"))
    except ValueError as error:
        raise ConfigError(f"--leave-out {text}: expected two voltages, LOW:HIGH, such as 0.08:0.3") from error
    return low, high


def _fitted(
    curve: IVCurve,
    device: Device,
    law: Literal["esaki", "cubic"] | None,
    degree: int | None,
    ohms: float | None,
    leave_out: tuple[float, float] | None,
) -> Fit | PlainFit:
    from eqcirc.devices.fit import fit as fit_tunnel
    from eqcirc.devices.plain_fit import fit_diode, fit_polynomial

    if device == "diode":
        return fit_diode(curve, ohms, leave_out=leave_out)
    if device == "polynomial":
        return fit_polynomial(curve, degree or 6, leave_out=leave_out)
    return fit_tunnel(curve, law or "esaki", ohms or 0.0, leave_out=leave_out)


def _problem(found: Fit | PlainFit) -> str | None:
    """Return why a fit is none, if it is none."""
    from eqcirc.devices import fit, plain_fit

    if isinstance(found, plain_fit.PlainFit):
        poor = found.limits[1]
        if found.misfit <= poor:
            return None
        return (
            f"this law does not fit: its error is {found.misfit:.0%} of {plain_fit.of_what(found)}, expected at most "
            f"{poor:.0%}. Are columns and units right (voltage, then current, or a header that names them)?"
        )
    flaw = found.flaw
    if flaw is not None and flaw.kind != "gap":
        option = f"--leave-out {flaw.low:.4g}:{flaw.high:.4g}"
        return (
            f"a {flaw.kind} on the fall is not the diode's: measure it without, or fit the rest with {option}"
        )
    if math.isnan(found.turns[0].voltage):
        return "the law that comes nearest to the table does not fall as an N-shaped device does; is it one?"
    if found.misfit <= fit.POOR:
        return None
    return (
        f"this law does not fit: its error up to the valley is {found.misfit:.0%} of the peak current, expected at "
        f"most {fit.POOR:.0%}. Are columns and units right (voltage, then current, or a header that names them), and "
        "--series-ohms? See it with --force --plot fit.png"
    )


def _print(found: Fit | PlainFit) -> None:
    """Print the fitted values and how well they fit."""
    from eqcirc.cli.output import print_table
    from eqcirc.devices.plain_fit import PlainFit, of_what

    rows = [(name, value, _error(found.errors[name]), _unit(name)) for name, value in found.values.items()]
    print_table(["fitted value", "", "standard error", "unit"], rows)
    typer.echo("")
    if isinstance(found, PlainFit):
        typer.echo(f"rms error {found.rms:.3g} A, {found.misfit:.2%} of {of_what(found)}")
        return
    pairs = zip(("peak", "valley"), (found.measured.peak, found.measured.valley), found.turns, strict=True)
    turns = [(name, *measured, *fitted) for name, measured, fitted in pairs]
    print_table(["", "measured (V)", "measured (A)", "law (V)", "law (A)"], turns)
    typer.echo(
        f"\nrms error {found.rms:.3g} A, up to the valley {found.rms_to_valley:.3g} A "
        f"({found.misfit:.2%} of the peak current)"
    )


def _next(found: Fit | PlainFit, out: Path | None) -> list[str]:
    """Return what one needs to know to use the device."""
    import tomli_w

    from eqcirc.devices.diode import ShockleyDiode
    from eqcirc.devices.plain_fit import PlainFit

    once = "" if out else ", once -o has written the device"
    if isinstance(found, PlainFit) and isinstance(found.law, ShockleyDiode):
        numbers = {name: found.values[name] for name in ("saturation_current", "emission")}
        leads = f" behind its {found.series_resistance:.4g} ohm" if found.series_resistance else ""
        return [
            "For an experiment file, where diodes have no series resistance:",
            "",
            "[network.diodes]",
            'law = "shockley"',
            tomli_w.dumps(numbers).strip(),
            "",
            f"The whole diode{leads}, in Python{once}: {_python(out)}",
            "",
        ]
    if found.law.steepest_fall == 0:
        return [f"In Python{once}: {_python(out)}", ""]
    return _neurons(found, out)


def _python(out: Path | None) -> str:
    return f"CircuitBuilder.device(..., find_diode({str(out or 'diode.toml')!r}))"


def _neurons(found: Fit | PlainFit, out: Path | None) -> list[str]:
    """Return what one needs to know to make neurons of a device whose current falls."""
    import tomli_w

    from eqcirc.circuit.neuron import Neuron
    from eqcirc.devices import CubicDevice

    v, i = _fall(found)
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


def _fall(found: Fit | PlainFit) -> tuple[float, float]:
    """Return voltage and current where the current falls most steeply."""
    from eqcirc.devices.fit import Fit

    return found.fall if isinstance(found, Fit) else found.diode.fall


def _rounded(value: float) -> float:
    return float(f"{value:.2g}")


def _facts(found: Fit | PlainFit) -> dict[str, Any]:
    """Return how well the law fits, as plain values."""
    from eqcirc.devices.fit import Fit

    facts: dict[str, Any] = {
        "table": found.measured.name,
        "points": len(found.measured.voltage),
        "left_out": found.left_out.shape[1],
        "rms": found.rms,
        "misfit": found.misfit,
        "standard_errors": found.errors,
        "series_resistance": found.series_resistance,
    }
    if isinstance(found, Fit):
        peak, valley = found.turns
        facts |= {
            "rms_to_valley": found.rms_to_valley,
            "measured_peak": list(found.measured.peak),
            "measured_valley": list(found.measured.valley),
            "peak": list(peak),
            "valley": list(valley),
            "centre": list(found.centre),
            "flaw": "" if found.flaw is None else found.flaw.words,
        }
    if found.law.steepest_fall:
        facts |= {"fall": list(_fall(found)), "steepest_fall": found.law.steepest_fall}
        facts["largest_load"] = found.diode.largest_load
    return facts


def _error(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "not determined by this table"


def _unit(name: str) -> str:
    if name.startswith("c") and name[1:].isdigit():
        return f"A/V^{name[1:]}"
    if name == "slope_voltage":
        return "V"
    return _UNITS.get(name.rpartition("_")[2], "")


def _draw(path: Path, found: Fit | PlainFit, title: str) -> None:
    from eqcirc.devices.fit import Fit
    from eqcirc.report.fit import fit_figure, plain_figure

    if isinstance(found, Fit):
        fit_figure(path, found, title=title)
    else:
        plain_figure(path, found, title=title)
