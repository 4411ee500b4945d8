"""The command that asks whether a circuit would stay at its operating points."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from eqcirc.cli.inspect import Inputs, Json, Samples, Scaled, SourcePath


def stability(
    source: SourcePath,
    inputs: Inputs = None,
    scaled: Scaled = False,
    samples: Samples = 4,
    engine: Annotated[Literal["ngspice", "ideal"], typer.Option(help="Solver.")] = "ngspice",
    as_json: Json = False,
) -> None:
    """Tell whether operating points are stable: growth of perturbations, curvature, degenerate directions.

    growth: largest real part of the eigenvalues of the dynamic Jacobian, stable below 0; frequency: of that
    eigenvalue; curvature: smallest eigenvalue of the reduced Hessian. Exit code 1 if a sample has no stable state.

    Example: `eqcirc stability runs/moons-fhn --samples 8`
    """
    from eqcirc.cli.output import print_json, print_table
    from eqcirc.cli.source import open_source
    from eqcirc.experiment.build import build_solver
    from eqcirc.solvers.dynamics import EQUAL, Dynamics
    from eqcirc.solvers.status import Status
    from eqcirc.verify.stability import stability_certificate, stability_report

    opened = open_source(source)
    x = opened.samples(inputs, samples, scaled=scaled)
    with build_solver(opened.experiment, opened.circuit, engine) as solver:
        points = solver.solve(opened.parameters, x)
    assumed = None if Dynamics.of(opened.circuit, opened.parameters, x[:1]).stores else EQUAL
    known = stability_certificate(opened.circuit, opened.parameters)
    columns = ["sample", "growth (1/s)", "frequency (Hz)", "curvature (S)", "degenerate", "verdict"]
    rows: list[list[Any]] = []
    for k in range(len(x)):
        one = slice(k, k + 1)
        if points.status[k] in (Status.CONVERGED, Status.UNSTABLE):
            found = stability_report(opened.circuit, opened.parameters, x[one], points.free[one])
            numbers = [float(v[0]) for v in (found.growth, found.frequency, found.curvature)]
            verdict = "stable" if found.stable[0] else found.explain(0)
            rows.append([k, *numbers, int(found.degenerate[0]), verdict])
        else:
            said = points.messages.get(k, Status(int(points.status[k])).words)
            rows.append([k, float("nan"), float("nan"), float("nan"), 0, said])
    if as_json:
        certificate = {"unique": known.unique, "stable": known.stable}
        content = {"certificate": certificate, "assumed_capacitance": assumed}
        print_json(content | {"columns": columns, "rows": rows})
    else:
        print_table(columns, rows)
        if assumed is not None:
            typer.echo(
                f"nothing in the circuit stores energy: growth is that with {assumed:g} F at every node"
            )
        typer.echo(_words(known.unique, known.stable))
    if not all(row[-1] == "stable" for row in rows):
        raise typer.Exit(1)


def _words(unique: bool, stable: bool) -> str:
    """Return the certificate in words."""
    if stable:
        return "certified: whatever the inputs, there is one operating point, and it is stable"
    if unique:
        return (
            "certified: whatever the inputs, there is one operating point; that it is stable is not certified"
        )
    return "not certified: there may be several operating points; samples are relaxed in time from rest"
