"""The command that asks whether a circuit would stay at its operating points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eqcirc.cli.inspect import Inputs, Json, Samples, Scaled, SourcePath

if TYPE_CHECKING:
    from eqcirc.experiment.opened import Opened
    from eqcirc.typing import Array

COLUMNS = ["sample", "growth (1/s)", "frequency (Hz)", "curvature (S)", "degenerate", "verdict"]


def stability(
    source: SourcePath,
    inputs: Inputs = None,
    scaled: Scaled = False,
    samples: Samples = 4,
    engine: Annotated[Literal["ngspice", "ideal"], typer.Option(help="Solver.")] = "ngspice",
    every: Annotated[
        bool, typer.Option("--all", help="Look for all operating points of every sample, with their outputs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell whether operating points are stable: growth of perturbations, curvature, degenerate directions.

    growth: largest real part of the eigenvalues of the dynamic Jacobian, stable below 0; frequency: of that
    eigenvalue; curvature: smallest eigenvalue of the reduced Hessian. Exit code 1 if a sample has no state in which the
    circuit comes to rest.

    Example: `eqcirc stability runs/moons-fhn --samples 8`
    """
    from eqcirc.cli.output import print_json, print_table
    from eqcirc.experiment.opened import open_source
    from eqcirc.solvers.dynamics import EQUAL, Dynamics
    from eqcirc.verify.stability import stability_certificate

    opened = open_source(source)
    x = opened.samples(inputs, samples, scaled=scaled)
    assumed = None if Dynamics.of(opened.circuit, opened.parameters, x[:1]).stores else EQUAL
    known = stability_certificate(opened.circuit, opened.parameters)
    if every:
        columns, rows, at_rest, notes = _all_points(opened, x)
    else:
        columns, (rows, at_rest), notes = COLUMNS, _reached(opened, x, engine), []
    if as_json:
        certificate = {"unique": known.unique, "attracting": known.attracting}
        content = {"certificate": certificate, "assumed_capacitance": assumed}
        print_json(content | {"columns": columns, "rows": rows} | ({"notes": notes} if every else {}))
    else:
        print_table(columns, rows)
        if assumed is not None:
            typer.echo(
                f"nothing in the circuit stores energy: growth is that with {assumed:g} F to ground from every node "
                "but amplifier outputs"
            )
        for note in [*notes, _words(known.unique, known.attracting)]:
            typer.echo(note)
    if not at_rest:
        raise typer.Exit(1)


def _reached(opened: Opened, x: Array, engine: str) -> tuple[list[list[Any]], bool]:
    """Return a row for each sample, about the state where the circuit comes to rest, and whether all have one."""
    from eqcirc.experiment.build import build_solver
    from eqcirc.solvers.status import Status
    from eqcirc.verify.stability import stability_report

    with build_solver(opened.experiment, opened.circuit, engine) as solver:
        points = solver.solve(opened.parameters, x)
    rows: list[list[Any]] = []
    for k, status in enumerate(map(Status, points.status.tolist())):
        one, nan = slice(k, k + 1), float("nan")
        said = points.messages.get(k, status.words)
        if status in (Status.CONVERGED, Status.UNSTABLE):
            found = stability_report(opened.circuit, opened.parameters, x[one], points.free[one])
            numbers = [float(v[0]) for v in (found.growth, found.frequency, found.curvature)]
            verdict = "stable" if found.stable[0] else found.explain(0)
            rows.append([k, *numbers, int(found.degenerate[0]), verdict])
        else:
            if status == Status.NO_EQUILIBRIUM:
                said += _only_point(opened, x[one])
            rows.append([k, nan, nan, nan, 0, said])
    return rows, all(row[-1] == "stable" for row in rows)


def _only_point(opened: Opened, x: Array) -> str:
    """Return what is wrong with the operating point of a sample (1, n_features), if there is but one; else nothing."""
    from eqcirc.errors import SolverError
    from eqcirc.solvers.ideal.solver import IdealSolver
    from eqcirc.solvers.status import Status
    from eqcirc.verify.stability import stability_report

    try:
        points = IdealSolver(opened.circuit, start="cold").solve(opened.parameters, x)
    except SolverError:
        return "; --all lists its operating points"
    if points.status[0] not in (Status.CONVERGED, Status.UNSTABLE):
        return ""
    found = stability_report(opened.circuit, opened.parameters, x, points.free)
    return f"; its only operating point is {found.explain(0)}"


def _all_points(opened: Opened, x: Array) -> tuple[list[str], list[list[Any]], bool, list[str]]:
    """Return columns and rows for all operating points, whether every sample comes to rest, and notes."""
    import numpy as np

    from eqcirc.verify.states import operating_points

    readout, rng = opened.circuit.readout, np.random.default_rng(opened.experiment.seed)
    outputs = [f"output {k} (V)" for k in range(readout.n_outputs)]
    columns = ["sample", "point", *outputs, "growth (1/s)", "frequency (Hz)", "verdict"]
    rows: list[list[Any]] = []
    notes, at_rest = [], True
    for k, sample in enumerate(x):
        found = operating_points(opened.circuit, opened.parameters, sample, rng)
        judged = found.stability
        for p, read in enumerate(readout.read(found.voltages).tolist()):
            verdict = "stable" if judged.stable[p] else judged.explain(p)
            verdict += ", reached from rest" if p == found.reached else ""
            rows.append([k, p, *read, float(judged.growth[p]), float(judged.frequency[p]), verdict])
        at_rest &= found.reached is not None
        if found.reached is None:
            notes.append(
                f"sample {k}: switched on with nothing charged, the circuit comes to rest at none of them"
            )
        if found.accounted is False:
            notes.append(f"sample {k}: the signs of det J do not add up, so points are missing")
    return columns, rows, at_rest, notes


def _words(unique: bool, attracting: bool) -> str:
    """Return the certificate in words."""
    if attracting:
        return "certified: whatever the inputs, there is one operating point, where the circuit comes to rest"
    if unique:
        return (
            "certified: whatever the inputs, there is one operating point; that the circuit comes to rest there is not "
            "certified, samples are relaxed in time from where they begin"
        )
    return "not certified: there may be several operating points; samples are relaxed in time from where they begin"
