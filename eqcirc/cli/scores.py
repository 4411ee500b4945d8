"""Commands that use a trained circuit on samples: predictions and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from eqcirc.cli.runs import Cluster, Json, RunFolder, Workers, on

Engine = Annotated[
    Literal["ngspice", "ideal"] | None, typer.Option(help="Solver; that of the run by default.")
]
Labelled = Annotated[
    Path | None,
    typer.Option(
        help="CSV file of new samples with their classes or targets, instead of a part of the data."
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        help="W; score a single look at each sample's circuit in white noise that gives states the law "
        "exp(-energy/temperature), not the operating point.",
        show_default=False,
    ),
]
SHOWN = 20  # predictions on a terminal


def evaluate(
    folder: RunFolder,
    part: Annotated[Literal["train", "validation", "test"], typer.Option(help="Part of the data.")] = "test",
    data: Labelled = None,
    temperature: Temperature = None,
    engine: Engine = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Score a trained circuit: accuracy and figures of each class, or R² and RMSE of each predicted value.

    Example: `eqcirc evaluate runs/digits --part test --engine ideal`
    """
    from eqcirc.cli.output import print_json, print_pairs, print_table, score_pairs
    from eqcirc.experiment.build import build_cost, build_solver
    from eqcirc.experiment.opened import open_run
    from eqcirc.experiment.scores import details, read_labelled
    from eqcirc.learning.evaluate import outputs_of, score
    from eqcirc.solvers.ensemble import glance

    bath = None if temperature is None else glance(temperature)
    opened = open_run(folder)
    look = opened.look(bath)
    experiment = on(opened.experiment, workers, cluster)
    dataset = opened.part(part) if data is None else read_labelled(opened, data)
    cost = build_cost(experiment)
    with build_solver(experiment, opened.circuit, engine) as solver:
        outputs, converged = outputs_of(solver, opened.parameters, dataset.inputs, look)
    result = vars(score(outputs, converged, dataset, cost))
    where: dict[str, Any] = {"part": part if data is None else str(data), "engine": solver.name}
    if temperature is not None:
        where["temperature"] = temperature if as_json else f"{temperature:g} W"
    columns, rows = details(outputs, converged, dataset, opened.known, cost)
    if as_json:
        print_json(where | result | {"columns": columns, "rows": rows})
        return
    print_pairs(where | score_pairs(**result, unit=cost.unit))
    print_table(columns, rows)


def predict(
    folder: RunFolder,
    samples: Annotated[
        Path,
        typer.Argument(
            help="CSV file of raw values: one line each, a header with the names of the features. Other columns that "
            "the training data had are passed over.",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="CSV file to write.")] = None,
    scaled: Annotated[bool, typer.Option("--scaled", help="The values are scaled already.")] = False,
    engine: Engine = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Predict the classes or values of new samples; a sample that the circuit cannot solve costs only itself.

    Exit code 1 if there is one.

    Example: `eqcirc predict runs/iris new.csv -o predicted.csv`
    """
    from eqcirc.cli.output import print_json, print_table, write_text
    from eqcirc.experiment.build import build_cost, build_solver
    from eqcirc.experiment.opened import open_run
    from eqcirc.experiment.predict import predict as predicted
    from eqcirc.files import check_writable

    check_writable(out)
    opened = open_run(folder)
    inputs = opened.samples(samples, 0, scaled=scaled)
    experiment = on(opened.experiment, workers, cluster)
    with build_solver(experiment, opened.circuit, engine) as solver:
        found = predicted(
            solver, opened.parameters, inputs, build_cost(experiment), opened.known, opened.window
        )
    table = found.frame()
    if out is not None:
        write_text(out, table.to_csv(index=False))
    if as_json:
        rows: list[list[Any]] = table.to_numpy().tolist()
        print_json({"engine": solver.name, "columns": list(table.columns), "rows": rows})
    elif out is not None:
        typer.echo(f"wrote {out} ({len(table)} samples, by {solver.name})")
    else:
        shown = table.head(SHOWN)
        print_table(
            ["sample", *shown.columns], [[k, *row] for k, row in enumerate(shown.to_numpy().tolist())]
        )
        if len(table) > SHOWN:
            typer.echo(f"… {len(table) - SHOWN} more; -o FILE writes all")
    if found.problems:
        number, why = next(iter(found.problems.items()))
        typer.secho(
            f"{len(found.problems)} of {len(table)} samples have no operating point; sample {number}: {why}",
            fg=typer.colors.YELLOW,
            err=True,
        )
        raise typer.Exit(1)
