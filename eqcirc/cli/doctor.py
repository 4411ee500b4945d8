"""`eqcirc doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import shutil
import subprocess
from typing import Annotated, Any

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Check the installation: Python packages, ngspice, libngspice, and a divider solved in a worker process.

    Exit code 1 if ngspice cannot be used; the ideal solver works without it.
    """
    from eqcirc.cli.output import print_json

    rows = [*_packages(), _program(), *_library()]
    if as_json:
        print_json({"checks": rows, "ok": all(r["ok"] for r in rows)})
    else:
        for row in rows:
            typer.secho("ok   " if row["ok"] else "FAIL ", nl=False, fg="green" if row["ok"] else "red")
            typer.echo(f"{row['what']}: {row['found']}")
            if not row["ok"]:
                typer.echo(f"     → {row['do']}")
    if not all(r["ok"] for r in rows):
        raise typer.Exit(1)


def _row(what: str, found: str, ok: bool, do: str = "") -> dict[str, Any]:
    return {"what": what, "found": found, "ok": ok, "do": do}


def _packages() -> list[dict[str, Any]]:
    from importlib.metadata import PackageNotFoundError, requires, version

    rows = [_row("eqcirc", version("eqcirc"), True)]
    for requirement in requires("eqcirc") or []:
        if "extra ==" in requirement:
            continue
        name = requirement.split(">")[0].split("=")[0].strip()
        try:
            rows.append(_row(name, version(name), True))
        except PackageNotFoundError:
            rows.append(_row(name, "missing", False, f"pip install '{requirement}'"))
    return rows


def _program() -> dict[str, Any]:
    """Look for the ngspice program, which runs exported decks."""
    from eqcirc.solvers.ngspice.library import INSTALL

    path = shutil.which("ngspice")
    if path is None:
        return _row("ngspice program", "missing", False, INSTALL)
    out = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False).stdout
    line = next((x.strip("* ") for x in out.splitlines() if "ngspice" in x), "unknown version")
    return _row("ngspice program", f"{line.split(':')[0].strip()} at {path}", True)


def _library() -> list[dict[str, Any]]:
    """Solve a divider of two equal conductances through libngspice and compare with one half."""
    from eqcirc.circuit.builder import GROUND, CircuitBuilder
    from eqcirc.errors import EqcircError
    from eqcirc.solvers.ngspice.library import INSTALL, require_library
    from eqcirc.solvers.ngspice.pool import Limits
    from eqcirc.solvers.ngspice.solver import NgspiceSolver

    try:
        path = require_library()
    except EqcircError as error:
        return [_row("libngspice", "missing", False, str(error))]
    builder = CircuitBuilder("doctor")
    x, out = builder.input("x"), builder.nodes("out")
    builder.conductance("upper", x, out, 1e-5)
    builder.conductance("lower", out, GROUND, 1e-5)
    try:
        with NgspiceSolver(builder.build(out), limits=Limits(deadline=60)) as solver:
            volts = float(solver.solve(None, [[1.0]]).require().free[0, out[0]])  # type: ignore[arg-type]
    except EqcircError as error:
        return [_row("libngspice", path, False, str(error))]
    ok = abs(volts - 0.5) < 1e-9
    return [
        _row("libngspice", f"{path}; a 1 V divider gives {volts:.9f} V", ok, "reinstall ngspice: " + INSTALL)
    ]
