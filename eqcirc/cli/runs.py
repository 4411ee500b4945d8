"""Commands that make, continue and score training runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from eqcirc.errors import ConfigError
from eqcirc.text import shell

if TYPE_CHECKING:
    from eqcirc.experiment.run import Run
    from eqcirc.experiment.schema import Experiment

Config = Annotated[Path, typer.Argument(help="Experiment file (TOML).", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", "-w", min=1, help="ngspice processes; all cores by default. Changes no result."
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(help="Dask scheduler to run on: tcp://host:8786 or a scheduler file. Changes no result."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("experiment.toml"),
    data: Annotated[
        str, typer.Option(help="Data set: xor, moons, iris, digits, mnist, fashion-mnist, csv, npz.")
    ] = "digits",
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented experiment file with every key, its unit and default.

    Example: `eqcirc init my.toml --data iris`
    """
    from eqcirc.cli.output import write_text
    from eqcirc.experiment.template import starting_point, template

    if path.exists() and not force:
        raise ConfigError(f"{path} exists; choose another name or use --force")
    experiment = starting_point(data)
    write_text(path, template(experiment))
    first = "" if experiment.data.path is None else "set data.path in it, then "
    typer.echo(f"wrote {path}; {first}train it with: eqcirc train {shell(path)}")


def train(
    config: Config,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run directory; `runs/NAME` by default.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a run that is there already.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Replace the seed of the experiment.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Replace a key: `--set learning.epochs=5` (repeatable). A path counts from the working directory; "
            "in the file it counts from the folder of the file.",
        ),
    ] = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Take a rule that does not measure the gradient; all results say so."),
    ] = False,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Train a circuit and leave a run directory behind.

    Ctrl-C finishes the present batch and leaves a run that `eqcirc resume` takes up.

    Example: `eqcirc train circuits/digits.toml --out runs/digits --seed 1`
    """
    from eqcirc.cli.overrides import changed
    from eqcirc.experiment.load import load_experiment
    from eqcirc.experiment.run import Run

    experiment = changed(load_experiment(config), change or [])
    experiment = changed(experiment, [] if seed is None else [f"seed={seed}"], "--seed")
    experiment = changed(experiment, ["learning.force=true"] if force else [], "--force")
    folder = out or Path("runs") / experiment.name
    with Run.start(_on(experiment, workers, cluster), folder, overwrite=overwrite) as run:
        _drive(run, as_json)


def resume(
    folder: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    config: Annotated[
        Path | None, typer.Option(help="Experiment file that the run must match; differing keys are named.")
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Continue an interrupted run; the result has the same bits as that of an undisturbed one.

    Example: `eqcirc resume runs/digits`
    """
    from eqcirc.experiment.directory import RunDirectory
    from eqcirc.experiment.load import load_experiment
    from eqcirc.experiment.run import Run

    experiment = load_experiment(config) if config else RunDirectory(folder).config()
    with Run.resume(folder, _on(experiment, workers, cluster)) as run:
        _drive(run, as_json)


def evaluate(
    folder: Annotated[Path, typer.Argument(help="Run directory.", show_default=False)],
    part: Annotated[Literal["train", "validation", "test"], typer.Option(help="Part of the data.")] = "test",
    engine: Annotated[
        Literal["ngspice", "ideal"] | None, typer.Option(help="Solver; that of the run by default.")
    ] = None,
    workers: Workers = None,
    cluster: Cluster = None,
    as_json: Json = False,
) -> None:
    """Score a trained circuit.

    Example: `eqcirc evaluate runs/digits --part test --engine ideal`
    """
    from dataclasses import asdict

    from eqcirc.cli.output import print_json, print_pairs, score_pairs
    from eqcirc.cli.source import open_source
    from eqcirc.errors import DataError
    from eqcirc.experiment.build import build_cost, build_solver
    from eqcirc.learning.evaluate import evaluate as score

    source = open_source(folder, must_be_run=True)
    experiment = _on(source.experiment, workers, cluster)
    dataset = getattr(source.data, part)
    if dataset is None:
        raise DataError(f"the run has no {part} part: data.{part} = 0 in its experiment")
    cost = build_cost(experiment)
    with build_solver(experiment, source.circuit, engine) as solver:
        result = asdict(score(solver, source.parameters, dataset, cost))
    where = {"part": part, "engine": solver.name}
    print_json(where | result) if as_json else print_pairs(where | score_pairs(**result, unit=cost.unit))


def _on(experiment: Experiment, workers: int | None, cluster: str | None) -> Experiment:
    """Return the experiment with other workers, if any are given."""
    given = {"workers": workers, "cluster": cluster}
    update = {key: value for key, value in given.items() if value is not None}
    return experiment.model_copy(update={"solver": experiment.solver.model_copy(update=update)})


def _drive(run: Run, as_json: bool) -> None:
    """Train with a progress bar, until done or interrupted, and report."""
    from eqcirc.cli.output import ProgressBar, print_json, print_pairs
    from eqcirc.cli.stopping import Stopping

    state, again = run.trainer.state, f"go on with: eqcirc resume {shell(run.folder.path)}"
    if state.epoch == run.trainer.plan.epochs:
        typer.secho("nothing left to train: all epochs are done; the run is scored once more", err=True)
    try:
        with Stopping() as stopping:
            with ProgressBar(run.trainer, quiet=as_json) as bar:
                done = run.train(bar, stopping.asked)
            if not done:
                typer.secho(
                    f"stopped in epoch {state.epoch + 1} after batch {state.batch}; {again}", err=True
                )
                raise typer.Exit(130)
            stopping.at_once()
            summary: dict[str, Any] = run.finish()
    except KeyboardInterrupt:
        typer.secho(f"stopped at once; the last checkpoint is whole, {again}", err=True)
        raise typer.Exit(130) from None
    summary |= {"run": str(run.folder.path), "picture": str(run.folder.path / "run.png")}
    print_json(summary) if as_json else print_pairs(_summary_pairs(summary, run.trainer.rule.cost.unit))


def _summary_pairs(summary: dict[str, Any], unit: str) -> dict[str, str]:
    """Return the summary of a run as pairs for `print_pairs`."""
    from eqcirc.cli.output import counted, score_pairs

    score = {key: summary[f"test_{key}"] for key in ("accuracy", "loss", "failed", "samples")}
    pairs = {f"test {name}": text for name, text in score_pairs(**score, unit=unit).items()}
    if "max_dv" in summary:
        pairs["ngspice − ideal"] = (
            f"{summary['max_dv']:.1e} V at most, {summary['compared_samples']} test samples"
        )
    if "audit_worst_dv" in summary:
        pairs["audits"] = (
            f"{summary['audit_worst_dv']:.1e} V at most, "
            f"cosine of the updates at least {summary['audit_worst_cosine']:.9f}, for their beta "
            f"{summary['audit_worst_bias']:.1e} off at most"
        )
    steps, epochs = counted(summary["steps"], "step"), counted(summary["epochs"], "epoch")
    trained = f"{steps}, {epochs}, by {summary['engine']}"
    return {"trained": trained, **pairs, "run": summary["run"], "picture": summary["picture"]}
